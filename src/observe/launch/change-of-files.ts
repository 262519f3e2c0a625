import { describePackageFault, isVerifiedPackage } from '../../core/decide/confirm-update.ts'
import { type Downgrade, listDowngrades, listUnwanted } from '../../core/decide/downgrades.ts'
import type { ChangeFacts } from '../../core/decide/explain-change.ts'
import { isBehindLater, type LaterUpdate } from '../../core/decide/since-start.ts'
import type { Explanation as LaunchExplanation } from '../../core/launch/explain-types.ts'
import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import type { Versions } from '../../core/session/versions.ts'
import { isOlderKernel, kernelReleaseOf } from '../../core/vouch/roles.ts'
import type { Seen } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { type BootDeviceFacts, observeBootDevice } from '../device/boot-device.ts'
import type { AemDevice } from '../device/devices.ts'
import type { ConfirmedPackages } from '../dom0/confirmed-packages.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { listBaselineVersions, listRecordedVersions } from '../dom0/earlier-versions.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { observeNewest } from '../dom0/packages.ts'
import { observeInstalledXen } from '../dom0/status.ts'
import { compareBootLines } from './boot-lines.ts'
import type { BootDeviceLaunch } from './launch.ts'
import { nameOnDevice } from './prepared.ts'
import { compareFiles, compareGrubFiles } from './since-start.ts'

type Evidence = {
  readonly session: Session
  readonly baseline: Baseline
  readonly machine: MachineFacts
  readonly explained: LaunchExplanation
  readonly device: AemDevice | null
  readonly launch: BootDeviceLaunch
  readonly versions: Seen<Versions>
  readonly packages: ConfirmedPackages['packages']
  readonly later: readonly LaterUpdate[]
  readonly isVouched: (path: string, sha256: string) => boolean
  /** What is installed can have booted: an older package that still waits for a restart says nothing of this boot. */
  readonly hasBooted: boolean
  /** SHA-256 of the files that the last approved boot came from, by path as GRUB names it; empty where a session is judged. */
  readonly approvedFiles: ReadonlyMap<string, string>
}

/** After the restart it does not matter whether another file is an older one. */
const STATE_WORDS = {
  current: 'is current',
  stale: 'is not current',
  changed: 'is not current',
  absent: 'is not there',
  unknown: 'could not be checked',
} as const

export async function observeChange(dom0: Dom0, evidence: Evidence): Promise<ChangeFacts> {
  const { host } = dom0
  const { session, baseline, machine, explained, device, versions, packages, later } = evidence
  const boot = await observeBootDevice(dom0, device, machine.xen.buildId)
  const names = [
    ...new Set([...(session.expectation?.changedPackages ?? []), ...later.map(({ name }) => name)]),
  ]
  const earlier = [...listRecordedVersions(valueOrNull(versions)), ...listBaselineVersions(baseline)]
  const wanted = session.expectation?.downgrades ?? []
  const downgrades = listUnwanted(listDowngrades(packages, earlier), wanted)
  const { installedXen } = await observeInstalledXen(dom0)
  return {
    pcrs: explained.pcrs.map(({ index, before, now }) => ({ index, before, now })),
    files: await compareFiles(dom0, baseline, boot.files, {
      ...evidence,
      isPredicted: explained.pcrs.every(({ now, predicted }) => now !== null && now === predicted),
      kernelRelease: machine.kernelRelease,
    }),
    grubFiles: boot.isOpen ? compareGrubFiles(baseline, boot.grubFiles) : [],
    deviceProblems: boot.checks
      .filter(
        (check) =>
          check.state !== 'current' &&
          !isBehindLater(toRecorded(baseline, boot.files, check), later) &&
          !waitsForRestart(check, evidence),
      )
      .map(({ path, role, state, against }) => `${path} (${role}) ${STATE_WORDS[state]} (${against})`),
    packages: names.map((name) => {
      const found = packages.find((item) => item.name === name)
      return {
        name,
        isVerified: found ? isVerifiedPackage(found) : null,
        fault: found ? describePackageFault(found) : null,
      }
    }),
    isPredicted: explained.pcrs.every(
      ({ index, change, now, predicted }) =>
        change === 'none' || (now !== null && now === predicted) || isOwnHeader(explained, index),
    ),
    downgrades: evidence.hasBooted ? downgrades : [],
    outdated: listUnwanted(await listOutdated(dom0, packages, baseline), wanted).filter(
      ({ name }) => !downgrades.some((one) => one.name === name),
    ),
    olderKernel: findOlderKernel(session, baseline, machine.kernelRelease),
    commandLines: compareBootLines(
      session,
      baseline,
      machine,
      device,
      baseline.components !== null || explained.pcrs.every(({ change }) => change === 'none'),
    ),
    oddEntries: evidence.launch.odd ?? [],
    // A recorded machine need not hold the record; on the machine itself one that cannot be read hides something.
    areVersionsUnreadable: versions.state === 'unknown' && host.kind !== 'recorded',
    xen: {
      runningBuildId: machine.xen.buildId,
      installedBuildId: installedXen.buildId,
      confirmedBuildId: later.some(({ component }) => component === 'xen')
        ? (session.expectation?.xenBuildId ?? null)
        : null,
    },
  }
}

