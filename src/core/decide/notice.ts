import type { ProtectionReason } from './protection-state.ts'

/** What is due, for the notice at login; the words are those of messages/notice.ts. */
export const NOTICES = [
  'prepared-outdated',
  'alarm',
  'boot-file-changed',
  'resume',
  'seal-held',
  'start',
  'update-unconfirmed',
  'mark-ignored',
] as const

export type Notice = (typeof NOTICES)[number]

export type NoticeFacts = {
  /** What the open session prepared no longer fits. */
  readonly isOutdated: boolean
  readonly session: {
    /** dom0 was restarted since it began; null: not known. */
    readonly isRestarted: boolean | null
    /** The step that it stands at. */
    readonly step: string
  } | null
  readonly reasons: readonly ProtectionReason[]
  readonly isUpdatedInBoot: boolean
  readonly isUpdatedBefore: boolean
  readonly isMarkIgnored: boolean
}

/** Steps of a session at which nothing but the restart is left to do. */
const WAITING: readonly string[] = ['restart', 'checkpoint', 'check-boot']

/** The one thing to say, or null where nothing is due. */
export function decideNotice(facts: NoticeFacts): Notice | null {
  const { session, reasons } = facts
  if (session !== null) {
    if (facts.isOutdated) return 'prepared-outdated'
    const isWaiting = session.isRestarted === false && WAITING.includes(session.step)
    return isWaiting ? null : 'resume'
  }
  if (reasons.includes('boot-unexplained')) return 'alarm'
  if (reasons.includes('boot-files-changed')) return 'boot-file-changed'
  if (reasons.includes('seal-held')) return 'seal-held'
  if (facts.isUpdatedInBoot || reasons.includes('restart-pending')) return 'start'
  if (facts.isUpdatedBefore) return 'update-unconfirmed'
  return facts.isMarkIgnored ? 'mark-ignored' : null
}
