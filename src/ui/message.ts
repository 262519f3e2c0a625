import type { Line, Screen } from './ui.ts'

/**
 * What a step or a look says. Where it is good, one line of it is printed; `--details` prints all of it. Where something is
 * decided, refused or wrong, all of it is printed but what is dim: that is in order.
 */
export type Message = {
  readonly tone: 'good' | 'info' | 'attention' | 'alarm'
  readonly what: string
  /** The one line, where `what` is longer than a line; empty where it stands there already. */
  readonly brief?: string
  readonly why?: string | null
  /** What the person does; left out where the run goes on by itself. */
  readonly next?: string
  readonly details?: readonly Line[]
  /** Shown in place of all this where it must be seen as a whole; `--details` prints the message below it. */
  readonly screen?: Screen
}
