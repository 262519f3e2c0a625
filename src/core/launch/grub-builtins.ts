import { Failure } from '../failure.ts'
import { READERS } from './grub-commands.ts'
import { findFile, searchedDevice } from './grub-device.ts'
import { parseGrubEnvironment } from './grub-environment.ts'
import { type Command, parseGrubScript } from './grub-parse.ts'
import { type GrubState, lookUp, setVariable } from './grub-state.ts'

/** Files within files: Qubes's grub.cfg reads two, which read none. */
const MAX_SOURCES = 8
/** Of a file beside grub.cfg: custom.cfg and user.cfg have some lines. */
export const MAX_SOURCED_LENGTH = 256 * 1024

type Run = (state: GrubState, commands: readonly Command[]) => boolean | null
type Builtin = (
  state: GrubState,
  args: readonly string[],
  unknown: readonly string[],
  run: Run,
) => boolean | null

/** Commands that change what later ones do. */
export const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ['true', () => true],
  ['false', () => false],
  ['set', (state, args, unknown) => runSet(state, args[0], unknown.length > 0)],
  ['unset', runUnset],
  ['export', runExport],
  ['insmod', runInsmod],
  ['increment', (state, args) => addTo(state, args, 1)],
  ['decrement', (state, args) => addTo(state, args, -1)],
  ['load_env', runLoadEnv],
  ['search', runSearch],
  ['search.fs_uuid', (state, args, unknown) => runSearchBy(state, args, unknown, true)],
  ['search.fs_label', (state, args, unknown) => runSearchBy(state, args, unknown, false)],
  ['search.file', (state, args, unknown) => runSearchBy(state, args, unknown, false)],
  ['source', runSource],
  ['.', runSource],
  ...[...READERS].map((name): [string, Builtin] => [
    name,
    (state) => addProblem(state, `${name} reads from elsewhere`),
  ]),
])

function addProblem(state: GrubState, problem: string): null {
  state.problems.push(problem)
  return null
}

/** The first argument counts (GRUB 2.06, grub-core/kern/corecmd.c, grub_core_cmd_set). */
function runSet(state: GrubState, assignment: string | undefined, isUnknown: boolean): boolean | null {
  const at = assignment?.indexOf('=') ?? -1
  if (assignment === undefined || at === -1)
    return isUnknown ? addProblem(state, 'set of a variable whose name is not known') : null
  setVariable(state, assignment.slice(0, at), isUnknown ? null : assignment.slice(at + 1))
  return true
}

function runUnset(state: GrubState, args: readonly string[], unknown: readonly string[]): boolean | null {
  if (unknown.length > 0) return addProblem(state, 'unset of a variable whose name is not known')
  if (args[0] !== undefined) setVariable(state, args[0], '')
  return true
}

function runExport(state: GrubState, args: readonly string[], unknown: readonly string[]): boolean | null {
  if (unknown.length > 0) return addProblem(state, 'export of a variable whose name is not known')
  for (const name of args) state.exported.add(name)
  return true
}

/** Modules of GRUB's own directory, by name; a path could be any program. */
function runInsmod(state: GrubState, args: readonly string[], unknown: readonly string[]): boolean | null {
  const odd = args.find((name) => !/^[A-Za-z0-9_-]+$/.test(name))
  if (odd !== undefined || unknown.length > 0)
    addProblem(state, 'insmod loads a file that is no module of GRUB')
  for (const name of args) state.insmods.add(name)
  return null
}

/** QubesOS/qubes-grub2, patch 0107, grub-core/commands/increment.c: a variable that is not set stays so. */
function addTo(state: GrubState, args: readonly string[], step: number): boolean | null {
  const [name] = args
  if (name === undefined || args.length > 1) return null
  const value = lookUp(state.variables, name)
  if (value === '') return null
  const isNumber = value !== null && /^-?(?:0|[1-9][0-9]{0,8})$/.test(value)
  setVariable(state, name, isNumber ? String(Number(value) + step) : null)
  return true
}

