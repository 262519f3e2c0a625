import type { Outcomes } from '../core/decide/outcomes.ts'
import type { Message } from '../flow/step.ts'

/** What comes next after one look, where no step follows it by itself. */

type LookOutcome = Outcomes['predict'] | Outcomes['explain'] | Outcomes['verify']

const NEXT: { readonly [O in LookOutcome]?: (isOpen: boolean) => string } = {
  complete: () => '`aem-reseal start` keeps these values and holds the next boot against them',
  unchanged: () => 'nothing has to be accepted; `aem-reseal resume` goes on',
  explained: () => '`aem-reseal resume` asks whether you accept this as the new good state',
  verified: () => 'nothing; `aem-reseal devices` says what each device still needs',
  // To seal by hand to a boot that nobody explained is the blind reseal.
  failed: (isOpen) =>
    isOpen
      ? 'do not seal by hand: `aem-reseal resume` explains first what changed in this boot, then has AEM reseal if you accept it'
      : 'if your secret appeared at this boot: plug the device in, `sudo anti-evil-maid-seal`, then `aem-reseal verify`. If it did not: do not reseal before you know what changed',
}

/** @param isOpen is there a session that `resume` goes on with */
export function describeLook(message: Message, outcome: LookOutcome, isOpen = false): Message {
  const next = NEXT[outcome]?.(isOpen)
  return next === undefined ? message : { ...message, next }
}
