import type { BootEntry } from '../../core/launch/boot-entry.ts'
import { EFI_DIRECTORY, resolveEfiEntry } from '../../core/launch/efi-entry.ts'
import { type GrubConfig, listAemEntries } from '../../core/launch/grub-cfg.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'

const DOM0_BOOT = '/boot'

/**
 * The UEFI form of an entry with what Xen's configuration on the EFI system partition names; any other as it is.
 * @param root of the boot device, below which dom0 has that partition
 */
export async function observeEfiEntry(host: Host, root: string, entry: BootEntry): Promise<BootEntry> {
  if (entry.form !== 'uefi' || entry.efi === null) return entry
  // Only dom0's own /boot has that partition below it: on a stick that is mounted for a look a directory of the name is no more than that.
  const bytes =
    root === DOM0_BOOT
      ? valueOrNull(await host.readFile(`${root}${EFI_DIRECTORY}${entry.efi.configPath}`))
      : null
  // Xen knows bytes and no characters.
  return resolveEfiEntry(entry, bytes === null ? null : Buffer.from(bytes).toString('latin1'))
}

/** The entries of AEM, each with the files it leads to. */
export async function observeAemEntries(
  host: Host,
  root: string,
  config: GrubConfig,
): Promise<readonly BootEntry[]> {
  const entries: BootEntry[] = []
  for (const entry of listAemEntries(config)) entries.push(await observeEfiEntry(host, root, entry))
  return entries
}
