/** A PCI device as Qubes lists it. */
export type QubesPciDevice = {
  /** `dom0:00_14.0`; from Qubes 4.3 on a path of bridges, `dom0:00_08.1-00_00.0`. */
  readonly device: string
  /** Address for lspci, `0000:00:14.0`; null where the listing does not tell it. */
  readonly sbdf: string | null
  readonly description: string
  /** Qubes that use it; empty for a device of dom0's own; null where the last column could not be read. */
  readonly qubes: readonly string[] | null
}

export type QvmPciListing = {
  readonly devices: readonly QubesPciDevice[]
  /** Lines of another form: what they hold is not known. */
  readonly unread: readonly string[]
  /**
   * Whether a qube that is switched off is listed as well: true before Qubes 4.3, which lists assignments; false for
   * the form of 4.3, which lists what is attached now; null where no line tells.
   */
  readonly listsHaltedQubes: boolean | null
}

const ROW = /^([A-Za-z][\w.-]*:([0-9a-f_.*-]+))(?: {2,}(\S.*))?$/
const TITLE = /^BACKEND:DEVID {2,}/
const ADDRESS = /^(?:([0-9a-f]{4,8})[_:])?([0-9a-f]{2})[_:]([0-9a-f]{2})\.([0-7])$/

/** `00_14.0` is `00:14.0` in domain 0000; behind a bridge the 4.3 path has no bus number, so no address. */
const addressOf = (id: string): string | null => {
  const match = ADDRESS.exec(id)
  return match ? `${match[1] ?? '0000'}:${match[2]}:${match[3]}.${match[4]}` : null
}

const QUBE = /(\*?)([A-Za-z][\w.-]{0,30})(?: \(([^()]*)\))?(?:, |$)/y
/** What Qubes 4.3 puts in front of the options; before, the parentheses hold options only. */
const MODE_43 = /^(?:attached|manual|auto-attach|ask-to-attach|required)(?:$|:)/

type UsedBy = { readonly qubes: readonly string[]; readonly is43: boolean }

/** `sys-usb (no-strict-reset=True, permissive=True), vault`; null where the text is no list of qubes. */
const parseUsedBy = (text: string): UsedBy | null => {
  const qubes: string[] = []
  let is43 = false
  for (let at = 0; at < text.length; ) {
    QUBE.lastIndex = at
    const match = QUBE.exec(text)
    if (!match) return null
    is43 ||= match[1] === '*' || MODE_43.test(match[3] ?? '')
    qubes.push(match[2]!)
    at += match[0].length
  }
  return { qubes, is43 }
}

/** The columns are aligned by blanks: an empty last column is simply not there. */
const parseRow = (line: string): { device: QubesPciDevice; is43: boolean | null } | null => {
  const row = ROW.exec(line)
  if (!row) return null
  const columns = (row[3] ?? '').split(/ {2,}/)
  const sbdf = addressOf(columns[0]!)
  const [description = '', ...rest] = sbdf === null ? columns : columns.slice(1)
  const last = rest.at(-1)
  const usedBy = last === undefined ? { qubes: [], is43: null } : parseUsedBy(last)
  return {
    device: {
      device: row[1]!,
      sbdf: sbdf ?? addressOf(row[2]!),
      description: [description, ...(usedBy ? rest.slice(0, -1) : rest)].join('  '),
      qubes: usedBy?.qubes ?? null,
    },
    is43: usedBy?.is43 ?? null,
  }
}

