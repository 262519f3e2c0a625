/* Long: an image archive by archive, its entries and their headers. */

import { describe, expect, it } from 'vitest'
import { openBytes } from '../../../src/core/initramfs/byte-source.ts'
import { parseHeader } from '../../../src/core/initramfs/cpio-header.ts'
import { startCpioReader } from '../../../src/core/initramfs/cpio-reader.ts'
import { readImage, type Unpack, UnpackError } from '../../../src/core/initramfs/read-image.ts'
import { chunked } from '../launch/random.ts'
import {
  archive,
  directory,
  early,
  earlyEntries,
  endMark,
  entry,
  genuineEntries,
  link,
  pack,
} from './image-writer.ts'

const main = archive(...genuineEntries())
const noProgram: Unpack = () => {
  throw new Error('no program is run here')
}
const oddOf = async (bytes: Uint8Array, unpack = noProgram, size = 1 << 20) =>
  (await readImage(chunked(bytes, size), unpack)).odd

describe('the archives of an image', () => {
  it.each([
    ['no bytes', Buffer.alloc(0), ['no bytes']],
    ['no archive', Buffer.from('words'), ['no archive at its beginning']],
    ['zeros before it', Buffer.concat([Buffer.alloc(512), main]), ['no archive at its beginning']],
    [
      'other bytes behind the first',
      Buffer.concat([early(), Buffer.from('words')]),
      ['bytes of no known form behind its first archive'],
    ],
    [
      'three of them',
      Buffer.concat([early(), early(), pack(main)]),
      ['a second archive before the main one'],
    ],
    [
      'zeros between',
      Buffer.concat([early(), Buffer.alloc(512), pack(main)]),
      ['archive 1: zeros behind the archive'],
    ],
    [
      'zeros behind a plain one',
      Buffer.concat([main, Buffer.alloc(512)]),
      ['archive 1: zeros behind the archive'],
    ],
    [
      'a plain one that is not filled up',
      Buffer.concat([...genuineEntries(), endMark()]),
      ['archive 1: an archive that is not filled up to 512 bytes'],
    ],
    [
      'a plain one cut short',
      Buffer.concat(genuineEntries()),
      ['archive 1: an archive without its end mark'],
    ],
    ['a packed one cut short', pack(Buffer.concat(genuineEntries())), ['an archive without its end mark']],
    [
      'a packed one that is not filled up',
      pack(Buffer.concat([...genuineEntries(), endMark()])),
      ['an archive that is not filled up to 512 bytes'],
    ],
    [
      'a packed one that is none',
      pack(Buffer.from('words '.repeat(50))),
      ['bytes that are no entry of a cpio archive'],
    ],
    ['a damaged one', pack(main).subarray(0, -30), ['gzip data that are damaged or cut short']],
    [
      'a whole one and a wrong checksum',
      Buffer.concat([pack(main).subarray(0, -8), Buffer.alloc(8)]),
      ['gzip data with a wrong checksum'],
    ],
  ])('with %s are odd', async (_, bytes, odd) => {
    for (const size of [7, 1 << 20]) expect(await oddOf(bytes, noProgram, size)).toEqual(odd)
  })

  it.each([
    ['evil', 'x'],
    ['kernel/x86/microcode/evil/kernel', 'x'],
    ['kernel/x86/microcode/GenuineIntel.bin.old', 'x'],
    ['kernel/x86/microcode/evil/GenuineIntel.bin', 'x'],
  ])('have microcode alone in the first, and not %s', async (name, text) => {
    const first = archive(...earlyEntries(), directory('kernel/x86/microcode/evil'), entry(name, text))
    const odd = await oddOf(Buffer.concat([first, pack(main)]))
    expect(odd).toContain(`${JSON.stringify(name)} in the early archive, which holds microcode alone`)
  })

  it('are read no further behind an odd one', async () => {
    const first = Buffer.concat([...earlyEntries(), endMark()])
    const odd = ['archive 1: an archive that is not filled up to 512 bytes']
    expect(await oddOf(Buffer.concat([first, Buffer.from('words')]))).toEqual(odd)
    expect(await oddOf(Buffer.concat([first, pack(Buffer.from('words'))]))).toEqual(odd)
  })
})

