import type { ExplanationInput } from '../../core/launch/explain-types.ts'
import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import type { MachineFacts } from '../dom0/machine.ts'

export type Before = {
  readonly pcrs: Record<number, string>
  readonly components: NonNullable<ExplanationInput['before']>['components']
  readonly prediction: NonNullable<ExplanationInput['prediction']> | null
  readonly mayChange: readonly number[]
  readonly previousBootTime: string | null
  readonly acceptedLuks: string | null
}

/**
 * Once a change was accepted, later boots are compared with the accepted state; only packages that came after `start` may change
 * anything of it.
 */
export function chooseBefore(session: Session, baseline: Baseline, machine: MachineFacts): Before {
  const { approved } = session
  if (approved !== null && approved.bootId !== machine.bootId) {
    return {
      pcrs: toNumbers(approved.pcrs),
      components: approved.components ?? null,
      prediction: null,
      mayChange: [],
      previousBootTime: null,
      acceptedLuks: null,
    }
  }
  return {
    pcrs: toNumbers(baseline.pcrs[baseline.bank] ?? {}),
    components: baseline.components,
    // What nobody vouched for before the restart is no prediction to lean on.
    prediction: session.prediction?.pcrs.filter((pcr) => pcr.vouched) ?? null,
    mayChange: session.expectation?.mayChange ?? [],
    previousBootTime: baseline.bootTime,
    acceptedLuks: acceptedLuksOf(session),
  }
}

/** PCR 13 of the headers that `start` asked about and a person called their own. */
function acceptedLuksOf({ findings }: Session): string | null {
  const facts = findings.predict
  return facts?.luksHeaderAccepted === true ? (facts.luksHeaderValue ?? null) : null
}

export function toNumbers(values: Readonly<Record<string, string>>): Record<number, string> {
  return Object.fromEntries(Object.entries(values).map(([index, value]) => [Number(index), value]))
}
