/** What a TPM 2.0 says of its dictionary-attack protection. */
export type Tpm2Lockout = {
  readonly isLockedOut: boolean
  readonly failedTries: number
  readonly maxTries: number
}

/**
 * Reads `tpm2_getcap properties-variable` (tpm2-tools 5.4).
 *
 * Sample:
 *
 *     TPM2_PT_PERMANENT:
 *       inLockout:                 0
 *     TPM2_PT_LOCKOUT_COUNTER: 0x1
 *     TPM2_PT_MAX_AUTH_FAIL: 0x3
 *
 * @returns null when one of the three is missing
 */
export function parseTpm2Lockout(stdout: string): Tpm2Lockout | null {
  const locked = /^\s*inLockout:\s*([01])\s*$/m.exec(stdout)?.[1]
  const tries = /^\s*TPM2_PT_LOCKOUT_COUNTER:\s*(0x[0-9A-Fa-f]+)\s*$/m.exec(stdout)?.[1]
  const max = /^\s*TPM2_PT_MAX_AUTH_FAIL:\s*(0x[0-9A-Fa-f]+)\s*$/m.exec(stdout)?.[1]
  if (locked === undefined || tries === undefined || max === undefined) return null
  return { isLockedOut: locked === '1', failedTries: Number(tries), maxTries: Number(max) }
}

/** Why the TPM said no. */
export type Tpm2Refusal =
  | 'policy'
  | 'bad-password'
  | 'lockout'
  | 'no-memory'
  | 'no-srk'
  | 'bad-object'
  | 'unknown'

/*
 * TPM 2.0 Library 1.59, part 2, section 6.6.3 (TPM_RC): format-one codes have bit 7 set, the error in bits 0-5, the
 * parameter, session or handle in bits 8-11.
 */
const FORMAT_ONE = 0x080
const ERROR_MASK = 0x03f
const RC = { handle: 0x0b, authFail: 0x0e, policyFail: 0x1d, badAuth: 0x22 } as const
const RC_OBJECT_MEMORY = 0x902
const RC_LOCKOUT = 0x921

/**
 * The cause behind the error output of tpm2_load, tpm2_unseal and tpm2_create (tpm2-tools 5.4).
 *
 * Samples: `ERROR: Esys_Unseal(0x99D) - tpm:session(1):a policy check failed`,
 * `ERROR: Eys_Load(0x98E) - tpm:session(1):the authorization HMAC check failed and DA counter incremented`,
 * `ERROR: The input file needs to be a valid TPM2B_PRIVATE data structure`
 */
export function classifyTpm2Error(stderr: string): Tpm2Refusal {
  if (/needs to be a valid TPM2B_/.test(stderr)) return 'bad-object'
  const codes = [...stderr.matchAll(/\(0x([0-9A-Fa-f]{1,8})\)/g)].map((match) =>
    Number.parseInt(match[1] ?? '0', 16),
  )
  // Layer bits 16-23 are 0 for the TPM's own answers; the tools' layers have others (TSS 2.0 Overview, section 3.2).
  const code = codes.find((value) => value !== 0 && value < 0x10000)
  if (code === undefined) return 'unknown'
  if (code === RC_OBJECT_MEMORY) return 'no-memory'
  if (code === RC_LOCKOUT) return 'lockout'
  if ((code & FORMAT_ONE) === 0) return 'unknown'
  const error = code & ERROR_MASK
  if (error === RC.policyFail) return 'policy'
  if (error === RC.authFail || error === RC.badAuth) return 'bad-password'
  return error === RC.handle ? 'no-srk' : 'bad-object'
}
