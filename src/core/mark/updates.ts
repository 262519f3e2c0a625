import { type MarkedFile, REMOVED } from './update-mark.ts'

/** The mark as it was found; null: not known (a recorded machine). */
export type UpdateMarkLook =
  | { readonly state: 'none' }
  | { readonly state: 'ignored'; readonly why: string }
  | { readonly state: 'marked'; readonly files: readonly MarkedFile[] }
  | null

/** What was updated of the files that a boot measures, and no approved boot accounts for. */
export type Updates = {
  readonly mark: UpdateMarkLook
  /** As installed now; of files that are gone there is none. */
  readonly packages: readonly { readonly name: string; readonly evr: string }[]
  /** Paths of initramfs files that were written in this boot. */
  readonly newInitramfs: readonly string[]
}

/** Will the next boot measure something else, as far as mark and times tell? What was removed alone is no sign of it. */
export function isUpdatedInBoot({ mark, newInitramfs }: Updates, bootId: string | null): boolean {
  if (newInitramfs.length > 0) return true
  // What rpm could not tell the boot of is taken for this one: a notice too many costs little.
  const isThisBoot = (file: MarkedFile): boolean =>
    file.bootId === null || bootId === null || file.bootId === bootId
  return mark?.state === 'marked' && mark.files.some((file) => file.path !== REMOVED && isThisBoot(file))
}

/** Was something updated before this boot, and no boot since was approved? */
export function isUpdatedBefore({ mark }: Updates, bootId: string | null): boolean {
  return (
    mark?.state === 'marked' &&
    bootId !== null &&
    mark.files.some(({ bootId: own, path }) => path !== REMOVED && own !== null && own !== bootId)
  )
}