/** `load_env [-f FILE] [NAME...]`: with names, those alone (GRUB 2.06, grub-core/commands/loadenv.c). */
function runLoadEnv(state: GrubState, args: readonly string[], unknown: readonly string[]): boolean | null {
  const names = [...args]
  let file = `${lookUp(state.variables, 'prefix') ?? ''}/grubenv`
  if (names[0] === '-f' || names[0] === '--file') file = names.splice(0, 2)[1] ?? ''
  if (unknown.length > 0 || names.some((name) => name.startsWith('-')))
    return addProblem(state, 'load_env is written as no script writes it')
  const found = findFile(state, file)
  if (found.state === 'unknown')
    return addProblem(state, `${nameOf(file)} may set any variable of GRUB and is not known: ${found.why}`)
  const pairs = found.state === 'file' ? parseGrubEnvironment(found.text) : null
  for (const [name, value] of pairs ?? [])
    if (names.length === 0 || names.includes(name)) setVariable(state, name, value)
  return pairs !== null
}

function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).replace(/[^\x20-\x7e]/g, '?')
}

/** Options of `search` in the forms that grub-mkconfig_lib and the manual write: a value stands behind `=`. */
const SEARCH_OPTION =
  /^--(?:no-floppy|fs-uuid|label|file|root-dev-only|set=[A-Za-z_]+|hint(?:-(?:ieee1275|bios|baremetal|efi|arc))?=[\s\S]*)$/

/**
 * `search --no-floppy --fs-uuid --set=root [--hint...] UUID`, as grub-mkconfig_lib writes it. What a label or a file is found
 * on is not known, nor whether `--root-dev-only` finds anything: then the variable stays. Anything else GRUB may take for
 * another name, kind or variable than it seems (GRUB 2.06, grub-core/commands/search_wrap.c and lib/arg.c).
 */
function runSearch(state: GrubState, args: readonly string[], unknown: readonly string[]): boolean | null {
  const options = args.filter((arg) => arg.startsWith('-'))
  const [wanted, ...more] = args.filter((arg) => !arg.startsWith('-'))
  const kinds = options.filter((option) => /^--(?:fs-uuid|label|file)$/.test(option))
  const [set, ...furtherSets] = options.filter((option) => option.startsWith('--set='))
  const isAsWritten = options.every((option) => SEARCH_OPTION.test(option)) && wanted !== undefined
  if (!isAsWritten || kinds.length !== 1 || more.length > 0 || furtherSets.length > 0)
    return addProblem(state, 'search is written as no script writes it')
  if (set === undefined) return null
  const isFound = kinds[0] === '--fs-uuid' && !options.includes('--root-dev-only')
  const isKnown = isFound && unknown.length === 0 && /^[0-9A-Fa-f-]+$/.test(wanted)
  setVariable(state, set.slice('--set='.length), isKnown ? searchedDevice(wanted) : null)
  return null
}

/** `search.fs_uuid UUID [VARIABLE [HINT...]]`; without a variable it only prints (GRUB 2.06, grub-core/commands/search.c). */
function runSearchBy(
  state: GrubState,
  [wanted = '', variable]: readonly string[],
  unknown: readonly string[],
  isUuid: boolean,
): boolean | null {
  if (unknown.length > 0) return addProblem(state, 'search for what is not known')
  if (variable !== undefined) setVariable(state, variable, isUuid ? searchedDevice(wanted) : null)
  return null
}

/** A file whose commands run as if they stood here (GRUB 2.06, grub-core/commands/configfile.c); it is true whatever they say. */
function runSource(
  state: GrubState,
  args: readonly string[],
  unknown: readonly string[],
  run: Run,
): boolean | null {
  const [file] = args
  if (state.place === 'item') state.foreign.push('source')
  if (file === undefined || args.length > 1 || unknown.length > 0)
    return addProblem(state, 'source reads from elsewhere')
  const found = findFile(state, file)
  if (found.state === 'unknown')
    return addProblem(state, `${nameOf(file)} is read by grub.cfg, and ${found.why}`)
  if (found.state !== 'file') return true
  if (found.text.length > MAX_SOURCED_LENGTH || state.sources >= MAX_SOURCES)
    return addProblem(
      state,
      `${nameOf(file)} is longer, or read within more files, than any that is written by hand`,
    )
  const { file: above } = state
  try {
    state.sources += 1
    state.file = nameOf(file)
    run(state, parseGrubScript(found.text, nameOf(file)))
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    addProblem(state, error.text.what)
  } finally {
    state.sources -= 1
    state.file = above
  }
  return true
}
