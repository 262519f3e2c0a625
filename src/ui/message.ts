import type { Line } from './ui.ts'

/** What a step says: every one of them names the next act. */
export type Message = {
  readonly tone: 'good' | 'info' | 'attention' | 'alarm'
  readonly what: string
  readonly why?: string | null
  readonly next: string
  readonly details?: readonly Line[]
}
