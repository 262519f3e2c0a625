import type { Outcomes } from '../core/decide/outcomes.ts'
import type { GateCheck } from '../core/decide/readiness.ts'
import type { Message } from '../ui/message.ts'

/** What is said where a device that was not booted from is sealed forward. */

export type DeviceCheckFacts = {
  readonly label: string
  readonly isBooted: boolean
  readonly isThere: boolean
  readonly files: Outcomes['check-boot-device']
  readonly approved: GateCheck
}

export function describeDeviceCheck(outcome: Outcomes['check-device'], facts: DeviceCheckFacts): Message {
  const { label } = facts
  if (outcome === 'ready')
    return {
      tone: 'good',
      what: `${label} carries the boot files of the installed packages, and this boot is in the approved state`,
      why: facts.approved.detail,
    }
  if (outcome === 'nothing-to-do')
    return {
      tone: 'good',
      what: `${label} was verified in a boot of its own for this state; nothing is to be sealed`,
      next: '`aem-reseal devices` lists all devices',
    }
  return { tone: 'attention', what: `${label} cannot be sealed forward now`, ...blockedBy(facts) }
}

function blockedBy({ label, isBooted, isThere, files, approved }: DeviceCheckFacts) {
  if (!isThere || files === 'absent')
    return {
      why: 'it is not plugged in',
      next: 'plug it in and run this again; `aem-reseal devices` lists the AEM devices',
    }
  if (isBooted)
    return {
      why: 'this boot came from it',
      next: 'after an update `aem-reseal start` seals it forward; in this state AEM has sealed it or seals it itself: `aem-reseal verify`',
    }
  if (files !== 'current')
    return {
      why: `its boot files are ${files === 'unknown' ? 'not all known' : files}: it would boot something else than is installed`,
      next: `\`aem-reseal devices refresh ${label}\` brings it up to date; then run this again`,
    }
  return { why: approved.detail, next: '`aem-reseal` says where things stand; nothing was changed' }
}

/** @param sharers devices whose seal overwrites the token of this one */
export function describeKeptForward(label: string, isKept: boolean, sharers: readonly string[]): Message {
  const when =
    sharers.length === 0
      ? 'when you want to'
      : `at the next boot: one from ${sharers.join(', ')} before it would take its token out of the TPM, and then it shows no secret until it is sealed forward again`
  return {
    tone: isKept ? 'good' : 'attention',
    what: isKept
      ? `${label} is sealed forward; it is in the device ledger until it was booted and verified`
      : `${label} is sealed forward, but that could not be written to the device ledger`,
    why: 'if it shows no secret, something on it changed since now, or the prediction was wrong: a boot file, or somebody',
    next: `restart from ${label} with its AEM entry ${when}. Your secret must appear before the passphrase; if it does not, type nothing and power off. In that boot run \`aem-reseal verify\``,
  }
}
