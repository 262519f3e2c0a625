import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { command } from '../../src/tables/commands.ts'
import { machineOf } from '../support/built-in.ts'

/*
 * The registers of the built-in machine, computed a second time from the formulas of tboot's legacy map, with nothing of
 * the program: PCR 18 = E(E(0, H(tboot)), M0), PCR 19 = E(E(0, M1), M2), M = H(H(command line) || H(image)),
 * PCR 13 = E(0, H(LUKS header)).
 */
type Bank = 'sha1' | 'sha256'
const BANKS: readonly Bank[] = ['sha1', 'sha256']

function hash(bank: Bank, ...parts: readonly Uint8Array[]): Buffer {
  const sum = createHash(bank)
  for (const part of parts) sum.update(part)
  return sum.digest()
}

function extendAll(bank: Bank, digests: readonly Buffer[]): string {
  const zero = Buffer.alloc(bank === 'sha1' ? 20 : 32)
  return digests.reduce((register, digest) => hash(bank, register, digest), zero).toString('hex')
}

function bytesOf(machine: SimMachine, name: string): Uint8Array {
  const file = bootFilesOf(machine).get(name)
  if (!file) throw new Error(`no ${name} on the boot device`)
  return file.bytes
}

/** What follows the file name in a line of the first entry, with single blanks. */
function lineOf(machine: SimMachine, name: string): string {
  const grub = Buffer.from(bytesOf(machine, 'grub2/grub.cfg')).toString('utf8')
  const found =
    new RegExp(`^\\s*(?:multiboot|module)\\s+/${name.replaceAll('.', '\\.')} (.*)$`, 'm').exec(grub)?.[1] ??
    ''
  return found.replace(/\$\{\w+\}/, '').trim()
}

const XEN = 'xen-4.17.4.gz'
const KERNEL = 'vmlinuz-6.6.36-1.qubes.fc37.x86_64'
const INITRAMFS = 'initramfs-6.6.36-1.qubes.fc37.x86_64.img'

function expectedPcrs(machine: SimMachine, bank: Bank): Record<number, string> {
  const measure = (name: string, line: string): Buffer => {
    const stored = bytesOf(machine, name)
    const image = name.endsWith('.gz') ? gunzipSync(stored) : stored
    return hash(bank, hash(bank, Buffer.from(line)), hash(bank, image))
  }
  return {
    13: extendAll(bank, [hash(bank, machine.luksHeader)]),
    18: extendAll(bank, [
      hash(bank, Buffer.from(lineOf(machine, 'tboot.gz')), bytesOf(machine, 'tboot.gz')),
      measure(XEN, lineOf(machine, XEN)),
    ]),
    19: extendAll(bank, [measure(KERNEL, lineOf(machine, KERNEL)), measure(INITRAMFS, '')]),
  }
}

function restarted(edit: (machine: SimMachine) => void = () => undefined): SimMachine {
  const machine = machineOf('clean-update')
  edit(machine)
  restartMachine(machine)
  return machine
}

describe('registers of the built-in machine', () => {
  it.each(BANKS)('in the bank %s are those of an independent computation', (bank) => {
    const machine = restarted()
    expect(machine.pcrs[bank]).toMatchObject(expectedPcrs(machine, bank))
    for (const index of [0, 1, 7, 16, 23]) expect(machine.pcrs[bank]?.[index]).toMatch(/^0+$/)
  })

  it('are those of the machine as it is, not as it was when it was built', () => {
    const machine = restarted((own) => {
      const boot = bootFilesOf(own)
      boot.set(KERNEL, { bytes: Buffer.from('another kernel'), mtimeMs: 0 })
      own.luksHeader = Buffer.from('another header')
    })
    expect(machine.pcrs.sha256).toMatchObject(expectedPcrs(machine, 'sha256'))
  })

  it('are measured again with each restart, and the same for the same files', () => {
    const machine = restarted()
    const first = structuredClone(machine.pcrs)
    restartMachine(machine)
    expect(machine.pcrs).toEqual(first)
    const { bytes } = bootFilesOf(machine).get(INITRAMFS) ?? { bytes: Buffer.alloc(0) }
    bootFilesOf(machine).set(INITRAMFS, { bytes: Buffer.concat([bytes, Buffer.from('x')]), mtimeMs: 0 })
    expect(machine.pcrs).toEqual(first)
    restartMachine(machine)
    expect(machine.pcrs.sha256?.[18]).toBe(first.sha256?.[18])
    expect(machine.pcrs.sha256?.[19]).not.toBe(first.sha256?.[19])
  })

  it('17 to 22 are all ones without a launch', () => {
    const machine = restarted((own) => {
      own.launchWorks = false
    })
    for (const index of [17, 18, 19, 20, 21, 22]) expect(machine.pcrs.sha256?.[index]).toBe('ff'.repeat(32))
    expect(machine.launchLog).toBeNull()
  })
})

describe('a restart of the built-in machine', () => {
  it('changes the boot id, and forgets what is under /run', async () => {
    const machine = machineOf('clean-update')
    const host = makeSimulatedHost(machine)
    const bootId = await host.readFile('/proc/sys/kernel/random/boot_id')
    machine.dom0.set('/run/something', { bytes: Buffer.from('x'), mtimeMs: 0 })
    restartMachine(machine)
    expect(await host.readFile('/proc/sys/kernel/random/boot_id')).not.toEqual(bootId)
    expect(await host.statFile('/run/something')).toEqual({ state: 'absent' })
  })

  it('refuses the secret where anything was changed, and AEM seals all the same', () => {
    const machine = restarted()
    expect(machine.journal.join('\n')).toMatch(/unsealing failed![\s\S]*Sealed /)
    restartMachine(machine)
    expect(machine.journal.join('\n')).toMatch(/Freshness token valid, continuing/)
  })

  it('without the AEM entry measures nothing and seals nothing', () => {
    const machine = restarted((own) => {
      own.menuChoice = PLAIN_ENTRY
    })
    expect(machine.journal).toEqual([])
    expect(machine.booted?.kernel.commandLine).not.toContain('aem.uuid')
  })

  it('with a device that cannot be written loses the old token, as AEM does', () => {
    const machine = machineOf('clean-update')
    const slots = new Map(machine.slots)
    for (const device of machine.devices) device.isReadOnly = true
    restartMachine(machine)
    expect(machine.slots).not.toEqual(slots)
    expect(machine.journal.join('\n')).toContain('Failed to seal secrets')
  })
})

describe('the host of the built-in machine', () => {
  it('fails loudly at a program it has no answer for, instead of inventing one', async () => {
    const host = makeSimulatedHost(machineOf('clean-update'))
    await expect(host.run({ ...command('lsblk', {}), id: 'become-root' })).rejects.toThrow(/no answer/)
  })

  it('has files where the real one has them, and none elsewhere', async () => {
    const host = makeSimulatedHost(machineOf('clean-update'))
    expect(await host.readLink('/var/lib/tpm')).toMatchObject({ state: 'seen' })
    expect(await host.readFile('/etc/shadow')).toEqual({ state: 'absent' })
    expect(await host.listDirectory('/home')).toEqual({ state: 'absent' })
  })

  it('is the same in every run: a rehearsal can be repeated', () => {
    const [one, two] = [restarted(), restarted()]
    expect(one.pcrs).toEqual(two.pcrs)
    expect(one.journal).toEqual(two.journal)
    expect([...one.dom0.keys()]).toEqual([...two.dom0.keys()])
  })
})
