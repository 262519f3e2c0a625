/** `4.17.4-4`, `2.1.20250512`, `050-62.git20200529`, `2.1-34.qubes1`, `6.1.43`; `v4.1.2-4` (2). */
const VERSION = /v?(\d[0-9A-Za-z.+~^_]*(?:-[0-9A-Za-z.+~^_]+)?)/y
/** `NAME-VERSION[-RELEASE]`: the name may hold digits (`qubes-gui-dom0-2.1.34-1`), the version holds no hyphen. */
const GLUED = /^([A-Za-z][\w.+-]*?)-(\d[0-9A-Za-z.+~^_]*(?:-[0-9A-Za-z.+~^_]+)?)$/
const PACKAGE_NAME = /^[A-Za-z][\w.+-]*$/
/** Words, `/` between two names (38), a name or glob in parentheses: `Linux kernel packages (kernel*-qubes-vm)`. */
const PRINTED_NAME = /^[A-Za-z][\w.+-]*(?: (?:[A-Za-z][\w.+-]*|\/|\([\w.+*-]+\)))*$/

/** A package of a list or sentence with the release it is for. */
export type FoundPackage = { readonly release: string; readonly name: string; readonly version: string }

export type PackageLine = {
  readonly packages: readonly { readonly name: string; readonly version: string }[]
  /** Contents of the parentheses after the versions: `R3.0`, `optional`, `Fedora templates and dom0`. */
  readonly suffixes: readonly string[]
}

/** A plain number such as the 3 of "see 3" is no version: a dot, a hyphen or a date's six digits make one. */
const isVersion = (text: string): boolean => /[.-]/.test(text) || /^\d{6,}$/.test(text)

/** A version at `at`; a full stop or comma that ends the sentence is not part of it, nor a hyphen that nothing follows. */
const versionAt = (text: string, at: number): { version: string; end: number } | null => {
  VERSION.lastIndex = at
  const match = VERSION.exec(text)
  if (!match) return null
  const version = match[1]!.replace(/(?<![.-])-?\.+$/, '')
  if (!isVersion(version)) return null
  const end = at + match[0].length - (match[1]!.length - version.length)
  return { version, end }
}

const SUFFIX = /[.;]? ?(?:\(([^()]*)\)|\[\d{1,2}\])/y

/** Versions, commas between them, parentheses and citations, up to the end of the text; else null. */
const parseVersions = (
  text: string,
  start: number,
): { versions: string[]; suffixes: string[]; end: number } | null => {
  const versions: string[] = []
  const suffixes: string[] = []
  let at = start
  for (;;) {
    const found = versionAt(text, at)
    if (!found) return null
    versions.push(found.version)
    at = found.end
    for (;;) {
      SUFFIX.lastIndex = at
      const suffix = SUFFIX.exec(text)
      if (!suffix) break
      if (suffix[1] !== undefined) suffixes.push(suffix[1].trim())
      at += suffix[0].length
    }
    const more = /^(?:, (?:and )?| and )(?=v?\d)/.exec(text.slice(at, at + 8))
    if (!more) break
    at += more[0].length
  }
  return /^[.;,]?$/.test(text.slice(at)) ? { versions, suffixes, end: at } : null
}

/** Where the versions begin: after the word `version(s)`, else at the first word that is a version. */
const findVersions = (text: string): { name: string; start: number } | null => {
  const keyword = /,? \(?versions? (?=v?\d)/.exec(text)
  if (keyword) return { name: text.slice(0, keyword.index), start: keyword.index + keyword[0].length }
  for (const word of text.matchAll(/ (?=v?\d)/g)) {
    const start = word.index + 1
    if (versionAt(text, start)) return { name: text.slice(0, word.index).replace(/,$/, ''), start }
  }
  return null
}

const parseGlued = (text: string): { name: string; version: string } | null => {
  const glued = GLUED.exec(text)
  return glued && isVersion(glued[2]!) ? { name: glued[1]!, version: glued[2]! } : null
}

/** `New Xen packages (xen-4.4.3-11, xen-libs-4.4.3-11)` (17, 23): the exact names are in parentheses. */
const parseGluedList = (text: string): PackageLine | null => {
  const list = /^[^()]*\(([^()]*)\)$/.exec(text)
  const packages = (list ? list[1]!.split(', ') : [text]).map(parseGlued)
  return packages.every((each) => each !== null) ? { packages, suffixes: [] } : null
}

/**
 * One item of a package list.
 *
 *     Xen packages, version 4.17.4-4
 *     Linux kernel packages (kernel*-qubes-vm), versions 6.1.43, 6.4.8, 5.15.124
 *     qubes-core-admin-client, python3-qubesadmin version 4.0.26
 *     libwnck3 version 43.0-9 (Fedora templates and dom0)
 *     dracut-059-4
 *
 * @param text The item without its bullet, on one line.
 * @returns null where the text is not of this form.
 */
export const parsePackageLine = (text: string): PackageLine | null => {
  const found = findVersions(text)
  const list = found && found.name !== '' ? parseVersions(text, found.start) : null
  if (!found || !list) return parseGluedList(text)
  const parts = found.name.split(', ')
  const names = parts.every((part) => PACKAGE_NAME.test(part)) ? parts : [found.name.trim()]
  if (!names.every((name) => PRINTED_NAME.test(name))) return null
  const packages = names.flatMap((name) => list.versions.map((version) => ({ name, version })))
  return { packages, suffixes: list.suffixes }
}
