import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { readImage } from '../../../src/core/initramfs/read-image.ts'
import { streamProgram } from '../../../src/host/stream-program.ts'
import { type CommandCall, type CommandId, command } from '../../../src/tables/commands.ts'
import { archive, early, entry, genuineEntries, withBootConfig } from './image-writer.ts'

/* The programs that unpack, themselves; packed with the options of dracut 059, dracut.sh, lines 2518-2554. */

const PACKERS = {
  zstd: ['zstd', '-15', '-q', '-T0', '-c'],
  xz: ['xz', '--check=crc32', '--lzma2=dict=1MiB', '-T0', '-c'],
  lz4: ['lz4', '-l', '-9', '-c'],
} as const
type Kind = keyof typeof PACKERS

function pack(kind: Kind, bytes: Uint8Array): Buffer {
  const [program, ...args] = PACKERS[kind]
  return execFileSync(program, args, { input: bytes, stdio: ['pipe', 'pipe', 'ignore'] })
}

async function* inPieces(bytes: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes)
}

/** Somebody who is not root may not become nobody: then without setpriv, the rest alike. */
function callOf(kind: Kind): CommandCall {
  const call: CommandCall = command(`unpack-${kind}` satisfies CommandId, {})
  return process.getuid?.() === 0 ? call : { ...call, argv: call.argv.slice(call.argv.indexOf('--') + 1) }
}

async function read(kind: Kind, bytes: Uint8Array, sizeBytes = 1 << 16) {
  const missing: string[] = []
  const image = await readImage(inPieces(bytes, sizeBytes), (_, packed) =>
    streamProgram(callOf(kind), packed, (program) => missing.push(program)),
  )
  expect(missing).toEqual([])
  return image
}

const body = archive(...genuineEntries(), entry('usr/bin/large', Buffer.alloc(3_000_000, 'large ')))
const second = archive(entry('usr/bin/bash', 'EVIL'))

describe.each(Object.keys(PACKERS) as Kind[])('an archive packed by %s', (kind) => {
  const packed = pack(kind, body)
  const genuine = Buffer.concat([early(), packed])

  it.each([11, 1 << 16])('is read in pieces of %i bytes', async (size) => {
    const { odd, packing, main } = await read(kind, genuine, size)
    expect(odd).toEqual([])
    expect(packing).toBe(kind)
    expect(main.get('usr/lib/dracut/build-parameter.txt')?.content?.toString()).toBe(' --force\n')
  })

  it.each([
    [
      'a second archive packed alike',
      () => Buffer.concat([genuine, pack(kind, second)]),
      /^a second archive in the packed one$/,
    ],
    [
      'an empty frame behind, which unpacks to nothing',
      () => Buffer.concat([genuine, pack(kind, Buffer.alloc(0))]),
      /^a second archive|^several xz streams/,
    ],
    ['a plain archive behind', () => Buffer.concat([genuine, second]), /behind|cut short/],
    ['other bytes behind', () => Buffer.concat([genuine, Buffer.from('garbage!')]), /behind/],
    ['zeros behind', () => Buffer.concat([genuine, Buffer.alloc(512)]), /behind/],
    ['a boot configuration', () => withBootConfig(genuine), /^a boot configuration/],
    ['an archive cut short', () => genuine.subarray(0, -100), /cut short|unpack|behind/],
    [
      'a flipped byte',
      () => {
        const bytes = Buffer.from(genuine)
        bytes[early().length + (packed.length >> 1)]! ^= 0xff
        return bytes
      },
      /./,
    ],
    [
      'two archives in the stream',
      () => Buffer.concat([early(), pack(kind, Buffer.concat([body, second]))]),
      /^a second archive in the packed one$/,
    ],
  ])('with %s is odd', async (_, make, form) => {
    const { odd } = await read(kind, make())
    expect(odd[0]).toMatch(form)
  })

  it('is given up early where it is no archive, and the program ends', async () => {
    const junk = Buffer.concat([early(), pack(kind, Buffer.alloc(20_000_000, 'junk '))])
    const { odd, sizeBytes } = await read(kind, junk)
    expect([odd[0], sizeBytes]).toEqual(['bytes that are no entry of a cpio archive', junk.length])
  })
})

it('names the program that is not installed', async () => {
  const missing: string[] = []
  const call = callOf('zstd')
  const argv = call.argv.map((word) => (word === '/usr/bin/zstd' ? '/usr/bin/no-such-program' : word))
  const { odd } = await readImage(inPieces(Buffer.concat([early(), pack('zstd', body)]), 4096), (_, packed) =>
    streamProgram({ ...call, argv }, packed, (program) => missing.push(program)),
  )
  expect(missing).toEqual(['/usr/bin/no-such-program'])
  expect(odd).not.toEqual([])
})
