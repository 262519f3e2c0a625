export type RestartPlan =
  | { readonly kind: 'now' }
  | { readonly kind: 'minutes'; readonly minutes: string }
  | { readonly kind: 'at'; readonly clockTime: string }
  | { readonly kind: 'manual' }

/**
 * When shutdown(8) restarts by that plan, as a clock of this dom0 shows it.
 * @param now local time counts
 * @returns null where no time is planned
 */
export function restartClock(plan: RestartPlan, now: Date): { clock: string; isTomorrow: boolean } | null {
  if (plan.kind === 'minutes') {
    const at = new Date(now.getTime() + Number(plan.minutes) * 60_000)
    return { clock: clockOf(at), isTomorrow: at.getDate() !== now.getDate() }
  }
  return plan.kind === 'at' ? { clock: plan.clockTime, isTomorrow: plan.clockTime <= clockOf(now) } : null
}

function clockOf(time: Date): string {
  return [time.getHours(), time.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':')
}

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
