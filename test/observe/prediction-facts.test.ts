/* Long: each part of what a next boot is predicted from, on one machine. */

import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen } from '../../src/host/host.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import {
  bootFilesOf,
  KERNEL_RELEASE,
  LUKS_UUID,
  SELECTED_PCRS,
  type SimMachine,
  sha256,
} from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDevices } from '../../src/observe/device/devices.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { type NextBoot, observeNextBoot, observePrediction } from '../../src/observe/launch/prediction.ts'
import { registersOf } from '../core/launch/tcg-writer.ts'
import { BOTH, launch, parse } from '../core/launch/trenchboot-world.ts'
import { machineOf } from '../support/built-in.ts'
import { launchWith, lookAt, rowsWith } from '../support/next-boot.ts'
import { eventsOf } from '../support/trenchboot-launch.ts'

/** From which device, bank and files the registers of the next boot are predicted, on the built-in machine. */

const [XEN, KERNEL] = [`/${XEN_IMAGE}`, `/vmlinuz-${KERNEL_RELEASE}`]
const INITRAMFS = `/initramfs-${KERNEL_RELEASE}.img`

const nextOf = (machine: SimMachine, change: (own: Host) => Partial<Host> = () => ({})) => {
  const own = makeSimulatedHost(machine)
  return observeNextBoot(observeDom0({ ...own, ...change(own) }), SELECTED_PCRS)
}

describe('the next boot from another device', () => {
  async function ofStick(change: (stick: SimMachine['devices'][0]) => void) {
    const machine = machineOf('two-devices')
    change(machine.devices.find(({ uuid }) => uuid === STICK.uuid)!)
    const host = makeSimulatedHost(machine)
    const devices = await observeDevices(host, await observeMachine(host))
    const device = devices.find(({ label }) => label === 'aem.stick')!
    const target = { device, known: new Map<string, string>() }
    return {
      next: await observeNextBoot(observeDom0(host), SELECTED_PCRS, target),
      found: await observePrediction(observeDom0(host), SELECTED_PCRS, target),
    }
  }
  const evil = { bytes: Buffer.from('evil'), mtimeMs: 0 }

  it('is of that device and its files; the booted one is the measure', async () => {
    const { next, found } = await ofStick(({ files }) => void files.set(INITRAMFS, evil))
    const { device, booted, known, launch } = next.place
    expect([device?.label, booted?.label, known?.size]).toEqual(['aem.stick', 'aem', 0])
    expect(launch.nextImages?.[INITRAMFS]?.storedDigests.sha256).toBe(sha256(evil.bytes))
    expect(launch.images[INITRAMFS]?.storedDigests.sha256).not.toBe(sha256(evil.bytes))
    const components = next.raw.pcrs.flatMap((pcr) => pcr.components)
    expect(components.find(({ role }) => role === 'initramfs')).toMatchObject({ changed: true })
    expect(found.stored[INITRAMFS]).toBe(sha256(evil.bytes))
  })

  it('from the booted one has no files of its own', async () => {
    const { place } = await nextOf(machineOf('clean-update'))
    expect([place.launch.nextImages, place.known, place.device?.label]).toEqual([undefined, null, 'aem'])
  })
})

describe('a TPM 1.2', () => {
  it('has every register in its one bank, that of the LUKS headers too', async () => {
    // As the kernel prints them (Linux 6.1, drivers/char/tpm/tpm-sysfs.c, pcrs_show).
    const pcrs = Array.from(
      { length: 24 },
      (_, at) => `PCR-${String(at).padStart(2, '0')}:${' A1'.repeat(20)}\n`,
    ).join('')
    const { raw, luks } = await nextOf(machineOf('clean-update'), (own) => ({
      async readFile(path) {
        if (path === '/sys/class/tpm/tpm0/tpm_version_major') return seen(Buffer.from('1\n'))
        return path === '/sys/class/tpm/tpm0/pcrs' ? seen(Buffer.from(pcrs)) : own.readFile(path)
      },
    }))
    for (const { bank, now } of [...raw.pcrs, ...luks]) expect([bank, now]).toEqual(['sha1', 'a1'.repeat(20)])
    expect(luks).toMatchObject([{ index: 13, code: 'luks-header-changed' }])
  })

  it('and one of which no bank is known has the registers of none', async () => {
    const { raw, luks } = await nextOf(machineOf('clean-update'), (own) => ({
      async readFile(path) {
        return path.startsWith('/sys/class/tpm/') ? ABSENT : own.readFile(path)
      },
      run: async (call, input) => (call.id === 'tpm2-properties' ? ABSENT : own.run(call, input)),
    }))
    for (const { now, predicted } of [...raw.pcrs, ...luks]) expect([now, predicted]).toEqual([null, null])
  })
})

