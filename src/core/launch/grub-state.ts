import type { Failure } from '../failure.ts'
import { coreFailure } from '../failures.ts'
import type { Command } from './grub-parse.ts'

/** The device GRUB read grub.cfg from (core/launch/grub-device.ts: a character that no file can hold). */
export const BOOT_DEVICE = '\ue000'

export const MAIN_FILE = 'grub.cfg'

/** A generated grub.cfg runs a few hundred commands; one that needs more is not understood. */
export const MAX_STEPS = 100_000
export const MAX_CALL_DEPTH = 32
/** Each entry runs with its own copy of the variables, so their product bounds the work. */
export const MAX_MENU_ITEMS = 5_000
export const MAX_VARIABLES = 2_000

/** What lies at a path of the boot device. Text has one character for each byte (latin1). */
export type GrubFile =
  | { readonly state: 'file'; readonly text: string }
  | { readonly state: 'directory' }
  | { readonly state: 'absent' }
  | { readonly state: 'unknown'; readonly why: string }

/** What GRUB knew when it read the file, as far as we can know it. */
export type GrubWorld = {
  /** `pc` for BIOS, `efi` for UEFI: GRUB's own variable grub_platform. */
  readonly platform: 'pc' | 'efi'
  /** Where grub.cfg lies on its device: `/grub2`. */
  readonly directory: string
  /** What was looked for on that device, by its path there, such as `/grub2/grubenv` or `/aem`. */
  readonly files: ReadonlyMap<string, GrubFile>
  /** UUID of the file system on that device; null where it is not known. */
  readonly uuid: string | null
}

export type MenuItem = {
  readonly kind: 'entry' | 'submenu'
  readonly title: string
  /** `--id`, else the title. */
  readonly id: string
  readonly body: readonly Command[]
  /** The file that it stands in. */
  readonly file: string
  /** Why it cannot be known whether the menu has it, or under which name; null when it has. */
  readonly uncertain: string | null
  /** Title and id are known, whether the menu has it or not. */
  readonly isNamed: boolean
}

/** A line that loads something: multiboot, multiboot2, module, module2, slaunch, slaunch_module, chainloader. */
export type LoadLine = {
  readonly command: string
  readonly args: readonly string[]
  /** Variables in it whose value cannot be known; they stand for nothing in `args`. */
  readonly unknown: readonly string[]
  /** `$root` at this line: the device of paths that name none; null where it cannot be known, as after `search --label`. */
  readonly root: string | null
}

/** Null as a value means: cannot be known here. A name that is not in the map is empty, as in GRUB. */
export type Variables = Map<string, string | null>

export type GrubState = {
  readonly world: GrubWorld
  /** In the file itself, or in the body of an entry or submenu. */
  readonly place: 'file' | 'item'
  readonly variables: Variables
  /** Names that a submenu gets too (GRUB 2.06, grub-core/normal/context.c, grub_env_new_context). */
  readonly exported: Set<string>
  readonly functions: Map<string, readonly Command[]>
  readonly insmods: Set<string>
  readonly menu: MenuItem[]
  readonly loads: LoadLine[]
  /** What could not be evaluated and matters. */
  readonly problems: string[]
  /** Commands that AEM's scripts do not write into an entry. */
  readonly foreign: string[]
  /** Files beside grub.cfg that nobody looked for yet. */
  readonly wanted: Set<string>
  /** Commands run so far, against endless recursion. */
  steps: number
  depth: number
  /** Files within files, by `source`. */
  sources: number
  /** The name of the one that is read: `grub.cfg`, or one beside it. */
  file: string
  /** Why the last condition could not be evaluated, where that is a file. */
  doubt: string | null
}

