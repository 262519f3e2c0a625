import { compareEvr } from './evr.ts'

/** One installed package as `rpm -q --qf RPM_QUERY_FORMAT` prints it. */
export type InstalledPackage = {
  readonly name: string
  /** epoch:version-release, the epoch always there. */
  readonly evr: string
  readonly arch: string
  /** ISO 8601 UTC. */
  readonly installedAt: string
  /** Key id of the header signature, 16 (old rpm: 8) lower-case hex digits; null when it is not signed. */
  readonly signatureKeyId: string | null
}

/** A package name as it may be given to rpm again (commands.ts takes no other): rpm's own rules for names allow no more. */
export const RPM_NAME = /^[A-Za-z0-9][A-Za-z0-9+._-]{0,99}$/

const KEY_ID = /Key ID ([0-9a-f]{8,40})\b/i

/**
 * Reads `rpm -q --qf RPM_QUERY_FORMAT NAME` (rpm 4.16 to 4.20).
 *
 * Sample: `xen-hypervisor\t2001:4.17.4-4.fc37\tx86_64\t1721174400\tRSA/SHA256, ..., Key ID e022e58f8e34d89f`
 *
 * @returns the installed versions, the oldest version first, whenever it was installed; empty when rpm says that it is not installed;
 *   null when the output is anything else
 */
export function parseRpmQuery(stdout: string): readonly InstalledPackage[] | null {
  const packages: InstalledPackage[] = []
  for (const line of stdout.split('\n')) {
    if (line === '') continue
    if (NOT_INSTALLED.test(line)) return packages.length === 0 ? [] : null
    const found = parsePackageLine(line)
    if (found === null) return null
    packages.push(found)
  }
  // rpm always says something: silence is a failure of its own.
  if (packages.length === 0) return null
  return packages.sort((a, b) => compareEvr(a.evr, b.evr))
}

/**
 * The same of several names: rpm answers them in their order (seen with rpm 4.18).
 *
 * @returns for each name that rpm answered its installed versions, the oldest first; a name without an answer is left out;
 *   null when a line is of another form, or of a package that was not asked for
 */
export function parseRpmQueries(
  stdout: string,
  names: readonly string[],
): ReadonlyMap<string, readonly InstalledPackage[]> | null {
  const answers = new Map<string, InstalledPackage[]>()
  for (const line of stdout.split('\n')) {
    if (line === '') continue
    const missing = NOT_INSTALLED.exec(line)?.[1]
    const found = missing === undefined ? parsePackageLine(line) : null
    const name = missing ?? found?.name
    if (name === undefined || !names.includes(name)) return null
    const packages = answers.get(name) ?? []
    if (missing !== undefined && packages.length > 0) return null
    answers.set(name, packages)
    if (found !== null) packages.push(found)
  }
  for (const packages of answers.values()) packages.sort((a, b) => compareEvr(a.evr, b.evr))
  return answers
}

const NOT_INSTALLED = /^package (\S+) is not installed$/

function parsePackageLine(line: string): InstalledPackage | null {
  const [name, evr, arch, seconds, signature, ...more] = line.split('\t')
  if (!name || !evr || !arch || signature === undefined || more.length > 0) return null
  if (!RPM_NAME.test(name)) return null
  if (!/^[0-9]+:[^\s-]+-[^\s-]+$/.test(evr) || !/^[0-9]{1,12}$/.test(seconds ?? '')) return null
  return {
    name,
    evr,
    arch,
    installedAt: new Date(Number(seconds) * 1000).toISOString(),
    signatureKeyId: KEY_ID.exec(signature)?.[1]?.toLowerCase() ?? null,
  }
}

export type PackageFile = { readonly evr: string; readonly path: string; readonly sha256: string | null }

/**
 * Reads `rpm -q --qf RPM_FILES_FORMAT NAME`: the files of all installed versions with their digests.
 * @returns null when the output is of another form
 */
export function parseRpmFiles(stdout: string): readonly PackageFile[] | null {
  const files: PackageFile[] = []
  for (const line of stdout.split('\n')) {
    if (line === '') continue
    if (/^package \S+ is not installed$/.test(line)) return []
    const [name, evr, path, digest] = line.split('\t')
    if (!name || !evr || !path?.startsWith('/')) return null
    files.push({ evr, path, sha256: /^[0-9a-f]{64}$/.test(digest ?? '') ? (digest ?? null) : null })
  }
  return files
}

