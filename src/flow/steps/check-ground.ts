import { decideGround, type Ground, groundUnasked, type Word } from '../../core/vouch/ground.ts'
import {
  describeGround,
  describeUnaskedGround,
  explainGround,
  GO_ON_QUESTION,
  SECRET_QUESTION,
} from '../../messages/ground.ts'
import { observeGround, observeGroundDifferences } from '../../observe/launch/ground.ts'
import type { Step } from '../step.ts'

/**
 * Is this boot worth anything as the measure of the next one? Asked before anything is predicted from it. On a machine whose
 * secret appeared, in the approved state, nothing is asked.
 */
export const checkGround: Step<'check-ground'> = async ({ dom0, host, ui, options, session, store }) => {
  const observed = await observeGround(dom0, await store.loadDevices())
  const { facts } = observed
  let word: Word = null
  let ground: Ground = decideGround(facts)
  // Nothing is sealed from a recording, and nobody who looks at one can say what its screen showed.
  if (ground.state === 'ask' && host.kind === 'recorded') {
    const told = { ground: groundUnasked(facts), word, device: session.device }
    const kept = { ...told.ground, unseal: facts.unseal, word, goesOn: true }
    return { outcome: 'gone-on', facts: kept, message: describeUnaskedGround() }
  }
  if (ground.state === 'ask' && options.canAsk && options.yes !== true) {
    word = await ui.ask<'yes' | 'no'>(SECRET_QUESTION)
    ground = decideGround(facts, word)
  }
  if (ground.state === 'ask') ground = groundUnasked(facts)
  const base = { ...ground, unseal: facts.unseal, word }
  if (ground.state === 'vouched')
    return {
      outcome: 'vouched',
      facts: base,
      message: describeGround('vouched', { ground, word, device: session.device }),
    }
  const traced = await observeGroundDifferences(dom0, observed)
  const told = { ground, word, device: session.device, ...traced }
  // A person sees why before anything is asked.
  if (options.canAsk) ui.say(explainGround(told))
  const goesOn = options.canAsk && (await ui.ask<'yes' | 'no'>(GO_ON_QUESTION)) === 'yes'
  const outcome = goesOn ? 'gone-on' : 'boot-not-vouched'
  return { outcome, facts: { ...base, ...traced, goesOn }, message: describeGround(outcome, told) }
}
