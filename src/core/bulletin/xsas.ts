import { type BulletinOutline, collapse, type Section } from './sections.ts'
import { bulletinFailure } from './text.ts'

/** More advisories than this in one range or list is a misreading: the longest so far has 13 (5). */
const MAX_RANGE = 64

/** `XSA 123`, `XSA-123`, `XSA123`, `Xen Security Advisory 236`, `Xen Security Advisory #109`. */
const MENTION = /\b(?:XSA[ -]?|Xen Security Advisor(?:y|ies) (?:XSA-)?#?)(\d{1,4})(?!\d)/gi
/** `216-224`, `XSA-231 through XSA-234`. */
const RANGE_END = /(?: ?- ?| through )(?:XSA[ -]?)?(\d{1,4})(?!\d)/iy
/** `XSA 52-54, XSA 57`, `XSA-155 and XSA-166`, `XSA 121 & 122`; a bare number must be followed by what ends or continues a list. */
const NEXT_IN_LIST =
  /(?: \[\d{1,2}\])?(?:, (?:and )?| and | ?& ?)(?:XSA[ -]?(\d{1,4})(?!\d)|(\d{1,4})(?= ?(?:[,;)&[]|$)))/iy

const matchAt = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at
  return pattern.exec(text)
}

const expandRange = (first: number, last: number): number[] => {
  if (last < first || last - first >= MAX_RANGE) {
    throw bulletinFailure('xsa-range', null, `"XSA ${first} to ${last}" is no plausible range of advisories`)
  }
  return Array.from({ length: last - first + 1 }, (_, offset) => first + offset)
}

/** Mentions that belong together as one list or range, one after the other: who wants the first need not read on. */
function* findGroups(text: string): Generator<readonly number[]> {
  let resumeAt = 0
  for (const mention of text.matchAll(MENTION)) {
    if (mention.index < resumeAt) continue
    const numbers: number[] = []
    let number = Number(mention[1])
    let at = mention.index + mention[0].length
    for (;;) {
      const range = matchAt(RANGE_END, text, at)
      numbers.push(...(range ? expandRange(number, Number(range[1])) : [number]))
      if (numbers.length > MAX_RANGE) {
        throw bulletinFailure('xsa-range', null, `more than ${MAX_RANGE} advisories are no plausible list`)
      }
      at += range ? range[0].length : 0
      const next = matchAt(NEXT_IN_LIST, text, at)
      if (!next) break
      number = Number(next[1] ?? next[2])
      at += next[0].length
    }
    yield numbers
    resumeAt = at
  }
}

const numbersIn = (text: string): number[] => [...findGroups(text)].flat()

/**
 * A title may name an old advisory as well: `Missed flush in XSA-321 backport (XSA-366)` (54, 62, 65).
 * What the bulletin is about stands in parentheses.
 */
const titleXsas = (title: string): number[] => {
  const parenthesised = [...title.matchAll(/\(([^()]*)\)/g)].flatMap((part) => numbersIn(part[1]!))
  return parenthesised.length > 0 ? parenthesised : numbersIn(title)
}

const LISTED = /^XSA[ -]?(\d{1,4})(?!\d)/
const ANNOUNCEMENT = /^(?:quick )?summary$|^problem description$|^overview$/i

/**
 * What is announced comes first (`published XSA-439`), or as a list of which each line begins with
 * the number (`XSA-285 [1] "race with ..."`, 48, 82); anything later is history or comment (8 goes
 * on about XSA 45). Quoted lines do not count.
 */
const announcedXsas = (section: Section): number[] => {
  const [first] = findGroups(collapse(section.paragraphs))
  const listed = section.lines.map((line) => LISTED.exec(line)).filter((match) => match !== null)
  return [...(first ?? []), ...listed.map((match) => Number(match[1]))]
}

/** `[1] XSA 12,` (3) and `[5] Xen Security Advisory XSA-87` (10) under References. */
const parseReferences = (sections: readonly Section[]): Map<number, number> => {
  const entries = new Map<number, number>()
  for (const section of sections.filter((each) => each.title === 'References')) {
    for (const line of section.lines) {
      const entry = /^\[(\d{1,2})\] (?:Xen Security Advisory )?XSA[ -]?(\d{1,4})(?!\d)/.exec(line)
      if (entry) entries.set(Number(entry[1]), Number(entry[2]))
    }
  }
  return entries
}

/** 3 and 10 announce advisories of Xen.org by reference only: `[1]-[3]`, `has been announced [5]`. */
const citedXsas = (section: Section, references: ReadonlyMap<number, number>): number[] => {
  const announcing = collapse(section.paragraphs)
    .split('. ')
    .filter((sentence) => /\bXen\.org\b/.test(sentence) && /\bannounced\b/.test(sentence))
  const citations = new Set(
    announcing.flatMap((sentence) => sentence.match(/\[\d{1,2}\](?:-\[\d{1,2}\])?/g) ?? []),
  )
  const ranges = [...citations].map((citation) => citation.match(/\d+/g)!.map(Number))
  const isCited = (entry: number): boolean =>
    ranges.some(([from, to = from]) => from! <= entry && entry <= to!)
  return [...references].filter(([entry]) => isCited(entry)).map(([, xsa]) => xsa)
}

/**
 * Numbers of the Xen Security Advisories a bulletin is about, ascending: those of its title, else
 * those its summary announces, else those the summary cites.
 * @throws Failure bulletin-xsa-range for a range that cannot be.
 */
export const parseXsas = (outline: BulletinOutline): number[] => {
  const announcements = outline.sections.filter((section) => ANNOUNCEMENT.test(section.title))
  const references = parseReferences(outline.sections)
  const candidates = [
    () => titleXsas(outline.title ?? ''),
    () => announcements.flatMap(announcedXsas),
    () => announcements.flatMap((section) => citedXsas(section, references)),
  ]
  for (const candidate of candidates) {
    const numbers = candidate()
    if (numbers.length > 0) return [...new Set(numbers)].sort((a, b) => a - b)
  }
  return []
}
