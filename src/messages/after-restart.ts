/* Long: words: a table of outcomes for each step after the restart. */

import type { BootFacts } from '../core/decide/check-boot.ts'
import type { DeviceLeft } from '../core/decide/device-need.ts'
import type { Outcomes } from '../core/decide/outcomes.ts'
import type { GateCheck } from '../core/decide/readiness.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { HeldNote } from '../core/session/held-note.ts'
import type { ObservedForward } from '../observe/seal/forward-outcome.ts'
import type { SealState } from '../observe/seal/seal-unit.ts'
import { HOLD_DROP_IN } from '../tables/paths.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line } from '../ui/ui.ts'
import { checkLine } from './check-line.ts'
import { workLines } from './devices.ts'

/** What the steps after the restart say. None of them vouches for the Xen that runs. */

export function describeBoot(
  outcome: Outcomes['check-boot'],
  facts: BootFacts,
  version: string | null,
): Message {
  return BOOT[outcome](facts, version ?? 'of unknown version')
}

export const RUNS_ON_WHAT_IT_JUDGES =
  'this program runs on the Xen it looks at: a malicious one could fake every answer; it finds mistakes and simple attacks, it proves nothing'

const BOOT: { readonly [O in Outcomes['check-boot']]: (facts: BootFacts, version: string) => Message } = {
  expected: (facts, version) => ({
    tone: 'good',
    what: `a new AEM boot, with Xen ${version} of the installed build (${facts.runningBuildId?.slice(0, 12)}…)`,
    brief: `a new AEM boot, with the installed Xen ${version}`,
    why: RUNS_ON_WHAT_IT_JUDGES,
  }),
  'forward-unfinished': (facts, version) => ({
    tone: 'info',
    what: `a new AEM boot, with Xen ${version} of the installed build (${facts.runningBuildId?.slice(0, 12)}…); the forward seal was not brought to its end before the restart`,
    why: RUNS_ON_WHAT_IT_JUDGES,
  }),
  'same-boot': () => ({
    tone: 'info',
    what: 'dom0 has not been restarted yet',
    next: 'restart dom0, choose the AEM entry in the GRUB menu, then run `aem-reseal resume`',
  }),
  'not-aem-boot': () => ({
    tone: 'attention',
    what: 'dom0 was restarted without AEM: the kernel command line has no aem.uuid',
    why: 'this boot measured nothing, so nothing can be compared; the session is kept',
    next: 'if you did not choose another entry yourself, power off (`aem-reseal help alarm`). Else restart, choose the entry that begins with "AEM" in the GRUB menu, then run `aem-reseal resume`',
  }),
  unmeasured: () => ({
    tone: 'alarm',
    what: 'the AEM entry was booted, but no measured launch happened: PCR 17 holds a public constant (all 00, all FF, or the value of a failed launch)',
    why: 'TXT or the SINIT module failed, or the boot was interfered with; AEM cannot seal to such registers',
    next: 'do not reseal. If your secret had to appear in this boot, power off (`aem-reseal help alarm`). Else check TXT in the firmware setup and the SINIT module, restart, then run `aem-reseal resume`',
  }),
  'other-xen': (facts, version) => ({
    tone: 'attention',
    what: `another Xen runs (${version}, build ${facts.runningBuildId?.slice(0, 12)}…) than the update installed (build ${facts.expectedBuildId?.slice(0, 12)}…)`,
    why: 'an older GRUB entry was chosen, or the boot device still carries the old files',
    next: 'restart with the first AEM entry; if it comes again, bring the device up to date (`aem-reseal status` names what is stale)',
  }),
  'other-device': (facts) => ({
    tone: 'attention',
    what: `this boot came from another AEM device (UUID ${facts.deviceUuid}) than the one that was checked (UUID ${facts.expectedDeviceUuid})`,
    why: 'PCR 19 differs for each device, so the recorded values say nothing about this one',
    next: 'restart from the device that was checked, then run `aem-reseal resume`. With TPM 2.0 all devices share one freshness slot: where AEM has sealed in this boot, that one shows no secret, a forward seal or not; type the passphrase there only if nobody else had it in hand since',
  }),
  'device-absent': (facts) => ({
    tone: 'attention',
    what: `the AEM device of this boot (UUID ${facts.deviceUuid}) is not plugged in, so nothing that it carries can be compared`,
    why: 'after a seal to a removable stick AEM waits until it is unplugged; to look at it, plug it in again',
    next: 'plug in the same stick you booted from, then run `aem-reseal resume`; until then take no change of this boot for explained',
  }),
  unknown: () => ({
    tone: 'attention',
    what: 'this boot could not be identified: boot id, PCR 17 or the build id of Xen cannot be read, or the kernel command line names several AEM devices (aem.uuid)',
    why: 'what cannot be looked up is never taken for good',
    next: 'run `aem-reseal status --json` as root and see which field is null; the session is kept',
  }),
}

