import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import { isBankComputable } from '../../../src/core/launch/pcr.ts'
import { replayLog } from '../../../src/core/launch/replay.ts'
import { parseTcgLog } from '../../../src/core/launch/tcg-log.ts'
import { parseEventLogLocation } from '../../../src/core/launch/xl-dmesg.ts'
import { fc } from './property.ts'
import {
  ALGORITHMS,
  registersOf,
  SM3,
  u32,
  type WrittenEvent,
  writeAgileLog,
  writeTxtContainer,
} from './tcg-writer.ts'

const NAME = Buffer.from('Measured MB2 module\0')

const EVENTS: WrittenEvent[] = [
  { pcr: 17, type: 0x402, content: 'sinit', data: Buffer.alloc(36, 7) },
  { pcr: 255, type: 0x401, content: 'not extended', data: u32(1) },
  { pcr: 17, type: 0x404, content: 'xen as mle' },
  { pcr: 18, type: 0x502, content: 'multiboot information' },
  { pcr: 18, type: 0x502, content: 'intel info' },
  { pcr: 17, type: 0x502, content: 'kernel', data: NAME },
  { pcr: 17, type: 0x502, content: 'initramfs', data: NAME },
  ...[19, 20, 21, 22].map((pcr) => ({ pcr, type: 0x502, content: `into ${pcr}`, data: Buffer.from([pcr]) })),
]

const INDICES = [17, 18, 19, 20, 21, 22]

function cutsOf(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length))
}

