import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { watchForm } from '../../../src/core/initramfs/packed-form.ts'
import { randomBytes } from '../launch/random.ts'

/* xz itself, packing as dracut calls it (059, dracut.sh, lines 2518-2554), but less hard. */
const pack = (bytes: Uint8Array): Buffer =>
  execFileSync('xz', ['--check=crc32', '--lzma2=dict=1MiB', '-0', '-c'], {
    input: bytes,
    maxBuffer: 1 << 24,
  })

describe('an xz stream', () => {
  const stream = pack(randomBytes(3_000_000))
  const problemOf = (bytes: Uint8Array, pieceBytes: number) => {
    const watcher = watchForm('xz')
    for (let at = 0; at < bytes.length; at += pieceBytes) watcher.feed(bytes.subarray(at, at + pieceBytes))
    return watcher.problem()
  }

  it.each([4096, 700_000, 1 << 21, 1 << 24])('is whole, in pieces of %i bytes', (size) => {
    expect(problemOf(stream, size)).toBeNull()
    expect(problemOf(stream.subarray(0, -4), size)).toMatch(/cut short/)
    expect(problemOf(Buffer.concat([stream, stream]), size)).toMatch(/several xz streams/)
  })
})
