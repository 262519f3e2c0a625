import type { Session } from '../session/checkpoint.ts'
import type { KeptFacts } from './kept-facts.ts'
import { code, formatTime, type Mark, type MarkedLine, type ReportPage, said, words } from './page.ts'
import { type RegisterFate, type ReportedRegister, UNSETTLED_FATES } from './registers.ts'

/** What a session came to, the worst first in the headline; a line for each thing that it rests on. */
export function makeVerdict(
  session: Session,
  facts: KeptFacts,
  registers: readonly ReportedRegister[],
): ReportPage['verdict'] {
  const lines = [
    ...changeLines(session, registers),
    acceptanceLine(session, facts),
    secretLine(session),
    groundLine(facts),
    ...exceptionLines(session, facts),
    ...copyLines(session, facts),
    deviceLine(session),
  ]
  const isGood = isSettled(session, facts, registers) && lines.every(({ mark }) => mark === 'good')
  return { mark: isGood ? 'good' : 'attention', headline: headlineOf(session, facts, registers), lines }
}

function headlineOf(session: Session, facts: KeptFacts, registers: readonly ReportedRegister[]): string {
  const { approved, devicesLeft } = session
  if (approved?.proof === 'not-proven') return 'Accepted, not proven'
  if (!isSettled(session, facts, registers)) return 'Closed, but not every register is accounted for'
  if (outcomeOf(session, 'confirm-secret') !== 'shown') return 'Closed, but nobody confirmed the secret'
  if (outcomeOf(session, 'verify') !== 'verified') return 'Closed, but not all sealed copies could be checked'
  if (devicesLeft === null) return 'Done for this device; whether there are others is not known'
  if (devicesLeft.length > 0) return 'Done for this device; others are left'
  return registers.every(({ fate }) => fate === 'same')
    ? 'Nothing that is sealed to has changed'
    : 'Every change is consistent with the confirmed update'
}

/** Every register is known and accepted, and the last explanation spoke against none. */
function isSettled(session: Session, facts: KeptFacts, registers: readonly ReportedRegister[]): boolean {
  const verdict = facts.explanation?.verdict
  return (
    session.approved !== null &&
    registers.length > 0 &&
    (verdict === 'unchanged' || verdict === 'explained') &&
    registers.every(({ fate }) => !UNSETTLED_FATES.includes(fate))
  )
}

function changeLines(session: Session, registers: readonly ReportedRegister[]): readonly MarkedLine[] {
  const having = (...fates: readonly RegisterFate[]): string =>
    registers
      .filter(({ fate }) => fates.includes(fate))
      .map(({ index }) => index)
      .join(', ')
  const packages = session.expectation?.changedPackages ?? []
  const updated = packages.flatMap((name, at) => [words(at === 0 ? '; updated: ' : ', '), code(name)])
  const line = (mark: Mark, list: string, text: string): readonly MarkedLine[] =>
    list === '' ? [] : [{ mark, spans: [words(`PCR ${list} ${text}`)] }]
  const lines = [
    ...line('good', having('as-predicted'), 'changed, as predicted'),
    ...line('good', having('unpredicted'), 'changed; no value had been predicted'),
    ...line('attention', having('other-than-predicted'), 'NOT as predicted'),
    ...line('attention', having('not-accepted'), 'NOT what was accepted'),
    ...line('attention', having('not-what-the-log-gives'), 'NOT what the launch log gives'),
    ...line('unknown', having('not-read'), 'not known: it could not be read before the restart, or not now'),
  ]
  const [
    first = { mark: 'good' as const, spans: [words('No register that is sealed to has changed')] },
    ...rest
  ] = lines
  if (registers.length === 0)
    return [{ mark: 'unknown', spans: [words('No register was recorded before the restart')] }]
  return [{ ...first, spans: [...first.spans, ...updated] }, ...rest]
}

function acceptanceLine(session: Session, facts: KeptFacts): MarkedLine {
  const { approved } = session
  if (approved === null) return { mark: 'attention', spans: [words('Nobody accepted this state')] }
  const who = `accepted ${whoAccepted(session, facts)}, ${formatTime(approved.at)}`
  return approved.proof === 'not-proven'
    ? {
        mark: 'attention',
        spans: [words(`This state is not proven: what Xen measured could not be computed; ${who}`)],
      }
    : { mark: 'good', spans: [words(`This state was ${who}`)] }
}

