import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeLogOf } from '../../src/observe/dom0/protection-state.ts'
import {
  decidePendingRestart,
  observeFlavour,
  observeInstalledXen,
  observeStatus,
} from '../../src/observe/dom0/status.ts'
import { machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** What `status` reads of dom0, each fact by itself. */

const unreadable = unknown('input/output error')

describe('whether a restart waits', () => {
  const BOOT = '2024-07-16T07:00:00.000Z'
  const BEFORE = '2024-07-15T07:00:00.000Z'
  const AFTER = '2024-07-17T07:00:00.000Z'
  const NOW = '2024-07-18T07:00:00.000Z'
  const AHEAD = '2024-07-19T07:00:00.000Z'
  const pending = (
    [buildId, version, bootTime]: readonly (string | null)[],
    [newBuildId, evr, installedAt]: readonly (string | null)[],
  ) =>
    decidePendingRestart(
      { xen: { buildId, version, commandLine: null }, bootTime } as never,
      { buildId: newBuildId ?? null, evr: evr ?? null, installedAt: installedAt ?? null },
      () => new Date(NOW),
    )

  it.each([
    ['the same build', ['a', '4.17.4', BOOT], ['a', '2001:4.17.5-1', AFTER], false],
    ['another build', ['a', '4.17.4', BOOT], ['b', '2001:4.17.4-3', BEFORE], true],
    ['another version where no build is known', [null, '4.17.4', BOOT], ['b', '2001:4.17.5-1', BEFORE], true],
    ['the same version, installed before', [null, '4.17.4', BOOT], [null, '2001:4.17.4-3', BEFORE], false],
    ['the same version, installed since', ['a', '4.17.4', BOOT], [null, '2001:4.17.4-4', AFTER], true],
    [
      'a version that is not known, installed before',
      [null, null, BOOT],
      [null, '2001:4.17.4-4', BEFORE],
      false,
    ],
    ['no installed version, by its time alone', [null, '4.17.4', BOOT], [null, null, BEFORE], false],
    ['no start of this boot', [null, '4.17.4', null], [null, '2001:4.17.4-4', AFTER], null],
    ['a time after the present', [null, '4.17.4', BOOT], [null, '2001:4.17.4-4', AHEAD], null],
    ['no time of installation', [null, '4.17.4', BOOT], [null, '2001:4.17.4-4', null], null],
  ])('%s', (_, running, installed, expected) => {
    expect(pending(running, installed)).toBe(expected)
  })
})

describe('the flavour of AEM', () => {
  it.each([
    ['tboot', ['tboot'], 'tboot'],
    ['TrenchBoot', ['trenchboot'], 'trenchboot'],
    ['neither', [], null],
    ['both, which nobody can tell apart', ['tboot', 'trenchboot'], null],
  ])('is told by its script: %s', async (_, scripts, expected) => {
    const stat = seen({ kind: 'file', sizeBytes: 1, mtimeMs: 0, mode: 0o755 } as const)
    const host = makeFakeHost({
      statFile: async (path) => (scripts.some((name) => path.endsWith(`_xen_${name}`)) ? stat : ABSENT),
    })
    expect(await observeFlavour(host)).toBe(expected)
  })
})

describe('the installed Xen', () => {
  const look = (change: (machine: SimMachine) => void, told: (own: Host) => Partial<Host> = () => ({})) => {
    const machine = machineOf('clean-update')
    change(machine)
    const own = makeSimulatedHost(machine)
    return observeInstalledXen(observeDom0({ ...own, ...told(own) }))
  }
  const noRpm = (own: Host): Partial<Host> => ({
    run: async (call, input) => (call.id.startsWith('rpm-') ? unreadable : own.run(call, input)),
  })

  it('is that of the package, whatever lies beside its image', async () => {
    const { expected, installedXen } = await look((machine) =>
      bootFilesOf(machine).set('xen-4.17.9.gz', { bytes: Buffer.from('another'), mtimeMs: 0 }),
    )
    expect(expected.xen?.name).toBe('xen-4.17.4.gz')
    expect(expected.xen?.fromRpm).toMatch(/^[0-9a-f]{64}$/)
    expect([installedXen.evr, installedXen.buildId]).toEqual([expect.any(String), expect.any(String)])
    expect(expected.kernels.every((name) => name.startsWith('vmlinuz-'))).toBe(true)
    expect(expected.kernels).not.toHaveLength(0)
  })

  it('is the only image where rpm does not answer, and none where there are two', async () => {
    const { expected, installedXen } = await look(() => undefined, noRpm)
    expect(expected.xen).toMatchObject({ name: 'xen-4.17.4.gz', fromRpm: null })
    expect([installedXen.evr, installedXen.installedAt]).toEqual([null, null])
    const two = await look(
      (machine) => bootFilesOf(machine).set('xen-4.17.9.gz', { bytes: Buffer.from('another'), mtimeMs: 0 }),
      noRpm,
    )
    expect(two.expected.xen).toBeNull()
  })
})

describe('AEM as it is installed', () => {
  const aemOf = async (evr: string) => {
    const machine = machineOf('clean-update')
    machine.packages = machine.packages.map((item) =>
      item.name === 'anti-evil-maid' ? { ...item, evr } : item,
    )
    return (await observeStatus(observeDom0(makeSimulatedHost(machine)))).aem
  }

  it('has the version of its package without epoch and release', async () => {
    expect(await aemOf('2:4.2.0-1.fc37')).toMatchObject({ installed: true, version: '4.2.0' })
  })
})

it('the launch log is asked for only in a boot with AEM that was measured', async () => {
  const status = { aem: { installed: true }, machine: { bootedWithAem: true } }
  for (const measured of [false, null])
    expect(await observeLogOf(observeDom0(makeFakeHost({})), { ...status, measured } as never)).toBeNull()
  await expect(
    observeLogOf(observeDom0(makeFakeHost({})), { ...status, measured: true } as never),
  ).rejects.toThrow('was not told')
})
