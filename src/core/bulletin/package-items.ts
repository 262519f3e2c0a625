import { type PackageLine, parsePackageLine } from './package-line.ts'
import { collapse, type Section } from './sections.ts'

/** An item of a list, its lines as one. */
export type Item = { readonly text: string; readonly line: number }

const BULLET = /^( *)[*-] +(?=\S)/

export const isBullet = (line: string): boolean => BULLET.test(line)

/** A list item with the lines that continue it, which are indented deeper than its bullet. */
export const readItem = (section: Section, index: number): { item: Item; next: number } => {
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

/** The index of the item that stands below a heading, at most two blank lines between; null for none. */
export const itemBelow = (section: Section, heading: number): number | null => {
  let at = heading + 1
  while (section.lines[at] === '' && at < heading + 3) at += 1
  return isBullet(section.lines[at] ?? '') ? at : null
}

/** The longest item so far has 105 characters. Names and versions of one item multiply, so it must not grow at will. */
const MAX_ITEM_CHARACTERS = 1_000

/** @returns null where the item is no package with a version. */
export const parseItem = (item: Item): PackageLine | null =>
  item.text.length > MAX_ITEM_CHARACTERS ? null : parsePackageLine(item.text)
