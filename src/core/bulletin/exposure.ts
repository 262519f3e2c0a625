import type { QubesPciDevice } from './pci-devices.ts'

/** Bulletins whose text lets a user find out whether this machine is exposed, and by which check. */
export const EXPOSURE_CHECKS: ReadonlyMap<number, 'multi-vector-msi'> = new Map([[103, 'multi-vector-msi']])

export type ExposureRow = {
  /** As `qvm-pci` names it. */
  readonly device: string
  readonly qube: string
  /** MSI vectors the device can use; null where it could not be found out. */
  readonly vectors: number | null
  readonly exposed: boolean | null
}

/**
 * The check of QSB-103: a qube with a PCI device that can use several MSI vectors can try XSA-458.
 * The update is wanted either way: a device can be attached tomorrow.
 * @param devices From parseQvmPci; devices of dom0's own are left out.
 * @param vectors MSI vectors by `device`, from parseMsiVectors; a device that is not in it is unknown.
 */
export const decideMsiExposure = (
  devices: readonly QubesPciDevice[],
  vectors: ReadonlyMap<string, number | null>,
): ExposureRow[] =>
  devices.flatMap(({ device, qubes }) => {
    const count = vectors.get(device) ?? null
    return [...new Set(qubes)].map((qube) => ({
      device,
      qube,
      vectors: count,
      exposed: count === null ? null : count > 1,
    }))
  })

/** Whether the machine is exposed at all: yes if any row is, unknown if one could not be seen, else no. */
export const isExposed = (rows: readonly ExposureRow[]): boolean | null => {
  if (rows.some(({ exposed }) => exposed === true)) return true
  return rows.some(({ exposed }) => exposed === null) ? null : false
}
