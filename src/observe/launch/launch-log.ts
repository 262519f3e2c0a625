import { Failure } from '../../core/failure.ts'
import type { LaunchLog } from '../../core/launch/launch-log.ts'
import { parseTbootLog } from '../../core/launch/tboot-log.ts'
import { parseTcgLog } from '../../core/launch/tcg-log.ts'
import {
  isConsoleWhole,
  type LogLocation,
  lastBootOf,
  parseEventLogLocation,
} from '../../core/launch/xl-dmesg.ts'
import type { Host, RunResult, Seen } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { makeFailure } from '../../tables/failures.ts'
import { HYPERVISOR_LOG } from '../../tables/paths.ts'
import { attempt, exists, readTextOrNull } from '../read-text.ts'

/** A source of the log: what it gave, or in words why it gave nothing, and what helps. */
type Source =
  | { readonly log: LaunchLog }
  | { readonly why: string; readonly next: string; readonly kind: Kind }

/**
 * - none: there is no sign that this launcher was at work
 * - launched: it was, and its log is not to be had
 * - unknown: nobody can tell
 */
type Kind = 'none' | 'launched' | 'unknown'

/**
 * The log of this boot, or why there is none that can be read. tboot and TrenchBoot are both asked, as the package tboot can
 * be installed without being booted. Xen names an event log only where TrenchBoot launched it, so that one counts first; and
 * "no launch" of txt-stat counts only where no sign of TrenchBoot may be missing.
 */
export async function observeLog(host: Host, txtStat: Seen<RunResult>): Promise<LaunchLog | Failure> {
  const [tboot, trenchboot] = [readTbootLog(txtStat), await observeEventLog(host)]
  if ('log' in trenchboot) return trenchboot.log
  // Where Xen took over a launch, tboot's log is of an earlier boot: memory keeps it over a warm restart.
  const isDoubtful =
    'log' in tboot && (trenchboot.kind === 'launched' || isWithoutLaunch(tboot.log, trenchboot))
  if ('log' in tboot && !isDoubtful) return tboot.log
  const words = 'log' in tboot ? (tboot.log.measured === false ? NOT_LAUNCHED_BY_TBOOT : EARLIER_LOG) : tboot
  const first = (await isTrenchBootFirst(host, words.kind, trenchboot.kind))
    ? [trenchboot, words]
    : [words, trenchboot]
  return makeFailure('log-unreadable', {
    what: `no launch log of this boot could be read: ${first.map(({ why }) => why).join('; ')}`,
    next: first[0]!.next,
  })
}

const SEE_ENTRY =
  'see that the AEM entry was booted and that `sudo txt-stat` (package tboot; under TrenchBoot: `sudo xl dmesg`) shows a launch log; nothing is predicted or explained without a log'

const NOT_LAUNCHED_BY_TBOOT = {
  why: 'txt-stat says that tboot launched nothing',
  next: SEE_ENTRY,
  kind: 'none',
} as const

const EARLIER_LOG = {
  why: 'what txt-stat prints is a log of tboot, which did not launch this boot',
  next: SEE_ENTRY,
  kind: 'none',
} as const

function isWithoutLaunch(log: LaunchLog, trenchboot: { readonly kind: Kind }): boolean {
  return log.measured === false && trenchboot.kind !== 'none'
}

/** Whose failure is the reason: of what was at work, else of what is set up (each brings its own GRUB script). */
async function isTrenchBootFirst(host: Host, tboot: Kind, trenchboot: Kind): Promise<boolean> {
  if (trenchboot === 'launched') return true
  const isSetUp = await exists(host, '/etc/grub.d/19_linux_xen_trenchboot')
  if (tboot === 'launched') return isSetUp === true
  return trenchboot === 'unknown' && isSetUp === true
}

