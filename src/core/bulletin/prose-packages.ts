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

const lastWord = (text: string): string | null => /([A-Za-z][\w.*+-]*) ?$/.exec(text.slice(-80))?.[1] ?? null

/** `Xen packages`: the last package that was spoken of. */
const lastPackages = (text: string): string | null =>
  [...text.matchAll(/\b([\w.*+-]{1,40}) packages\b/g)].at(-1)?.[0] ?? null

const nameBefore = (text: string, match: RegExpExecArray): string | null => {
  const before = text.slice(0, match.index)
  if (match[3]) {
    const word = lastWord(before)
    return word && `${word} packages`
  }
  if (match[1] === '(version ') return lastPackages(before)
  return match[1] === 'version ' ? lastWord(before) : null
}

const lastRelease = (text: string): string | null => [...text.matchAll(RELEASE)].at(-1)?.[1] ?? null

/** A sentence of that time is shorter than this; a longer one is no bulletin's prose and would cost quadratic time. */
const MAX_PARAGRAPH_CHARACTERS = 4_000

const readSection = (section: Section, audience: string | null): FoundPackage[] => {
  const found: FoundPackage[] = []
  let release = audience
  for (const text of section.paragraphs) {
    if (text.length > MAX_PARAGRAPH_CHARACTERS) continue
    for (const match of text.matchAll(VERSION)) {
      const name = nameBefore(text, match)
      if (!name || /-vm\b/.test(name)) continue
      const named = lastRelease(text.slice(0, match.index)) ?? release
      found.push({ release: named ?? UNSPECIFIED_RELEASE, name, version: match[2]! })
    }
    release = lastRelease(text) ?? release
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
