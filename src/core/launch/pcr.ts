/* Long: the one place that names registers, banks and their constants. */

import { createHash, getHashes, type Hash } from 'node:crypto'
import type { Failure } from '../failure.ts'
import { coreFailure } from '../failures.ts'

/**
 * The one place that names PCR numbers.
 * - 13: qubes-antievilmaid 4.2.0, 90anti-evil-maid/anti-evil-maid-unseal, LUKS header measurement.
 * - 17 to 22: DRTM registers, TCG PC Client Platform TPM Profile 1.05, section 4.6.2 (reset by a
 *   dynamic launch, all ones before the first one). 17 and 18 are "DRTM" and "details/authorities" or code
 *   and data, by the map: Intel TXT Software Development Guide, revision 017, section 1.10 and appendix F.
 * - 18 takes tboot's module 0, 19 every later module: tboot 1.10.5, tboot/common/policy.c, the built-in default policy.
 * - 22 takes tboot's raw NV entry of that same policy.
 * - 23 is the last register of the PC Client profile.
 */
export const PCR = {
  luksHeaders: 13,
  drtm: 17,
  launched: 18,
  modules: 19,
  lastDrtm: 22,
  last: 23,
} as const

/** The registers a launch can fill (AEM 4.2.0's default selection, etc/anti-evil-maid.conf, without the LUKS headers). */
export const LAUNCH_PCRS: readonly number[] = [PCR.drtm, PCR.launched, PCR.modules]

/**
 * Registers that a boot is known by: those that AEM seals to, and those that its launch filled, whatever SEAL names. A kernel that was
 * exchanged may leave the others alone.
 */
export function listMeasuredPcrs(
  selected: readonly number[],
  values: Readonly<Record<number, string>>,
): readonly number[] {
  const filled = LAUNCH_PCRS.filter((index) => values[index] !== undefined)
  const constant = listConstantPcrs(values, filled)
  const measured = filled.filter((index) => !constant.includes(index))
  return [...new Set([...selected, ...measured])].sort((a, b) => a - b)
}

/** Registers that read all ones until a dynamic launch happened. */
export const DRTM_PCRS: readonly number[] = [17, 18, 19, 20, 21, 22]

export const BANK_NAMES = ['sha1', 'sha256', 'sha384', 'sha512', 'sm3_256'] as const
export type Bank = (typeof BANK_NAMES)[number]

/** TCG Algorithm Registry 1.34, table 3 (identifiers) and the digest sizes of the algorithms. */
export const BANKS: Readonly<Record<Bank, { readonly algorithmId: number; readonly sizeBytes: number }>> = {
  sha1: { algorithmId: 0x0004, sizeBytes: 20 },
  sha256: { algorithmId: 0x000b, sizeBytes: 32 },
  sha384: { algorithmId: 0x000c, sizeBytes: 48 },
  sha512: { algorithmId: 0x000d, sizeBytes: 64 },
  sm3_256: { algorithmId: 0x0012, sizeBytes: 32 },
}

/** Register values by bank and index, lower-case hex. */
export type PcrBanks = Partial<Record<Bank, Record<number, string>>>

/** The bank with this TCG algorithm identifier, or null. */
export function bankOfAlgorithm(algorithmId: number): Bank | null {
  return BANK_NAMES.find((bank) => BANKS[bank].algorithmId === algorithmId) ?? null
}

const OPENSSL_NAMES: Readonly<Record<Bank, string>> = {
  sha1: 'sha1',
  sha256: 'sha256',
  sha384: 'sha384',
  sha512: 'sha512',
  sm3_256: 'sm3',
}

/** Whether this build of OpenSSL can compute the bank: SM3 is often left out. */
export function isBankComputable(bank: Bank): boolean {
  return bank !== 'sm3_256' || getHashes().includes(OPENSSL_NAMES[bank])
}

/**
 * A running hash of the bank's algorithm.
 * @throws Failure `hash-unavailable` when OpenSSL lacks it (SM3).
 */
export function createBankHash(bank: Bank): Hash {
  if (!isBankComputable(bank)) throw coreFailure('hash-unavailable', { bank })
  return createHash(OPENSSL_NAMES[bank])
}

