import { describe, expect, it } from 'vitest'
import { cutDigest, readHex, readPrintedEvents } from '../../../src/core/launch/tboot-events.ts'

describe('printed hex', () => {
  it.each([
    ['e0 64 42', 'e06442'],
    ['  E0 64 42 \t', 'e06442'],
    ['E06442', 'e06442'],
    ['0', null],
    ['', null],
    ['e0 6', null],
    ['e0  64', null],
    ['e0 64 zz', null],
    ['zz e0 64', null],
    ['e0 64 bytes', null],
  ])('%j is %j', (text, hex) => {
    expect(readHex(text)).toBe(hex)
  })

  it('is cut to the digest, and no digest where it is shorter', () => {
    expect(cutDigest('sha1', 'ab'.repeat(20))).toBe('ab'.repeat(20))
    expect(cutDigest('sha1', 'ab'.repeat(32))).toBe('ab'.repeat(20))
    expect(cutDigest('sha1', 'ab'.repeat(19))).toBeNull()
    expect(cutDigest('sha256', 'ab'.repeat(20))).toBeNull()
  })
})

const pairs = (byte: string, count: number): string => `${byte} `.repeat(count)
const SHA1 = pairs('1a', 20)
const SHA256 = pairs('2B', 32)

/* tboot 1.10.5, tboot/txt/heap.c, print_event and print_evt_log. */
const event = (pcr: number, type: string, digest: string): string[] => [
  'Event:',
  `    PCRIndex: ${pcr}`,
  `        Type: ${type}`,
  `      Digest: ${digest}`,
  '        Data: 0 bytes',
]
const tcgEvent = (pcr: number, type: string, digests: Readonly<Record<string, string>>): string[] => [
  'TCG Event:',
  `     pcr_index: ${pcr}`,
  `    event_type: ${type}`,
  `         count: ${Object.keys(digests).length}`,
  ...Object.entries(digests).flatMap(([name, hex]) => [`${name}: `, hex]),
  '    event_data: 0 bytes',
]
const read = (...lines: readonly (string | readonly string[])[]) =>
  readPrintedEvents(lines.flat()).map(({ pcr, type, digests }) => [pcr, type, digests])

const [ONE, TWO] = ['1a'.repeat(20), '2b'.repeat(32)]

describe('a printed event', () => {
  it.each([0, 17, 18, 22, 23])('of register %i is an extend', (pcr) => {
    expect(read(event(pcr, '0x402', SHA1))).toEqual([[pcr, 0x402, { sha1: ONE }]])
  })

  it.each([
    ['of no register', 24, '0x402'],
    ['of no register, as the mapping has it', 255, '0x402'],
    ['that is no action', 17, '0x3'],
    ['of the register mapping', 17, '0x401'],
  ])('%s is none', (_, pcr, type) => {
    expect(read(event(pcr, type, SHA1), event(18, '0x404', SHA1))).toEqual([[18, 0x404, { sha1: ONE }]])
  })

  it.each([
    ['without a digest', ['Event:', 'PCRIndex: 17', 'Type: 0x402', 'Data: 0 bytes']],
    ['whose digest is no hex', event(17, '0x402', 'none at all')],
    ['whose digest has the size of none', event(17, '0x402', pairs('1a', 19))],
    ['without a register', ['Event:', 'Type: 0x402', `Digest: ${SHA1}`, 'Data: 0 bytes']],
    ['without a type', ['Event:', 'PCRIndex: 17', `Digest: ${SHA1}`, 'Data: 0 bytes']],
    ['without its heading', event(17, '0x402', SHA1).slice(1)],
  ])('%s is none', (_, lines) => {
    expect(read(lines)).toEqual([])
    expect(read(lines, event(18, '0x404', SHA1))).toEqual([[18, 0x404, { sha1: ONE }]])
  })

  it('ends with its data, the next one, the next algorithm or the text', () => {
    const open = event(17, '0x402', SHA1).slice(0, -1)
    const wanted = [17, 0x402, { sha1: ONE }]
    expect(read(open)).toEqual([wanted])
    expect(read(open, open)).toEqual([wanted, wanted])
    expect(read(open, 'Alg: 11')).toEqual([wanted])
    expect(read(open, 'Alg: 11', 'PCRIndex: 18')).toEqual([wanted])
    expect(read(event(17, '0x402', SHA1), 'PCRIndex: 18', `Digest: ${SHA256}`)).toEqual([wanted])
  })

  it('of a log that is not its own is left out', () => {
    const open = event(17, '0x402', SHA1).slice(0, -1)
    expect(read(open, 'Wrong Event Log.', event(18, '0x404', SHA1))).toEqual([[18, 0x404, { sha1: ONE }]])
    expect(read(open, 'Wrong Event Log')).toEqual([])
    for (const other of ['no Wrong Event Log.', 'Wrong Event Log. at all'])
      expect(read(open, other)).toEqual([[17, 0x402, { sha1: ONE }]])
  })

  it.each(['Event Log Container:', 'TCG Event Log Header:', 'EVENT_LOG_PTR:', 'EVENT_LOG_POINTER:'])(
    'before "%s" is printed again behind it',
    (heading) => {
      expect(read(event(17, '0x402', SHA1), heading, event(18, '0x404', SHA1))).toEqual([
        [18, 0x404, { sha1: ONE }],
      ])
      expect(read(event(17, '0x402', SHA1), `old ${heading}`)).toHaveLength(1)
    },
  )

  it.each([
    ['PCRIndex: 17 of 24', 'Type: 0x402', `Digest: ${SHA1}`],
    ['old PCRIndex: 17', 'Type: 0x402', `Digest: ${SHA1}`],
    ['PCRIndex: 17', 'Type: 0x402 (old)', `Digest: ${SHA1}`],
    ['PCRIndex: 17', 'old Type: 0x402', `Digest: ${SHA1}`],
    ['PCRIndex: 17', 'Type: 0x402', `old Digest: ${SHA1}`],
  ])('is not read from %j, %j, %j', (...lines) => {
    expect(read('Event:', lines, 'Data: 0 bytes')).toEqual([])
  })

  it.each(['An Event:', 'Event: 7', 'Events:'])('does not begin with "%s"', (heading) => {
    expect(read(heading, event(17, '0x402', SHA1).slice(1))).toEqual([])
  })

  it.each(['old Data: 1', 'Data:'])('does not end with "%s"', (line) => {
    expect(read('Event:', 'PCRIndex: 17', 'Type: 0x402', line, `Digest: ${SHA1}`)).toEqual([
      [17, 0x402, { sha1: ONE }],
    ])
  })
})

