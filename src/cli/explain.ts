import { makeDirectoryStore } from '../act/session-store.ts'
import type { Answer } from '../contract/schemas.ts'
import { EXIT } from '../core/failure.ts'
import { adviceFor, INCOMPARABLE } from '../core/launch/explain-advice.ts'
import { startSession } from '../core/session/checkpoint.ts'
import { makeReproduce } from '../flow/reproduce-again.ts'
import type { Host } from '../host/host.ts'
import { UNAPPROVED } from '../messages/explain.ts'
import { APPROVE_LATER, describeExplanationLook, describeSinceApproved } from '../messages/explain-look.ts'
import { observeDom0 } from '../observe/dom0/dom0.ts'
import { type BootCheck, observeUnapproved } from '../observe/launch/boot-check.ts'
import { observeExplanation } from '../observe/launch/explanation.ts'
import { considerOddEntries } from '../observe/launch/odd-boot.ts'
import { explainSinceApproved } from '../observe/launch/since-approved.ts'
import type { Explanation } from '../observe/launch/verdict.ts'
import { sayLook } from '../ui/render-message.ts'
import { makeUi, printJson, stateDirOf } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

/** `aem-reseal explain`: what changed since the baseline of the open session, or since the last approved boot. */
export async function runExplain(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const ui = makeUi(io, options)
  const store = makeDirectoryStore(host, stateDirOf(options))
  const open = await store.load()
  const versions = await store.loadVersions()
  const devices = await store.loadDevices()
  const explanation = await ui.progress('comparing PCRs, boot files and packages', async () => {
    const reproduce = makeReproduce(dom0, ui, false)
    const since = open === null ? await explainSinceApproved(dom0, devices, versions, reproduce) : null
    const session = open ?? startSession({ id: io.makeId(), now: host.now(), bootId: null, flow: 'resume' })
    if (since !== null) return since
    const explained = await observeExplanation(dom0, session, versions, { reproduce })
    const isComparable = !explained.reasons.some(({ code }) => code in INCOMPARABLE)
    const unapproved =
      open === null && isComparable
        ? await considerOddEntries(dom0, await observeUnapproved(dom0, devices))
        : null
    if (unapproved?.state === 'same' && unapproved.at !== null)
      return {
        ...tellSame(explained),
        since: { at: unapproved.at, isBelieved: unapproved.isBelieved, isOfOther: true },
      }
    return { ...(unapproved === null ? explained : tellUnapproved(explained, unapproved)), since: null }
  })
  const { since } = explanation
  if (options.json) printJson(io, 'explain', toExplainAnswer(explanation))
  else if (since !== null) sayLook(ui, describeSinceApproved(explanation, since.at, since))
  else sayLook(ui, describeExplanationLook(explanation, open, (await dom0.machine()).bootId))
  const exits = {
    unchanged: EXIT.done,
    explained: EXIT.done,
    'not-computable': EXIT.attention,
    'no-baseline': EXIT.attention,
    unexplained: EXIT.unexplained,
  }
  // Before the restart nothing has booted that could be right or wrong; what does not fit any more wants to be seen to.
  const isOutdated = explanation.prepared?.state === 'outdated' && explanation.verdict === 'unchanged'
  return isOutdated ? EXIT.attention : exits[explanation.verdict]
}

/** This boot is the one that was approved on another device, but for what names the device. */
function tellSame(explained: Explanation): Explanation {
  return { ...explained, verdict: 'unchanged', reasons: [], advice: [] }
}

/** Nothing was noted of this boot, and what was approved on another device is not it. */
function tellUnapproved(explained: Explanation, { state, what }: BootCheck): Explanation {
  if (state === 'unexplained') {
    const reasons = what.map((text) => ({ code: 'odd-entry', what: text, next: null, isBlocking: true }))
    const advice = adviceFor(state, explained.alreadyResealed, reasons)
    // Nothing was compared: every register would only be "the same".
    return { ...explained, verdict: state, pcrs: [], reasons, advice }
  }
  return {
    ...explained,
    reasons: what.map((text) => ({ code: UNAPPROVED, what: text, next: APPROVE_LATER, isBlocking: true })),
  }
}

/** The contract's JSON: what was only learned on the way is there only where it was. */
function toExplainAnswer({
  prepared,
  reproductions,
  accepted,
  since,
  ...answer
}: Explanation & { since: { readonly at: string } | null }): Answer<'explain'> {
  return {
    ...answer,
    since: since?.at ?? null,
    ...(prepared === null ? {} : { prepared }),
    ...(reproductions.length === 0 ? {} : { reproductions, accepted }),
  }
}
