import { createHash } from 'node:crypto'
import { constants, deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { digestImage } from '../../../src/core/launch/image-digest.ts'
import { detectImageKind } from '../../../src/core/launch/image-kind.ts'
import { hashedCommandLine } from '../../../src/core/launch/module-digest.ts'
import { fc } from './property.ts'
import { chunked, randomBytes } from './random.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const CONTENT = randomBytes(20_000)

async function digest(bytes: Uint8Array, options: object = {}, size = 4096) {
  return digestImage(chunked(bytes, size), { banks: ['sha1', 'sha256'], stored: true, ...options })
}

const gzipHeader = (): Buffer => gzipSync(Buffer.alloc(0)).subarray(0, 10)

/** Deflate data of so many zeros that further data can follow. */
function zeros(size: number): Buffer {
  return deflateRawSync(Buffer.alloc(size), { finishFlush: constants.Z_FULL_FLUSH })
}

describe('an image as GRUB loads it', () => {
  it.each([1, 7, 4096, 1_000_000])('is decompressed from gzip, read in pieces of %i bytes', async (size) => {
    const stored = gzipSync(CONTENT)
    const image = await digest(stored, {}, size)
    expect(image).toMatchObject({
      kind: 'gzip',
      problem: null,
      sizeBytes: stored.length,
      loadedSizeBytes: CONTENT.length,
    })
    expect(image.digests.sha256).toBe(sha256(CONTENT))
    expect(image.storedDigests.sha256).toBe(sha256(stored))
    expect(image.digests.sha1).toBe(createHash('sha1').update(CONTENT).digest('hex'))
  })

  it('is not unpacked without end: a megabyte of gzip can hold days of work', async () => {
    const bomb = Buffer.concat([gzipHeader(), ...Array<Buffer>(2200).fill(zeros(16 * 1024 * 1024))])
    const image = await digest(bomb, {}, 1 << 20)
    expect(image.problem).toMatch(/unpacks to more than 1073741824 bytes/)
    expect(image.digests).toEqual({})
    expect(image.loadedSizeBytes).toBeLessThan(1.1 * 2 ** 30)
    expect(image.storedDigests.sha256).toBe(sha256(bomb))
  })

  it('is taken as stored with --nounzip', async () => {
    const stored = gzipSync(CONTENT)
    expect((await digest(stored, { nounzip: true })).digests.sha256).toBe(sha256(stored))
  })

  it('is taken as stored when it begins uncompressed, whatever follows', async () => {
    const initramfs = Buffer.concat([Buffer.from('070701early cpio'), gzipSync(CONTENT)])
    expect(await digest(initramfs)).toMatchObject({ kind: 'raw', digests: { sha256: sha256(initramfs) } })
  })

  it.each([
    ['an empty file', Buffer.alloc(0)],
    ['one byte', Buffer.from([0x1f])],
    ['a gzip magic and nothing more', Buffer.from([0x1f, 0x8b])],
    ['gzip with a method that is not deflate', Buffer.from([0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3])],
    ['gzip with a flag GRUB does not know', Buffer.from([0x1f, 0x8b, 8, 0x20, 0, 0, 0, 0, 0, 0, 1, 2, 3])],
    [
      'a gzip name that never ends',
      Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0]), Buffer.alloc(50, 65)]),
    ],
  ])('%s is taken as stored', async (_, bytes) => {
    expect(await digest(bytes, {}, 3)).toMatchObject({ problem: null, digests: { sha256: sha256(bytes) } })
  })

  it('takes a gzip header with extra field, name and comment', async () => {
    const plain = gzipSync(CONTENT)
    const fields = Buffer.concat([Buffer.from([3, 0, 1, 2, 3]), Buffer.from('name\0comment\0')])
    const stored = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 0x1c, 0, 0, 0, 0, 0, 3]),
      fields,
      plain.subarray(10),
    ])
    expect((await digest(stored, {}, 5)).digests.sha256).toBe(sha256(CONTENT))
  })

  it.each([
    ['two gzip members', Buffer.concat([gzipSync(CONTENT), gzipSync('second')])],
    ['bytes after the gzip data', Buffer.concat([gzipSync(CONTENT), Buffer.from('trailing garbage')])],
    ['one zero after the gzip data', Buffer.concat([gzipSync(CONTENT), Buffer.alloc(1)])],
    ['gzip data cut off', gzipSync(CONTENT).subarray(0, -100)],
    ['a gzip trailer cut off', gzipSync(CONTENT).subarray(0, -3)],
    ['a wrong checksum', damage(gzipSync(CONTENT), -6)],
    ['a wrong length', damage(gzipSync(CONTENT), -2)],
    [
      'gzip data that are no deflate',
      Buffer.concat([gzipSync('x').subarray(0, 10), Buffer.alloc(100, 0xff)]),
    ],
  ])('has no digest with %s', async (_, bytes) => {
    for (const size of [11, 100_000]) {
      const image = await digest(bytes, {}, size)
      expect(image.problem).not.toBeNull()
      expect(image.digests).toEqual({})
      expect(image.storedDigests.sha256).toBe(sha256(bytes))
    }
  })

  it('has no digest in xz form when grub.cfg loads xzio, and is taken as stored otherwise', async () => {
    const xz = Buffer.concat([Buffer.from('fd377a585a00', 'hex'), CONTENT])
    expect((await digest(xz, { insmods: ['xzio'] })).problem).toContain('xz')
    expect((await digest(gzipSync(xz), { insmods: ['xzio'] })).problem).toContain('xz')
    expect((await digest(xz, { insmods: ['lzopio'] })).digests.sha256).toBe(sha256(xz))
    expect((await digest(xz)).kind).toBe('xz')
    expect((await digest(xz, { insmods: ['xzio'], nounzip: true })).digests.sha256).toBe(sha256(xz))
  })

  it('hands on what the reader of the file throws', async () => {
    async function* failing() {
      yield gzipSync(CONTENT).subarray(0, 1000)
      throw new Error('EIO')
    }
    await expect(digestImage(failing(), { banks: ['sha1'] })).rejects.toThrow('EIO')
    async function* damagedThenFailing() {
      yield Buffer.concat([gzipSync('x').subarray(0, 10), Buffer.alloc(100, 0xff)])
      await new Promise((resolve) => setTimeout(resolve, 50))
      throw new Error('EIO')
    }
    await expect(digestImage(damagedThenFailing(), { banks: ['sha1'] })).rejects.toThrow('EIO')
  })

  it('never throws or hangs on any bytes', async () => {
    const bytes = fc.tuple(
      fc.constantFrom('', '1f8b08', '1f8b0804', '1f8b081c', 'fd377a585a00'),
      fc.uint8Array({ maxLength: 300 }),
    )
    await fc.assert(
      fc.asyncProperty(bytes, fc.integer({ min: 1, max: 50 }), async ([magic, rest], size) => {
        const image = await digest(Buffer.concat([Buffer.from(magic, 'hex'), rest]), {}, size)
        expect(image.problem === null).toBe(image.digests.sha256 !== undefined)
      }),
      { numRuns: 300 },
    )
  })
})

