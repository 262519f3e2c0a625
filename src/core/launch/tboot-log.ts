import type { Failure } from '../failure.ts'
import { coreFailure } from '../failures.ts'
import { EVENT_TYPE, type LaunchLog } from './launch-log.ts'
import { BANK_NAMES, BANKS, isUnset } from './pcr.ts'
import { type PrintedEvent, readHex, readPrintedEvents } from './tboot-events.ts'
import { decideMap, decideOrigins, joinEvents, joinMeasurements, joinModules } from './tboot-measurements.ts'
import {
  findPostLaunch,
  type PrintedModule,
  readModules,
  readVlMeasurements,
  splitLogLines,
  type VlEntry,
} from './tboot-sections.ts'

/**
 * `txt-stat` of tboot 1.7 to 1.10, or the same log from a serial line. The parts that count stand in
 * tboot-sections.ts and tboot-events.ts with samples; the frame is
 *
 *     	 TXT measured launch: TRUE
 *     	 secrets flag set: TRUE
 *     TBOOT log:
 *     	 max_size=32706
 *
 * An unmeasured boot is a log with `measured: false`; a log that lost its end has `problems`.
 * @throws Failure `log-unreadable` when the text holds no tboot log at all
 */
export function parseTbootLog(text: string): LaunchLog {
  const lines = splitLogLines(text)
  const measured = readMeasured(text)
  const postLaunch = findPostLaunch(lines)
  if (measured !== false && postLaunch === null && !/^TBOOT: /m.test(text)) throw noLog(text)
  const printed = readModules(lines)
  const vl = readVlMeasurements(lines)
  const events = readPrintedEvents(postLaunch ?? [])
  const values = readValues(postLaunch ?? lines)
  const problems = measured === false ? [] : findProblems({ postLaunch, printed, vl, events })
  const extended = vl.complete ? vl.entries : joinMeasurements(events)
  const map = decideMap(extended, postLaunch ?? [])
  const origins = decideOrigins(extended, printed.modules, map)
  return {
    kind: 'tboot',
    version: readVersion(lines),
    measured: measured ?? (postLaunch === null ? null : true),
    map,
    events: joinEvents(events, map === 'legacy' ? values.mleHash : null, extended, origins),
    modules: joinModules(extended, origins, printed.modules),
    defaultPolicy: readDefaultPolicy(lines),
    platformEvents: events.some((event) => event.type === EVENT_TYPE.hashStart),
    values,
    launcherCommandLine: readCommandLine(lines),
    sinitCapabilities: readSinitCapabilities(postLaunch ?? lines),
    startupLocality: null,
    problems,
  }
}

function noLog(text: string): Failure {
  const why = 'it found none in memory: this boot did not go through tboot, or /dev/mem is closed to it'
  return coreFailure(
    'log-unreadable',
    {
      what: 'txt-stat printed no tboot log',
      ...(/unable to find TBOOT log/.test(text) ? { why } : {}),
      next: 'check that the AEM entry was booted and that the tboot package is installed',
    },
    text.slice(-400),
  )
}

function readMeasured(text: string): boolean | null {
  const match = /^\s*TXT measured launch: (TRUE|FALSE)\s*$/m.exec(text)
  return match ? match[1] === 'TRUE' : null
}

/** `   2021-12-08 16:00 +0100 1.10.3`; builds from a repository end in `462:9b3461d87049` instead. */
function readVersion(lines: readonly string[]): string | null {
  for (const line of lines) {
    const match = /^\s+\d{4}-\d\d-\d\d \d\d:\d\d [+-]\d{4} (\S+)\s*$/.exec(line)
    if (match) return match[1]!
  }
  return null
}

/** `command line: logging=memory,serial` (tboot 1.7 to 1.10, common/tboot.c): printed by each start of tboot. */
function readCommandLine(lines: readonly string[]): string | null {
  const found = lines.flatMap((line) => /^command line: ([\s\S]*)$/.exec(line)?.[1] ?? [])
  // One boot has one; texts that differ are of several boots, or made up.
  return new Set(found).size === 1 ? (found[0] ?? null) : null
}

/**
 *     	 os_sinit_data (@0xb8f2017e, 0x9c):
 *     	     capabilities: 0x0000000a
 *
 * (tboot 1.10.5, txt/heap.c, print_os_sinit_data); other structures print capabilities of their own before.
 */
function readSinitCapabilities(lines: readonly string[]): number | null {
  const start = lines.findLastIndex((line) => /^\s*os_sinit_data \(/.test(line))
  const found = lines.slice(start === -1 ? lines.length : start).flatMap((line) => {
    const match = /^\s*capabilities: 0x([0-9a-f]{1,8})\s*$/.exec(line)
    return match ? [Number.parseInt(match[1]!, 16)] : []
  })
  return found[0] ?? null
}

function readDefaultPolicy(lines: readonly string[]): boolean | null {
  if (lines.some((line) => /failed to read policy from TPM NV, using default/.test(line))) return true
  return lines.some((line) => /^policy:\s*$/.test(line)) ? false : null
}

function readValues(lines: readonly string[]): LaunchLog['values'] {
  const after = (name: string): string | null => {
    const index = lines.findLastIndex((line) => line.trim() === `${name}:`)
    const hex = index === -1 ? null : readHex(lines[index + 1] ?? '')
    return hex === null || isUnset(hex) ? null : hex.slice(0, 2 * BANKS.sha1.sizeBytes)
  }
  const policyHash = lines.findLast((line) => /^\s*pol_hash: /.test(line))
  const control = lines.map((line) => /^\s*policy_control: ([0-9a-f]{8})\b/.exec(line)).findLast((m) => m)
  return {
    sinitHash: after('sinit_hash'),
    mleHash: after('mle_hash'),
    policyHash: policyHash === undefined ? null : readHex(policyHash.replace('pol_hash:', '')),
    policyControl: control?.[1] ?? null,
  }
}

function findProblems(parts: {
  postLaunch: readonly string[] | null
  printed: { modules: PrintedModule[]; complete: boolean }
  vl: { entries: VlEntry[]; complete: boolean }
  events: readonly PrintedEvent[]
}): string[] {
  const { postLaunch, printed, vl, events } = parts
  const problems: string[] = []
  if (postLaunch === null) problems.push('no part of it was written after the launch')
  if (!printed.complete) problems.push('the list of modules does not reach its end')
  if (!vl.complete) problems.push('the VL measurements are missing or do not reach their end')
  for (const bank of BANK_NAMES) {
    const wanted = vl.entries.flatMap((entry) => entry.digests[bank] ?? []).map(String)
    const made = events
      .filter((event) => event.type === EVENT_TYPE.tbootMeasurement && event.digests[bank] !== undefined)
      .map((event) => event.digests[bank])
    const at = made.findIndex((digest, index) => digest !== wanted[index])
    if (vl.complete && at !== -1)
      problems.push(`event ${at + 1} of the measurements (${bank}) differs from the VL measurements`)
  }
  return problems
}
