/* Long: the bytes of an event log, field by field. */

import { describe, expect, it } from 'vitest'
import { isPlaceholderDigest } from '../../../src/core/launch/launch-log.ts'
import { parseTcgLog } from '../../../src/core/launch/tcg-log.ts'
import {
  ALGORITHMS,
  type Algorithm,
  digestOf,
  u32,
  type WrittenEvent,
  writeAgileLog,
  writeTxtContainer,
} from './tcg-writer.ts'

const [SHA1, SHA256] = [ALGORITHMS[0]!, ALGORITHMS[1]!]
const EVENT: WrittenEvent = { pcr: 17, type: 0x502, content: 'one' }
const BOTH = [SHA1, SHA256]

/** Offsets in the header event: TCG PC Client Platform Firmware Profile 1.06, section 10.4.5.1. */
const AT = { pcr: 0, type: 4, dataBytes: 28, count: 56, algorithms: 60 } as const
const headerBytes = (algorithms: readonly Algorithm[]): number => AT.algorithms + 4 * algorithms.length + 1

function changed(bytes: Uint8Array, at: number, value: Uint8Array): Buffer {
  const copy = Buffer.from(bytes)
  Buffer.from(value).copy(copy, at)
  return copy
}
const u16 = (value: number): Buffer => u32(value).subarray(0, 2)
const digest = (algorithm: Algorithm): string => digestOf(algorithm, 'one').toString('hex')
const unknown = (id: number, sizeBytes: number): Algorithm => ({
  name: '',
  id,
  sizeBytes,
  openssl: sizeBytes === 20 ? 'sha1' : 'sha512',
  bank: '',
})

describe('an event log', () => {
  const bytes = writeAgileLog([EVENT], BOTH)

  it('is refused where fewer bytes were read than Xen reserved', () => {
    expect(parseTcgLog(bytes, bytes.length).events).toHaveLength(1)
    const words = `${bytes.length - 1} of ${bytes.length} bytes are there`
    expect(() => parseTcgLog(bytes.subarray(0, -1), bytes.length)).toThrow(words)
    expect(parseTcgLog(bytes.subarray(0, -1)).events).toHaveLength(1)
  })

  it.each([
    ['of another register', AT.pcr, u32(1)],
    ['of another type', AT.type, u32(4)],
  ])('does not begin with an event %s', (_, at, value) => {
    expect(() => parseTcgLog(changed(bytes, at, value))).toThrow('it begins with another event')
  })

  it('ends with twelve zeros, or with the reserved memory', () => {
    const [long, short] = [12, 11].map((tail) => writeAgileLog([EVENT], BOTH, tail))
    expect(parseTcgLog(long!).events).toHaveLength(1)
    expect(() => parseTcgLog(short!)).toThrow('no end mark')
    const whole = writeAgileLog([EVENT], BOTH, 0)
    expect(parseTcgLog(whole, whole.length).events).toHaveLength(1)
    expect(() => parseTcgLog(whole)).toThrow('no end mark')
    expect(() => parseTcgLog(whole, whole.length - 1)).toThrow('no end mark')
  })

  it('was measured where something is in the first register of the launch', () => {
    expect(parseTcgLog(bytes).measured).toBe(true)
    expect(parseTcgLog(writeAgileLog([{ ...EVENT, pcr: 18 }], BOTH)).measured).toBe(false)
    expect(parseTcgLog(writeAgileLog([], BOTH)).measured).toBe(false)
  })

  it('has the registers that there are', () => {
    const events = [0, 16, 23, 24, 255].map((pcr) => ({ ...EVENT, pcr }))
    expect(parseTcgLog(writeAgileLog(events, BOTH)).events.map(({ pcr }) => pcr)).toEqual([0, 16, 23])
  })
})

