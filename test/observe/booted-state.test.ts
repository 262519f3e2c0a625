/* Long: each look that may leave it open, and each thing that may have come since this boot. */

import { describe, expect, it } from 'vitest'
import { type Host, unknown } from '../../src/host/host.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import {
  observeBootedState,
  observePackageNames,
  observePackagesOfBoot,
  observePackagesSince,
} from '../../src/observe/launch/booted-state.ts'
import { machineOf } from '../support/built-in.ts'

/* Whether this boot is what the device carries and dom0 has installed, where the clock or a look leaves something open. */

const BOOT = '2024-07-16T07:00:00.000Z'
const unreadable = unknown('input/output error')

describe('the packages of a boot', () => {
  /** The packages that rpm lists, the newest of a name last, by when each came. */
  function dom0With(...packages: readonly (readonly [string, string, string])[]): Dom0 {
    const rpm = {
      packages: async (name: string) => ({
        state: 'seen',
        value: packages
          .filter(([one]) => one === name)
          .map(([, evr, installedAt]) => ({ name, evr, installedAt })),
      }),
    }
    return { rpm, host: { now: () => new Date('2024-07-17T09:00:00Z') } } as never
  }
  const [BEFORE, SINCE, LATER] = [BOOT, '2024-07-16T07:00:01.000Z', '2024-07-18T00:00:00.000Z']
  const xen = (at: string, evr = '4') => ['xen-hypervisor', evr, at] as const
  const tboot = (at: string) => ['tboot', '1', at] as const

  it.each<readonly [string, Dom0, string | null, readonly string[] | null, readonly string[]]>([
    [
      'were all there before',
      dom0With(xen(BEFORE), tboot(BEFORE)),
      BOOT,
      ['xen-hypervisor 4', 'tboot 1'],
      [],
    ],
    ['are not all known where one came since', dom0With(xen(BEFORE), tboot(SINCE)), BOOT, null, ['tboot 1']],
    [
      'are not known where all came since',
      dom0With(xen(SINCE), tboot(SINCE)),
      BOOT,
      null,
      ['xen-hypervisor 4', 'tboot 1'],
    ],
    [
      'are told by the newest of each',
      dom0With(xen(BEFORE, '3'), xen(SINCE)),
      BOOT,
      null,
      ['xen-hypervisor 4'],
    ],
    ['are not known where the clock cannot tell', dom0With(xen(BEFORE), tboot(LATER)), BOOT, null, []],
    ['are not known where the boot has no time', dom0With(xen(BEFORE)), null, null, []],
    ['are not known where none is listed', dom0With(), BOOT, null, []],
    [
      'are those that are measured alone',
      dom0With(xen(BEFORE), ['bash', '5', SINCE]),
      BOOT,
      ['xen-hypervisor 4'],
      [],
    ],
  ])('%s', async (_what, dom0, bootTime, ofBoot, since) => {
    expect(await observePackagesOfBoot(dom0, bootTime)).toEqual(ofBoot)
    expect((await observePackagesSince(dom0, bootTime)).map(({ name, evr }) => `${name} ${evr}`)).toEqual(
      since,
    )
  })

  it('are named by the newest of each that is installed', async () => {
    expect(await observePackageNames(dom0With(xen(BEFORE, '3'), xen(SINCE), tboot(LATER)))).toEqual([
      'xen-hypervisor 4',
      'tboot 1',
    ])
    expect(await observePackageNames(dom0With())).toBeNull()
  })
})

