import type { BootEntry, BootFile, ModuleRole } from './boot-entry.ts'
import { parseXenSection } from './xen-cfg.ts'

/*
 * The UEFI form of AEM's entry (TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot): grub.cfg starts
 * xen.efi alone; what Xen loads, with which command lines, stands in its configuration beside it, and the script copies kernel
 * and initramfs there under names with `aem-` before (lines 300-315). All that lies on the EFI system partition, and vouches for
 * itself no more than grub.cfg does.
 */

/** Where dom0 has the EFI system partition, from the root of the boot device: `/boot/efi` (the script's line 374). */
export const EFI_DIRECTORY = '/efi'
const QUBES_DIRECTORY = `${EFI_DIRECTORY}/EFI/qubes/`
const COPY = 'aem-'

/**
 * The UEFI form of an entry with the files that Xen loads by its configuration, in Xen's order (Xen 4.17,
 * xen/common/efi/boot.c, efi_start: kernel, ramdisk). Xen reads them as they are: nothing is unpacked.
 * @param text of the configuration, one character a byte; null: it could not be read
 */
export function resolveEfiEntry(entry: BootEntry, text: string | null): BootEntry {
  if (entry.form !== 'uefi' || entry.efi === null) return entry
  const { xenPath, configPath, section } = entry.efi
  const name = `${configPath} on the EFI system partition`
  const failed = (...problems: readonly string[]): BootEntry => ({
    ...entry,
    problems: [...entry.problems, ...problems.map((problem) => `${name} ${problem}`)],
  })
  if (text === null) return failed('could not be read')
  const found = parseXenSection(text, section)
  if (found === null || found.kernel === null) return failed(`has no section ${section} with a kernel`)
  const [kernel = '', options] = splitAtBlank(found.kernel)
  const names = [kernel, ...(found.ramdisk === null ? [] : [found.ramdisk])]
  const odd = names.find((one) => !/^[A-Za-z0-9][A-Za-z0-9+._~^-]*$/.test(one))
  const problems = [...found.problems, ...(odd === undefined ? [] : [`names the file "${show(odd)}"`])]
  const file = (role: ModuleRole, at: string, commandLine: string, order: number): BootFile => ({
    role,
    path: `${QUBES_DIRECTORY}${at}`,
    commandLine,
    nounzip: true,
    order,
  })
  return {
    ...failed(...problems),
    efi: { ...entry.efi, isFirst: found.isFirst },
    launcher: { ...file('xen', '', found.options ?? '', 0), path: `${EFI_DIRECTORY}${xenPath}` },
    modules:
      odd === undefined
        ? [
            file('kernel', kernel, options, 1),
            ...(found.ramdisk === null ? [] : [file('initramfs', found.ramdisk, '', 2)]),
          ]
        : [],
  }
}

/** At the first blank, which is taken away; the rest stays as it is (boot.c, split_string). */
function splitAtBlank(text: string): [string, string] {
  const at = text.indexOf(' ')
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function show(name: string): string {
  return name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?')
}

/**
 * The file of /boot that a file on the EFI system partition is a copy of, by its name: a package, or dracut, makes the one in
 * /boot. Any other path stays as it is.
 * @param path from the root of the boot device
 */
export function originalPath(path: string): string {
  const name = path.startsWith(QUBES_DIRECTORY) ? path.slice(QUBES_DIRECTORY.length) : ''
  return name.startsWith(COPY) ? `/${name.slice(COPY.length)}` : path
}

/**
 * The name by which a file's role is told: that of the original, and for Xen's EFI program that of the image beside it in /boot
 * (QubesOS/qubes-vmm-xen, xen.spec.in: both are of one package).
 */
export function roleName(path: string): string {
  const xen = path.startsWith(QUBES_DIRECTORY) && /^xen-[^/]+\.efi$/.test(path.slice(QUBES_DIRECTORY.length))
  return xen ? `/${path.slice(QUBES_DIRECTORY.length, -'.efi'.length)}.gz` : originalPath(path)
}
