import { type Line, line } from '../ui/ui.ts'

/** How many other stories a rehearsal names at its end. */
const MAX_NAMED = 3

/**
 * The end of a rehearsal: nothing of it is kept, and what could be tried next.
 * @param others the scenarios that were not played, in the order of their list
 */
export function rehearsalEndLines(others: readonly string[]): readonly Line[] {
  const [first, ...more] = others.slice(0, MAX_NAMED)
  return [
    line('This was a rehearsal; nothing changed.', 'bold'),
    ...(first === undefined
      ? []
      : [line(`Try another: \`aem-reseal rehearse --scenario ${first}\`, or ${more.join(', ')}.`)]),
  ]
}
