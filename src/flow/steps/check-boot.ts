import { decideBoot } from '../../core/decide/check-boot.ts'
import { isForwardUnfinished } from '../../core/decide/forward-outcome.ts'
import { selectsLaunch } from '../../core/launch/pcr.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { describeBoot } from '../../messages/after-restart.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { listLaterPackages } from '../../observe/dom0/later-packages.ts'
import { observeInstalledXen } from '../../observe/dom0/status.ts'
import { isMeasured } from '../../observe/launch/pcrs.ts'
import { askForBootedDevice } from '../ask-for-device.ts'
import type { Step } from '../step.ts'

const WHY = 'What this boot started from can be compared only while it is.'

export const checkBoot: Step<'check-boot'> = async (context) => {
  const { dom0, session } = context
  const machine = await dom0.machine()
  const facts = {
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
  const decided = decideBoot(facts)
  // Without the device nothing that it carries can be compared, which would read as an unexplained change.
  const isDeviceOut = decided === 'expected' && (await askForBootedDevice(context, WHY)).present === false
  const isUnfinished = decided === 'expected' && isForwardUnfinished(session)
  const outcome = isDeviceOut ? 'device-absent' : isUnfinished ? 'forward-unfinished' : decided
  return {
    outcome,
    facts,
    message: describeBoot(outcome, facts, machine.xen.version),
    session: { flow: 'resume', bootId: machine.bootId },
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
