/** Epoch (digits; null where none is given, which rpm takes for 0), version and release of an RPM package. */
export type Evr = { readonly epoch: string | null; readonly version: string; readonly release: string | null }

/**
 * An `[epoch:]version[-release]` string such as `2001:4.17.4-4.fc37`.
 * As in rpm, what stands before a colon is an epoch only if it consists of digits; `(none):` is none.
 * @see rpm 4.18 rpmio/rpmver.c parseEVR
 */
export const parseEvr = (text: string): Evr => {
  const prefix = /^(\d*|\(none\)):/.exec(text)
  const rest = prefix ? text.slice(prefix[0].length) : text
  const epoch = prefix && /\d/.test(prefix[1]!) ? prefix[1]! : null
  const hyphen = rest.lastIndexOf('-')
  if (hyphen === -1) return { epoch, version: rest, release: null }
  return { epoch, version: rest.slice(0, hyphen), release: rest.slice(hyphen + 1) }
}

/** Version and release without the epoch, as bulletins and `rpm -q` print them: `4.17.4-4.fc37`. */
export function withoutEpoch(evr: string): string {
  const { version, release } = parseEvr(evr)
  return release === null ? version : `${version}-${release}`
}

const SEPARATORS = /[^0-9A-Za-z~^]*/y
const SEGMENT = /[0-9]+|[A-Za-z]+/y

const matchAt = (pattern: RegExp, text: string, at: number): string => {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}

const sign = (difference: number): number => (difference > 0 ? 1 : difference < 0 ? -1 : 0)

const compareText = (a: string, b: string): number => (a === b ? 0 : a > b ? 1 : -1)

const isNumber = (segment: string): boolean => /^[0-9]/.test(segment)

/** Numbers by value without leading zeros (any length), letters as bytes; a number is newer than letters. */
const compareSegments = (a: string, b: string): number => {
  if (isNumber(a) !== isNumber(b)) return isNumber(a) ? 1 : -1
  if (!isNumber(a)) return compareText(a, b)
  const [first, second] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  return sign(first.length - second.length) || compareText(first, second)
}

/**
 * rpm's order of two version or release strings: -1, 0 or 1.
 *
 * Runs of digits and of letters are compared in turn, other characters only separate; `~` sorts
 * before anything, even the end; `^` after the end but before anything else.
 * @see rpm 4.18 rpmio/rpmvercmp.c
 */
export const compareVersions = (a: string, b: string): number => {
  if (a === b) return 0
  let [i, j] = [0, 0]
  for (;;) {
    i += matchAt(SEPARATORS, a, i).length
    j += matchAt(SEPARATORS, b, j).length
    if (a[i] === '~' || b[j] === '~') {
      if (a[i] !== '~') return 1
      if (b[j] !== '~') return -1
      i += 1
      j += 1
      continue
    }
    if (a[i] === '^' || b[j] === '^') {
      if (i >= a.length) return -1
      if (j >= b.length) return 1
      if (a[i] !== '^') return 1
      if (b[j] !== '^') return -1
      i += 1
      j += 1
      continue
    }
    if (i >= a.length || j >= b.length) return sign(a.length - i - (b.length - j))
    const [first, second] = [matchAt(SEGMENT, a, i), matchAt(SEGMENT, b, j)]
    const order = compareSegments(first, second)
    if (order !== 0) return order
    i += first.length
    j += second.length
  }
}

/**
 * rpm's order of two EVRs: -1, 0 or 1. A missing release is older than any.
 * @see rpm 4.18 rpmio/rpmver.c rpmverCmp
 */
export const compareEvr = (a: string, b: string): number => {
  const [first, second] = [parseEvr(a), parseEvr(b)]
  const order =
    compareVersions(first.epoch ?? '0', second.epoch ?? '0') || compareVersions(first.version, second.version)
  if (order !== 0 || first.release === second.release) return order
  if (first.release === null || second.release === null) return first.release === null ? -1 : 1
  return compareVersions(first.release, second.release)
}

/**
 * Whether an installed package is at least what a bulletin asks for.
 *
 * A bulletin prints `4.17.4-4`: version and release without epoch and dist tag, sometimes the version
 * alone (`6.1.43`). Xen of Qubes has the epoch 2001, so the demand is given the installed epoch
 * first: compared as they stand, `2001:4.17.4-3.fc37` would be newer than `4.17.4-4`. The dist tag
 * only makes the installed release longer, hence newer, than an equal demand. Without a release
 * part any release of the version will do, as rpm holds a missing release for the oldest.
 * @param installed EVR of the installed package, `2001:4.17.4-4.fc37`.
 * @param wanted As printed; a demand that does name an epoch keeps it.
 */
export const demandMet = (installed: string, wanted: string): boolean => {
  const { epoch } = parseEvr(installed)
  const hasEpoch = parseEvr(wanted).epoch !== null
  return compareEvr(installed, hasEpoch || epoch === null ? wanted : `${epoch}:${wanted}`) >= 0
}
