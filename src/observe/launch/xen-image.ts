import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { SEAL_BANKS } from '../../core/aem/tpm.ts'
import { Failure } from '../../core/failure.ts'
import type { BootEntry } from '../../core/launch/boot-entry.ts'
import type { ImageDigest } from '../../core/launch/image-digest.ts'
import type { LaunchLog } from '../../core/launch/launch-log.ts'
import { hashInBank, PCR } from '../../core/launch/pcr.ts'
import { isSame, type XenMle, xenMle } from '../../core/launch/xen-mle.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'

/** Xen unpacked has less than 16 MiB. */
const MAX_XEN_BYTES = 64 * 1024 * 1024

/**
 * The launch hashes of the Xen that an entry of TrenchBoot loads, from exactly the bytes that were hashed.
 * @returns null where there is none, or where the file gives none
 */
export async function observeXen(
  host: Host,
  root: string,
  entry: BootEntry | null,
  images: Readonly<Record<string, ImageDigest>>,
): Promise<XenMle | null> {
  // Xen's EFI program is measured as it lies in memory after it ran.
  if (entry?.flavour !== 'trenchboot' || entry.form === 'uefi' || entry.launcher === null) return null
  const { path, nounzip } = entry.launcher
  const bytes = valueOrNull(await host.readFile(`${root}${path}`))
  if (bytes === null || images[path] === undefined) return null
  if (createHash('sha256').update(bytes).digest('hex') !== images[path].storedDigests.sha256) return null
  try {
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b && !nounzip
    return xenMle(isPacked ? gunzipSync(bytes, { maxOutputLength: MAX_XEN_BYTES }) : bytes, SEAL_BANKS)
  } catch {
    // Not an image this program can measure itself: then nothing is computed from it.
    return null
  }
}

/**
 * Is the SKL of an entry the one that SKINIT measured in this boot? It measures as many bytes as the SLB header says: 16 bits
 * at offset 2 (AMD64 Architecture Programmer's Manual, volume 2, 15.27.2; secure-kernel-loader slrt, head.S).
 * @returns null where this boot was not launched by SKINIT, or the file could not be read
 */
export async function observeSkl(
  host: Host,
  root: string,
  entry: BootEntry | null,
  log: LaunchLog | Failure | null,
): Promise<boolean | null> {
  if (log === null || log instanceof Failure || log.launch?.cpu !== 'amd') return null
  const file = entry?.sinit.find(({ path }) => /\/skl\.bin$/i.test(path))
  const event = log.events.find(({ pcr }) => pcr === PCR.drtm)
  const bytes = file === undefined ? null : valueOrNull(await host.readFile(`${root}${file.path}`))
  if (event === undefined || bytes === null || bytes.length < 4) return null
  const length = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt16LE(2)
  if (length > bytes.length) return null
  const measured = bytes.subarray(0, length)
  return isSame(
    Object.fromEntries(SEAL_BANKS.map((bank) => [bank, hashInBank(bank, measured)])),
    event.digests,
  )
}
