import { makeDirectoryStore, type SessionStore } from '../act/session-store.ts'
import { rememberVerification } from '../act/update-ledger.ts'
import { judgeSessionBoot, type SessionBoot } from '../core/decide/session-boot.ts'
import { EXIT, Failure } from '../core/failure.ts'
import { listForwardValues } from '../core/seal/forward-of-session.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { LedgerLook } from '../core/session/device-ledger.ts'
import { secretAnswerOf } from '../flow/steps/ask-secret.ts'
import type { Host } from '../host/host.ts'
import { describeLedger } from '../messages/devices.ts'
import { describeBootCheck } from '../messages/since-approved.ts'
import { describeVerifyLook, describeVerifyUnread, type OpenSession } from '../messages/verify.ts'
import { type Dom0, observeDom0 } from '../observe/dom0/dom0.ts'
import { type BootCheck, observeBootCheck } from '../observe/launch/boot-check.ts'
import { considerOddEntries } from '../observe/launch/odd-boot.ts'
import { registersOf } from '../observe/launch/pcrs.ts'
import { type DeviceVerification, observeVerification } from '../observe/verify/verify.ts'
import { sayLook } from '../ui/render-message.ts'
import { line } from '../ui/ui.ts'
import { makeUi, printJson, stateDirOf } from './context.ts'
import { toSuffix } from './device-name.ts'
import type { GlobalOptions, Io } from './io.ts'

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
  const loaded = await loadOrFailure(store)
  const unread = loaded instanceof Failure ? loaded.text : null
  const session = loaded instanceof Failure ? null : loaded
  const devices = await store.loadDevices()
  const forward = unread === null ? listForwardValues(session, devices) : 'unknown'
  const results = await ui.progress('checking the sealed copies', () =>
    observeVerification(dom0, suffix, { forward, look: devices }),
  )
  const { bootId } = await dom0.machine()
  const judged = session && judgeSessionBoot(session, bootId, registersOf(await dom0.tpm()))
  const note = judged === null ? undefined : NOT_ACCEPTED[judged]
  const boot =
    session !== null && judged === 'accepted'
      ? await observeAsAccepted(dom0, session)
      : await observeOwnBoot(dom0, store, judged, devices)
  // What is not known of a boot makes its device no less to do than what is known to be wrong.
  const isUnexplained = boot?.state === 'unexplained' || boot?.state === 'not-known' || judged === 'rejected'
  const unkept = host.writable ? await remember(dom0, options, results, isUnexplained) : null
  const isOwn = note === undefined && (boot === null || ['same', 'explained'].includes(boot.state))
  const isGood = results.length > 0 && results.every((result) => result.ok === true)
  const isBad = results.some((result) => result.ok === false)
  const told = results.map((result) =>
    result.device === boot?.label ? { ...result, sinceApproved: boot } : result,
  )
  if (options.json) printJson(io, 'verify', told)
  else {
    // Whether it was updated with this program only the session tells.
    const isTold = boot !== null && (unread === null || boot.state !== 'explained')
    const said = isTold ? describeBootCheck(boot) : null
    const outcome = isGood ? 'verified' : isBad ? 'failed' : 'not-verified'
    if (unread !== null) sayLook(ui, { tone: 'attention', ...unread })
    const message =
      unread === null
        ? describeVerifyLook(outcome, results, session && openSessionOf(session, bootId))
        : describeVerifyUnread(outcome, results)
    sayLook(
      ui,
      isOwn || outcome !== 'verified'
        ? message
        : { ...message, tone: 'attention', next: note?.next ?? EXPLAIN_NEXT },
    )
    if (said !== null && said.text !== null) ui.say([line(`  ${said.text}`, said.isBad ? 'bad' : 'warn')])
    if (note !== undefined) ui.say([line(`  ${note.what}`, 'bad')])
    if (unkept !== null) ui.say([line(`  ${unkept}`, 'warn')])
  }
  return isGood && unread === null && isOwn ? EXIT.done : EXIT.attention
}

/** @returns the failure where there is a session that cannot be read */
async function loadOrFailure(store: SessionStore): Promise<Session | Failure | null> {
  try {
    return await store.load()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
}

const EXPLAIN_NEXT = '`aem-reseal explain` says what is known of this boot'

/** Copies that fit a boot are worth what the boot is worth. */
const NOT_ACCEPTED: { readonly [J in SessionBoot]?: { readonly what: string; readonly next: string } } = {
  rejected: {
    what: 'the copies are compared with a boot that `aem-reseal resume` could not explain and nobody accepted: that they fit says that AEM sealed to it, not that it is yours',
    next: '`aem-reseal help alarm` says what to do',
  },
  'not-judged': {
    what: 'what changed in this boot was not looked at yet: that the copies fit says that AEM sealed to it, not that it is yours',
    next: '`aem-reseal resume` explains this boot',
  },
}

function openSessionOf(session: Session, bootId: string | null): OpenSession {
  return {
    isAccepted: bootId !== null && session.approved?.bootId === bootId,
    isDenied: secretAnswerOf(session, bootId) === 'no',
  }
}

/** This boot, compared with the approved one; a session that noted a state has its own `explain` for that. */
async function observeOwnBoot(
  dom0: Dom0,
  store: SessionStore,
  judged: SessionBoot | null,
  devices: LedgerLook,
): Promise<BootCheck | null> {
  if (judged !== null && judged !== 'unasked') return null
  return considerOddEntries(dom0, await observeBootCheck(dom0, devices, await store.loadVersions()))
}

/** A later boot with the accepted registers: what they do not tell is looked at; the accepted one itself was shown to a person. */
async function observeAsAccepted(dom0: Dom0, { approved }: Session): Promise<BootCheck | null> {
  const { bootId } = await dom0.machine()
  const label = (await dom0.booted())?.label
  if (approved === null || approved.bootId === bootId || label === undefined) return null
  const same = { label, at: approved.at, isBelieved: false, state: 'same', registers: [], what: [] } as const
  return considerOddEntries(dom0, { ...same, unseal: null })
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
  isUnexplained: boolean,
): Promise<string | null> {
  const { host } = dom0
  const directory = stateDirOf(options)
  const store = makeDirectoryStore(host, directory)
  try {
    const lock = await store.lock()
    try {
      const look = await rememberVerification(dom0, store, results, null, isUnexplained)
      return describeLedger(look, `${directory}/devices.json`)
    } finally {
      await lock.release()
    }
  } catch (error) {
    if (error instanceof Failure) return `not remembered for later: ${error.text.what}`
    throw error
  }
}
