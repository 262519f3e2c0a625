import type { Dom0 } from '../dom0/dom0.ts'
import { observePrediction } from './prediction.ts'

/** A file below the root of an AEM device; SHA-256 as it is stored, lower-case hex. */
export type KnownFile = { readonly name: string; readonly sha256: string }

/**
 * Each initramfs on the device of this boot that its launch log shows to be the measured one. No package has a digest of
 * it: that it was measured in a boot that showed the secret, or was accepted, is the best that can be known. Measured is what
 * GRUB hands over: of a file that it unpacks nobody knows what another program, or another word in grub.cfg, makes of its bytes.
 */
export async function observeMeasuredInitramfs(
  dom0: Dom0,
  selected: readonly number[],
): Promise<readonly KnownFile[]> {
  const { prediction, stored, asStored } = await observePrediction(dom0, selected)
  if (!prediction.calibrated) return []
  const files = prediction.pcrs
    .flatMap((pcr) => pcr.components)
    .flatMap(({ role, changed, path }): KnownFile[] => {
      const sha256 = path === null ? undefined : stored[path]
      if (
        role !== 'initramfs' ||
        changed ||
        path === null ||
        sha256 === undefined ||
        !asStored.includes(path)
      )
        return []
      return [{ name: path.slice(1), sha256 }]
    })
  return [...new Map(files.map((file) => [file.name, file])).values()]
}
