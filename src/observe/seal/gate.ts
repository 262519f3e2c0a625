import { parseAemJournal } from '../../core/aem/seal-outcome.ts'
import { decideGate, type GateDecision } from '../../core/decide/gate.ts'
import { ignoreFailure } from '../../core/failure.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { registersOf } from '../launch/pcrs.ts'
import { readTextOrNull } from '../read-text.ts'

export type GateAnswer = GateDecision & { readonly bootId: string | null }

/**
 * Asks the machine what the gate must know, and decides. In early boot local file systems are all there is: /proc,
 * /sys, /etc, the journal and the state directory.
 *
 * @param loadSession may throw a Failure for a session that cannot be read
 */
export async function observeGate(
  dom0: Dom0,
  loadSession: () => Promise<Session | null>,
): Promise<GateAnswer> {
  const { host } = dom0
  const bootId = (await readTextOrNull(host, '/proc/sys/kernel/random/boot_id'))?.trim() || null
  const journal = valueOrNull(await host.run(command('aem-journal', {})))
  const unseal = journal?.exit === 0 ? parseAemJournal(journal.stdout).unseal : null
  // Where nothing changed a session that cannot be read is no reason to hold; nothing speaks against AEM then.
  const session = unseal === 'unsealed' ? await loadSession().catch(ignoreFailure) : await loadSession()
  const tpm = await dom0.tpm()
  const decision = decideGate({
    bootId,
    unseal,
    selectedPcrs: await dom0.selectedPcrs(),
    bank: tpm.bank,
    pcrs: registersOf(tpm),
    session,
  })
  return { ...decision, bootId }
}
