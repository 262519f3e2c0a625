import { BANK_NAMES, normalizeDigest, type PcrBanks } from './pcr.ts'

/**
 * Reads `tpm2_pcrread sha1:all+sha256:all` (tpm2-tools 5.4).
 *
 * Sample:
 *
 *     sha256:
 *       17: 0x8A31...
 *
 * and of its forerunner `tpm2_pcrlist` (tpm2-tools 2 and 3):
 *
 *     sha256 :
 *       17 : 8a31...
 *
 * @returns the registers that read well; lines of another form are left out
 */
export function parsePcrRead(stdout: string): PcrBanks {
  const banks: PcrBanks = {}
  let bank: (typeof BANK_NAMES)[number] | null = null
  for (const line of stdout.split('\n')) {
    const head = /^\s*([a-z0-9_]+)\s*:\s*$/.exec(line)
    if (head) bank = BANK_NAMES.find((name) => name === head[1]) ?? null
    const value = /^\s*([0-9]{1,2})\s*:\s*(?:0x)?([0-9A-Fa-f]+)\s*$/.exec(line)
    if (!value?.[1] || !value[2] || bank === null) continue
    const digest = normalizeDigest(bank, value[2])
    if (digest !== null) banks[bank] = { ...banks[bank], [Number(value[1])]: digest }
  }
  return banks
}
