import { isStateExpected, listExpectedRegisters } from '../core/decide/approved-state.ts'
import type { Outcomes } from '../core/decide/outcomes.ts'
import type { Baseline, Session } from '../core/session/checkpoint.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line } from '../ui/ui.ts'

/** What the steps around the restart say. */

/** @param unreadLog why there is no launch log; null where it was read, or where that is not known */
export function describeBaseline(
  outcome: Outcomes['record-baseline'],
  baseline: Baseline | null,
  unreadLog: string | null = null,
): Message {
  if (outcome === 'incomplete' || baseline === null) {
    return {
      tone: 'attention',
      what: 'the selected PCRs could not all be read',
      why: 'without the current values, no change after the restart can be explained',
      next: 'run `aem-reseal status --json` as root and see which PCR is missing; `tpm2_pcrread` reads them by hand',
    }
  }
  const count = Object.keys(baseline.pcrs[baseline.bank] ?? {}).length
  return {
    tone: 'good',
    what: `recorded: ${count} PCRs (${baseline.bank}), ${baseline.bootFiles.length} boot files, ${baseline.packages.length} packages`,
    why:
      baseline.components === null
        ? `${unreadLog ?? 'the launch log could not be read'}; changes are explained by files and packages only`
        : null,
    next: 'the record is kept across the restart',
    details: baseline.selectedPcrs.map((index) =>
      line(`PCR ${String(index).padStart(2)}  ${baseline.pcrs[baseline.bank]?.[index]}`, 'dim'),
    ),
  }
}

/** Said before the question, on one screen to be photographed: what is lost, and what the next boot must show. */
export function restartWarning(qubes: readonly string[] | null, session: Session): readonly Line[] {
  const running =
    qubes === null
      ? 'running qubes could not be listed; save your work in all of them'
      : qubes.length === 0
        ? 'no qubes are running'
        : `running qubes, whose unsaved work is lost: ${qubes.join(', ')}`
  const protection = session.protection ?? 'plain'
  return [
    line(`  ▲ ${running}`, qubes?.length === 0 ? undefined : 'warn'),
    line(''),
    line('  What the next boot shows (take a photograph of this screen)', 'bold'),
    line('    Choose the AEM entry in the GRUB menu.'),
    ...NEXT_BOOT[protection](session),
    ...renderExpectedRegisters(session),
  ]
}

const CHECK_OFFLINE = [
  'Start it from a live system instead and hash xen, kernel and initramfs of',
  'the boot device against the packages, or boot another AEM device.',
] as const

const NEXT_BOOT: {
  readonly [P in NonNullable<Session['protection']>]: (session: Session) => readonly Line[]
} = {
  'forward-seal': () => [
    line('    Your secret MUST appear, before you type the disk passphrase.', 'bold'),
    line('    If it does not: type nothing, and power off.', 'bad'),
    ...CHECK_OFFLINE.map((text) => line(`    ${text}`)),
  ],
  hold: (session) => [
    ...noSecret(session),
    line("    AEM's automatic seal is held: nothing is sealed unless every selected PCR"),
    line('    is as predicted below, or you accept the change after the login.'),
    ...SOMETHING_ELSE,
  ],
  plain: (session) => [
    ...noSecret(session),
    line('    AEM then seals by itself to whatever booted.'),
    ...SOMETHING_ELSE,
  ],
}

function noSecret(session: Session): readonly Line[] {
  return [
    line('    Your secret will NOT appear: it is sealed to the current values,', 'bold'),
    line(`    and PCR ${whatDiffers(session)} differ. AEM says "Freshness token unsealing failed!".`),
    line('    That is expected this once, and it is also exactly what an attacker’s Xen'),
    line('    would show: the passphrase is typed blind.'),
  ]
}

