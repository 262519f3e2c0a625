import type { GateCheck } from './readiness.ts'

/** A boot file that an installed package brings, as it lies in dom0 and on an AEM device. Digests: SHA-256, lower-case hex. */
export type RefreshFile = {
  /** Name below /boot and on the device. */
  readonly name: string
  readonly role: 'tboot' | 'xen' | 'kernel' | 'config'
  readonly packageName: string
  /** What the package brought, by the RPM database. */
  readonly sha256: string
  /** In dom0's /boot; null where it is absent or cannot be read. */
  readonly inDom0: string | null
  /** On the device; null where it is absent or cannot be read. */
  readonly onDevice: string | null
  readonly sizeBytes: number
}

/** The initramfs of one kernel on the device. */
export type RefreshInitramfs = {
  /** Kernel release, e.g. 6.6.36-1.qubes.fc37.x86_64. */
  readonly kernel: string
  readonly state: 'current' | 'stale' | 'absent' | 'unknown'
  /** It is still the one that this program made, or saw measured in a verified boot. */
  readonly isKnown: boolean
  /** Room that it takes: that of the one it replaces, or of dom0's own. */
  readonly sizeBytes: number
}

export type RefreshFacts = {
  readonly files: readonly RefreshFile[]
  readonly initramfs: readonly RefreshInitramfs[]
  /** grub.cfg has an AEM entry of this device that loads the installed Xen, with the command lines of this boot. */
  readonly isGrubCurrent: boolean
  /** This boot came from the device. */
  readonly isBooted: boolean
}

export type RefreshPlan = {
  readonly copies: readonly RefreshFile[]
  readonly initramfs: readonly { readonly kernel: string; readonly why: string }[]
  readonly makesGrubConfig: boolean
  /** Free bytes that it takes at the most: everything is written beside the old files first. */
  readonly neededBytes: number
}

const MARGIN_BYTES = 4 * 1024 * 1024

/**
 * What a device lacks of the installed packages. As little as can be: what this boot measured stays as it is on the device
 * it came from, so that the rest of the next boot can still be predicted. Of another device the initramfs is made again
 * where nobody can say who made the one that is there.
 */
export function planRefresh({ files, initramfs, isGrubCurrent, isBooted }: RefreshFacts): RefreshPlan {
  const copies = files.filter(({ sha256, onDevice }) => onDevice !== sha256)
  const made = initramfs.flatMap(({ kernel, state, isKnown, sizeBytes }) => {
    const why = whyMade(state, isKnown, isBooted)
    return why === null ? [] : [{ kernel, why, sizeBytes }]
  })
  // A new name needs a new entry; a file that is replaced under its old name needs none, and its command line stays.
  const hasNewName = copies.some(({ role, onDevice }) => onDevice === null && role !== 'config')
  const bytes = [...copies, ...made].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return {
    copies,
    initramfs: made.map(({ kernel, why }) => ({ kernel, why })),
    makesGrubConfig: !isGrubCurrent || hasNewName,
    neededBytes: bytes + MARGIN_BYTES,
  }
}

function whyMade(state: RefreshInitramfs['state'], isKnown: boolean, isBooted: boolean): string | null {
  if (state === 'absent') return 'there is none'
  if (state === 'stale') return 'it is older than a package it is made from'
  if (isBooted || isKnown) return null
  return 'nobody can say what is in the one that is there'
}

export function isNothingToDo(plan: RefreshPlan): boolean {
  return plan.copies.length === 0 && plan.initramfs.length === 0 && !plan.makesGrubConfig
}

/** What is copied must be what a signed package brought: dom0's /boot can be an unencrypted partition. */
export function checkSources(
  files: readonly RefreshFile[],
  unverified: readonly string[],
): readonly GateCheck[] {
  const changed = files.filter(({ inDom0, sha256 }) => inDom0 !== sha256)
  return [
    {
      id: 'packages-signed',
      ok: unverified.length === 0,
      detail:
        unverified.length === 0
          ? 'the packages behind the boot files are signed by known keys'
          : `not verified: ${unverified.join('; ')}`,
    },
    {
      id: 'sources',
      ok: files.length === 0 ? null : changed.length === 0,
      detail:
        files.length === 0
          ? 'no package names a boot file: the RPM database could not be read'
          : changed.length === 0
            ? "dom0's /boot holds the files of the installed packages"
            : `in dom0's /boot not as the package brought it: ${changed.map(({ name, packageName }) => `${name} (${packageName})`).join(', ')}; \`sudo qubes-dom0-update --action=reinstall PACKAGE\``,
    },
  ]
}

export function checkRefreshSpace(label: string, freeBytes: number | null, neededBytes: number): GateCheck {
  const id = 'device-space'
  if (freeBytes === null) return { id, ok: null, detail: `free space on ${label} could not be read` }
  const mib = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MiB`
  return freeBytes >= neededBytes
    ? { id, ok: true, detail: `${mib(freeBytes)} free on ${label}, at most ${mib(neededBytes)} are needed` }
    : {
        id,
        ok: false,
        detail: `only ${mib(freeBytes)} free on ${label}, ${mib(neededBytes)} are needed: mount it and remove kernels that dom0 has no more`,
      }
}
