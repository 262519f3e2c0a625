import { computePolicyPcr } from '../../core/decide/verify-copies.ts'
import { SECRET_KINDS } from '../../core/decide/verify-unseal.ts'
import type { Failure } from '../../core/failure.ts'
import { readPolicyDigest, renderSelection } from '../../core/seal/key-public.ts'
import { decryptSecret, encryptSecret, SALT_BYTES, SEALED_KEY_BYTES } from '../../core/seal/sealed-blob.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { plainSecretPath } from '../../observe/seal/plain-secrets.ts'
import { observeSrkPassword, toTpm2Auth } from '../../observe/seal/srk-password.ts'
import { openTpm2Trial } from '../../observe/verify/trial-unseal-tpm2.ts'
import { command } from '../../tables/commands.ts'
import { makeFailure } from '../../tables/failures.ts'
import type { SealedSet } from './exchange.ts'
import type { ForwardPlan } from './plan.ts'

/**
 * A complete sealed directory for the predicted registers, in the files and forms that AEM's own initrd reads:
 * key.pub, key.priv, key.pcrs and secret.*.sealed2 (anti-evil-maid 4.2.0, anti-evil-maid-lib-tpm2, tpmsealprepare and
 * tpmsealdata). The freshness token is the existing one and the TPM's slots are not written: the old files stay valid.
 * The sealing key's 16 bytes live in memory and on the tool's standard input.
 *
 * @throws Failure when the TPM makes no key for the predicted policy, or a secret cannot be read
 */
export async function makeTpm2Set(host: Host, plan: ForwardPlan): Promise<SealedSet> {
  const policy = computePolicyPcr(plan.selected, plan.values)
  if (policy === null) throw makeSetFailure('a selected register has no predicted value', null)
  const key = host.randomBytes(SEALED_KEY_BYTES)
  const { keyPub, keyPriv } = await createKey(host, Buffer.from(policy, 'hex'), key)
  if (readPolicyDigest(keyPub) !== policy)
    throw makeSetFailure('the TPM bound the key to another policy than the predicted one', null)
  const set = new Map<string, Uint8Array>([
    ['key.pub', keyPub],
    ['key.priv', keyPriv],
    ['key.pcrs', Buffer.from(`${renderSelection(plan.selected)}\n`)],
  ])
  for (const kind of SECRET_KINDS) {
    const plain = await host.readFile(
      plainSecretPath(kind === 'fre' ? plan.tokenLabel : plan.device.label, kind),
    )
    if (plain.state === 'absent') continue
    if (plain.state === 'unknown')
      throw makeSetFailure(`secret.${kind} could not be read: ${plain.why}`, null)
    const blob = encryptSecret(plain.value, key, host.randomBytes(SALT_BYTES))
    if (!Buffer.from(plain.value).equals(decryptSecret(blob, key) ?? Buffer.of()))
      throw makeSetFailure(`secret.${kind} does not decrypt to itself`, null)
    set.set(`secret.${kind}.sealed2`, blob)
  }
  return set
}

/** `tpm2_create` in AEM's form; then a load, to see that this TPM takes what it made. */
async function createKey(
  host: Host,
  policy: Uint8Array,
  key: Uint8Array,
): Promise<{ keyPub: Uint8Array; keyPriv: Uint8Array }> {
  const password = await observeSrkPassword(host)
  if (password.state !== 'known') throw makeSetFailure('the SRK password is not at hand', null)
  const trial = await openTpm2Trial(host)
  if ('why' in trial) throw makeSetFailure(trial.why, null)
  const work = await host.makeWorkDirectory()
  try {
    const [publicFile, privateFile] = [`${work.root}/key.pub`, `${work.root}/key.priv`]
    const [policyFile, passwordFile] = [`${work.root}/policy`, `${work.root}/srk`]
    await host.writeFileAtomic(policyFile, policy, 0o600)
    await host.writeFileAtomic(passwordFile, toTpm2Auth(password.bytes), 0o600)
    const call = command('tpm2-create', { passwordFile, policyFile, publicFile, privateFile })
    const run = await host.run(call, key)
    await host.removeFile(passwordFile)
    if (run.state !== 'seen' || run.value.exit !== 0)
      throw makeSetFailure('the TPM made no key', run.state === 'seen' ? run.value.stderr.trim() : null)
    const refused = await trial.tryLoad(work.root)
    if (refused !== null) throw makeSetFailure(`the TPM does not take the key it made: ${refused}`, null)
    const keyPub = valueOrNull(await host.readFile(publicFile))
    const keyPriv = valueOrNull(await host.readFile(privateFile))
    if (keyPub === null || keyPriv === null) throw makeSetFailure('the new key could not be read', null)
    return { keyPub, keyPriv }
  } finally {
    await work.close()
    await trial.close()
  }
}

function makeSetFailure(what: string, verbatim: string | null): Failure {
  return makeFailure('forward-seal-failed', { what }, verbatim ?? undefined)
}