describe('a Xen that TrenchBoot launched, and whose hash this program does not compute', () => {
  /** PCR 17 of the next boot, on BIOS, and what this boot has in it. */
  async function codeOf(change: (machine: SimMachine) => void = () => undefined) {
    const machine = machineOf('clean-update')
    restartMachine(machine)
    const own = observeDom0(makeSimulatedHost(machine))
    const { kernelCommandLine, xen } = await own.machine()
    const files = { [KERNEL]: 'kernel 6.6', [INITRAMFS]: 'initramfs 6.6' }
    const put = (name: string, text: string): void =>
      bootFilesOf(machine).set(name, { bytes: Buffer.from(text), mtimeMs: 0 })
    for (const [path, text] of Object.entries(files)) put(path.slice(1), text)
    const options = kernelCommandLine!
    // As TrenchBoot's 19_linux_xen_trenchboot writes it for BIOS (TrenchBoot/qubes-antievilmaid 18a0a74).
    put(
      'grub2/grub.cfg',
      `menuentry 'AEM Qubes, with Xen hypervisor' --id aem {
	slaunch
	search --no-floppy --fs-uuid --set=root ${INTERNAL.uuid}
	multiboot2	${XEN} ${xen.commandLine}
	module2	${KERNEL} ${options}
	module2	${INITRAMFS}
	slaunch_module	/SINIT.BIN
}
`,
    )
    change(machine)
    const events = eventsOf(
      launch('intel-bios', {
        xenOptions: xen.commandLine!,
        modules: [
          { name: KERNEL.slice(1), options, bytes: files[KERNEL]! },
          { name: INITRAMFS.slice(1), options: '', bytes: files[INITRAMFS]! },
        ],
      }),
    )
    const dom0 = observeDom0(makeSimulatedHost(machine))
    const pcrs = { sha256: registersOf(events, BOTH).sha256! }
    const { raw, place } = await observeNextBoot(
      {
        ...dom0,
        log: async () => parse(events),
        tpm: async () => ({ version: '2.0', bank: 'sha256', pcrs }),
      },
      [17, 18],
    )
    expect([place.launch.booted.entry?.flavour, place.launch.xen.next]).toEqual(['trenchboot', null])
    return { row: raw.pcrs.find(({ index }) => index === 17), now: pcrs.sha256[17] }
  }

  it('is that of this boot where its package is, and was there before it', async () => {
    const { row, now } = await codeOf()
    expect(row).toMatchObject({ now, predicted: now, code: null })
  })

  it.each<[string, (machine: SimMachine) => void]>([
    [
      'came since',
      (machine) => {
        const installedAtMs = machine.bootTimeMs + 1000
        machine.packages = machine.packages.map((one) =>
          one.name === 'xen-hypervisor' ? { ...one, installedAtMs } : one,
        )
      },
    ],
    [
      'has other bytes',
      (machine) => bootFilesOf(machine).set(XEN_IMAGE, { bytes: Buffer.from('another Xen'), mtimeMs: 0 }),
    ],
  ])('is not where its package %s', async (_, change) => {
    expect((await codeOf(change)).row).toMatchObject({ predicted: null, code: 'trenchboot-mle' })
  })
})

describe('the stored files of the next boot', () => {
  const OTHER = 'f'.repeat(64)
  const digestsOf = (machine: SimMachine) => {
    const files = bootFilesOf(machine)
    return Object.fromEntries(files.names().map((name) => [`/${name}`, sha256(files.get(name)!.bytes)]))
  }

  it('are told with their digests, and which of them GRUB does not unpack', async () => {
    const machine = machineOf('clean-update')
    const { vouch } = await lookAt(machine)
    const { stored, asStored } = await vouch({})
    const names = ['/tboot.gz', XEN, KERNEL, INITRAMFS]
    expect(Object.keys(stored)).toEqual(expect.arrayContaining(names))
    for (const [path, digest] of Object.entries(stored)) expect(digest).toBe(digestsOf(machine)[path])
    const isPacked = (path: string) => bootFilesOf(machine).get(path.slice(1))!.bytes[0] === 0x1f
    expect(names.filter(isPacked)).toContain(XEN)
    expect(asStored).toEqual(Object.keys(stored).filter((path) => !isPacked(path)))
    expect(asStored).toContain(KERNEL)
  })

  it('are those of its own device, and one that could not be read is none', async () => {
    const looked = await lookAt(machineOf('clean-update'))
    const { images } = looked.next.place.launch
    const unread = { ...images[KERNEL]!, digests: {}, storedDigests: {}, problem: 'could not be read' }
    const other = { sha1: 'f'.repeat(40), sha256: OTHER }
    const there = {
      [KERNEL]: unread,
      [INITRAMFS]: { ...images[INITRAMFS]!, digests: other, storedDigests: other },
    }
    const { stored, asStored } = await looked.vouch(launchWith(looked, { nextImages: there }))
    expect(stored).toEqual({ [KERNEL]: undefined, [INITRAMFS]: OTHER })
    expect(asStored).toEqual([INITRAMFS])
  })
})

