import type { Session } from '../../core/session/checkpoint.ts'
import { describeExplanation } from '../../messages/explain.ts'
import { type Explanation, observeExplanation } from '../../observe/launch/explanation.ts'
import { makeReproduce } from '../reproduce-again.ts'
import type { Step } from '../step.ts'

export const explain: Step<'explain'> = async ({ dom0, ui, session, store }) => {
  const versions = await store.loadVersions()
  const explanation = await ui.progress('comparing registers, launch log, boot files and packages', () =>
    observeExplanation(dom0, session, versions, { reproduce: makeReproduce(dom0, ui, true) }),
  )
  return { outcome: explanation.verdict, facts: explanation, message: describeExplanation(explanation) }
}

/** The explanation that the session holds; the flow puts it there before anybody asks. */
export function explanationOf(session: Session): Explanation {
  return session.findings.explain as Explanation
}
