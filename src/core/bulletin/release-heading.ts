/** Where the packages of a list belong; `unsaid` where the heading does not tell. */
export type Place = 'dom0' | 'vms' | 'unsaid'

export type ReleaseHeading = {
  readonly releases: readonly string[]
  readonly place: Place
  /** Whether that is all: not so for `4.1 through 4.3` or `4.2 and later`. */
  readonly isClear: boolean
  /** Whether a list for dom0 must follow: `For Qubes 4.0:`, `For Qubes 4.2, in dom0:`; not `Qubes 4.2 differs here:`. */
  readonly announces: boolean
  /** Text after the colon: empty, `not affected` (65), or a package. */
  readonly rest: string
  /** A markdown heading (37) holds for all that follows, one with a colon only for its list. */
  readonly lasting: boolean
}

/** Without a dot only the first releases are meant: `For Qubes R2:` (23). */
const START = /^(?:For )?Qubes (?:OS )?R?(\d{1,2}\.\d{1,2}|[1-3](?![\d.]))/
const FURTHER = /(?:,? ?(?:and|or) ?|, | ?& ?| ?\/ ?)R?(\d{1,2}\.\d{1,2})/y
const MARKDOWN = /^#{1,6} Qubes (?:OS )?R?(\d{1,2}(?:\.\d{1,2})?)$/

/** Which machines a phrase such as `in templates, standalones and dom0` means; dom0 wins (87). */
export const placeOf = (phrase: string): Place => {
  if (/\bdom0\b/i.test(phrase)) return 'dom0'
  return /\b(?:templates?|template\(s\)|standalones?|domUs?|qubes|[A-Za-z]*VMs?)\b/i.test(phrase)
    ? 'vms'
    : 'unsaid'
}

const UNCLEAR = /\d\.\d|\b(?:and|or) R?\.?\d|\b(?:later|newer|above|higher)\b/i

/** The release of a match and those that follow it: `4.2, 4.3 and 5.0`. */
const readReleases = (text: string, start: RegExpMatchArray): { releases: string[]; end: number } => {
  const releases = [start[1]!]
  let end = start.index! + start[0].length
  for (;;) {
    FURTHER.lastIndex = end
    const further = FURTHER.exec(text)
    if (!further) return { releases, end }
    releases.push(further[1]!)
    end += further[0].length
  }
}

const NAMED = /\bQubes (?:OS )?R?(\d{1,2}\.\d{1,2})/g

export type LeadIn = {
  /** Empty where it names none, as 10-21 do; null where it announces no packages. */
  readonly releases: readonly string[] | null
  readonly place: Place
}

/**
 * A sentence above a list that is no heading of the usual form: `patches for Qubes 4.0 are as follows:` (37), `have been
 * uploaded to the current repo:` (10-21), `In templates:`.
 */
export const parseLeadIn = (sentence: string): LeadIn => {
  if (!sentence.endsWith(':')) return { releases: null, place: 'unsaid' }
  const isForTemplates =
    /\b(?:templates?|standalones?|TemplateVMs?|StandaloneVMs?|domUs?)\b/i.test(sentence) &&
    !/\bdom0\b/i.test(sentence)
  const place = isForTemplates ? 'vms' : 'unsaid'
  const named = [...sentence.matchAll(NAMED)].at(-1)
  if (named) return { releases: readReleases(sentence, named).releases, place }
  return { releases: /\bpackages?\b/i.test(sentence) ? [] : null, place }
}

/**
 * The line above a package list.
 *
 *     For Qubes 4.2, in dom0:
 *     For Qubes OS 4.2 and 4.3, in dom0:
 *     For Qubes 4.1, in dom0 and the template(s) of any GUI qube(s) [1]:
 *     For Qubes 4.1: not affected
 *     ## Qubes 4.0
 */
export const parseReleaseHeading = (line: string): ReleaseHeading | null => {
  const text = line.trim()
  const markdown = MARKDOWN.exec(text)
  if (markdown)
    return {
      releases: [markdown[1]!],
      place: 'unsaid',
      rest: '',
      lasting: true,
      isClear: true,
      announces: true,
    }
  const start = START.exec(text)
  if (!start) return null
  const { releases, end: at } = readReleases(text, start)
  const colon = text.indexOf(':', at)
  const phrase = text.slice(at, colon)
  if (colon === -1 || !/^(?:,? .*)?$/.test(phrase)) return null
  const place = placeOf(phrase)
  return {
    releases,
    isClear: !UNCLEAR.test(phrase),
    announces: place === 'dom0' || phrase === '',
    place,
    rest: text.slice(colon + 1).trim(),
    lasting: false,
  }
}
