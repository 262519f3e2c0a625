/** More changes than these make another word of it. */
const MAX_CHANGES = 2
const MAX_SUGGESTED = 2

/**
 * The words that somebody may have meant who typed another one: those that begin with it, else the nearest by up to two
 * changes of a character (Damerau's, restricted edits), at most as many as a third of it has.
 * @returns at most two, the nearest first; empty where none is near
 */
export function nearestWords(typed: string, known: readonly string[]): readonly string[] {
  const word = typed.toLowerCase()
  const begun = known.filter((one) => word.length > 1 && one.startsWith(word))
  if (begun.length > 0) return begun.slice(0, MAX_SUGGESTED)
  const most = Math.min(MAX_CHANGES, Math.max(1, Math.floor(word.length / 3)))
  const near = known
    .map((one) => ({ one, changes: countChanges(word, one) }))
    .filter(({ changes }) => changes <= most)
    .sort((a, b) => a.changes - b.changes)
  const [first] = near
  return near
    .filter(({ changes }) => changes === first?.changes)
    .slice(0, MAX_SUGGESTED)
    .map(({ one }) => one)
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other. */
function countChanges(from: string, to: string): number {
  let [beforeLast, last]: number[][] = [[], Array.from({ length: to.length + 1 }, (_, at) => at)]
  for (let row = 1; row <= from.length; row += 1) {
    const next = [row]
    for (let at = 1; at <= to.length; at += 1) {
      const isSame = from[row - 1] === to[at - 1]
      const isSwap = row > 1 && at > 1 && from[row - 1] === to[at - 2] && from[row - 2] === to[at - 1]
      next[at] = Math.min(
        (last?.[at] ?? 0) + 1,
        (next[at - 1] ?? 0) + 1,
        (last?.[at - 1] ?? 0) + (isSame ? 0 : 1),
        isSwap ? (beforeLast?.[at - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    ;[beforeLast, last] = [last, next]
  }
  return last?.[to.length] ?? 0
}
