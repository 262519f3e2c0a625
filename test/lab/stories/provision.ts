import { signerFingerprint } from '../../stage/rpm.ts'
import type { Machine } from '../machine/machine.ts'
import { secretShown } from './guest.ts'

/* The first days of the machine; a digest of this file is in the names of the snapshots that begin with it. */

/** The entry without AEM, which boots before AEM knows the TPM. */
const PLAIN = 'Qubes, with Xen hypervisor'

/** Takes the TPM, trusts the lab's packages, lets AEM seal at its first boot and show at its second. */
export async function provision(machine: Machine): Promise<void> {
  const first = await machine.powerOn({ entry: [PLAIN] })
  await first.ready()
  await first.must(['lab-provision'])
  const trust = `mkdir -p /etc/aem-reseal && echo ${await signerFingerprint()} lab key >/etc/aem-reseal/trusted-keys`
  await first.must(['sh', '-c', trust])
  await first.powerOff()
  for (const isShown of [false, true]) {
    const boot = await machine.powerOn()
    await boot.ready()
    if (secretShown(boot) !== isShown)
      throw new Error(
        `the sentence was ${isShown ? 'not ' : ''}shown in AEM's ${isShown ? 'second' : 'first'} boot`,
      )
    await boot.powerOff()
  }
}
