import { beforeEach, describe, expect, it } from 'vitest'
import { KERNEL_RELEASE, type SimMachine } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import {
  editEntries,
  expectCaught,
  putEntryInFront,
  putOnBoot,
  resumeRun,
  sealedFiles,
  startRun,
} from '../../support/attack.ts'
import { machineOf } from '../../support/built-in.ts'

/* Commands in an entry of grub.cfg that AEM's scripts do not write. Every file that they name is there. */

let machine: SimMachine
beforeEach(() => {
  machine = machineOf('clean-update')
})

describe('a command that AEM does not write', () => {
  it.each([
    ['linux', `\tlinux /vmlinuz-${KERNEL_RELEASE} init=/evil\n\tinitrd /initramfs-${KERNEL_RELEASE}.img\n`],
    ['chainloader', '\tchainloader /efi/evil.efi\n'],
    ['acpi', '\tacpi /evil.aml\n'],
    ['write_dword', '\twrite_dword 0xfed40000 0x1\n'],
  ])('%s in the entry', async (command, lines) => {
    putOnBoot(machine, '/evil.aml', Buffer.from('DSDT'))
    putOnBoot(machine, '/efi/evil.efi', Buffer.from('MZ evil'))
    editEntries(machine, (entry) => entry.replace(/\n([ \t]*)\}\n$/, `\n${lines}$1}\n`))
    await expectCaught(machine, new RegExp(`\\b${command}\\b`))
  })

  it.each([
    ['linux', `\tlinux /vmlinuz-${KERNEL_RELEASE} init=/evil\n`],
    ['acpi', '\tacpi /evil.aml\n'],
    ['write_dword', '\twrite_dword 0xfed40000 0x1\n'],
  ])(
    '%s in an entry in front of an honest one: not sealed, and an alarm after the restart',
    async (_command, lines) => {
      putOnBoot(machine, '/evil.aml', Buffer.from('DSDT'))
      putEntryInFront(machine, (entry) => entry.replace(/\n([ \t]*)\}\n$/, `\n${lines}$1}\n`))
      const before = sealedFiles(machine)
      const run = await startRun(machine)
      expect(run.outcomes.filter((text) => text.startsWith('forward-seal:'))).toEqual([])
      expect(sealedFiles(machine)).toEqual(before)
      if (run.exit === 1) return
      restartMachine(machine)
      expect(machine.journal.join('\n')).not.toMatch(/Freshness token valid/)
      expect([1, 4]).toContain((await resumeRun(machine)).exit)
    },
  )
})
