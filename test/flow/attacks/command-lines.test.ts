import { describe, expect, it } from 'vitest'
import { INTERNAL, STICK } from '../../../src/host/simulated/build.ts'
import type { SimMachine } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import {
  approveBoot,
  editLines,
  expectCaught,
  expectRefused,
  forwardStick,
  putEntryInFront,
  sealedFiles,
  startRun,
} from '../../support/attack.ts'
import { machineOf } from '../../support/built-in.ts'

/*
 * Words that somebody put into grub.cfg, in every AEM entry, so that the file itself gives nothing away. The next boot would
 * measure them, and the secret would be sealed to it.
 */

const XEN = /^\/xen-/
const KERNEL = /^\/vmlinuz-/
const TBOOT = /^\/tboot/

type Attack = readonly [what: string, file: RegExp, change: (line: string) => string, named: RegExp]

const append =
  (words: string) =>
  (line: string): string =>
    `${line} ${words}`
const glue =
  (blank: string, left: string, right: string) =>
  (line: string): string =>
    line.replace(`${left} ${right}`, `${left}${blank}${right}`)

const WORDS: readonly Attack[] = [
  ["a word on Xen's line", XEN, append('iommu=no'), /iommu=no/],
  [
    "a word for the kernel behind ` -- ` on Xen's line",
    XEN,
    append('-- systemd.run=/boot/x'),
    /systemd\.run=\/boot\/x/,
  ],
  ["a shell as init behind ` -- ` on Xen's line", XEN, append('-- init=/bin/sh'), /init=\/bin\/sh/],
]

const OTHERS: readonly Attack[] = [
  ["a word on the kernel's line", KERNEL, append('init=/bin/sh'), /init=\/bin\/sh/],
  [
    "a word taken from the kernel's line",
    KERNEL,
    (line) => line.replace(' rd.luks.crypttab=no', ''),
    /- rd\.luks\.crypttab=no/,
  ],
  ["a word taken from Xen's line", XEN, (line) => line.replace(' smt=off', ''), /- smt=off/],
  ["a word on tboot's line", TBOOT, append('min_ram=0x2000000'), /min_ram=0x2000000/],
  ["a word changed on tboot's line", TBOOT, (line) => line.replace('memory,serial', 'none'), /logging=none/],
]

const GLUED: readonly Attack[] = ['\u2003', '\u00a0', '\v', '\f'].flatMap((blank): Attack[] => {
  const name = `U+${blank.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`
  return [
    [
      `two words of Xen's line glued by ${name}`,
      XEN,
      glue(blank, 'ucode=scan', 'smt=off'),
      /printable ASCII/,
    ],
    [
      `two words of the kernel's line glued by ${name}`,
      KERNEL,
      glue(blank, 'rhgb', 'quiet'),
      /printable ASCII/,
    ],
  ]
})

describe('before `start`, on the device that boots', () => {
  it.each([...WORDS, ...OTHERS, ...GLUED])('%s', async (_what, file, change, named) => {
    const machine = machineOf('clean-update')
    editLines(machine, INTERNAL.uuid, file, change)
    await expectCaught(machine, named)
  })

  it('the same words in another order', async () => {
    const machine = machineOf('clean-update')
    editLines(machine, INTERNAL.uuid, KERNEL, (line) => line.replace('rhgb quiet', 'quiet rhgb'))
    await expectCaught(machine, /another order/)
  })
})

describe('on a stale stick that `start` then refreshes', () => {
  it.each(WORDS)('%s', async (_what, file, change, named) => {
    const machine = machineOf('stale-stick')
    editLines(machine, STICK.uuid, file, change)
    const before = sealedFiles(machine)
    const run = await startRun(machine)
    if (run.exit === 3) {
      // grub2-mkconfig made the file: then the words are gone, and what was sealed to is an honest boot
      restartMachine(machine)
      expect(`${machine.booted?.modules.map(({ commandLine }) => commandLine)}`).not.toMatch(named)
      expect(machine.journal.join('\n')).toMatch(/Freshness token valid/)
    } else expectRefused(machine, run, before, named)
  })
})

describe('on a second device, before `devices forward-seal`', () => {
  async function twoDevices(): Promise<SimMachine> {
    const machine = machineOf('two-devices')
    machine.bootDevice = INTERNAL.uuid
    restartMachine(machine)
    await approveBoot(machine)
    return machine
  }

  it.each([...WORDS, ...OTHERS])('%s', async (_what, file, change, named) => {
    const machine = await twoDevices()
    editLines(machine, STICK.uuid, file, change)
    const before = sealedFiles(machine)
    expectRefused(machine, await forwardStick(machine), before, named)
  })

  it.each([...WORDS, ...OTHERS])(
    '%s, and the same on the device of this boot',
    async (_what, file, change, named) => {
      const machine = await twoDevices()
      for (const { uuid } of machine.devices) editLines(machine, uuid, file, change)
      const before = sealedFiles(machine)
      expectRefused(machine, await forwardStick(machine), before, named)
    },
  )
})

it('a decoy entry with the honest lines behind it does not help', async () => {
  const machine = machineOf('clean-update')
  putEntryInFront(machine, (entry) => entry.replace('smt=off', 'smt=off iommu=no'))
  await expectCaught(machine, /iommu=no/)
})
