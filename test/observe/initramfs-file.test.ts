import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import { readInitramfs } from '../../src/observe/initramfs/image.ts'
import { archive, genuineEntries } from '../core/initramfs/image-writer.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** An initramfs as a file of a device, read once. */

const PATH = '/boot/initramfs-6.6.36.img'
/** Zstandard Compression (RFC 8878), 3.1.1: magic number, a single segment of five bytes, one raw block, the last one. */
const ZSTD = Buffer.concat([Buffer.from('28b52ffd2005290000', 'hex'), Buffer.from('hello')])

type Opened = Awaited<ReturnType<Host['openFile']>>

const read = (file: Seen<AsyncIterable<Uint8Array>>, told: Partial<Host> = {}) =>
  readInitramfs(makeFakeHost({ openFile: async () => file as Opened, ...told }), PATH)

async function* chunksOf(...parts: (Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield part
  }
}

describe('an initramfs', () => {
  it('that is not there, or cannot be opened, is told as that', async () => {
    expect(await read(ABSENT)).toBe(`${PATH} is not there`)
    expect(await read(unknown('permission denied'))).toBe('permission denied')
  })

  it('is known by the digest of its bytes', async () => {
    const bytes = archive(...genuineEntries())
    const image = await read(seen(chunksOf(bytes)))
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(image).toMatchObject({ sha256, sizeBytes: bytes.length, packing: 'none', odd: [], missing: null })
  })

  it('that a program would have to unpack is odd where none is run', async () => {
    const image = await read(seen(chunksOf(ZSTD)))
    expect(image).toMatchObject({ packing: 'zstd', odd: [expect.any(String)] })
  })

  it('whose unpacker is not installed names it', async () => {
    const unpack: Host['unpack'] = (_call, _packed, onMissing) => {
      onMissing('/usr/bin/zstd')
      return chunksOf()
    }
    expect(await read(seen(chunksOf(ZSTD)), { unpack })).toMatchObject({ missing: '/usr/bin/zstd' })
  })

  it('on a stick that was pulled out is told with what the system says', async () => {
    const error = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
    expect(await read(seen(chunksOf(archive(...genuineEntries()), error)))).toBe('EIO: i/o error, read')
  })

  it('that shows a fault of the program is no answer', async () => {
    await expect(read(seen(chunksOf(new TypeError('a fault'))))).rejects.toThrow('a fault')
  })
})
