import type { Answer } from '../contract/schemas.ts'
import { decideNotice } from '../core/decide/notice.ts'
import type { ProtectionReason } from '../core/decide/protection-state.ts'
import { isUpdatedBefore, isUpdatedInBoot, type Updates } from '../core/mark/updates.ts'
import type { Session } from '../core/session/checkpoint.ts'
import { type SaidNotice, sayNotice } from '../messages/notice.ts'
import { nameUpdates } from '../messages/updates.ts'

/** The contract's `updates` of `status`: the mark, with what rpm says of its files now. */
export function toUpdatesAnswer(
  { mark, packages, newInitramfs }: Updates,
  bootId: string | null,
): Answer<'status'>['updates'] {
  if (mark === null) return null
  return {
    state: mark.state,
    why: mark.state === 'ignored' ? mark.why : null,
    files:
      mark.state !== 'marked'
        ? []
        : mark.files.map((file) => ({
            path: file.path,
            at: new Date(file.time * 1000).toISOString(),
            bootId: file.bootId,
            inThisBoot: file.bootId === null || bootId === null ? null : file.bootId === bootId,
          })),
    packages,
    newInitramfs,
  }
}

/** The contract's `notice` of `status`: what is due, for the notice at login. */
export function toNoticeAnswer(
  updates: Updates,
  facts: {
    readonly bootId: string | null
    readonly session: Session | null
    readonly isOutdated: boolean
    readonly reasons: readonly ProtectionReason[]
  },
): SaidNotice | null {
  const { bootId, session } = facts
  const began = session?.baseline?.bootId ?? null
  const code = decideNotice({
    isOutdated: facts.isOutdated,
    session: session && {
      step: session.step,
      isRestarted: began === null || bootId === null ? null : began !== bootId,
    },
    reasons: facts.reasons,
    isUpdatedInBoot: isUpdatedInBoot(updates, bootId),
    isUpdatedBefore: isUpdatedBefore(updates, bootId),
    isMarkIgnored: updates.mark?.state === 'ignored',
  })
  return code === null ? null : sayNotice(code, nameUpdates(updates))
}

/** The row `updated` of the screen; null where there is nothing to say. */
export function describeUpdates(updates: Updates, bootId: string | null): string | null {
  if (updates.mark?.state === 'ignored') return `the note of updates is ignored: ${updates.mark.why}`
  const isNow = isUpdatedInBoot(updates, bootId)
  if (!isNow && !isUpdatedBefore(updates, bootId)) return null
  return `${nameUpdates(updates)}, ${isNow ? 'in this boot' : 'before this boot'}`
}
