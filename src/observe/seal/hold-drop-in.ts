import {
  type DROP_IN_FILE_STATES,
  findUnsafePlace,
  isAsked,
  type LoadedUnit,
  type PlaceFact,
  parseLoadedUnit,
  renderDropIn,
} from '../../core/hold/drop-in.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { HOLD_DROP_IN, listWay, PROGRAM_PLACES } from '../../tables/paths.ts'
import { parsed, readText } from '../read-text.ts'
import { SEAL_UNIT } from './seal-unit.ts'

export type HoldFacts = {
  /** The unit as systemd has it loaded; null where it could not be asked. */
  readonly unit: LoadedUnit | null
  /** Does systemd ask the gate? null where it could not be determined. */
  readonly isInstalled: boolean | null
  readonly file: (typeof DROP_IN_FILE_STATES)[number]
  /** Why the file is not known, such as that others can write to it. */
  readonly fileWhy: string | null
  /** The program that systemd can be told to ask, or why there is none. */
  readonly program: { readonly path: string | null; readonly why: string | null }
}

/** Whether AEM's automatic seal is held by the drop-in, or could be. */
export async function observeHold(host: Host): Promise<HoldFacts> {
  const unit = await observeLoadedUnit(host)
  const program = await findProgram(host)
  const calls = PROGRAM_PLACES.map((path) => command('gate-asked', { program: path }).argv)
  const isInstalled = unit === null ? null : unit.isLoaded && calls.some((argv) => isAsked(unit, argv))
  return { unit, isInstalled, ...(await observeFile(host, program.path)), program }
}

export async function observeLoadedUnit(host: Host): Promise<LoadedUnit | null> {
  const show = await host.run(command('hold-show', { unit: SEAL_UNIT }))
  return valueOrNull(parsed(show, ({ stdout }) => parseLoadedUnit(stdout), 'systemctl show'))
}

/** The first place where the program lies, out of reach of all but root. */
async function findProgram(host: Host): Promise<HoldFacts['program']> {
  const found: string[] = []
  for (const path of PROGRAM_PLACES) {
    const way = await Promise.all(listWay(path).map((step) => observePlace(host, step)))
    const unsafe = findUnsafePlace(way)
    if (unsafe === null) return { path, why: null }
    if (way.at(-1)?.kind !== 'absent') found.push(unsafe)
  }
  const places = PROGRAM_PLACES.join(' or ')
  return {
    path: null,
    why: found[0] ?? `systemd must find the program at ${places}, where only root can change it`,
  }
}

async function observePlace(host: Host, path: string): Promise<PlaceFact> {
  const stat = await host.statFile(path)
  if (stat.state !== 'seen') return { path, kind: stat.state, ownerUid: null, mode: null }
  const { kind, ownerUid, mode } = stat.value
  return { path, kind, ownerUid: ownerUid ?? null, mode }
}

async function observeFile(host: Host, program: string | null): Promise<Pick<HoldFacts, 'file' | 'fileWhy'>> {
  const text = await readText(host, HOLD_DROP_IN)
  if (text.state !== 'seen') return { file: text.state, fileWhy: text.state === 'unknown' ? text.why : null }
  const isOwn = program !== null && text.value === renderDropIn(command('gate-asked', { program }).argv)
  return { file: isOwn ? 'current' : 'other', fileWhy: null }
}

/** Is all as this program installs it, or as somebody else did in another place? Then nothing is to be written. */
export function isHeld({ isInstalled, file }: HoldFacts): boolean {
  return isInstalled === true && file !== 'other' && file !== 'unknown'
}
