import { Failure } from '../failure.ts'
import type { Word } from './grub-lexer.ts'
import type { Command } from './grub-parse.ts'

/** A generated grub.cfg runs a few hundred commands; one that needs more is not understood. */
export const MAX_STEPS = 100_000
export const MAX_CALL_DEPTH = 32
/** Each entry runs with its own copy of the variables, so their product bounds the work. */
export const MAX_MENU_ITEMS = 5_000
export const MAX_VARIABLES = 2_000
/** Of a command after its variables stand in it: Linux takes 2048 bytes (COMMAND_LINE_SIZE), and `a=$a$a` doubles each time. */
const MAX_EXPANDED_LENGTH = 8192

/** What GRUB knew when it read the file, as far as we can know it. */
export type GrubWorld = {
  /** `pc` for BIOS, `efi` for UEFI: GRUB's own variable grub_platform. */
  readonly platform: 'pc' | 'efi'
  /** Variables of grubenv, or null when the device has none. */
  readonly grubenv: Readonly<Record<string, string>> | null
  /** Paths on GRUB's root that are known to exist or not, such as `/aem/`. */
  readonly existingPaths: Readonly<Record<string, boolean>>
}

export type MenuItem = {
  readonly kind: 'entry' | 'submenu'
  readonly title: string
  /** `--id`, else the title. */
  readonly id: string
  readonly body: readonly Command[]
  /** Why it cannot be known whether the menu has it; null when it has. */
  readonly uncertain: string | null
}

/** A line that loads something: multiboot, multiboot2, module, module2, slaunch, slaunch_module, linux, initrd, chainloader. */
export type LoadLine = {
  readonly command: string
  readonly args: readonly string[]
  /** Variables in it whose value cannot be known; they stand for nothing in `args`. */
  readonly unknown: readonly string[]
  /** `$root` at this line: the device of paths that name none; null where it cannot be known, as after `search`. */
  readonly root: string | null
}

/** Null as a value means: cannot be known here. A name that is not in the map is empty, as in GRUB. */
export type Variables = Map<string, string | null>

export type GrubState = {
  readonly world: GrubWorld
  readonly variables: Variables
  readonly functions: Map<string, readonly Command[]>
  readonly insmods: Set<string>
  readonly menu: MenuItem[]
  readonly loads: LoadLine[]
  /** What could not be evaluated and matters. */
  readonly problems: string[]
  /** Commands run so far, against endless recursion. */
  steps: number
  depth: number
}

/** Values GRUB sets itself. The feature_* names: GRUB 2.06, grub-core/normal/main.c. Unknown ones are null. */
function initialVariables(world: GrubWorld): Variables {
  const features = [
    'menuentry_id',
    'menuentry_options',
    'timeout_style',
    'default_font_path',
    'all_video_module',
  ]
  const unknown = ['root', 'prefix', 'cmdpath', 'lang', 'chosen', 'color_normal', 'net_default_server', '?']
  return new Map<string, string | null>([
    ['grub_platform', world.platform],
    ['grub_cpu', world.platform === 'pc' ? 'i386' : 'x86_64'],
    ...features.map((name): [string, string] => [`feature_${name}`, 'y']),
    ...unknown.map((name): [string, null] => [name, null]),
  ])
}

export function newGrubState(world: GrubWorld): GrubState {
  return {
    world,
    variables: initialVariables(world),
    functions: new Map(),
    insmods: new Set(),
    menu: [],
    loads: [],
    problems: [],
    steps: 0,
    depth: 0,
  }
}

/** The state in which an entry or submenu runs: variables and functions carry over, lists start empty. */
export function nestedState(state: GrubState): GrubState {
  return {
    ...state,
    variables: new Map(state.variables),
    functions: new Map(state.functions),
    insmods: new Set(state.insmods),
    menu: [],
    loads: [],
    problems: [],
  }
}

/** A grub.cfg that no tool writes and that is not read on: whoever can write to a stick could have any work done. */
export function beyondLimits(what: string): Failure {
  return new Failure({
    code: 'grub-cfg-unreadable',
    what: `grub.cfg ${what}`,
    why: 'no tool of Qubes OS writes such a file',
    next: 'look at it; generate it anew: sudo grub2-mkconfig -o /boot/grub2/grub.cfg',
  })
}

/** Words after expansion; `unknown` names the variables whose value cannot be known. */
export type Expanded = { readonly args: string[]; readonly unknown: string[] }

/**
 * Expands words as GRUB 2.06 does (grub-core/script/execute.c): an unquoted variable is split at blanks and
 * vanishes when it is empty; a quoted one stays one argument.
 * @throws Failure `grub-cfg-unreadable` for what grows beyond any command line
 */
export function expandWords(words: readonly Word[], variables: Variables): Expanded {
  const unknown: string[] = []
  const args: string[] = []
  let length = 0
  const count = (text: string): void => {
    length += text.length
    if (length > MAX_EXPANDED_LENGTH)
      throw beyondLimits(`has a command of more than ${MAX_EXPANDED_LENGTH} bytes`)
  }
  for (const word of words) {
    let current: string | null = null
    for (const part of word) {
      count(part.kind === 'text' ? part.text : (variables.get(part.name) ?? ''))
      if (part.kind === 'text') {
        if (part.text !== '' || part.quoted) current = (current ?? '') + part.text
        continue
      }
      const value = variables.get(part.name)
      if (value === null) unknown.push(part.name)
      if (part.quoted) {
        current = (current ?? '') + (value ?? '')
        continue
      }
      const [first, ...rest] = (value ?? '').split(/[ \t\n]+/)
      if (first !== '') current = (current ?? '') + first
      for (const piece of rest) {
        if (current !== null) args.push(current)
        current = piece === '' ? null : piece
      }
    }
    if (current !== null) args.push(current)
  }
  return { args, unknown }
}
