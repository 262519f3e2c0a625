import { describe, expect, it } from 'vitest'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { makeBootInitramfs } from '../../src/host/simulated/build.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeNextDifference } from '../../src/observe/launch/next-difference.ts'
import { approvedMachine, finish, INITRAMFS, isSecretShown, put, start } from '../support/approved-machine.ts'
import { uefiDom0 } from '../support/uefi-dom0.ts'

/* `start` where no package changed: what boots next is looked at all the same. */

const HOUR_MS = 3600 * 1000

/** Somebody changed a setting that dracut takes along, and called dracut. */
function remakeInitramfs(machine: SimMachine): void {
  machine.nowMs += HOUR_MS
  machine.dom0.set('/etc/crypttab', { bytes: Buffer.from('# by hand\n'), mtimeMs: machine.nowMs })
  makeBootInitramfs(machine)
}

describe('without a change of a package', () => {
  it('there is nothing to do where the next boot measures what this one did', async () => {
    const { exit, outcomes, said } = await start(await approvedMachine())
    expect([exit, outcomes.at(-1)]).toEqual([1, 'confirm-update: nothing-pending'])
    expect(said).toContain('the next boot measures what this one measured')
  })

  it('an initramfs made by hand is named, made again, sealed forward, shown and approved', async () => {
    const machine = await approvedMachine()
    remakeInitramfs(machine)
    const { exit, outcomes, said } = await start(machine)
    expect(outcomes).toContain('confirm-update: files-changed')
    expect(said).toContain(`the next boot measures something else: the initramfs /${INITRAMFS} (PCR 19)`)
    expect(exit).toBe(3)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    expect((await finish(machine)).exit).toBe(0)
  })

  it.each<[string, string, (old: Uint8Array) => Uint8Array]>([
    ['an initramfs of somebody else', INITRAMFS, () => Buffer.from('an initramfs of somebody else')],
    [
      'a word for the kernel',
      'grub2/grub.cfg',
      (old) =>
        Buffer.from(
          Buffer.from(old).toString('latin1').replaceAll('rhgb quiet aem', 'rhgb quiet init=/evil aem'),
        ),
    ],
  ])('%s is not "nothing to do": it is unvouched', async (_, name, change) => {
    const machine = await approvedMachine()
    put(machine, name, change)
    const { exit, outcomes } = await start(machine)
    expect(outcomes).toContain('confirm-update: files-changed')
    expect([exit, outcomes.at(-1)]).toEqual([1, 'predict: unvouched'])
  })

  it('what cannot be computed is not called the same', async () => {
    const machine = await approvedMachine()
    machine.launchLog = null
    const { outcomes, said } = await start(machine)
    expect(outcomes.at(-1)).toBe('confirm-update: nothing-pending')
    expect(said).toContain('could not be computed')
    expect(said).not.toContain('nothing has to be done')
  })

  it('nor is a boot of which one register cannot be predicted', async () => {
    const host = await makeRecordedHost(uefiDom0().write())
    expect(await observeNextDifference(observeDom0(host))).toBeNull()
  })
})
