/**
 * Did something happen since this boot began, or since a file was written, by its time? A clock that a dead battery set back makes everything look newer
 * than the boot: what lies after the present was not written by the clock of this boot, and tells nothing.
 * @param at when it happened, and when the boot began or the file was written; ms since 1970
 * @param now asked only where it counts; a recorded machine without a time has none that a boot could have come before
 * @returns null where the clock cannot tell
 */
export function isSinceBoot(at: number, bootedAt: number, now: () => Date): boolean | null {
  if (at <= bootedAt) return false
  const present = now().getTime()
  return at > present && present >= bootedAt ? null : true
}
