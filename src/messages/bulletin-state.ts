import type { Restart } from '../core/bulletin/bulletin.ts'
import type { BulletinState } from '../core/bulletin/decide-bulletins.ts'
import { type MissingPackage, UNCLEAR, type Unclear } from '../core/bulletin/demand.ts'
import { UPDATE_COMMANDS } from '../core/bulletin/update-commands.ts'
import { withoutEpoch } from '../core/package/evr.ts'
import type { Line } from '../ui/ui.ts'

/** How one bulletin stands, in words. */

export function qsb(id: number): string {
  return `QSB-${String(id).padStart(3, '0')}`
}

const MAX_NAMED = 4

/** The newest few by name: `QSB-116, QSB-115 and 3 more`. */
export function listIds(ids: readonly number[]): string {
  const newest = ids.toSorted((a, b) => b - a)
  const more = newest.length - MAX_NAMED
  return `${newest.slice(0, MAX_NAMED).map(qsb).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** In one row how a bulletin stands: what is missing, what is not known, or met and by what. */
export function stateWords(state: BulletinState): string {
  if (state.met === false) {
    const [first, ...more] = state.missing.filter(({ unclear }) => unclear === null)
    const rest =
      more.length > 0 ? `, and ${more.length} more ${more.length > 1 ? 'packages' : 'package'}` : ''
    return first ? `NOT MET: ${missingWords(first)}${rest}` : 'NOT MET'
  }
  if (state.met === null) return `not known: ${unclearWords(state.missing)}`
  const met = state.metThrough.length === 0 ? 'met' : `met (kernel by ${listIds(state.metThrough)})`
  if (state.restartDue === true) return `${met}, restart of dom0 due`
  return state.restartDue === null ? `${met}, ${PERHAPS_DUE[state.restart] ?? PERHAPS}` : met
}

/** `xen-hypervisor 4.17.4-4 wanted, 4.17.4-3.fc37 here`: no epoch, as bulletins and `rpm -q` print none. */
export function missingWords({ name, wanted, installed }: Omit<MissingPackage, 'unclear'>): string {
  return `${name} ${wanted} wanted, ${installed === null ? 'none' : withoutEpoch(installed)} here`
}

const PERHAPS = 'whether a restart is due is not known'

/** What is restarted without the machine is not seen; dom0 itself need not be restarted for it. */
const PERHAPS_DUE: Readonly<Partial<Record<Restart, string>>> = {
  vms: 'qubes that ran before the update have to be restarted',
  'dom0-session': 'log out of dom0 and in again if you have not since',
  'dom0-session+vms': 'log out of dom0 and restart the qubes if you have not since',
  xscreensaver: 'the screen locker has to be restarted if it was not since',
}

/** Whether nothing but qubes or the session has to be restarted for all of them. */
export function isWithoutDom0(states: readonly Pick<BulletinState, 'restart'>[]): boolean {
  return states.every(({ restart }) => restart in PERHAPS_DUE)
}

/** What "not known" means for a restart; null where no row says it. */
export function perhapsNote(states: readonly BulletinState[]): string | null {
  const isSaid = states.some((state) => stateWords(state).endsWith(PERHAPS))
  return isSaid
    ? 'Whether a restart is due is not known where the packages were replaced by still newer ones since the start: what ran until then cannot be told. After a restart of dom0 it is settled.'
    : null
}

/** What only some processors need; that of the others is harmless. */
const PROCESSOR_WORDS: Readonly<Record<string, string>> = {
  microcode_ctl: 'Intel',
  'amd-ucode-firmware': 'AMD',
}

/** The way to packages that bulletins ask for. An update does not bring what is not there at all. */
export function installWords(states: readonly Pick<BulletinState, 'missing'>[]): string {
  const absent = states.flatMap(({ missing }) =>
    missing.filter((item) => item.unclear === null && item.installed === null).map(({ name }) => name),
  )
  const byName = [...new Set(absent)].map((name) => {
    const processor = PROCESSOR_WORDS[name]
    const whose = processor ? `, which only machines with a processor by ${processor} need` : ''
    return ` ${name} is not there at all: \`${UPDATE_COMMANDS.stable} ${name}\`${whose}.`
  })
  return `install them: \`${UPDATE_COMMANDS.stable}\`.${byName.join('')} If that does not offer them and the bulletin is no older than some two weeks, they are still in the security-testing repository: \`${UPDATE_COMMANDS.securityTesting}\`. If it is older, something keeps updates from dom0: see what the first command says`
}

/** Why it could not be told whether a bulletin is met; the first thing that stands in the way. */
export function unclearWords(missing: readonly MissingPackage[]): string {
  const first = missing.find(({ unclear }) => unclear !== null)
  if (first?.unclear === 'series-not-listed') {
    return `${first.name} ${first.installed === null ? 'none' : withoutEpoch(first.installed)} is of a series that it does not list; ${first.wanted} would do`
  }
  if (first?.unclear === 'name-not-known')
    return `no package here is named "${first.name}", and whether another is meant cannot be told`
  return `${first?.name ?? 'packages'} could not be looked up`
}

/** What to do where that is not enough. */
export const UNCLEAR_NEXT: Readonly<Record<Unclear, string>> = {
  'not-looked-up': 'run it in dom0, as root',
  'name-not-known':
    'compare by hand: `aem-reseal bulletin show ID` names the package and its version, `rpm -q NAME` what is installed',
  'series-not-listed': `install the newest kernels: \`${UPDATE_COMMANDS.stable}\`. A bulletin lists one version for each kernel series that Qubes shipped then, and the series of the installed one is not among them. If nothing newer is offered, Qubes gave that series up: let dom0 use the package \`kernel\` and the qubes \`kernel-qubes-vm\` instead`,
}

/** What to do about the first thing that stands in the way. */
export function unclearNext(states: readonly Pick<BulletinState, 'missing'>[]): string {
  const kinds = new Set(states.flatMap(({ missing }) => missing.map(({ unclear }) => unclear)))
  return UNCLEAR_NEXT[UNCLEAR.find((kind) => kinds.has(kind)) ?? 'not-looked-up']
}

/** What the brackets in the list mean; null where there are none. */
export function throughNote(states: readonly BulletinState[]): string | null {
  if (states.every(({ metThrough }) => metThrough.length === 0)) return null
  return '(kernel by ...): the bulletin does not list the series of your kernel. The later one in the brackets does, and what it asks for is installed; Qubes published that kernel after the first bulletin, with its fix.'
}

export function styleOf(state: BulletinState): Line['style'] {
  if (state.met === false) return 'bad'
  return state.met === null || state.restartDue !== false ? 'warn' : undefined
}
