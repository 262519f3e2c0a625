import { describePackageFault, isVerifiedPackage } from '../../core/decide/confirm-update.ts'
import type { FileComparison } from '../../core/decide/explain-change.ts'
import { accountForFile, type LaterUpdate } from '../../core/decide/since-start.ts'
import type { Reproduction } from '../../core/initramfs/reproduction.ts'
import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import { listReproducedImages } from '../../core/vouch/kept-facts.ts'
import { kernelReleaseOf } from '../../core/vouch/roles.ts'
import type { OpenLook } from '../../core/vouch/vouched-by.ts'
import type { BootDeviceFacts } from '../device/boot-device.ts'
import type { DeviceBootFile } from '../device/boot-files.ts'
import { type ConfirmedPackages, observeConfirmedVersion } from '../dom0/confirmed-packages.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { areMeasuredPackagesOf, listLaterPackages } from '../dom0/later-packages.ts'
import { observeOwner } from '../dom0/package-owner.ts'
import { observeTrustedKeys } from '../dom0/packages.ts'
import type { BootDeviceLaunch } from './launch.ts'
import { nameOnDevice } from './prepared.ts'

/** Makes an initramfs again; a look that takes up to a minute. */
export type Reproduce = (
  look: Extract<OpenLook, { kind: 'initramfs' }>,
) => Promise<{ readonly result: Reproduction; readonly isAccepted: boolean }>

/**
 * Packages that came after `start`, each with what its signature and files are worth now. Of several kernels the confirmed one
 * is that of this boot, so another version is asked about by itself.
 */
export async function observeLaterUpdates(
  dom0: Dom0,
  baseline: Baseline,
  confirmed: ConfirmedPackages | null,
): Promise<readonly LaterUpdate[]> {
  const updates: LaterUpdate[] = []
  for (const one of await listLaterPackages(dom0, baseline)) {
    const found =
      confirmed?.packages.find(({ name, evr }) => name === one.name && evr === one.evr) ??
      (await observeConfirmedVersion(dom0, one))
    updates.push({
      ...one,
      isVerified: found !== null && isVerifiedPackage(found),
      fault: found === null ? 'could not be checked' : describePackageFault(found),
    })
  }
  return updates
}

/** What came of making the initramfs of this boot again, kept in the form of the step `predict`. */
export type KeptReproductions = {
  readonly reproductions: readonly (Reproduction & { readonly image: string })[]
  readonly accepted: readonly { readonly kind: 'modules'; readonly path: string; readonly sha256: string }[]
}

export const NOTHING_KEPT: KeptReproductions = { reproductions: [], accepted: [] }

/** SHA-256 of what was vouched for by making it again, before the restart or since. */
export function listVouchedImages(session: Session, now: KeptReproductions): ReadonlyMap<string, string> {
  return new Map([
    ...listReproducedImages(session.findings.predict),
    ...listReproducedImages(session.findings.explain),
    ...listReproducedImages(now),
  ])
}

/**
 * SHA-256 of what `start` made again in this boot, while the measured packages are those of then; what an earlier dom0 made
 * vouches for nothing.
 */
export async function observeMadeInBoot(
  dom0: Dom0,
  session: Session | null,
): Promise<ReadonlyMap<string, string>> {
  const { bootId } = await dom0.machine()
  if (bootId === null || session === null || session.baseline?.bootId !== bootId) return new Map()
  const isAsThen = await areMeasuredPackagesOf(dom0, session.baseline)
  return isAsThen ? listReproducedImages(session.findings.predict) : new Map()
}

/**
 * The initramfs of this boot, made again where signed packages came and nothing vouches for it yet. What was
 * found in an earlier run of `resume` is kept.
 * @param isVouched is an image vouched for without that
 */
