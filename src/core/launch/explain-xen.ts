import { Failure } from '../failure.ts'
import { findNameFault, kernelReleaseOf } from '../vouch/roles.ts'
import { blocking, checkPackage, checkPlace, describe, LOOK_AT_GRUB, type Pair } from './explain-file.ts'
import type { ExplanationInput, FileFact, MeasuredComponent, Reason } from './explain-types.ts'
import type { LaunchKind } from './launch-log.ts'
import { hashInBank, PCR } from './pcr.ts'
import { uefiLine } from './predict-trenchboot.ts'
import { isSame, listFittingVariants, type XenMle } from './xen-mle.ts'

/*
 * Xen under TrenchBoot, where it is the program that is launched and so measured as it lies in memory. On BIOS its hash is
 * computed from its file; on UEFI it cannot be. "Cannot be computed" is said only of what nothing speaks against.
 */

const UNPROVEN =
  'run `aem-reseal resume`: it shows what is known and asks you; nothing is taken for good before you accepted it'

/** What stands against a changed Xen, or against the place where it is entered. */
export function checkXen(
  input: ExplanationInput,
  now: MeasuredComponent,
  file: FileFact | null,
  index: number,
): Reason[] {
  const name = describe({ role: now.role, path: file?.path ?? now.path })
  if (file === null || file.image === null)
    return [
      blocking(
        'file-missing',
        index,
        `${name}: its file on the boot device could not be read`,
        'do not reseal',
      ),
    ]
  const against = [
    ...checkPlace(input, 'xen', file, index),
    ...checkPackage(file, name, index, isMovedByModules(input) ? {} : input),
  ]
  if (against.length > 0) return against
  const launch = launchOf(input)
  const uncomputed = (why: string): Reason[] => [
    blocking('xen-not-computable', index, `${name} changed with ${label(file)}; ${why}`, UNPROVEN),
  ]
  if (launch?.firmware === 'uefi')
    return uncomputed(
      'on UEFI it is measured as it lies in memory after its own EFI part ran, so what it should be cannot be computed',
    )
  const xen = file.xen ?? null
  if (xen === null) return uncomputed('its launch hash cannot be computed from its file')
  if (isMeasured(xen, now, launch)) return []
  return [
    blocking(
      'file-differs-from-launch',
      index,
      `${name}, as it lies on the boot device now, is not what this boot measured`,
      'do not reseal',
    ),
  ]
}

/**
 * On UEFI Xen in memory holds the places and sizes of its modules (TrenchBoot's xen.efi of 2025: `mb_modules` of
 * xen/arch/x86/efi/efi-boot.h is not cleared before the launch), so the same Xen measures otherwise beside another kernel.
 */
function isMovedByModules(input: ExplanationInput): boolean {
  return launchOf(input)?.firmware === 'uefi' && input.areModulesChanged === true
}

/**
 * On UEFI the name of a kernel or initramfs is measured with its options, and an update gives it another. That alone changed
 * where this boot's entry gives what was measured, the file has the name of its role, and the command lines are the previous ones.
 */
export function isFileNameAlone(
  input: ExplanationInput,
  now: MeasuredComponent,
  before: MeasuredComponent | null,
): boolean {
  const { booted, bank } = input
  const file = booted?.modules.find(({ path }) => path === now.path) ?? null
  const wasFile = before !== null && before.role === now.role && before.path !== booted?.launcher?.path
  if (launchOf(input)?.firmware !== 'uefi' || file === null || !wasFile || input.areLinesSame !== true)
    return false
  if (file.role !== 'kernel' && (file.role !== 'initramfs' || file.commandLine !== '')) return false
  const kernel = booted?.modules.find(({ role }) => role === 'kernel')?.path ?? null
  return (
    findNameFault(file.role, file.path, kernelReleaseOf(kernel)) === null &&
    hashInBank(bank, Buffer.from(uefiLine(file), 'utf8')) === now.digests[bank]
  )
}

function isMeasured(xen: XenMle, { role, digests }: MeasuredComponent, launch: LaunchKind | null): boolean {
  if (role === 'xen-entry') return isSame(xen.entry, digests)
  return listFittingVariants(xen, digests, launch).length > 0
}

function label({ package: owner }: FileFact): string {
  return owner === null ? 'no package' : `the update to ${owner.name} ${owner.evr} (signed, as packaged)`
}

function launchOf({ log }: ExplanationInput): LaunchKind | null {
  return log === null || log instanceof Failure ? null : (log.launch ?? null)
}

/** The same Xen entered elsewhere is another program. */
export function checkEntered(changed: readonly Pair[], index: number): Reason[] {
  const has = (role: MeasuredComponent['role']): boolean => changed.some(({ now }) => now?.role === role)
  if (!has('xen-entry') || has('xen')) return []
  const what = `Xen is the same and is entered at another place than before (PCR ${index}): no update does that`
  return [blocking('platform-changed', index, what, LOOK_AT_GRUB)]
}

/**
 * GRUB's multiboot information: sizes and addresses of Xen and its modules, and their command lines. It moves with every
 * update. Where a module or Xen changed and both command lines are the previous ones, nothing speaks against it.
 */
export function bootInfoReason(input: ExplanationInput, index: number): Reason {
  const { bank, before, pcrsNow } = input
  const [drtmBefore, drtmNow] = [before?.pcrs[bank]?.[PCR.drtm], pcrsNow[bank]?.[PCR.drtm]]
  const hasUpdate = drtmBefore !== undefined && drtmNow !== undefined && drtmBefore !== drtmNow
  const what = `the boot information that TrenchBoot measures (memory map, addresses, command lines) changed in PCR ${index}; the log holds only its digest, so it cannot be told what changed in it`
  if (!hasUpdate || input.areLinesSame !== true)
    return blocking('platform-changed', index, what, LOOK_AT_GRUB)
  return blocking(
    'boot-info-not-computable',
    index,
    `${what}. It holds sizes and addresses, which move with every update; the command lines that Xen and the dom0 kernel show are the previous ones`,
    UNPROVEN,
  )
}
