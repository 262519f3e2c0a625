import type { Hash } from 'node:crypto'
import { findDeflateStart, inflateLikeGrub } from './gzip-image.ts'
import { detectImageKind, HEAD_BYTES, type ImageKind } from './image-kind.ts'
import type { Digests } from './launch-log.ts'
import { type Bank, createBankHash } from './pcr.ts'

/** What GRUB puts into memory for a file. */
export type ImageDigest = {
  /** Of the bytes as GRUB loads them; empty where that cannot be known. */
  readonly digests: Digests
  /** Of the bytes as stored, from the same read; empty where it was not asked for. */
  readonly storedDigests: Digests
  readonly sizeBytes: number
  readonly loadedSizeBytes: number
  readonly kind: ImageKind
  /** Why the digests cannot be known, in words that follow the file's name; null when they are known. */
  readonly problem: string | null
}

export type DigestOptions = {
  readonly banks: readonly Bank[]
  /** GRUB's `--nounzip`. */
  readonly nounzip?: boolean
  /** Modules that grub.cfg loads: with `xzio` or `lzopio` GRUB decompresses those forms too. */
  readonly insmods?: readonly string[]
  /** Also hash the file as it is stored. */
  readonly stored?: boolean
}

const EMPTY: Uint8Array = new Uint8Array(0)

/**
 * Hashes an image in every bank in one pass, decompressed as GRUB 2.06 does it: gzip always (grub-core/normal/main.c loads
 * gzio), xz and lzop only where grub.cfg loads their modules, which then is a problem stated and not a digest.
 * @param chunks the file in order; read to its end exactly once
 * @throws Failure `hash-unavailable` for SM3 without OpenSSL's support
 */
export async function digestImage(
  chunks: AsyncIterable<Uint8Array>,
  options: DigestOptions,
): Promise<ImageDigest> {
  const source = countBytes(chunks)
  const head = await takeHead(source)
  const kind = detectImageKind(head.bytes, null)
  const start = kind === 'gzip' && options.nounzip !== true ? await extendHead(source, head) : 'stored'
  const loaded = newHashes(options.banks)
  // Where nothing is decompressed the stored bytes are the loaded ones, and are hashed once.
  if (options.stored && start !== 'stored') hashStored(source, head, options.banks)
  const take = (bytes: Uint8Array) => update(loaded, bytes)
  let outcome: { loadedSizeBytes: number; problem: string | null }
  if (start === 'stored') {
    take(head.bytes)
    for await (const chunk of source.iterate()) take(chunk)
    outcome = { loadedSizeBytes: source.count.sizeBytes, problem: decompressorProblem(kind, options) }
  } else {
    const inner = firstBytes(take)
    outcome = await inflateLikeGrub(chain(head.bytes.subarray(start), source), inner.take)
    const innerKind = detectImageKind(inner.head(), null)
    if (outcome.problem === null) outcome = { ...outcome, problem: decompressorProblem(innerKind, options) }
  }
  const { sizeBytes } = source.count
  const loadedDigests = finish(loaded)
  const stored = start === 'stored' ? loadedDigests : finish(source.hashes)
  return {
    digests: outcome.problem === null ? loadedDigests : {},
    storedDigests: options.stored ? stored : {},
    sizeBytes,
    loadedSizeBytes: outcome.loadedSizeBytes,
    kind: start === 'stored' ? detectImageKind(head.bytes, sizeBytes) : 'gzip',
    problem: outcome.problem,
  }
}

type BankHash = { readonly bank: Bank; readonly hash: Hash }

function newHashes(banks: readonly Bank[]): BankHash[] {
  return banks.map((bank) => ({ bank, hash: createBankHash(bank) }))
}

function update(hashes: readonly BankHash[], bytes: Uint8Array): void {
  for (const { hash } of hashes) hash.update(bytes)
}

function finish(hashes: readonly BankHash[]): Digests {
  return Object.fromEntries(hashes.map(({ bank, hash }) => [bank, hash.digest('hex')]))
}

type Source = {
  readonly iterate: () => AsyncIterable<Uint8Array>
  readonly count: { sizeBytes: number }
  /** Fed with what passes from now on. */
  readonly hashes: BankHash[]
}

/** One reader over the chunks that may be left and taken up again; it counts and, where asked, hashes what passes. */
function countBytes(chunks: AsyncIterable<Uint8Array>): Source {
  const iterator = chunks[Symbol.asyncIterator]()
  const count = { sizeBytes: 0 }
  const hashes: BankHash[] = []
  async function* iterate() {
    for (;;) {
      const next = await iterator.next()
      if (next.done) return
      count.sizeBytes += next.value.length
      update(hashes, next.value)
      yield next.value
    }
  }
  return { iterate, count, hashes }
}

type Head = { bytes: Uint8Array; isAtEnd: boolean }

/** The head is all that was read so far. */
function hashStored(source: Source, head: Head, banks: readonly Bank[]): void {
  source.hashes.push(...newHashes(banks))
  update(source.hashes, head.bytes)
}

async function takeHead(source: Source): Promise<Head> {
  const head: Head = { bytes: EMPTY, isAtEnd: false }
  while (head.bytes.length < HEAD_BYTES && !head.isAtEnd) await growHead(source, head)
  return head
}

async function growHead(source: Source, head: Head): Promise<void> {
  for await (const chunk of source.iterate()) {
    head.bytes = head.bytes.length === 0 ? chunk : Buffer.concat([head.bytes, chunk])
    return
  }
  head.isAtEnd = true
}

/** Reads on until the gzip header is whole. GRUB takes a file whose header never ends as stored. */
async function extendHead(source: Source, head: Head): Promise<number | 'stored'> {
  for (;;) {
    const start = findDeflateStart(head.bytes)
    if (start !== null) return start
    if (head.isAtEnd) return 'stored'
    await growHead(source, head)
  }
}

async function* chain(first: Uint8Array, source: Source): AsyncIterable<Uint8Array> {
  if (first.length > 0) yield first
  yield* source.iterate()
}

/** Passes bytes on and keeps the first few. */
function firstBytes(take: (bytes: Uint8Array) => void) {
  let kept = Buffer.alloc(0)
  return {
    take(bytes: Uint8Array) {
      if (kept.length < HEAD_BYTES) kept = Buffer.concat([kept, bytes.subarray(0, HEAD_BYTES)])
      take(bytes)
    },
    head: () => kept.subarray(0, HEAD_BYTES),
  }
}

function decompressorProblem(kind: ImageKind, options: DigestOptions): string | null {
  if (options.nounzip === true || (kind !== 'xz' && kind !== 'lzop')) return null
  const isLoaded = options.insmods?.includes(kind === 'xz' ? 'xzio' : 'lzopio') ?? false
  return isLoaded
    ? `it is compressed with ${kind} and grub.cfg loads ${kind}io, which cannot be repeated here`
    : null
}
