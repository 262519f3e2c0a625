import { createHash } from 'node:crypto'
import { openBytes } from './byte-source.ts'
import { startCpioReader } from './cpio-reader.ts'
import { unpackGzip } from './gzip-member.ts'
import { watchForm } from './packed-form.ts'
import { BOOTCONFIG_BYTES, findPacking, hasBootConfig, MAGIC_BYTES, type Packing } from './packing.ts'
import { makeTree, type Tree } from './tree.ts'

/** Runs the program that unpacks; the result throws an Error whose message is what the program said. */
export type Unpack = (
  packing: Exclude<Packing, 'gzip' | 'none'>,
  packed: AsyncIterable<Uint8Array>,
) => AsyncIterable<Uint8Array>

/** What an initramfs is, as far as its reader can say: hints and explanations, never a proof. */
export type InitramfsImage = {
  /** Of the bytes as they were given, lower-case hex. */
  readonly sha256: string
  readonly sizeBytes: number
  /** Why it is not of the form that dracut writes, each in words for "the image has ..."; empty for the plain form. */
  readonly odd: readonly string[]
  readonly packing: Packing | null
  /** The archive before the main one, which carries microcode. */
  readonly early: Tree
  readonly main: Tree
}

/** Further faults of one image are counted by nobody. */
const MAX_ODD = 20
/** GNU cpio fills up to 512 bytes, and what dracut appends begins there. */
const ALIGNMENT_BYTES = 512
/** What dracut puts into the early archive (057, dracut.sh, lines 2243-2317). */
const EARLY_NAME =
  /^(\.|early_cpio|kernel|kernel\/x86|kernel\/x86\/microcode|kernel\/x86\/microcode\/(GenuineIntel|AuthenticAMD)\.bin|kernel\/firmware|kernel\/firmware\/acpi|kernel\/firmware\/acpi\/[^/]+\.aml)$/

/**
 * Reads an image once, in pieces of any size: [early archive] [main archive, packed] and nothing else, which is the form
 * that dracut writes (057, dracut.sh, lines 2445-2595). All bytes are hashed, whatever they are.
 * @throws what the chunks throw; never because of the bytes
 */
export async function readImage(chunks: AsyncIterable<Uint8Array>, unpack: Unpack): Promise<InitramfsImage> {
  const whole = createHash('sha256')
  let [sizeBytes, tail] = [0, Buffer.alloc(0)]
  const source = openBytes(chunks, (chunk) => {
    whole.update(chunk)
    sizeBytes += chunk.length
    tail = Buffer.concat([tail, chunk.subarray(-BOOTCONFIG_BYTES)]).subarray(-BOOTCONFIG_BYTES)
  })
  const odd: string[] = []
  const onOdd = (form: string): void => {
    if (odd.length < MAX_ODD && !odd.includes(form)) odd.push(form)
  }
  const archives: Tree[] = []
  let packing: Packing | null = null
  for (;;) {
    const head = await source.peek(MAGIC_BYTES)
    if (head.length === 0) break
    packing = findPacking(head)
    if (packing === null) {
      onOdd(
        archives.length === 0
          ? 'no archive at its beginning'
          : 'bytes of no known form behind its first archive',
      )
      break
    }
    const place = packing === 'none' ? `archive ${archives.length + 1}: ` : ''
    archives.push(
      packing === 'none'
        ? await readPlain(source, (form) => onOdd(`${place}${form}`))
        : await readPacked(source.rest(), packing, unpack, onOdd),
    )
    if (packing !== 'none' || odd.length > 0) break
  }
  await source.drain()
  if (hasBootConfig(tail)) odd.unshift('a boot configuration (bootconfig) behind it')
  if (sizeBytes === 0) onOdd('no bytes')
  const [first, second, ...others] = archives
  if (others.length > 0) onOdd('a second archive before the main one')
  const early: Tree = second === undefined ? new Map() : first!
  for (const name of early.keys())
    if (!EARLY_NAME.test(name))
      onOdd(`${JSON.stringify(name)} in the early archive, which holds microcode alone`)
  return { sha256: whole.digest('hex'), sizeBytes, odd, packing, early, main: archives.at(-1) ?? new Map() }
}

/** A plain archive up to its padding; what follows stays in the source. */
async function readPlain(source: ReturnType<typeof openBytes>, onOdd: (form: string) => void): Promise<Tree> {
  const reader = startCpioReader({ keeps: isHint, onOdd, stopsAtEnd: true })
  const before = source.position()
  for (;;) {
    const chunk = await source.peekChunk()
    if (chunk.length === 0) break
    const taken = reader.feed(chunk)
    source.skip(taken)
    if (taken < chunk.length) break
  }
  reader.end()
  if ((source.position() - before) % ALIGNMENT_BYTES === 0) {
    const zeros = await source.skipZeros()
    if (zeros > 0) onOdd('zeros behind the archive')
  }
  return makeTree(reader.entries, onOdd)
}

async function readPacked(
  packed: AsyncIterable<Uint8Array>,
  packing: Exclude<Packing, 'none'>,
  unpack: Unpack,
  onOdd: (form: string) => void,
): Promise<Tree> {
  const reader = startCpioReader({ keeps: isHint, onOdd, stopsAtEnd: false })
  const isWhole = packing === 'gzip' ? await feedGzip() : await feedProgram(packing)
  // Of data that are damaged the archive in them is cut short too, which needs no word of its own.
  if (isWhole) reader.end()
  return makeTree(reader.entries, onOdd)

  async function feedGzip(): Promise<boolean> {
    let isDamaged = false
    for await (const piece of unpackGzip(packed, (form) => {
      isDamaged = true
      onOdd(form)
    })) {
      reader.feed(piece)
      if (reader.state() === 'dead') return false
    }
    return !isDamaged || reader.state() === 'ended'
  }

  async function feedProgram(kind: Exclude<Packing, 'gzip' | 'none'>): Promise<boolean> {
    const watcher = watchForm(kind)
    async function* watched(): AsyncGenerator<Uint8Array> {
      for await (const chunk of packed) {
        watcher.feed(chunk)
        yield chunk
      }
    }
    let said: string | null = null
    try {
      for await (const piece of unpack(kind, watched())) {
        reader.feed(piece)
        if (reader.state() === 'dead') return false
      }
    } catch (error) {
      if (!(error instanceof UnpackError)) throw error
      said = error.message
    }
    const problem = watcher.problem()
    if (problem !== null) onOdd(problem)
    else if (said !== null) onOdd(`data that ${kind} does not unpack (${said})`)
    return problem === null && said === null
  }
}

/** What an unpacker says of damaged data: the only error of `Unpack` that is about the bytes. */
export class UnpackError extends Error {}

/** Words of dracut, and its version. */
export function isHint(name: string): boolean {
  return /^(usr\/)?lib\/(dracut\/build-parameter\.txt|initrd-release)$/.test(name)
}