/** By the prediction where it is whole, else by the update. */
function whatDiffers(session: Session): string {
  const { baseline, expectation } = session
  const registers = listExpectedRegisters(session) ?? []
  const now = baseline?.pcrs[baseline.bank] ?? {}
  const moved = registers.filter(({ index, value }) => value !== now[index])
  if (isStateExpected(registers) && moved.length > 0)
    return `${moved.map(({ index }) => index).join(' and ')} will`
  return `${expectation?.mayChange.join(' and ') ?? ''} may`
}

const SOMETHING_ELSE: readonly Line[] = [
  line('    If something else looks wrong (another prompt, no AEM text at all):'),
  line('    type nothing, and power off.', 'bad'),
  ...CHECK_OFFLINE.map((text) => line(`    ${text}`)),
]

/** The values that the next boot is compared with, whole: a photograph of them cannot be changed by that boot. */
function renderExpectedRegisters(session: Session): readonly Line[] {
  const registers = listExpectedRegisters(session)
  if (registers === null) return [line('    The registers of the next boot could not be predicted.', 'dim')]
  return [
    line(`  Predicted registers (${session.baseline?.bank})`, 'bold'),
    ...registers.map(({ index, value }) =>
      line(`    PCR ${String(index).padStart(2)}  ${value ?? 'not predicted'}`),
    ),
  ]
}

export function describeRestartPlan(
  outcome: Outcomes['plan-restart'],
  answer: string,
  protection: Session['protection'],
): Message {
  if (outcome === 'declined') {
    return {
      tone: 'attention',
      what: 'no restart was planned',
      why: `${LEFT_BEHIND[protection ?? 'plain']}; the update is not in effect until dom0 restarts`,
      next: '`aem-reseal resume` asks again, `aem-reseal cancel` gives the session up',
    }
  }
  return {
    tone: 'info',
    what: answer === 'manual' ? 'you restart dom0 yourself' : `restart: ${planWords(answer)}`,
    next: 'the state is kept first',
  }
}

function planWords(answer: string): string {
  if (answer === 'now') return 'now'
  return answer.startsWith('+') ? `in ${Number(answer.slice(1))} minutes` : `at ${answer}`
}

const LEFT_BEHIND: Readonly<Record<NonNullable<Session['protection']>, string>> = {
  'forward-seal': 'the secrets stay sealed for the predicted registers of the next boot',
  hold: "AEM's automatic seal stays on hold",
  plain: 'nothing was changed',
}

/** @param isRehearsal then there is no session afterwards */
export function describeCheckpoint(session: Session, isRehearsal = false): Message {
  return {
    tone: 'good',
    what: isRehearsal
      ? 'the state would be kept in a session, and read back'
      : `the state is kept (session ${session.id.slice(0, 8)}) and was read back`,
    next: 'after the restart and login: `aem-reseal resume`',
  }
}

export function describeRestart(
  outcome: Outcomes['restart'],
  said: string | null,
  protection: Session['protection'] = null,
  clock: { readonly clock: string; readonly isTomorrow: boolean } | null = null,
): Message {
  if (outcome === 'failed') {
    return {
      tone: 'attention',
      what: `the restart could not be requested: ${said ?? ''}`,
      why: 'the state is kept',
      next: 'restart dom0 by hand, choose the AEM entry, then run `aem-reseal resume`',
    }
  }
  const when = clock === null ? '' : ` at ${clock.clock}${clock.isTomorrow ? ' tomorrow' : ''}`
  const isLater = outcome === 'requested' && clock !== null
  return {
    tone: 'good',
    what: outcome === 'requested' ? `dom0 restarts${when}` : 'everything is ready for the restart',
    next: `${isLater ? '`aem-reseal cancel` calls it off until then; else ' : ''}${outcome === 'by-hand' ? 'restart dom0, ' : ''}choose the AEM entry in the GRUB menu, ${protection === 'forward-seal' ? 'log in only if your secret appeared' : 'log in'}, then run \`aem-reseal resume\``,
  }
}
