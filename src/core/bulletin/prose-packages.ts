import { UNSPECIFIED_RELEASE } from './bulletin.ts'
import type { FoundPackage } from './package-line.ts'
import type { Place } from './release-heading.ts'
import type { Section } from './sections.ts'

/**
 * Versions in the sentences of 1-9, after white space is collapsed:
 *
 *     patched Xen packages for Qubes Release 1 (version 4.1.2-7), as well as
 *     fixed the above problem in qubes-gui-dom0 version 1.2.11.
 *     should bring Xen v4.1.2-4 packages
 *     introduced into xen 3.4.3-9 packages.
 */
const VERSION = /(\(version |\bversion | v?)(\d+(?:\.\d+)+(?:-\d+)?)(?=[).,; ]) ?(packages\b)?/g

/** `Qubes Release 1`, `Qubes R2 Beta 2`, `Qubes Beta 3`, `Qubes R2`. */
const RELEASE = /\bQubes (?:OS )?(?:Release |R)?(\d(?: Beta \d)?|Beta \d)\b/g
const AUDIENCE = /\busers of (?:current )?Qubes (\d(?: Beta \d)?|Beta \d)\b/i

const lastWord = (text: string): string | null => /([A-Za-z][\w.*+-]*) ?$/.exec(text)?.[1] ?? null

/** `Xen packages` */
const PACKAGES = /\b[\w.*+-]{1,40} packages\b/g

/**
 * For places in a text that come in ascending order: the last match that ends before the place. Each match is looked at
 * once, so that a long text takes linear time.
 */
const lastBefore = (text: string, pattern: RegExp): ((at: number) => RegExpExecArray | null) => {
  const matches = text.matchAll(pattern)
  let last: RegExpExecArray | null = null
  let next = matches.next()
  return (at) => {
    while (!next.done && next.value.index + next.value[0].length <= at) {
      last = next.value
      next = matches.next()
    }
    return last
  }
}

/** @param packages What was last spoken of as packages; null for nothing. */
const nameBefore = (text: string, match: RegExpExecArray, packages: string | null): string | null => {
  if (match[1] === '(version ' && !match[3]) return packages
  const word = lastWord(text.slice(Math.max(0, match.index - 80), match.index))
  if (match[3]) return word && `${word} packages`
  return match[1] === 'version ' ? word : null
}

const readSection = (section: Section, audience: string | null): FoundPackage[] => {
  const found: FoundPackage[] = []
  let release = audience
  for (const text of section.paragraphs) {
    const releaseBefore = lastBefore(text, RELEASE)
    const packagesBefore = lastBefore(text, PACKAGES)
    for (const match of text.matchAll(VERSION)) {
      const name = nameBefore(text, match, packagesBefore(match.index)?.[0] ?? null)
      if (!name || /-vm\b/.test(name)) continue
      const named = releaseBefore(match.index)?.[1] ?? release
      found.push({ release: named ?? UNSPECIFIED_RELEASE, name, version: match[2]! })
    }
    release = releaseBefore(text.length)?.[1] ?? release
  }
  return found
}

/**
 * Packages for dom0 that are named in sentences only, as in bulletins 1-9.
 * @param sections All sections: the release may be named only where the users are addressed (1).
 * @param action The sections that say what to install.
 */
export const parseProsePackages = (
  sections: readonly Section[],
  action: readonly Section[],
  placeOfSection: (section: Section) => Place,
): FoundPackage[] => {
  const audience = AUDIENCE.exec(sections[0]!.paragraphs.join(' '))?.[1] ?? null
  return action
    .filter((section) => placeOfSection(section) !== 'vms')
    .flatMap((section) => readSection(section, audience))
}
