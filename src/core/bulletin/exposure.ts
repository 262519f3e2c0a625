import type { QubesPciDevice } from './pci-devices.ts'

/** Bulletins whose text lets a user find out whether this machine is exposed, and by which check. */
export const EXPOSURE_CHECKS: ReadonlyMap<number, 'multi-vector-msi'> = new Map([[103, 'multi-vector-msi']])

export type ExposureRow = {
  /** As `qvm-pci` names it; null for what stands for devices that could not be seen. */
  readonly device: string | null
  /** null where it could not be read who uses the device. */
  readonly qube: string | null
  /** MSI vectors the device can use; null where it could not be determined. */
  readonly vectors: number | null
  readonly exposed: boolean | null
}

/** Stands for whatever a listing may have held that could not be read. */
const UNSEEN: ExposureRow = { device: null, qube: null, vectors: null, exposed: null }

const exposedBy = (qube: string | null, vectors: number | null): boolean | null => {
  if (vectors === null) return null
  if (vectors <= 1) return false
  return qube === null ? null : true
}

/**
 * The check of QSB-103: a qube with a PCI device that can use several MSI vectors can try XSA-458.
 * The update is wanted either way: a device can be attached tomorrow.
 * @param devices From parseQvmPci; devices of dom0's own are left out.
 * @param vectors MSI vectors by `device`, from parseMsiVectors; a device that is not in it is unknown.
 * @param isComplete Whether all assigned devices are among `devices`; if not, a row stands for the others.
 */
export const decideMsiExposure = (
  devices: readonly QubesPciDevice[],
  vectors: ReadonlyMap<string, number | null>,
  isComplete: boolean,
): ExposureRow[] => {
  const rows = devices.flatMap(({ device, qubes }) => {
    const count = vectors.get(device) ?? null
    return [...new Set(qubes ?? [null])].map((qube) => ({
      device,
      qube,
      vectors: count,
      exposed: exposedBy(qube, count),
    }))
  })
  return isComplete ? rows : [...rows, UNSEEN]
}

/** Whether the machine is exposed at all: yes if any row is, unknown if one could not be seen, else no. */
export const isExposed = (rows: readonly ExposureRow[]): boolean | null => {
  if (rows.some(({ exposed }) => exposed === true)) return true
  return rows.some(({ exposed }) => exposed === null) ? null : false
}