/** GRUB 2.06, grub-core/normal/main.c, features. */
const FEATURES = [
  ...['chainloader_bpb', 'ntldr', 'platform_search_hint', 'default_font_path', 'all_video_module'],
  ...['menuentry_id', 'menuentry_options', '200_final', 'nativedisk_cmd', 'timeout_style'],
]
/** Set by GRUB or its modules to what cannot be known here. */
const UNKNOWN = ['cmdpath', 'fw_path', 'lang', 'chosen', 'color_normal', 'color_highlight', 'pager', 'debug']
/** Of network, firmware, TrenchBoot and the like; `?`, `#`, `*`, `@` and numbers are GRUB's own too. */
const UNKNOWN_KINDS = /^(?:net_|pxe_|efi|slaunch|smbios|tpm|shim|feature_|[?#*@"0-9])/
/** Exported from the start (GRUB 2.06, grub-core/kern/main.c; grub-core/normal/main.c). */
const EXPORTED = ['root', 'prefix', 'config_file', 'config_directory', 'grub_cpu', 'grub_platform', 'chosen']

/** Values GRUB sets itself. */
function initialVariables(world: GrubWorld): Variables {
  const directory = `(${BOOT_DEVICE})${world.directory}`
  return new Map<string, string | null>([
    ['grub_platform', world.platform],
    ['grub_cpu', world.platform === 'pc' ? 'i386' : 'x86_64'],
    ['root', BOOT_DEVICE],
    ['prefix', directory],
    ['config_directory', directory],
    ['config_file', `${directory}/grub.cfg`],
    ...FEATURES.map((name): [string, string] => [`feature_${name}`, 'y']),
    ...UNKNOWN.map((name): [string, null] => [name, null]),
  ])
}

/** A variable's value: empty where it is not set, null where it cannot be known. */
export function lookUp(variables: Variables, name: string): string | null {
  const value = variables.get(name)
  return value === undefined ? (UNKNOWN_KINDS.test(name) ? null : '') : value
}

export function newGrubState(world: GrubWorld): GrubState {
  return {
    world,
    place: 'file',
    variables: initialVariables(world),
    exported: new Set([...EXPORTED, ...UNKNOWN, ...FEATURES.map((name) => `feature_${name}`)]),
    functions: new Map(),
    insmods: new Set(),
    menu: [],
    loads: [],
    problems: [],
    foreign: [],
    wanted: new Set(),
    steps: 0,
    depth: 0,
    sources: 0,
    file: MAIN_FILE,
    doubt: null,
  }
}

/**
 * The state in which an entry or submenu runs: lists start empty. An entry sees all variables, a submenu those that
 * are exported (GRUB 2.06, grub-core/normal/menu.c, grub_menu_execute_entry); both run after grub.cfg was closed,
 * when config_directory is no longer set (grub-core/normal/main.c, read_config_file).
 */
export function nestedState(state: GrubState, kind: MenuItem['kind']): GrubState {
  const kept = [...state.variables].filter(([name]) => kind === 'entry' || state.exported.has(name))
  return {
    ...state,
    place: 'item',
    variables: new Map([...kept, ['config_directory', null], ['config_file', null]]),
    exported: new Set(state.exported),
    functions: new Map(state.functions),
    insmods: new Set(state.insmods),
    menu: [],
    loads: [],
    problems: [],
    foreign: [],
  }
}

/** A grub.cfg that no tool writes and that is not read on: whoever can write to a stick could have any work done. */
export function beyondLimits(what: string): Failure {
  return coreFailure('grub-cfg-unreadable', {
    what: `grub.cfg ${what}`,
    why: 'no tool of Qubes OS writes such a file',
    isStrange: 'yes',
  })
}

export function setVariable(state: GrubState, name: string, value: string | null): void {
  if (name === 'prefix') state.problems.push('grub.cfg moves the directory of the modules of GRUB ("prefix")')
  // Names of parameters cannot be set (GRUB 2.06, grub-core/script/execute.c, grub_script_env_set).
  if (/^(?:[0-9]|[#*@]$)/.test(name)) state.foreign.push(`sets "${name}"`)
  else if (state.variables.size < MAX_VARIABLES || state.variables.has(name)) state.variables.set(name, value)
  else state.problems.push('grub.cfg sets too many variables')
}
