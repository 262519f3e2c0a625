import { expect } from 'vitest'
import { SECRET } from '../image/names.ts'
import type { Boot } from '../machine/boot.ts'
import type { Machine } from '../machine/machine.ts'
import { BANKS } from '../machine/measure.ts'
import { NEW_INITRAMFS, readRegisters, runLong, secretShown, UPDATE_DRACUT } from './guest.ts'
import { sealedBase } from './snapshots.ts'
import { story } from './story.ts'

/*
 * An update after which the real dracut makes a new initramfs; no package has a digest of that. Must be seen: the program
 * makes it again, finds the same bytes and seals forward; the sentence is shown at the first boot, with the registers that
 * were predicted; `resume` ends with 0. Must not be seen: PCR 19 as it was.
 * In the second story the new initramfs has plymouth, as a real dom0's: AEM speaks through it, and not to the journal.
 */

/** plymouth is among the packages of the guest, and is left out of the initramfs that the disk is built with. */
const ADD_PLYMOUTH = `echo 'add_dracutmodules+=" plymouth "' >/etc/dracut.conf.d/plymouth.conf`

type Predicted = { readonly pcrs: readonly { readonly index: number; readonly predicted: string | null }[] }

/** @returns the boot with the new initramfs, after `resume` */
async function bootNewInitramfs(machine: Machine, change: string): Promise<Boot> {
  const before = await machine.powerOn()
  await before.ready()
  expect(secretShown(before)).toBe(true)
  const old = await readRegisters(before, 'sha256')
  await before.must(['sh', '-c', change])
  await runLong(before, NEW_INITRAMFS)
  const start = await before.program(['start', '--protect', 'forward-seal', '--restart', 'manual', '--yes'])
  expect(start.exit, start.screen).toBe(3)
  const { stdout } = await before.run(['aem-reseal', 'predict', '--json'])
  const { pcrs } = JSON.parse(stdout) as Predicted
  await before.powerOff()

  const first = await machine.powerOn()
  await first.ready()
  expect(secretShown(first), 'the sentence at the first boot').toBe(true)
  for (const bank of BANKS) expect(await readRegisters(first, bank)).toEqual(first.launch?.registers[bank])
  const registers = await readRegisters(first, 'sha256')
  expect(registers[19]).not.toBe(old[19])
  expect([registers[17], registers[18]]).toEqual([old[17], old[18]])
  for (const { index, predicted } of pcrs)
    if (index >= 17 && index <= 19) expect(predicted).toBe(registers[index as 17 | 18 | 19])
  const resume = await first.program(['resume', '--yes'])
  expect(resume.exit, resume.screen).toBe(0)
  return first
}

story('3: an update of dracut with a new initramfs', sealedBase, async (machine) => {
  await bootNewInitramfs(machine, UPDATE_DRACUT)
})

story('3: plymouth in the new initramfs', sealedBase, async (machine) => {
  const boot = await bootNewInitramfs(machine, ADD_PLYMOUTH)
  const { stdout } = await boot.must([
    'journalctl',
    '--boot',
    '--no-pager',
    '--identifier=anti-evil-maid-unseal',
  ])
  expect(stdout).toContain('Initializing TPM...')
  expect(stdout, 'what plymouth shows stays out of the journal').not.toContain(SECRET)
})
