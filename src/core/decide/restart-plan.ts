export type RestartPlan =
  | { readonly kind: 'now' }
  | { readonly kind: 'minutes'; readonly minutes: string }
  | { readonly kind: 'at'; readonly clockTime: string }
  | { readonly kind: 'manual' }

/** At most a day: a restart planned further away is forgotten. */
const MAX_MINUTES = 1440

/**
 * Reads an answer to "when to restart": now, +MIN, HH:MM or manual.
 * @returns null when it is none of these
 */
export function parseRestartPlan(text: string): RestartPlan | null {
  if (text === 'now') return { kind: 'now' }
  if (text === 'manual') return { kind: 'manual' }
  const minutes = /^\+([0-9]{1,4})$/.exec(text)?.[1]
  if (minutes !== undefined) {
    return Number(minutes) <= MAX_MINUTES ? { kind: 'minutes', minutes: String(Number(minutes)) } : null
  }
  return /^([01][0-9]|2[0-3]):[0-5][0-9]$/.test(text) ? { kind: 'at', clockTime: text } : null
}
