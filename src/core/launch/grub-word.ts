/** A piece of a word: text stands for itself, a variable is expanded when the word is used. */
export type WordPart =
  | { readonly kind: 'text'; readonly text: string; readonly quoted: boolean }
  | { readonly kind: 'variable'; readonly name: string; readonly quoted: boolean }

export type Word = readonly WordPart[]

/** The word's text when it is plain, as keywords and command names are; null with quotes or variables. */
export function plainText(word: Word): string | null {
  if (!word.every((part) => part.kind === 'text' && !part.quoted)) return null
  return word.map((part) => (part.kind === 'text' ? part.text : '')).join('')
}

/** GRUB 2.06, grub-core/script/yylex.l. */
const RESERVED = new Set(
  '! [[ ]] case do done elif else esac fi for function if in select then time until while'.split(' '),
)

/** Is it a word of GRUB's language, where it stands by itself? */
export function isReserved(word: Word): boolean {
  return RESERVED.has(plainText(word) ?? '')
}
