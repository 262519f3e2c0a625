import { decideBoot } from '../../core/decide/check-boot.ts'
import { selectsLaunch } from '../../core/launch/pcr.ts'
import { describeBoot } from '../../messages/after-restart.ts'
import { observeMachine } from '../../observe/machine.ts'
import { isMeasured, observeTpm } from '../../observe/tpm.ts'
import { askForBootedDevice } from '../plugged-in.ts'
import type { Step } from '../step.ts'

const WHY = 'What this boot started from can be compared only while it is.'

export const checkBoot: Step<'check-boot'> = async (context) => {
  const { host, session } = context
  const machine = await observeMachine(host)
  const facts = {
    recordedBootId: session.baseline?.bootId ?? null,
    bootId: machine.bootId,
    bootedWithAem: machine.bootedWithAem,
    measured: isMeasured(await observeTpm(host)),
    isLaunchSealed: session.baseline === null || selectsLaunch(session.baseline.selectedPcrs),
    runningBuildId: machine.xen.buildId,
    expectedBuildId: session.expectation?.xenBuildId ?? null,
    deviceUuid: machine.aemUuid,
    expectedDeviceUuid: session.expectation?.deviceUuid ?? null,
  }
  const decided = decideBoot(facts)
  // Without the device nothing that it carries can be compared, which would read as an unexplained change.
  const isDeviceOut = decided === 'expected' && (await askForBootedDevice(context, WHY)).present === false
  const outcome = isDeviceOut ? 'device-absent' : decided
  return {
    outcome,
    facts,
    message: describeBoot(outcome, facts, machine.xen.version),
    session: { flow: 'resume', bootId: machine.bootId },
  }
}
