import { readEnvironmentBlock, writeEnvironmentBlock } from './environment-block.ts'
import type { Block, Statement } from './parse.ts'
import { evaluateTest, type FileFacts } from './test-command.ts'

/* GRUB's own commands as far as they have a say in what boots (GRUB 2.06, kern/corecmd.c, commands/, script/main.c). */

export type MenuEntry = {
  readonly title: string
  readonly id: string
  readonly isSubmenu: boolean
  readonly args: readonly string[]
  readonly body: readonly Statement[]
}

/** Thrown by `boot`: nothing after it runs. */
export const BOOTS = 'GRUB boots'
/** Thrown by `halt`, `exit` and the like. */
export const STOPS = 'GRUB stops'

/** The boot device. */
export const DEVICE = 'hd0,gpt2'
export const NO_SUCH = 1
/** Commands without an effect on what boots. */
const IDLE =
  'insmod rmmod echo sleep clear terminal_input terminal_output terminal loadfont play background_color background_image serial keystatus password password_pbkdf2 true cat ls help date lsmod videoinfo export_'
const TOUCHES =
  'acpi write_byte write_word write_dword loadbios drivemap slaunch slaunch_module slaunch_state outb outw outl setpci'

/** What commands work on. */
export type CommandState = {
  readonly get: (name: string) => string
  readonly set: (name: string, value: string, isExported?: boolean) => void
  readonly has: (name: string) => boolean
  readonly unset: (name: string) => void
  readonly locate: (path: string) => string | null
  readonly readFile: (path: string) => Buffer | null
  readonly files: FileFacts
  readonly sourceFile: (path: string) => number
  readonly isHere: (uuid: string) => boolean
  readonly addEntry: (entry: MenuEntry) => void
  readonly setParameters: (change: (now: readonly string[]) => readonly string[]) => void
  readonly leave: (how: 'break' | 'continue' | 'return') => void
  readonly touched: (readonly string[])[]
  readonly written: Map<string, Buffer>
  readonly canBoot: () => boolean
}

/** Takes its arguments, gives GRUB's error number. */
type Command = (args: readonly string[], block: Block | null) => number

export function makeCommands(state: CommandState): Readonly<Record<string, Command>> {
  const { get, set } = state
  const stop: Command = () => {
    throw new Error('GRUB stops without booting anything', { cause: STOPS })
  }
  const addEntry =
    (isSubmenu: boolean): Command =>
    (args, block) => {
      const { plain, options } = readOptions(args, ['--class', '--id', '--hotkey', '--source'])
      const [title] = plain
      if (title === undefined || !block) return NO_SUCH
      const id = options.get('--id') ?? title
      state.addEntry({ title, id, isSubmenu, args: plain, body: block.body })
      return 0
    }
  const assign: Command = ([word = '']) => {
    const equals = word.indexOf('=')
    if (equals < 0) return NO_SUCH
    set(word.slice(0, equals), word.slice(equals + 1))
    return 0
  }
  const test: Command = (args) => (evaluateTest(args, state.files) ? 0 : NO_SUCH)
  const source: Command = ([path = '']) => state.sourceFile(path)
  const blockFile = (options: ReadonlyMap<string, string>): string =>
    options.get('--file') ?? options.get('-f') ?? `${get('prefix')}/grubenv`

  return {
    ...Object.fromEntries(IDLE.split(' ').map((name): [string, Command] => [name, () => 0])),
    ...Object.fromEntries(
      TOUCHES.split(' ').map((name): [string, Command] => [
        name,
        (args) => {
          state.touched.push([name, ...args])
          return 0
        },
      ]),
    ),
    menuentry: addEntry(false),
    submenu: addEntry(true),
    set: assign,
    '[': test,
    test,
    source,
    '.': source,
    false: () => NO_SUCH,
    export: (names) => {
      for (const name of names) set(name, get(name), true)
      return 0
    },
    unset: (names) => {
      for (const name of names) state.unset(name)
      return 0
    },
    load_env: (args) => {
      const { plain, options } = readOptions(args, ['-f', '--file'])
      const bytes = state.readFile(blockFile(options))
      const pairs = bytes && readEnvironmentBlock(bytes)
      if (!pairs) return NO_SUCH
      for (const [name, value] of pairs) if (plain.length === 0 || plain.includes(name)) set(name, value)
      return 0
    },
    save_env: (args) => {
      const { plain, options } = readOptions(args, ['-f', '--file'])
      const path = blockFile(options)
      const [bytes, place] = [state.readFile(path), state.locate(path)]
      const pairs = bytes && readEnvironmentBlock(bytes)
      if (!pairs || place === null) return NO_SUCH
      const kept = pairs.filter(([name]) => !plain.includes(name))
      const saved = plain.filter((name) => state.has(name)).map((name) => [name, get(name)] as const)
      state.written.set(place, writeEnvironmentBlock([...kept, ...saved]))
      return 0
    },
    search: (args) => {
      const { plain, options } = readOptions(args, ['--hint'])
      const wanted = plain[0] ?? ''
      const isFile = options.has('--file') || options.has('-f')
      const isHere = isFile ? state.files.kindOf(wanted) === 'file' : state.isHere(wanted)
      if (!isHere) return NO_SUCH
      set(options.get('--set') || 'root', DEVICE)
      return 0
    },
    // Fedora's (rhboot/grub2, grub-core/commands/increment.c)
    increment: ([name = '']) => {
      set(name, String((Number.parseInt(get(name), 10) || 0) + 1))
      return 0
    },
    decrement: ([name = '']) => {
      set(name, String((Number.parseInt(get(name), 10) || 0) - 1))
      return 0
    },
    shift: ([count = '1']) => {
      state.setParameters((now) => now.slice(Number(count)))
      return 0
    },
    setparams: (args) => {
      state.setParameters(() => args)
      return 0
    },
    break: () => {
      state.leave('break')
      return 0
    },
    continue: () => {
      state.leave('continue')
      return 0
    },
    return: ([value = '0']) => {
      state.leave('return')
      return Number(value)
    },
    boot: () => {
      if (state.canBoot()) throw new Error('boots', { cause: BOOTS })
      return NO_SUCH
    },
    configfile: stop,
    halt: stop,
    reboot: stop,
    exit: stop,
    normal: stop,
    normal_exit: stop,
  }
}

/** Options of GRUB's own argument reader: those of the list take a value, in the same word or the next. */
function readOptions(
  args: readonly string[],
  withValue: readonly string[],
): { plain: readonly string[]; options: ReadonlyMap<string, string> } {
  const plain: string[] = []
  const options = new Map<string, string>()
  for (let n = 0; n < args.length; n++) {
    const word = args[n] ?? ''
    const [, name = word, value] = /^(--[^=]+)=([\s\S]*)$/.exec(word) ?? []
    if (!word.startsWith('-') || word === '-') plain.push(word)
    else if (value === undefined && withValue.includes(name)) options.set(name, args[++n] ?? '')
    else options.set(name, value ?? '')
  }
  return { plain, options }
}