function damage(bytes: Buffer, at: number): Buffer {
  bytes[bytes.length + at] = bytes[bytes.length + at]! ^ 0x55
  return bytes
}

describe('what tboot takes out of its list', () => {
  it('is told by content: an ACM names its type and its own size', () => {
    const acm = Buffer.alloc(400)
    acm.writeUInt16LE(2, 0)
    acm.writeUInt32LE(0x8086, 16)
    acm.writeUInt32LE(100, 24)
    expect(detectImageKind(acm, 400)).toBe('acm')
    expect(detectImageKind(acm, 404)).toBe('raw')
    acm.writeUInt16LE(1, 0)
    expect(detectImageKind(acm, 400)).toBe('raw')
    expect(detectImageKind(Buffer.from('Intel(R) TXT LCP_POLICY_DATA\0\0\0\0'), 400)).toBe('policy-data')
  })
})

describe('the hashed part of a command line', () => {
  it.each([
    ['placeholder a b', 'a b'],
    ['  /foo/bar   baz', 'baz'],
    ['/foo/bar', ''],
    ['', ''],
  ])('%j without its first word is %j', (line, wanted) => {
    expect(hashedCommandLine(line, 'first-word-stripped')).toBe(wanted)
    expect(hashedCommandLine(line, 'whole')).toBe(line)
  })
})
