import { renderSelection } from '../../core/seal/key-public.ts'
import { SEALED_KEY_BYTES } from '../../core/seal/sealed-blob.ts'
import {
  classifyTpm2Error,
  parseTpm2Lockout,
  type Tpm2Lockout,
  type Tpm2Refusal,
} from '../../core/seal/tpm2-answers.ts'
import type { Host, RunResult, Seen } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import {
  IN_LOCKOUT,
  observeSrkPassword,
  SEALED_TO_OTHERS,
  type SrkPassword,
  toTpm2Auth,
  WRONG_PASSWORD,
} from '../seal/srk-password.ts'

/** What the TPM answered to AEM's sealing key: its 16 bytes, kept in memory; a refusal; or it was not asked. */
export type KeyTrial = { readonly state: 'unsealed'; readonly key: Uint8Array } | NotUnsealed
export type NotUnsealed = { readonly state: 'refused' | 'untried'; readonly why: string }

export type Tpm2Trial = {
  /** Loads key.pub and key.priv of a directory and asks for the key under the present registers. */
  tryKey(directory: string, pcrs: readonly number[]): Promise<KeyTrial>
  /** Loads them only: does this TPM take them? @returns null, or why not */
  tryLoad(directory: string): Promise<string | null>
  /** The 8 freshness slots, 256 bytes; null where they could not be read. */
  readFreshness(): Promise<Uint8Array | null>
  /** Leaves nothing of ours in the TPM and in /run. */
  close(): Promise<void>
}

const ONLY_LOOKS = 'only looks here: no unseal is tried'

/**
 * Begins a trial: transient objects that a failed unseal of AEM left behind are flushed first, else loads fail with
 * 0x902 (seen with anti-evil-maid 4.2.0).
 * @returns why not, where the TPM cannot be asked without harm
 */
export async function openTpm2Trial(host: Host): Promise<Tpm2Trial | { readonly why: string }> {
  if (!host.writable) return { why: ONLY_LOOKS }
  const lockout = await observeTpm2Lockout(host)
  if (lockout !== null) return { why: lockout }
  const password = await observeSrkPassword(host)
  const work = await host.makeWorkDirectory()
  await host.run(command('flush-transient', {}))
  return makeTrial(host, work, password)
}

function makeTrial(
  host: Host,
  work: { readonly root: string; close(): Promise<void> },
  password: SrkPassword,
): Tpm2Trial {
  const contextFile = `${work.root}/context`
  // A wrong password costs a try each time: the second device does not get another one.
  let stopped: string | null = password.state === 'known' ? null : describePassword(password.state)
  const load = async (directory: string): Promise<NotUnsealed | null> => {
    if (stopped !== null || password.state !== 'known') return { state: 'untried', why: stopped ?? '' }
    const [publicFile, privateFile] = [`${directory}/key.pub`, `${directory}/key.priv`]
    const call = command('tpm2-load', { publicFile, privateFile, contextFile })
    const loaded = await host.run(call, toTpm2Auth(password.bytes))
    if (loaded.state === 'seen' && loaded.value.exit === 0) return null
    const refusal = describeRefusal(loaded, 'tpm2_load')
    if (refusal.cause === 'bad-password' || refusal.cause === 'lockout') stopped = refusal.trial.why
    return refusal.trial
  }
  const flush = () => host.run(command('flush-transient', {}))
  return {
    async tryKey(directory, pcrs) {
      try {
        const refused = await load(directory)
        return refused ?? (await unsealKey(host, contextFile, pcrs))
      } finally {
        await flush()
      }
    },
    async tryLoad(directory) {
      try {
        const refused = await load(directory)
        return refused === null ? null : refused.why
      } finally {
        await flush()
      }
    },
    readFreshness: () => readFreshness(host, `${work.root}/session`),
    close: () => work.close(),
  }
}

async function unsealKey(host: Host, contextFile: string, pcrs: readonly number[]): Promise<KeyTrial> {
  const run = await host.run(command('tpm2-unseal', { contextFile, selection: renderSelection(pcrs) }))
  if (run.state !== 'seen' || run.value.exit !== 0) return describeRefusal(run, 'tpm2_unseal').trial
  const key = Buffer.from(run.value.stdout, 'latin1')
  if (key.length === SEALED_KEY_BYTES) return { state: 'unsealed', key }
  return { state: 'refused', why: `the TPM released ${key.length} bytes, AEM's key has ${SEALED_KEY_BYTES}` }
}

