import { describePrediction } from '../../messages/predict.ts'
import { observePrediction } from '../../observe/prediction.ts'
import type { Step } from '../step.ts'

export const predict: Step<'predict'> = async ({ host, ui, session }) => {
  const selected = session.baseline?.selectedPcrs ?? []
  const { prediction, outcome, unvouched } = await ui.progress('hashing what the next boot measures', () =>
    observePrediction(host, selected),
  )
  return {
    outcome,
    facts: { ...prediction, unvouched },
    message: describePrediction(outcome, prediction, unvouched),
    session: { prediction },
  }
}
