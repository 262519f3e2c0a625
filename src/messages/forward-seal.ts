import type { Outcomes } from '../core/decide/outcomes.ts'
import type { GateCheck } from '../core/decide/readiness.ts'
import type { FailureText } from '../core/failure.ts'
import type { ForwardRecord } from '../core/seal/forward-record.ts'
import type { Cleared, Restored, RestoreResult } from '../core/seal/restore-result.ts'
import type { Message } from '../ui/message.ts'
import { line } from '../ui/ui.ts'
import { checkLine } from './check-line.ts'

/** What the steps of a forward seal say. */

export function describeForwardGate(
  outcome: Outcomes['gate-forward-seal'],
  checks: readonly GateCheck[],
  device: string | null = null,
): Message {
  const details = checks.map(checkLine)
  if (outcome === 'ready') {
    return {
      tone: 'good',
      what: 'a forward seal can be made: prediction complete, device there and writable, TPM ready',
      brief: 'a forward seal can be made',
      details,
    }
  }
  return {
    tone: 'attention',
    what: 'a forward seal cannot be made now',
    why: 'nothing was changed; what is missing is marked above',
    next:
      device === null
        ? 'fix it and run `aem-reseal resume`; or `aem-reseal cancel`, then `aem-reseal start --protect hold`'
        : `fix it and run \`aem-reseal devices forward-seal ${device}\` again`,
    details,
  }
}

const WRONG_PREDICTION =
  'if the prediction is wrong, the secret does not appear and AEM seals again by itself: the same as after any update without this step'

export function describeForwardSeal(
  outcome: 'sealed' | 'rehearsed',
  record: ForwardRecord | null,
  device: string | null = null,
): Message {
  if (outcome === 'rehearsed' || record === null) {
    return {
      tone: 'info',
      what: 'a rehearsal seals nothing: here the secrets would be sealed to the predicted registers',
      why: WRONG_PREDICTION,
    }
  }
  return {
    tone: 'good',
    what: `sealed to the predicted registers: the next boot from ${record.label} must show your secret before the passphrase`,
    brief: `sealed forward: the next boot from ${record.label} must show your secret`,
    why:
      device === null
        ? `${WRONG_PREDICTION}. Until the restart the old files lie beside the new ones: \`aem-reseal cancel\` puts them back`
        : WRONG_PREDICTION,
  }
}

export function describeForwardFailure(failure: FailureText, takenBack: boolean): Message {
  return {
    tone: 'attention',
    what: failure.what,
    why: [
      failure.why,
      takenBack
        ? 'the sealed files are as they were before'
        : 'it is not certain that the sealed files are as they were before',
    ]
      .filter((text) => text !== null)
      .join('; '),
    next: takenBack
      ? failure.next
      : 'plug the device in, then `aem-reseal cancel` puts the old files back; `aem-reseal verify` says what is there',
    details: (failure.verbatim ?? '')
      .split('\n')
      .filter(Boolean)
      .map((text) => line(`| ${text}`)),
  }
}

/** One line for `cancel`. */
export function describeRestored({ device, dom0 }: RestoreResult): string {
  const isBack = (one: Restored): boolean => one === 'restored' || one === 'was-old'
  if (isBack(device) && isBack(dom0))
    return device === 'restored' || dom0 === 'restored'
      ? 'the forward seal was taken back: the old sealed files are in place again'
      : 'the sealed files are those from before'
  if (!isBack(device) && !isBack(dom0))
    return 'the forward seal is history: AEM sealed since, or the predicted state runs'
  const [back, other] = isBack(dom0) ? ['in dom0', 'on the device'] : ['on the device', 'in dom0']
  return `the old sealed files are in place ${back} alone; ${device === 'absent' ? 'the device is not plugged in' : `${other} they are neither the old ones nor those of the forward seal`}: \`aem-reseal verify\` says what the copies are worth`
}

/** One line for `cancel`, where the forward seal of another device was complete already. */
export function describeForwardStays(label: string | null): string {
  return `${label} is sealed forward and stays so: its next boot must show your secret`
}

/** What a forward seal that dom0 did not come to the end of left behind, and what became of it. */
export function describeClearedForward(
  outcome: Outcomes['clear-forward'],
  cleared: Cleared | null,
  why: string | null = null,
): Message {
  if (outcome === 'failed')
    return {
      tone: 'attention',
      what: `half-written sealed files of the forward seal could not all be removed; AEM's next seal removes those on the device`,
      why,
    }
  if (cleared?.isInForce)
    return {
      tone: 'info',
      what: 'dom0 went off right after the forward seal was switched: it is complete on the device',
    }
  if (cleared?.isInForce === null)
    return {
      tone: 'attention',
      what: 'dom0 went off while the forward seal was made, and the sealed files could not all be looked at: they stay as they are',
      why: 'whether this boot had it is not known',
      next: 'plug the device in; `aem-reseal cancel` puts the old files back',
    }
  const places = [cleared?.dom0 ? 'in dom0' : '', cleared?.device ? 'on the device' : ''].filter(Boolean)
  return {
    tone: 'info',
    what:
      places.length > 0
        ? `the forward seal was not brought to its end before the restart: its half-written files were removed (${places.join(' and ')})`
        : 'the forward seal was not brought to its end before the restart: it left nothing half-written',
    why: 'nothing was sealed for this boot, so no secret was to be expected in it',
  }
}
