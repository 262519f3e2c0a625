/**
 * Characters that move the cursor, change the direction of text or hide in it: C0 and C1 controls, DEL, line and
 * paragraph separators, bidirectional marks, embeddings and isolates, zero-width characters, tags, the byte order
 * mark (Unicode TR 9 and TR 36; the Trojan Source report, 2021).
 */
const HARMFUL =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu

/** One line of foreign text made harmless for a terminal: harmful characters become <U+XXXX>, tabs a blank. */
export function sanitizeLine(text: string): string {
  return text
    .replaceAll('\t', ' ')
    .toWellFormed()
    .replace(HARMFUL, (character) => {
      const code = character.codePointAt(0) ?? 0
      return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`
    })
}

/**
 * A value as one JSON document in ASCII: JSON itself escapes only C0 controls, and C1 controls or bidirectional marks
 * of foreign text would reach the terminal of who looks at the answer.
 */
export function renderJson(value: unknown): string {
  const toEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  return `${JSON.stringify(value, null, 2).replace(/[\u007f-\uffff]/g, toEscape)}\n`
}

/**
 * One line of foreign text as text of XML or HTML, in elements and quoted attributes: harmful characters named, the
 * noncharacters that XML 1.0 forbids replaced, markup escaped.
 */
export function escapeMarkup(text: string): string {
  return sanitizeLine(text)
    .replace(/[\ufffe\uffff]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
