import type { Failure } from '../failure.ts'
import { coreFailure } from '../failures.ts'
import { listSegments } from './elf.ts'
import type { Digests } from './launch-log.ts'
import { type CommandLineRule, hashedCommandLine } from './module-digest.ts'
import { type Bank, hashInBank } from './pcr.ts'

/** UUID of an MLE header as it lies in memory: tboot 1.10.5, include/mle.h; TXT Software Development Guide 017, section 2.1. */
const MLE_HEADER_UUID = Buffer.from('5aac82906f47a7740f5c55a2cb51b642', 'hex')
/** Offsets in the MLE header, same section: the measured range and, as tboot's extension, the command line's place. */
const FIELD = {
  mleStart: 32,
  mleEnd: 36,
  capabilities: 40,
  commandLineStart: 44,
  commandLineEnd: 48,
  size: 52,
} as const
/**
 * Bits that tboot sets in OsSinitData by what SINIT and TPM can do, whatever its header says: wake-up by GETSEC or MONITOR,
 * page table in ECX, details and authorities, event log format (tboot 1.10.5, txt/txt.c, init_txt_heap; bits in the order
 * in which print_txt_caps prints them).
 */
const CHOSEN_CAPABILITIES = 0b10_0010_0111
/** tboot takes some hundred KiB; a file that asks for more is not tboot. */
const MAX_IMAGE_BYTES = 64 * 1024 * 1024

/**
 * tboot's MLE hash, as `lcp2_mlehash --create` prints it and SINIT measures it (tboot 1.10.5, lcptools-v2/mlehash.c): the
 * loaded segments, with the command line in its place, from the MLE's start to its end.
 * @param image tboot's ELF file, decompressed
 * @param commandLine tboot's own, as grub.cfg gives it
 * @throws Failure `mle-unreadable` when the file is no such image or the command line does not fit
 */
export function mleHash(image: Uint8Array, commandLine: string, bank: Bank): string {
  const tboot = loadTboot(image)
  return hashInBank(bank, measuredBytes(tboot, commandLine))
}

/** By rule and in several banks at once: what a prediction takes when tboot itself may have changed. */
export function mleHashes(
  image: Uint8Array,
  commandLine: string,
  banks: readonly Bank[],
): Record<CommandLineRule, Digests> {
  const tboot = loadTboot(image)
  const ofRule = (rule: CommandLineRule): Digests => {
    const measured = measuredBytes(tboot, hashedCommandLine(commandLine, rule))
    return Object.fromEntries(banks.map((bank) => [bank, hashInBank(bank, measured)]))
  }
  return { whole: ofRule('whole'), 'first-word-stripped': ofRule('first-word-stripped') }
}

/**
 * Does a tboot ask SINIT for the capabilities that the running one asked for? They are measured apart from the image
 * (event 0x40f, PCR 17).
 * @param image tboot's ELF file, decompressed
 * @param logged what the running tboot printed of OsSinitData
 * @throws Failure `mle-unreadable`
 */
export function hasSameCapabilities(image: Uint8Array, logged: number): boolean {
  const { memory, header } = loadTboot(image)
  const own = memory.readUInt32LE(header + FIELD.capabilities)
  return (own & ~CHOSEN_CAPABILITIES) >>> 0 === (logged & ~CHOSEN_CAPABILITIES) >>> 0
}

function unreadable(why: string): Failure {
  return coreFailure('mle-unreadable', { hash: 'MLE hash of tboot', why, package: 'tboot' })
}

/** tboot as it lies in memory, and where its MLE header is there. */
type LoadedTboot = { readonly memory: Buffer; readonly header: number }

function loadTboot(image: Uint8Array): LoadedTboot {
  const memory = loadSegments(Buffer.from(image.buffer, image.byteOffset, image.length))
  return { memory, header: findHeader(memory) }
}

/** Writes the command line into its place in the memory, whatever stood there before. */
function measuredBytes({ memory, header }: LoadedTboot, commandLine: string): Buffer {
  const field = (offset: number) => memory.readUInt32LE(header + offset)
  const [start, end] = [field(FIELD.mleStart), field(FIELD.mleEnd)]
  const [lineStart, lineEnd] = [field(FIELD.commandLineStart), field(FIELD.commandLineEnd)]
  if (start >= end || end > memory.length) throw unreadable('its header names a range outside the image')
  if (lineEnd > lineStart) {
    if (lineEnd > memory.length) throw unreadable('its header names a command line outside the image')
    const line = Buffer.from(commandLine, 'utf8')
    if (line.length >= lineEnd - lineStart)
      throw unreadable(`the command line has ${line.length} bytes, too many`)
    memory.fill(0, lineStart, lineEnd)
    line.copy(memory, lineStart)
  }
  return memory.subarray(start, end)
}

function loadSegments(file: Buffer): Buffer {
  const segments = listSegments(file, unreadable)
  if (segments.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) > MAX_IMAGE_BYTES)
    throw unreadable('a segment has an impossible size')
  return Buffer.concat(
    segments.flatMap(({ bytes, memoryBytes }) => [bytes, Buffer.alloc(memoryBytes - bytes.length)]),
  )
}

function findHeader(memory: Buffer): number {
  for (let at = 0; at + FIELD.size <= memory.length; at += MLE_HEADER_UUID.length)
    if (MLE_HEADER_UUID.equals(memory.subarray(at, at + MLE_HEADER_UUID.length))) return at
  throw unreadable('it has no MLE header')
}
