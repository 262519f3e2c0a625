import { EXIT, Failure } from '../core/failure.ts'
import { PCR } from '../core/launch/pcr.ts'
import { listForwardValues } from '../core/seal/forward-record.ts'
import { startSession } from '../core/session/checkpoint.ts'
import { rememberVerification } from '../flow/remember-devices.ts'
import { makeDirectoryStore } from '../flow/store.ts'
import type { Host } from '../host/host.ts'
import { describeVerification } from '../messages/after-restart.ts'
import { describeLedger } from '../messages/devices.ts'
import { describeExplanation } from '../messages/explain.ts'
import { describeLook } from '../messages/look.ts'
import { describePrediction } from '../messages/predict.ts'
import { observeExplanation } from '../observe/explanation.ts'
import { observePrediction } from '../observe/prediction.ts'
import { observeSelection } from '../observe/selection.ts'
import { type DeviceVerification, observeVerification } from '../observe/verify.ts'
import { renderMessage, wrap } from '../ui/render-message.ts'
import { line } from '../ui/ui.ts'
import { toSuffix } from './device-name.ts'
import type { GlobalOptions, Io } from './io.ts'
import { makeUi, printJson, stateDirOf } from './world.ts'

/** `aem-reseal predict`: the launch registers of the next boot. */
export async function runPredict(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const ui = makeUi(io, options)
  const selected = await observeSelection(host)
  const { prediction, outcome, unvouched } = await ui.progress('hashing what the next boot measures', () =>
    observePrediction(host, selected ?? [PCR.drtm, PCR.launched, PCR.modules]),
  )
  if (options.json) printJson(io, { ...prediction, unvouched })
  else ui.say(renderMessage(describeLook(describePrediction(outcome, prediction, unvouched), outcome)))
  return outcome === 'complete' ? EXIT.done : EXIT.attention
}

/** `aem-reseal explain`: what changed since the baseline of the open session. */
export async function runExplain(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const ui = makeUi(io, options)
  const store = makeDirectoryStore(host, stateDirOf(options))
  const open = await store.load()
  const versions = await store.loadVersions()
  const session = open ?? startSession({ id: io.makeId(), now: host.now(), bootId: null, flow: 'resume' })
  const explanation = await ui.progress('comparing PCRs, boot files and packages', () =>
    observeExplanation(host, session, versions),
  )
  if (options.json) printJson(io, explanation)
  else ui.say(renderMessage(describeLook(describeExplanation(explanation), explanation.verdict)))
  const exits = {
    unchanged: EXIT.done,
    explained: EXIT.done,
    'not-computable': EXIT.attention,
    'no-baseline': EXIT.attention,
    unexplained: EXIT.unexplained,
  }
  return exits[explanation.verdict]
}

/** `aem-reseal verify`: the sealed copies of every device, or of one. */
export async function runVerify(
  io: Io,
  options: GlobalOptions,
  host: Host,
  device: string | null,
): Promise<number> {
  const suffix = device === null ? null : toSuffix(device)
  const ui = makeUi(io, options)
  const store = makeDirectoryStore(host, stateDirOf(options))
  const session = await store.load().catch(() => null)
  const forward = listForwardValues(session, await store.loadDevices())
  const results = await ui.progress('checking the sealed copies', () =>
    observeVerification(host, suffix, forward),
  )
  const unkept = host.writable ? await remember(host, options, results) : null
  const isGood = results.length > 0 && results.every((result) => result.ok === true)
  const isBad = results.some((result) => result.ok === false)
  if (options.json) printJson(io, results)
  else {
    const outcome = isGood ? 'verified' : isBad ? 'failed' : 'not-verified'
    ui.say(renderMessage(describeLook(describeVerification(outcome, results), outcome, session !== null)))
    if (unkept !== null) ui.say(wrap(unkept, 76).map((text) => line(`  ${text}`, 'warn')))
  }
  return isGood ? EXIT.done : EXIT.attention
}

/**
 * A device that was verified in its own boot is taken off the list of what is left to do. The answer of `verify` does
 * not depend on it.
 * @returns why nothing could be kept; null where it was
 */
async function remember(
  host: Host,
  options: GlobalOptions,
  results: readonly DeviceVerification[],
): Promise<string | null> {
  const directory = stateDirOf(options)
  const store = makeDirectoryStore(host, directory)
  try {
    const lock = await store.lock()
    try {
      const look = await rememberVerification(host, store, results, null)
      return describeLedger(look, `${directory}/devices.json`)
    } finally {
      await lock.release()
    }
  } catch (error) {
    if (error instanceof Failure) return `not remembered for later: ${error.text.what}`
    throw error
  }
}
