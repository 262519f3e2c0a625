import { describe, expect, it } from 'vitest'
import { type Host, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import {
  observeConfirmedPackages,
  observeConfirmedVersion,
} from '../../src/observe/dom0/confirmed-packages.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeNextBoot } from '../../src/observe/launch/prediction.ts'
import { machineOf } from '../support/built-in.ts'

/** Which installed version of a measured package is looked at, on the built-in machine. */

const OLD = '6.1.43-1.qubes.fc37'

/** dom0 keeps an older kernel beside the one it boots; rpm lists the newest last. */
function withOldKernel(): SimMachine {
  const machine = machineOf('clean-update')
  const kernel = machine.packages.find(({ name }) => name === 'kernel')!
  const old = {
    ...kernel,
    evr: `1000:${OLD}`,
    installedAtMs: kernel.installedAtMs - 1000,
    files: new Map([[`/boot/vmlinuz-${OLD}.x86_64`, 'a'.repeat(64)]]),
  }
  machine.packages = machine.packages.flatMap((item) => (item === kernel ? [old, item] : [item]))
  return machine
}

async function confirmed(machine: SimMachine, loads: string | null) {
  const host = makeSimulatedHost(machine)
  const { place } = await observeNextBoot(observeDom0(host), [17, 18, 19])
  const own = place.launch.next.entry!
  const entry =
    loads === null
      ? null
      : {
          ...own,
          modules: own.modules.map((one) => (one.role === 'kernel' ? { ...one, path: loads } : one)),
        }
  const found = await observeConfirmedPackages(observeDom0(host), place.machine.bootTime, entry)
  return (name: string) => found?.packages.find((item) => item.name === name)
}

describe('of several installed kernels', () => {
  it('the one is looked at whose file the entry loads', async () => {
    const newest = await confirmed(withOldKernel(), `/vmlinuz-${KERNEL_RELEASE}`)
    expect(newest('kernel')).toMatchObject({ evr: expect.stringContaining('6.6.36'), isLoaded: true })
    const old = await confirmed(withOldKernel(), `/vmlinuz-${OLD}.x86_64`)
    expect(old('kernel')).toMatchObject({ evr: `1000:${OLD}`, isLoaded: true })
  })

  it.each([null, '/vmlinuz-of-nobody'])('and the newest where that is not known (%s)', async (loads) => {
    const found = await confirmed(withOldKernel(), loads)
    expect(found('kernel')).toMatchObject({ evr: expect.stringContaining('6.6.36'), isLoaded: false })
  })
})

it('tboot and Xen are loaded by the entry, packages of the initramfs are not', async () => {
  const found = await confirmed(machineOf('clean-update'), `/vmlinuz-${KERNEL_RELEASE}`)
  const loaded = ['tboot', 'xen-hypervisor', 'dracut'].map((name) => found(name)?.isLoaded)
  expect(loaded).toEqual([true, true, false])
})

it('a package has changed since this boot where it was installed after it, not at it', async () => {
  const machine = machineOf('clean-update')
  const changedAt = async (installedAtMs: number, bootTime: string | null) => {
    machine.packages = machine.packages.map((item) =>
      item.name === 'tboot' ? { ...item, installedAtMs } : item,
    )
    const found = await observeConfirmedPackages(observeDom0(makeSimulatedHost(machine)), bootTime)
    return found?.packages.find(({ name }) => name === 'tboot')?.changedSinceBoot
  }
  const at = Date.parse('2024-07-17T09:00:00Z')
  const bootTime = (await observeNextBoot(observeDom0(makeSimulatedHost(machine)), [17])).place.machine
    .bootTime!
  expect(await changedAt(Date.parse(bootTime), bootTime)).toBe(false)
  expect(await changedAt(Date.parse(bootTime) + 1000, bootTime)).toBe(true)
  expect(await changedAt(at, null)).toBeNull()
})

it('a version that was confirmed is found again by its EVR, and no other stands for it', async () => {
  const host = makeSimulatedHost(withOldKernel())
  const find = (evr: string, name = 'kernel') =>
    observeConfirmedVersion(observeDom0(host), { name, evr, component: 'kernel' })
  expect(await find(`1000:${OLD}`)).toMatchObject({ name: 'kernel', evr: `1000:${OLD}`, isLoaded: false })
  expect(await find('1000:6.9.9-1.qubes.fc37')).toBeNull()
  expect(await find(`1000:${OLD}`, 'kernel-latest')).toBeNull()
})

describe('a package that rpm gives no answer about', () => {
  const asked = (isAnswered: (name: string) => boolean) => {
    const own = makeSimulatedHost(machineOf('clean-update'))
    const host: Host = {
      ...own,
      run: async (call, input) => {
        const names = Object.values(call.params)
        const isQuery = call.id.startsWith('rpm-') && call.id !== 'rpm-verify'
        return isQuery && !names.some((name) => isAnswered(String(name)))
          ? unknown('the database is locked')
          : own.run(call, input)
      },
    }
    return observeConfirmedPackages(observeDom0(host), null)
  }

  it('makes nothing known where it answers about none', async () => {
    expect(await asked(() => false)).toBeNull()
  })

  it('is listed where it answers', async () => {
    const found = await asked(() => true)
    expect(found?.unasked).toEqual([])
    expect(found?.packages.map(({ name }) => name)).toContain('tboot')
  })
})
