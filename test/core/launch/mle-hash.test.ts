import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { mleHash } from '../../../src/core/launch/mle-hash.ts'
import { MLE_HEADER_BYTES, tbootWith } from './tboot-image.ts'

describe("tboot's command line in its MLE hash", () => {
  const image = tbootWith(0, 16)
  const measured = (line: string) => {
    const memory = image.subarray(-(MLE_HEADER_BYTES + 16))
    return Buffer.concat([memory.subarray(0, MLE_HEADER_BYTES), Buffer.from(line.padEnd(16, '\0'))])
  }

  it.each(['', 'logging=memory', 'x'.repeat(15)])('%j stands in its place, a zero behind it', (line) => {
    expect(mleHash(image, line, 'sha256')).toBe(createHash('sha256').update(measured(line)).digest('hex'))
  })

  it.each([16, 17, 1000])('of %i bytes is refused where its place has 16', (length) => {
    expect(() => mleHash(image, 'x'.repeat(length), 'sha256')).toThrow(`has ${length} bytes, too many`)
  })
})

describe('the measured range that the MLE header names', () => {
  const START = 32
  const END = 36
  const withRange = (start: number, end: number) => {
    const image = tbootWith(0, 16)
    const header = image.length - (MLE_HEADER_BYTES + 16)
    image.writeUInt32LE(start, header + START)
    image.writeUInt32LE(end, header + END)
    return image
  }

  it('of one byte is hashed', () => {
    const first = createHash('sha256').update(Buffer.from('5a', 'hex')).digest('hex')
    expect(mleHash(withRange(0, 1), '', 'sha256')).toBe(first)
  })

  it.each([
    [0, 0],
    [8, 8],
    [8, 7],
    [0, MLE_HEADER_BYTES + 17],
  ])('from %i to %i is refused', (start, end) => {
    expect(() => mleHash(withRange(start, end), '', 'sha256')).toThrow('a range outside the image')
  })
})
