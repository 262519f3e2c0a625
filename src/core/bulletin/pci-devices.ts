/** A PCI device as Qubes lists it. */
export type QubesPciDevice = {
  /** `dom0:00_14.0`; from Qubes 4.3 on a path of bridges, `dom0:00_08.1-00_00.0`. */
  readonly device: string
  /** Address for lspci, `0000:00:14.0`; null where the listing does not tell it. */
  readonly sbdf: string | null
  readonly description: string
  /** Qubes that use it; empty for a device of dom0's own. */
  readonly qubes: readonly string[]
}

const SBDF = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/
const ROW = /^([A-Za-z][\w.-]*:([0-9a-f_.-]+)) {2,}(\S.*)$/

/** `00_14.0` is `00:14.0` in domain 0000; behind a bridge the 4.3 path has no bus number, so no address. */
const addressOf = (id: string): string | null => {
  const match = /^(?:([0-9a-f]{4,8})_)?([0-9a-f]{2})_([0-9a-f]{2})\.([0-7])$/.exec(id)
  return match ? `${match[1] ?? '0000'}:${match[2]}:${match[3]}.${match[4]}` : null
}

const QUBE = /\*?([A-Za-z][\w.-]{0,30})(?: \([^()]*\))?(?:, |$)/y

/** `sys-usb (no-strict-reset=True, permissive=True), vault`; null where the text is no list of qubes. */
const parseQubes = (text: string): string[] | null => {
  const qubes: string[] = []
  for (let at = 0; at < text.length; ) {
    QUBE.lastIndex = at
    const match = QUBE.exec(text)
    if (!match) return null
    qubes.push(match[1]!)
    at += match[0].length
  }
  return qubes
}

const parseRow = (line: string): QubesPciDevice | null => {
  const row = ROW.exec(line.trimEnd())
  if (!row) return null
  const columns = row[3]!.split(/ {2,}/)
  const sbdf = SBDF.test(columns[0]!) ? columns.shift()! : null
  const qubes = columns.length > 1 ? parseQubes(columns.at(-1)!) : null
  const description = (qubes ? columns.slice(0, -1) : columns).join('  ')
  return { device: row[1]!, sbdf: sbdf ?? addressOf(row[2]!), description, qubes: qubes ?? [] }
}

/**
 * The devices of `qvm-pci ls`, with or without `--with-sbdf` (Qubes 4.3); the title line appears on a
 * terminal only.
 *
 *     BACKEND:DEVID  DESCRIPTION                                                           USED BY
 *     dom0:00_0d.0   USB controller: Intel Corporation Tiger Lake-LP Thunderbolt 4 USB Controller
 *     dom0:00_0d.3   USB controller: Intel Corporation Tiger Lake-LP Thunderbolt 4 NHI #1  sys-usb (no-strict-reset=True, permissive=True), test-sys-usb (no-strict-reset=True)
 *
 * (Qubes 4.3, QubesOS/qubes-issues#9354; format in qubes-core-admin-client, tools/qvm_device.py.)
 */
export const parseQvmPci = (text: string): QubesPciDevice[] =>
  text.split('\n').flatMap((line) => parseRow(line) ?? [])

/**
 * MSI vectors a device can use, from `lspci -vvs BDF`.
 *
 *     00:14.0 USB controller: Intel Corporation Tiger Lake-LP USB 3.2 Gen 2x1 xHCI Host Controller (rev 20) (prog-if 30 [XHCI])
 *     	Capabilities: [80] MSI: Enable+ Count=1/8 Maskable- 64bit+
 *
 * (pciutils 3.9; ls-caps.c prints allocated/requested.) Only the second number counts: the qube can
 * ask for all of them, enabled or not. MSI-X lines begin with `MSI-X:` and do not count.
 * @returns 0 without the capability; null where lspci could not see: no such device, or
 * `Capabilities: <access denied>` without root.
 */
export const parseMsiVectors = (text: string): number | null => {
  if (!/^(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] /m.test(text)) return null
  if (text.includes('Capabilities: <access denied>')) return null
  const msi = /^\s+Capabilities: \[[0-9a-f]+(?: v\d+)?\] MSI: Enable[+-] Count=\d+\/(\d+)\b/m.exec(text)
  return msi ? Number(msi[1]) : 0
}
