import { findLedgerDevice, type LedgerLook } from '../session/device-ledger.ts'

/** A boot file on a device, and what the installed package has in its place; SHA-256 as stored, lower-case hex. */
export type ComparedFile = {
  readonly path: string
  readonly sha256: string | null
  readonly expected: string | null
  /** It lies where its package put it, which no older one does. */
  readonly isInPlace?: boolean
}

/** A file that is neither the package's nor one that was approved before. */
export type ChangedFile = { readonly path: string; readonly why: string }

/**
 * The boot files of a device that are not just old: another one than the installed package's, and than every one of an
 * approved boot. Where no boot from the device was approved, what is old cannot be told from what was changed, but for files
 * where their package put them.
 */
export function listChangedFiles(
  files: readonly ComparedFile[],
  look: LedgerLook,
  label: string,
): readonly ChangedFile[] {
  const own = look.state === 'read' ? findLedgerDevice(look.ledger, label).approved : null
  const known = look.state === 'read' ? look.ledger.devices : []
  const approved = new Set(
    known.flatMap((device) => device.approved?.files.map(({ sha256 }) => sha256) ?? []),
  )
  return files
    .filter(({ sha256, expected }) => sha256 !== null && expected !== null && sha256 !== expected)
    .filter(({ sha256, isInPlace }) => !approved.has(sha256) && (own !== null || isInPlace === true))
    .map(({ path }) => ({
      path,
      why:
        own === null
          ? "not the installed package's, which put it there"
          : `neither the installed package's nor one of a boot approved before (last ${own.at})`,
    }))
}