describe('an archive that a program unpacks', () => {
  /** A zstd frame (RFC 8878) of one block that is stored as it is. */
  const frame = (bytes: Uint8Array): Buffer => {
    const header = Buffer.alloc(3)
    header.writeUIntLE((bytes.length << 3) | 1, 0, 3)
    return Buffer.concat([Buffer.from('28b52ffd0000', 'hex'), header, bytes])
  }
  const unpacked = (bytes: Uint8Array, fails?: Error): Unpack =>
    async function* (_, packed) {
      for await (const __ of packed);
      yield bytes
      if (fails) throw fails
    }
  const image = Buffer.concat([early(), frame(main)])

  it('is read from what the program says', async () => {
    const seen: string[] = []
    let given = Buffer.alloc(0)
    const found = await readImage(chunked(image, 100), async function* (packing, packed) {
      seen.push(packing)
      for await (const chunk of packed) given = Buffer.concat([given, chunk])
      yield main
    })
    expect(found.odd).toEqual([])
    expect(seen).toEqual(['zstd'])
    expect(given.equals(frame(main))).toBe(true)
    expect(found.main.get('usr/bin/bash')?.kind).toBe('file')
  })

  it.each([
    [
      'where the program fails',
      image,
      unpacked(main, new UnpackError('bad')),
      ['data that zstd does not unpack (bad)'],
    ],
    [
      'where it fails early',
      image,
      unpacked(main.subarray(0, 600), new UnpackError('bad')),
      ['data that zstd does not unpack (bad)'],
    ],
    [
      'where something lies behind',
      Buffer.concat([image, Buffer.from([1])]),
      unpacked(main),
      ['other bytes behind the packed archive'],
    ],
    [
      'where both are so',
      Buffer.concat([image, Buffer.from([1])]),
      unpacked(main, new UnpackError('bad')),
      ['other bytes behind the packed archive'],
    ],
    ['where it has no end', image, unpacked(main.subarray(0, 600)), ['an archive without its end mark']],
    [
      'where it is none',
      image,
      unpacked(Buffer.from('words '.repeat(50))),
      ['bytes that are no entry of a cpio archive'],
    ],
  ])('is odd %s', async (_, bytes, unpack, odd) => {
    expect(await oddOf(bytes, unpack)).toEqual(odd)
  })

  it('needs no second word where it is cut short in data that are odd', async () => {
    const odd = await oddOf(Buffer.concat([image, Buffer.from([1])]), unpacked(main.subarray(0, 600)))
    expect(odd).toEqual(['other bytes behind the packed archive'])
  })

  it('passes on any other error', async () => {
    await expect(oddOf(image, unpacked(main, new Error('no such program')))).rejects.toThrow(
      'no such program',
    )
  })

  it('is given up as soon as it is none', async () => {
    let pieces = 0
    const odd = await oddOf(image, async function* () {
      for (; pieces < 100; pieces++) yield Buffer.alloc(1000, 'words')
    })
    expect(odd).toEqual(['bytes that are no entry of a cpio archive'])
    expect(pieces).toBeLessThan(3)
  })
})

