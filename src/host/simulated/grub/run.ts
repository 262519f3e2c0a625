/* Long: one interpreter: its state is shared by every kind of statement. */

import { DEVICE, type MenuEntry, makeCommands, NO_SUCH, STOPS } from './commands.ts'
import { expandWords } from './expand.ts'
import { type LoadedSystem, makeLoader } from './loader.ts'
import { type Block, parseScript, type Statement, type Word } from './parse.ts'

/*
 * Runs GRUB scripts as GRUB 2.06 does (script/execute.c, normal/main.c, kern/corecmd.c, commands/). Made to find out
 * what a machine boots; what only draws or waits is left out.
 */

/** The boot device as GRUB sees it. */
export type GrubDisk = {
  readonly uuid: string
  readonly readFile: (path: string) => Buffer | null
  readonly hasDirectory: (path: string) => boolean
}

export type Run = {
  readonly variables: Scope
  readonly menu: () => readonly MenuEntry[]
  readonly loaded: () => LoadedSystem | null
  /** Commands that change the machine beside what is loaded. */
  readonly touched: readonly (readonly string[])[]
  /** Files that GRUB wrote. */
  readonly written: ReadonlyMap<string, Buffer>
  readonly sourceFile: (path: string) => number
  readonly runBody: (body: readonly Statement[], parameters: readonly string[]) => number
  readonly openMenu: () => () => void
}

type Scope = {
  readonly get: (name: string) => string
  readonly set: (name: string, value: string) => void
  readonly unset: (name: string) => void
}

export const GRUB_DIRECTORY = `(${DEVICE})/grub2`
const FEATURES =
  'chainloader_xpath ntldr platform_search_hint default_font_path all_video_module menuentry_id menuentry_options 200_final nativedisk_cmd timeout_style'
const MOST_ROUNDS = 10_000

export function makeRun(disk: GrubDisk, platform: 'pc' | 'efi'): Run {
  const functions = new Map<string, readonly Statement[]>()
  const written = new Map<string, Buffer>()
  const touched: (readonly string[])[] = []
  let contexts: Map<string, { value: string; isExported: boolean }>[] = [new Map()]
  let menus: MenuEntry[][] = [[]]
  let parameters: readonly string[] = []
  let leaving: 'break' | 'continue' | 'return' | null = null

  const context = () => contexts.at(-1) ?? new Map<string, { value: string; isExported: boolean }>()
  const get = (name: string): string => context().get(name)?.value ?? ''
  const set = (name: string, value: string, isExported = false): void => {
    context().set(name, { value, isExported: isExported || context().get(name)?.isExported === true })
  }
  set('root', DEVICE, true)
  set('prefix', GRUB_DIRECTORY, true)
  set('grub_platform', platform, true)
  set('grub_cpu', platform === 'pc' ? 'i386' : 'x86_64', true)
  for (const name of FEATURES.split(' ')) set(`feature_${name}`, 'y', true)

  /** The path on the boot device; null where another device is meant. */
  const locate = (path: string): string | null => {
    const [, device = get('root'), rest = path] = /^\(([^)]*)\)(.*)$/.exec(path) ?? []
    return device.split(',')[0] === 'hd0' && rest.startsWith('/') ? rest.replace(/\/+/g, '/') : null
  }
  const readFile = (path: string): Buffer | null => {
    const place = locate(path)
    return place === null ? null : (written.get(place) ?? disk.readFile(place))
  }
  const loader = makeLoader(readFile)
  const files = {
    kindOf: (path: string) => {
      const place = locate(path)?.replace(/\/+$/, '')
      if (place === undefined) return 'absent'
      if (place === '' || disk.hasDirectory(place)) return 'directory'
      return disk.readFile(place) ? 'file' : 'absent'
    },
    sizeOf: (path: string) => readFile(path)?.length ?? 0,
  } as const

  const sourceFile = (path: string): number => {
    const bytes = readFile(path)
    if (!bytes) return NO_SUCH
    const [oldFile, oldDirectory] = [get('config_file'), get('config_directory')]
    const whole = path.startsWith('(') ? path : `(${get('root')})${path}`
    set('config_file', whole, true)
    set('config_directory', whole.slice(0, whole.lastIndexOf('/')), true)
    for (const unit of parseScript(bytes.toString('latin1'))) runAll(unit)
    set('config_file', oldFile, true)
    set('config_directory', oldDirectory, true)
    return 0
  }

  const runAll = (statements: readonly Statement[]): number => {
    let error = 0
    for (const statement of statements) {
      error = runOne(statement)
      set('?', String(error))
      if (leaving) break
    }
    return error
  }

  const runOne = (statement: Statement): number => {
    switch (statement.kind) {
      case 'function':
        functions.set(statement.name, statement.body)
        return 0
      case 'if':
        return runAll(runAll(statement.condition) === 0 ? statement.yes : statement.no)
      case 'for': {
        let error = 0
        for (const value of expand(statement.words)) {
          set(statement.name, value)
          error = runAll(statement.body)
          if (endsLoop()) break
        }
        return error
      }
      case 'loop':
        for (let round = 0; round < MOST_ROUNDS; round++) {
          if ((runAll(statement.condition) === 0) === statement.until) return 0
          runAll(statement.body)
          if (endsLoop()) return 0
        }
        throw new Error('a loop of the GRUB script has no end', { cause: STOPS })
      default:
        return runCommand(expand(statement.words), statement.block)
    }
  }

  const endsLoop = (): boolean => {
    if (leaving === 'continue') leaving = null
    const ends = leaving !== null
    if (leaving === 'break') leaving = null
    return ends
  }

  const expand = (words: readonly Word[]): string[] => expandWords(words, get, parameters)

  const runBody = (body: readonly Statement[], given: readonly string[]): number => {
    const outer = parameters
    parameters = given
    const error = runAll(body)
    parameters = outer
    leaving = null
    return error
  }

  const runCommand = (argv: readonly string[], block: Block | null): number => {
    const [name, ...args] = argv
    if (name === undefined) return 0
    if (name === '!') return runCommand(args, block) === 0 ? NO_SUCH : 0
    // a block is an argument of its own for a command that takes none
    const given = block && !/^(menuentry|submenu)$/.test(name) ? [...args, `{${block.source}}`] : args
    const known = commands[name]
    if (known) return known(given, block)
    const loads = loader.run(name, given)
    if (loads !== undefined) return loads
    const body = functions.get(name)
    if (body) return runBody(body, given)
    const equals = name.indexOf('=')
    if (equals > 0) set(name.slice(0, equals), name.slice(equals + 1))
    return 0
  }

  const commands = makeCommands({
    get,
    set,
    has: (name) => context().has(name),
    unset: (name) => void context().delete(name),
    locate,
    readFile,
    files,
    sourceFile,
    isHere: (uuid) => uuid.toLowerCase() === disk.uuid.toLowerCase(),
    addEntry: (entry) => void menus.at(-1)?.push(entry),
    setParameters: (change) => {
      parameters = change(parameters)
    },
    leave: (how) => {
      leaving = how
    },
    touched,
    written,
    canBoot: () => loader.loaded() !== null,
  })

  return {
    variables: { get, set, unset: (name) => void context().delete(name) },
    menu: () => menus.at(-1) ?? [],
    loaded: loader.loaded,
    touched,
    written,
    sourceFile,
    runBody,
    openMenu() {
      const [outerContexts, outerMenus] = [contexts, menus]
      contexts = [...contexts, new Map([...context()].filter(([, { isExported }]) => isExported))]
      menus = [...menus, []]
      return () => {
        contexts = outerContexts
        menus = outerMenus
      }
    },
  }
}
