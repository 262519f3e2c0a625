import { type BulletinPackage, type ReleaseDemand, UNSPECIFIED_RELEASE } from './bulletin.ts'
import { componentOf } from './components.ts'
import { type FoundPackage, type PackageLine, parsePackageLine } from './package-line.ts'
import { parseProsePackages } from './prose-packages.ts'
import { type Place, parseReleaseHeading, type ReleaseHeading } from './release-heading.ts'
import { collapse, type Section } from './sections.ts'
import { bulletinFailure } from './text.ts'

/**
 * Sections that say what to install and to restart: `Patching`, `(Proper) patching` (37),
 * `Alternative patching ...` (28, 46), `User action [required]`, `Non-vulnerable GUI packages` (1);
 * not `Qubes Policy on Patching Xen Bugs` (15) nor `Suggested actions after patching` (37).
 */
export const actionSections = (sections: readonly Section[]): Section[] =>
  sections.filter(
    (section) =>
      /\bpatching\b|^user action\b|\bpackages$/i.test(section.title) &&
      !/\b(?:policy|after)\b/i.test(section.title),
  )

/** Older headings name no place; a sentence of the section does. Silence means dom0: a demand too many is seen, one too few is not. */
const placeOfSection = (section: Section): Place => {
  const text = section.paragraphs.join('\n')
  if (/\binstalled in dom0\b/i.test(text)) return 'dom0'
  return /\b(?:installed in|install those packages in|packages for domUs|for the Linux AppVMs)\b.{0,40}(?:template|VMs?\b)/i.test(
    text,
  )
    ? 'vms'
    : 'dom0'
}

type Item = { readonly text: string; readonly line: number }

const BULLET = /^( *)[*-] +(?=\S)/

/** A list item with the lines that continue it, which are indented deeper than its bullet. */
const readItem = (section: Section, index: number): { item: Item; next: number } => {
  const bullet = BULLET.exec(section.lines[index]!)!
  const lines = [section.lines[index]!.slice(bullet[0].length)]
  let next = index + 1
  for (; next < section.lines.length; next += 1) {
    const line = section.lines[next]!
    const indent = line.length - line.trimStart().length
    if (line === '' || indent <= bullet[1]!.length || BULLET.test(line)) break
    lines.push(line)
  }
  return { item: { text: collapse(lines), line: section.firstLine + index }, next }
}

/** `(R3.0)` after the version (20, 22) names the release of one line only. */
const releaseOfLine = (line: PackageLine): string | null => {
  for (const suffix of line.suffixes) {
    const release = /^R(\d{1,2}(?:\.\d{1,2})?)$/.exec(suffix)
    if (release) return release[1]!
  }
  return null
}

/** `(all templates)` takes a line out of a list for dom0 (104); template packages are no part of dom0's system (28, 46). */
const isForDom0 = (line: PackageLine): boolean =>
  !line.suffixes.some(
    (suffix) => /\b(?:templates?|standalones?|domUs?)\b/i.test(suffix) && !/\bdom0\b/i.test(suffix),
  ) && !line.packages.every(({ name }) => name.startsWith('qubes-template-'))

type Context = { readonly heading: ReleaseHeading | null; readonly leadIn: boolean }

const NOTHING_TO_INSTALL = /\bnot affected\b|\bno (?:packages?|updates?|action)\b/i

const readItemPackages = (item: Item, context: Context, sectionPlace: Place): FoundPackage[] => {
  if (!context.heading && !context.leadIn) return []
  const stated = context.heading?.place ?? 'unsaid'
  if ((stated === 'unsaid' ? sectionPlace : stated) === 'vms') return []
  const line = parsePackageLine(item.text)
  if (!line) {
    if (!context.heading || NOTHING_TO_INSTALL.test(item.text)) return []
    const reason = `"${item.text.slice(0, 60)}" names no package with a version`
    throw bulletinFailure('package-line', item.line, reason)
  }
  if (!isForDom0(line)) return []
  const ofLine = releaseOfLine(line)
  const releases = ofLine ? [ofLine] : (context.heading?.releases ?? [UNSPECIFIED_RELEASE])
  return releases.flatMap((release) => line.packages.map((each) => ({ release, ...each })))
}

/** A heading that announces packages for dom0 must be followed by some, or say that there are none. */
const assertListFollows = (heading: ReleaseHeading, line: number, section: Section, from: number): void => {
  if (heading.place !== 'dom0' || NOTHING_TO_INSTALL.test(heading.rest)) return
  const next = section.lines.slice(from, from + 3).find((each) => each !== '')
  if (heading.rest === '' && !BULLET.test(next ?? '')) {
    throw bulletinFailure('package-list', line, 'no list of packages follows this heading')
  }
}

const readSection = (section: Section): FoundPackage[] => {
  const found: FoundPackage[] = []
  const place = placeOfSection(section)
  let context: Context = { heading: null, leadIn: false }
  let paragraph: string[] = []
  for (let index = 0; index < section.lines.length; ) {
    const line = section.lines[index]!
    const heading = parseReleaseHeading(line)
    if (heading) {
      assertListFollows(heading, section.firstLine + index, section, index + 1)
      context = { heading, leadIn: false }
      const item = { text: heading.rest, line: section.firstLine + index }
      if (heading.rest !== '') found.push(...readItemPackages(item, context, place))
    } else if (BULLET.test(line)) {
      const { item, next } = readItem(section, index)
      found.push(...readItemPackages(item, context, place))
      index = next
      continue
    } else if (line !== '') {
      paragraph = section.lines[index - 1] ? [...paragraph.slice(-3), line] : [line]
      const leadIn = line.endsWith(':') && /\bpackages?\b/i.test(collapse(paragraph))
      context = context.heading?.lasting ? context : { heading: null, leadIn }
    }
    index += 1
  }
  return found
}

const toDemands = (found: readonly FoundPackage[]): ReleaseDemand[] => {
  const demands = new Map<string, Map<string, BulletinPackage>>()
  for (const { release, name, version } of found) {
    const packages = demands.get(release) ?? new Map<string, BulletinPackage>()
    packages.set(`${name} ${version}`, { name, component: componentOf(name), version })
    demands.set(release, packages)
  }
  return [...demands].map(([release, packages]) => ({ release, packages: [...packages.values()] }))
}

/**
 * Packages for dom0 per Qubes release, in the order of the text.
 * @throws Failure bulletin-package-line, bulletin-package-list where a list for dom0 cannot be read:
 * a demand that is left out in silence would look met.
 */
export const parseDom0Packages = (sections: readonly Section[]): ReleaseDemand[] => {
  const action = actionSections(sections)
  const listed = action.flatMap(readSection)
  if (listed.length > 0) return toDemands(listed)
  const hasList = action.some((section) => section.lines.some((line) => parseReleaseHeading(line)))
  return hasList ? [] : toDemands(parseProsePackages(sections, action, placeOfSection))
}
