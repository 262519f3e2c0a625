import { gunzipSync } from 'node:zlib'
import { SEAL_BANKS } from '../../core/aem/tpm.ts'
import type { Digests } from '../../core/launch/launch-log.ts'
import { hasSameCapabilities, mleHashes } from '../../core/launch/mle-hash.ts'
import type { CommandLineRule } from '../../core/launch/module-digest.ts'

/** Largest unpacked tboot image that is looked into; Debian's tboot 1.10.5 unpacks from 160 KB to 30 MB. */
const MAX_TBOOT_BYTES = 64 * 1024 * 1024

type Looked = {
  readonly stored: Uint8Array
  readonly image: Uint8Array | null
  hashed: { readonly commandLine: string; readonly hashes: Record<CommandLineRule, Digests> | null } | null
}

/** The tboot that was looked into last: to unpack and hash it takes longer than all else of a prediction. */
let last: Looked | null = null

/**
 * @param stored tboot's file as it lies on the device, packed or not
 * @returns its MLE hash by rule; null where it is no image that can be measured here with that line
 */
export function hashTboot(stored: Uint8Array, commandLine: string): Record<CommandLineRule, Digests> | null {
  const tboot = openTboot(stored)
  if (tboot.hashed?.commandLine !== commandLine)
    tboot.hashed = {
      commandLine,
      hashes: lookInto(tboot.image, (image) => mleHashes(image, commandLine, SEAL_BANKS)),
    }
  return tboot.hashed.hashes
}

/** @returns null where it is no image of tboot */
export function hasTbootCapabilities(stored: Uint8Array, logged: number): boolean | null {
  return lookInto(openTboot(stored).image, (image) => hasSameCapabilities(image, logged))
}

function openTboot(stored: Uint8Array): Looked {
  if (last === null || Buffer.compare(last.stored, stored) !== 0)
    last = { stored: Uint8Array.from(stored), image: unpack(stored), hashed: null }
  return last
}

function unpack(stored: Uint8Array): Uint8Array | null {
  try {
    return stored[0] === 0x1f ? gunzipSync(stored, { maxOutputLength: MAX_TBOOT_BYTES }) : stored
  } catch {
    return null
  }
}

function lookInto<T>(image: Uint8Array | null, look: (image: Uint8Array) => T): T | null {
  try {
    return image === null ? null : look(image)
  } catch {
    // Not an image this program can measure itself: then only other evidence says that tboot is the same.
    return null
  }
}
