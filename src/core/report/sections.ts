import type { GivenBulletin } from '../bulletin/given-bulletin.ts'
import { describePackageFault } from '../decide/confirm-update.ts'
import { ROLE_LABELS } from '../launch/chain-svg.ts'
import type { Session } from '../session/checkpoint.ts'
import type { KeptFacts, ReportedComponent, ReportedPackage } from './kept-facts.ts'
import {
  type Block,
  code,
  dim,
  formatTime,
  hash,
  makeTable,
  type Span,
  said,
  strong,
  type TableRow,
  words,
} from './page.ts'

const NOT_RECORDED: Block = { kind: 'text', spans: [dim('Not recorded.')] }

/** Packages that are measured, as they were confirmed before the restart. */
export function packageTable({ update }: KeptFacts): Block {
  if (update === null) return NOT_RECORDED
  return makeTable(
    'packages',
    ['package', 'version', 'signed by', 'at this update'],
    update.packages.map(packageRow),
  )
}

function packageRow(item: ReportedPackage): TableRow {
  const fault = describePackageFault(item)
  const changed = item.changedSinceBoot
  const state = changed === null ? 'not known since when' : changed ? 'updated' : 'as before'
  return {
    isMarked: changed !== false || fault !== null,
    cells: [
      [code(item.name)],
      [code(item.evr)],
      fault === null
        ? [said(item.signer ?? ''), ...(item.keyId ? [words(' '), code(item.keyId)] : [])]
        : [strong('NOT verified: '), said(`it ${fault}`)],
      [changed === false ? words(state) : strong(state)],
    ],
  }
}

/** Which bulletins the update answers, and what the one that was named is worth. */
export function bulletinText({ expectation }: Session, { update }: KeptFacts): Block {
  if (expectation === null) return NOT_RECORDED
  const { bulletin, given } = update ?? { bulletin: null, given: null }
  const named = expectation.bulletins.flatMap((id, at): readonly Span[] => [
    ...(at === 0 ? [] : [words(', ')]),
    strong(name(id)),
    ...(bulletin?.id === id ? [words(' of '), said(bulletin.date)] : []),
  ])
  const registers = expectation.bulletinPcrs.join(', ')
  const spans: Span[] = [
    ...(named.length === 0
      ? [words('None was named: the update was confirmed by its packages alone.')]
      : [...named, words(': all packages that are asked for are installed.')]),
    ...(registers === '' ? [] : [words(` Registers that may change by it: PCR ${registers}.`)]),
    ...(given ? [words(` ${name(given.id)} ${APPROVALS[given.approval]}.`)] : []),
    ...(given?.file ? [words(' Its file: '), code(given.file), words('.')] : []),
  ]
  return { kind: 'text', spans }
}

const APPROVALS: Readonly<Record<GivenBulletin['approval'], string>> = {
  'built-in': 'was taken from the built-in catalogue',
  approved: 'was read from a file with all the signatures that are expected',
  single: 'was read from a file with one valid signature where two are expected',
  refused: 'was read from a file whose signatures do not hold, and was not used',
}

function name(id: number): string {
  return `QSB-${String(id).padStart(3, '0')}`
}

/** What the next boot was to measure, and what vouched for it before the restart. */
export function componentTable({ components }: KeptFacts): Block {
  if (components === null || components.length === 0)
    return { kind: 'text', spans: [dim('Nothing that the next boot measures was traced to its file.')] }
  return makeTable(
    'components',
    ['part', 'file and command line', 'vouched for'],
    components.map(componentRow),
  )
}

function componentRow({ role, path, commandLine, changed, vouchedBy }: ReportedComponent): TableRow {
  const rule = vouchedBy?.rule ?? null
  return {
    isMarked: changed !== false,
    cells: [
      [partName(role)],
      [code(path ?? 'no file'), ...(commandLine ? [words(' '), code(commandLine)] : [])],
      [rule === null ? strong('by nothing: ') : words(`${rule}: `), said(vouchedBy?.why ?? 'not recorded')],
    ],
  }
}

const PARTS: Readonly<Record<string, string>> = {
  ...ROLE_LABELS,
  tboot: 'tboot',
  sinit: 'SINIT',
  'grub.cfg': 'grub.cfg',
}

function partName(role: string): Span {
  const known = Object.hasOwn(PARTS, role) ? PARTS[role] : undefined
  return known === undefined ? code(role) : words(known)
}

/** Boot files of the device by SHA-256. */
export function bootFileTable({ baseline }: Session): Block {
  if (baseline === null) return NOT_RECORDED
  const rows = baseline.bootFiles.map(({ role, path, digests }) => ({
    cells: [[partName(role)], [code(path)], [digests === null ? words('not read') : hash(digests.sha256)]],
  }))
  return makeTable('files', ['part', 'file', 'SHA-256'], rows)
}

/** Every question that was put, with its answer. */
export function answerTable({ answers }: Session): Block {
  if (answers.length === 0)
    return {
      kind: 'text',
      spans: [dim('No answer is recorded: nothing was asked, or an older program asked.')],
    }
  const rows = answers.map(({ at, question, answer, by }) => ({
    cells: [
      [words(formatTime(at))],
      [said(question)],
      [code(answer)],
      [by === 'person' ? words('a person at the terminal') : strong('--yes, nobody was asked')],
    ],
  }))
  return makeTable('answers', ['when', 'question', 'answer', 'by'], rows)
}

/** Steps in their order, with what each came to; a table for each day. */
export function stepBlocks({ history }: Session): readonly Block[] {
  const days = [...new Set(history.map(({ at }) => dayOf(at)))]
  return days.flatMap((day): readonly Block[] => {
    const rows = history
      .filter(({ at }) => dayOf(at) === day)
      .map(({ at, step, outcome }) => ({
        cells: [[words(at.slice(11, 19))], [code(step)], [code(outcome)]],
      }))
    return [
      { kind: 'text', spans: [dim(`${day}, UTC`)] },
      makeTable('steps', ['time', 'step', 'outcome'], rows),
    ]
  })
}

/** Each step once, with what it came to last. */
export function lastSteps({ history }: Session): Block {
  const last = new Map(history.map(({ step, outcome }) => [step, outcome]))
  const spans = [...last].flatMap(([step, outcome], at): readonly Span[] => [
    words(at === 0 ? 'Steps, with what each came to last: ' : ', '),
    code(`${step} ${outcome}`),
  ])
  return { kind: 'text', spans }
}

function dayOf(at: string): string {
  return at.slice(0, 10)
}
