import {
  explainUnpredicted,
  isStateExpected,
  listExpectedRegisters,
} from '../../core/decide/approved-state.ts'
import { decideProtection, type Protection, type ProtectionChoice } from '../../core/decide/protection.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { describeProtection, explainWays, protectionQuestion } from '../../messages/protection.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { observePrepared } from '../../observe/launch/prepared.ts'
import { observeHold } from '../../observe/seal/hold-drop-in.ts'
import type { Step } from '../step.ts'

/** Explains the three ways and asks for one; --protect answers it, --yes takes the best that installs no drop-in. */
export const chooseProtection: Step<'choose-protection'> = async ({ dom0, ui, options, session }) => {
  const choice = await observeProtection(dom0, session)
  const given = options.protect ?? session.protection
  if (given === null && ui.isDetailed) ui.say(explainWays(choice))
  const wanted = given ?? (await ui.ask<Protection>(protectionQuestion(choice, session)))
  const way = refuseDropIn(choice, wanted, options.yes === true)
  const outcome = way.available ? wanted : 'not-available'
  return {
    outcome,
    facts: { wanted, recommended: choice.recommended, ways: choice.ways },
    message: describeProtection(outcome, wanted, way, given === null),
    ...(way.available
      ? {
          session: {
            protection: wanted,
            // The plain way has no step of its own that protects.
            prepared: wanted === 'plain' ? await observePrepared(dom0, session) : null,
          },
        }
      : {}),
  }
}

/** What each way needs, looked up. */
export async function observeProtection(dom0: Dom0, session: Session): Promise<ProtectionChoice> {
  const { host } = dom0
  const hold = await observeHold(host)
  return decideProtection({
    isPredicted: isStateExpected(listExpectedRegisters(session)),
    refusal: explainUnpredicted(session.prediction),
    tpm: (await dom0.tpm()).version,
    program: hold.program,
    isUnitLoaded: hold.unit === null ? null : hold.unit.isLoaded,
    isHoldInstalled: hold.isInstalled,
  })
}

function refuseDropIn(choice: ProtectionChoice, wanted: Protection, yes: boolean) {
  const way = choice.ways[wanted]
  if (!yes || wanted !== 'hold' || !way.available || choice.isHoldInstalled) return way
  return {
    available: false,
    why: '--yes installs no drop-in; install it first, in a terminal: `aem-reseal gate install`',
  } as const
}
