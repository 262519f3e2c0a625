import type { ModuleRole } from '../launch/boot-entry.ts'

/*
 * What vouches for the next boot. A forward seal hands the secret to a boot before anybody can look at it, and everything
 * on the boot device may have been written by whoever held it. So nothing there vouches for itself: each thing that the
 * next boot measures must be one of these four, or nothing is sealed, planned or explained by it.
 *
 *   unchanged   the digest in this boot's faithful launch log is made again from the bytes and the command line
 *   packaged    the bytes are those of a verified package of the right name for the role, no older than what runs
 *   reproduced  this dom0 makes those same bytes now, from its own packages and configuration
 *   accepted    a person saw the difference itself, words or names, and said yes; never --yes
 *
 * Where the rules are: roles.ts (which package may bring which file), command-line.ts (what this boot's own command lines
 * prove), vouch.ts (one component, all of it), ground.ts (is this boot worth being compared with).
 */

export const VOUCH_RULES = ['unchanged', 'packaged', 'reproduced', 'accepted'] as const
export type VouchRule = (typeof VOUCH_RULES)[number]

/** What vouches for a component, in words; `rule` is null where nothing does. */
export type VouchedBy = { readonly rule: VouchRule | null; readonly why: string }

/** A question that only a person can answer; it shows the difference itself. */
export type OpenQuestion =
  | {
      readonly kind: 'command-line'
      readonly role: ModuleRole
      readonly path: string
      readonly line: string
      readonly added: readonly string[]
      readonly removed: readonly string[]
    }
  | {
      readonly kind: 'modules'
      readonly path: string
      readonly sha256: string
      /** Kernel modules that are in the image and not loaded now, and the other way round. */
      readonly onlyInImage: readonly string[]
      readonly onlyLoadedNow: readonly string[]
    }

/** A look that takes long and was not taken yet: it may still vouch for the component. */
export type OpenLook =
  | { readonly kind: 'grub-config' }
  | {
      readonly kind: 'initramfs'
      readonly path: string
      readonly kernelRelease: string
      readonly sha256: string
    }

/** What a person accepted: these words, these bytes, and no others. */
export type Acceptance =
  | { readonly kind: 'command-line'; readonly path: string; readonly line: string }
  | { readonly kind: 'modules'; readonly path: string; readonly sha256: string }
