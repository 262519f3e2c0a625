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
