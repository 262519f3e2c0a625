import { type AemDevice, isBootedPresent } from '../observe/device/devices.ts'
import { type Dom0, observeDom0 } from '../observe/dom0/dom0.ts'
import type { StepContext } from './step.ts'

export type PluggedIn = {
  /** null: not known. */
  readonly present: boolean | null
  /** null where it is out and nothing names it: on TPM 1.2 AEM's seal removes its suffix from /run. */
  readonly device: AemDevice | null
  readonly uuid: string | null
  /** The look that found it so. */
  readonly dom0: Dom0
}

/**
 * The device of this boot. AEM's seal ends only when a removable stick is unplugged, so it is asked for where somebody
 * can be asked. @param why what it is wanted for, a sentence
 */
export async function askForBootedDevice(
  { dom0: first, host, ui, options }: Pick<StepContext, 'dom0' | 'host' | 'ui' | 'options'>,
  why: string,
): Promise<PluggedIn> {
  const { aemUuid: uuid } = await first.machine()
  let dom0 = first
  for (;;) {
    const device = await dom0.booted()
    const present = isBootedPresent(await dom0.devices(), uuid)
    if (present !== false || !options.canAsk) return { present, device, uuid, dom0 }
    const answer = await ui.ask<'now' | 'later'>({
      id: 'plug-in',
      message: `${device?.label ?? `The AEM device of this boot (UUID ${uuid})`} is not plugged in. ${why}`,
      choices: [
        { value: 'later', label: 'check it later', hint: 'nothing is claimed of it until then' },
        { value: 'now', label: 'it is plugged in again' },
      ],
      default: 'later',
      withYes: 'later',
    })
    if (answer === 'later') return { present, device, uuid, dom0 }
    // It was plugged in while the question stood.
    dom0 = observeDom0(host)
  }
}
