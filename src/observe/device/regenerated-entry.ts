import { Failure } from '../../core/failure.ts'
import type { BootEntry } from '../../core/launch/boot-entry.ts'
import { listAemEntries } from '../../core/launch/grub-cfg.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import type { Place } from '../launch/vouch-evidence.ts'
import { openDevice } from './devices.ts'
import { parseGrubText } from './grub.ts'

/**
 * Does dom0's own configuration write the entry that boots next, file for file and line for line? Qubes's and AEM's scripts
 * print a grub.cfg for the device; nothing is written.
 *
 * @returns null where they could not be run, or what they print cannot be read
 */
export async function isEntryRegenerated(
  host: Host,
  { device, launch }: Pick<Place, 'device' | 'launch'>,
): Promise<boolean | null> {
  const { entry } = launch.next
  // In its UEFI form AEM's script writes to the EFI system partition itself, whatever it is asked for.
  if (entry === null || entry.form === 'uefi' || device === null) return null
  const media = valueOrNull(await openDevice(host, device))
  if (media === null) return null
  try {
    const run = valueOrNull(await host.run(command('print-grub-config', { mountPoint: media.root })))
    if (run?.exit !== 0) return null
    // GRUB knows bytes and no characters.
    const text = Buffer.from(run.stdout, 'utf8').toString('latin1')
    const config = await parseGrubText(host, media.root, text, { uuid: device.uuid })
    if (config instanceof Failure) return null
    return listAemEntries(config).some((made) => made.problems.length === 0 && isSameLoad(made, entry))
  } finally {
    await media.close()
  }
}

function isSameLoad(a: BootEntry, b: BootEntry): boolean {
  const key = ({ flavour, launcher, modules, sinit }: BootEntry) =>
    JSON.stringify([flavour, launcher, modules, sinit])
  return key(a) === key(b)
}
