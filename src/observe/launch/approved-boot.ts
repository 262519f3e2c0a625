import { SEAL_BANKS } from '../../core/aem/tpm.ts'
import { isSinceBoot } from '../../core/decide/since-boot.ts'
import { Failure } from '../../core/failure.ts'
import { calibrateLaunch } from '../../core/launch/calibrate.ts'
import { listComponents } from '../../core/launch/components.ts'
import { originalPath } from '../../core/launch/efi-entry.ts'
import type { LaunchLog } from '../../core/launch/launch-log.ts'
import type { MeasuredModule } from '../../core/launch/match-module.ts'
import type { ApprovedBoot, ApprovedFile } from '../../core/session/approved-boot.ts'
import { doesLogLead } from '../../core/vouch/ground-differences.ts'
import { valueOrNull } from '../../host/host.ts'
import type { AemDevice } from '../device/devices.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { observeOwner } from '../dom0/package-owner.ts'
import { observeTrustedKeys } from '../dom0/packages.ts'
import { MEASURED_PACKAGES } from '../dom0/rpm-database.ts'
import { readSealedPolicy } from '../seal/binding.ts'
import { observeSealedCopy } from '../seal/sealed-copy.ts'
import { type BootDeviceLaunch, observeBootDeviceLaunch } from './launch.ts'
import { registersOf, type TpmFacts } from './pcrs.ts'
import { hashTboot } from './tboot-file.ts'

export type BootContents = Pick<ApprovedBoot, 'policy' | 'commandLines' | 'files' | 'packages' | 'components'>

/** What this boot ran, as far as it proves it itself: kept when it is approved. @param device the one it came from */
export async function observeBootContents(
  dom0: Dom0,
  device: AemDevice,
  machine: MachineFacts,
  tpm: TpmFacts,
): Promise<BootContents> {
  const { host } = dom0
  const log = await dom0.log()
  const launch = await observeBootDeviceLaunch(host, device, machine, log)
  const modules = listProven(log, launch, tpm)
  const mle = findMleLine(log, launch)
  const lineOf = (role: 'xen' | 'kernel'): string | null =>
    modules.find((one) => one.role === role && one.path !== null)?.commandLine ?? null
  const bank = tpm.bank ?? 'sha256'
  const isLed = !(log instanceof Failure) && doesLogLead(log, bank, tpm.pcrs[bank] ?? {})
  return {
    policy: await observePolicy(dom0, device.label, tpm),
    commandLines: {
      mle,
      xen: lineOf('xen') ?? machine.xen.commandLine,
      kernel: lineOf('kernel') ?? machine.kernelCommandLine,
    },
    files: await observeFiles(dom0, launch, modules, mle !== null),
    packages: await observeBootPackages(dom0, machine.bootTime),
    components: isLed
      ? listComponents(log, launch.booted.entry).map((one) => ({ ...one, digests: { ...one.digests } }))
      : null,
  }
}

/** The modules whose logged digest is that of a file on the device with its command line. */
function listProven(
  log: LaunchLog | Failure,
  launch: BootDeviceLaunch,
  tpm: TpmFacts,
): readonly MeasuredModule[] {
  const { calibration } = calibrateLaunch({
    log,
    pcrsNow: tpm.bank === null ? {} : { [tpm.bank]: registersOf(tpm) },
    booted: launch.booted.entry,
    images: launch.images,
  })
  return (calibration?.modules ?? []).filter(({ unchanged }) => unchanged)
}

/** tboot's command line is hashed with it (tboot 1.10.5, lcptools-v2/mlehash.c); null where that gives no logged digest, or none. */
function findMleLine(log: LaunchLog | Failure, { booted, tboot }: BootDeviceLaunch): string | null {
  const launcher = booted.entry?.launcher ?? null
  if (log instanceof Failure || log.kind !== 'tboot' || launcher === null || tboot === null) return null
  const logged = log.events.find(({ origin }) => origin.kind === 'mle')?.digests ?? {}
  const own = Object.values(hashTboot(tboot, launcher.commandLine) ?? {})
  const isSame = own.some((digests) =>
    SEAL_BANKS.some((bank) => digests[bank] !== undefined && digests[bank] === logged[bank]),
  )
  return isSame ? launcher.commandLine : null
}

async function observeFiles(
  dom0: Dom0,
  { booted, images }: BootDeviceLaunch,
  proven: readonly MeasuredModule[],
  isMleProven: boolean,
): Promise<ApprovedFile[]> {
  const { entry } = booted
  if (entry === null) return []
  const trusted = await observeTrustedKeys(dom0)
  const launcher = entry.launcher === null ? [] : [entry.launcher]
  const all = [
    ...[...launcher, ...entry.modules].map(({ role, path }) => ({ role, path })),
    ...entry.sinit.map(({ path }) => ({ role: 'sinit' as const, path })),
  ]
  const files: ApprovedFile[] = []
  for (const { role, path } of all) {
    const image = images[path]
    if (image === undefined) continue
    const sha256 = image.storedDigests.sha256 ?? null
    const owner = await observeOwner(dom0, `/boot${originalPath(path)}`, trusted)
    const { sha1: loaded1, sha256: loaded256 } = image.digests
    const isMeasured =
      role === 'mle' ? isMleProven : proven.some((one) => one.role === role && one.path === path)
    files.push({
      role,
      path,
      sha256,
      digests: {
        ...(loaded1 === undefined ? {} : { sha1: loaded1 }),
        ...(loaded256 === undefined ? {} : { sha256: loaded256 }),
      },
      isMeasured,
      package:
        owner !== null && sha256 !== null && owner.sha256 === sha256
          ? { name: owner.name, evr: owner.evr }
          : null,
    })
  }
  return files
}

async function observePolicy(dom0: Dom0, label: string, tpm: TpmFacts): Promise<string | null> {
  const { host } = dom0
  const tpmId = await dom0.tpmId()
  const copy = tpmId === null ? null : await observeSealedCopy(host, '/var/lib', tpmId, label)
  return copy === null ? null : readSealedPolicy(host, copy, tpm.version)
}

/**
 * All versions of each measured package that were there when the boot began: what came since, it did not measure. One that is
 * left out accounts for changes later, so one of which the clock cannot tell counts as there.
 */
async function observeBootPackages(dom0: Dom0, bootTime: string | null): Promise<ApprovedBoot['packages']> {
  if (bootTime === null) return null
  const packages: { name: string; evr: string }[] = []
  for (const { name } of MEASURED_PACKAGES) {
    const installed = valueOrNull(await dom0.rpm.packages(name))
    if (installed === null) return null
    for (const { evr, installedAt } of installed)
      if (isSinceBoot(Date.parse(installedAt), Date.parse(bootTime), dom0.host.now) !== true)
        packages.push({ name, evr })
  }
  return packages
}
