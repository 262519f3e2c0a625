import type { Facts } from '../../core/decide/facts.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { describeExplanation } from '../../messages/explain.ts'
import { observeExplanation } from '../../observe/launch/explanation.ts'
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
export function explanationOf({ findings }: Session): Facts['explain'] {
  if (findings.explain === undefined) throw new Error('the flow asks for an explanation that it did not make')
  return findings.explain
}