export async function reproduceLater(
  launch: BootDeviceLaunch,
  session: Session,
  later: readonly Pick<LaterUpdate, 'isVerified'>[],
  isVouched: (path: string, sha256: string) => boolean,
  reproduce: Reproduce | null,
): Promise<KeptReproductions> {
  const kept = session.findings.explain as Partial<KeptReproductions> | undefined
  const before: KeptReproductions = {
    reproductions: kept?.reproductions ?? [],
    accepted: kept?.accepted ?? [],
  }
  const { entry } = launch.booted
  const kernelRelease = kernelReleaseOf(entry?.modules.find(({ role }) => role === 'kernel')?.path ?? null)
  const path = entry?.modules.find(({ role }) => role === 'initramfs')?.path ?? null
  const sha256 = path === null ? undefined : launch.images[path]?.storedDigests.sha256
  const isWanted = later.some(({ isVerified }) => isVerified) && reproduce !== null
  if (!isWanted || path === null || sha256 === undefined || kernelRelease === null) return before
  if (isVouched(path, sha256)) return before
  const { result, isAccepted } = await reproduce({ kind: 'initramfs', path, kernelRelease, sha256 })
  const { reproductions, accepted } = before
  return {
    reproductions: [...reproductions.filter(({ image }) => image !== path), { ...result, image: path }],
    accepted: isAccepted ? [...accepted, { kind: 'modules', path, sha256 }] : accepted,
  }
}

/** Each boot file, compared with what was recorded, with what accounts for one that is another now. */
export async function compareFiles(
  dom0: Dom0,
  baseline: Baseline,
  files: readonly DeviceBootFile[],
  facts: {
    readonly launch: BootDeviceLaunch
    readonly later: readonly LaterUpdate[]
    readonly isVouched: (path: string, sha256: string) => boolean
    /** Every selected register is as predicted. */
    readonly isPredicted: boolean
    /** `uname -r`. */
    readonly kernelRelease: string | null
  },
): Promise<readonly FileComparison[]> {
  const { launch, later, isVouched, isPredicted, kernelRelease } = facts
  const trusted = later.length > 0 ? await observeTrustedKeys(dom0) : []
  const { entry } = launch.booted
  const loaded = [entry?.launcher ?? null, ...(entry?.modules ?? []), ...(entry?.sinit ?? [])]
  const names = [...new Set([...baseline.bootFiles, ...files].map(({ path }) => nameOnDevice(path)))]
  const compared: FileComparison[] = []
  for (const name of names) {
    const before = baseline.bootFiles.find((file) => nameOnDevice(file.path) === name)
    const now = files.find((file) => nameOnDevice(file.path) === name)
    const role = before?.role ?? now?.role ?? 'file'
    // What noted no files beside grub.cfg is of an older program, which did not note AMD's loader either.
    if (before === undefined && baseline.grubFiles === undefined && /^\/skl\.bin$/i.test(name)) continue
    const own = now?.digests?.sha256 ?? null
    const base = {
      role,
      path: now?.path ?? before?.path ?? name,
      before: before?.digests?.sha256 ?? null,
      now: own,
      isNew: before === undefined,
      isGone: now === undefined,
    }
    const isSame = base.before !== null && base.before === own
    const owner =
      isSame || later.length === 0 || own === null ? null : await observeOwner(dom0, `/boot${name}`, trusted)
    const accountedBy = isSame
      ? null
      : accountForFile(
          {
            name,
            role,
            sha256: own,
            isGone: base.isGone,
            owner,
            isReproduced: own !== null && isVouched(name, own),
            isBooted:
              loaded.some((file) => file?.path === name) ||
              (kernelRelease !== null && kernelReleaseOf(name) === kernelRelease),
            isBootKnown: isPredicted || (entry !== null && entry.problems.length === 0),
          },
          later,
        )
    compared.push({ ...base, accountedBy })
  }
  return compared
}

/** No package brings or changes the files that grub.cfg reads beside itself; nothing is said where none was noted. */
export function compareGrubFiles(
  { grubFiles: before }: Pick<Baseline, 'grubFiles'>,
  now: BootDeviceFacts['grubFiles'],
): readonly FileComparison[] {
  if (before === undefined) return []
  const names = [...new Set([...before, ...now].map(({ path }) => nameOnDevice(path)))]
  return names.map((name) => {
    const [was, is] = [before, now].map((list) => list.find((file) => nameOnDevice(file.path) === name))
    return {
      role: 'read by grub.cfg',
      path: is?.path ?? was?.path ?? name,
      before: was?.sha256 ?? null,
      now: is?.sha256 ?? null,
      isNew: was === undefined,
      isGone: is === undefined,
      accountedBy: null,
    }
  })
}
