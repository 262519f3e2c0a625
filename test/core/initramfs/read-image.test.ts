import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { startCpioReader } from '../../../src/core/initramfs/cpio-reader.ts'
import { readImage, type Unpack, UnpackError } from '../../../src/core/initramfs/read-image.ts'
import { fc } from '../launch/property.ts'
import { randomBytes } from '../launch/random.ts'
import { DAMAGES } from './damages.ts'
import { archive, early, earlyEntries, entry, genuineEntries, imageWith, pack } from './image-writer.ts'

const noProgram: Unpack = () => {
  throw new UnpackError('no program is run here')
}

/** In pieces of one size, so that every boundary falls somewhere else. */
async function* inPieces(bytes: Uint8Array, sizeBytes = 1 << 20): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes)
}

const read = (bytes: Uint8Array, sizeBytes?: number) => readImage(inPieces(bytes, sizeBytes), noProgram)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('a genuine image', () => {
  const image = Buffer.concat([early(), pack(archive(...genuineEntries()))])

  it.each([1, 7, 109, 512, 4096, 1 << 20])(
    'is of the plain form, read in pieces of %i bytes',
    async (size) => {
      const { odd, sha256: digest, sizeBytes, packing, early: before, main } = await read(image, size)
      expect(odd).toEqual([])
      expect({ digest, sizeBytes, packing }).toEqual({
        digest: sha256(image),
        sizeBytes: image.length,
        packing: 'gzip',
      })
      expect([...before.keys()]).toContain('kernel/x86/microcode/GenuineIntel.bin')
      expect(main.get('usr/bin/bash')).toMatchObject({
        kind: 'file',
        mode: 0o755,
        sha256: sha256(Buffer.from('the shell')),
      })
      expect(main.get('bin')).toMatchObject({ kind: 'link', content: Buffer.from('usr/bin') })
      expect(main.get('usr/lib/dracut/build-parameter.txt')?.content?.toString()).toBe(' --force\n')
    },
  )

  it('has one content under all names of a hard link', async () => {
    const { main } = await read(image)
    expect(main.get('usr/bin/gawk')?.sha256).toBe(sha256(Buffer.from('one file, two names')))
  })

  it.each([
    ['without an early archive', () => pack(archive(...genuineEntries()))],
    ['with a main archive that is not packed', () => Buffer.concat([early(), archive(...genuineEntries())])],
    [
      'with ACPI tables',
      () =>
        Buffer.concat([
          archive(
            ...earlyEntries(),
            entry('kernel/firmware', '', { mode: 0o40755 }),
            entry('kernel/firmware/acpi', '', { mode: 0o40755 }),
            entry('kernel/firmware/acpi/dsdt.aml', 'x'),
          ),
          pack(archive(...genuineEntries())),
        ]),
    ],
  ])('is plain %s', async (_, make) => {
    expect((await read(make())).odd).toEqual([])
  })
})

describe('a large image', () => {
  it.each([100, 1000, 5000])('is unpacked whole, in pieces of %i bytes', async (size) => {
    const content = randomBytes(200_000)
    const image = Buffer.concat([
      early(),
      pack(archive(...genuineEntries(), entry('usr/bin/large', content))),
    ])
    const { odd, main } = await read(image, size)
    expect(odd).toEqual([])
    expect(main.get('usr/bin/large')?.sha256).toBe(sha256(content))
  })

  it('is unpacked whole where it is packed to more than is kept of it, and what lies behind it is found', async () => {
    const content = randomBytes(2_000_000)
    const packed = pack(archive(...genuineEntries(), entry('usr/bin/large', content)))
    const { odd, main } = await read(Buffer.concat([early(), packed]), 10_000)
    expect(odd).toEqual([])
    expect(main.get('usr/bin/large')?.sha256).toBe(sha256(content))
    const behind = await read(Buffer.concat([early(), packed, Buffer.from('garbage!')]), 10_000)
    expect(behind.odd).toEqual(['other bytes behind the packed archive'])
  })
})

describe('what is odd about an image', () => {
  it('is said once, however often it is found', async () => {
    const padded = ['usr/bin/a', 'usr/bin/b'].map((name) => entry(name, 'x', { filler: 1 }))
    expect((await read(imageWith(...padded))).odd).toEqual(['padding that is not zero'])
  })

  it('is said of the first twenty faults alone', async () => {
    const names = Array.from({ length: 30 }, (_, at) => entry(`file-${at}`, 'x'))
    const image = Buffer.concat([archive(...earlyEntries(), ...names), pack(archive(...genuineEntries()))])
    expect((await read(image)).odd).toHaveLength(20)
  })
})

