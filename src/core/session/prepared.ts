import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'

/** Where a copy of a device's sealed files lies: dom0's own, and the device's, which the next boot reads. */
export const COPIES = ['dom0', 'device'] as const

const hexDigest = onFirstUse(() => z.string().check(z.regex(/^[0-9a-f]+$/)))

/**
 * What the next boot was prepared for: kept at the end of the protecting step of `start`, and compared with the machine until
 * the restart. Boot files, packages and selection are those that the prediction was made of.
 */
export const preparedSchema = onFirstUse(() =>
  z.object({
    at: z.iso.datetime(),
    bootId: z.string(),
    /** The device that boots next; null: not known. */
    label: z.nullable(z.string()),
    /** Boot files by their names below the root of the device; SHA-256, null where it could not be read. */
    files: z.array(z.object({ name: z.string(), sha256: z.nullable(hexDigest()) })),
    /** SHA-256 of the entry that boots next, as GRUB would load it; null: it could not be told. */
    entry: z.nullable(hexDigest()),
    /** SHA-256 of grub.cfg, which counts where the entry could not be told. */
    grubConfig: z.nullable(hexDigest()),
    packages: z.array(z.object({ name: z.string(), evr: z.string() })),
    selectedPcrs: z.array(z.int()),
    /** What the LUKS headers give for PCR 13; null where it is not selected, or they were not read. */
    luks: z.nullable(hexDigest()),
    /** The sealed files of the device in both homes, and of the other devices in dom0's. */
    sealed: z.array(
      z.object({
        label: z.string(),
        copy: z.enum(COPIES),
        name: z.string(),
        sha256: z.nullable(hexDigest()),
      }),
    ),
  }),
)

export type Prepared = z.infer<ReturnType<typeof preparedSchema>>
export type SealedDigest = Prepared['sealed'][number]