export function describeSealOutcome(
  outcome: Outcomes['read-seal-outcome'],
  state: SealState,
  sealedInThisBoot: boolean | null,
  heldNote: HeldNote | null = null,
  session: Pick<Session, 'protection' | 'approved'> | null = null,
  forward: ObservedForward = { outcome: 'none', later: [] },
): Message {
  const protection = session?.protection ?? null
  const unseal = UNSEAL[state.journal?.unseal ?? 'unknown']
  // What unsealed had not changed, and on hold the gate had asked.
  const isUnasked = outcome !== 'unsealed' && protection !== 'hold'
  const sealed = sealedInThisBoot
    ? `AEM has sealed the secrets to the PCRs of this boot already${isUnasked ? ', without asking what changed' : ''}`
    : 'the sealed files are not of this boot'
  const held = heldNote === null ? [] : [line(`the gate said: ${heldNote.why}`)]
  return {
    ...SEAL[outcome](state),
    details: [
      line(unseal),
      ...forwardLines(forward, state.journal?.unseal === 'wrong-token'),
      line(sealedInThisBoot === null ? 'when AEM sealed is not known' : sealed),
      ...held,
    ],
  }
}

/** @param isRefused sealed forward, and the secret did not appear */
export function describeSimulatedRestart(isRefused: boolean): Message {
  const what = 'the restart is simulated: the machine measured its boot files'
  if (!isRefused) return { tone: 'info', what, brief: 'the restart is simulated' }
  return {
    tone: 'alarm',
    what: 'the restart is simulated, and NO SECRET APPEARED, though it was sealed forward',
    why: 'something else booted than was checked before the restart, or the prediction was wrong',
    next: 'in reality: type nothing and power off; the passphrase is still yours. The rehearsal goes on as if you had logged in, to show what is found then',
    screen: {
      title: line('✖ Simulated restart: NO SECRET APPEARED', 'bad'),
      body: [
        line('It was sealed forward: something else booted than was checked.'),
        line('In reality: type nothing and power off. The passphrase is still yours.', 'bad'),
        line('The rehearsal goes on as if you had logged in.'),
      ],
      enter: 'Enter to go on',
    },
  }
}

/** What became of a forward seal, where the secret did not appear. Whether the change is yours is said by `explain` alone. */
function forwardLines({ outcome, later }: ObservedForward, isOtherToken: boolean): readonly Line[] {
  if (outcome === 'contradicted' && !isOtherToken) return [line(FORWARD_WORDS.contradicted(), 'bad')]
  if (outcome === 'none' || outcome === 'shown' || outcome === 'unknown' || outcome === 'contradicted')
    return []
  return [line(FORWARD_WORDS[outcome](later))]
}

const FORWARD_WORDS = {
  'not-made': () =>
    'dom0 went off, or the step failed, before the forward seal was done: nothing was sealed for this boot, so no secret was to be expected',
  cut: () =>
    'dom0 went off while the forward seal was being switched: whether it was in force at this boot is not known, so a missing secret says nothing',
  'not-in-force': () =>
    "every register is as predicted; what lay sealed at this boot was not the forward seal any more: AEM's own seal, by hand or by its service, replaced it before the restart, or the sealed files are damaged",
  overtaken: (later: readonly string[]) =>
    `it was sealed forward for what lay there then; ${later.join(', ')} came after it, so the secret could not appear: every change is explained next`,
  contradicted: () =>
    'it was sealed forward and should have appeared: the prediction was wrong, or what booted is not what was checked',
} as const

const UNSEAL = {
  unsealed: 'at this boot the TPM released the secret (freshness token unsealed and valid)',
  mismatch: 'at this boot the TPM refused the secret (freshness token unsealing failed)',
  'wrong-token': 'the TPM released a freshness token that is not the current one: an old copy of the device?',
  unknown:
    'the journal does not say whether the secret was released (with plymouth on, missing lines prove nothing)',
} as const

const SEAL: { readonly [O in Outcomes['read-seal-outcome']]: (state: SealState) => Message } = {
  unsealed: () => ({
    tone: 'good',
    what: 'the secret was released in this boot',
  }),
  sealed: ({ unit }) => ({
    tone: 'info',
    what: `AEM sealed by itself in this boot${
      unit?.dropIns.includes(HOLD_DROP_IN)
        ? ', which hold lets it where every register is as predicted or accepted; it is compared next'
        : ''
    }`,
  }),
  held: () => ({
    tone: 'info',
    what: "AEM's automatic seal was held: nothing was sealed in this boot",
    why: 'the suffix and the SRK password of this boot are kept in /run/anti-evil-maid for a seal after you accept the change',
  }),
  failed: ({ journal, unit }) => ({
    tone: 'attention',
    what: `AEM's seal failed in this boot: ${journal?.sanityCheckFailed ? 'PCR sanity check failed' : (journal?.sealFailed ?? `result ${unit?.result ?? 'unknown'}`)}`,
  }),
  waiting: ({ journal }) => ({
    tone: 'attention',
    what: `AEM is still waiting${journal?.isWaitingForDevice ? ` for ${journal.isWaitingForDevice}` : ''}`,
    why: 'an external stick must be unplugged before its seal ends',
    next: 'plug the device in, or unplug it when AEM asks for it to be removed; then run `aem-reseal resume` again',
  }),
  'not-sealed': () => ({
    tone: 'info',
    what: 'AEM has not sealed in this boot',
    why: 'its run-time directory was gone, for example after a read-only device was unplugged',
  }),
  unknown: () => ({
    tone: 'attention',
    what: 'it could not be determined whether AEM sealed in this boot',
  }),
}

