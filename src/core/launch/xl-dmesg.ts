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
 * Only Xen's own lines count: a qube's console output carries another prefix, and must not name memory to be read.
 *
 * @returns null when no line of Xen names a usable range, or two lines name different ones
 */
export function parseEventLogLocation(text: string): LogLocation | null {
  const line =
    /^(?:\[[^\]\n]*\] ?)?\(XEN\) (?:\[[^\]\n]*\] )?SLAUNCH: reserving event log [([](0x[0-9a-f]{1,16}) ?[-,] ?(0x[0-9a-f]{1,16})\)/gim
  const all = [...text.matchAll(line)]
  const [found] = all
  if (!found || all.some((other) => other[1] !== found[1] || other[2] !== found[2])) return null
  const address = Number(found[1])
  const sizeBytes = Number(found[2]) - address
  const isUsable = Number.isSafeInteger(address) && address > 0 && sizeBytes > 0 && sizeBytes <= MAX_LOG_BYTES
  return isUsable ? { address, sizeBytes } : null
}

/** Xen's first words in its console (xen/common/version.c, xen/drivers/char/console.c: `Xen version 4.17.4 (@) (gcc ...) ...`). */
const BANNER = /^(?:\[[^\]\n]*\] ?)?\(XEN\) (?:\[[^\]\n]*\] )?Xen version /gm

/** Does the console's text still have its beginning? The ring overwrites that first. */
export function isConsoleWhole(text: string): boolean {
  return text.search(BANNER) !== -1
}

/** What the last boot wrote, of a log that boots are added to; empty where no boot begins in it. */
export function lastBootOf(text: string): string {
  const starts = [...text.matchAll(BANNER)]
  return text.slice(starts.at(-1)?.index ?? text.length)
}

/** Has Xen taken over a launch of TrenchBoot? Its own lines say so: `(XEN) SLAUNCH: reserving SLB (0x... - 0x...)`. */
export function hasLaunchLine(text: string): boolean {
  return /^(?:\[[^\]\n]*\] ?)?\(XEN\) (?:\[[^\]\n]*\] )?SLAUNCH: /m.test(text)
}
