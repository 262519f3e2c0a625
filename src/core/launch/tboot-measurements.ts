import {
  type Digests,
  EVENT_TYPE,
  type EventOrigin,
  type LaunchEvent,
  type LoggedModule,
  type PcrMap,
} from './launch-log.ts'
import { BANK_NAMES, PCR } from './pcr.ts'
import type { PrintedEvent } from './tboot-events.ts'
import { isPrintedDigestOf, loggedModule, type PrintedModule, type VlEntry } from './tboot-sections.ts'

/** Without VL lines the printed 0x501 events are the measurements; one entry may come as an event per bank. */
export function joinMeasurements(events: readonly PrintedEvent[]): VlEntry[] {
  const joined: { pcr: number; digests: Digests }[] = []
  for (const event of events.filter((one) => one.type === EVENT_TYPE.tbootMeasurement)) {
    const last = joined.at(-1)
    const isNew =
      last === undefined ||
      last.pcr !== event.pcr ||
      Object.keys(event.digests).some((b) => b in last.digests)
    if (isNew) joined.push({ pcr: event.pcr, digests: { ...event.digests } })
    else Object.assign(last.digests, event.digests)
  }
  return joined
}

function sameDigests(a: Digests, b: Digests): boolean {
  return BANK_NAMES.every((bank) => a[bank] === b[bank])
}

/**
 * The map that was used. In the details/authorities map the policy is extended to both registers
 * (policy.c, verify_g_policy). The bit in os_sinit_data tells it for TPM 1.2 only: for TPM 2.0 tboot
 * clears the bit and uses details/authorities all the same (tboot 1.10.2, tboot/txt/txt.c).
 */
export function decideMap(entries: readonly VlEntry[], postLaunch: readonly string[]): PcrMap | null {
  const [policy, second] = entries
  if (policy?.pcr === PCR.drtm && second !== undefined) {
    if (second.pcr === PCR.launched) return sameDigests(policy.digests, second.digests) ? 'da' : 'legacy'
    return null
  }
  const start = postLaunch.findIndex((line) => line.startsWith('os_sinit_data ('))
  const bit = start === -1 ? undefined : postLaunch.slice(start).find((line) => /pcr_map_da: /.test(line))
  return bit !== undefined && /pcr_map_da: 1/.test(bit) ? 'da' : null
}

/** Policy first, then module 0, then what the policy's entries send to a register, in module order. */
export function decideOrigins(
  entries: readonly VlEntry[],
  modules: readonly PrintedModule[],
  map: PcrMap | null,
): EventOrigin[] {
  const policyEntries = map === 'da' ? 2 : 1
  const isPrinted = modules.some((module) => module.printedDigest !== null)
  let expected = 0
  return entries.map((entry, index) => {
    if (map === null) return { kind: 'other' }
    if (index < policyEntries) return { kind: 'policy' }
    const found = isPrinted ? findModule(modules, entry, expected) : expected
    if (found === -1 || entry.pcr === PCR.lastDrtm) return { kind: 'other' }
    expected = found + 1
    return { kind: 'module', moduleIndex: found }
  })
}

function findModule(modules: readonly PrintedModule[], entry: VlEntry, expected: number): number {
  const next = modules.findIndex((module, i) => i >= expected && isPrintedDigestOf(module, entry.digests))
  return next !== -1 ? next : modules.findIndex((module) => isPrintedDigestOf(module, entry.digests))
}

/**
 * All extends in order: what SINIT did, then tboot's measurements. Where SINIT keeps no event log (TPM 1.2 with
 * os_sinit_data below version 6) the MLE hash stands alone for it; that is right for the legacy map only.
 * @param mleHash SHA-1 hex, or null to leave it out
 */
export function joinEvents(
  printed: readonly PrintedEvent[],
  mleHash: string | null,
  measurements: readonly VlEntry[],
  origins: readonly EventOrigin[],
): LaunchEvent[] {
  const platform = printed
    .filter((event) => event.type !== EVENT_TYPE.tbootMeasurement)
    .map((event): LaunchEvent => {
      const kind = event.type === EVENT_TYPE.mleHash ? ('mle' as const) : ('platform' as const)
      return { ...event, origin: { kind }, data: null }
    })
  if (platform.length === 0 && mleHash !== null)
    platform.push({
      pcr: PCR.launched,
      type: EVENT_TYPE.mleHash,
      digests: { sha1: mleHash },
      origin: { kind: 'mle' },
      data: null,
    })
  const measured = measurements.map((entry, index): LaunchEvent => {
    const origin = origins[index] ?? { kind: 'other' }
    return { pcr: entry.pcr, type: EVENT_TYPE.tbootMeasurement, digests: entry.digests, origin, data: null }
  })
  return [...platform, ...measured]
}

/** The measured modules, by index; digests from the measurements, command lines from the printed list. */
export function joinModules(
  entries: readonly VlEntry[],
  origins: readonly EventOrigin[],
  printed: readonly PrintedModule[],
): LoggedModule[] {
  const count = Math.max(printed.length, ...origins.map((o) => (o.kind === 'module' ? o.moduleIndex + 1 : 0)))
  return Array.from({ length: Math.max(count, 0) }, (_, index) => {
    const at = origins.findIndex((origin) => origin.kind === 'module' && origin.moduleIndex === index)
    return loggedModule(printed[index], entries[at]?.digests)
  })
}
