/** The versions of TPM that AEM works with. */
export const TPM_VERSIONS = ['1.2', '2.0'] as const
export type TpmVersion = (typeof TPM_VERSIONS)[number]

/** What a look at the machine answers: `none` where it has no TPM, null where it could not be told. */
export type TpmLook = TpmVersion | 'none' | null

/** The banks that AEM seals to: sha1 with TPM 1.2, sha256 with TPM 2.0. Both are what the launch logs and the files are hashed in. */
export const SEAL_BANKS = ['sha1', 'sha256'] as const
export type SealBank = (typeof SEAL_BANKS)[number]
