import { type BootEntry, type BootFile, listMeasuredFiles } from './boot-entry.ts'
import type { LaunchLog } from './launch-log.ts'
import { type Bank, hashInBank, PCR } from './pcr.ts'
import { type Refusal, refuse } from './refusal.ts'
import { isSame, listFittingVariants, type XenMle, type XenMleVariant } from './xen-mle.ts'

/** Xen as a launch measures it, of the files on the device; null where the file gives no such hash. */
export type XenFacts = {
  /** Of the entry this boot came from. */
  readonly booted: XenMle | null
  readonly next: XenMle | null
}

export const NO_XEN: XenFacts = { booted: null, next: null }

type XenInput = {
  readonly log: LaunchLog
  readonly bank: Bank
  readonly xen: XenFacts
  /** By other evidence than its hash (its package is older than this boot, and unmodified). */
  readonly isUnchanged: boolean | null
}

/** What the next boot extends for Xen: its digest, and on AMD that of the place where it is entered. */
export type PredictedXen = { readonly digest: string; readonly entry: string | null }

export const UEFI_WHY =
  'on UEFI Xen is measured as it lies in memory after its own EFI part ran, with what the firmware gave it: that cannot be computed from a file'

/**
 * Xen of the next boot, launched on BIOS. It is computed from its file, by the one size that gives this boot's digest from this
 * boot's file; where nothing changed, this boot's digest stays.
 */
export function predictXen({ log, bank, xen, isUnchanged }: XenInput): PredictedXen | Refusal {
  const logged = digestOf(log, 'mle', bank)
  const entry = digestOf(log, 'mle-entry', bank)
  if (logged === null)
    return refuse('trenchboot-mle', 'the launch log does not tell which of its entries is Xen')
  const own = xen.next === null ? null : variantOf(log, xen.next)
  // A package says what its file is, and not that this boot ran it: where its hash is known, that one says it.
  const isOther = xen.next !== null && !isMeasured(log, xen.next)
  if ((isUnchanged === true && !isOther) || own !== null) return { digest: logged, entry }
  if (xen.next === null)
    return refuse('trenchboot-mle', 'Xen has changed, and its launch hash cannot be computed from its file')
  const variant = xen.booted === null ? null : variantOf(log, xen.booted)
  if (variant === null)
    return refuse(
      'trenchboot-mle',
      'Xen has changed, and the Xen of this boot is not on the device any more: how much of Xen this GRUB measures could not be determined from it',
    )
  const digest = xen.next.digests[variant][bank]
  const nextEntry = xen.next.entry[bank]
  if (digest === undefined || nextEntry === undefined)
    return refuse('trenchboot-mle', `Xen's launch hash has no ${bank} value`)
  return { digest, entry: entry === null ? null : nextEntry }
}

function variantOf(log: LaunchLog, xen: XenMle): XenMleVariant | null {
  const logged = log.events.find(({ origin }) => origin.kind === 'mle')
  const entry = log.events.find(({ origin }) => origin.kind === 'mle-entry')
  if (logged === undefined) return null
  const [variant, ...others] = listFittingVariants(xen, logged.digests, log.launch ?? null)
  const isEntrySame = entry === undefined || isSame(xen.entry, entry.digests)
  // Two sizes give one hash where the image fills its last 2 MiB; then they give one for the next image or do not.
  return variant !== undefined && isEntrySame && others.length === 0 ? variant : null
}

/** By any size, also where two give one hash. */
function isMeasured(log: LaunchLog, xen: XenMle): boolean {
  const logged = log.events.find(({ origin }) => origin.kind === 'mle')?.digests ?? {}
  return listFittingVariants(xen, logged, log.launch ?? null).length > 0
}

function digestOf(log: LaunchLog, kind: 'mle' | 'mle-entry', bank: Bank): string | null {
  return log.events.find(({ origin }) => origin.kind === kind)?.digests[bank] ?? null
}

