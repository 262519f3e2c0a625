import { type BootEntry, type BootFile, listMeasuredFiles, type ModuleRole } from './boot-entry.ts'
import type { ImageDigest } from './image-digest.ts'
import type { Digests, LoggedModule } from './launch-log.ts'
import {
  COMMAND_LINE_RULES,
  type CommandLineRule,
  hashedCommandLine,
  moduleDigests,
} from './module-digest.ts'
import type { Bank } from './pcr.ts'
import { type Refusal, refuse } from './refusal.ts'

/** Image digests by the path GRUB uses. */
export type Images = Readonly<Record<string, ImageDigest>>

/** Digests noted down while an image was still the one that had been booted. */
export type RecordedImage = { readonly path: string; readonly digests: Digests }

/** A module of the current boot, with the file it came from where one still fits. */
export type MeasuredModule = {
  readonly role: ModuleRole
  readonly path: string | null
  readonly commandLine: string | null
  readonly digests: Digests
  /** The file on the boot device is still the one that was booted; false when it is another. */
  readonly unchanged: boolean
}

export type MatchInput = {
  readonly booted: BootEntry | null
  readonly images: Images
  readonly recorded?: readonly RecordedImage[]
}

export type Matched = { readonly module: MeasuredModule; readonly match: boolean }

/** A module tells the rules apart when they hash different parts of its command line. */
export function isTelling(module: MeasuredModule, rule: CommandLineRule): boolean {
  const line = module.commandLine ?? ''
  return COMMAND_LINE_RULES.some((other) => hashedCommandLine(line, other) !== hashedCommandLine(line, rule))
}

export function explainNoRule(modules: readonly Matched[]): Refusal {
  if (modules.some((one) => one.match))
    return refuse(
      'no-variant-fits',
      'only modules without a command line are still the files that were booted; they cannot tell how command lines are hashed',
    )
  return refuse(
    'no-variant-fits',
    'none of the files on the boot device gives the digest this boot measured; either all of them changed since, or this tboot measures in an unknown way',
  )
}

/** Looks for the file, and the command line, that give the logged digest under this rule. */
export function matchModule(
  logged: LoggedModule,
  index: number,
  rule: CommandLineRule | null,
  banks: readonly Bank[],
  input: MatchInput,
): Matched {
  const file = input.booted === null ? null : (listMeasuredFiles(input.booted, input.images)[index] ?? null)
  const lines = [...new Set([logged.commandLine, file?.commandLine ?? ''])].filter((line) => line !== null)
  const fits = (line: string, image: Digests) =>
    sameInBanks(launchDigests(line, rule, image), logged.digests, banks)
  const role = file?.role ?? roleOf(rule === null ? index + 1 : index)
  for (const line of lines) {
    const path = ownPathFirst(file, input.images).find((one) => fits(line, input.images[one]!.digests))
    if (path !== undefined) return matched(role, path, line, logged, true)
    const old = input.recorded?.find((image) => fits(line, image.digests))
    if (old !== undefined) return matched(role, old.path, line, logged, false)
  }
  const commandLine = logged.commandLine ?? file?.commandLine ?? null
  return { ...matched(role, file?.path ?? null, commandLine, logged, false), match: false }
}

function matched(
  role: ModuleRole,
  path: string | null,
  commandLine: string | null,
  logged: LoggedModule,
  unchanged: boolean,
): Matched {
  return { module: { role, path, commandLine, digests: logged.digests, unchanged }, match: true }
}

/** What the launch extends for a file: tboot's digest of it, or under TrenchBoot the digest of its bytes. */
export function launchDigests(commandLine: string, rule: CommandLineRule | null, image: Digests): Digests {
  return rule === null ? image : moduleDigests(commandLine, rule, image)
}

function ownPathFirst(file: BootFile | null, images: Images): string[] {
  const paths = Object.keys(images)
  return file !== null && images[file.path] !== undefined
    ? [file.path, ...paths.filter((path) => path !== file.path)]
    : paths
}

function sameInBanks(a: Digests, b: Digests, banks: readonly Bank[]): boolean {
  const common = banks.filter((bank) => a[bank] !== undefined && b[bank] !== undefined)
  return common.length > 0 && common.every((bank) => a[bank] === b[bank])
}

/** The order AEM's script loads them in (19_linux_xen_tboot): Xen, kernel, initramfs. */
export function roleOf(index: number): ModuleRole {
  return (['xen', 'kernel', 'initramfs'] as const)[index] ?? 'module'
}
