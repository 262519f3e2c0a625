import { describe, expect, it } from 'vitest'
import { watchForm } from '../../../src/core/initramfs/packed-form.ts'

function problemOf(packing: 'zstd' | 'lz4' | 'xz', bytes: Uint8Array, size: number): string | null {
  const watcher = watchForm(packing)
  for (let at = 0; at < bytes.length; at += size) watcher.feed(bytes.subarray(at, at + size))
  return watcher.problem()
}
const SIZES = [1, 2, 3, 5, 1 << 20]
/** The problem, however the bytes are cut. */
function expectProblem(packing: 'zstd' | 'lz4' | 'xz', bytes: Uint8Array, problem: string | null): void {
  for (const size of SIZES) expect(problemOf(packing, bytes, size), `in pieces of ${size}`).toBe(problem)
}
const CUT = 'packed data that are cut short'

/* RFC 8878, sections 3.1.1.1 and 3.1.1.2. */
describe('a zstd frame', () => {
  const MAGIC = Buffer.from('28b52ffd', 'hex')
  const RAW = 0
  const RLE = 1
  const COMPRESSED = 2
  const block = (kind: number, size: number, isLast: boolean, bytes = kind === RLE ? 1 : size): Buffer => {
    const header = Buffer.alloc(3)
    header.writeUIntLE((size << 3) | (kind << 1) | (isLast ? 1 : 0), 0, 3)
    return Buffer.concat([header, Buffer.alloc(bytes, 0x55)])
  }
  const frame = (descriptor: number, fieldBytes: number, ...blocks: Buffer[]): Buffer =>
    Buffer.concat([MAGIC, Buffer.from([descriptor]), Buffer.alloc(fieldBytes, 0xff), ...blocks])
  const LAST = block(RAW, 5, true)

  it.each([
    ['a window', 0x00, 1],
    ['a single segment', 0x20, 1],
    ['a size of two bytes', 0x40, 1 + 2],
    ['a size of four bytes', 0x80, 1 + 4],
    ['a size of eight bytes', 0xc0, 1 + 8],
    ['a single segment and a size of two bytes', 0x60, 2],
    ['a single segment and a size of eight bytes', 0xe0, 8],
    ['a dictionary of one byte', 0x01, 1 + 1],
    ['a dictionary of two bytes', 0x02, 1 + 2],
    ['a dictionary of four bytes', 0x03, 1 + 4],
    ['a single segment, a size of four bytes and a dictionary of two', 0xa2, 4 + 2],
  ])('with %s is whole, and with anything behind not', (_, descriptor, fieldBytes) => {
    const whole = frame(descriptor, fieldBytes, LAST)
    expectProblem('zstd', whole, null)
    expectProblem('zstd', whole.subarray(0, -1), CUT)
    expectProblem('zstd', Buffer.concat([whole, Buffer.from([1])]), 'other bytes behind the packed archive')
  })

  it.each([
    ['raw', [block(RAW, 300, false), block(RAW, 0, false), LAST]],
    ['of one byte repeated', [block(RLE, 100_000, false), block(RLE, 9, true)]],
    ['compressed', [block(COMPRESSED, 70_000, false), block(COMPRESSED, 2, true)]],
    ['nothing', [block(RAW, 0, true)]],
  ])('with blocks that are %s is whole', (_, blocks) => {
    const whole = frame(0, 1, ...blocks)
    expectProblem('zstd', whole, null)
    expectProblem('zstd', whole.subarray(0, -1), CUT)
    expectProblem('zstd', frame(0, 1, ...blocks.slice(0, -1)), CUT)
    const checked = Buffer.concat([frame(4, 1, ...blocks), Buffer.alloc(4, 9)])
    expectProblem('zstd', checked, null)
    expectProblem('zstd', checked.subarray(0, -1), CUT)
    expectProblem('zstd', Buffer.concat([checked, Buffer.alloc(2)]), 'zeros behind the packed archive')
  })

  it.each([
    ['another frame', frame(0, 1, LAST), 'a second archive (zstd) behind the packed one'],
    ['a plain archive', Buffer.from('0707010000'), 'a second, plain archive behind the packed one'],
    ['zeros and gzip', Buffer.from('00001f8b', 'hex'), 'a second archive (gzip) behind the packed one'],
    ['zeros', Buffer.alloc(5000), 'zeros behind the packed archive'],
    ['much else', Buffer.alloc(5000, 7), 'other bytes behind the packed archive'],
  ])('with %s behind is odd', (_, behind, words) => {
    expectProblem('zstd', Buffer.concat([frame(0, 1, LAST), behind]), words)
  })

  it('has no blocks of a fourth kind', () => {
    const words = 'a zstd block of no known kind'
    expectProblem('zstd', frame(0, 1, block(3, 0, true)), words)
    expectProblem('zstd', frame(0, 1, block(3, 0, false), LAST), words)
    expectProblem('zstd', frame(0, 1, block(RAW, 3, false), block(3, 8, true)), words)
  })

  it.each([0, 3, 4, 5, 6, 8])('is cut short after %i bytes', (length) => {
    expectProblem('zstd', frame(0, 1, LAST).subarray(0, length), CUT)
  })
})