describe('a prediction', () => {
  type Rows = NextBoot['luks']
  const luksOf = (rows: Rows, code: Rows[0]['code']): Rows =>
    rows.map((one) => ({ ...one, code, predicted: code === null ? one.now : null }))

  it('is complete, partial or refused by the registers of the launch, and by a header that changed', async () => {
    const looked = await lookAt(machineOf('clean-update'))
    const { luks } = looked.next
    const all = rowsWith(looked, () => ({}))
    const some = rowsWith(looked, ({ index }) => (index === 19 ? { predicted: null } : {}))
    const none = rowsWith(looked, () => ({ predicted: null }))
    const outcomeOf = async (change: Partial<NextBoot>) => (await looked.vouch(change)).outcome
    expect(await outcomeOf({ ...all, luks })).toBe('complete')
    expect(await outcomeOf({ ...all, luks: [] })).toBe('complete')
    expect(await outcomeOf({ ...all, luks: luksOf(luks, 'luks-header-unknown') })).toBe('complete')
    expect(await outcomeOf({ ...all, luks: luksOf(luks, 'luks-header-changed') })).toBe('partial')
    const both = [...luks, ...luksOf(luks, 'luks-header-changed')]
    expect(await outcomeOf({ ...all, luks: both })).toBe('partial')
    expect(await outcomeOf({ ...some, luks })).toBe('partial')
    expect(await outcomeOf({ ...none, luks })).toBe('refused')
  })

  it('for which nothing vouches is that, whatever of it is known', async () => {
    const machine = machineOf('clean-update')
    const file = bootFilesOf(machine).get(INITRAMFS.slice(1))!
    const bytes = Buffer.concat([file.bytes, Buffer.from('evil')])
    bootFilesOf(machine).set(INITRAMFS.slice(1), { ...file, bytes })
    const looked = await lookAt(machine)
    expect((await looked.vouch({})).outcome).toBe('unvouched')
    const refused = rowsWith(looked, () => ({ predicted: null, components: [] }))
    expect((await looked.vouch(refused)).outcome).toBe('unvouched')
  })

  it('has the register of the headers before those of the launch, for which nobody need vouch', async () => {
    const { vouch } = await lookAt(machineOf('clean-update'))
    const { pcrs } = (await vouch({})).prediction
    expect(pcrs.map(({ index }) => index)).toEqual([...SELECTED_PCRS])
    expect(pcrs[0]).toMatchObject({ vouched: true, components: [], predicted: pcrs[0]!.now, code: null })
  })
})

describe('the LUKS headers', () => {
  it('that changed are told with their UUIDs and the value they would give; the rest is predicted still', async () => {
    const machine = machineOf('clean-update')
    const before = machine.pcrs.sha256![13]
    machine.luksHeader = Buffer.from('a key slot more')
    const { luksChanged, luks } = await nextOf(machine)
    expect(luksChanged).toEqual({ uuids: [LUKS_UUID], value: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(luksChanged?.value).not.toBe(before)
    expect(luks).toMatchObject([{ index: 13, now: before, predicted: null, code: 'luks-header-changed' }])
    const { outcome, unvouched } = await observePrediction(
      observeDom0(makeSimulatedHost(machine)),
      SELECTED_PCRS,
    )
    expect([outcome, unvouched]).toEqual(['partial', []])
  })

  it('that did not change, or could not be read, did not change', async () => {
    expect((await nextOf(machineOf('clean-update'))).luksChanged).toBeNull()
    const { luksChanged, luks } = await nextOf(machineOf('clean-update'), (own) => ({
      run: async (call, input) =>
        call.id === 'luks-header' ? seen({ exit: 1, stdout: '', stderr: '' }) : own.run(call, input),
    }))
    expect([luksChanged, luks[0]?.code]).toEqual([null, 'luks-header-unknown'])
  })
})
