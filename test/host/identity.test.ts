import { createHash } from 'node:crypto'
import { statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { FileDigests } from '../../src/host/host.ts'
import { valueOrNull } from '../../src/host/host.ts'
import { identityOf } from '../../src/host/identity.ts'
import { makeRealHost } from '../../src/host/real.ts'
import { digestGuarded, identifyGuarded } from '../../src/host/real-look.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/* What was hashed once is not read again as long as the kernel says that nobody wrote to it. */

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function fileOf(text: string): string {
  const path = join(temporaryDirectory(), 'xen-4.17.4.gz')
  writeFileSync(path, text)
  return path
}

/** The time when files written by this test have long settled. */
const later = () => vi.spyOn(Date, 'now').mockReturnValue(performance.timeOrigin + performance.now() + 60_000)

afterEach(() => {
  vi.restoreAllMocks()
})

describe('the identity of a file', () => {
  it('says nothing of one that was written a moment ago, or at a time to come', () => {
    const stat = statSync(fileOf('xen'), { bigint: true })
    const changedMs = Number(stat.ctimeNs / 1_000_000n)
    expect(identityOf(stat, changedMs + 2_000)).toBeNull()
    expect(identityOf(stat, changedMs - 60_000)).toBeNull()
    expect(identityOf(stat, changedMs + 2_001)).toMatch(/^\d+(?::\d+){4}$/)
  })

  it('is another one after each write, of the same bytes and with the old date put back', async () => {
    const path = fileOf('xen')
    utimesSync(path, 1, 1)
    const before = statSync(path, { bigint: true })
    // Longer than a tick of the kernel's clock.
    await new Promise((resolve) => setTimeout(resolve, 30))
    writeFileSync(path, 'xen')
    utimesSync(path, 1, 1)
    const after = statSync(path, { bigint: true })
    expect(after.mtimeNs).toBe(before.mtimeNs)
    const nowMs = Number(after.ctimeNs / 1_000_000n) + 60_000
    expect(identityOf(after, nowMs)).not.toBe(identityOf(before, nowMs))
  })

  it('is none where the file is not there, or is no file', async () => {
    expect(await identifyGuarded(join(temporaryDirectory(), 'none'), true)).toBeNull()
    expect(await identifyGuarded(temporaryDirectory(), true)).toBeNull()
  })
})

describe('digests of a file', () => {
  it('are kept as long as its identity is the same', async () => {
    const path = fileOf('good')
    const known = new Map<string, FileDigests>()
    const digest = async () => valueOrNull(await digestGuarded(path, true, known))
    later()
    expect((await digest())?.sha256).toBe(sha256('good'))
    const [identity = ''] = known.keys()
    expect(identity).toBe(await identifyGuarded(path, true))
    // Nothing else shows whether the file is read again.
    known.set(identity, { sha1: '', sha256: 'kept', sizeBytes: 4 })
    expect((await digest())?.sha256).toBe('kept')
    writeFileSync(path, 'evil')
    expect((await digest())?.sha256).toBe(sha256('evil'))
  })

  it('are kept of no file that was written a moment ago, and nowhere where nothing is to be kept', async () => {
    const path = fileOf('good')
    const known = new Map<string, FileDigests>()
    await digestGuarded(path, true, known)
    expect(known.size).toBe(0)
    later()
    expect(valueOrNull(await digestGuarded(path, true, null))?.sha256).toBe(sha256('good'))
  })

  it('are kept of no file that is written to while it is read', async () => {
    const path = fileOf('x'.repeat(4 << 20))
    const known = new Map<string, FileDigests>()
    later()
    const reading = digestGuarded(path, true, known)
    const writing = setInterval(() => utimesSync(path, 1, 1), 0)
    await reading.finally(() => clearInterval(writing))
    expect(known.size).toBe(0)
  })
})

describe('on a real machine', () => {
  it('a file of a mounted device has an identity, one of a device mounted for a look has none', async () => {
    const host = makeRealHost({ stateDir: '/var/lib/aem-reseal', userDirectories: [] })
    const device = temporaryDirectory()
    writeFileSync(join(device, 'xen-4.17.4.gz'), 'xen')
    await host.openMedia({ uuid: 'aaaa-bbbb', mountPoint: device })
    const work = await host.makeWorkDirectory()
    writeFileSync(join(work.root, 'xen-4.17.4.gz'), 'xen')
    later()
    expect(await host.identifyFile?.(join(device, 'xen-4.17.4.gz'))).toMatch(/^\d+:/)
    expect(await host.identifyFile?.(join(work.root, 'xen-4.17.4.gz'))).toBeNull()
    await expect(host.identifyFile?.('/etc/shadow')).rejects.toThrow(/src\/tables\/paths\.ts/)
    await host.close()
  })
})
