import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { digestStream } from '../../src/host/digest.ts'
import { makeXenImage } from '../../src/host/simulated/boot-images.ts'
import { runTool } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

function sums(bytes: Uint8Array): { sha1: string; sha256: string } {
  const hash = (name: string): string => createHash(name).update(bytes).digest('hex')
  return { sha1: hash('sha1'), sha256: hash('sha256') }
}

const XEN = makeXenImage('4.17.4-4')
const BUILD_ID = createHash('sha1').update('build id of 4.17.4-4').digest('hex')

describe('digestStream', () => {
  it('of plain bytes has no gunzipped sums and no build id', async () => {
    const bytes = Buffer.from('070701 initramfs')
    expect(await digestStream(inPieces(bytes, [4]))).toEqual({ ...sums(bytes), sizeBytes: bytes.length })
  })

  it('of a gzip file that unpacks to more than allowed has its own sums only', async () => {
    const [bomb, allowed] = [gzipSync(Buffer.alloc(3_000_001)), gzipSync(Buffer.alloc(3_000_000))]
    const digests = await digestStream(inPieces(bomb, [100]), 3_000_000)
    const { unpackedBytes, ...rest } = digests
    expect(rest).toEqual({ ...sums(bomb), sizeBytes: bomb.length })
    expect(unpackedBytes).toBeGreaterThan(3_000_000)
    expect((await digestStream(inPieces(allowed, [100]), 3_000_000)).gunzipped).toEqual(
      sums(Buffer.alloc(3_000_000)),
    )
  })

  it('of nothing at all', async () => {
    const nothing = Buffer.alloc(0)
    expect(await digestStream(inPieces(nothing, [1]))).toEqual({ ...sums(nothing), sizeBytes: 0 })
  })

  it('of a gzip image has both sums and the build id inside', async () => {
    expect(await digestStream(inPieces(XEN, [1 << 20]))).toEqual({
      ...sums(XEN),
      sizeBytes: XEN.length,
      unpackedBytes: gunzipSync(XEN).length,
      gunzipped: sums(gunzipSync(XEN)),
      buildId: BUILD_ID,
    })
  })

  it('of an image that is not compressed has the build id too', async () => {
    const plain = gunzipSync(XEN)
    const { gunzipped, buildId } = await digestStream(inPieces(plain, [4096]))
    expect({ gunzipped, buildId }).toEqual({ gunzipped: undefined, buildId: BUILD_ID })
  })

  it('does not depend on how the stream is cut', async () => {
    const whole = await digestStream(inPieces(XEN, [XEN.length]))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 64 }), { minLength: 1, maxLength: 6 }), async (sizes) => {
        // Empty pieces come too, but never only those.
        const pieces = [...sizes, 1 + (sizes[0] ?? 0)]
        expect(await digestStream(inPieces(XEN, pieces))).toEqual(whole)
      }),
      { numRuns: 40, examples: [[[0]], [[1]], [[0, 0, 1]], [[2, 1]]] },
    )
  })

  it('unpacks a gzip file of several members', async () => {
    const bytes = Buffer.concat([gzipSync('first '), gzipSync('second')])
    expect((await digestStream(inPieces(bytes, [7]))).gunzipped).toEqual(sums(Buffer.from('first second')))
  })

  it('of a damaged gzip file has its own sums only', async () => {
    const damaged = [
      XEN.subarray(0, XEN.length - 9),
      Buffer.concat([XEN.subarray(0, 40), Buffer.from([0xff, 0xff, 0xff, 0xff]), XEN.subarray(44)]),
      XEN.subarray(0, 2),
      Buffer.concat([XEN.subarray(0, XEN.length - 8), Buffer.alloc(8)]),
    ]
    for (const bytes of damaged) {
      const { unpackedBytes: _, ...digests } = await digestStream(inPieces(bytes, [13]))
      expect(digests).toEqual({ ...sums(bytes), sizeBytes: bytes.length })
    }
  })

  it('never fails and never hangs, whatever follows the magic of gzip', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (rest) => {
        const bytes = Buffer.concat([Buffer.from([0x1f, 0x8b]), rest])
        expect(await digestStream(inPieces(bytes, [50]))).toMatchObject(sums(bytes))
      }),
    )
  })

  it('says what readelf says of a real Xen image', async () => {
    const image = '/boot/xen-4.17-amd64.gz'
    if (!existsSync(image)) throw new Error(`${image} is missing: apt-get install xen-hypervisor-4.17-amd64`)
    const plain = join(temporaryDirectory(), 'xen')
    writeFileSync(plain, gunzipSync(readFileSync(image)))
    const notes = await runTool('/usr/bin/readelf', ['-n', plain], 'binutils')
    const digests = await digestStream(createReadStream(image))
    expect(notes).toContain(`Build ID: ${digests.buildId}`)
    expect(digests.gunzipped).toEqual(sums(readFileSync(plain)))
    expect(digests).toMatchObject(sums(readFileSync(image)))
  })
})