/**
 * What `qvm-pci ls` prints, with or without `--with-sbdf` or `--assignments` (Qubes 4.3); the title line appears on a
 * terminal only.
 *
 *     BACKEND:DEVID  DESCRIPTION                                                           USED BY
 *     dom0:00_0d.0   USB controller: Intel Corporation Tiger Lake-LP Thunderbolt 4 USB Controller
 *     dom0:00_0d.3   USB controller: Intel Corporation Tiger Lake-LP Thunderbolt 4 NHI #1  sys-usb (no-strict-reset=True, permissive=True), test-sys-usb (no-strict-reset=True)
 *
 *     dom0:00_14.0          0000:00:14.0  PCI_USB: Intel Corporation Tiger Lake-LP USB 3.2 Gen 2x1  sys-usb (attached: no-strict-reset=True)
 *     dom0:00_1d.0-00_00.0  0000:aa:00.0  Network: Intel Corporation Wi-Fi 6 AX210                  sys-net (attached)
 *
 * (First form: Qubes 4.1 and 4.2, QubesOS/qubes-issues#9354; second: 4.3, qubes-core-admin-client 4.3.34,
 * qubesadmin/tools/qvm_device.py and its tests.)
 */
export const parseQvmPci = (text: string): QvmPciListing => {
  const devices: QubesPciDevice[] = []
  const unread: string[] = []
  const forms = new Set<boolean | null>()
  for (const line of text.split('\n').map((each) => each.trimEnd())) {
    if (line === '' || TITLE.test(line)) continue
    const row = parseRow(line)
    if (row === null) {
      unread.push(line)
      continue
    }
    devices.push(row.device)
    forms.add(row.is43)
  }
  return { devices, unread, listsHaltedQubes: forms.has(true) ? false : forms.has(false) ? true : null }
}

/**
 * The devices of two listings by device, as `--with-sbdf` and `--assignments` cannot be asked for at once: qvm-pci
 * fails on an assignment, which has no address (qubes-core-admin-client 4.3.34).
 */
export const mergeListings = (
  addresses: readonly QubesPciDevice[],
  assignments: readonly QubesPciDevice[],
): QubesPciDevice[] => {
  const merged = new Map<string, QubesPciDevice>()
  for (const own of [...addresses, ...assignments]) {
    const known = merged.get(own.device)
    const qubes = known?.qubes === null || own.qubes === null ? null : [...(known?.qubes ?? []), ...own.qubes]
    merged.set(own.device, { ...(known ?? own), sbdf: known?.sbdf ?? own.sbdf, qubes })
  }
  return [...merged.values()]
}

/**
 * MSI vectors a device can use, from `lspci -vvs BDF`.
 *
 *     00:14.0 USB controller: Intel Corporation Tiger Lake-LP USB 3.2 Gen 2x1 xHCI Host Controller (rev 20) (prog-if 30 [XHCI])
 *     	Capabilities: [80] MSI: Enable+ Count=1/8 Maskable- 64bit+
 *
 * (pciutils 3.9; ls-caps.c prints allocated/requested.) Only the second number counts: the qube can
 * ask for all of them, enabled or not. MSI-X lines begin with `MSI-X:` and do not count.
 * @returns 0 only where the capabilities were listed, or the device says that it has none (`Cap-`), and MSI is not
 * among them; null where lspci could not see: no such device, `Capabilities: <access denied>` without root, a list that
 * breaks off (`<chain broken>`), a device that is switched off (`!!! Unknown header type 7f`), or an MSI line of another
 * form.
 */
export const parseMsiVectors = (text: string): number | null => {
  if (!/^(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] /m.test(text)) return null
  if (/Capabilities: (?:\[[0-9a-f]+(?: v\d+)?\] )?<|!!! Unknown header type/.test(text)) return null
  const capabilities = [...text.matchAll(/^\s+Capabilities: \[[0-9a-f]+(?: v\d+)?\] (.*)$/gm)].map(
    (match) => match[1]!,
  )
  const msi = capabilities.filter((capability) => /^MSI:/.test(capability))
  const counts = msi.map((capability) => /^MSI: Enable[+-] Count=\d+\/(\d+)(?= |$)/.exec(capability)?.[1])
  if (counts.length > 0)
    return counts.some((count) => count === undefined) ? null : Math.max(...counts.map(Number))
  return capabilities.length > 0 || /^\s+Status: Cap-/m.test(text) ? 0 : null
}
