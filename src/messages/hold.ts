import type { GateDecision, GateRule, HoldReason } from '../core/decide/gate.ts'
import type { HoldChange } from '../core/hold/drop-in.ts'
import { renderDropIn } from '../core/hold/drop-in.ts'
import type { HoldFacts } from '../observe/seal/hold-drop-in.ts'
import { command } from '../tables/commands.ts'
import { HOLD_DROP_IN } from '../tables/paths.ts'
import type { Message } from '../ui/message.ts'
import { line } from '../ui/ui.ts'

/** What the gate and its drop-in say. */

const RULES: Readonly<Record<GateRule, string>> = {
  unsealed: 'the TPM released the current freshness token in this boot, so nothing changed',
  approved: 'this state was accepted in this boot',
  predicted: 'every selected PCR is as it was predicted before the restart',
}

const REASONS: Readonly<Record<HoldReason, (pcrs: string) => string>> = {
  unmeasured: (pcrs) =>
    `${pcrs} holds a public constant, so nothing was measured into it, and a seal to it would protect nothing`,
  'no-session': () => 'the TPM did not release the secret in this boot, and no session of aem-reseal is open',
  'selection-unreadable': () => 'the PCR selection in /etc/anti-evil-maid.conf could not be read',
  'registers-unreadable': (pcrs) => `the TPM's registers could not be read${pcrs && `: ${pcrs}`}`,
  'no-baseline': () => 'nothing was recorded before the restart',
  'selection-changed': () => 'the PCR selection or bank is not the one that was recorded before the restart',
  'not-planned': () => 'the restart was not planned to its end',
  'not-predicted': (pcrs) =>
    pcrs
      ? `no value was predicted for ${pcrs}, and the change is not accepted yet`
      : 'the registers of this boot were not predicted, and the change is not accepted yet',
  'wrong-token': () =>
    'the freshness token that the TPM released is not the current one: an old copy of the device?',
  contradiction: (pcrs) =>
    `AEM's initrd says that the TPM released the secret, but ${pcrs} is neither as before the restart nor as predicted or accepted: another AEM device was booted, or what says so is not to be believed`,
  'other-state': (pcrs) => `${pcrs} is not as it was predicted or accepted`,
  'not-root': () => 'the gate was not asked as root',
  error: () => 'the gate could not find out what booted',
}

function namePcrs(pcrs: readonly number[]): string {
  return pcrs.length === 0 ? '' : `PCR ${pcrs.join(' and ')}`
}

/** One sentence: why the seal may run, or is held. */
export function explainGate(decision: GateDecision): string {
  return decision.mayRun ? RULES[decision.rule] : REASONS[decision.reason](namePcrs(decision.pcrs))
}

/**
 * One line for the journal and the console.
 * @param detail the error's own words, if there was one
 * @param isAsked false: somebody ran it by hand, which holds nothing back
 */
export function gateLine(decision: GateDecision, detail: string | null, isAsked: boolean): string {
  const byHand = isAsked ? '' : ' (systemd did not ask: this run holds nothing back and leaves no note)'
  const why = `${explainGate(decision)}${detail ? ` (${detail})` : ''}`
  return decision.mayRun
    ? `aem-reseal: AEM's automatic seal may run: ${why}${byHand}`
    : `aem-reseal: AEM's automatic seal is held: ${why}. After the login: aem-reseal ${decision.reason === 'no-session' ? 'status' : 'resume'}${byHand}`
}

const BY_HAND = `\`sudo rm ${HOLD_DROP_IN}\` and \`sudo systemctl daemon-reload\``

export function describeHoldInstalled(change: HoldChange): Message {
  if (change.why !== null) {
    return {
      tone: 'attention',
      what: "AEM's automatic seal could not be put on hold",
      why: change.why,
      next: 'fix what is named and run `aem-reseal resume`; for another way: `aem-reseal cancel`, then `aem-reseal start --protect plain`',
    }
  }
  return {
    tone: 'good',
    what: change.changed
      ? "AEM's automatic seal is held from now on; systemd has read the drop-in"
      : "AEM's automatic seal is held already; systemd has the drop-in",
    why: 'it runs only when the TPM released your secret, when every PCR is as predicted, or when you accepted the change',
    next: '`aem-reseal gate show` shows the drop-in, `aem-reseal gate remove` takes it away',
    details: [line(HOLD_DROP_IN, 'dim')],
  }
}

export function describeHoldRemoved(change: HoldChange): Message {
  if (change.why !== null) {
    return {
      tone: 'attention',
      what: 'the drop-in could not be taken away as a whole',
      why: change.why,
      next: `look at \`systemctl cat anti-evil-maid-seal\`; by hand: ${BY_HAND}`,
    }
  }
  return {
    tone: 'good',
    what: "the drop-in is gone; systemd asks nobody before AEM's automatic seal",
    why: 'from now on AEM seals by itself to whatever boots, as it does without this program',
    next: '`aem-reseal gate install` brings it back',
  }
}

export function describeHold(facts: HoldFacts): Message {
  const details = [
    line(`file: ${HOLD_DROP_IN} (${facts.file})`),
    ...(facts.unit?.dropIns ?? []).map((path) => line(`systemd has read: ${path}`)),
    ...(facts.unit?.conditions ?? []).map(({ argv, ignoresErrors }) =>
      line(
        `systemd asks: ${argv}${ignoresErrors ? ' (and ignores its failure)' : ''}`,
        ignoresErrors ? 'bad' : undefined,
      ),
    ),
  ]
  const path = facts.program.path
  const wanted =
    path === null
      ? []
      : renderDropIn(command('gate-asked', { program: path }).argv)
          .trimEnd()
          .split('\n')
  if (facts.isInstalled === true && facts.fileWhy !== null) {
    return {
      tone: 'attention',
      what: "systemd asks the gate before AEM's automatic seal, but the drop-in could be changed by others, or not be read",
      why: facts.fileWhy,
      next: '`aem-reseal gate install`, in a terminal, rewrites it',
      details,
    }
  }
  if (facts.isInstalled === true && facts.askedWhy !== null) {
    return {
      tone: 'attention',
      what: "systemd asks the gate before AEM's automatic seal, but it is not shown that only root can change the program that is asked",
      why: facts.askedWhy,
      next: 'install the program anew, as docs/install.md says; `aem-reseal gate show` looks again',
      details,
    }
  }
  if (facts.isInstalled === true) {
    return {
      tone: 'good',
      what: "systemd asks the gate before AEM's automatic seal",
      next: '`aem-reseal gate remove` takes the drop-in away',
      details,
    }
  }
  return {
    tone: 'attention',
    what:
      facts.isInstalled === null
        ? "it could not be determined whether AEM's automatic seal is held"
        : "AEM's automatic seal is not held: it seals to whatever boots",
    why: facts.program.why,
    next:
      wanted.length > 0
        ? '`aem-reseal gate install`, in a terminal; it writes what stands above'
        : 'fix what is named above; then `aem-reseal gate install`, in a terminal, writes the drop-in',
    details: [...details, ...wanted.map((text) => line(`| ${text}`))],
  }
}
