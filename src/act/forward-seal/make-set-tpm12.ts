import { SECRET_KINDS, type SecretKind } from '../../core/decide/verify-unseal.ts'
import type { Failure } from '../../core/failure.ts'
import { computeTpm12Composite, parseTpm12Blob } from '../../core/seal/tpm12-blob.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { plainSecretPath } from '../../observe/seal/plain-secrets.ts'
import { observeSrkPassword } from '../../observe/seal/srk-password.ts'
import { command } from '../../tables/commands.ts'
import { makeFailure } from '../../tables/failures.ts'
import type { SealedSet } from './exchange.ts'
import type { ForwardPlan } from './plan.ts'

/**
 * A complete sealed directory for the predicted registers on TPM 1.2: secret.*.sealed2 made by tpm_sealdata, as AEM makes
 * them (anti-evil-maid 4.2.0, anti-evil-maid-lib-tpm1, tpmsealdata), while the relay lets tcsd report the predicted
 * registers. Each blob says in clear what it is bound to, so the result is known before it is used. The freshness token is
 * the existing one and the TPM's slots are not written.
 *
 * @throws Failure
 */
export async function makeTpm12Set(host: Host, plan: ForwardPlan): Promise<SealedSet> {
  const wanted = computeTpm12Composite(plan.selected, plan.values)
  if (wanted === null) throw failure('a selected register has no predicted value')
  if (!host.relayTpm) throw failure('this machine has no TPM to relay to')
  const work = await host.makeWorkDirectory()
  try {
    const kinds = await host.relayTpm(plan.values, () => sealKinds(host, plan, work.root))
    const set = new Map<string, Uint8Array>()
    for (const kind of kinds) {
      const blob = valueOrNull(await host.readFile(blobPath(work.root, kind)))
      if (blob === null) throw failure(`secret.${kind}.sealed2 could not be read`)
      const binding = parseTpm12Blob(Buffer.from(blob).toString('latin1'))
      const isBound = binding?.digestAtRelease === wanted && binding.pcrs.join() === plan.selected.join()
      if (!isBound) throw failure(`secret.${kind} was bound to other registers than the predicted ones`)
      set.set(`secret.${kind}.sealed2`, blob)
    }
    return set
  } finally {
    await work.close()
  }
}

function blobPath(root: string, kind: SecretKind): string {
  return `${root}/secret.${kind}.sealed2`
}

/** @returns the kinds that dom0 keeps and that were sealed */
async function sealKinds(host: Host, plan: ForwardPlan, root: string): Promise<readonly SecretKind[]> {
  const password = await observeSrkPassword(host)
  const input =
    password.state === 'known' && password.bytes.length > 0
      ? Buffer.concat([password.bytes, Buffer.from('\n')])
      : null
  const sealed: SecretKind[] = []
  for (const kind of SECRET_KINDS) {
    const plain = plainSecretPath(kind === 'fre' ? plan.tokenLabel : plan.device.label, kind)
    const { state } = await host.statFile(plain)
    if (state === 'unknown') throw failure(`secret.${kind} in dom0 could not be looked at`)
    if (state === 'absent') continue
    const params = { pcrs: plan.selected.join(','), plain, blob: blobPath(root, kind) }
    const run =
      input === null
        ? await host.run(command('tpm12-seal-z', params))
        : await host.run(command('tpm12-seal', params), input)
    if (run.state !== 'seen' || run.value.exit !== 0) {
      const said = run.state === 'seen' ? `exit ${run.value.exit}` : 'it could not be run'
      throw failure(`tpm_sealdata did not seal secret.${kind}: ${said}`)
    }
    sealed.push(kind)
  }
  return sealed
}

function failure(what: string): Failure {
  return makeFailure('forward-seal-failed', { what })
}
