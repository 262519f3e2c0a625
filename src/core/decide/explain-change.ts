import type { Downgrade } from './downgrades.ts'
import type { Outcomes } from './outcomes.ts'

export type PcrChange = {
  readonly index: number
  readonly before: string | null
  readonly now: string | null
}

export type FileComparison = {
  readonly role: string
  readonly path: string
  /** SHA-256 recorded when the update was confirmed, before the restart. */
  readonly before: string | null
  /** SHA-256 of what is there after the restart. */
  readonly now: string | null
  /** It was not there when the update was confirmed. */
  readonly isNew?: boolean
  /** It is not there any more. */
  readonly isGone?: boolean
  /** Signed packages that came after `start` and account for it, in words; null: none does. */
  readonly accountedBy?: string | null
}

export type ChangeFacts = {
  readonly pcrs: readonly PcrChange[]
  readonly files: readonly FileComparison[]
  /** What grub.cfg reads beside itself. */
  readonly grubFiles?: readonly FileComparison[]
  /** Files on the device that are not those of the installed packages now, in words. */
  readonly deviceProblems?: readonly string[]
  /** Packages behind the change: verified now, after the restart. */
  readonly packages: readonly {
    readonly name: string
    readonly isVerified: boolean | null
    /** Why not, in words to put behind its name. */
    readonly fault?: string | null
  }[]
  /** Every changed register is as it was predicted and vouched for before the restart, or as a person said then, whatever made the change. */
  readonly isPredicted?: boolean
  /** Packages that are older than before, and nobody said that they are wanted. */
  readonly downgrades?: readonly Downgrade[]
  /** Packages that came into play and are older than an installed one of the same name, and nobody said that they are wanted. */
  readonly outdated?: readonly Downgrade[]
  /** The kernel that booted is older than the one that ran before, or was to run: by `uname -r`, whatever packages they come from. */
  readonly olderKernel?: { readonly booted: string; readonly before: string } | null
  /** The record of earlier versions is there and cannot be read. */
  readonly areVersionsUnreadable?: boolean
  /** Command lines of this boot that are not the expected ones, in words, whatever the registers say. */
  readonly commandLines?: readonly string[]
  /** Entries that this boot may have come from and that do more than AEM's scripts write, in words, whatever the registers say. */
  readonly oddEntries?: readonly string[]
  readonly xen: {
    readonly runningBuildId: string | null
    readonly installedBuildId: string | null
    /** Of the confirmed Xen, where a later package has taken its place on the disk. */
    readonly confirmedBuildId?: string | null
  }
}

export type ChangeReason = {
  readonly code:
    | 'pcr-unreadable'
    | 'boot-file-changed'
    | 'boot-file-unreadable'
    | 'boot-file-not-packaged'
    | 'command-line-not-expected'
    | 'odd-entry'
    | 'package-not-verified'
    | 'package-downgraded'
    | 'versions-unreadable'
    | 'xen-not-installed-one'
    | 'nothing-behind-change'
  readonly what: string
}

export type ChangeVerdict = {
  readonly verdict: Outcomes['explain']
  readonly reasons: readonly ChangeReason[]
}

/**
 * Do the boot files, the packages and the command lines account for a change of the selected registers? Which registers
 * may change is the launch log's to say (core/launch/explain.ts). Anything that could not be read counts as not accounted
 * for. A file that was put back after the boot cannot be seen here: only the launch log
 * holds the digests of what really ran.
 *
 * @param facts null: no baseline was recorded before the restart
 */
export function decideChange(facts: ChangeFacts | null): ChangeVerdict {
  if (facts === null) return { verdict: 'no-baseline', reasons: [] }
  const unreadable = facts.pcrs.filter((pcr) => pcr.before === null || pcr.now === null)
  // Of one that was not noted before it is not known whether it changed.
  const changed = facts.pcrs.filter(({ before, now }) => before !== null && before !== now)
  const reasons: ChangeReason[] = [
    ...unreadable.map(({ index }) => reason('pcr-unreadable', `PCR ${index} could not be read`)),
    ...listFileReasons([...facts.files, ...(facts.grubFiles ?? [])]),
    ...(facts.files.length === 0 ? [reason('boot-file-unreadable', 'no boot file could be compared')] : []),
    ...(facts.deviceProblems ?? []).map((what) => reason('boot-file-not-packaged', what)),
    ...(facts.commandLines ?? []).map((what) => reason('command-line-not-expected', what)),
    ...(facts.oddEntries ?? []).map((what) => reason('odd-entry', describeOddEntry(what))),
    ...(facts.downgrades ?? []).map(({ name, from, to }) =>
      reason(
        'package-downgraded',
        `${name} is OLDER than before: ${from} then, ${to} now; that is no update`,
      ),
    ),
    ...(facts.outdated ?? []).map(({ name, from, to }) =>
      reason('package-downgraded', `${name} ${to} booted, and the newer ${from} is installed`),
    ),
    ...(facts.olderKernel != null
      ? [
          reason(
            'package-downgraded',
            `the kernel ${facts.olderKernel.booted} booted, which is older than ${facts.olderKernel.before}, which ran before or was to run`,
          ),
        ]
      : []),
    ...(facts.areVersionsUnreadable === true
      ? [
          reason(
            'versions-unreadable',
            'which versions were confirmed before could not be read (versions.json)',
          ),
        ]
      : []),
  ]
  if (changed.length > 0) reasons.push(...listCauseReasons(facts))
  if (reasons.length > 0) return { verdict: 'unexplained', reasons }
  return { verdict: changed.length === 0 ? 'unchanged' : 'explained', reasons: [] }
}

/** @param entry its title, its file and what is odd about it */
export function describeOddEntry(entry: string): string {
  return `this boot may have come from the entry ${entry}; it hands over the same command line as AEM's own, and no register tells them apart`
}

function listFileReasons(files: readonly FileComparison[]): readonly ChangeReason[] {
  return files.flatMap((file) => {
    if (file.accountedBy != null) return []
    if (file.isNew && file.now !== null)
      return [
        reason(
          'boot-file-changed',
          `${file.path} (${file.role}) came after the update was confirmed, and no signed package since accounts for it`,
        ),
      ]
    if (file.isGone && file.before !== null)
      return [
        reason(
          'boot-file-changed',
          `${file.path} (${file.role}) is not there any more, and no package says why`,
        ),
      ]
    if (file.before === null || file.now === null) {
      return [reason('boot-file-unreadable', `${file.path} could not be compared with what was confirmed`)]
    }
    if (file.before === file.now) return []
    return [
      reason(
        'boot-file-changed',
        `${file.path} (${file.role}) is not the file that was confirmed before the restart, and no signed package since accounts for it`,
      ),
    ]
  })
}

function listCauseReasons(facts: ChangeFacts): readonly ChangeReason[] {
  const { xen, packages } = facts
  const isInstalledXen =
    xen.runningBuildId !== null && [xen.installedBuildId, xen.confirmedBuildId].includes(xen.runningBuildId)
  return [
    ...packages
      .filter((item) => item.isVerified !== true)
      .map(({ name, fault }) =>
        reason('package-not-verified', `${name} ${fault ?? 'is not verified: signature or files'}`),
      ),
    ...(packages.length === 0 && facts.isPredicted !== true
      ? [reason('nothing-behind-change', 'registers changed, but no package did')]
      : []),
    ...(isInstalledXen
      ? []
      : [reason('xen-not-installed-one', 'the running Xen is not shown to be the installed one')]),
  ]
}

function reason(code: ChangeReason['code'], what: string): ChangeReason {
  return { code, what }
}
