/* Long: the verbs that hold the session lock, with the one way to take and free it. */

import { DEVICE_FLOWS } from '../../flows/index.ts'
import { postUpdate } from '../../flows/post-update.ts'
import { resume } from '../../flows/resume.ts'
import { isForwardKept, removeBegun, restoreSession } from '../act/forward-seal/restore.ts'
import { rememberGivenUp } from '../act/given-up.ts'
import { cancelRestart } from '../act/restart.ts'
import { makeDirectoryStore, type SessionStore } from '../act/session-store.ts'
import { rememberForward } from '../act/update-ledger.ts'
import type { GivenBulletin } from '../core/bulletin/given-bulletin.ts'
import { parseRestartPlan } from '../core/decide/restart-plan.ts'
import { EXIT } from '../core/failure.ts'
import { forwardRecordOf } from '../core/seal/forward-of-session.ts'
import { type Session, startSession } from '../core/session/checkpoint.ts'
import { type FlowResult, runFlow } from '../flow/runner.ts'
import type { RunOptions } from '../flow/step.ts'
import { STEPS } from '../flow/steps.ts'
import type { Flow, StepId } from '../flow/types.ts'
import type { Host } from '../host/host.ts'
import { describeForwardStays, describeRestored } from '../messages/forward-seal.ts'
import { type Dom0, observeDom0 } from '../observe/dom0/dom0.ts'
import { makeFailure } from '../tables/failures.ts'
import { line, type Ui } from '../ui/ui.ts'
import { assertKeysHaveFile, findGiven } from './bulletin.ts'
import { assertAnswerable, canAsk, makeUi, printJson, stateDirOf } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

export type StartOptions = {
  readonly bulletin: string | null
  /** Key files or directories for the signatures of a bulletin that is a file. */
  readonly keys: readonly string[]
  readonly protect: string | null
  readonly restart: string | null
}

/** @throws Failure (exit 2) for an answer of another form */
export function toRunOptions(
  start: Omit<StartOptions, 'bulletin' | 'keys'>,
  bulletin: GivenBulletin | null,
  canAsk: boolean,
  yes = false,
): RunOptions {
  const { protect, restart } = start
  if (protect !== null && protect !== 'forward-seal' && protect !== 'hold' && protect !== 'plain') {
    throw makeFailure('usage', { reason: `--protect takes forward-seal, hold or plain, not ${protect}` })
  }
  if (restart !== null && parseRestartPlan(restart) === null) {
    throw makeFailure('usage', { reason: `--restart takes now, +MIN, HH:MM or manual, not ${restart}` })
  }
  return { bulletin, protect, restart, canAsk, yes, dryRun: false }
}

/** `aem-reseal start`: the post-update wizard. */
export async function runStart(
  io: Io,
  options: GlobalOptions,
  host: Host,
  start: StartOptions,
): Promise<number> {
  const dom0 = observeDom0(host)
  assertKeysHaveFile(start.bulletin, start.keys)
  const checked = toRunOptions(start, null, false)
  if (checked.protect === null || checked.restart === null)
    assertAnswerable(io, options, '--protect and --restart')
  const store = makeDirectoryStore(host, stateDirOf(options))
  const open = await store.load()
  if (open !== null) throw makeFailure('session-open', { since: open.since, step: open.step })
  const run = toRunOptions(
    start,
    start.bulletin === null ? null : await findGiven(options, start.bulletin, start.keys),
    canAsk(io, options),
    options.yes,
  )
  const { bootId } = await dom0.machine()
  const session = startSession({ id: io.makeId(), now: host.now(), bootId, flow: 'post-update' })
  return runLocked(io, options, store, null, (ui) =>
    runFlow(postUpdate, postUpdate.start, STEPS, {
      host,
      ui,
      store,
      options: run,
      session,
      simulateRestart: null,
    }),
  )
}

/** `aem-reseal resume`: goes on from the checkpoint, before or after the restart. */
export async function runResume(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const store = makeDirectoryStore(host, stateDirOf(options))
  const session = await store.load()
  if (session === null) {
    const note = await store.loadHeldNote()
    const isOfNow = note !== null && note.bootId === (await dom0.machine()).bootId
    throw isOfNow ? makeFailure('held-without-session', { why: note.why }) : makeFailure('no-session')
  }
  assertAnswerable(io, options, '')
  const { bootId } = await dom0.machine()
  const { flow, from } = choosePlace(session, bootId)
  // What was answered before is in the session; a wizard that starts over asks again.
  const run = toRunOptions({ protect: null, restart: null }, null, canAsk(io, options), options.yes)
  if (isDeviceFlow(flow)) return runDeviceFlow(io, options, dom0, store, flow, session, session)
  return runLocked(io, options, store, session, (ui) =>
    runFlow(flow, from, STEPS, { host, ui, store, options: run, session, simulateRestart: null }),
  )
}

const OF_DEVICES: readonly Flow[] = Object.values(DEVICE_FLOWS)

