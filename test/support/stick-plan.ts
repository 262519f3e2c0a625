import type { ForwardPlan } from '../../src/act/forward-seal/plan.ts'
import type { Host } from '../../src/host/host.ts'
import { STICK } from '../../src/host/simulated/build.ts'
import { SELECTED_PCRS, type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'

/** To seal the stick of the machine `two-devices` forward, to the present registers unless others are given. */
export async function planForStick(
  host: Host,
  machine: SimMachine,
  others: Readonly<Record<number, string>> = {},
): Promise<ForwardPlan> {
  const { devices } = await observeDom0(host).devices()
  const device = devices.find(({ label }) => label === 'aem.stick')
  if (device === undefined) throw new Error('the machine has no stick')
  return {
    device,
    tokenLabel: device.label,
    uuid: STICK.uuid,
    tpmId: TPM_ID,
    tpmVersion: '2.0',
    bank: 'sha256',
    selected: SELECTED_PCRS,
    values: { ...machine.pcrs.sha256, ...others },
  }
}
