import { describePrediction } from '../../messages/predict.ts'
import { observePrediction } from '../../observe/prediction.ts'
import { observeSelection } from '../../observe/selection.ts'
import { observeOtherTarget } from '../../observe/target.ts'
import type { Step } from '../step.ts'

export const predict: Step<'predict'> = async ({ host, ui, session, store }) => {
  const selected = session.baseline?.selectedPcrs ?? (await observeSelection(host)) ?? []
  const target = await observeOtherTarget(host, session, await store.loadDevices())
  const { prediction, outcome, unvouched } = await ui.progress('hashing what the next boot measures', () =>
    observePrediction(host, selected, target),
  )
  return {
    outcome,
    facts: { ...prediction, unvouched },
    message: describePrediction(outcome, prediction, unvouched, session.device),
    session: { prediction },
  }
}
