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