describe('the algorithms of a log', () => {
  it.each([
    ['one', [SHA256], 'sha256'],
    ['another one', [SHA1], 'sha1'],
    ['two', BOTH, null],
    ['one of no known name', [unknown(0x99, 20)], null],
  ])('name its only bank where they are %s', (_, algorithms, bank) => {
    expect(parseTcgLog(writeAgileLog([EVENT], algorithms)).soleBank).toBe(bank)
  })

  it('of no known name are read over', () => {
    const log = parseTcgLog(writeAgileLog([EVENT, EVENT], [unknown(0x98, 64), SHA1, unknown(0x99, 20)]))
    expect(log.events.map(({ digests }) => digests)).toEqual([{ sha1: digest(SHA1) }, { sha1: digest(SHA1) }])
  })

  it('are at most sixteen', () => {
    const many = (count: number) => Array.from({ length: count }, (_, at) => unknown(0x100 + at, 20))
    expect(parseTcgLog(writeAgileLog([EVENT], many(16))).events).toHaveLength(1)
    expect(() => parseTcgLog(writeAgileLog([EVENT], many(17)))).toThrow('it names 17 algorithms')
  })

  it.each([0, 65, 0xffff])('have no digests of %i bytes', (size) => {
    const bytes = changed(writeAgileLog([], [unknown(0x99, 20)]), AT.algorithms + 2, u16(size))
    expect(() => parseTcgLog(bytes)).toThrow(`a digest has ${size} bytes`)
  })

  it.each([1, 64])('may have digests of %i bytes', (size) => {
    const bytes = changed(writeAgileLog([], [unknown(0x99, 20)]), AT.algorithms + 2, u16(size))
    expect(parseTcgLog(bytes).events).toEqual([])
  })
})

describe("the loader's log pointer", () => {
  const pointed = writeAgileLog([EVENT], BOTH, null)
  const end = pointed.length - 300
  const pointerAt = headerBytes(BOTH) + 16
  const junk = Buffer.alloc(30, 0xff)

  it('ends the log, whatever comes behind', () => {
    expect(parseTcgLog(Buffer.concat([pointed.subarray(0, end), junk])).events).toHaveLength(1)
    expect(parseTcgLog(pointed.subarray(0, end)).events).toHaveLength(1)
    const empty = writeAgileLog([], BOTH, null)
    expect(parseTcgLog(empty).events).toEqual([])
  })

  it.each([
    ['behind what was read', end + 301],
    ['in the header', headerBytes(BOTH)],
    ['at the start of memory', 0],
  ])('that points %s is refused', (_, at) => {
    expect(() => parseTcgLog(changed(pointed, pointerAt, u32(at)))).toThrow(`its events end at ${at}`)
  })

  it('that points into an event is refused', () => {
    expect(() => parseTcgLog(changed(pointed, pointerAt, u32(end - 1)))).toThrow(`runs past ${end - 1}`)
    expect(() => parseTcgLog(changed(pointed, pointerAt, u32(end + 1)))).toThrow()
  })

  it('is no other data of a vendor', () => {
    const plain = writeAgileLog([EVENT], BOTH)
    const at = headerBytes(BOTH)
    const dataBytes = plain.readUInt32LE(AT.dataBytes)
    for (const size of [1, 19, 21]) {
      const vendor = Buffer.concat([Buffer.from([size]), Buffer.alloc(size, 0xee)])
      const bytes = Buffer.concat([plain.subarray(0, at - 1), vendor, plain.subarray(at)])
      expect(parseTcgLog(changed(bytes, AT.dataBytes, u32(dataBytes + size))).events).toHaveLength(1)
    }
  })
})

describe('the digests of an event', () => {
  const bytes = writeAgileLog([EVENT], BOTH)
  const countAt = headerBytes(BOTH) + 8
  const firstAt = countAt + 4

  it('may be fewer than those of the log', () => {
    const rest = bytes.subarray(firstAt + 22 + 34)
    const one = Buffer.concat([
      bytes.subarray(0, countAt),
      u32(1),
      bytes.subarray(firstAt, firstAt + 22),
      rest,
    ])
    expect(parseTcgLog(one).events).toMatchObject([{ pcr: 17, digests: { sha1: digest(SHA1) } }])
    expect(parseTcgLog(bytes).events[0]?.digests).toEqual({ sha1: digest(SHA1), sha256: digest(SHA256) })
  })

  it.each([0, 3, 0xffffffff])('are not %i of two', (count) => {
    expect(() => parseTcgLog(changed(bytes, countAt, u32(count)))).toThrow(`has ${count} digests`)
  })

  it('are each of one algorithm of the log', () => {
    const words = (id: string) => `has algorithm ${id} out of place`
    expect(() => parseTcgLog(changed(bytes, firstAt, u16(0x0c)))).toThrow(words('0xc'))
    const two = writeAgileLog([EVENT], [unknown(0x98, 20), unknown(0x99, 20)])
    expect(() => parseTcgLog(changed(two, firstAt + 22, u16(0x98)))).toThrow(words('0x98'))
    expect(parseTcgLog(two).events[0]?.digests).toEqual({})
  })
})

