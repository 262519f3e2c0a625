import { decideBoot } from '../../core/decide/check-boot.ts'
import { describeBoot } from '../../messages/after-restart.ts'
import { observeMachine } from '../../observe/machine.ts'
import { isMeasured, observeTpm } from '../../observe/tpm.ts'
import type { Step } from '../step.ts'

export const checkBoot: Step<'check-boot'> = async ({ host, session }) => {
  const machine = await observeMachine(host)
  const facts = {
    recordedBootId: session.baseline?.bootId ?? null,
    bootId: machine.bootId,
    bootedWithAem: machine.bootedWithAem,
    measured: isMeasured(await observeTpm(host)),
    runningBuildId: machine.xen.buildId,
    expectedBuildId: session.expectation?.xenBuildId ?? null,
    deviceUuid: machine.aemUuid,
    expectedDeviceUuid: session.expectation?.deviceUuid ?? null,
  }
  const outcome = decideBoot(facts)
  return {
    outcome,
    facts,
    message: describeBoot(outcome, facts, machine.xen.version),
    session: { flow: 'resume', bootId: machine.bootId },
  }
}