/** H(x) of the bank: bytes in, lower-case hex out. @throws Failure `hash-unavailable` as `createBankHash`. */
export function hashInBank(bank: Bank, ...parts: readonly (Uint8Array | string)[]): string {
  const hash = createBankHash(bank)
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Lower-case hex of exactly the bank's size, else null. */
export function normalizeDigest(bank: Bank, hex: string): string | null {
  const compact = hex.replace(/[\s:]/g, '').toLowerCase()
  return compact.length === 2 * BANKS[bank].sizeBytes && /^[0-9a-f]+$/.test(compact) ? compact : null
}

/**
 * The register after an extend: H(current || digest).
 * Source: TPM 2.0 Library 1.59, part 1, section 17.2.
 * @param currentHex, digestHex hex of the bank's size
 * @throws Failure `bad-digest` when a value has another size
 */
export function extendPcr(bank: Bank, currentHex: string, digestHex: string): string {
  const parts = [currentHex, digestHex].map((hex) => {
    const digest = normalizeDigest(bank, hex)
    if (digest === null) throw coreFailure('bad-digest', { bank, given: JSON.stringify(hex.slice(0, 140)) })
    return Buffer.from(digest, 'hex')
  })
  return hashInBank(bank, ...parts)
}

/** A register as the dynamic launch leaves it: all zeros. */
export function emptyPcr(bank: Bank): string {
  return '00'.repeat(BANKS[bank].sizeBytes)
}

/** All zeros: launched or reset, then never extended. */
export function isUnset(hex: string): boolean {
  return constantOf(hex) === 'unset'
}

/** All ones: a DRTM register before any dynamic launch. */
export function isUnlaunched(hex: string): boolean {
  return constantOf(hex) === 'unlaunched'
}

/**
 * Values of a register that anybody knows without having measured anything:
 * - unset: all zeros, launched or reset and never extended;
 * - unlaunched: all ones, a DRTM register before any dynamic launch (TCG PC Client Platform TPM Profile 1.05, 4.6.2);
 * - capped: H(zeros || ones), the empty register extended once with all ones, by which a failed launch is closed (AMD).
 */
export type PublicConstant = 'unset' | 'unlaunched' | 'capped'

/** H(zeros || ones) of each bank; the other two constants differ by size alone. A test computes them. */
const CAPPED: Readonly<Record<Bank, string>> = {
  sha1: 'bac37b84f007d0238af95af707cac8d61254870e',
  sha256: 'bba91ca85dc914b2ec3efb9e16e7267bf9193b14350d20fba8a8b406730ae30a',
  sha384: '7d4fd80ec2887e82b1a453745c5cbd24e2be56273d311fd7ab567c50c7a3a37065b7328375dc9045fb0fe02e12d34d75',
  sha512:
    'd04a696838c91ec2226cf3a39cdadb48e3bb010ece368b0f81f573a73c2fe70ffd358ceba267e0dc15a73ee0a582972ef3460973ec2384163e486ed97d1095ad',
  sm3_256: '59672c5951405f8cd07bae147b53df0d5f0db0cdbb8c919167cbcc232ca335a2',
}

/** Which public constant a register's value is, in whatever bank; null for every other value. @param hex in any case */
export function constantOf(hex: string): PublicConstant | null {
  if (/^(?:00)+$/.test(hex)) return 'unset'
  if (/^(?:ff)+$/i.test(hex)) return 'unlaunched'
  return Object.values(CAPPED).includes(hex.toLowerCase()) ? 'capped' : null
}

/**
 * Registers among these whose value is a public constant: they show no measurement, and what is sealed to them is
 * protected by nothing. A register without a value is not among them.
 */
export function listConstantPcrs(
  values: Readonly<Record<number, string>>,
  indices: readonly number[],
): readonly number[] {
  return indices.filter((index) => {
    const value = values[index]
    return value !== undefined && constantOf(value) !== null
  })
}

/** Of a register that a failed launch left. */
export const CLOSED = 'closed by a failed launch'

const CONSTANT_WORDS: Readonly<Record<PublicConstant, string>> = {
  unset: 'never extended',
  unlaunched: 'never launched',
  capped: CLOSED,
}

/** Registers that hold a public constant, by what it says: `never extended`, and which. */
export function groupConstants(
  values: Readonly<Record<number, string>>,
  indices: readonly number[],
): readonly { readonly words: string; readonly pcrs: readonly number[] }[] {
  return Object.entries(CONSTANT_WORDS).flatMap(([kind, words]) => {
    const pcrs = indices.filter((index) => constantOf(values[index] ?? '') === kind)
    return pcrs.length === 0 ? [] : [{ words, pcrs }]
  })
}

/** A dynamic launch fills some of these: without one, nothing is said of PCR 17. */
export function selectsLaunch(indices: readonly number[]): boolean {
  return indices.some((index) => DRTM_PCRS.includes(index))
}

/**
 * `/sys/class/tpm/tpm0/pcrs` of a TPM 1.2 (drivers/char/tpm/tpm-sysfs.c, Linux 6.1):
 *
 *     PCR-16: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
 *     PCR-17: 0A 1B 7E 33 5B C2 4F 0E 16 62 BB 9C 8F 74 19 6A 6A 24 CC 1C
 *
 * @throws Failure `pcrs-unreadable` when no line has a full SHA-1 value
 */
export function parseSysfsTpm12Pcrs(text: string): Record<number, string> {
  const found: Record<number, string> = {}
  for (const line of text.split('\n')) {
    const match = /^PCR-(\d{2}):((?: [0-9A-Fa-f]{2}){20})\s*$/.exec(line)
    if (!match) continue
    const index = Number(match[1])
    const digest = normalizeDigest('sha1', match[2]!)
    if (index <= PCR.last && digest !== null) found[index] = digest
  }
  if (Object.keys(found).length === 0) throw pcrsUnreadable('/sys/class/tpm/tpm0/pcrs', text)
  return found
}

/**
 * One file `/sys/class/tpm/tpm0/pcr-sha256/17` of a TPM 2.0 (Linux 5.12 and later): upper-case hex and a
 * line end. The bank is in the directory's name.
 * @throws Failure `pcrs-unreadable` when it is not one value of that bank
 */
export function parsePcrFile(bank: Bank, text: string): string {
  const digest = /^[0-9A-Fa-f]+\s*$/.test(text) ? normalizeDigest(bank, text.trim()) : null
  if (digest === null) throw pcrsUnreadable(`a file of pcr-${bank}`, text)
  return digest
}

function pcrsUnreadable(source: string, text: string): Failure {
  return coreFailure('pcrs-unreadable', { source }, text.slice(0, 400))
}
