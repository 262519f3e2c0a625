import { type ChangeFacts, decideChange } from '../../core/decide/explain-change.ts'
import type { Preparedness } from '../../core/decide/preparedness.ts'
import { type LaterUpdate, nameUpdate } from '../../core/decide/since-start.ts'
import { describeUnmade } from '../../core/initramfs/reproduction-words.ts'
import { adviceFor } from '../../core/launch/explain-advice.ts'
import type { Explanation as LaunchExplanation } from '../../core/launch/explain-types.ts'
import type { KeptReproductions } from './since-start.ts'

type ExplainedRegister = LaunchExplanation['pcrs'][number]

export type Explanation = Omit<LaunchExplanation, 'reasons' | 'pcrs'> & {
  readonly pcrs: readonly (Omit<ExplainedRegister, 'causes'> & {
    readonly causes: readonly (Omit<ExplainedRegister['causes'][number], 'bulletin'> & {
      /** Number of the bulletin that asked for the package. */
      readonly bulletin: number | null
    })[]
  })[]
  readonly reasons: readonly {
    readonly code: string
    readonly what: string
    readonly next: string | null
    readonly isBlocking: boolean
  }[]
  /** Before the restart: does what was prepared for still lie there; null after it, and where nothing was prepared. */
  readonly prepared: Preparedness | null
} & KeptReproductions

/** The worse of both verdicts, with every finding of both. */
export function combine(
  explained: LaunchExplanation,
  facts: ChangeFacts,
  told: {
    readonly bulletinPcrs: readonly number[]
    readonly later: readonly LaterUpdate[]
    readonly kept: KeptReproductions
  },
): Explanation {
  const { bulletinPcrs, later, kept } = told
  const byFiles = decideChange(facts)
  const own: Explanation['reasons'] = [
    ...byFiles.reasons
      // The launch explanation says the same of a register, with its cause.
      .filter((reason) => reason.code !== 'pcr-unreadable')
      .map((reason) => ({ ...reason, next: null, isBlocking: true })),
    ...listUnmade(kept),
  ]
  const verdict = own.length > 0 ? 'unexplained' : explained.verdict
  const notes = verdict === 'explained' ? noteUnmoved(explained, bulletinPcrs) : []
  const reasons = [...explained.reasons, ...own, ...noteLater(later, facts.files), ...notes]
  return {
    ...explained,
    pcrs: numberBulletins(explained),
    verdict,
    reasons,
    advice: adviceFor(verdict, explained.alreadyResealed, reasons),
    prepared: null,
    ...kept,
  }
}

/** An initramfs that dom0 does not make again is named as what it is: what is blocked by it is said of its register. */
function listUnmade({ reproductions, accepted }: KeptReproductions) {
  return reproductions.flatMap((one) => {
    const isAccepted =
      one.state === 'same-with-modules' &&
      accepted.some((it) => it.path === one.image && it.sha256 === one.sha256)
    const isVouched = one.state === 'same' || isAccepted
    if (isVouched) return []
    return [{ code: 'initramfs-not-made-again', ...describeUnmade(one), isBlocking: true }]
  })
}

/** What came between `start` and this boot, or since, and what it accounts for. */
function noteLater(later: readonly LaterUpdate[], files: ChangeFacts['files']): Explanation['reasons'] {
  if (later.length === 0) return []
  const changed = files.filter(({ accountedBy }) => accountedBy != null).map(({ path }) => path)
  const what = [
    `after \`start\` came ${later.map(nameUpdate).join(', ')}: what was confirmed and predicted was made before`,
    ...(changed.length > 0 ? [`accounted for by it: ${changed.join(', ')}`] : []),
  ].join('; ')
  return [{ code: 'changed-after-start', what, next: null, isBlocking: false }]
}

/** Bulletins say 18 and 19 for every Xen update; by tboot's legacy map Xen alone moves only 18. */
function noteUnmoved(explained: LaunchExplanation, bulletinPcrs: readonly number[]): Explanation['reasons'] {
  const unmoved = explained.pcrs.filter((pcr) => bulletinPcrs.includes(pcr.index) && pcr.change === 'none')
  if (unmoved.length === 0) return []
  const list = unmoved.map((pcr) => pcr.index).join(' and ')
  const what = `the bulletin says PCR ${bulletinPcrs.join(' and ')} change; PCR ${list} did not: nothing measured into it changed, which is fine`
  return [{ code: 'bulletin-names-more', what, next: null, isBlocking: false }]
}

export function numberBulletins({ pcrs }: LaunchExplanation): Explanation['pcrs'] {
  return pcrs.map((pcr) => ({
    ...pcr,
    causes: pcr.causes.map((cause) => ({
      ...cause,
      bulletin: cause.bulletin === null ? null : Number(cause.bulletin),
    })),
  }))
}
