/**
 * How the state that a boot is compared with is named: after "the boot" or "the state".
 * @param at ISO 8601
 * @param isBelieved by `start` on the first use, which nobody approved
 */
export function stateWords(at: string | null, isBelieved: boolean): string {
  return isBelieved ? `of ${at} (believed by \`start\`, approved by nobody)` : `approved at ${at}`
}