describe('a digest of one log per algorithm', () => {
  const bankOf = (algorithm: string, bytes: number) =>
    Object.keys(readPrintedEvents([algorithm, ...event(17, '0x402', pairs('5a', bytes))])[0]?.digests ?? {})

  it.each([
    ['Alg: 4', 20, 'sha1'],
    ['Alg: 11', 32, 'sha256'],
    ['Alg: 18', 32, 'sm3_256'],
    ['Alg: 12', 48, 'sha384'],
    ['Alg: 13', 64, 'sha512'],
    ['Alg: 18', 20, 'sha1'],
    ['Alg: 4', 32, 'sha256'],
    ['Alg: 99', 32, 'sha256'],
    ['', 48, 'sha384'],
    ['an Alg: 18', 32, 'sha256'],
    ['Alg: 18 of 2', 32, 'sha256'],
  ])('behind %j, of %i bytes, is of %s', (algorithm, bytes, bank) => {
    expect(bankOf(algorithm, bytes)).toEqual([bank])
  })
})

describe('an event of a crypto-agile log', () => {
  const sm3 = pairs('3c', 32)
  it('has a digest of each algorithm that it names, without what is printed behind it', () => {
    const digests = {
      SHA1: `${SHA1}00 00 d8 9b`,
      SHA256,
      SHA384: pairs('4d', 48),
      SHA512: pairs('5e', 64),
      SM3_256: sm3,
    }
    expect(read(tcgEvent(17, '0x501', digests))).toEqual([
      [
        17,
        0x501,
        {
          sha1: ONE,
          sha256: TWO,
          sha384: '4d'.repeat(48),
          sha512: '5e'.repeat(64),
          sm3_256: '3c'.repeat(32),
        },
      ],
    ])
  })

  it.each([
    ['is too short', SHA1],
    ['is no hex', 'nothing'],
  ])('lacks a digest that %s, and has the others', (_, text) => {
    expect(read(tcgEvent(17, '0x501', { SHA256: text, SHA1 }))).toEqual([[17, 0x501, { sha1: ONE }]])
  })

  it.each(['a SHA1:', 'SHA1: 20', 'MD5:'])('takes no digest behind "%s"', (name) => {
    const lines = ['TCG Event:', 'pcr_index: 17', 'event_type: 501', name, SHA1, 'event_data: 0 bytes']
    expect(read(lines)).toEqual([])
  })

  it('that ends before the digest hands it to no other', () => {
    const cut = ['TCG Event:', 'pcr_index: 17', 'event_type: 0x501', 'SHA1:']
    expect(read(cut, tcgEvent(18, '0x501', { SHA256 }))).toEqual([[18, 0x501, { sha256: TWO }]])
  })
})