describe('a crypto-agile log', () => {
  const bytes = writeAgileLog(EVENTS, ALGORITHMS)

  it('replays in four banks and in every register from 17 to 22', () => {
    const replayed = replayLog(parseTcgLog(bytes, bytes.length), registersOf(EVENTS, ALGORITHMS), INDICES)
    expect(replayed).toHaveLength(4 * 6)
    expect(replayed.every((one) => one.status === 'faithful')).toBe(true)
  })

  it('names the modules by load order and keeps their event text', () => {
    const log = parseTcgLog(bytes)
    const modules = log.events.filter((event) => event.origin.kind === 'module')
    expect(modules.map((event) => [event.origin, event.data])).toEqual([
      [{ kind: 'module', moduleIndex: 0 }, 'Measured MB2 module'],
      [{ kind: 'module', moduleIndex: 1 }, 'Measured MB2 module'],
    ])
    expect(log.modules).toHaveLength(2)
  })

  it('cut off at every byte is refused while an event or the end mark is incomplete', () => {
    const eventsEnd = bytes.length - 64
    for (const cut of cutsOf(bytes)) {
      if (cut.length >= eventsEnd + 12) expect(parseTcgLog(cut).events).toHaveLength(EVENTS.length - 1)
      else expect(() => parseTcgLog(cut), `${cut.length} bytes`).toThrow(Failure)
      expect(() => parseTcgLog(cut, bytes.length)).toThrow(/cut off/)
    }
  })

  it('that ends with its buffer is complete only where the size of the buffer says so', () => {
    const full = bytes.subarray(0, bytes.length - 64)
    expect(parseTcgLog(full, full.length).events).toHaveLength(EVENTS.length - 1)
    expect(() => parseTcgLog(full)).toThrow(Failure)
  })

  it("with the loader's log pointer ends there and is refused when cut", () => {
    const pointed = writeAgileLog(EVENTS, ALGORITHMS, null)
    const pcrs = registersOf(EVENTS, ALGORITHMS)
    expect(replayLog(parseTcgLog(pointed), pcrs, INDICES).every((one) => one.status === 'faithful')).toBe(
      true,
    )
    for (const cut of cutsOf(pointed.subarray(0, pointed.length - 300)))
      expect(() => parseTcgLog(cut), `${cut.length} bytes`).toThrow(Failure)
  })

  it('with a byte changed in a digest is unfaithful in that bank only', () => {
    const changed = Buffer.from(bytes)
    const at = changed.indexOf(Buffer.from([17, 0, 0, 0, 4, 4, 0, 0])) + 12 + 2
    changed[at] = changed[at]! ^ 1
    const bad = replayLog(parseTcgLog(changed), registersOf(EVENTS, ALGORITHMS), INDICES).filter(
      (one) => one.status !== 'faithful',
    )
    expect(bad.map((one) => [one.bank, one.index, one.status, one.matchesAfter])).toEqual([
      ['sha1', 17, 'unfaithful', null],
    ])
  })

  it('with an event the TPM never took says after which extend they part', () => {
    const more = [...EVENTS, { pcr: 18, type: 0x502, content: 'never extended' }]
    const log = parseTcgLog(writeAgileLog(more, ALGORITHMS))
    const eighteen = replayLog(log, registersOf(EVENTS, ALGORITHMS), [18]).find((one) => one.index === 18)
    expect(eighteen).toMatchObject({ status: 'unfaithful', matchesAfter: 2 })
  })

  it('with one bank only, or with SM3, replays where the hash is to be had', () => {
    for (const algorithms of [[ALGORITHMS[1]!], [...ALGORITHMS, SM3]]) {
      if (!isBankComputable('sm3_256') && algorithms.includes(SM3)) continue
      const log = parseTcgLog(writeAgileLog(EVENTS, algorithms))
      expect(
        replayLog(log, registersOf(EVENTS, algorithms), INDICES).every((one) => one.status === 'faithful'),
      ).toBe(true)
    }
  })

  it('does not extend EV_NO_ACTION, and takes the startup locality from it', () => {
    const locality = Buffer.concat([Buffer.from('StartupLocality\0'), Buffer.from([3])])
    const events = [
      { pcr: 0, type: 3, content: 'no action', data: locality },
      { pcr: 0, type: 1, content: 'code' },
      ...EVENTS,
    ]
    const log = parseTcgLog(writeAgileLog(events, ALGORITHMS))
    expect(log.startupLocality).toBe(3)
    const zero = Buffer.alloc(32)
    zero[31] = 3
    const replayed = replayLog(log, { sha256: { 0: 'ab'.repeat(32) } }, [0]).find((one) => one.index === 0)
    expect(replayed?.status).toBe('unfaithful')
    expect(replayed?.replayed).not.toBe(registersOf(events, ALGORITHMS).sha256?.[0])
    expect(log.events.some((event) => event.type === 3)).toBe(false)
  })

  it.each([
    ['no algorithm', 28 + 4 + 16 + 8, u32(0), 'names 0 algorithms'],
    ['a million algorithms', 28 + 4 + 16 + 8, u32(1_000_000), 'names 1000000 algorithms'],
    ['a header of 4 GiB', 28, u32(0xffffffff), 'cut off'],
    [
      'a digest of 20 bytes named SHA-256',
      28 + 4 + 16 + 8 + 4,
      Buffer.from([0x0b, 0, 20, 0]),
      'sha256 digests have 20 bytes',
    ],
  ])('with %s is refused', (_, at, value, words) => {
    const changed = Buffer.from(bytes)
    value.copy(changed, at)
    expect(() => parseTcgLog(changed)).toThrow(words)
  })
})

describe.each([false, true])('a TXT event container (TCG header before it: %s)', (wrapped) => {
  const sha1 = [ALGORITHMS[0]!]
  const bytes = writeTxtContainer(EVENTS, wrapped)

  it('replays', () => {
    const replayed = replayLog(parseTcgLog(bytes), registersOf(EVENTS, sha1), INDICES)
    expect(replayed.map((one) => one.status)).toEqual(INDICES.map(() => 'faithful'))
  })

  it('cut off at every byte is refused', () => {
    for (const cut of cutsOf(bytes)) expect(() => parseTcgLog(cut), `${cut.length} bytes`).toThrow(Failure)
  })

  it.each([
    ['a next event behind its end', 44, u32(100_000)],
    ['a next event before the first', 44, u32(40)],
    ['a first event inside its header', 40, u32(8)],
    ['a size beyond what was read', 36, u32(1 << 20)],
    ['a size that ends before its events do', 36, u32(100)],
  ])('with %s is refused', (_, at, value) => {
    const changed = Buffer.from(bytes)
    value.copy(changed, at + (wrapped ? 57 : 0))
    expect(() => parseTcgLog(changed)).toThrow(Failure)
  })
})

/*
 * Of the conventional BIOS it is 00 (TCG PC Client Specific Implementation Specification 1.21, section 11.3.4.1), and so SKL signs
 * the log of a TPM 1.2 (TrenchBoot/secure-kernel-loader, event_log.c, tpm12_id_struct); of UEFI it is 02.
 */
