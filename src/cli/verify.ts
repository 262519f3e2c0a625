import { EXIT, Failure } from '../core/failure.ts'
import { PCR } from '../core/launch/pcr.ts'
import { listForwardValues } from '../core/seal/forward-record.ts'
import { type Session, startSession } from '../core/session/checkpoint.ts'
import type { LedgerLook } from '../core/session/device-ledger.ts'
import { rememberVerification } from '../flow/remember-devices.ts'
import { makeReproduce } from '../flow/reproduce-again.ts'
import type { Message } from '../flow/step.ts'
import { makeDirectoryStore, type SessionStore } from '../flow/store.ts'
import type { Host } from '../host/host.ts'
import { describeLedger } from '../messages/devices.ts'
import { describeExplanation, describeSinceApproved } from '../messages/explain.ts'
import { describeLook, describeVerifyLook } from '../messages/look.ts'
import { describePrediction } from '../messages/predict.ts'
import { describeBootCheck } from '../messages/since-approved.ts'
import { type Dom0, observeDom0 } from '../observe/dom0.ts'
import { type Explanation, observeExplanation } from '../observe/explanation.ts'
import { observePrediction } from '../observe/prediction.ts'
import { type BootCheck, explainSinceApproved, observeBootCheck } from '../observe/since-approved.ts'
import { type DeviceVerification, observeVerification } from '../observe/verify.ts'
import { renderMessage, wrap } from '../ui/render-message.ts'
import { line } from '../ui/ui.ts'
import { makeUi, printJson, stateDirOf } from './context.ts'
import { toSuffix } from './device-name.ts'
import type { GlobalOptions, Io } from './io.ts'

/** `aem-reseal predict`: the launch registers of the next boot. */
export async function runPredict(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const ui = makeUi(io, options)
  const selected = await dom0.selectedPcrs()
  const { prediction, outcome, unvouched } = await ui.progress('hashing what the next boot measures', () =>
    observePrediction(dom0, selected ?? [PCR.drtm, PCR.launched, PCR.modules]),
  )
  if (options.json) printJson(io, { ...prediction, unvouched })
  else ui.say(renderMessage(describeLook(describePrediction(outcome, prediction, unvouched), outcome)))
  return outcome === 'complete' ? EXIT.done : EXIT.attention
}

/** `aem-reseal explain`: what changed since the baseline of the open session, or since the last approved boot. */
export async function runExplain(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const ui = makeUi(io, options)
  const store = makeDirectoryStore(host, stateDirOf(options))
  const open = await store.load()
  const versions = await store.loadVersions()
  const devices = await store.loadDevices()
  const explanation = await ui.progress('comparing PCRs, boot files and packages', async () => {
    const id = io.makeId()
    const since = open === null ? await explainSinceApproved(dom0, devices, versions, id) : null
    const session = open ?? startSession({ id, now: host.now(), bootId: null, flow: 'resume' })
    return (
      since ?? {
        ...(await observeExplanation(dom0, session, versions, { reproduce: makeReproduce(dom0, ui, false) })),
        since: null,
      }
    )
  })
  const { since } = explanation
  if (options.json) printJson(io, toExplainAnswer(explanation))
  else if (since !== null) ui.say(renderMessage(describeSinceApproved(explanation, since)))
  else ui.say(renderMessage(describeOpen(explanation, open)))
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

/** The contract's JSON: what was only found out on the way is there only where it was. */
function toExplainAnswer({
  prepared,
  reproductions,
  accepted,
  ...answer
}: Explanation & { since: string | null }) {
  return {
    ...answer,
    ...(prepared === null ? {} : { prepared }),
    ...(reproductions.length === 0 ? {} : { reproductions, accepted }),
  }
}

/** @param session the open one; null: there is none */
function describeOpen(explanation: Explanation, session: Session | null): Message {
  const message = describeExplanation(explanation, session?.protection ?? null)
  const isUnbooted = explanation.reasons.some(({ code }) => code === 'not-restarted')
  return isUnbooted ? message : describeLook(message, explanation.verdict)
}

/** `aem-reseal verify`: the sealed copies of every device, or of one. */
export async function runVerify(
  io: Io,
  options: GlobalOptions,
  host: Host,
  device: string | null,
): Promise<number> {
  const dom0 = observeDom0(host)
  const suffix = device === null ? null : toSuffix(device)
  const ui = makeUi(io, options)
  const store = makeDirectoryStore(host, stateDirOf(options))
  const session = await store.load().catch(() => null)
  const devices = await store.loadDevices()
  const forward = listForwardValues(session, devices)
  const results = await ui.progress('checking the sealed copies', () =>
    observeVerification(dom0, suffix, { forward, look: devices }),
  )
  const boot = await observeOwnBoot(io, dom0, store, session, devices)
  const unkept = host.writable ? await remember(dom0, options, results) : null
  const isGood = results.length > 0 && results.every((result) => result.ok === true)
  const isBad = results.some((result) => result.ok === false)
  const told = results.map((result) =>
    result.device === boot?.label ? { ...result, sinceApproved: boot } : result,
  )
  if (options.json) printJson(io, told)
  else {
    const said = boot === null ? null : describeBootCheck(boot)
    const outcome = isGood ? 'verified' : isBad ? 'failed' : 'not-verified'
    ui.say(renderMessage(describeVerifyLook(outcome, results, session !== null)))
    if (said !== null && said.text !== null)
      ui.say(wrap(said.text, 76).map((text) => line(`  ${text}`, said.isBad ? 'bad' : 'warn')))
    if (session !== null && isRejected(session, (await dom0.machine()).bootId))
      ui.say(wrap(NOT_ACCEPTED, 76).map((text) => line(`  ${text}`, 'bad')))
    if (unkept !== null) ui.say(wrap(unkept, 76).map((text) => line(`  ${text}`, 'warn')))
  }
  return isGood && boot?.state !== 'unexplained' ? EXIT.done : EXIT.attention
}

const NOT_ACCEPTED =
  'the copies are held against a boot that `aem-reseal resume` could not explain and nobody accepted: that they fit says that AEM sealed to it, not that it is yours'

/** Did `resume` find this boot unexplained? */
function isRejected({ findings, approved }: Session, bootId: string | null): boolean {
  const explained = findings.explain as { verdict?: unknown } | undefined
  return explained?.verdict === 'unexplained' && approved?.bootId !== bootId
}

/** This boot, held against the approved one; an open session has its own `explain` for that. */
async function observeOwnBoot(
  io: Io,
  dom0: Dom0,
  store: SessionStore,
  session: Session | null,
  devices: LedgerLook,
): Promise<BootCheck | null> {
  if (session !== null) return null
  return observeBootCheck(dom0, devices, await store.loadVersions(), io.makeId())
}

/**
 * A device that was verified in its own boot is taken off the list of what is left to do. The answer of `verify` does
 * not depend on it.
 * @returns why nothing could be kept; null where it was
 */
async function remember(
  dom0: Dom0,
  options: GlobalOptions,
  results: readonly DeviceVerification[],
): Promise<string | null> {
  const { host } = dom0
  const directory = stateDirOf(options)
  const store = makeDirectoryStore(host, directory)
  try {
    const lock = await store.lock()
    try {
      const look = await rememberVerification(dom0, store, results, null)
      return describeLedger(look, `${directory}/devices.json`)
    } finally {
      await lock.release()
    }
  } catch (error) {
    if (error instanceof Failure) return `not remembered for later: ${error.text.what}`
    throw error
  }
}
