import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { unpackGzip } from '../../../src/core/initramfs/gzip-member.ts'
import { chunked, randomBytes } from '../launch/random.ts'
import { pack } from './image-writer.ts'

const CONTENT = randomBytes(5000)
const MEMBER = pack(CONTENT)
const LARGE = randomBytes(900_000)
const LARGE_MEMBER = pack(LARGE)

async function unpack(packed: Uint8Array | AsyncIterable<Uint8Array>, size = 1 << 20) {
  const odd: string[] = []
  const pieces: Uint8Array[] = []
  const bytes = packed instanceof Uint8Array ? chunked(packed, size) : packed
  for await (const piece of unpackGzip(bytes, (form) => odd.push(form))) pieces.push(piece)
  return { odd, bytes: Buffer.concat(pieces) }
}

function changed(at: number, change: number): Buffer {
  const bytes = Buffer.from(MEMBER)
  bytes[at < 0 ? bytes.length + at : at]! ^= change
  return bytes
}

describe('the member of an initramfs', () => {
  it.each([9, 10, 11, 500, 4096, 1 << 20])('is unpacked, in pieces of %i bytes', async (size) => {
    expect(await unpack(MEMBER, size)).toEqual({ odd: [], bytes: CONTENT })
  })

  it('may hold nothing', async () => {
    expect(await unpack(gzipSync(Buffer.alloc(0)), 10)).toEqual({ odd: [], bytes: Buffer.alloc(0) })
  })

  it.each([0, 1, 9])('with a header of %i bytes is odd', async (length) => {
    expect((await unpack(MEMBER.subarray(0, length))).odd).toEqual(['a gzip header that is cut short'])
  })

  /* RFC 1952, section 2.3.1. */
  it.each([
    [0x04, 'an extra field'],
    [0x08, 'a name'],
    [0x10, 'a comment'],
    [0x02, 'a checksum of its own'],
    [0x0c, 'an extra field and a name'],
    [0x01, 'flags 1'],
    [0x20, 'flags 32'],
  ])('with the flags %i has %s, and is read to its end', async (flags, words) => {
    let given = 0
    async function* all() {
      for await (const chunk of chunked(changed(3, flags), 100)) {
        given += chunk.length
        yield chunk
      }
    }
    expect(await unpack(all())).toEqual({ odd: [`a gzip header with ${words}`], bytes: Buffer.alloc(0) })
    expect(given).toBe(MEMBER.length)
  })

  it('packed by another method is odd', async () => {
    expect(await unpack(changed(2, 1))).toEqual({
      odd: ['a gzip header with flags 0'],
      bytes: Buffer.alloc(0),
    })
  })

  it.each([
    ['a wrong checksum', changed(-8, 1), 'gzip data with a wrong checksum'],
    ['a wrong length', changed(-4, 1), 'gzip data with a wrong checksum'],
    ['a trailer cut short', MEMBER.subarray(0, -1), 'gzip data that are cut short'],
    ['no trailer', MEMBER.subarray(0, -8), 'gzip data that are cut short'],
    ['data cut short', MEMBER.subarray(0, -20), 'gzip data that are damaged or cut short'],
    [
      'data that are none',
      Buffer.concat([MEMBER.subarray(0, 10), Buffer.alloc(50, 0xff)]),
      'gzip data that are damaged or cut short',
    ],
    ['a byte behind', Buffer.concat([MEMBER, Buffer.from([1])]), 'other bytes behind the packed archive'],
    ['zeros behind', Buffer.concat([MEMBER, Buffer.alloc(600)]), 'zeros behind the packed archive'],
    [
      'another member behind',
      Buffer.concat([MEMBER, MEMBER]),
      'a second archive (gzip) behind the packed one',
    ],
    [
      'a plain archive behind zeros',
      Buffer.concat([MEMBER, Buffer.alloc(3), Buffer.from('070701')]),
      'a second, plain archive behind the packed one',
    ],
  ])('with %s is odd', async (_, bytes, form) => {
    for (const size of [11, 1000, 1 << 20])
      expect((await unpack(bytes, size)).odd, `in pieces of ${size}`).toEqual([form])
  })

  it.each([1000, 60_000, 300_000])(
    'may be larger than what is kept of it, in pieces of %i bytes',
    async (size) => {
      const { odd, bytes } = await unpack(LARGE_MEMBER, size)
      expect([odd, bytes.equals(LARGE)]).toEqual([[], true])
      const behind = Buffer.concat([LARGE_MEMBER, Buffer.alloc(10_000), Buffer.from([1])])
      expect((await unpack(behind, size)).odd).toEqual([expect.stringMatching(/^(zeros|other bytes) behind/)])
      expect((await unpack(Buffer.concat([LARGE_MEMBER, Buffer.from('x')]), size)).odd).toEqual([
        'other bytes behind the packed archive',
      ])
    },
  )

  it('is read to its end where much lies behind', async () => {
    let given = 0
    async function* long() {
      yield MEMBER
      for (let piece = 0; piece < 100; piece++) {
        given += 1
        yield Buffer.alloc(65_536, 1)
      }
    }
    expect(await unpack(long())).toEqual({ odd: ['other bytes behind the packed archive'], bytes: CONTENT })
    expect(given).toBe(100)
  })

  it('is read to its end by the one reader, also where nobody wants more of it', async () => {
    let given = 0
    async function* counted() {
      for await (const chunk of chunked(LARGE_MEMBER, 10_000)) {
        given += chunk.length
        yield chunk
      }
    }
    for await (const piece of unpackGzip(counted(), () => {})) {
      expect(piece.length).toBeGreaterThan(0)
      break
    }
    expect(given).toBe(LARGE_MEMBER.length)
  })
})

describe('a disk that fails while it is read', () => {
  const eio = () => Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })

  it.each([0, 5, 10, 2000, 400_000])('is told, after %i bytes of it', async (length) => {
    async function* failing() {
      if (length > 0) yield LARGE_MEMBER.subarray(0, length)
      throw eio()
    }
    await expect(unpack(failing())).rejects.toThrow('EIO')
  })

  it('is told behind the data, too', async () => {
    async function* failing() {
      yield MEMBER
      throw eio()
    }
    await expect(unpack(failing())).rejects.toThrow('EIO')
  })
})
