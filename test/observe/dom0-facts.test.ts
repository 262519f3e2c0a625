import { describe, expect, it } from 'vitest'
import { emptyDeviceLedger, type LedgerLook } from '../../src/core/session/device-ledger.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { describeLeftOut, makeHashBudget } from '../../src/observe/device/hash-budget.ts'
import {
  observeMountPoint,
  observeOtherTarget,
  observeTarget,
} from '../../src/observe/device/session-device.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import {
  listBaselineVersions,
  listRecordedVersions,
  listRunningVersions,
} from '../../src/observe/dom0/earlier-versions.ts'
import { listLaterPackages } from '../../src/observe/dom0/later-packages.ts'
import { observeConfigObstacle } from '../../src/observe/initramfs/dracut-config.ts'
import { observePackageNames } from '../../src/observe/launch/booted-state.ts'
import { machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** What is read of dom0's own lists, versions and settings, each fact by itself. */

const text = (words: string) => seen(Buffer.from(words))

describe('how much of a device is hashed in one look', () => {
  const SIZE = 100
  function budgetOf(limits: { files: number; bytes: number }, unpackedBytes = 0) {
    const host = makeFakeHost({
      statFile: async (path) =>
        path === '/none' ? ABSENT : seen({ kind: 'file', sizeBytes: SIZE, mtimeMs: 0, mode: 0o644 }),
    })
    const digest = async (path: string) =>
      path === '/none' ? ABSENT : seen({ sizeBytes: SIZE, sha1: '', sha256: path, unpackedBytes } as never)
    return makeHashBudget({ host, digest }, limits)
  }
  const take = async (budget: ReturnType<typeof budgetOf>, ...paths: string[]) => {
    const taken: (string | null)[] = []
    for (const path of paths) taken.push((await budget.digest(path))?.sha256 ?? null)
    return taken
  }

  it('ends at so many files, one that cannot be read among them', async () => {
    const budget = budgetOf({ files: 2, bytes: 1e9 })
    expect(await take(budget, '/a', '/none', '/b', '/c')).toEqual(['/a', null, null, null])
    expect(budget.leftOut).toEqual(['/b', '/c'])
    expect(describeLeftOut(budget)).toMatch(/^\/b and 1 more left out/)
  })

  it('ends at so many bytes, those of the files unpacked among them, and takes what just fits', async () => {
    const exact = budgetOf({ files: 9, bytes: 2 * SIZE })
    expect(await take(exact, '/a', '/b')).toEqual(['/a', '/b'])
    expect(describeLeftOut(exact)).toBeNull()
    const packed = budgetOf({ files: 9, bytes: 2 * SIZE }, 1)
    expect(await take(packed, '/a', '/b')).toEqual(['/a', null])
    expect(describeLeftOut(packed)).toMatch(/^\/b left out/)
  })
})

describe('the device that a session is about', () => {
  const at = '2024-07-17T09:00:00.000Z'
  const file = { name: 'initramfs-1.img', sha256: 'a'.repeat(64) }
  const stick = {
    ...{
      label: 'aem.stick',
      uuid: STICK.uuid,
      verified: null,
      approved: null,
      forward: null,
      leftSince: null,
    },
  }
  const dom0 = () => observeDom0(makeSimulatedHost(machineOf('two-devices')))

  it('is the one it names, else the one of this boot, else none', async () => {
    const labelOf = async (device: string | null) => (await observeTarget(dom0(), { device }))?.label ?? null
    expect(await labelOf(null)).toBe('aem')
    expect(await labelOf('aem.stick')).toBe('aem.stick')
    expect(await labelOf('aem.lost')).toBeNull()
  })

  it('has the files that were made on it in this boot, or measured in an approved one, of the packages of now', async () => {
    const own = dom0()
    const { bootId } = await own.machine()
    const packages = [...((await observePackageNames(own)) ?? [])]
    const targetOf = (device: string | null, look: LedgerLook) => observeOtherTarget(own, { device }, look)
    const knownWith = async (origin: object | undefined) => {
      const knownFiles = [{ ...file, ...(origin === undefined ? {} : { origin: origin as never }) }]
      const ledger = { ...emptyDeviceLedger(at), devices: [{ ...stick, knownFiles }] }
      expect(await targetOf(null, { state: 'read', ledger })).toBeNull()
      expect(await targetOf('aem.lost', { state: 'read', ledger })).toBeNull()
      return [...(await targetOf('aem.stick', { state: 'read', ledger }))!.known]
    }
    const entry = [`/${file.name}`, file.sha256]
    expect(await knownWith({ madeIn: bootId, packages })).toEqual([entry])
    expect(await knownWith({ madeIn: null, packages })).toEqual([entry])
    expect(await knownWith({ madeIn: 'an earlier boot', packages })).toEqual([])
    expect(await knownWith({ madeIn: bootId, packages: packages.slice(1) })).toEqual([])
    expect(await knownWith({ madeIn: null, packages: [] })).toEqual([])
    expect(await knownWith(undefined)).toEqual([])
    expect((await targetOf('aem.stick', { state: 'absent' }))?.known.size).toBe(0)
  })

  it('is mounted where dom0 has it', async () => {
    expect(await observeMountPoint(dom0(), INTERNAL.uuid)).toBe('/boot')
    expect(await observeMountPoint(dom0(), STICK.uuid)).toBeNull()
    expect(await observeMountPoint(dom0(), '0')).toBeNull()
  })
})

describe('versions that were there before', () => {
  const machine = (version: string | null, kernelRelease: string | null) =>
    ({ xen: { version, buildId: null, commandLine: null }, kernelRelease }) as never
  const kernel = (name: string, evr: string, isLoaded = false) =>
    ({ component: 'kernel', name, evr, isLoaded }) as never

  it('are those that run, by the package that is loaded, else by the newer one', () => {
    const own = kernel('kernel', '1000:6.6.36-1', true)
    const latest = kernel('kernel-latest', '1000:6.9.2-1')
    expect(listRunningVersions(machine('4.17.4', '6.6.36-1.qubes.fc37.x86_64'), [latest, own])).toEqual([
      { name: 'xen-hypervisor', evr: '4.17.4', source: 'running' },
      { name: 'kernel', evr: '6.6.36-1.qubes.fc37', source: 'running' },
    ])
    const [, running] = listRunningVersions(machine('4.17.4', '6.6.36-1'), [
      kernel('kernel', '1000:6.6.36-1'),
      latest,
    ])
    expect(running).toMatchObject({ name: 'kernel-latest' })
    expect(listRunningVersions(machine(null, null), [own])).toEqual([])
    expect(listRunningVersions(machine(null, '6.6.36-1'), [])).toEqual([])
  })

  it('are those of the record and of the baseline', () => {
    const packages = [{ name: 'tboot', evr: '1:1.10.5-2' }]
    expect(listRecordedVersions({ packages } as never)).toEqual([
      { name: 'tboot', evr: '1:1.10.5-2', source: 'recorded' },
    ])
    expect(listRecordedVersions(null)).toEqual([])
    const from = (version: string | null) =>
      listBaselineVersions({ packages, runningXen: { version } } as never)
    expect(from(null)).toEqual([{ name: 'tboot', evr: '1:1.10.5-2', source: 'baseline' }])
    expect(from('4.17.4')[1]).toEqual({ name: 'xen-hypervisor', evr: '4.17.4', source: 'baseline' })
  })

  it('of the baseline tell which packages came later, with what was there of each', async () => {
    const machineNow = machineOf('clean-update')
    const dom0 = observeDom0(makeSimulatedHost(machineNow))
    const all = machineNow.packages.map(({ name, evr }) => ({ name, evr }))
    const later = (packages: readonly object[]) => listLaterPackages(dom0, { packages: packages as never })
    expect(await later(all)).toEqual([])
    const older = { name: 'tboot', evr: '1:1.9.0-1' }
    const [found, ...more] = await later([older, ...all.filter(({ name }) => name !== 'tboot')])
    expect(found).toMatchObject({ name: 'tboot', component: 'tboot', before: '1:1.9.0-1' })
    expect(more).toEqual([])
    expect((await later(all.filter(({ name }) => name !== 'dracut')))[0]).toMatchObject({
      name: 'dracut',
      before: null,
    })
  })
})

describe("dracut's configuration", () => {
  const obstacle = (
    files: Readonly<Record<string, string>>,
    directories: Readonly<Record<string, readonly string[]>> = {},
  ) =>
    observeConfigObstacle(
      makeFakeHost({
        listDirectory: async (path) => (directories[path] ? seen([...directories[path]]) : ABSENT),
        readFile: async (path) => (files[path] === undefined ? ABSENT : text(files[path])),
      }),
    )
  const [ETC, USR] = ['/etc/dracut.conf.d', '/usr/lib/dracut/dracut.conf.d']

  it('is read in all its places, the later file counts', async () => {
    expect(await obstacle({ '/etc/dracut.conf': 'reproducible="no"\n' })).toContain('/etc/dracut.conf has')
    expect(await obstacle({ [`${ETC}/a.conf`]: 'uefi="yes"\n' }, { [ETC]: ['a.conf'] })).toContain(
      `${ETC}/a.conf has`,
    )
    expect(await obstacle({ [`${USR}/b.conf`]: 'reproducible="no"\n' }, { [USR]: ['b.conf'] })).toContain(
      `${USR}/b.conf`,
    )
    const both = { '/etc/dracut.conf': 'reproducible="no"\n', [`${USR}/b.conf`]: 'reproducible="yes"\n' }
    expect(await obstacle(both, { [USR]: ['b.conf'] })).toBeNull()
    expect(await obstacle({})).toBeNull()
  })

  const unreadable = unknown('I/O error')
  it.each<[string, (host: Host) => Partial<Host>]>([
    ['one of its files', () => ({ readFile: async () => unreadable })],
    [
      'the directory of its files',
      ({ listDirectory }) => ({
        listDirectory: async (path) => (path === ETC ? unreadable : listDirectory(path)),
      }),
    ],
  ])('says nothing where %s cannot be read', async (_, told) => {
    const host = makeFakeHost({
      listDirectory: async () => ABSENT,
      readFile: async (path) => (path === '/etc/dracut.conf' ? text('hostonly="yes"\n') : ABSENT),
    })
    expect(await observeConfigObstacle(host)).toContain('reproducible="yes" is in no file')
    expect(await observeConfigObstacle({ ...host, ...told(host) })).toBeNull()
  })
})
