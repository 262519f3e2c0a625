import { describePrediction } from '../../messages/predict.ts'
import { observeNextBoot } from '../../observe/prediction.ts'
import { observeSelection } from '../../observe/selection.ts'
import { observeOtherTarget } from '../../observe/target.ts'
import type { Step } from '../step.ts'
import { vouchWithPerson } from '../vouch-with-person.ts'

export const predict: Step<'predict'> = async ({ host, ui, session, store }) => {
  const selected = session.baseline?.selectedPcrs ?? (await observeSelection(host)) ?? []
  const look = await store.loadDevices()
  const target = await observeOtherTarget(host, session, look)
  const next = await ui.progress('hashing what the next boot measures', () =>
    observeNextBoot(host, selected, target),
  )
  const { found, reproductions, accepted } = await vouchWithPerson(host, ui, next, look)
  const { prediction, unvouched } = found
  const fresh = reproductions.find((one) => 'fresh' in one && one.fresh !== null)
  // The fresh image is offered where it would settle everything: nothing else is wrong.
  const outcome =
    found.outcome === 'unvouched' && fresh !== undefined && unvouched.length === 1
      ? 'initramfs-differs'
      : found.outcome
  return {
    outcome,
    facts: { ...prediction, unvouched, reproductions, accepted },
    message: describePrediction(outcome, prediction, unvouched, session.device, reproductions),
    session: { prediction },
  }
}
