import { bulletinFailure } from './text.ts'

export type Section = {
  /** Empty for the text between the date and the first section title. */
  readonly title: string
  /** 1-based line number of the first line of `lines`. */
  readonly firstLine: number
  readonly lines: readonly string[]
  /** The paragraphs, each as one line; quoted lines (`| ...`) are left out. */
  readonly paragraphs: readonly string[]
}

export type BulletinOutline = {
  readonly id: number
  readonly date: string
  readonly title: string | null
  readonly sections: readonly Section[]
}

/** `---===[ Qubes Security Bulletin #55 ]===---`; 56 has no blank before `]`, 63 on `063` and no `#`. */
const HEADER = /^\s*---===\[ Qubes Security Bulletin (?:#?(\d{1,4})|([^\]]{1,40}?)) ?\]===---$/
const ISO_DATE = /^(\d{4})-(\d{2})-(\d{2})$/
/** `March 10, 2015` and, with a second blank, `May  8, 2018` (39). */
const WRITTEN_DATE = /^([A-Z][a-z]{2,8}) {1,2}(\d{1,2}), (\d{4})$/
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

/** A day that does not exist runs over into another month. */
const isoDate = (year: number, month: number, day: number): string | null => {
  const date = new Date(Date.UTC(year, month - 1, day))
  const exists = date.getUTCMonth() === month - 1 && year >= 2010 && year < 2100
  return exists ? date.toISOString().slice(0, 10) : null
}

const parseDate = (text: string): string | null => {
  const iso = ISO_DATE.exec(text)
  if (iso) return isoDate(Number(iso[1]), Number(iso[2]), Number(iso[3]))
  const written = WRITTEN_DATE.exec(text)
  if (!written) return null
  return isoDate(Number(written[3]), MONTHS.indexOf(written[1]!) + 1, Number(written[2]))
}

const nextTextLine = (lines: readonly string[], from: number): number => {
  const at = lines.findIndex((line, index) => index >= from && line.trim() !== '')
  return at === -1 ? lines.length : at
}

const parseId = (lines: readonly string[], at: number): number => {
  const header = HEADER.exec(lines[at] ?? '')
  if (!header)
    throw bulletinFailure(
      'no-header',
      Math.min(at + 1, lines.length),
      'the header "Qubes Security Bulletin" is missing',
    )
  const id = Number(header[1])
  if (header[1] === undefined || id === 0) {
    throw bulletinFailure('no-number', at + 1, `"${header[1] ?? header[2]}" is no bulletin number`)
  }
  return id
}

/** The first characters decide for nearly all lines; the patterns then need not run. */
const isSectionTitle = (lines: readonly string[], index: number): boolean => {
  const underline = lines[index + 1] ?? ''
  if (!underline.startsWith('=') && !underline.startsWith('-')) return false
  return /^(?:={4,}|-{4,})$/.test(underline) && /^[^\s|=+-]/.test(lines[index]!)
}

/** Text of several lines as one, white space made single blanks. */
export const collapse = (lines: readonly string[]): string => {
  const text = lines
    .map((line) => line.trim())
    .join(' ')
    .trim()
  return /[^\S ]| {2}/.test(text) ? text.replace(/\s+/g, ' ') : text
}

const paragraphsOf = (lines: readonly string[]): string[] => {
  const paragraphs: string[] = []
  let open: string[] = []
  for (const line of [...lines, '']) {
    if (line !== '' && !line.startsWith('|')) open.push(line)
    else if (open.length > 0) {
      paragraphs.push(collapse(open))
      open = []
    }
  }
  return paragraphs
}

/** Most sections are never read as paragraphs, those that are several times: made once, when asked for. */
const makeSection = (title: string, firstLine: number, lines: readonly string[]): Section => {
  let paragraphs: readonly string[] | undefined
  return {
    title,
    firstLine,
    lines,
    get paragraphs() {
      paragraphs ??= paragraphsOf(lines)
      return paragraphs
    },
  }
}

const splitSections = (lines: readonly string[], from: number): Section[] => {
  const titles: number[] = []
  for (let index = from; index < lines.length; index += 1) {
    if (isSectionTitle(lines, index)) titles.push(index)
  }
  const preamble = makeSection('', from + 1, lines.slice(from, titles[0] ?? lines.length))
  const named = titles.map((at, order) =>
    makeSection(lines[at]!, at + 3, lines.slice(at + 2, titles[order + 1] ?? lines.length)),
  )
  return [preamble, ...named]
}

/** At most three lines, one of them may be blank in between (83); more is an introduction, as in 1. */
const parseTitle = (preamble: Section): string | null => {
  const lines = preamble.lines.filter((line) => line.trim() !== '')
  if (lines.length === 0 || lines.length > 3) return null
  return collapse(lines)
}

/**
 * Header, date, title and sections of a bulletin.
 * @param lines From parseBulletinLines.
 * @throws Failure bulletin-no-header, bulletin-no-number (the template says TODO), bulletin-no-date, bulletin-no-sections.
 */
export const parseOutline = (lines: readonly string[]): BulletinOutline => {
  const headerAt = nextTextLine(lines, 0)
  const id = parseId(lines, headerAt)
  const dateAt = nextTextLine(lines, headerAt + 1)
  const dateText = (lines[dateAt] ?? '').trim()
  const date = parseDate(dateText)
  if (date === null) {
    throw bulletinFailure('no-date', dateAt + 1, `"${dateText.slice(0, 40)}" is no date`)
  }
  const sections = splitSections(lines, dateAt + 1)
  if (sections.length === 1) {
    throw bulletinFailure('no-sections', null, 'no underlined section title follows the date')
  }
  return { id, date, title: parseTitle(sections[0]!), sections }
}