export type VerifyFinding = {
  readonly path: string
  /** missing, contents (digest or size differ), unreadable, or attributes only (mode, owner, time ...). */
  readonly kind: 'missing' | 'contents' | 'unreadable' | 'attributes'
  /** c configuration, d documentation, g ghost ..., or null. */
  readonly fileFlag: string | null
}

/**
 * Reads `rpm -V NAME`: nothing and exit 0 when nothing differs.
 *
 * Sample: `S.5....T.  c /etc/default/grub`, `S.5....T.    /etc/anti-evil-maid.conf`, `missing     /boot/xen-4.17.4.gz` (rpm 4.18)
 *
 * A dependency that is not met (a package put in by `rpm --nodeps`) says nothing of the files; it is printed before them
 * (seen with rpm 4.18): `Unsatisfied dependencies for NAME:`, and one line each behind a tab.
 *
 * @returns null when a line is of another form (a newer rpm, an error text): then nothing is known
 * @see rpm(8), VERIFY OPTIONS: S size, M mode, 5 digest, D device, L link, U user, G group, T time, P capabilities
 */
export function parseRpmVerify(stdout: string, exit: number): readonly VerifyFinding[] | null {
  const findings: VerifyFinding[] = []
  let hasDependencies = false
  for (const line of stdout.split('\n')) {
    if (line.trim() === '') continue
    if (/^Unsatisfied dependencies for \S+:\s*$/.test(line)) {
      hasDependencies = true
      continue
    }
    if (hasDependencies && /^\t.+ is needed by .+$/.test(line)) continue
    const missing = /^missing\s+(?:([cdglr])\s+)?(\/.*)$/.exec(line)
    if (missing?.[2]) {
      findings.push({ path: withoutReason(missing[2]), kind: 'missing', fileFlag: missing[1] ?? null })
      continue
    }
    const differs = /^([S.?][M.?][5.?][D.?][L.?][U.?][G.?][T.?][P.?]?)\s+(?:([cdglr])\s+)?(\/.*)$/.exec(line)
    if (!differs?.[1] || !differs[3]) return null
    findings.push({ path: differs[3], kind: verifyKind(differs[1]), fileFlag: differs[2] ?? null })
  }
  if (exit !== 0 && findings.length === 0 && !hasDependencies) return null
  return findings
}

/** `/boot/x (Permission denied)`; what stands in the brackets is no part of the path. */
function withoutReason(text: string): string {
  const at = text.endsWith(')') ? text.indexOf(' (') : -1
  return at === -1 ? text : text.slice(0, at)
}

function verifyKind(flags: string): VerifyFinding['kind'] {
  if (flags.includes('5') || flags.startsWith('S') || flags.includes('L')) return 'contents'
  if (flags.includes('?')) return 'unreadable'
  return 'attributes'
}

/**
 * Whether an installed package's header signature verified, from `rpm -qvv NAME` (standard error).
 *
 * Sample: `Header V4 RSA/SHA256 Signature, key ID 8e34d89f: OK` (rpm 4.18). rpm prints such lines for other
 * headers it reads on the way too, so the package's own key id is looked for.
 *
 * @param keyId key id of the package's signature (parseRpmQuery), 8 or 16 hex digits
 * @returns ok; no-key when the key is not in RPM's keyring; bad; or null when no line speaks of this key
 */
export function parseRpmSignature(stderr: string, keyId: string): 'ok' | 'no-key' | 'bad' | null {
  const verdicts = new Set<string>()
  const short = keyId.slice(-8)
  for (const match of stderr.matchAll(/Signature, key ID ([0-9a-f]{8,40}): ([A-Z]+)/gi)) {
    if (match[1]?.toLowerCase().endsWith(short)) verdicts.add(match[2] ?? '')
  }
  if (verdicts.size === 0) return null
  if ([...verdicts].every((verdict) => verdict === 'OK')) return 'ok'
  return [...verdicts].every((verdict) => verdict === 'OK' || verdict === 'NOKEY') ? 'no-key' : 'bad'
}
