import { deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { findDeflateStart, inflateLikeGrub } from '../../../src/core/launch/gzip-image.ts'
import { chunked, randomBytes } from './random.ts'

const header = (flags: number, ...rest: number[]): Buffer =>
  Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3, ...rest])

/* GRUB 2.06, grub-core/io/gzio.c, test_gzip_header. */
describe('where GRUB begins to unpack', () => {
  it.each([
    ['no field', header(0), 10],
    ['more bytes behind', header(0, 1, 2, 0, 3), 10],
    ['the flag of a text, which means nothing', header(1), 10],
    ['an extra field of no bytes', header(4, 0, 0), 12],
    ['an extra field', header(4, 3, 0, 7, 7, 7), 15],
    ['an extra field of 258 bytes', header(4, 2, 1, ...Array<number>(300).fill(1)), 270],
    ['a name', header(8, 65, 66, 0), 13],
    ['an empty name', header(8, 0, 65, 0), 11],
    ['a name, and zeros in the data', header(8, 65, 0, 1, 0, 1), 12],
    ['a comment', header(0x10, 65, 0, 1), 12],
    ['a name and a comment', header(0x18, 65, 0, 66, 66, 0, 1, 0), 15],
    ['an extra field with zeros, and a name', header(0x0c, 2, 0, 0, 0, 65, 0), 16],
    ['all three', header(0x1c, 1, 0, 9, 65, 0, 66, 0, 5), 17],
  ])('with %s', (_, bytes, at) => {
    expect(findDeflateStart(bytes)).toBe(at)
  })

  it.each([
    ['nine bytes', header(0).subarray(0, 9)],
    ['nine bytes with another method', Buffer.from([0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0])],
    ['no size of an extra field', header(4)],
    ['half a size of an extra field', header(4, 0)],
    ['an extra field cut short', header(4, 3, 0, 7, 7)],
    ['a name without its end', header(8, 65, 66)],
    ['a comment without its end', header(0x10, 65)],
    ['a name and no comment', header(0x18, 65, 0)],
    ['a zero of the extra field, and no end of a name', header(0x0c, 1, 0, 0, 65)],
  ])('is not known from %s', (_, bytes) => {
    expect(findDeflateStart(bytes)).toBeNull()
  })

  it.each([0x02, 0x20, 0x40, 0x80, 0x22])('is nowhere with the flag %i', (flag) => {
    expect(findDeflateStart(header(flag))).toBe('stored')
    expect(findDeflateStart(header(flag | 0x1c))).toBe('stored')
  })

  it.each([0, 7, 9])('is nowhere with the method %i', (method) => {
    const bytes = header(0)
    bytes[2] = method
    expect(findDeflateStart(bytes)).toBe('stored')
  })
})

const CONTENT = randomBytes(700)
const member = (content: Uint8Array): Buffer => gzipSync(content).subarray(10)

async function unpack(bytes: AsyncIterable<Uint8Array> | Uint8Array, maxBytes?: number) {
  const pieces: Uint8Array[] = []
  const chunks = bytes instanceof Uint8Array ? chunked(bytes, 1 << 20) : bytes
  const outcome = await inflateLikeGrub(chunks, (piece) => pieces.push(piece), maxBytes)
  return { ...outcome, bytes: Buffer.concat(pieces) }
}

