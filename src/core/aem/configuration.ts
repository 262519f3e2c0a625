/**
 * The PCRs that AEM seals to, from /etc/anti-evil-maid.conf.
 *
 * The file is sourced by a shell; AEM itself takes the numbers out of $SEAL with a regular expression
 * (anti-evil-maid-lib-tpm2, tpmsealprepare), so this does the same on the last assignment.
 *
 * Sample: `SEAL="--pcr 13 --pcr 17 --pcr 18 --pcr 19"` (anti-evil-maid 4.2.0)
 *
 * @returns ascending PCR numbers, or null when the assignment is missing or cannot be read without a shell
 */
export function parseSealSelection(text: string): readonly number[] | null {
  const assignments = [...text.matchAll(/^[ \t]*(?:export[ \t]+)?SEAL=(.*)$/gm)]
  const last = assignments.at(-1)?.[1]?.trim()
  if (last === undefined) return null
  const value = /^"([^"$`\\]*)"\s*(?:#.*)?$/.exec(last) ?? /^'([^']*)'\s*(?:#.*)?$/.exec(last)
  if (value?.[1] === undefined) return null
  const numbers = [...value[1].matchAll(/\b([0-9]+)\b/g)].map((match) => Number(match[1]))
  const isPcr = (index: number): boolean => index >= 0 && index < 24
  if (numbers.length === 0 || !numbers.every(isPcr)) return null
  return [...new Set(numbers)].sort((a, b) => a - b)
}

/**
 * The PCR selection that a key was sealed to, from key.pcrs.
 *
 * Sample: `sha256:13,17,18,19` (anti-evil-maid 4.2.0)
 */
export function parseKeyPcrs(text: string): { bank: string; pcrs: readonly number[] } | null {
  const match = /^(sha1|sha256|sha384|sha512):([0-9]+(?:,[0-9]+)*)\n?$/.exec(text)
  if (!match?.[1] || !match[2]) return null
  const pcrs = match[2].split(',').map(Number)
  return { bank: match[1], pcrs: [...new Set(pcrs)].sort((a, b) => a - b) }
}

/** Value of a kernel command line parameter, each time it stands there. */
export function parseKernelParameters(commandLine: string, name: string): readonly string[] {
  const prefix = `${name}=`
  return commandLine
    .trim()
    .split(/\s+/)
    .filter((word) => word.startsWith(prefix))
    .map((word) => word.slice(prefix.length))
}

/** UUIDs of the LUKS devices that AEM's initrd measures into PCR 13 (anti-evil-maid-lib, getluksuuids). */
export function parseLuksUuids(commandLine: string): readonly string[] {
  const uuids = [
    ...parseKernelParameters(commandLine, 'rd.luks.uuid'),
    ...parseKernelParameters(commandLine, 'rd_LUKS_UUID'),
  ].map((uuid) => uuid.replace(/^luks-/, ''))
  return [...new Set(uuids)].sort()
}

/**
 * The Qubes release from /etc/qubes-release.
 *
 * Sample: `Qubes release 4.2.2 (R4.2)`
 *
 * @returns e.g. '4.2', or null
 */
export function parseQubesRelease(text: string): string | null {
  return /\(R([0-9]+\.[0-9]+)\)/.exec(text)?.[1] ?? /release ([0-9]+\.[0-9]+)/.exec(text)?.[1] ?? null
}
