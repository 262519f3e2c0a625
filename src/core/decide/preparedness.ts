import { COPIES, type Prepared, type SealedDigest } from '../session/prepared.ts'

/** The machine now, for what was prepared; null is not known. */
export type PreparedLook = {
  /** Why the device that boots next could not be looked at; null where it could. */
  readonly deviceOut: string | null
  readonly files: Prepared['files']
  readonly entry: string | null
  readonly grubConfig: string | null
  readonly packages: Prepared['packages'] | null
  readonly selectedPcrs: readonly number[] | null
  readonly luks: string | null
  readonly sealed: readonly SealedDigest[] | null
  /** Labels of devices whose seal takes the freshness slot of the one that boots next. */
  readonly sharers: readonly string[]
}

export const PREPARED_CODES = [
  'boot-file',
  'boot-entry',
  'package',
  'selection',
  'luks-header',
  'sealed-files',
  'freshness-slot',
] as const

/** Does what the next boot was prepared for still lie there? */
export const PREPARED_STATES = ['fits', 'outdated', 'not-compared'] as const

export type PreparedChange = {
  readonly code: (typeof PREPARED_CODES)[number]
  /** In words, one line. */
  readonly what: string
}

/** Does what `start` prepared the next boot for still lie there? */
export type Preparedness = {
  readonly state: (typeof PREPARED_STATES)[number]
  readonly changes: readonly PreparedChange[]
  /** What could not be compared, in words: neither changed nor fine. */
  readonly notCompared: readonly string[]
}

/** Compares the machine with what the next boot was prepared for. Any difference makes it outdated, whoever made it. */
export function comparePrepared(before: Prepared, now: PreparedLook): Preparedness {
  const parts = [
    comparePackages(before, now),
    compareFiles(before, now),
    compareEntry(before, now),
    compareSelection(before, now),
    compareLuks(before, now),
    compareSealed(before, now),
  ]
  const changes = parts.flatMap((part) => part.changes ?? [])
  const notCompared = [...new Set(parts.flatMap((part) => part.notCompared ?? []))]
  const state = changes.length > 0 ? 'outdated' : notCompared.length > 0 ? 'not-compared' : 'fits'
  return { state, changes, notCompared }
}

type Part = { readonly changes?: readonly PreparedChange[]; readonly notCompared?: readonly string[] }

function comparePackages({ packages }: Prepared, now: PreparedLook): Part {
  if (now.packages === null) return { notCompared: ['the packages: rpm did not answer'] }
  const has = (list: Prepared['packages'], one: Prepared['packages'][number]): boolean =>
    list.some(({ name, evr }) => name === one.name && evr === one.evr)
  const installed = now.packages.filter((one) => !has(packages, one))
  const removed = packages.filter((one) => now.packages !== null && !has(now.packages, one))
  // An update is told once, by what came.
  const gone = removed.filter(({ name }) => !installed.some((one) => one.name === name))
  return {
    changes: [
      ...installed.map((one) => change('package', `${one.name} ${one.evr} was installed since`)),
      ...gone.map((one) => change('package', `${one.name} ${one.evr} was removed since`)),
    ],
  }
}

function compareFiles(before: Prepared, now: PreparedLook): Part {
  if (now.deviceOut !== null) return { notCompared: [now.deviceOut] }
  const names = [...new Set([...before.files, ...now.files].map(({ name }) => name))]
  const changes: PreparedChange[] = []
  const notCompared: string[] = []
  for (const name of names) {
    const [own, other] = [before, now].map(({ files }) => files.find((file) => file.name === name))
    if (own === undefined) changes.push(change('boot-file', `${name} came since`))
    else if (other === undefined) changes.push(change('boot-file', `${name} is not there any more`))
    else if (own.sha256 === null || other.sha256 === null) notCompared.push(`${name}: it could not be read`)
    else if (own.sha256 !== other.sha256) changes.push(change('boot-file', `${name} changed`))
  }
  return { changes, notCompared }
}

function compareEntry(before: Prepared, now: PreparedLook): Part {
  if (now.deviceOut !== null) return { notCompared: [now.deviceOut] }
  if (before.entry !== null && now.entry !== null)
    return before.entry === now.entry
      ? {}
      : { changes: [change('boot-entry', 'the entry of grub.cfg that boots next is another one')] }
  if (before.grubConfig === null || now.grubConfig === null)
    return { notCompared: ['grub.cfg: it could not be read'] }
  if (before.grubConfig === now.grubConfig) return {}
  return {
    changes: [change('boot-entry', 'grub.cfg changed, and which of its entries boots next cannot be told')],
  }
}

function compareSelection({ selectedPcrs }: Prepared, now: PreparedLook): Part {
  if (now.selectedPcrs === null)
    return { notCompared: ['SEAL of /etc/anti-evil-maid.conf: it cannot be read'] }
  const [own, other] = [selectedPcrs, now.selectedPcrs].map((list) =>
    [...list].sort((a, b) => a - b).join(', '),
  )
  if (own === other) return {}
  return { changes: [change('selection', `SEAL of /etc/anti-evil-maid.conf takes PCR ${other}, not ${own}`)] }
}

function compareLuks({ luks }: Prepared, now: PreparedLook): Part {
  if (luks === null) return {}
  if (now.luks === null) return { notCompared: ['the LUKS headers: they could not be read'] }
  return luks === now.luks ? {} : { changes: [change('luks-header', 'a LUKS header changed')] }
}

function compareSealed(before: Prepared, { sealed, deviceOut, sharers }: PreparedLook): Part {
  if (sealed === null) return { notCompared: ["AEM's sealed files: they could not be read"] }
  const { label } = before
  const changes: PreparedChange[] = []
  const unread = [...before.sealed, ...sealed].filter(
    (one) => one.sha256 === null && [label, ...sharers].includes(one.label),
  )
  for (const copy of COPIES) {
    if (copy === 'device' && deviceOut !== null) continue
    if (isSealedSame(before.sealed, sealed, label, copy)) continue
    const where = copy === 'dom0' ? "dom0's copy" : `the copy on ${label ?? 'the device'}`
    changes.push(change('sealed-files', `AEM's sealed files are others (${where}): something sealed since`))
  }
  for (const other of sharers)
    if (!isSealedSame(before.sealed, sealed, other, 'dom0'))
      changes.push(
        change('freshness-slot', `AEM sealed for ${other} since, which took the freshness slot of ${label}`),
      )
  return {
    changes,
    notCompared: unread.map((one) => `AEM's sealed file ${one.name} of ${one.label}: it could not be read`),
  }
}

/** What could not be read in either is left out: it is neither the same nor another. */
function isSealedSame(
  before: readonly SealedDigest[],
  now: readonly SealedDigest[],
  label: string | null,
  copy: SealedDigest['copy'],
): boolean {
  const own = [before, now].map((list) => list.filter((one) => one.label === label && one.copy === copy))
  const unread = own.flat().flatMap(({ name, sha256 }) => (sha256 === null ? [name] : []))
  const [was, is] = own.map((list) =>
    list
      .filter(({ name }) => !unread.includes(name))
      .map(({ name, sha256 }) => `${name} ${sha256}`)
      .sort()
      .join(),
  )
  return was === is
}

function change(code: PreparedChange['code'], what: string): PreparedChange {
  return { code, what }
}

/** The way on from anything that does not fit any more. */
export const CANCEL_AND_START = '`aem-reseal cancel`, then `aem-reseal start`'