describe('the header before a TXT event container', () => {
  const withSignature = (signature: string) => {
    const bytes = writeTxtContainer(EVENTS, true)
    bytes.write(signature, bytes.indexOf('Spec ID Event02'), 'latin1')
    return bytes
  }

  it.each(['Spec ID Event00', 'Spec ID Event02'])('may be signed %s', (signature) => {
    const log = parseTcgLog(withSignature(signature))
    const replayed = replayLog(log, registersOf(EVENTS, [ALGORITHMS[0]!]), INDICES)
    expect(replayed.map((one) => one.status)).toEqual(INDICES.map(() => 'faithful'))
  })

  it.each(['Spec ID Event01', 'Spec ID Event0x', 'spec id event00'])('may not be signed %s', (signature) => {
    expect(() => parseTcgLog(withSignature(signature))).toThrow('its signature is')
  })
})

describe('any bytes', () => {
  it('give a log or a Failure, and never a faithful register with another value', () => {
    const logs = [writeAgileLog(EVENTS, ALGORITHMS), writeTxtContainer(EVENTS, true)]
    const change = fc.tuple(fc.nat(), fc.nat(255))
    const pcrs = registersOf(EVENTS, ALGORITHMS)
    fc.assert(
      fc.property(fc.constantFrom(...logs), fc.array(change, { maxLength: 6 }), (log, changes) => {
        const bytes = Buffer.from(log)
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        try {
          for (const one of replayLog(parseTcgLog(bytes), pcrs, INDICES))
            if (one.status === 'faithful') expect(one.replayed).toBe(one.now)
        } catch (error) {
          if (!(error instanceof Failure)) throw error
        }
      }),
      { numRuns: 400 },
    )
  })

  it('of random content are refused', () => {
    const isRefused = (bytes: Uint8Array) => {
      try {
        parseTcgLog(bytes)
      } catch (error) {
        return error instanceof Failure
      }
      return false
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), isRefused))
  })
})

describe('xl dmesg', () => {
  it.each([
    [
      '(XEN) SLAUNCH: reserving event log (0x9d000000 - 0x9d008000)',
      { address: 0x9d000000, sizeBytes: 0x8000 },
    ],
    [
      '(XEN) SLAUNCH: reserving event log [0x19d000000, 0x19d010000)',
      { address: 0x19d000000, sizeBytes: 0x10000 },
    ],
    // The most that is read, 16 MiB.
    [
      '(XEN) SLAUNCH: reserving event log [0x9d000000, 0x9e000000)',
      { address: 0x9d000000, sizeBytes: 16 << 20 },
    ],
  ])('%s', (line, wanted) => {
    expect(parseEventLogLocation(`(XEN) Xen version 4.17.4\n${line}\n(XEN) more\n`)).toEqual(wanted)
  })

  it.each([
    '',
    '(XEN) SLAUNCH: reserving SLB (0x9d000000 - 0x9d010000)',
    '(XEN) SLAUNCH: reserving event log (0x9d008000 - 0x9d000000)',
    '(XEN) SLAUNCH: reserving event log (0 - 0x9d000000)',
    '(XEN) SLAUNCH: reserving event log [0x9d000000, 0x9e000001)',
    '(XEN) SLAUNCH: reserving event log (0x1 - 0xffffffffffffffff)',
  ])('%j names no usable range', (text) => {
    expect(parseEventLogLocation(text)).toBeNull()
  })

  it.each([
    ['(0x9d000000 - 0x9d008000)', true],
    ['(0x9d000000 - 0x9d010000)', false],
    ['(0x9d000000 - 0x9d004000)', false],
    ['(0x9d004000 - 0x9d008000)', false],
  ])('a second line with %s agrees: %s', (range, agrees) => {
    const lines = ['(0x9d000000 - 0x9d008000)', range].map(
      (one) => `(XEN) SLAUNCH: reserving event log ${one}`,
    )
    const wanted = agrees ? { address: 0x9d000000, sizeBytes: 0x8000 } : null
    expect(parseEventLogLocation(lines.join('\n'))).toEqual(wanted)
    expect(parseEventLogLocation(lines.toReversed().join('\n'))).toEqual(wanted)
  })
})
