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
  /** Why not only root can change the program that systemd asks; null where only root can, or none is asked. */
  readonly askedWhy: string | null
  readonly file: (typeof DROP_IN_FILE_STATES)[number]
  /** Why the file is not known, such as that others can write to it. */
  readonly fileWhy: string | null
  /** The program that systemd can be told to ask, or why there is none. */
  readonly program: { readonly path: string | null; readonly why: string | null }
}

/** Whether AEM's automatic seal is held by the drop-in, or could be. */
export async function observeHold(host: Host): Promise<HoldFacts> {
  const unit = await observeLoadedUnit(host)
  const places = await Promise.all(PROGRAM_PLACES.map((path) => observeProgram(host, path)))
  const program = chooseProgram(places)
  const isLoaded = unit === null ? null : unit.isLoaded
  const asked = places.find(
    ({ path }) => unit !== null && isAsked(unit, command('gate-asked', { program: path }).argv),
  )
  return {
    unit,
    isInstalled: isLoaded && asked !== undefined,
    askedWhy: asked?.unsafe ?? null,
    ...(await observeFile(host, program.path)),
    program,
  }
}

export async function observeLoadedUnit(host: Host): Promise<LoadedUnit | null> {
  const show = await host.run(command('hold-show', { unit: SEAL_UNIT }))
  return valueOrNull(parsed(show, ({ stdout }) => parseLoadedUnit(stdout), 'systemctl show'))
}

/** @param unsafe null: only root can change it */
type ProgramPlace = { readonly path: string; readonly isThere: boolean; readonly unsafe: string | null }

async function observeProgram(host: Host, path: string): Promise<ProgramPlace> {
  const way = await Promise.all(listWay(path).map((step) => observePlace(host, step)))
  return { path, isThere: way.at(-1)?.kind !== 'absent', unsafe: findUnsafePlace(way) }
}

/** The first place where the program lies, out of reach of all but root. */
function chooseProgram(places: readonly ProgramPlace[]): HoldFacts['program'] {
  const safe = places.find(({ unsafe }) => unsafe === null)
  if (safe !== undefined) return { path: safe.path, why: null }
  const allowed = PROGRAM_PLACES.join(' or ')
  const why =
    places.find(({ isThere }) => isThere)?.unsafe ??
    `systemd must find the program at ${allowed}, where only root can change it`
  return { path: null, why }
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
export function isHeld({ isInstalled, askedWhy, file }: HoldFacts): boolean {
  return isInstalled === true && askedWhy === null && file !== 'other' && file !== 'unknown'
}
