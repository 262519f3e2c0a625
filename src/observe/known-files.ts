import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { type AemDevice, openDevice } from './devices.ts'
import { observePrediction } from './prediction.ts'

/** A file below the root of an AEM device; SHA-256 as it is stored, lower-case hex. */
export type KnownFile = { readonly name: string; readonly sha256: string }

/**
 * Each initramfs on the device of this boot that its launch log shows to be the measured one. No package has a digest of
 * it: that it was measured in a boot in which the secret could be unsealed is the best that can be known.
 */
export async function observeMeasuredInitramfs(
  host: Host,
  device: AemDevice,
  selected: readonly number[],
): Promise<readonly KnownFile[]> {
  const { prediction } = await observePrediction(host, selected)
  const components = prediction.calibrated ? prediction.pcrs.flatMap((pcr) => pcr.components) : []
  const paths = components.flatMap(({ role, changed, path }) =>
    role === 'initramfs' && !changed && path !== null ? [path] : [],
  )
  const media = paths.length === 0 ? null : valueOrNull(await openDevice(host, device))
  if (media === null) return []
  try {
    const files: KnownFile[] = []
    for (const path of new Set(paths)) {
      const digests = valueOrNull(await host.digestFile(`${media.root}${path}`))
      if (digests !== null) files.push({ name: path.slice(1), sha256: digests.sha256 })
    }
    return files
  } finally {
    await media.close()
  }
}