/* TCG PC Client Platform Firmware Profile 1.06, section 10.4.5.3. */
describe('the startup locality', () => {
  const said = (text: string, type = 3): WrittenEvent => ({
    pcr: 0,
    type,
    content: 'no action',
    data: Buffer.concat([Buffer.from(text.padEnd(16, '\0')), Buffer.from([4])]),
  })
  const localityOf = (...events: WrittenEvent[]) => parseTcgLog(writeAgileLog(events, BOTH)).startupLocality

  it('is said by the first event that is no action and has its signature', () => {
    expect(localityOf(said('StartupLocality'))).toBe(4)
    expect(localityOf(said('another'), EVENT, said('StartupLocality', 1), said('StartupLocality'))).toBe(4)
  })

  it.each([
    ['another signature', said('another')],
    ['a signature within', said('xStartupLocality')],
    ['another type', said('StartupLocality', 1)],
  ])('is not said by %s', (_, event) => {
    expect(localityOf(event, EVENT)).toBeNull()
  })
})

describe('a TXT event container', () => {
  /** Offsets: Intel TXT Software Development Guide, revision 017, appendix F. */
  const FIELD = {
    containerMajor: 32,
    containerMinor: 33,
    eventMajor: 34,
    eventMinor: 35,
    size: 36,
    first: 40,
    next: 44,
  }
  const one = writeTxtContainer([EVENT], false)
  const eventBytes = 4 + 4 + 20 + 4

  it.each([
    [FIELD.containerMajor, 2],
    [FIELD.containerMajor, 0],
    [FIELD.eventMajor, 2],
    [FIELD.eventMajor, 0],
    [FIELD.eventMinor, 1],
  ])('with the version at %i of %i is refused', (at, version) => {
    expect(() => parseTcgLog(changed(one, at, Buffer.from([version])))).toThrow('unknown container version')
  })

  it('may have a newer minor version', () => {
    expect(parseTcgLog(changed(one, FIELD.containerMinor, Buffer.from([7]))).events).toHaveLength(1)
  })

  it('may be as long as its events, or have none', () => {
    const full = writeTxtContainer([EVENT], false, 48 + eventBytes)
    expect(parseTcgLog(full).events).toMatchObject([{ pcr: 17, digests: { sha1: digest(SHA1) } }])
    expect(parseTcgLog(writeTxtContainer([], false, 48)).events).toEqual([])
    expect(parseTcgLog(writeTxtContainer([], false)).events).toEqual([])
  })

  it.each([
    ['a size below its header', FIELD.size, 47, 'the container has 47 bytes'],
    ['a size of nothing', FIELD.size, 0, 'the container has 0 bytes'],
    ['a size beyond what was read', FIELD.size, 2049, 'the container has 2049 bytes, 2048 were read'],
    ['a first event in its header', FIELD.first, 47, 'its events run from 47 to'],
    ['a first event behind its last', FIELD.first, 48 + eventBytes + 1, 'its events run from 81 to 80'],
    ['an end behind its size', FIELD.size, 48 + eventBytes - 1, 'its events run from 48 to 80'],
    ['an end within an event', FIELD.next, 48 + eventBytes - 1, 'cut off'],
  ])('with %s is refused', (_, at, value, words) => {
    expect(() => parseTcgLog(changed(one, at, u32(value)))).toThrow(words)
  })

  it('behind a header may count that header in its size, and no more', () => {
    const wrapped = writeTxtContainer([EVENT], true)
    const at = wrapped.indexOf('TXT Event Container') + FIELD.size
    expect(wrapped.readUInt32LE(at)).toBe(wrapped.length)
    expect(parseTcgLog(wrapped).events).toHaveLength(1)
    expect(() => parseTcgLog(changed(wrapped, at, u32(wrapped.length + 1)))).toThrow('the container has')
  })
})

it.each([
  [`01${'00'.repeat(19)}`, true],
  [`01${'00'.repeat(31)}`, true],
  ['01', false],
  [`0100${'00'.repeat(18)}01`, false],
  [`0001${'00'.repeat(18)}`, false],
  ['00'.repeat(20), false],
])('%s stands for a digest that nobody computed: %s', (hex, expected) => {
  expect(isPlaceholderDigest(hex)).toBe(expected)
})
