import type { Bulletin } from './bulletin.ts'
import type { BulletinSignature } from './signatures.ts'

/** What a bulletin's signatures are worth. */
export const APPROVALS = ['built-in', 'approved', 'single', 'refused'] as const

/** A bulletin that somebody named: one of the built-in catalogue, or a file. */
export type GivenBulletin = {
  readonly bulletin: Bulletin
  readonly approval: (typeof APPROVALS)[number]
  /** Name of its file, without directory; null for one of the catalogue. */
  readonly file: string | null
}

/** The same with what its signatures are worth. */
export type FoundBulletin = GivenBulletin & {
  /** null: a fact of the built-in catalogue, whose signatures were checked when it was made. */
  readonly signatures: readonly BulletinSignature[] | null
}
