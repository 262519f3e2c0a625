/** What `gate` does with the drop-in. */
export const DROP_IN_ACTS = ['install', 'show', 'remove'] as const
export type DropInAct = (typeof DROP_IN_ACTS)[number]

/** The drop-in's file: as this program writes it, of another form, or not there. */
export const DROP_IN_FILE_STATES = ['current', 'other', 'absent', 'unknown'] as const

/**
 * The text of the drop-in that makes systemd ask before AEM's automatic seal. No `-` before the path: that would let
 * the seal run when the program crashes or is missing (systemd.service(5), ExecCondition=; systemd 243 or newer).
 *
 * @param argv what systemd runs; words without blanks, quotes, `%` or `$`
 */
export function renderDropIn(argv: readonly string[]): string {
  if (argv.some((word) => !/^[A-Za-z0-9/._-]+$/.test(word)) || !argv[0]?.startsWith('/')) {
    throw new Error(`not to be written into a unit without quotes: ${argv.join(' ')}`)
  }
  return [
    "# Holds AEM's automatic seal until a change of what was booted is explained and accepted.",
    '# Written by `aem-reseal gate install`; `aem-reseal gate remove` takes it away.',
    '# Exit 0: the seal runs. 1-254 or program missing: it is held. 255, signal, time-out: it fails, and does not run.',
    // While the journal of the initrd is moved to /var, a look could miss what AEM's unseal said: a hold for nothing.
    '[Unit]',
    'After=systemd-journal-flush.service',
    '[Service]',
    `ExecCondition=${argv.join(' ')}`,
    '',
  ].join('\n')
}

export type ExecCondition = { readonly argv: string; readonly ignoresErrors: boolean }

/** What systemd itself has loaded for the seal unit. */
export type LoadedUnit = {
  readonly isLoaded: boolean
  readonly dropIns: readonly string[]
  readonly conditions: readonly ExecCondition[]
}

/**
 * Reads `systemctl show --property=LoadState,DropInPaths,ExecCondition UNIT`; each condition has a line of its own.
 *
 * Sample: `ExecCondition={ path=/bin/true ; argv[]=/bin/true ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ;
 * pid=0 ; code=(null) ; status=0/0 }` (systemd 252)
 *
 * @returns null when it is of another form
 */
export function parseLoadedUnit(stdout: string): LoadedUnit | null {
  const lines = stdout.split('\n')
  const property = (name: string): string | undefined =>
    lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1)
  const load = property('LoadState')
  if (load === undefined) return null
  const conditions = lines
    .filter((line) => line.startsWith('ExecCondition='))
    .map((line) => /; argv\[\]=(.*?) ; ignore_errors=(yes|no) ;/.exec(line))
  if (conditions.some((match) => match === null)) return null
  return {
    isLoaded: load === 'loaded',
    dropIns: (property('DropInPaths') ?? '').split(' ').filter(Boolean),
    conditions: conditions.map((match) => ({ argv: match?.[1] ?? '', ignoresErrors: match?.[2] !== 'no' })),
  }
}

/** Does systemd ask this command, and take a failure of it for no? A misspelt key in the file would not be here. */
export function isAsked(unit: LoadedUnit, argv: readonly string[]): boolean {
  return unit.conditions.some((condition) => condition.argv === argv.join(' ') && !condition.ignoresErrors)
}

/** One step of the way from / to the program. @param mode permission bits */
export type PlaceFact = {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'link' | 'other' | 'absent' | 'unknown'
  readonly ownerUid: number | null
  readonly mode: number | null
}

/** Writable by group or others. */
const FOREIGN_WRITE = 0o022

/**
 * May systemd run the program from there as root in early boot? Only what root alone can change, from / down to the
 * file, and no links: whoever can replace the file answers for the gate.
 *
 * @returns the first thing that stands against it, or null
 */
export function findUnsafePlace(way: readonly PlaceFact[]): string | null {
  for (const [at, place] of way.entries()) {
    const wanted = at === way.length - 1 ? 'file' : 'directory'
    if (place.kind === 'absent') return `${place.path} does not exist`
    if (place.kind === 'unknown') return `${place.path} could not be looked at`
    if (place.kind !== wanted) return `${place.path} is no plain ${wanted}`
    if (place.ownerUid !== 0) return `${place.path} does not belong to root`
    if (place.mode === null || (place.mode & FOREIGN_WRITE) !== 0) {
      return `${place.path} can be written by others than root`
    }
  }
  return way.length === 0 ? 'no place was named' : null
}

/** What came of writing or taking away the drop-in; `why` is null when it is as wanted, read back from systemd. */
export type HoldChange = {
  readonly changed: boolean
  readonly program: string | null
  readonly why: string | null
}