function isDeviceFlow(flow: Flow): boolean {
  return OF_DEVICES.includes(flow)
}

/**
 * A flow that brings one device in order. Its session exists for a run that is ended half-way: `resume` then begins it
 * again, as it looks at everything first. @param known the session that is on disk, if any
 */
export async function runDeviceFlow(
  io: Io,
  options: GlobalOptions,
  dom0: Dom0,
  store: SessionStore,
  flow: Flow,
  session: Session,
  known: Session | null,
): Promise<number> {
  const { host } = dom0
  const answers = { protect: null, restart: null }
  const run = toRunOptions(answers, null, canAsk(io, options), options.yes)
  return runLocked(io, options, store, known, async (ui) => {
    const context = { host, ui, store, options: run, session, simulateRestart: null }
    const result = await runFlow(flow, flow.start, STEPS, context)
    // A forward seal that could not be taken back is for `cancel`.
    const left = forwardRecordOf(await store.load())
    if (result.exit === EXIT.done || left === null) {
      // What an earlier run of it had begun, and this one did not come to.
      if (known !== null && left === null) await removeBegun(dom0, known)
      await store.close()
    }
    return result
  })
}

/** Before the restart the post-update flow goes on at its step; after it, the resume flow looks at everything again. */
export function choosePlace(session: Session, bootId: string | null): { flow: Flow; from: StepId } {
  const own = OF_DEVICES.find(({ id }) => id === session.flow)
  if (own) return { flow: own, from: own.start }
  // Without a baseline nothing was recorded and nothing planned: the wizard starts over.
  if (session.baseline === null && session.flow === 'post-update')
    return { flow: postUpdate, from: postUpdate.start }
  const isSameBoot = bootId !== null && session.baseline?.bootId === bootId
  const step = session.step as StepId
  const hasStep = Object.hasOwn(postUpdate.steps, step)
  // A requested restart that did not come is asked for again by the step itself, if all is still as it was prepared for.
  if (isSameBoot && session.prepared !== null) return { flow: postUpdate, from: 'check-prepared' }
  if (isSameBoot && hasStep && session.flow === 'post-update') return { flow: postUpdate, from: step }
  return { flow: resume, from: resume.start }
}

async function runLocked(
  io: Io,
  options: GlobalOptions,
  store: SessionStore,
  known: Session | null,
  work: (ui: Ui) => Promise<FlowResult>,
): Promise<number> {
  const ui = makeUi(io, options)
  const lock = await store.lock()
  try {
    // Another one may have worked on the session between the look and the lock.
    if ((await store.load())?.updatedAt !== known?.updatedAt)
      throw makeFailure('session-locked', { path: stateDirOf(options) })
    const result = await work(ui)
    if (options.json) printJson(io, 'run', result)
    return result.exit
  } finally {
    await lock.release()
  }
}

/** Did dom0 restart since what was recorded, as far as that is known? */
function isRestarted({ baseline, bootId }: Session, now: string | null): boolean {
  const recorded = baseline?.bootId ?? bootId
  return now !== null && recorded !== null && now !== recorded
}

const COMES_LATER = [
  'next: the update is still installed and the change will come with the next restart;',
  '      `aem-reseal start` begins a new one',
]
const HAS_COME = ['next: dom0 was restarted since `start`; `aem-reseal status` says what this boot is worth']

/** `aem-reseal cancel`: takes back a scheduled restart and closes the session. */
export async function runCancel(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const store = makeDirectoryStore(host, stateDirOf(options))
  const session = await store.load()
  if (session === null) throw makeFailure('nothing-to-cancel')
  const { bootId } = await dom0.machine()
  const lock = await store.lock()
  try {
    const isScheduled = await cancelRestart(host, session)
    const restored = await restoreSession(dom0, session)
    const record = forwardRecordOf(session)
    // The seal stays in force, so its device is compared with it.
    if (record !== null && isForwardKept(session)) await rememberForward(dom0, store, record)
    await rememberGivenUp(dom0, store, session)
    await store.close()
    const forwardSeal = restored?.device ?? null
    if (options.json)
      printJson(io, 'cancel', { cancelled: session.id, restartCancelled: isScheduled, forwardSeal })
    else {
      makeUi(io, options).say([
        line(
          `session ${session.id.slice(0, 8)} closed${isScheduled ? ', scheduled restart cancelled' : ''}`,
          'good',
        ),
        ...(restored
          ? [line(isForwardKept(session) ? describeForwardStays(session.device) : describeRestored(restored))]
          : []),
        ...(session.protection === 'hold'
          ? [line("AEM's automatic seal stays on hold; `aem-reseal gate remove` takes the drop-in away")]
          : []),
        ...(OF_DEVICES.some(({ id }) => id === session.flow)
          ? [line('next: `aem-reseal devices` says what each device needs')]
          : (isRestarted(session, bootId) ? HAS_COME : COMES_LATER).map((text) => line(text))),
      ])
    }
    return 0
  } finally {
    await lock.release()
  }
}
