/** What AEM's journal says of the secret: shown, refused by the TPM, or its freshness token an old one. */
export const UNSEAL_ANSWERS = ['unsealed', 'mismatch', 'wrong-token'] as const
export type UnsealAnswer = (typeof UNSEAL_ANSWERS)[number]

/** What AEM's own words in the journal of this boot say; a missing line says nothing. */
export type AemJournal = {
  readonly unseal: UnsealAnswer | null
  readonly sealedFiles: readonly string[]
  readonly failedFiles: readonly string[]
  readonly isWaitingForDevice: string | null
  readonly sanityCheckFailed: boolean
  readonly sealFailed: string | null
  readonly sealMentioned: boolean
  /** ISO time of the last line that speaks of the seal. */
  readonly lastSealLineAt: string | null
}

const LINE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d) \S+ ([^\s[:]+)(?:\[\d+\])?: (.*)$/

/**
 * Reads `journalctl --boot --output=short-iso -u anti-evil-maid-unseal -u anti-evil-maid-seal`.
 *
 * Sample: `2024-07-17T09:00:05+0200 dom0 anti-evil-maid-unseal[412]: anti-evil-maid-unseal: Freshness token
 * unsealed.` (systemd 251, anti-evil-maid 4.2.0). With plymouth on, only AEM's `log` lines are here; what it says
 * through `message` went to the splash screen (anti-evil-maid-lib), so nothing is concluded from silence.
 */
export function parseAemJournal(text: string): AemJournal {
  const lines = text.split(/\r?\n/).flatMap((line) => {
    const match = LINE.exec(line)
    if (!match?.[1] || match[2] === undefined || match[3] === undefined) return []
    return [{ at: match[1], program: match[2], message: match[3].replace(/^anti-evil-maid-(un)?seal: /, '') }]
  })
  const messages = lines.map((line) => line.message)
  const has = (part: string): boolean => messages.some((message) => message.includes(part))
  const unsealSays = (part: string): boolean =>
    lines.some((line) => line.program === 'anti-evil-maid-unseal' && line.message.includes(part))
  const capture = (pattern: RegExp): readonly string[] =>
    messages.flatMap((message) => pattern.exec(message)?.[1] ?? [])
  const sealLines = lines.filter((line) => line.program === 'anti-evil-maid-seal')
  return {
    unseal: decideUnseal(unsealSays),
    sealedFiles: capture(/^Sealed (\S+) using/),
    failedFiles: capture(/^Failed (\/\S+)$/),
    isWaitingForDevice: decideWaiting(messages),
    sanityCheckFailed: has('PCR sanity check failed!'),
    sealFailed: capture(/^(Failed to seal secrets .*)$/)[0] ?? null,
    sealMentioned: sealLines.length > 0,
    lastSealLineAt: sealLines.at(-1)?.at ?? null,
  }
}

function decideUnseal(has: (part: string) => boolean): AemJournal['unseal'] {
  // The order matters: a token can unseal and still be the wrong one.
  if (has('Freshness token invalid!') || has('does not match any slot')) return 'wrong-token'
  if (has('Freshness token unsealing failed!')) return 'mismatch'
  // Both lines: the file unseal-success is there after an invalid token too (anti-evil-maid-unseal 4.2.0).
  if (has('Freshness token unsealed.') && has('Freshness token valid')) return 'unsealed'
  return null
}

function decideWaiting(messages: readonly string[]): string | null {
  let waiting: string | null = null
  for (const message of messages) {
    const match = /^Waiting for (\S+) to be (connected|removed)/.exec(message)
    if (match?.[1]) waiting = match[1]
    else if (waiting !== null && message.startsWith(waiting)) waiting = null
  }
  return waiting
}

/** `systemctl show` of one unit, the properties this program asks for. */
export type UnitState = {
  readonly isLoaded: boolean
  readonly activeState: string
  readonly result: string
  readonly conditionMet: boolean | null
  readonly mainExit: number | null
  /** Microseconds since boot; 0 when it did not run in this boot. */
  readonly startedAtUs: number
  readonly endedAtUs: number
  readonly dropIns: readonly string[]
}

/** Reads `systemctl show --property=... UNIT` (systemd 245 to 256). @returns null when it is of another form */
export function parseUnitShow(stdout: string): UnitState | null {
  const properties = new Map<string, string>()
  for (const line of stdout.split('\n')) {
    const at = line.indexOf('=')
    if (at > 0) properties.set(line.slice(0, at), line.slice(at + 1))
  }
  const load = properties.get('LoadState')
  if (load === undefined) return null
  const condition = properties.get('ConditionResult')
  const status = toNumber(properties.get('ExecMainStatus'))
  const startedAtUs = toNumber(properties.get('ExecMainStartTimestampMonotonic')) ?? 0
  const endedAtUs = toNumber(properties.get('ExecMainExitTimestampMonotonic')) ?? 0
  if ([status ?? 0, startedAtUs, endedAtUs].some(Number.isNaN)) return null
  return {
    isLoaded: load === 'loaded',
    activeState: properties.get('ActiveState') ?? '',
    result: properties.get('Result') ?? '',
    conditionMet: condition === undefined ? null : condition === 'yes',
    mainExit: status,
    startedAtUs,
    endedAtUs,
    dropIns: (properties.get('DropInPaths') ?? '').split(' ').filter(Boolean),
  }
}

/** null where it is not there or empty; NaN where it is no number. */
function toNumber(text: string | undefined): number | null {
  if (text === undefined || text === '') return null
  return /^[0-9]+$/.test(text) ? Number(text) : Number.NaN
}
