import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { decideBootDevice } from '../../src/core/decide/boot-device.ts'
import type { FileDigests } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { observeBootDevice } from '../../src/observe/device/boot-device.ts'
import { findBootedDevice, observeDevices } from '../../src/observe/device/devices.ts'
import { HASH_LIMITS, makeHashBudget } from '../../src/observe/device/hash-budget.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { machineOf, outcomesOf, rehearse } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

const GIB = 1024 * 1024 * 1024

/** A device whose files are as large as they say, without being anywhere. */
function hostOf(sizes: Readonly<Record<string, { sizeBytes: number; unpackedBytes?: number }>>) {
  const hashed: string[] = []
  const host = makeFakeHost({
    statFile: async (path) => ({
      state: 'seen',
      value: { kind: 'file', sizeBytes: sizes[path]?.sizeBytes ?? 0, mtimeMs: 0, mode: 0 },
    }),
    digestFile: async (path) => {
      hashed.push(path)
      return { state: 'seen', value: { sha1: '', sha256: path, ...sizes[path] } as FileDigests }
    },
  })
  return { host, hashed }
}

describe('makeHashBudget', () => {
  it.each([
    ['sparse files of a GiB', { sizeBytes: GIB }, 4],
    ['gzip files that unpack to a GiB', { sizeBytes: 1024 * 1024, unpackedBytes: GIB }, 4],
    ['small files', { sizeBytes: 1 }, HASH_LIMITS.files],
  ])('hashes no more %s than a look may take, and names the rest', async (_, size, count) => {
    const paths = Array.from({ length: 200 }, (__, at) => `/vmlinuz-${at}`)
    const { host, hashed } = hostOf(Object.fromEntries(paths.map((path) => [path, size])))
    const budget = makeHashBudget(observeDom0(host))
    for (const path of paths) await budget.digest(path)
    expect(hashed).toEqual(paths.slice(0, hashed.length))
    expect(hashed.length).toBeLessThanOrEqual(count)
    expect(hashed.length).toBeGreaterThanOrEqual(count - 1)
    expect(budget.leftOut).toEqual(paths.slice(hashed.length))
  })

  it('goes on with files that still fit', async () => {
    const { host } = hostOf({
      '/a': { sizeBytes: 3 * GIB },
      '/b': { sizeBytes: 2 * GIB },
      '/c': { sizeBytes: GIB },
    })
    const budget = makeHashBudget(observeDom0(host))
    const digests = [await budget.digest('/a'), await budget.digest('/b'), await budget.digest('/c')]
    expect(digests.map((one) => one?.sha256 ?? null)).toEqual(['/a', null, '/c'])
    expect(budget.leftOut).toEqual(['/b'])
  })
})

describe('a boot device that carries more than is hashed', () => {
  function filled(): ReturnType<typeof machineOf> {
    const machine = machineOf('clean-update')
    const bytes = gzipSync(randomBytes(16))
    for (const device of machine.devices)
      for (let at = 0; at < 100; at += 1)
        device.files.set(`/initramfs-0.${at}.img`, { bytes, mtimeMs: machine.nowMs })
    return machine
  }

  it('is not current, and what was left out is named; its own files are still looked at', async () => {
    const machine = filled()
    const host = makeSimulatedHost(machine)
    const facts = await observeMachine(host)
    const device = findBootedDevice(await observeDevices(host, facts), facts.aemUuid)
    const { checks, isOpen } = await observeBootDevice(observeDom0(host), device, facts.xen.buildId)
    expect(decideBootDevice({ present: true, isOpen }, checks)).toBe('unknown')
    const unknown = checks.filter(({ state }) => state === 'unknown')
    expect(unknown).toHaveLength(1)
    expect(unknown[0]).toMatchObject({ role: 'initramfs', path: expect.stringContaining('/initramfs-0.') })
    expect(unknown[0]?.against).toMatch(/initramfs-0\..* and \d+ more left out/)
    expect(checks.filter(({ state }) => state === 'current').length).toBeGreaterThan(2)
  })

  it('ends start before anything is recorded', async () => {
    const { result, ui } = await rehearse({ machine: filled() })
    expect(result.exit).toBe(1)
    expect(outcomesOf(result).at(-1)).toBe('check-boot-device: unknown')
    expect(ui.said.join(' ')).toContain('left out')
  })
})