/** A policy session for TPM2_CC_NV_Read, one read, and the session is gone again. */
async function readFreshness(host: Host, sessionFile: string): Promise<Uint8Array | null> {
  const started = valueOrNull(await host.run(command('tpm2-start-session', { sessionFile })))
  if (started?.exit !== 0) return null
  try {
    const policy = valueOrNull(await host.run(command('tpm2-policy-nv-read', { sessionFile })))
    if (policy?.exit !== 0) return null
    const read = valueOrNull(await host.run(command('tpm2-nv-read', { sessionFile })))
    return read?.exit === 0 ? Buffer.from(read.stdout, 'latin1') : null
  } finally {
    await host.run(command('tpm2-flush-session', { sessionFile }))
  }
}

/** @returns why the TPM must not be asked now, or null */
export async function observeTpm2Lockout(host: Host): Promise<string | null> {
  const lockout = await observeTries(host)
  if (lockout === null)
    return 'the TPM did not answer whether it is in lockout (is another program using it?)'
  if (!lockout.isLockedOut) return null
  return `the TPM is in lockout after ${lockout.failedTries} wrong passwords and answers none for a while; ${CLEAR_LOCKOUT}`
}

/**
 * AEM's initrd looks whether the SRK has a password by trying none, which costs a try at every boot where it has one
 * (anti-evil-maid 4.2.0, tpm2_z_srk); only its seal clears the count. With too few left the next boot cannot unseal.
 * @returns why the next boot could not, or null
 */
export async function observeTpm2TriesLeft(host: Host): Promise<string | null> {
  const tries = await observeTries(host)
  if (tries === null) return 'the TPM did not answer how many wrong passwords it has counted'
  const { failedTries, maxTries } = tries
  if (failedTries + 1 < maxTries) return null
  return `the TPM has counted ${failedTries} wrong passwords and takes ${maxTries}; AEM's look at the SRK in the next boot costs another, and then it takes none for a while; ${CLEAR_LOCKOUT}`
}

const CLEAR_LOCKOUT =
  "AEM's next seal clears it, and so does `sudo sh -c 'tpm2_dictionarylockout -T device:/dev/tpm0 --clear-lockout -p \"$(cat /var/lib/anti-evil-maid/tpm-owner-pw)\"'`, or wait"

async function observeTries(host: Host): Promise<Tpm2Lockout | null> {
  const answer = valueOrNull(await host.run(command('tpm2-properties', {})))
  return answer?.exit === 0 ? parseTpm2Lockout(answer.stdout) : null
}

function describePassword(state: 'missing' | 'unreadable'): string {
  return state === 'missing'
    ? 'the SRK password is needed and not at hand: this boot cached none; not tried, a wrong one costs one of the TPM’s tries'
    : 'the SRK password cached by this boot could not be read'
}

const REFUSALS: Readonly<
  Record<Exclude<Tpm2Refusal, 'unknown'>, { readonly isFinal: boolean; readonly why: string }>
> = {
  policy: { isFinal: true, why: SEALED_TO_OTHERS },
  'bad-object': {
    isFinal: true,
    why: 'the TPM does not take key.pub and key.priv: damaged, or of another TPM',
  },
  'bad-password': {
    isFinal: false,
    why: WRONG_PASSWORD,
  },
  lockout: { isFinal: false, why: IN_LOCKOUT },
  'no-memory': {
    isFinal: false,
    why: 'the TPM has no room for another object (0x902); restart, or flush it',
  },
  'no-srk': { isFinal: false, why: 'the TPM has no SRK at 0x81000001: was it cleared?' },
}

function describeRefusal(run: Seen<RunResult>, tool: string): { cause: Tpm2Refusal; trial: NotUnsealed } {
  if (run.state !== 'seen') {
    const why = run.state === 'absent' ? `${tool} is not installed` : run.why
    return { cause: 'unknown', trial: { state: 'untried', why } }
  }
  const cause = classifyTpm2Error(run.value.stderr)
  if (cause === 'unknown') {
    const said =
      run.value.stderr.split('\n').find((text) => text.startsWith('ERROR: ')) ?? `exit ${run.value.exit}`
    return { cause, trial: { state: 'untried', why: `${tool}: ${said}` } }
  }
  const { isFinal, why } = REFUSALS[cause]
  return { cause, trial: { state: isFinal ? 'refused' : 'untried', why } }
}