/**
 * A file that the approved boot came from, in a boot that measured the same: what was installed since makes it an older one, and
 * says nothing of this boot.
 */
function waitsForRestart(
  { path, sha256 }: BootDeviceFacts['checks'][number],
  { hasBooted, approvedFiles }: Evidence,
): boolean {
  return !hasBooted && sha256 !== null && approvedFiles.get(nameOnDevice(path)) === sha256
}

/**
 * Packages that came since and are not the newest installed ones: several kernels are there side by side. One that was there
 * before changed nothing.
 */
async function listOutdated(
  dom0: Dom0,
  packages: ConfirmedPackages['packages'],
  { packages: before }: Baseline,
): Promise<readonly Downgrade[]> {
  const changed = packages.filter(
    ({ name, evr }) => !before.some((one) => one.name === name && one.evr === evr),
  )
  const newest = await Promise.all(changed.map(({ name }) => observeNewest(dom0, name)))
  const installed = newest.flatMap((one) =>
    one === null ? [] : [{ name: one.name, evr: one.evr, source: 'baseline' as const }],
  )
  return listDowngrades(changed, installed)
}

/** dom0 keeps several kernels, of several packages: the one that was predicted, else the one that ran before, tells an older one. */
function findOlderKernel(
  { prediction }: Session,
  { components }: Baseline,
  booted: string | null,
): NonNullable<ChangeFacts['olderKernel']> | null {
  const predicted = prediction?.pcrs.flatMap((pcr) => pcr.components ?? []) ?? []
  const path = [...predicted, ...(components ?? [])].find(({ role }) => role === 'kernel')?.path ?? null
  const before = kernelReleaseOf(path)
  return booted !== null && before !== null && isOlderKernel(booted, before) ? { booted, before } : null
}

/** A LUKS header that a person called their own before the restart: no package stands behind it. */
function isOwnHeader({ reasons }: LaunchExplanation, index: number): boolean {
  return reasons.some(({ code, pcr }) => code === 'luks-header-accepted' && pcr === index)
}

/** Is a checked file as it was when the update was confirmed? One that was not there then, and is not now, is. */
function toRecorded(
  { bootFiles }: Baseline,
  files: BootDeviceFacts['files'],
  { path, role }: BootDeviceFacts['checks'][number],
): { role: string; isUnchanged: boolean } {
  const digestIn = (list: Baseline['bootFiles'] | BootDeviceFacts['files']) =>
    list.find((file) => nameOnDevice(file.path) === nameOnDevice(path))?.digests?.sha256
  return { role, isUnchanged: digestIn(bootFiles) === digestIn(files) }
}
