import type { ImageKind } from './image-kind.ts'

export const MODULE_ROLES = ['mle', 'xen', 'kernel', 'initramfs', 'module'] as const
export type ModuleRole = (typeof MODULE_ROLES)[number]

export function isModuleRole(role: string): role is ModuleRole {
  return (MODULE_ROLES as readonly string[]).includes(role)
}

/** What launches an AEM boot: tboot, or Xen through TrenchBoot's Secure Launch. */
export const FLAVOURS = ['tboot', 'trenchboot'] as const
export type Flavour = (typeof FLAVOURS)[number]

/** A file that GRUB loads, with the command line it hands over. */
export type BootFile = {
  readonly role: ModuleRole
  /**
   * As GRUB names it, from the root of the boot device: `/xen-4.17.4.gz`. What Xen loads itself on UEFI is named as dom0 sees
   * it below that root: `/efi/EFI/qubes/aem-vmlinuz-...` (efi-entry.ts).
   */
  readonly path: string
  readonly commandLine: string
  /** `--nounzip`: loaded as stored. */
  readonly nounzip: boolean
  /** Place among the entry's lines that load something. */
  readonly order: number
}

export type BootEntry = {
  readonly title: string
  /** Titles from the top menu down to this entry. */
  readonly titlePath: readonly string[]
  readonly id: string
  readonly flavour: Flavour | 'other'
  /** `uefi`: GRUB starts Xen's EFI program, which reads kernel and initramfs itself; they are in no line of grub.cfg. */
  readonly form: 'bios' | 'uefi'
  /** Of the UEFI form: what lies on the EFI system partition. */
  readonly efi: EfiFiles | null
  /** tboot itself, or Xen under TrenchBoot. */
  readonly launcher: BootFile | null
  /** Modules in load order, without those that are SINIT modules by their name. */
  readonly modules: readonly BootFile[]
  readonly sinit: readonly BootFile[]
  readonly insmods: readonly string[]
  readonly problems: readonly string[]
  /** The file beside grub.cfg that it stands in: `custom.cfg`; left out: grub.cfg itself. */
  readonly file?: string
  /** It loads something that cannot be told here, beside what is listed. */
  readonly isPartial?: true
  /**
   * GRUB finds none of the kernels that it names: no boot comes from it. False: so it seems, and not all of the files around
   * it could be evaluated; left out: it may start something.
   */
  readonly startsNothing?: boolean
}

/**
 * What the UEFI form of an entry names: Xen's EFI program, of the EFI system partition, with the section of its
 * configuration file, which lies beside it (`xen-4.17.4.efi`: `xen-4.17.4.cfg`) and names kernel, initramfs and their
 * options (TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot, lines 132-142 and 300-315).
 */
export type EfiFiles = {
  /** From the root of the partition: `/EFI/qubes/xen-4.17.4.efi`. */
  readonly xenPath: string
  /** `/EFI/qubes/xen-4.17.4.cfg`. */
  readonly configPath: string
  /** `vmlinuz-6.6.36-1.qubes.fc37.x86_64`. */
  readonly section: string
  /** Xen finds the same values where no section is named to it; null or left out: its configuration was not read. */
  readonly isFirst?: boolean | null
}

/**
 * GRUB's command line for a loaded file: arguments joined by single spaces; backslash and quotes get a
 * backslash, an argument with a space gets double quotes (GRUB 2.06, grub-core/lib/cmdline.c). The file name is not part of it.
 */
export function joinGrubArguments(args: readonly string[]): string {
  return args
    .map((arg) => {
      const escaped = arg.replace(/[\\'"]/g, '\\$&')
      return arg.includes(' ') ? `"${escaped}"` : escaped
    })
    .join(' ')
}

/**
 * The files a launch measures as modules, in order. tboot takes SINIT modules and launch policy data out of its list by
 * their content, wherever they stand but in the first place (tboot 1.10.5, common/loader.c, remove_txt_modules); where
 * the content is not known, the name decides.
 * @param kinds what is known of the files' content, by path
 */
export function listMeasuredFiles(
  entry: BootEntry,
  kinds: Readonly<Record<string, { kind: ImageKind }>>,
): BootFile[] {
  if (entry.flavour !== 'tboot') return [...entry.modules]
  const all = [...entry.modules, ...entry.sinit].sort((a, b) => a.order - b.order)
  return all.filter((file, index) => {
    const kind = kinds[file.path]?.kind
    const isRemoved =
      kind === undefined ? entry.sinit.includes(file) : kind === 'acm' || kind === 'policy-data'
    return index === 0 || !isRemoved
  })
}
