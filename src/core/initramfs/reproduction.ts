/*
 * What came of making an initramfs again (docs/contract.md, "The initramfs made again"). Only equal bytes vouch for an
 * image: contents that look the same are not enough, because the kernel reads odd archives in its own way.
 */

/** An entry that differs between the checked image and the one that dom0 makes now. */
export type Difference = {
  /** As the archive has it, e.g. `usr/bin/bash`; `early:kernel/x86/microcode/GenuineIntel.bin` of the early archive. */
  readonly path: string
  /** `added`: only in the checked image; `removed`: only in the one made now. */
  readonly change: 'added' | 'removed' | 'content' | 'mode' | 'owner' | 'kind'
  /**
   * Where it comes from: a file as a verified package brought it, a setting of this machine (/etc), made by dracut itself,
   * or nobody can say. Of an added entry it is said of the checked image, else of the one made now.
   */
  readonly origin: 'packaged' | 'settings' | 'generated' | 'unknown'
  /** Name and EVR of that package, e.g. `bash 0:5.2.15-2.fc37`. */
  readonly package: string | null
}

/** An image that was made now, as a file; there until the host is closed or `disposeFresh` was called. */
export type FreshImage = { readonly path: string; readonly sha256: string }

/** Kernel modules by name, sorted: in the checked image alone, and in what dracut takes today alone. */
export type ModuleDifference = {
  readonly onlyInImage: readonly string[]
  readonly onlyLoadedNow: readonly string[]
}

/** Why it could not be told; each is a word of its own and never "changed" nor "fine". */
export type ImpossibleCode =
  | 'name'
  | 'unreadable'
  | 'too-large'
  | 'not-the-predicted'
  | 'unpacker-missing'
  | 'words-unknown'
  | 'kernel-missing'
  | 'no-space'
  | 'dracut-failed'
  | 'own-result-odd'
  | 'not-reproducible'
  | 'read-only-machine'

export type Reproduction =
  /** The same bytes. `words` are those dracut was called with, `sha256` the digest of both. */
  | { readonly state: 'same'; readonly words: string; readonly sha256: string }
  /** The same bytes once dracut was given the checked image's kernel modules: a person decides. */
  | {
      readonly state: 'same-with-modules'
      readonly words: string
      readonly sha256: string
      readonly modules: ModuleDifference
    }
  | {
      readonly state: 'different'
      /** At most 20, those of unknown origin first. */
      readonly differences: readonly Difference[]
      readonly total: number
      readonly fresh: FreshImage | null
    }
  /** Not the form that dracut writes; dracut was not run. */
  | { readonly state: 'odd-form'; readonly form: string }
  | {
      readonly state: 'impossible'
      readonly code: ImpossibleCode
      readonly why: string
      readonly next: string
      /** Where one was made all the same, e.g. where dom0's dracut makes another image each time. */
      readonly fresh: FreshImage | null
    }

export const MAX_DIFFERENCES = 20
