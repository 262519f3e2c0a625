import { decideMsiExposure, type ExposureRow } from '../../core/bulletin/exposure.ts'
import {
  mergeListings,
  parseMsiVectors,
  parseQvmPci,
  type QubesPciDevice,
  type QvmPciListing,
} from '../../core/bulletin/pci-devices.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { type CommandId, command } from '../../tables/commands.ts'

/** argparse's exit code for an option it does not know: a qvm-pci from before Qubes 4.3. */
const OPTION_UNKNOWN = 2

type Devices = { readonly devices: readonly QubesPciDevice[]; readonly isComplete: boolean }

/**
 * The exposure check of QSB-103: devices of qubes and their MSI vectors; null where qvm-pci cannot be asked or lists
 * nothing (every PC has PCI devices).
 */
export async function observeMsiExposure(host: Host): Promise<readonly ExposureRow[] | null> {
  const listed = await observeDevices(host)
  if (listed === null) return null
  const inQubes = listed.devices.filter(({ qubes }) => qubes === null || qubes.length > 0)
  const vectors = new Map<string, number | null>()
  for (const { device, sbdf } of inQubes) {
    const details =
      sbdf === null ? null : valueOrNull(await host.run(command('pci-details', { address: sbdf })))
    vectors.set(device, details?.exit === 0 ? parseMsiVectors(details.stdout) : null)
  }
  return decideMsiExposure(inQubes, vectors, listed.isComplete)
}

/** Qubes 4.3 lists what is attached now; what a qube that is switched off would get is in its list of assignments. */
async function observeDevices(host: Host): Promise<Devices | null> {
  const withAddresses = await list(host, 'pci-devices-sbdf')
  const plain = withAddresses.listing ?? (await list(host, 'pci-devices')).listing
  if (plain === null || (plain.devices.length === 0 && plain.unread.length === 0)) return null
  const isRefused = withAddresses.exit === OPTION_UNKNOWN && plain.listsHaltedQubes === null
  const isOldForm = isRefused || plain.listsHaltedQubes === true
  if (isOldForm) return { devices: plain.devices, isComplete: plain.unread.length === 0 }
  const { listing: assigned } = await list(host, 'pci-assignments')
  return {
    devices: mergeListings(plain.devices, assigned?.devices ?? []),
    isComplete: plain.unread.length === 0 && assigned !== null && assigned.unread.length === 0,
  }
}

async function list(
  host: Host,
  id: Extract<CommandId, 'pci-devices' | 'pci-devices-sbdf' | 'pci-assignments'>,
): Promise<{ exit: number | null; listing: QvmPciListing | null }> {
  const run = valueOrNull(await host.run(command(id, {})))
  return { exit: run?.exit ?? null, listing: run?.exit === 0 ? parseQvmPci(run.stdout) : null }
}
