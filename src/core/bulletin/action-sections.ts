import { itemBelow, parseItem, readItem } from './package-items.ts'
import { type Place, parseReleaseHeading } from './release-heading.ts'
import type { Section } from './sections.ts'
import { bulletinFailure } from './text.ts'

/**
 * `Patching`, `(Proper) patching` (37), `Alternative patching ...` (28, 46), `User action [required]`,
 * `Non-vulnerable GUI packages` (1); not `Qubes Policy on Patching Xen Bugs` (15) nor `Suggested actions
 * after patching` (37).
 */
const isActionTitle = (title: string): boolean =>
  /\bpatching\b|^user action\b|\bpackages$/i.test(title) && !/\b(?:policy|after)\b/i.test(title)

/** So far no other section has such a list; one under a title that is new must not be passed over. */
const holdsPackageList = (section: Section): boolean =>
  section.lines.some((line, index) => {
    if (!line.includes('Qubes') || !parseReleaseHeading(line)) return false
    const below = itemBelow(section, index)
    return below !== null && parseItem(readItem(section, below).item) !== null
  })

/**
 * Sections that say what to install and to restart, by their titles or by a list of packages in them.
 * @throws Failure bulletin-no-action where there is none: an empty demand would look met.
 */
export const actionSections = (sections: readonly Section[]): Section[] => {
  const action = sections.filter((section) => isActionTitle(section.title) || holdsPackageList(section))
  if (action.length > 0) return action
  throw bulletinFailure('no-action', null, 'no section says what to install or to do')
}

/** Older headings name no place; a sentence of the section does. Silence means dom0: a demand too many is seen, one too few is not. */
export const placeOfSection = (section: Section): Place => {
  const text = section.paragraphs.join('\n')
  if (/\binstalled in dom0\b/i.test(text)) return 'dom0'
  return /\b(?:installed in|install those packages in|packages for domUs|for the Linux AppVMs)\b.{0,40}(?:template|VMs?\b(?! Manager))/i.test(
    text,
  )
    ? 'vms'
    : 'dom0'
}
