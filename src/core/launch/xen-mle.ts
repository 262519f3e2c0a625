import type { Failure } from '../failure.ts'
import { coreFailure } from '../failures.ts'
import { listSegments } from './elf.ts'
import type { Digests, LaunchKind } from './launch-log.ts'
import { BANK_NAMES, type Bank, hashInBank, isBankComputable } from './pcr.ts'

/**
 * How much of Xen in memory TrenchBoot's GRUB has measured (TrenchBoot/grub, grub-core/loader/multiboot_elfxx.c).
 * - header: from start to end as Xen's MLE header says (85ccfdc70, of 2024-05, and later)
 * - rounded: all of it, rounded up to 2 MiB (99b6c86e5, of 2024-02, to 85ccfdc70; on AMD from 8dc7c6748)
 * - rounded-patched: the same, with the header's first page and end rewritten before (i386/txt/txt.c before 99b6c86e5;
 *   QubesOS/qubes-grub2, patches 1100 to 1119); Intel only
 */
export type XenMleVariant = 'header' | 'rounded' | 'rounded-patched'

/** Xen as TrenchBoot's BIOS launch measures it. */
export type XenMle = {
  readonly digests: Readonly<Record<XenMleVariant, Digests>>
  /** Of the entry point, 4 bytes little-endian (secure-kernel-loader slrt, main.c: "DLME entry offset"). */
  readonly entry: Digests
}

/** UUID of an MLE header in memory: Xen aem-4.17.4, xen/arch/x86/boot/head.S; TXT Software Development Guide 017, 2.1. */
const MLE_HEADER_UUID = Buffer.from('5aac82906f47a7740f5c55a2cb51b642', 'hex')
const FIELD = { entryPoint: 24, firstValidPage: 28, mleStart: 32, mleEnd: 36, size: 52 } as const
/** GRUB looks for the header in the first page, at every 16 bytes. */
const HEADER_SEARCH = { bytes: 0x1000, step: 16 } as const
/** GRUB_TXT_PMR_ALIGN. */
const ROUNDING_BYTES = 2 * 1024 * 1024
/** Xen takes less than 16 MiB; a file that asks for more is not Xen. */
const MAX_IMAGE_BYTES = 128 * 1024 * 1024

/**
 * Xen's MLE hashes: its segments as GRUB lays them out in memory (zeros between and behind), by the three sizes GRUB took.
 * @param image Xen's ELF-32 file, decompressed
 * @throws Failure `mle-unreadable` when the file is no such image
 */
export function xenMle(image: Uint8Array, banks: readonly Bank[]): XenMle {
  const memory = loadAtAddresses(Buffer.from(image.buffer, image.byteOffset, image.length))
  const header = findHeader(memory.loaded)
  const field = (offset: number): number => memory.loaded.readUInt32LE(header + offset)
  const [start, end] = [field(FIELD.mleStart), field(FIELD.mleEnd)]
  if (start >= end || end > memory.loaded.length) throw unreadable('its header names a range outside of it')
  const rounded = memory.rounded
  const patched = Buffer.from(rounded)
  patched.writeUInt32LE(0, header + FIELD.firstValidPage)
  patched.writeUInt32LE(rounded.length, header + FIELD.mleEnd)
  const digest = (bytes: Uint8Array): Digests =>
    Object.fromEntries(banks.map((bank) => [bank, hashInBank(bank, bytes)]))
  return {
    digests: {
      header: digest(memory.loaded.subarray(start, end)),
      rounded: digest(rounded),
      'rounded-patched': digest(patched),
    },
    entry: digest(memory.loaded.subarray(header + FIELD.entryPoint, header + FIELD.entryPoint + 4)),
  }
}

/**
 * The variants by which the image gives what a launch measured.
 * @param logged of the extend that stands for Xen
 */
export function listFittingVariants(
  xen: XenMle,
  logged: Digests,
  launch: LaunchKind | null,
): XenMleVariant[] {
  const variants: XenMleVariant[] = ['header', 'rounded']
  if (launch?.cpu !== 'amd') variants.push('rounded-patched')
  return variants.filter((variant) => isSame(xen.digests[variant], logged))
}

/** Equal in every bank that both have, of which there is one. */
export function isSame(a: Digests, b: Digests): boolean {
  const common = BANK_NAMES.filter(isBankComputable).filter(
    (bank) => a[bank] !== undefined && b[bank] !== undefined,
  )
  return common.length > 0 && common.every((bank) => a[bank] === b[bank])
}

function unreadable(why: string): Failure {
  return coreFailure('mle-unreadable', { hash: 'launch hash of Xen', why, package: 'xen-hypervisor' })
}

/** GRUB takes memory from the lowest to the highest address of a segment, and clears it first. */
function loadAtAddresses(file: Buffer): { readonly loaded: Buffer; readonly rounded: Buffer } {
  const segments = listSegments(file, unreadable)
  const lowest = Math.min(...segments.map(({ address }) => address))
  const size = Math.max(...segments.map(({ address, memoryBytes }) => address + memoryBytes)) - lowest
  if (segments.length === 0 || size <= 0 || size > MAX_IMAGE_BYTES)
    throw unreadable('it has an impossible size')
  const rounded = Buffer.alloc(Math.ceil(size / ROUNDING_BYTES) * ROUNDING_BYTES)
  for (const { address, bytes } of segments) bytes.copy(rounded, address - lowest)
  return { loaded: rounded.subarray(0, size), rounded }
}

function findHeader(memory: Buffer): number {
  const end = Math.min(HEADER_SEARCH.bytes, memory.length - FIELD.size)
  for (let at = 0; at < end; at += HEADER_SEARCH.step)
    if (MLE_HEADER_UUID.equals(memory.subarray(at, at + MLE_HEADER_UUID.length))) return at
  throw unreadable('it has no MLE header, so it is no Xen of TrenchBoot')
}
