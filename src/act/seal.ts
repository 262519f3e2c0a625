import type { TpmLook } from '../core/aem/tpm.ts'
import type { Host, RunResult, Seen } from '../host/host.ts'
import { type CommandCall, command } from '../tables/commands.ts'

/**
 * AEM's own seal.
 * @param isHeld it is started as its unit then: systemd asks the gate again, and suffix and SRK password are as they were
 */
export function sealCall(isHeld: boolean): CommandCall {
  return isHeld ? command('seal-held', {}) : command('seal', {})
}

/** Runs it, on TPM 2.0 after what a failed unseal left loaded was flushed. */
export async function runSeal(host: Host, call: CommandCall, tpm: TpmLook): Promise<Seen<RunResult>> {
  if (tpm === '2.0') await host.run(command('flush-transient', {}))
  return host.run(call)
}
