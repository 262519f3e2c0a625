import { parseUnitShow } from '../../core/aem/seal-outcome.ts'
import { classifyTpm12Exit, type Tpm12Refusal } from '../../core/seal/tpm12-blob.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { parsed } from '../read-text.ts'
import { IN_LOCKOUT, observeSrkPassword, SEALED_TO_OTHERS, WRONG_PASSWORD } from '../seal/srk-password.ts'
import type { NotUnsealed } from './trial-unseal-tpm2.ts'

/** A secret that the TPM released, in memory; or why not. */
export type BlobTrial = { readonly state: 'unsealed'; readonly plain: Uint8Array } | NotUnsealed

export type Tpm12Trial = {
  tryBlob(path: string): Promise<BlobTrial>
  /** The 8 freshness slots, 160 bytes; null where they could not be read. */
  readFreshness(): Promise<Uint8Array | null>
  close(): Promise<void>
}

/** tpm-tools on TPM 1.2, through tcsd; tcsd is left as it was found. @returns why not, where it cannot be asked */
export async function openTpm12Trial(host: Host): Promise<Tpm12Trial | { readonly why: string }> {
  if (!host.writable) return { why: 'only looks here: no unseal is tried' }
  const wasRunning = await isTcsdRunning(host)
  if (!wasRunning) {
    const started = valueOrNull(await host.run(command('tcsd-start', {})))
    if (started?.exit !== 0) return { why: 'tcsd could not be started, without it TPM 1.2 does not answer' }
  }
  const work = await host.makeWorkDirectory()
  const tryBlob = await makeTryBlob(host)
  return {
    tryBlob,
    async readFreshness() {
      const file = `${work.root}/slots`
      const run = valueOrNull(await host.run(command('tpm12-nv-read', { file })))
      return run?.exit === 0 ? valueOrNull(await host.readFile(file)) : null
    },
    async close() {
      await work.close()
      if (!wasRunning) await host.run(command('tcsd-stop', {}))
    },
  }
}

async function isTcsdRunning(host: Host): Promise<boolean> {
  const show = await host.run(command('unit-show', { unit: 'tcsd.service' }))
  const unit = valueOrNull(parsed(show, ({ stdout }) => parseUnitShow(stdout), 'systemctl show'))
  return unit?.activeState === 'active'
}

/**
 * AEM removes the cached SRK password after every seal on TPM 1.2. Then the well-known secret is tried, as AEM's own
 * tpm_z_srk does at every boot; where the SRK has a password after all this costs one try, and no other is made.
 */
async function makeTryBlob(host: Host): Promise<Tpm12Trial['tryBlob']> {
  const password = await observeSrkPassword(host)
  const isCached = password.state === 'known'
  const hasPassword = isCached && password.bytes.length > 0
  let stopped: string | null = null
  return async (blob) => {
    if (stopped !== null) return { state: 'untried', why: stopped }
    const run = hasPassword
      ? await host.run(command('tpm12-unseal', { blob }), Buffer.concat([password.bytes, Buffer.from('\n')]))
      : await host.run(command('tpm12-unseal-z', { blob }))
    if (run.state !== 'seen') {
      const why = run.state === 'absent' ? 'tpm_unsealdata is not installed' : run.why
      return { state: 'untried', why }
    }
    if (run.value.exit === 0) return { state: 'unsealed', plain: Buffer.from(run.value.stdout, 'latin1') }
    const cause = classifyTpm12Exit(run.value.exit)
    const { isFinal, why } = describeTpm12Refusal(cause, isCached, run.value.exit)
    if (cause === 'bad-password' || cause === 'lockout') stopped = why
    return { state: isFinal ? 'refused' : 'untried', why }
  }
}

function describeTpm12Refusal(cause: Tpm12Refusal, isCached: boolean, exit: number) {
  const password = isCached
    ? WRONG_PASSWORD
    : 'the SRK password is needed and not at hand: AEM removes it after its seal; finding that out cost one of the TPM’s tries'
  const words: Readonly<Record<Tpm12Refusal, { isFinal: boolean; why: string }>> = {
    pcrs: { isFinal: true, why: SEALED_TO_OTHERS },
    'bad-object': { isFinal: true, why: 'the TPM does not take the sealed file: damaged, or of another TPM' },
    'bad-password': { isFinal: false, why: password },
    lockout: { isFinal: false, why: IN_LOCKOUT },
    'no-tcsd': { isFinal: false, why: 'tcsd does not answer' },
    'no-srk': { isFinal: false, why: 'the TPM has no SRK: was it cleared?' },
    unknown: { isFinal: false, why: `tpm_unsealdata ended with ${exit}` },
  }
  return words[cause]
}
