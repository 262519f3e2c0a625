import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type DigestOptions, digestImage } from '../../../src/core/launch/image-digest.ts'
import { chunked, randomBytes } from './random.ts'

const CONTENT = randomBytes(500)
const PACKED = gzipSync(CONTENT)
const XZ = Buffer.concat([Buffer.from('fd377a585a00', 'hex'), CONTENT])
const LZOP = Buffer.concat([Buffer.from('894c5a4f000d0a1a0a', 'hex'), CONTENT])

const of = (bytes: Uint8Array) => ({ sha1: createHash('sha1').update(bytes).digest('hex') })
const digest = (bytes: Uint8Array, options: Partial<DigestOptions> = {}, size = 1 << 20) =>
  digestImage(chunked(bytes, size), { banks: ['sha1'], ...options })

describe('a file, loaded and stored', () => {
  it.each([1, 31, 32, 33, 1 << 20])(
    'is hashed once where GRUB loads it as it is, in pieces of %i bytes',
    async (size) => {
      for (const bytes of [CONTENT, CONTENT.subarray(0, 31), CONTENT.subarray(0, 32), Buffer.alloc(0)]) {
        const wanted = { sizeBytes: bytes.length, loadedSizeBytes: bytes.length, kind: 'raw', problem: null }
        expect(await digest(bytes, {}, size)).toEqual({ ...wanted, digests: of(bytes), storedDigests: {} })
        expect(await digest(bytes, { stored: true }, size)).toEqual({
          ...wanted,
          digests: of(bytes),
          storedDigests: of(bytes),
        })
      }
    },
  )

  it.each([1, 10, 31, 1 << 20])(
    'is hashed in both forms where GRUB unpacks it, in pieces of %i bytes',
    async (size) => {
      const wanted = { sizeBytes: PACKED.length, loadedSizeBytes: 500, kind: 'gzip', problem: null }
      expect(await digest(PACKED, {}, size)).toEqual({ ...wanted, digests: of(CONTENT), storedDigests: {} })
      expect(await digest(PACKED, { stored: true }, size)).toEqual({
        ...wanted,
        digests: of(CONTENT),
        storedDigests: of(PACKED),
      })
    },
  )

  it.each([7, 33, 1 << 20])(
    'may have a header longer than what tells its form, in pieces of %i bytes',
    async (size) => {
      const header = Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3])
      const named = Buffer.concat([header, Buffer.alloc(100, 65), Buffer.alloc(1), PACKED.subarray(10)])
      expect(await digest(named, { stored: true }, size)).toMatchObject({
        digests: of(CONTENT),
        storedDigests: of(named),
        kind: 'gzip',
      })
      const endless = Buffer.concat([header, Buffer.alloc(100, 65)])
      expect(await digest(endless, {}, size)).toMatchObject({ digests: of(endless), problem: null })
    },
  )

  it('is no gzip file by its other bytes alone', async () => {
    const other = Buffer.concat([Buffer.from([0x1f, 0x8c]), PACKED.subarray(2)])
    expect(await digest(other)).toMatchObject({ digests: of(other), kind: 'raw', problem: null })
  })

  it('has no digest of its loaded form where that cannot be known', async () => {
    expect(await digest(PACKED.subarray(0, -1), { stored: true })).toMatchObject({
      digests: {},
      storedDigests: of(PACKED.subarray(0, -1)),
      kind: 'gzip',
    })
  })

  it('is stored as it is with --nounzip', async () => {
    for (const bytes of [PACKED, XZ, LZOP])
      expect(await digest(bytes, { nounzip: true, insmods: ['xzio', 'lzopio'] })).toMatchObject({
        digests: of(bytes),
        problem: null,
        sizeBytes: bytes.length,
      })
    expect((await digest(PACKED, { nounzip: false })).digests).toEqual(of(CONTENT))
  })

  it.each([
    ['xz', XZ, 'xzio', 'lzopio'],
    ['lzop', LZOP, 'lzopio', 'xzio'],
  ])('of the form %s is unpacked by a module of GRUB alone', async (kind, bytes, module, other) => {
    for (const form of [bytes, gzipSync(bytes)]) {
      const found = await digest(form, { insmods: ['part_msdos', module], stored: true })
      expect(found.problem).toBe(
        `it is compressed with ${kind} and grub.cfg loads ${kind}io, which cannot be repeated here`,
      )
      expect([found.digests, found.storedDigests]).toEqual([{}, of(form)])
      for (const insmods of [undefined, [], [other]])
        expect(await digest(form, insmods ? { insmods } : {})).toMatchObject({
          problem: null,
          digests: of(bytes),
        })
    }
    expect((await digest(bytes)).kind).toBe(kind)
    expect((await digest(CONTENT, { insmods: [module] })).problem).toBeNull()
  })

  it('is a SINIT module of the size that it names', async () => {
    const acm = Buffer.alloc(400)
    acm.writeUInt16LE(2, 0)
    acm.writeUInt32LE(0x8086, 16)
    acm.writeUInt32LE(100, 24)
    for (const size of [7, 400]) expect((await digest(acm, {}, size)).kind).toBe('acm')
    expect((await digest(Buffer.concat([acm, Buffer.alloc(4)]))).kind).toBe('raw')
  })

  it('is a damaged one that is told first, whatever lies in it', async () => {
    const packed = gzipSync(XZ)
    packed[packed.length - 6]! ^= 1
    expect((await digest(packed, { insmods: ['xzio'] })).problem).toMatch(/wrong checksum/)
  })
})