describe('this boot, compared with its device', () => {
  /** The built-in machine after an honest update and a restart. */
  function booted(): SimMachine {
    const machine = machineOf('clean-update')
    restartMachine(machine)
    machine.nowMs += 10_000
    return machine
  }

  async function look(machine: SimMachine, told: (own: Host) => Partial<Host> = () => ({})) {
    const own = makeSimulatedHost(machine)
    const dom0 = observeDom0({ ...own, ...told(own) })
    return observeBootedState(dom0, (await dom0.booted())!, await dom0.machine())
  }
  const DAY_MS = 86_400_000
  const put = (machine: SimMachine, name: string, change: { bytes?: Uint8Array; mtimeMs?: number }): void =>
    bootFilesOf(machine).set(name, { ...bootFilesOf(machine).get(name)!, ...change })

  it('is not current where a file is another than its package has, whatever its time', async () => {
    const machine = booted()
    const kernel = `vmlinuz-${KERNEL_RELEASE}`
    put(machine, kernel, { bytes: Buffer.from('another kernel') })
    expect(await look(machine)).toEqual({ isCurrent: false, why: 'its boot files are changed' })
  })

  it('is not current where a kernel that is installed does not lie there', async () => {
    const machine = booted()
    for (const { files } of machine.devices) files.delete(`/vmlinuz-${KERNEL_RELEASE}`)
    expect(await look(machine)).toEqual({ isCurrent: false, why: 'its boot files are stale' })
  })

  it('is not known where a file of a recording has no time', async () => {
    const found = await look(booted(), (own) => ({
      statFile: async (path) => {
        const stat = await own.statFile(path)
        return stat.state === 'seen' && path.endsWith('/tboot.gz')
          ? { ...stat, value: { ...stat.value, mtimeMs: Number.NaN } }
          : stat
      },
    }))
    expect(found).toEqual({
      isCurrent: null,
      why: 'whether a boot file changed since this boot could not be determined',
    })
  })

  it('is not current where the clock is behind, and the next boot measures another file', async () => {
    const machine = booted()
    const name = `initramfs-${KERNEL_RELEASE}.img`
    const { bytes } = bootFilesOf(machine).get(name)!
    put(machine, name, {
      bytes: Buffer.concat([bytes, Buffer.from('evil')]),
      mtimeMs: machine.nowMs + DAY_MS,
    })
    expect(await look(machine)).toEqual({
      isCurrent: false,
      why: expect.stringMatching(/^the next boot measures another: .*initramfs.* \(PCR 19\)$/),
    })
  })

  it.each(['SINIT.BIN', 'grub2/custom.cfg', 'grub2/user.cfg'])(
    'is not current where %s came since, which no package brings and the next boot reads',
    async (name) => {
      const machine = booted()
      expect((await look(machine)).isCurrent).toBe(true)
      bootFilesOf(machine).set(name, { bytes: Buffer.from('set timeout=3\n'), mtimeMs: machine.nowMs })
      expect(await look(machine)).toEqual({
        isCurrent: false,
        why: `${name} changed after it was booted: the next boot measures another`,
      })
    },
  )

  it('is told by a file that came since, though another one has a time after the present', async () => {
    const machine = booted()
    put(machine, 'tboot.gz', { mtimeMs: machine.nowMs + DAY_MS })
    put(machine, XEN_IMAGE, { mtimeMs: machine.nowMs - 1 })
    expect(await look(machine)).toEqual({
      isCurrent: false,
      why: `${XEN_IMAGE} changed after it was booted: the next boot measures another`,
    })
  })

  it('names what came last, a package as well as a file', async () => {
    const machine = booted()
    put(machine, XEN_IMAGE, { mtimeMs: machine.nowMs - 3000 })
    put(machine, 'tboot.gz', { mtimeMs: machine.nowMs - 2000 })
    const nameOf = async () => (await look(machine)).why?.split(' changed')[0]
    expect(await nameOf()).toBe('tboot.gz')
    machine.packages = machine.packages.map((item) =>
      item.name === 'dracut' ? { ...item, installedAtMs: machine.nowMs - 1000 } : item,
    )
    put(machine, `initramfs-${KERNEL_RELEASE}.img`, { mtimeMs: machine.nowMs - 1000 })
    expect(await nameOf()).toMatch(/^(the package dracut|initramfs-.*)$/)
    put(machine, `initramfs-${KERNEL_RELEASE}.img`, { mtimeMs: machine.nowMs - 500 })
    machine.packages = machine.packages.map((item) =>
      item.name === 'tboot' ? { ...item, installedAtMs: machine.nowMs } : item,
    )
    expect(await nameOf()).toBe('the package tboot')
  })

  it('is told without a look at what is measured next where every time is before it', async () => {
    const asked: string[] = []
    const found = await look(booted(), (own) => ({
      run: async (call, input) => {
        asked.push(call.id)
        return call.id === 'launch-log' ? unreadable : own.run(call, input)
      },
    }))
    expect(found).toEqual({ isCurrent: true, why: null })
    expect(asked).not.toContain('launch-log')
  })

  it('is of an older kernel, though the clock is behind and all else is the same', async () => {
    const machine = booted()
    put(machine, 'tboot.gz', { mtimeMs: machine.nowMs + DAY_MS })
    const found = await look(machine, (own) => ({
      readFile: async (path) =>
        path === '/proc/sys/kernel/osrelease'
          ? { state: 'seen', value: Buffer.from('6.1.75-1.qubes.fc37.x86_64\n') }
          : own.readFile(path),
    }))
    expect(found).toEqual({
      isCurrent: false,
      why: 'an older kernel was booted (6.1.75-1.qubes.fc37.x86_64)',
    })
  })

  it('leaves no device open', async () => {
    let open = 0
    let opened = 0
    await look(booted(), (own) => ({
      async openMedia(wanted) {
        const media = await own.openMedia(wanted)
        if (media.state !== 'seen') return media
        open += 1
        opened += 1
        const close = async () => {
          open -= 1
          await media.value.close()
        }
        return { ...media, value: { ...media.value, close } }
      },
    }))
    expect([opened > 1, open]).toEqual([true, 0])
  })

  it('is not known where its device is gone between two looks', async () => {
    let left = 1
    const found = await look(booted(), (own) => ({
      openMedia: async (wanted) => (left-- > 0 ? own.openMedia(wanted) : unreadable),
    }))
    expect(found).toEqual({
      isCurrent: null,
      why: 'whether a boot file changed since this boot could not be determined',
    })
  })
})
