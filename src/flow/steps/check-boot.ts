import { decideBoot } from '../../core/decide/check-boot.ts'
import { isForwardUnfinished } from '../../core/decide/forward-outcome.ts'
import { describeBoot } from '../../messages/after-restart.ts'
import { observeBootFacts } from '../../observe/launch/boot-facts.ts'
import { askForBootedDevice } from '../ask-for-device.ts'
import type { Step } from '../step.ts'

const WHY = 'What this boot started from can be compared only while it is.'

export const checkBoot: Step<'check-boot'> = async (context) => {
  const { dom0, session } = context
  const machine = await dom0.machine()
  const facts = await observeBootFacts(dom0, session)
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
