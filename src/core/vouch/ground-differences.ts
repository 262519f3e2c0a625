import type { MeasuredComponent } from '../launch/explain-types.ts'
import type { LaunchLog } from '../launch/launch-log.ts'
import { isReordered, pairComponents } from '../launch/pair-components.ts'
import { type Bank, LAUNCH_PCRS } from '../launch/pcr.ts'
import { isListed, replayPcr } from '../launch/replay.ts'

/** One thing that was measured otherwise than in the last approved boot. */
export type GroundDifference = {
  readonly pcr: number
  readonly role: MeasuredComponent['role']
  /** As GRUB names it; null where the entry of that boot is not known. */
  readonly path: string | null
  /**
   * - contents: the same command line, other bytes
   * - command-line: another command line; whether the bytes are others too cannot be told from the log
   * - measured: another digest, and no command line to tell the two apart
   */
  readonly kind: 'contents' | 'command-line' | 'measured' | 'added' | 'removed' | 'order'
  readonly commandLine: { readonly before: string | null; readonly now: string | null } | null
}

/**
 * What was measured otherwise than before, extend by extend, by the launch logs of both boots.
 *
 * @param before of the last approved boot
 * @param now of this one; its log must lead to the registers (`doesLogLead`)
 */
export function listDifferences(
  before: readonly MeasuredComponent[],
  now: readonly MeasuredComponent[],
  bank: Bank,
): readonly GroundDifference[] {
  const partners = pairComponents(before, now, bank)
  const changed = now.flatMap((one, at): GroundDifference[] => {
    const old = before[partners[at] ?? -1]
    if (old === undefined) return [difference(one, 'added')]
    return old.digests[bank] === one.digests[bank] ? [] : [describeChange(old, one)]
  })
  const removed = before
    .filter((_, at) => !partners.includes(at))
    .map((one) => difference({ ...one, commandLine: null }, 'removed'))
  const order = isReordered(partners) ? now.slice(0, 1).map((one) => difference(one, 'order')) : []
  return [...changed, ...removed, ...order]
}

function describeChange(old: MeasuredComponent, now: MeasuredComponent): GroundDifference {
  const lines = { before: old.commandLine, now: now.commandLine }
  if (lines.before === null || lines.now === null) return difference(now, 'measured')
  if (lines.before === lines.now) return difference(now, 'contents')
  return { ...difference(now, 'command-line'), commandLine: lines }
}

function difference(
  { pcr, role, path }: MeasuredComponent,
  kind: GroundDifference['kind'],
): GroundDifference {
  return { pcr, role, path, kind, commandLine: null }
}

/** Does the log give the launch registers of this boot? What it lists is nothing to go by otherwise. */
export function doesLogLead(
  log: LaunchLog,
  bank: Bank,
  registers: Readonly<Record<number, string>>,
): boolean {
  const replayed = LAUNCH_PCRS.map(
    (index) => replayPcr(log, bank, index, registers[index] ?? null, isListed(log, index)).status,
  )
  return replayed.includes('faithful') && !replayed.includes('unfaithful')
}