/** @param isUnproven what was measured could not be computed */
export function describeAcceptance(
  outcome: Outcomes['accept-change'],
  isSealed: boolean,
  isUnproven = false,
): Message {
  const message = ACCEPT[outcome](isSealed)
  if (!isUnproven || outcome === 'declined') return message
  return {
    ...message,
    tone: 'attention',
    what: `accepted, not proven: ${isSealed ? 'AEM has sealed to this state already' : 'this is the new good state because you said so'}`,
    why: 'nobody could compute what Xen had to measure in this boot; no forward seal is made on this state',
  }
}

/** The boot was accepted before the restart, by what it was sealed to. */
export const AS_PREDICTED: Message = {
  tone: 'good',
  what: 'as predicted, and your secret appeared: nothing has to be accepted again',
}

const ACCEPT: { readonly [O in Outcomes['accept-change']]: (isSealed: boolean) => Message } = {
  accepted: () => ({
    tone: 'good',
    what: 'accepted as the new good state',
  }),
  'already-sealed': () => ({
    tone: 'good',
    what: 'accepted; AEM has sealed to this state already',
  }),
  'nothing-to-do': () => ({
    tone: 'good',
    what: 'nothing to accept and nothing to reseal',
  }),
  declined: (isSealed) => ({
    tone: 'attention',
    what: 'not accepted: this program reseals nothing',
    why: isSealed
      ? 'but AEM has sealed to this state by itself already; your secret will appear at its next boot'
      : null,
    next: 'the session is kept: `aem-reseal resume` asks again, `aem-reseal cancel` gives it up',
  }),
}

export function describeResealGate(outcome: Outcomes['gate-reseal'], checks: readonly GateCheck[]): Message {
  const details = checks.map(checkLine)
  if (outcome === 'ready') {
    return {
      tone: 'good',
      what: 'a reseal can succeed: device there and writable, registers sane',
      details,
    }
  }
  return {
    tone: 'attention',
    what: 'a reseal now would fail half-way',
    why: 'AEM renews the freshness token in the TPM before it touches the device; a missing device would be left behind',
    next: 'fix what is marked above, then run `aem-reseal resume`',
    details,
  }
}

/** @param renewed are the sealed files new; null: they could not be read before or after the seal */
export function describeReseal(outcome: Outcomes['reseal'], renewed: boolean | null, said: string): Message {
  const style = outcome === 'sealed' ? 'dim' : undefined
  const details = said === '' ? [] : said.split('\n').map((own) => line(`| ${own}`, style))
  if (outcome === 'sealed') {
    return {
      tone: 'good',
      what: 'AEM resealed: the sealed files are new',
      details,
    }
  }
  return {
    tone: 'attention',
    what: `the reseal did not succeed: ${NOT_RESEALED[renewed === null ? 'unknown' : renewed ? 'new' : 'old']}`,
    why: said === '' ? null : 'what AEM said stands above',
    next: 'fix the cause (device plugged in? writable? full?), then run `aem-reseal resume`; `journalctl -b -u anti-evil-maid-seal` has more',
    details,
  }
}

const NOT_RESEALED = {
  new: 'the sealed files are new, but AEM reported a failure',
  old: 'the sealed files are not new',
  unknown: 'the sealed files could not be read before or after it, so whether they are new is not known',
} as const

/** @param isComplete could all devices be listed */
export function describeDevicesLeft(
  outcome: Outcomes['next-device'],
  left: readonly DeviceLeft[],
  isComplete: boolean,
): Message {
  if (outcome === 'unknown')
    return {
      tone: 'attention',
      what: 'whether there are further AEM devices is not known',
      why: NOT_LISTED,
      next: 'run `sudo aem-reseal status` and see what it names; bring every other stick of yours up to date',
    }
  if (outcome === 'none-left') return { tone: 'good', what: 'no other AEM device is left to do' }
  return {
    // In full at the end, where this device is done.
    tone: 'info',
    what: `still to do: ${left.map(({ label }) => label).join(', ')}`,
    brief: `still to do afterwards: ${left.map(({ label }) => label).join(', ')}`,
    why: `each AEM device has its own boot files and its own PCR 19, so each needs its own boot or its own forward seal${isComplete ? '' : `; there may be more of them: ${NOT_LISTED}`}`,
    details: left.flatMap(({ label, work }) => workLines(label, work)).map(({ text }) => line(text)),
  }
}

const NOT_LISTED = 'lsblk did not answer, or /var/lib/anti-evil-maid could not be read'