/**
 * What Xen on UEFI measures for a command line: Xen's options as they are, for a module its file name and, behind a space,
 * its options (Xen 4.17, xen/common/efi/boot.c, place_string and read_file; TrenchBoot's xen/arch/x86/slaunch.c of 2025).
 */
export function uefiLine(file: BootFile): string {
  if (file.role === 'xen') return file.commandLine
  const name = file.path.slice(file.path.lastIndexOf('/') + 1)
  return file.commandLine === '' ? name : `${name} ${file.commandLine}`
}

function lineDigest(file: BootFile, bank: Bank): string {
  return hashInBank(bank, Buffer.from(uefiLine(file), 'utf8'))
}

/** One extend of PCR 18; the file whose command line it is, else null. */
export type PredictedDatum = {
  readonly digest: string
  readonly file: BootFile | null
  readonly isChanged: boolean
  readonly isPlatform: boolean
}

const MULTIBOOT_WHY =
  'on BIOS TrenchBoot measures here all that GRUB tells Xen about the boot (the multiboot information): addresses in memory are among it, which nobody knows before the boot'

/**
 * PCR 18 of the next boot: on UEFI the command lines and what GRUB notes about the launch, which stays; on BIOS it is refused.
 * A line is predicted only where this boot's line gives this boot's digest.
 */
export function predictData(
  log: LaunchLog,
  bank: Bank,
  booted: BootEntry | null,
  next: BootEntry,
): PredictedDatum[] | Refusal {
  const other = findOtherForm(log, next)
  if (other !== null) return other
  const data: PredictedDatum[] = []
  for (const { pcr, origin, digests } of log.events) {
    const logged = digests[bank]
    if (pcr !== PCR.launched || logged === undefined) continue
    if (origin.kind === 'boot-info') return refuse('trenchboot-multiboot-info', MULTIBOOT_WHY)
    const isPlatform = origin.kind === 'platform'
    if (isPlatform || origin.kind === 'launch-info' || origin.kind === 'mle')
      data.push({ digest: logged, file: null, isChanged: false, isPlatform })
    else if (origin.kind !== 'command-line')
      return refuse('unknown-module', 'the log has an entry here that is of no known kind')
    else {
      const file = lineFile(next, origin.moduleIndex)
      // The line of the next boot itself may be the one that this boot measured.
      const isOwn = (one: BootFile | null): boolean => one !== null && lineDigest(one, bank) === logged
      if (file === null || !(isOwn(file) || isOwn(lineFile(booted, origin.moduleIndex))))
        return refuse(
          'trenchboot-command-line',
          `${origin.moduleIndex === null ? "Xen's command line" : `the command line of module ${origin.moduleIndex}`} could not be reproduced from the boot configuration of this boot`,
        )
      const digest = lineDigest(file, bank)
      data.push({ digest, file, isChanged: digest !== logged, isPlatform })
    }
  }
  return data.length > 0 ? data : refuse('trenchboot-multiboot-info', MULTIBOOT_WHY)
}

/** What this boot measured tells nothing of a boot in another form, nor of lines that GRUB's version decides. */
function findOtherForm({ launch }: LaunchLog, next: BootEntry): Refusal | null {
  if (launch != null && launch.firmware !== next.form && next.form === 'uefi')
    return refuse(
      'trenchboot-command-line',
      'this boot was started on BIOS, and the entry that boots next is one for UEFI',
    )
  if (next.form !== 'uefi') return null
  if (next.efi?.isFirst === false)
    return refuse(
      'trenchboot-command-line',
      `the entry names the section ${next.efi.section} of ${next.efi.configPath}, which is not the first one: whether Xen is told that name depends on GRUB's version`,
    )
  return next.launcher?.commandLine.includes(' -- ') === true
    ? refuse(
        'trenchboot-command-line',
        'Xen\'s command line holds " -- ": what stands behind it goes to dom0\'s kernel and is not measured with it',
      )
    : null
}

function lineFile(entry: BootEntry | null, moduleIndex: number | null): BootFile | null {
  if (entry === null) return null
  return (moduleIndex === null ? entry.launcher : listMeasuredFiles(entry, {})[moduleIndex]) ?? null
}
