/** Where Xen keeps the launch's event log. `address` may lie above 4 GiB. */
export type LogLocation = { readonly address: number; readonly sizeBytes: number }

/** Larger than any log: GRUB and the loaders set aside 32 KiB to 64 KiB. */
const MAX_LOG_BYTES = 16 * 1024 * 1024

/**
 * The event log's place in `xl dmesg` (Xen aem-4.17.4, xen/arch/x86/slaunch.c; the second form is newer):
 *
 *     (XEN) SLAUNCH: reserving event log (0x9d000000 - 0x9d008000)
 *     (XEN) SLAUNCH: reserving event log [0x9d000000, 0x9d008000)
 *
 * @returns null when no line names a usable range; the last line counts, as the ring holds one boot
 */
export function parseEventLogLocation(text: string): LogLocation | null {
  const line = /SLAUNCH: reserving event log [([](0x[0-9a-f]{1,16}) ?[-,] ?(0x[0-9a-f]{1,16})\)/gi
  const found = [...text.matchAll(line)].at(-1)
  if (!found) return null
  const address = Number(found[1])
  const sizeBytes = Number(found[2]) - address
  const isUsable = Number.isSafeInteger(address) && address > 0 && sizeBytes > 0 && sizeBytes <= MAX_LOG_BYTES
  return isUsable ? { address, sizeBytes } : null
}
