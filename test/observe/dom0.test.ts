import { describe, expect, it } from 'vitest'
import { CATALOGUE } from '../../src/core/bulletin/catalogue-data.ts'
import { ABSENT, type Host, seen, unknown, valueOrNull } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { observeBulletins } from '../../src/observe/bulletin/bulletins.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { MEASURED_PACKAGES } from '../../src/observe/dom0/rpm-database.ts'
import type { CommandCall } from '../../src/tables/commands.ts'

const machine = () => {
  const scenario = SCENARIOS.find(({ name }) => name === 'clean-update')
  if (scenario === undefined) throw new Error('no scenario clean-update')
  return scenario.make()
}

/** The built-in machine, counting what is run; the answer to `rpm -q` of several names can be another. */
function watched(kind: Host['kind'] = 'simulated', answerAll?: Awaited<ReturnType<Host['run']>>) {
  const real = makeSimulatedHost(machine())
  const calls: CommandCall[] = []
  const run: Host['run'] = async (call, input) => {
    calls.push(call)
    const isOfSeveral = call.id === 'rpm-query' && (call.params.names ?? '').includes(',')
    return isOfSeveral && answerAll !== undefined ? answerAll : real.run(call, input)
  }
  const idsOf = () => calls.map(({ id }) => id)
  return { dom0: observeDom0({ ...real, kind, run }), calls, idsOf }
}

describe('one look at dom0', () => {
  it('asks nothing before it is needed', () => {
    expect(watched().calls).toEqual([])
  })

  it('asks nothing twice', async () => {
    const { dom0, idsOf } = watched()
    for (const _ of [1, 2]) {
      await dom0.booted()
      await dom0.devices()
      await dom0.machine()
      await dom0.rpm.files('tboot')
      await dom0.rpm.findings('tboot')
      await dom0.rpm.headerWords('tboot')
      await dom0.rpm.owners('/boot/tboot.gz')
      await dom0.rpm.packages('tboot')
      await dom0.rpm.packages('xen-libs')
    }
    expect(idsOf().sort()).toEqual([
      'lsblk',
      'rpm-files',
      'rpm-owner',
      'rpm-query',
      'rpm-query',
      'rpm-signature',
      'rpm-verify',
      'xl-info',
    ])
  })

  it('reads the grub.cfg of each device once, and another one for each place and UUID', async () => {
    const real = makeSimulatedHost(machine())
    const read: string[] = []
    const host: Host = {
      ...real,
      async readFile(path) {
        if (path.endsWith('grub.cfg')) read.push(path)
        return real.readFile(path)
      },
    }
    const dom0 = observeDom0(host)
    const [first, again] = [await dom0.grub('/boot', null), await dom0.grub('/boot', null)]
    expect(again).toBe(first)
    expect(first).toMatchObject({ entries: expect.any(Array) })
    expect(await dom0.grub('/elsewhere', null)).toBeNull()
    expect(await dom0.grub('/boot', '1111-2222')).not.toBe(first)
    const own = read.filter((path) => path.startsWith('/boot/'))
    expect(own).toEqual(['/boot/grub2/grub.cfg', '/boot/grub2/grub.cfg'])
  })

  it('sees in the next look what changed since', async () => {
    const own = machine()
    const host = makeSimulatedHost(own)
    const before = observeDom0(host)
    await before.devices()
    for (const device of own.devices) device.isPresent = false
    expect((await before.devices()).devices.map(({ present }) => present)).toEqual([true])
    expect((await observeDom0(host).devices()).devices.map(({ present }) => present)).toEqual([false])
  })
})

describe('the RPM database', () => {
  const evrOf = async ({ dom0 }: ReturnType<typeof watched>, name: string) =>
    valueOrNull(await dom0.rpm.packages(name))?.map(({ evr }) => evr)

  it('is asked for all measured packages in one call', async () => {
    const look = watched()
    for (const { name } of MEASURED_PACKAGES) await look.dom0.rpm.packages(name)
    expect(look.idsOf()).toEqual(['rpm-query'])
    expect(await evrOf(look, 'tboot')).toEqual(['1:1.10.5-2.fc37'])
    expect(await evrOf(look, 'kernel-latest')).toEqual([])
  })

  it('is asked for others together where they are named before', async () => {
    const look = watched()
    look.dom0.rpm.askFor(['xen', 'xen-libs', 'dracut'])
    for (const name of ['xen', 'xen-libs', 'dracut']) await look.dom0.rpm.packages(name)
    expect(look.idsOf()).toEqual(['rpm-query'])
  })

  it('is asked for all packages of all bulletins in one call beside the measured ones', async () => {
    const look = watched()
    expect((await observeBulletins(look.dom0, CATALOGUE))?.bulletins.length).toBeGreaterThan(10)
    expect(look.idsOf().filter((id) => id === 'rpm-query')).toHaveLength(2)
  })

  it('is asked for no bulletin where the release of dom0 is not known', async () => {
    const own = makeSimulatedHost(machine())
    const host: Host = {
      ...own,
      readFile: async (path) => (path === '/etc/qubes-release' ? ABSENT : own.readFile(path)),
    }
    expect(await observeBulletins(observeDom0(host), CATALOGUE)).toBeNull()
  })

  it('answers nothing of a name that rpm did not answer', async () => {
    const text = 'package tboot is not installed\n'
    const look = watched('simulated', seen({ exit: 1, stdout: text, stderr: 'error: rpmdb: damaged header' }))
    expect(await evrOf(look, 'tboot')).toEqual([])
    expect(await look.dom0.rpm.packages('kernel')).toMatchObject({ state: 'unknown' })
  })

  it('answers nothing where rpm gives no answer', async () => {
    const look = watched('simulated', unknown('it did not end'))
    expect(await look.dom0.rpm.packages('kernel')).toEqual(unknown('it did not end'))
    expect(look.idsOf()).toEqual(['rpm-query'])
  })

  it('is asked one by one in a recording that holds no answer for all', async () => {
    const look = watched('recorded', unknown('not recorded'))
    expect(await evrOf(look, 'tboot')).toEqual(['1:1.10.5-2.fc37'])
    expect(look.calls.map(({ params }) => params.names)).toContain('tboot')
  })
})

describe('a look that is cut off', () => {
  it('fails for whoever asked, and for nobody else', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    try {
      const run: Host['run'] = async () => {
        throw new Error('cut off')
      }
      const { rpm } = observeDom0({ ...makeSimulatedHost(machine()), run })
      await expect(rpm.packages('tboot')).rejects.toThrow('cut off')
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(unhandled).toEqual([])
    } finally {
      process.off('unhandledRejection', note)
    }
  })
})
