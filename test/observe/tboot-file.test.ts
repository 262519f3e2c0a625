import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { mleHashes } from '../../src/core/launch/mle-hash.ts'
import { hashTboot, hasTbootCapabilities } from '../../src/observe/launch/tboot-file.ts'
import { MLE_HEADER_BYTES, tbootWith } from '../core/launch/tboot-image.ts'

/* What was computed of one tboot, or with one line, is never told of another. */

const BANKS = ['sha1', 'sha256'] as const

it('is hashed with each line that is asked for', () => {
  const image = tbootWith(0, 64)
  for (const line of ['', 'placeholder logging=memory', 'logging=memory', 'placeholder logging=memory'])
    expect(hashTboot(gzipSync(image), line)).toEqual(mleHashes(image, line, BANKS))
})

it('is hashed as it lies there now, in place and in another buffer', () => {
  const file = tbootWith(0, 64)
  const first = hashTboot(file, 'a')
  file.writeUInt8(1, file.length - 64 - MLE_HEADER_BYTES + 40)
  expect(hashTboot(file, 'a')).not.toEqual(first)
  expect(hashTboot(file, 'a')).toEqual(mleHashes(file, 'a', BANKS))
})

it('is hashed once for a line, as long as it is the same', () => {
  const image = tbootWith(0, 32)
  const first = hashTboot(image, 'a')
  expect(first).toEqual(mleHashes(image, 'a', BANKS))
  expect(hashTboot(Uint8Array.from(image), 'a')).toBe(first)
  expect(hasTbootCapabilities(image, 0)).toBe(true)
  expect(hashTboot(image, 'a')).toBe(first)
})

it('asks for what its own header says', () => {
  expect(hasTbootCapabilities(tbootWith(0x40, 16), 0x40)).toBe(true)
  expect(hasTbootCapabilities(tbootWith(0x80, 16), 0x40)).toBe(false)
  expect(hasTbootCapabilities(tbootWith(0x40, 16), 0x80)).toBe(false)
})

it.each([
  ['no image', Buffer.from('none')],
  ['a cut one', gzipSync(tbootWith(0, 16)).subarray(0, 30)],
])('is unknown of %s', (_, file) => {
  expect(hashTboot(file, 'a')).toBeNull()
  expect(hasTbootCapabilities(file, 0)).toBeNull()
})

it('is unknown with a line that has no room in it, and known with one that has', () => {
  const image = tbootWith(0, 16)
  expect(hashTboot(image, 'x'.repeat(16))).toBeNull()
  expect(hashTboot(image, 'x')).toEqual(mleHashes(image, 'x', BANKS))
})