/** tboot's log, by txt-stat. */
function readTbootLog(run: Seen<RunResult>): Source {
  const failed = (why: string, kind: Kind, next = SEE_ENTRY): Source => ({ why, next, kind })
  if (run.state === 'absent') return failed('txt-stat (package tboot) is not installed', 'unknown')
  if (run.state === 'unknown') return failed(`txt-stat could not be asked: ${run.why}`, 'unknown')
  const { exit, stdout } = run.value
  if (exit !== 0) return failed(`txt-stat ended with ${exit}`, 'unknown')
  if (stdout === '') return failed('txt-stat printed nothing', 'unknown')
  const log = attempt(() => parseTbootLog(stdout))
  if (!(log instanceof Failure)) return { log }
  if (!/^\s*TXT measured launch: TRUE\s*$/m.test(stdout)) return failed(log.text.what, 'unknown')
  return failed(
    'txt-stat printed no tboot log, though it says that this boot was launched by TXT: tboot kept its log nowhere in memory',
    'launched',
    "put `logging=memory` into tboot's options (GRUB_CMDLINE_TBOOT in /etc/default/grub), run `sudo grub2-mkconfig -o /boot/grub2/grub.cfg` and restart with the AEM entry; that changes what is measured once, so do it apart from an update",
  )
}

/** TrenchBoot's event log, from the memory that Xen reserved for it. */
async function observeEventLog(host: Host): Promise<Source> {
  const { place, why, kind, next } = await findEventLog(host)
  if (place === null) return { why, kind, next }
  const { address, sizeBytes } = place
  const params = { address: String(address), sizeBytes: String(sizeBytes) }
  const run = await host.run(command('memory-read', params))
  const memory = valueOrNull(run)
  if (memory?.exit !== 0) {
    const detail = run.state === 'unknown' ? `: ${run.why}` : ''
    return {
      why: `TrenchBoot launched this boot, and the event log at 0x${address.toString(16)} could not be read from /dev/mem${detail}`,
      kind: 'launched',
      next: `see as root what \`dd if=/dev/mem iflag=skip_bytes,count_bytes skip=${address} count=${sizeBytes}\` says; \`sudo txt-stat\` has no such log`,
    }
  }
  const log = attempt(() => parseTcgLog(Buffer.from(memory.stdout, 'latin1'), sizeBytes))
  if (!(log instanceof Failure)) return { log }
  return { why: log.text.what, kind: 'launched', next: log.text.next ?? SEE_ENTRY }
}

type Place = {
  readonly place: LogLocation | null
  readonly why: string
  readonly kind: Kind
  readonly next: string
}

/** Xen names the place in its console once, early: its ring may have lost that; xenconsoled's log keeps it. */
async function findEventLog(host: Host): Promise<Place> {
  const run = await host.run(command('xl-dmesg', {}))
  const dmesg = valueOrNull(run)
  const isRead = dmesg?.exit === 0
  const console = isRead ? dmesg.stdout : null
  const place = console === null ? null : parseEventLogLocation(console)
  const found = (one: LogLocation | null): Place => ({
    place: one,
    why: '',
    kind: 'launched',
    next: SEE_ENTRY,
  })
  if (place !== null) return found(place)
  if (console !== null && isConsoleWhole(console))
    return { place: null, why: 'xl dmesg names no event log', kind: 'none', next: SEE_ENTRY }
  const kept = await readTextOrNull(host, HYPERVISOR_LOG)
  const inKept = kept === null ? null : parseEventLogLocation(lastBootOf(kept))
  if (inKept !== null) return found(inKept)
  if (console === null || console === '')
    return { place: null, why: 'xl dmesg could not be read', kind: 'unknown', next: SEE_ENTRY }
  return {
    place: null,
    why: `the beginning of xl dmesg is gone (Xen's console ring was too small), and with it the place of TrenchBoot's event log`,
    kind: 'unknown',
    next: `give Xen a larger ring (\`conring_size=256k\` in GRUB_CMDLINE_XEN of /etc/default/grub, then \`sudo grub2-mkconfig -o /boot/grub2/grub.cfg\`), or run this soon after the boot; ${HYPERVISOR_LOG} is read as well where xenconsoled writes it`,
  }
}

/** The text of tboot's log, to be kept, or null: without it the program says less, never more. */
export function readLaunchLog(txtStat: Seen<RunResult>): string | null {
  const run = valueOrNull(txtStat)
  if (run?.exit !== 0) return null
  const log = attempt(() => parseTbootLog(run.stdout))
  return log instanceof Failure || log.measured === false ? null : run.stdout
}
