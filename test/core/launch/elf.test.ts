import { describe, expect, it } from 'vitest'
import { listSegments } from '../../../src/core/launch/elf.ts'
import { makeFailure } from '../../../src/tables/failures.ts'
import { elfWith } from './elf-writer.ts'

const list = (file: Buffer) =>
  listSegments(file, (why) => makeFailure('mle-unreadable', { hash: 'hash', why, package: 'p' })).map(
    ({ address, memoryBytes, bytes }) => [address, memoryBytes, bytes.toString()],
  )
const segment = (address: number, text: string, more = {}) => ({ address, bytes: Buffer.from(text), ...more })

describe('the segments of an ELF file', () => {
  it.each([32, 40, 56])(
    'are those that are loaded, in the order of their headers of %i bytes',
    (entryBytes) => {
      const file = elfWith(
        [
          segment(0x3000, 'three', { memoryBytes: 9 }),
          segment(0x1000, 'a note', { type: 4 }),
          segment(0x2000, 'two'),
          segment(0x4000, '', { memoryBytes: 7 }),
        ],
        entryBytes,
      )
      expect(list(file)).toEqual([
        [0x3000, 9, 'three'],
        [0x2000, 3, 'two'],
        [0x4000, 7, ''],
      ])
    },
  )

  it('may be none', () => {
    const file = elfWith([])
    expect(file).toHaveLength(52)
    expect(list(file)).toEqual([])
  })

  it('reach the end of the file', () => {
    const [file, text] = [elfWith([segment(0, 'words')]), 'last']
    const moved = Buffer.concat([file, Buffer.from(text)])
    moved.writeUInt32LE(file.length, 52 + 5 + 4)
    moved.writeUInt32LE(text.length, 52 + 5 + 16)
    expect(list(moved)).toEqual([[0, 5, text]])
    expect(() => list(moved.subarray(0, -1))).toThrow('a segment has an impossible size')
  })

  it('have no more bytes in the file than in memory', () => {
    expect(list(elfWith([segment(0, 'words', { memoryBytes: 5 })]))).toHaveLength(1)
    expect(() => list(elfWith([segment(0, 'words', { memoryBytes: 4 })]))).toThrow('an impossible size')
    expect(list(elfWith([segment(0, 'words', { memoryBytes: 4, type: 4 })]))).toEqual([])
  })
})

describe('no ELF-32 file', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a header cut short', elfWith([]).subarray(0, 51)],
    ['other bytes', Buffer.alloc(100)],
    ['one of 64 bits', Buffer.concat([Buffer.from('7f454c460201', 'hex'), elfWith([]).subarray(6)])],
  ])('is %s', (_, file) => {
    expect(() => list(file)).toThrow('it is no 32-bit ELF file')
  })

  it('has its program headers outside', () => {
    const file = elfWith([segment(0, 'one'), segment(0, 'two')])
    expect(list(file)).toHaveLength(2)
    const words = 'its program headers lie outside of it'
    expect(() => list(file.subarray(0, -1))).toThrow(words)
    const short = Buffer.concat([file, Buffer.alloc(100)])
    short.writeUInt16LE(31, 42)
    expect(() => list(short)).toThrow(words)
    const far = Buffer.from(file)
    far.writeUInt32LE(file.length - 63, 28)
    expect(() => list(far)).toThrow(words)
  })
})
