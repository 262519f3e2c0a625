import { listPredictedValues } from '../decide/approved-state.ts'
import type { ReportInput } from './input.ts'
import { type Block, hash, makeTable, type Span, strong, type TableRow, words } from './page.ts'

/** What became of a register between the record before the restart and the end of the session. */
export type RegisterFate =
  | 'same'
  | 'as-predicted'
  | 'unpredicted'
  | 'other-than-predicted'
  | 'not-accepted'
  | 'not-what-the-log-gives'
  | 'not-read'

export type ReportedRegister = {
  readonly index: number
  readonly before: string | null
  readonly predicted: string | null
  readonly now: string | null
  readonly fate: RegisterFate
}

/** Fates that nobody accounted for. */
export const UNSETTLED_FATES: readonly RegisterFate[] = ['not-accepted', 'not-what-the-log-gives', 'not-read']

/** Each selected register, lowest first as in the selection; empty where nothing was recorded before the restart. */
export function listReportedRegisters({ session, values, chain }: ReportInput): readonly ReportedRegister[] {
  const { baseline, approved, prediction } = session
  if (baseline === null) return []
  const recorded = baseline.pcrs[baseline.bank] ?? {}
  const foretold = listPredictedValues(prediction, baseline.bank)
  return baseline.selectedPcrs.map((index) => {
    const [before, now] = [recorded[index] ?? null, values[index] ?? null]
    const predicted = foretold[index] ?? null
    const isUnfaithful = chain?.some((row) => row.index === index && row.isReplayed === false) ?? false
    const accepted = approved?.pcrs[index] ?? null
    return {
      index,
      before,
      predicted,
      now,
      fate: decideFate({ before, predicted, now, accepted, isUnfaithful }),
    }
  })
}

function decideFate(register: {
  before: string | null
  predicted: string | null
  now: string | null
  accepted: string | null
  isUnfaithful: boolean
}): RegisterFate {
  const { before, predicted, now, accepted, isUnfaithful } = register
  if (now === null || before === null) return 'not-read'
  if (isUnfaithful) return 'not-what-the-log-gives'
  if (now !== accepted) return 'not-accepted'
  if (predicted !== null && now !== predicted) return 'other-than-predicted'
  if (now === before) return 'same'
  return predicted === null ? 'unpredicted' : 'as-predicted'
}

const FATE_WORDS: Readonly<Record<RegisterFate, string>> = {
  same: 'same',
  'as-predicted': 'changed, as predicted',
  unpredicted: 'changed, was not predicted',
  'other-than-predicted': 'NOT as predicted',
  'not-accepted': 'NOT what was accepted',
  'not-what-the-log-gives': 'NOT what the launch log gives',
  'not-read': 'not known',
}

/** The register table: before the restart, as predicted, now. */
export function registerTable(registers: readonly ReportedRegister[]): Block {
  const value = (text: string | null, missing: string): readonly Span[] => [
    text === null ? words(missing) : hash(text),
  ]
  const rows = registers.map(({ index, before, predicted, now, fate }): TableRow => {
    const isMarked = fate !== 'same'
    const text = FATE_WORDS[fate]
    return {
      isMarked,
      cells: [
        [words(String(index))],
        value(before, 'not read'),
        value(predicted, 'not predicted'),
        value(now, 'not read'),
        [isMarked ? strong(text) : words(text)],
      ],
    }
  })
  return makeTable('registers', ['PCR', 'before', 'predicted', 'now', 'result'], rows)
}
