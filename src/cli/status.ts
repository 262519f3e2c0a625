import { makeDirectoryStore, type SessionStore } from '../act/session-store.ts'
import { listForwardValues } from '../core/seal/forward-of-session.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { LedgerLook } from '../core/session/device-ledger.ts'
import type { HeldNote } from '../core/session/held-note.ts'
import type { Host } from '../host/host.ts'
import { describeLedger } from '../messages/devices.ts'
import { type Dom0, observeDom0 } from '../observe/dom0/dom0.ts'
import { observeLogOf, observeProtection } from '../observe/dom0/protection-state.ts'
import { observeStatus, type StatusFacts } from '../observe/dom0/status.ts'
import { observeBootCheck } from '../observe/launch/boot-check.ts'
import { observeLuksSinceBoot } from '../observe/launch/luks-since-boot.ts'
import { considerOddEntries } from '../observe/launch/odd-boot.ts'
import { observePreparedness } from '../observe/launch/prepared.ts'
import { observeSealOutcome } from '../observe/seal/seal-outcome.ts'
import { makeUi, printJson, stateDirOf } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'
import { renderStatus } from './render-status.ts'
import { type StatusAnswer, toStatusAnswer } from './status-answer.ts'

/** `aem-reseal status`: one look, no change. */
export async function runStatus(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const ui = makeUi(io, options)
  const directory = stateDirOf(options)
  const { answer, facts, look } = await ui.progress('looking at the machine', () =>
    answerStatus(dom0, makeDirectoryStore(host, directory)),
  )
  if (options.json) printJson(io, 'status', answer)
  else ui.say(renderStatus(answer, facts, describeLedger(look, `${directory}/devices.json`)))
  return 0
}

/** Everything that `status` looks at, and its answer. */
export async function answerStatus(
  dom0: Dom0,
  store: SessionStore,
): Promise<{ readonly answer: StatusAnswer; readonly facts: StatusFacts; readonly look: LedgerLook }> {
  const { host } = dom0
  const session = await store.load()
  const look = await store.loadDevices()
  // What needs nothing of each other is asked at the same time; a stick is mounted once for all who look at it.
  const status = observeStatus(dom0, listForwardValues(session, look))
  const [facts, log, seal, prepared, luks] = await Promise.all([
    status,
    status.then((seen) => observeLogOf(dom0, seen)),
    dom0.seal(),
    observePreparedness(dom0, session),
    session === null ? observeLuksSinceBoot(dom0) : null,
  ])
  const held = await observeHeld(dom0, session, await store.loadHeldNote())
  const versions = await store.loadVersions()
  // A session that noted nothing yet has nothing that a boot could be held against.
  const isCompared = (session === null || session.baseline === null) && facts.machine.bootedWithAem === true
  const boot = isCompared
    ? await considerOddEntries(dom0, await observeBootCheck(dom0, look, versions, { ...facts, seal }))
    : null
  const protection = await observeProtection(host, {
    status: facts,
    session,
    look,
    held,
    boot,
    seal,
    log,
    prepared,
    luks,
  })
  return { answer: toStatusAnswer(facts, protection, session, held, look, boot, prepared), facts, look }
}

/** The gate's note, while it is true: of this boot, and AEM has not sealed since. */
async function observeHeld(
  dom0: Dom0,
  session: Session | null,
  note: HeldNote | null,
): Promise<HeldNote | null> {
  if (note === null) return null
  const { heldNote, outcome } = await observeSealOutcome(dom0, session, note)
  return outcome === 'held' ? heldNote : null
}
