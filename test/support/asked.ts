import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { runMain } from './io.ts'

/* What the program answers on a built-in machine, in short. */

export const exitOf = async (machine: SimMachine, ...argv: string[]): Promise<number> =>
  (await runMain(argv, { host: makeSimulatedHost(machine) })).exit

/** `protection.state` of `status`. */
export async function protectionOf(machine: SimMachine): Promise<string> {
  const { json } = await runMain(['status', '--json'], { host: makeSimulatedHost(machine) })
  return (json as { protection: { state: string } }).protection.state
}