/* cpio(5); Linux, Documentation/driver-api/early-userspace/buffer-format.rst. */
describe('the header of an entry', () => {
  const header = (change: (digits: string) => string = (digits) => digits): Buffer =>
    Buffer.from(change(entry('a', 'body').subarray(0, 110).toString('latin1')))
  const withName = (bytes: number) =>
    header((text) => `${text.slice(0, 94)}${bytes.toString(16).padStart(8, '0')}${text.slice(102)}`)

  it('has its fields', () => {
    const fields = Array.from({ length: 13 }, (_, at) => (at + 16).toString(16).padStart(8, '0')).join('')
    expect(parseHeader(Buffer.from(`070701${fields}`))).toEqual({
      inode: 16,
      mode: 17,
      uid: 18,
      gid: 19,
      linkCount: 20,
      sizeBytes: 22,
      device: '23:24',
      nodeDevice: '25:26',
      nameBytes: 27,
      checksum: 28,
    })
  })

  it.each([
    [
      'checksums',
      header((text) => text.replace('070701', '070702')),
      'an entry of the form with checksums (070702)',
    ],
    [
      'another magic',
      header((text) => text.replace('070701', '070707')),
      'bytes that are no entry of a cpio archive',
    ],
    [
      'a sign of numbers',
      header((text) => `${text.slice(0, 6)}0x000007${text.slice(14)}`),
      'a header field that begins with 0x',
    ],
    [
      'a blank',
      header((text) => `${text.slice(0, 6)} 0000007${text.slice(14)}`),
      'a header field that is no hexadecimal number',
    ],
    [
      'a letter at its end',
      header((text) => `${text.slice(0, -1)}g`),
      'a header field that is no hexadecimal number',
    ],
    [
      'a digit too many',
      Buffer.concat([header(), Buffer.from('0')]),
      'a header field that is no hexadecimal number',
    ],
    ['a digit too few', header().subarray(0, -1), 'a header field that is no hexadecimal number'],
    ['no name', withName(0), 'a name of 0 bytes'],
    ['an empty name', withName(1), 'a name of 1 bytes'],
    ['a name that is too long', withName(4097), 'a name of 4097 bytes'],
  ])('with %s is none', (_, bytes, words) => {
    expect(parseHeader(bytes)).toBe(words)
  })

  it.each([2, 4096])('may name %i bytes', (bytes) => {
    expect(parseHeader(withName(bytes))).toMatchObject({ nameBytes: bytes })
  })
})

