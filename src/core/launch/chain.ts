import type { MeasuredComponent } from './explain-types.ts'
import type { LaunchLog } from './launch-log.ts'
import { isReordered, pairComponents } from './pair-components.ts'
import { type Bank, PCR } from './pcr.ts'
import { isListed, replayPcr } from './replay.ts'

/** One extend of a register, compared with the boot before; `unknown` where nothing was recorded then. */
export type ChainStep = {
  readonly role: MeasuredComponent['role']
  readonly path: string | null
  /** Hex; null for one that is no longer measured. */
  readonly digest: string | null
  readonly state: 'same' | 'changed' | 'new' | 'gone' | 'unknown'
}

/** A register: what went into it, in order, and what came out. */
export type ChainRow = {
  readonly index: number
  readonly bank: Bank
  readonly steps: readonly ChainStep[]
  /** The same extends as before came in another order. */
  readonly isReordered: boolean
  /** Does replaying the steps give the value? null: the log does not list them all, or the value is not known. */
  readonly isReplayed: boolean | null
  readonly before: string | null
  readonly value: string | null
  readonly predicted: string | null
}

export type ChainInput = {
  readonly log: LaunchLog
  readonly bank: Bank
  /** What this boot measured, of the log, and the boot before the change. */
  readonly now: readonly MeasuredComponent[]
  readonly before: readonly MeasuredComponent[] | null
  /** Registers to show even where the log says nothing of them. */
  readonly selected: readonly number[]
  readonly valuesBefore: Readonly<Record<number, string>>
  readonly values: Readonly<Record<number, string>>
  readonly predicted: Readonly<Record<number, string | null>>
}

/** The chains of a boot, one row for each register, lowest first. */
export function listChainRows(input: ChainInput): ChainRow[] {
  const { bank, log, selected, values } = input
  const filled = input.now.flatMap((one) => (one.pcr >= PCR.drtm ? [one.pcr] : []))
  return [...new Set([...selected, ...filled])]
    .sort((a, b) => a - b)
    .map((index) => {
      const value = values[index] ?? null
      const { status } = replayPcr(log, bank, index, value, isListed(log, index))
      return {
        index,
        bank,
        ...listSteps(input, index),
        isReplayed: status === 'faithful' ? true : status === 'unfaithful' ? false : null,
        before: input.valuesBefore[index] ?? null,
        value,
        predicted: input.predicted[index] ?? null,
      }
    })
}

function listSteps(input: ChainInput, index: number): Pick<ChainRow, 'steps' | 'isReordered'> {
  const { bank } = input
  const own = (list: readonly MeasuredComponent[]) =>
    list.filter((one) => one.pcr === index && one.digests[bank] !== undefined)
  const step = (one: MeasuredComponent, state: ChainStep['state']): ChainStep => {
    const digest = state === 'gone' ? null : (one.digests[bank] ?? null)
    return { role: one.role, path: one.path, digest, state }
  }
  const now = own(input.now)
  if (input.before === null) return { steps: now.map((one) => step(one, 'unknown')), isReordered: false }
  const before = own(input.before)
  const partners = pairComponents(before, now, bank)
  const steps = now.map((one, at) => {
    const place = partners[at]
    if (place === null || place === undefined) return step(one, 'new')
    return step(one, before[place]?.digests[bank] === one.digests[bank] ? 'same' : 'changed')
  })
  const gone = before.filter((_, at) => !partners.includes(at)).map((one) => step(one, 'gone'))
  return { steps: [...steps, ...gone], isReordered: isReordered(partners) }
}
