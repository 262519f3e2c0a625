import { placeOfSection } from './action-sections.ts'
import { type BulletinPackage, type ReleaseDemand, UNSPECIFIED_RELEASE } from './bulletin.ts'
import { componentOf } from './components.ts'
import { type Item, isBullet, itemBelow, parseItem, readItem } from './package-items.ts'
import type { FoundPackage, PackageLine } from './package-line.ts'
import { parseProsePackages } from './prose-packages.ts'
import {
  type LeadIn,
  type Place,
  parseLeadIn,
  parseReleaseHeading,
  type ReleaseHeading,
} from './release-heading.ts'
import { collapse, type Section } from './sections.ts'
import { bulletinFailure } from './text.ts'

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

/** What stands above a list. */
type Context = LeadIn & { readonly heading: ReleaseHeading | null }

/** The most so far are 11 (23). */
const MAX_PACKAGES = 1_000

const NOTHING_TO_INSTALL = /\bnot affected\b|\bno (?:packages?|updates?|action)\b/i

const assertFewPackages = (count: number, line: number): void => {
  if (count <= MAX_PACKAGES) return
  throw bulletinFailure('package-list', line, `it lists more than ${MAX_PACKAGES} packages`)
}

const readItemPackages = (item: Item, context: Context, sectionPlace: Place): FoundPackage[] => {
  if ((context.place === 'unsaid' ? sectionPlace : context.place) === 'vms') return []
  const line = parseItem(item)
  if (!line) {
    const isDemand = context.heading !== null || (context.releases !== null && /\d\.\d/.test(item.text))
    if (!isDemand || NOTHING_TO_INSTALL.test(item.text)) return []
    const reason = `"${item.text.slice(0, 60)}" names no package with a version`
    throw bulletinFailure('package-line', item.line, reason)
  }
  if (!isForDom0(line)) return []
  const ofLine = releaseOfLine(line)
  const stated = ofLine ? [ofLine] : context.releases
  if (!stated) {
    const reason = `"${item.text.slice(0, 60)}" stands below no line that says for which release it is`
    throw bulletinFailure('package-line', item.line, reason)
  }
  const releases = stated.length > 0 ? stated : [UNSPECIFIED_RELEASE]
  assertFewPackages(releases.length * line.packages.length, item.line)
  return releases.flatMap((release) => line.packages.map((each) => ({ release, ...each })))
}

/** A heading of a list for dom0 must name its releases, and be followed by a list or say that there is none; 46 has a table of templates. */
const assertClear = (heading: ReleaseHeading, section: Section, at: number): void => {
  if (heading.place === 'vms' || heading.lasting) return
  if (!heading.isClear) {
    const reason = `"${section.lines[at]!.trim().slice(0, 60)}" does not say plainly for which releases it is`
    throw bulletinFailure('package-list', section.firstLine + at, reason)
  }
  if (heading.rest !== '' || !heading.announces) return
  if (itemBelow(section, at) !== null || section.lines[at + 1]?.startsWith('+--')) return
  throw bulletinFailure('package-list', section.firstLine + at, 'no list of packages follows this heading')
}

/** Most lines end no sentence that announces a list: these need not be joined. */
const leadInOf = (line: string, paragraph: readonly string[]): string =>
  line.endsWith(':') ? collapse(paragraph) : ''

const readSection = (section: Section): FoundPackage[] => {
  const found: FoundPackage[] = []
  const place = placeOfSection(section)
  let context: Context = { heading: null, releases: null, place: 'unsaid' }
  let paragraph: string[] = []
  let belowPackage = -1
  const take = (item: Item, next: number): void => {
    const packages = readItemPackages(item, context, place)
    found.push(...packages)
    assertFewPackages(found.length, item.line)
    if (packages.length > 0) belowPackage = next
  }
  for (let index = 0; index < section.lines.length; ) {
    const line = section.lines[index]!
    const heading = parseReleaseHeading(line)
    if (heading) {
      assertClear(heading, section, index)
      context = {
        heading: heading.announces ? heading : null,
        releases: heading.releases,
        place: heading.place,
      }
      const item = { text: heading.rest, line: section.firstLine + index }
      if (heading.rest !== '') take(item, index + 1)
    } else if (isBullet(line)) {
      const { item, next } = readItem(section, index)
      take(item, next)
      index = next
      continue
    } else if (line !== '') {
      if (index === belowPackage && /^\s*[-*]|\d\.\d/.test(line)) {
        const reason = `"${line.trim().slice(0, 60)}" stands in a list of packages and is no item of it`
        throw bulletinFailure('package-list', section.firstLine + index, reason)
      }
      paragraph = section.lines[index - 1] ? [...paragraph.slice(-3), line] : [line]
      if (!context.heading?.lasting) context = { heading: null, ...parseLeadIn(leadInOf(line, paragraph)) }
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
 * @param sections All sections.
 * @param action Those that say what to install.
 * @throws Failure bulletin-package-line, bulletin-package-list where a list for dom0 cannot be read:
 * a demand that is left out in silence would look met.
 */
export const parseDom0Packages = (
  sections: readonly Section[],
  action: readonly Section[],
): ReleaseDemand[] => {
  const listed = action.flatMap(readSection)
  if (listed.length > 0) return toDemands(listed)
  const hasList = action.some((section) => section.lines.some((line) => parseReleaseHeading(line)))
  return hasList ? [] : toDemands(parseProsePackages(sections, action, placeOfSection))
}