describe('the entries of an archive', () => {
  const start = (more: Partial<Parameters<typeof startCpioReader>[0]> = {}) => {
    const odd: string[] = []
    const reader = startCpioReader({
      keeps: (name) => name === 'kept',
      onOdd: (form) => odd.push(form),
      stopsAtEnd: false,
      ...more,
    })
    return { odd, reader }
  }
  const read = (bytes: Uint8Array, more = {}) => {
    const { odd, reader } = start(more)
    const taken = reader.feed(bytes)
    reader.end()
    return { odd, taken, state: reader.state(), entries: reader.entries }
  }

  it('have the content of links and of what is to be kept, up to 64 KiB', () => {
    const limit = 'x'.repeat(64 * 1024)
    const contents = (...entries: Buffer[]) =>
      read(archive(...entries)).entries.map(({ content }) => content?.toString() ?? null)
    expect(contents(entry('kept', 'a'), entry('other', 'b'), link('l', 'c'), entry('kept', limit))).toEqual([
      'a',
      null,
      'c',
      limit,
    ])
    expect(contents(entry('kept', `${limit}x`), entry('kept', ''), link('l', `${limit}x`))).toEqual([
      null,
      '',
      null,
    ])
  })

  it.each([
    ['a checksum', entry('a', 'b', { fields: { 12: 1 } }), 'a checksum in a form that has none'],
    ['padding that is not zero', entry('a', 'b', { filler: 1 }), 'padding that is not zero'],
    [
      'padding of a name that is not zero',
      (() => {
        const bytes = entry('abc', 'b')
        bytes[115] = 1
        return bytes
      })(),
      'padding that is not zero',
    ],
  ])('with %s are odd, and read on', (_, bytes, form) => {
    const found = read(archive(bytes, entry('z', 'z')))
    expect(found.odd).toEqual([form])
    expect([found.entries.length, found.state]).toEqual([2, 'ended'])
  })

  it.each([
    ['a zero within a name', entry('a\0b', 'c'), 'a name with a zero byte in it, or without one at its end'],
    [
      'a name without its zero',
      entry('ab', 'c', { fields: { 11: 2 } }),
      'a name with a zero byte in it, or without one at its end',
    ],
    ['an end mark with data', entry('TRAILER!!!', 'x'), 'an end mark that carries data'],
    ['bytes that are none', Buffer.alloc(110, 'x'), 'bytes that are no entry of a cpio archive'],
  ])('end with %s', (_, bytes, form) => {
    const found = read(Buffer.concat([bytes, archive(entry('z', 'z'))]))
    expect(found.odd).toEqual([form])
    expect([found.entries.length, found.state]).toEqual([0, 'dead'])
  })

  it.each([
    ['a second archive', archive(entry('a', 'b')), 'a second archive in the packed one'],
    ['other bytes', Buffer.from('words'), 'bytes behind the end of the archive'],
    ['zeros', Buffer.alloc(512), 'zeros behind the end of the archive'],
  ])('may not have %s behind', (_, bytes, form) => {
    const first = archive(entry('a', 'b'))
    expect(read(Buffer.concat([first, bytes])).odd).toEqual([form])
    const stopped = read(Buffer.concat([first, bytes]), { stopsAtEnd: true })
    expect(stopped).toMatchObject({ odd: [], taken: first.length, state: 'ended' })
  })

  it('have zeros alone behind a body', () => {
    const bytes = entry('a', 'b')
    bytes[bytes.length - 1] = 1
    expect(read(archive(bytes)).odd).toEqual(['padding that is not zero'])
  })

  it('are not more than any initramfs has', () => {
    const some = Buffer.concat(Array<Buffer>(1000).fill(entry('a')))
    const { odd, reader } = start()
    for (let times = 0; times < 99; times++) reader.feed(some)
    reader.feed(some.subarray(entry('a').length))
    expect([reader.state(), reader.entries.length]).toEqual(['open', 99_999])
    reader.feed(some)
    expect([reader.state(), reader.entries.length]).toEqual(['dead', 100_000])
    expect(odd).toEqual(['more than 100000 entries'])
  })

  it('may be as many as that, with the end mark behind them', () => {
    const { odd, reader } = start()
    const some = Buffer.concat(Array<Buffer>(1000).fill(entry('a')))
    for (let times = 0; times < 100; times++) reader.feed(some)
    reader.feed(archive())
    expect([reader.state(), reader.entries.length, odd]).toEqual(['ended', 100_000, []])
  })

  it('are open until their end mark', () => {
    const { odd, reader } = start()
    reader.feed(entry('a', 'b'))
    expect(reader.state()).toBe('open')
    reader.feed(endMark())
    expect(reader.state()).toBe('ended')
    expect(odd).toEqual([])
  })

  it('unpack to no more than their limit', () => {
    const bytes = archive(entry('a', 'b'))
    expect(read(bytes, { maxBytes: bytes.length })).toMatchObject({ odd: [], state: 'ended' })
    expect(read(bytes, { maxBytes: bytes.length - 1 })).toMatchObject({
      odd: ['more unpacked bytes than any initramfs has'],
      state: 'dead',
    })
  })
})

describe('bytes in order', () => {
  it('are looked at, taken and counted', async () => {
    const read: number[] = []
    const source = openBytes(chunked(Uint8Array.from([0, 0, 0, 5, 6, 0, 0, 7]), 3), (chunk) =>
      read.push(chunk.length),
    )
    expect([...(await source.peek(4))]).toEqual([0, 0, 0, 5])
    expect([await source.skipZeros(), source.position()]).toEqual([3, 3])
    expect(await source.skipZeros()).toBe(0)
    source.skip(2)
    expect([await source.skipZeros(), source.position()]).toEqual([2, 7])
    expect([...(await source.peek(9))]).toEqual([7])
    const rest: number[] = []
    for await (const chunk of source.rest()) rest.push(...chunk)
    expect(rest).toEqual([7])
    expect([source.position(), await source.skipZeros(), (await source.peekChunk()).length]).toEqual([
      8, 0, 0,
    ])
    expect(read).toEqual([3, 3, 2])
  })

  it('are read no further than asked', async () => {
    const read: number[] = []
    const source = openBytes(chunked(Buffer.alloc(9), 3), (chunk) => read.push(chunk.length))
    await source.peek(3)
    expect(read).toEqual([3])
    expect(await source.skipZeros()).toBe(9)
  })
})