describe('what GRUB unpacks', () => {
  it.each([1, 3, 7, 8, 9, 16, 1000, 1 << 20])('is the member, in pieces of %i bytes', async (size) => {
    const found = await unpack(chunked(member(CONTENT), size))
    expect(found).toEqual({ loadedSizeBytes: 700, problem: null, bytes: CONTENT })
  })

  it.each([1, 3, 8, 13])('may be nothing, in pieces of %i bytes', async (size) => {
    const found = await unpack(chunked(member(Buffer.alloc(0)), size))
    expect(found).toMatchObject({ loadedSizeBytes: 0, problem: null })
  })

  it('has its trailer alone in the last piece, or parted between the last two', async () => {
    const bytes = member(CONTENT)
    for (const cut of [-8, -9, -7, -4, -1]) {
      async function* two() {
        yield bytes.subarray(0, cut)
        yield bytes.subarray(cut)
      }
      expect(await unpack(two()), `cut at ${cut}`).toMatchObject({ problem: null, bytes: CONTENT })
    }
  })

  it('may have as many bytes as the limit says, and no more', async () => {
    expect(await unpack(member(CONTENT), 700)).toMatchObject({ problem: null, bytes: CONTENT })
    const found = await unpack(member(CONTENT), 699)
    expect(found.problem).toBe('it unpacks to more than 699 bytes, as no boot file does')
    expect(found.bytes).toHaveLength(0)
  })

  const trailer = (checksum: number, length: number): Buffer => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32LE(checksum >>> 0, 0)
    bytes.writeUInt32LE(length, 4)
    return bytes
  }
  const own = member(CONTENT).subarray(-8)
  it.each([
    ['a wrong checksum', () => trailer(own.readUInt32LE(0) ^ 1, 700), /wrong checksum/],
    ['a wrong length', () => trailer(own.readUInt32LE(0), 699), /wrong checksum/],
    ['both wrong', () => trailer(1, 1), /wrong checksum/],
    ['bytes behind it', () => Buffer.concat([own, own.subarray(0, 1)]), /bytes after the last one/],
  ])('has a problem where its trailer has %s', async (_, make, words) => {
    const bytes = Buffer.concat([deflateRawSync(CONTENT), make()])
    for (const size of [5, 1 << 20]) expect((await unpack(chunked(bytes, size))).problem).toMatch(words)
  })

  it('has a problem where less than a trailer is there at all', async () => {
    const nothing = deflateRawSync(Buffer.alloc(0))
    expect(nothing.length).toBeLessThan(4)
    for (const more of [0, 1, 8 - nothing.length - 1]) {
      const found = await unpack(chunked(Buffer.concat([nothing, Buffer.alloc(more)]), 1))
      expect(found.problem).toBe('its gzip data end too early, GRUB would not load it')
    }
    expect((await unpack(Buffer.concat([nothing, Buffer.alloc(8 - nothing.length)]))).problem).toMatch(
      /wrong checksum/,
    )
  })

  it.each([
    ['no deflate data', Buffer.alloc(100, 0xff)],
    ['deflate data that are cut short', deflateRawSync(CONTENT).subarray(0, -10)],
    ['no bytes', Buffer.alloc(0)],
  ])('has a problem with %s', async (_, bytes) => {
    expect((await unpack(bytes)).problem).toMatch(/damaged, GRUB would not load it/)
  })
})

describe('whatever comes behind the member', () => {
  it('is read to its end and not unpacked', async () => {
    let given = 0
    async function* long() {
      yield member(CONTENT)
      for (let piece = 0; piece < 200; piece++) {
        given += 1
        yield Buffer.alloc(65_536, 1)
      }
    }
    const found = await unpack(long())
    expect(found).toMatchObject({ loadedSizeBytes: 700, bytes: CONTENT })
    expect(found.problem).toMatch(/bytes after the last one/)
    expect(given).toBe(200)
  })

  it('is read to its end behind damaged data, and where more unpacks than may', async () => {
    for (const [first, words] of [
      [Buffer.alloc(100, 0xff), /damaged/],
      [deflateRawSync(Buffer.alloc(1_000_000)), /more than 1000 bytes/],
    ] as const) {
      let given = 0
      async function* long() {
        yield first
        for (let piece = 0; piece < 50; piece++) {
          given += 1
          yield Buffer.alloc(65_536, 1)
        }
      }
      expect((await unpack(long(), 1000)).problem).toMatch(words)
      expect(given).toBe(50)
    }
  })
})

describe('an error that is none of the data', () => {
  const failure = (code?: string) => Object.assign(new Error('it broke'), code === undefined ? {} : { code })

  it.each([undefined, 'EIO', 'ERR_Z_LIKE', 'Z_DATA_ERROR'])(
    'of the reader, with the code %s, is passed on',
    async (code) => {
      async function* failing() {
        yield member(CONTENT).subarray(0, 100)
        throw failure(code)
      }
      await expect(unpack(failing())).rejects.toThrow('it broke')
    },
  )

  it.each([undefined, 'EIO', 'ERR_Z_LIKE'])(
    'of who takes the bytes, with the code %s, is passed on',
    async (code) => {
      const taking = inflateLikeGrub(chunked(member(CONTENT), 500), () => {
        throw failure(code)
      })
      await expect(taking).rejects.toThrow('it broke')
    },
  )
})
