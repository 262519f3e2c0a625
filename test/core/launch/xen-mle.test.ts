import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isBankComputable } from '../../../src/core/launch/pcr.ts'
import { isSame, listFittingVariants, xenMle } from '../../../src/core/launch/xen-mle.ts'
import { elfWith } from './elf-writer.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const TWO_MIB = 2 * 1024 * 1024
const UUID = Buffer.from('5aac82906f47a7740f5c55a2cb51b642', 'hex')

/** An MLE header (TXT Software Development Guide 017, section 2.1) at a place in memory that is else filled. */
function memoryWith(start: number, end: number, at = 0x40, size = 0x1100): Buffer {
  const memory = Buffer.alloc(size, 0x77)
  UUID.copy(memory, at)
  const fields = [0x34, 0x20002, 0x626794, 0x5555, start, end]
  for (const [index, value] of fields.entries()) memory.writeUInt32LE(value, at + 16 + 4 * index)
  return memory
}
const mleOf = (memory: Buffer, memoryBytes = memory.length) =>
  xenMle(elfWith([{ address: 0x20_0000, bytes: memory, memoryBytes }]), ['sha256'])
const filled = (memory: Buffer): Buffer => Buffer.concat([memory, Buffer.alloc(TWO_MIB - memory.length)])

describe('Xen as GRUB measures it', () => {
  it('is what its header names, or all of it rounded up, or that with a patched header', () => {
    const memory = memoryWith(0x10, 0x1000)
    const patched = filled(memory)
    patched.writeUInt32LE(0, 0x40 + 28)
    patched.writeUInt32LE(TWO_MIB, 0x40 + 36)
    expect(mleOf(memory)).toEqual({
      digests: {
        header: { sha256: sha256(memory.subarray(0x10, 0x1000)) },
        rounded: { sha256: sha256(filled(memory)) },
        'rounded-patched': { sha256: sha256(patched) },
      },
      entry: { sha256: sha256(Buffer.from('94676200', 'hex')) },
    })
  })

  it('is all of it, and the zeros that only memory has', () => {
    const memory = memoryWith(0, 0x1180)
    const { header, rounded } = mleOf(memory, 0x1180).digests
    expect(header).toEqual({ sha256: sha256(Buffer.concat([memory, Buffer.alloc(0x80)])) })
    expect(rounded).toEqual({ sha256: sha256(filled(memory)) })
  })

  it('lies from the lowest address of its segments, zeros between', () => {
    const memory = memoryWith(0, 0x2002)
    const file = elfWith([
      { address: 0x30_2000, bytes: Buffer.from('ab') },
      { address: 0x30_0000, bytes: memory },
    ])
    const whole = Buffer.concat([memory, Buffer.alloc(0x2000 - memory.length), Buffer.from('ab')])
    expect(xenMle(file, ['sha256']).digests.header).toEqual({ sha256: sha256(whole) })
  })

  it('is not rounded where it has whole pieces already', () => {
    const memory = memoryWith(0, 1)
    expect(mleOf(memory, TWO_MIB).digests.rounded).toEqual({ sha256: sha256(filled(memory)) })
    const more = Buffer.concat([filled(memory), Buffer.alloc(TWO_MIB)])
    expect(mleOf(memory, TWO_MIB + 1).digests.rounded).toEqual({ sha256: sha256(more) })
  })

  it.each([
    [0, 1],
    [0x10ff, 0x1100],
  ])('may be measured from %i to %i', (start, end) => {
    const memory = memoryWith(start, end)
    expect(mleOf(memory).digests.header).toEqual({ sha256: sha256(memory.subarray(start, end)) })
  })

  it.each([
    [0, 0],
    [8, 8],
    [8, 7],
    [0, 0x1101],
    [0x1101, 0x1101],
  ])('is not measured from %i to %i', (start, end) => {
    expect(() => mleOf(memoryWith(start, end))).toThrow('its header names a range outside of it')
  })

  it.each([0, 0x10, 0xff0])('has its header in the first page, at %i', (at) => {
    const memory = memoryWith(0, 16, at)
    expect(mleOf(memory).digests.header).toEqual({ sha256: sha256(memory.subarray(0, 16)) })
  })

  it.each([
    ['at no place that GRUB looks at', memoryWith(0, 16, 8)],
    ['behind the first page', memoryWith(0, 16, 0x1000)],
    ['cut short by the end', memoryWith(0, 16, 0x40).subarray(0, 0x40 + 40)],
    ['with another UUID', Buffer.alloc(0x1000)],
    ['and nothing else', Buffer.alloc(1)],
  ])('is no Xen with a header %s', (_, memory) => {
    expect(() => mleOf(memory)).toThrow('it has no MLE header, so it is no Xen of TrenchBoot')
  })

  it.each([
    ['no segment', elfWith([])],
    ['no segment that is loaded', elfWith([{ address: 0, bytes: memoryWith(0, 16), type: 4 }])],
    ['nothing in memory', elfWith([{ address: 0x20_0000, bytes: Buffer.alloc(0) }])],
    ['more than 128 MiB', elfWith([{ address: 0, bytes: memoryWith(0, 16), memoryBytes: 2 ** 27 + 1 }])],
    [
      'segments more than 128 MiB apart',
      elfWith([
        { address: 0, bytes: memoryWith(0, 16) },
        { address: 2 ** 27, bytes: Buffer.alloc(1) },
      ]),
    ],
  ])('is no Xen with %s', (_, file) => {
    expect(() => xenMle(file, ['sha256'])).toThrow('it has an impossible size')
  })

  it('may have 128 MiB', () => {
    const file = elfWith([{ address: 0, bytes: memoryWith(0, 16), memoryBytes: 2 ** 27 }])
    expect(xenMle(file, []).digests.header).toEqual({})
  })
})

const [A, B, C] = ['aa', 'bb', 'cc'] as const

it.each([
  [{ sha1: A }, { sha1: A }, true],
  [{ sha1: A }, { sha1: B }, false],
  [{ sha1: A, sha256: B }, { sha1: A, sha256: B }, true],
  [{ sha1: A, sha256: B }, { sha1: A, sha256: C }, false],
  [{ sha1: A, sha256: B }, { sha1: C, sha256: B }, false],
  [{ sha1: A, sha256: B }, { sha1: A }, true],
  [{ sha1: A }, { sha1: A, sha256: B }, true],
  [{ sha1: A }, { sha256: A }, false],
  [{}, { sha1: A }, false],
  [{ sha1: A }, {}, false],
  [{}, {}, false],
  [{ sm3_256: A }, { sm3_256: A }, isBankComputable('sm3_256')],
])('%j and %j are the same where every common bank is, of which there is one: %s', (a, b, expected) => {
  expect(isSame(a, b)).toBe(expected)
})

describe('the sizes that fit what was measured', () => {
  const xen = {
    digests: { header: { sha1: A }, rounded: { sha1: B }, 'rounded-patched': { sha1: C } },
    entry: {},
  }
  const fitting = (sha1: string, cpu: 'intel' | 'amd' | null) =>
    listFittingVariants(xen, { sha1 }, cpu === null ? null : { cpu, firmware: 'bios' })

  it.each(['intel', 'amd', null] as const)('are the one that gives it, launched by %s', (cpu) => {
    expect(fitting(A, cpu)).toEqual(['header'])
    expect(fitting(B, cpu)).toEqual(['rounded'])
    expect(fitting(C, cpu)).toEqual(cpu === 'amd' ? [] : ['rounded-patched'])
    expect(fitting('dd', cpu)).toEqual([])
  })
})