function whoAccepted({ answers }: Session, { wasAcceptanceAsked }: KeptFacts): string {
  const given = answers.findLast(({ id, answer }) => id === 'accept-change' && answer === 'yes')
  if (given) return given.by === 'person' ? 'by a person at the terminal' : 'by --yes, nobody was asked'
  return wasAcceptanceAsked === false ? 'without a question' : '(who did was not recorded)'
}

function groundLine({ ground }: KeptFacts): MarkedLine {
  if (ground === null)
    return {
      mark: 'unknown',
      spans: [words('Whether the boot before the restart was vouched for was not recorded')],
    }
  return ground.state === 'vouched'
    ? { mark: 'good', spans: [words('The boot before the restart was vouched for')] }
    : {
        mark: 'attention',
        spans: [words('Nothing vouched for the boot before the restart; a person went on')],
      }
}

/** What a person said yes to although it is no part of a plain update. */
function exceptionLines({ expectation, answers }: Session, facts: KeptFacts): readonly MarkedLine[] {
  const older = (expectation?.downgrades ?? []).map(({ name, from, to }) => [
    words('Older than before, on purpose: '),
    code(`${name} ${from} -> ${to}`),
  ])
  const seen = answers.some(({ id, answer }) => id === 'accept-command-line' && answer === 'yes')
  const modules = answers.some(({ id, answer }) => id === 'accept-modules' && answer === 'yes')
  return [
    ...older,
    ...(seen ? [[words('A person called a changed command line their own')]] : []),
    ...(modules ? [[words('A person called other kernel modules in the initramfs their own')]] : []),
    ...(facts.isHeaderAccepted === true ? [[words('A person called a changed LUKS header their own')]] : []),
  ].map((spans) => ({ mark: 'attention', spans }))
}

function secretLine(session: Session): MarkedLine {
  const answer = session.answers.findLast(({ id }) => id === 'secret-shown')
  if (outcomeOf(session, 'confirm-secret') !== 'shown')
    return { mark: 'attention', spans: [words('Your sentence appeared: not confirmed')] }
  if (!answer)
    return { mark: 'unknown', spans: [words('Your sentence appeared: yes; who said so was not recorded')] }
  const at = formatTime(answer.at)
  if (answer.by === 'person')
    return { mark: 'good', spans: [words(`Your sentence appeared: yes, you said so at ${at}`)] }
  return {
    mark: 'unknown',
    spans: [words(`AEM's journal says that the TPM released the secret; nobody was asked (--yes), ${at}`)],
  }
}

function copyLines(session: Session, { verification }: KeptFacts): readonly MarkedLine[] {
  const outcome = outcomeOf(session, 'verify')
  if (outcome === 'verified') return [{ mark: 'good', spans: [words('The sealed copies fit this boot')] }]
  const open = (verification?.devices ?? []).flatMap(({ device, checks }) =>
    checks
      .filter(({ ok }) => ok !== true)
      .map(({ ok, id, detail }): MarkedLine => {
        const mark: Mark = ok === null ? 'unknown' : 'attention'
        return { mark, spans: [words(`Sealed copies, ${id}: `), said(`${device}: ${detail}`)] }
      }),
  )
  const missing: MarkedLine = { mark: 'unknown', spans: [words('The sealed copies were not all checked')] }
  return [missing, ...open.slice(0, MAX_CHECKS)]
}

const MAX_CHECKS = 8

function deviceLine({ devicesLeft }: Session): MarkedLine {
  if (devicesLeft === null)
    return { mark: 'unknown', spans: [words('Whether there are further AEM devices is not known')] }
  if (devicesLeft.length === 0) return { mark: 'good', spans: [words('No other AEM device is left to do')] }
  return {
    mark: 'attention',
    spans: [words('AEM devices still to do: '), ...devicesLeft.flatMap((label) => [code(label), words(' ')])],
  }
}

function outcomeOf({ history }: Session, step: string): string | null {
  return history.findLast((entry) => entry.step === step)?.outcome ?? null
}