/* lz4_Frame_format.md, "Legacy frame". */
describe('a legacy lz4 frame', () => {
  const MAGIC = Buffer.from('02214c18', 'hex')
  const size = (value: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value >>> 0)
    return bytes
  }
  const block = (bytes: number): Buffer => Buffer.concat([size(bytes), Buffer.alloc(bytes, 0x55)])
  const BOUND = 8 * 1024 * 1024 + 32_896 + 16

  it.each([
    ['no block', []],
    ['one block', [block(7)]],
    ['some blocks', [block(1), block(300), block(4)]],
  ])('with %s ends with its file', (_, blocks) => {
    expectProblem('lz4', Buffer.concat([MAGIC, ...blocks]), null)
    for (const cut of [1, 2, 3])
      expectProblem('lz4', Buffer.concat([MAGIC, ...blocks, Buffer.alloc(cut, 1)]), CUT)
  })

  it('is cut short within a block', () => {
    expectProblem('lz4', Buffer.concat([MAGIC, block(9)]).subarray(0, -1), CUT)
    expectProblem('lz4', Buffer.concat([MAGIC, size(9)]), CUT)
    expectProblem('lz4', MAGIC.subarray(0, 3), CUT)
  })

  it.each([
    ['a block of nothing', size(0), 'zeros behind the packed archive'],
    ['another frame', MAGIC, 'a second archive (lz4) behind the packed one'],
    ['a block that is too long', size(BOUND + 1), 'other bytes behind the packed archive'],
    ['a block of four GiB', size(0xffffffff), 'other bytes behind the packed archive'],
  ])('does not go on with %s', (_, bytes, words) => {
    expectProblem('lz4', Buffer.concat([MAGIC, block(3), bytes, Buffer.alloc(9, 1)]), words)
  })

  it('may have a block as long as what packs to itself', () => {
    const whole = Buffer.concat([MAGIC, block(BOUND)])
    expect(problemOf('lz4', whole, 1 << 20)).toBeNull()
    expect(problemOf('lz4', whole.subarray(0, -1), 1 << 20)).toBe(CUT)
  })
})

/* The .xz File Format 1.1.0, sections 2.1 and 4; numbers: section 1.2. */
describe('an xz stream', () => {
  const CUT_XZ = 'an xz stream that is cut short, or bytes behind it'
  const SEVERAL = 'several xz streams, or bytes between them'
  const number = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) | 128, ...number(Math.floor(value / 128))]
  const stream = (blocks: readonly number[], index?: readonly number[], blockBytes?: number): Buffer => {
    const records = blocks.flatMap((unpadded) => [...number(unpadded), ...number(1_000_000)])
    const listed = index ?? [0, ...number(blocks.length), ...records]
    const filled = [...listed, ...Array<number>((4 - (listed.length % 4)) % 4).fill(0), 1, 2, 3, 4]
    const footer = Buffer.alloc(12)
    footer.writeUInt32LE(filled.length / 4 - 1, 4)
    footer.write('YZ', 10, 'latin1')
    const padded = blocks.reduce((sum, unpadded) => sum + Math.ceil(unpadded / 4) * 4, 0)
    const header = Buffer.from('fd377a585a000001aabbccdd', 'hex')
    return Buffer.concat([header, Buffer.alloc(blockBytes ?? padded, 0x55), Buffer.from(filled), footer])
  }

  it.each([
    ['no block', []],
    ['one block', [40]],
    ['a block that is filled up', [41]],
    ['some blocks', [127, 128, 129, 16_384, 20_001]],
    ['many blocks', Array<number>(200).fill(5)],
  ])('with %s is whole', (_, blocks) => {
    const whole = stream(blocks)
    expectProblem('xz', whole, null)
    expectProblem('xz', whole.subarray(0, -1), CUT_XZ)
    expectProblem('xz', Buffer.concat([whole, Buffer.alloc(4)]), CUT_XZ)
    expectProblem('xz', Buffer.concat([whole, whole]), SEVERAL)
    expectProblem('xz', Buffer.concat([whole, Buffer.alloc(4), whole]), SEVERAL)
    expectProblem('xz', Buffer.concat([Buffer.alloc(4), whole]), SEVERAL)
  })

  it.each([0, 2, 11])('of %i bytes is cut short', (length) => {
    expectProblem('xz', Buffer.from(`${'x'.repeat(10)}YZ`).subarray(12 - length), CUT_XZ)
  })

  it('with an index longer than itself is cut short', () => {
    const bytes = stream([40])
    bytes.writeUInt32LE(1000, bytes.length - 8)
    expectProblem('xz', bytes, CUT_XZ)
  })

  it.each([
    ['that begins otherwise', [1, 1, 40, 9], 40],
    ['that counts more blocks than it has bytes', [0, 120, 40, 9], 40],
    ['that lists fewer blocks than it counts', [0, 6, 4, 9, 4, 9], 24],
    ['whose number never ends', [0, ...Array<number>(20).fill(0xff)], 0],
    ['that ends before a block', [0, 4, 4, 9], 12],
    ['that ends within a block', [0, 5, 0x84, 1, 9, 4], 144],
    ['whose first number is too long', [0, 1, ...Array<number>(7).fill(0xff), 5], 0],
    ['that lists other sizes', [0, 1, 44, 9], 40],
  ])('with an index %s is none', (_, index, blockBytes) => {
    expectProblem('xz', stream([40], index, blockBytes), SEVERAL)
  })
})
