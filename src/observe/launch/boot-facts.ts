import type { BootFacts } from '../../core/decide/check-boot.ts'
import { selectsLaunch } from '../../core/launch/pcr.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { listLaterPackages } from '../dom0/later-packages.ts'
import { observeInstalledXen } from '../dom0/status.ts'
import { isMeasured } from './pcrs.ts'

/** This boot beside the one that the session planned. */
export async function observeBootFacts(dom0: Dom0, session: Session): Promise<BootFacts> {
  const machine = await dom0.machine()
  return {
    recordedBootId: session.baseline?.bootId ?? null,
    bootId: machine.bootId,
    bootedWithAem: machine.bootedWithAem,
    measured: isMeasured(await dom0.tpm()),
    isLaunchSealed: session.baseline === null || selectsLaunch(session.baseline.selectedPcrs),
    runningBuildId: machine.xen.buildId,
    expectedBuildId: await observeExpectedBuildId(dom0, session, machine.xen.buildId),
    deviceUuid: machine.aemUuid,
    expectedDeviceUuid: session.expectation?.deviceUuid ?? null,
  }
}

/** The confirmed Xen, or one that a package brought after it: whether that one is as it should be is explained next. */
async function observeExpectedBuildId(
  dom0: Dom0,
  { baseline, expectation }: Session,
  running: string | null,
): Promise<string | null> {
  const confirmed = expectation?.xenBuildId ?? null
  if (running === confirmed || baseline === null) return confirmed
  const later = await listLaterPackages(dom0, baseline)
  if (!later.some(({ component }) => component === 'xen')) return confirmed
  const { buildId } = (await observeInstalledXen(dom0)).installedXen
  return buildId === running ? buildId : confirmed
}
