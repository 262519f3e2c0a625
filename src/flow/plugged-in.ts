import { type AemDevice, findBootedDevice, isBootedPresent, observeAllDevices } from '../observe/devices.ts'
import type { StepContext } from './step.ts'

export type PluggedIn = {
  /** null: not known. */
  readonly present: boolean | null
  /** null where it is out and nothing names it: on TPM 1.2 AEM's seal removes its suffix from /run. */
  readonly device: AemDevice | null
  readonly uuid: string | null
}

/**
 * The device of this boot. AEM's seal ends only when a removable stick is unplugged, so it is asked for where somebody
 * can be asked. @param why what it is wanted for, a sentence
 */
export async function askForBootedDevice(
  { dom0, host, ui, options }: Pick<StepContext, 'dom0' | 'host' | 'ui' | 'options'>,
  why: string,
): Promise<PluggedIn> {
  const machine = await dom0.machine()
  const { aemUuid } = machine
  for (;;) {
    // Looked at again each time: it is plugged in while the question stands.
    const found = await observeAllDevices(host, machine)
    const device = findBootedDevice(found.devices, aemUuid)
    const present = isBootedPresent(found, aemUuid)
    if (present !== false || !options.canAsk) return { present, device, uuid: aemUuid }
    const answer = await ui.ask<'now' | 'later'>({
      id: 'plug-in',
      message: `${device?.label ?? `The AEM device of this boot (UUID ${aemUuid})`} is not plugged in. ${why}`,
      choices: [
        { value: 'later', label: 'check it later', hint: 'nothing is claimed of it until then' },
        { value: 'now', label: 'it is plugged in again' },
      ],
      default: 'later',
      withYes: 'later',
    })
    if (answer === 'later') return { present, device, uuid: aemUuid }
  }
}
