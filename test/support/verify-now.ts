import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { rememberVerification } from '../../src/act/update-ledger.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeVerification } from '../../src/observe/verify/verify.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'

/** What `verify` remembers of this boot of the built-in machine; with `approve`, as `resume` does of a boot that was accepted. */
export async function verifyNow(machine: SimMachine, { approve = false } = {}) {
  const host = makeSimulatedHost(machine)
  const { bootId } = await observeMachine(host)
  const approved = approve ? { at: host.now().toISOString(), bootId, pcrs: machine.pcrs.sha256 ?? {} } : null
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const verification = await observeVerification(observeDom0(host), null)
  return rememberVerification(observeDom0(host), store, verification, approved)
}