it('what is no archive is not unpacked any further: nothing is told of what lies behind it', async () => {
  const packed = pack(randomBytes(2_000_000))
  const [alone, behind] = [packed, Buffer.concat([packed, Buffer.from('garbage!')])]
  const { odd } = await read(alone, 10_000)
  expect(odd).toHaveLength(1)
  const found = await read(behind, 10_000)
  expect(found.odd).toEqual(odd)
  expect(found.sha256).toBe(sha256(behind))
})

describe('an image of another form', () => {
  it.each(DAMAGES.map((damage) => [damage.name, damage] as const))('%s', async (_, { image, form }) => {
    for (const size of [3, 1 << 20]) {
      const { odd, sha256: digest } = await read(image(), size)
      expect(odd[0], `in pieces of ${size}`).toMatch(form)
      // All bytes are hashed, whatever was found on the way.
      expect(digest).toBe(sha256(image()))
    }
  })
})

const mutation = fc.record({
  kind: fc.constantFrom('flip', 'cut', 'insert', 'repeat', 'zero'),
  at: fc.nat(),
  length: fc.integer({ min: 1, max: 600 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
})

function damage(
  image: Buffer,
  { kind, at, length, bytes }: typeof mutation extends fc.Arbitrary<infer T> ? T : never,
): Buffer {
  const from = image.length === 0 ? 0 : at % image.length
  const part = image.subarray(from, from + length)
  const [before, behind] = [image.subarray(0, from), image.subarray(from + part.length)]
  if (kind === 'cut') return Buffer.concat([before, behind])
  if (kind === 'insert') return Buffer.concat([before, bytes, part, behind])
  if (kind === 'repeat') return Buffer.concat([before, part, part, behind])
  if (kind === 'zero') return Buffer.concat([before, Buffer.alloc(part.length), behind])
  return Buffer.concat([before, part.map((byte, index) => byte ^ (bytes[index % bytes.length] ?? 1)), behind])
}

describe('whatever the bytes are', () => {
  const plain = Buffer.concat([early(), archive(...genuineEntries())])
  const packed = Buffer.concat([early(), pack(archive(...genuineEntries()))])

  it('ends, hashes all of them, and throws nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(plain, packed),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(1, 5, 100, 1 << 20),
        async (image, mutations, size) => {
          const damaged = mutations.reduce<Buffer>((bytes, one) => damage(bytes, one), image)
          const { sha256: digest, sizeBytes } = await read(damaged, size)
          expect([digest, sizeBytes]).toEqual([sha256(damaged), damaged.length])
        },
      ),
      { numRuns: 400 },
    )
  })

  it('takes bytes of no form at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
        const { odd } = await read(bytes)
        return odd.length > 0
      }),
    )
  })

  it('takes a time that grows with the size alone: many entries, many names, tiny pieces', async () => {
    // The processor's time, the least of three: what else the machine does must not count.
    const work = async (count: number): Promise<number> => {
      const names = Array.from({ length: count }, (_, at) =>
        entry(`file-${at}`, 'x', { inode: 5, linkCount: 2 }),
      )
      const bytes = archive(entry('.', '', { mode: 0o40755 }), ...names)
      const tries: number[] = []
      for (let one = 0; one < 3; one++) {
        const begin = process.cpuUsage()
        await read(bytes, 64)
        tries.push(process.cpuUsage(begin).user / 1000)
      }
      return Math.min(...tries)
    }
    await work(500)
    const [small, large] = [await work(2000), await work(16_000)]
    // Quadratic work would be 64 times as long.
    expect(large).toBeLessThan(Math.max(small, 5) * 30)
  })

  it('gives up an archive that unpacks without end, at its limit', () => {
    const forms: string[] = []
    const reader = startCpioReader({
      keeps: () => false,
      onOdd: (form) => forms.push(form),
      stopsAtEnd: false,
      maxBytes: 10_000,
    })
    reader.feed(entry('big', '', { fields: { 6: 0xffffffff } }))
    const zeros = new Uint8Array(1000)
    let fed = 0
    while (reader.state() === 'open' && fed < 100_000) fed += reader.feed(zeros)
    expect([reader.state(), forms]).toEqual(['dead', ['more unpacked bytes than any initramfs has']])
    expect(fed).toBeLessThanOrEqual(11_000)
  })

  it('still hashes what follows an entry that is longer than its archive', async () => {
    const bomb = Buffer.concat([
      pack(entry('usr/big', '', { fields: { 6: 0xffffffff } })),
      Buffer.alloc(100_000),
    ])
    const { odd, sha256: digest } = await read(bomb)
    expect(odd.length).toBeGreaterThan(0)
    expect(digest).toBe(sha256(bomb))
  })

  it('passes on what the device itself says', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield early()
      throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
    }
    await expect(readImage(broken(), noProgram)).rejects.toThrow('EIO')
  })
})
