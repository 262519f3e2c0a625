/*
 * What a topic of `aem-reseal help` is made of. Commands stand between backquotes.
 */

export type Block =
  | { readonly kind: 'text'; readonly text: string }
  /** A short heading inside a topic. */
  | { readonly kind: 'head'; readonly text: string }
  /** What is done in this order. */
  | { readonly kind: 'steps'; readonly items: readonly string[] }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  /** What is said, and what it means. */
  | { readonly kind: 'table'; readonly head: readonly [string, string]; readonly rows: readonly Row[] }
  /** To be typed in dom0. */
  | { readonly kind: 'command'; readonly text: string }

type Row = readonly [said: string, meaning: string]

export type Topic = {
  readonly name: string
  /** One line, for the list of topics. */
  readonly help: string
  readonly blocks: readonly Block[]
}

export function text(words: string): Block {
  return { kind: 'text', text: words }
}

export function head(words: string): Block {
  return { kind: 'head', text: words }
}
