import { vouchQuestion } from '../messages/vouch.ts'
import type { Dom0 } from '../observe/dom0/dom0.ts'
import { reproduceInitramfsOf } from '../observe/initramfs/of-device.ts'
import { disposeFresh } from '../observe/initramfs/reproduction.ts'
import type { Reproduce } from '../observe/launch/since-start.ts'
import { line, type Ui } from '../ui/ui.ts'

/**
 * Makes the initramfs of this boot again, after the restart.
 * @param asks ask a person where only its kernel modules differ; --yes never accepts them
 */
export function makeReproduce(
  dom0: Dom0,
  ui: Pick<Ui, 'ask' | 'progress' | 'say'>,
  asks: boolean,
): Reproduce {
  const { host } = dom0
  return async (look) => {
    const device = await dom0.booted()
    const result = await ui.progress(`making ${look.path} again, to compare it (up to a minute)`, () =>
      reproduceInitramfsOf(dom0, { device }, look),
    )
    // What dom0 makes instead is offered by the next `start`, not here.
    await disposeFresh(host, result)
    if (result.state !== 'same-with-modules' || !asks) return { result, isAccepted: false }
    const { path, sha256 } = look
    // Off the line that says what is being done.
    ui.say([line('')])
    const answer = await ui.ask(vouchQuestion({ kind: 'modules', path, sha256, ...result.modules }))
    return { result, isAccepted: answer === 'yes' }
  }
}
