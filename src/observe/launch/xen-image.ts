import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { SEAL_BANKS } from '../../core/aem/tpm.ts'
import { Failure } from '../../core/failure.ts'
import type { BootEntry } from '../../core/launch/boot-entry.ts'
import type { ImageDigest } from '../../core/launch/image-digest.ts'
import type { LaunchLog } from '../../core/launch/launch-log.ts'
import { isNoSlb } from '../../core/launch/launch-module.ts'
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
 * at offset 2 (AMD64 Architecture Programmer's Manual, volume 2, 15.27.2; secure-kernel-loader slrt, head.S). Each file of the
 * entry that GRUB may take for one has to be it, whatever it is called: the last one that GRUB takes counts.
 * @returns null where this boot was not launched by SKINIT, or a file could not be read, or none is an SLB
 */
export async function observeSkl(
  host: Host,
  root: string,
  entry: BootEntry | null,
  log: LaunchLog | Failure | null,
): Promise<boolean | null> {
  if (log === null || log instanceof Failure || log.launch?.cpu !== 'amd') return null
  const event = log.events.find(({ pcr }) => pcr === PCR.drtm)
  if (event === undefined) return null
  const found: boolean[] = []
  for (const { path } of entry?.sinit ?? []) {
    const bytes = valueOrNull(await host.readFile(`${root}${path}`))
    if (bytes === null) return null
    const slb = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (isNoSlb(slb)) continue
    const measured = slb.subarray(0, slb.readUInt16LE(2))
    const digests = Object.fromEntries(SEAL_BANKS.map((bank) => [bank, hashInBank(bank, measured)]))
    found.push(isSame(digests, event.digests) === true)
  }
  return found.length === 0 ? null : found.every((one) => one)
}
