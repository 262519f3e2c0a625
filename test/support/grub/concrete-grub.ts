/*
 * A second reader of grub.cfg, made apart from the program's and in another way: it runs the text on one made-up machine, where
 * every value is known, and knows nothing of doubt. What it does not know it says. From GRUB 2.06: grub-core/script/{yylex.l,
 * parser.y,execute.c,argv.c}, normal/{main,menu}.c. test/stage/grub-emu.test.ts compares it with grub-emu.
 */

export type ConcreteDevice = {
  readonly uuid: string
  readonly platform: 'pc' | 'efi'
  /** Text by path; a path that ends in / is a directory. */
  readonly files: Readonly<Record<string, string>>
}

export type ConcreteLoad = { readonly root: string; readonly words: readonly string[] }
/** `odd`: the first command that is neither known here nor a function, where it ran. */
export type ConcreteBoot = {
  readonly title: string
  readonly loads: readonly ConcreteLoad[]
  readonly odd: string | null
}

/** GRUB would refuse the text, or this reader does not know the construct. */
export class NotModelled extends Error {}

type Piece = { readonly text: string; readonly kind: 'plain' | 'quoted' | 'variable' | 'quoted-variable' }
type Token = readonly Piece[] | string
type Item = { title: string; id: string; body: readonly Token[]; sub: boolean }
type Machine = {
  device: ConcreteDevice
  values: Map<string, string>
  shared: Set<string>
  functions: Map<string, readonly Token[]>
  menu: Item[]
  loads: ConcreteLoad[]
  odd: string | null
  budget: number
  calls: number
}

/** The entry that boots when nobody presses a key. @throws NotModelled */
export function bootConcretely(text: string, device: ConcreteDevice): ConcreteBoot {
  const start = '(BOOT)/grub2'
  const values = new Map(
    Object.entries({
      root: 'BOOT',
      prefix: start,
      config_directory: start,
      grub_platform: device.platform,
      grub_cpu: 'i386',
    }),
  )
  for (const name of FEATURES) values.set(`feature_${name}`, 'y')
  const shared = new Set([...values.keys()])
  const machine: Machine = {
    device,
    values,
    shared,
    functions: new Map(),
    menu: [],
    loads: [],
    odd: null,
    budget: 20_000,
    calls: 0,
  }
  run(machine, tokens(text), true)
  values.delete('config_directory')
  return choose(machine)
}

const FEATURES = [
  'menuentry_id',
  'menuentry_options',
  'timeout_style',
  'default_font_path',
  'all_video_module',
  'platform_search_hint',
]

function choose(machine: Machine): ConcreteBoot {
  if (machine.loads.length > 0) throw new NotModelled('loads at the top')
  const value = machine.values.get('default') ?? ''
  if (/^[\s0]*[0-9]+\s*\D/.test(value) || machine.values.get('fallback')) throw new NotModelled('default')
  const [wanted = '', ...rest] = value
    .replaceAll('>>', '\u0001')
    .split('>')
    .map((part) => part.replaceAll('\u0001', '>'))
  const word = wanted.split(/[ \t\n\r]/)[0] ?? ''
  // Patch 0108 takes ids by the first word.
  if (word !== wanted && machine.menu.some((item) => item.id === word))
    throw new NotModelled('id by its first word')
  const named = machine.menu.find((item) => wanted !== '' && (item.title === wanted || item.id === wanted))
  const byId = machine.menu.find((item) => wanted !== '' && word === wanted && item.id === wanted)
  if (byId !== undefined && byId !== named) throw new NotModelled('id or title')
  const item = named ?? machine.menu[/^[0-9]{1,6}$/.test(wanted) ? Number(wanted) : 0] ?? machine.menu[0]
  if (item === undefined) throw new NotModelled('no menu')
  if (/^[0-9]/.test(wanted) && (named !== undefined || rest.length > 0)) throw new NotModelled('a number')
  if (machine.shared.has('default')) throw new NotModelled('default exported')
  if (!item.sub) {
    run(machine, item.body, false)
    return { title: item.title, loads: machine.loads, odd: machine.odd }
  }
  const values = new Map([...machine.values].filter(([name]) => machine.shared.has(name)))
  if (rest.length > 0) values.set('default', rest.map((part) => part.replaceAll('>', '>>')).join('>'))
  const nested: Machine = { ...machine, values, menu: [] }
  run(nested, item.body, false)
  return choose(nested)
}

const WORD =
  /(?:[^{}|&$;<> \t\n'"\\]|\\[^\n]|'[^']*'|"(?:\\[\s\S]|[^"\\])*"|\$(?:[A-Za-z_]\w*|\{(?:[A-Za-z_]\w*|\d+|[?#*@])\}|\d+)|\\\n)+/y

/** Words as pieces, and the signs `\n`, `;`, `{`, `}`. */
function tokens(text: string): Token[] {
  if (text.includes('\0')) throw new NotModelled('NUL')
  const source = text
    .replace(/\r/g, '')
    .split('\n')
    .filter((line) => line[0] !== '#')
    .join('\n')
  const found: Token[] = []
  for (let at = 0; at < source.length; ) {
    const char = source[at]!
    if (source.startsWith('\\\n', at)) at += 2
    else if (char === ' ' || char === '\t') at += 1
    else if (char === '#') {
      const end = source.indexOf('\n', at)
      if (source[(end < 0 ? source.length : end) - 1] === '\\') throw new NotModelled('comment')
      at = end < 0 ? source.length : end
    } else if ('\n;{}'.includes(char)) {
      found.push(char)
      at += 1
    } else {
      WORD.lastIndex = at
      const word = WORD.exec(source)?.[0]
      if (word === undefined || word.includes('$"')) throw new NotModelled(`sign ${char}`)
      found.push(pieces(word))
      at += word.length
    }
  }
  return [...found, '\n']
}

const PIECE = /'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"|\$(?:\{([^}]*)\}|(\w+))|\\\n|\\([\s\S])|([^'"$\\]+)/g

function pieces(word: string): Piece[] {
  const found: Piece[] = []
  for (const [, single, double, braced, named, escaped, plain] of word.matchAll(PIECE)) {
    if (single !== undefined) found.push({ kind: 'quoted', text: single })
    else if (double !== undefined) found.push({ kind: 'quoted', text: '' }, ...inDouble(double))
    else if (braced ?? named) found.push({ kind: 'variable', text: (braced ?? named)! })
    else if (escaped !== undefined) found.push({ kind: 'quoted', text: escaped })
    else if (plain !== undefined) found.push({ kind: 'plain', text: plain })
  }
  return found
}

function inDouble(text: string): Piece[] {
  const found: Piece[] = []
  const parts = /\\([$\\"])|\\\n|\$(?:\{([^}]*)\}|([A-Za-z_]\w*|\d+))|([^\\$]+|\\)|(\$)/g
  for (const [, escaped, braced, named, plain, bad] of text.matchAll(parts)) {
    if (bad !== undefined) throw new NotModelled('a dollar sign')
    if (escaped !== undefined || plain !== undefined)
      found.push({ kind: 'quoted', text: (escaped ?? plain)! })
    else if (braced ?? named) found.push({ kind: 'quoted-variable', text: (braced ?? named)! })
  }
  return found
}

/** What a word is as a keyword. */
const key = (token: Token | undefined): string =>
  typeof token === 'object' && token.every((piece) => piece.kind === 'plain')
    ? token.map((piece) => piece.text).join('')
    : ''

const isEnd = (token: Token | undefined): boolean => token === '\n' || token === ';'

/** Runs statements; the value of the last one. */
function run(machine: Machine, list: readonly Token[], top: boolean): boolean {
  let value = true
  for (let at = 0; at < list.length; ) {
    if (list[at] === '\n') {
      at += 1
      continue
    }
    const end = statementEnd(list, at)
    const statement = list.slice(at, end)
    at = end
    if (isEnd(list[at])) at += 1
    else if (at < list.length) throw new NotModelled('no delimiter')
    value = runStatement(machine, statement, top)
  }
  return value
}

/** One after the last token of a statement, with its blocks and its `if ... fi`. */
function statementEnd(list: readonly Token[], from: number): number {
  let braces = 0
  let ifs = 0
  let isStart = true
  for (let at = from; at < list.length; at++) {
    const token = list[at]!
    if (token === '{') braces += 1
    else if (token === '}') {
      braces -= 1
      if (braces < 0) throw new NotModelled('a brace')
    }
    if (isEnd(token) && braces === 0 && ifs === 0) return at
    if (isStart && ['for', 'while', 'until', 'case', 'select', '[['].includes(key(token)))
      throw new NotModelled('a loop')
    if (isStart && key(token) === 'if') ifs += 1
    if (isStart && key(token) === 'fi') ifs -= 1
    isStart =
      isEnd(token) || token === '{' || (isStart && ['if', 'then', 'else', 'elif'].includes(key(token)))
  }
  if (braces !== 0 || ifs !== 0) throw new NotModelled('not closed')
  return list.length
}

function runStatement(machine: Machine, list: readonly Token[], top: boolean): boolean {
  machine.budget -= 1
  if (machine.budget < 0) throw new NotModelled('too long')
  const [first] = list
  if (key(first) === 'if') return runIf(machine, list)
  if (['then', 'else', 'elif', 'fi', 'in', 'do', 'done', 'esac'].includes(key(first)))
    throw new NotModelled('a keyword')
  if (key(first) === 'function') {
    const open = list.indexOf('{')
    if (
      !top ||
      open < 2 ||
      list.at(-1) !== '}' ||
      !isEnd(list.at(-2)) ||
      !/^[A-Za-z_]\w*$/.test(key(list[1]))
    )
      throw new NotModelled('function')
    if (machine.functions.has(key(list[1]))) throw new NotModelled('function twice')
    machine.functions.set(key(list[1]), list.slice(open + 1, -1))
    return true
  }
  const open = list.indexOf('{')
  const body = open < 0 ? null : list.slice(open + 1, -1)
  if (
    body !== null &&
    (list.at(-1) !== '}' || body.every(isEnd) || body.some((token) => key(token) === 'function'))
  )
    throw new NotModelled('block')
  const words = list.slice(0, open < 0 ? list.length : open)
  if (words.some((token) => typeof token === 'string' || key(token) === '[[' || key(token) === ']]'))
    throw new NotModelled('sign')
  return runCommand(machine, expand(machine, words as Piece[][]), body)
}

function runIf(machine: Machine, list: readonly Token[]): boolean {
  // Parts between the keywords of this `if`.
  const parts: { word: string; body: Token[] }[] = [{ word: 'if', body: [] }]
  let depth = 0
  let braces = 0
  for (let at = 1; at < list.length; at++) {
    const token = list[at]!
    const isStart =
      isEnd(list[at - 1]) ||
      list[at - 1] === '{' ||
      ['then', 'else', 'elif', 'if'].includes(key(list[at - 1]))
    const word = braces === 0 && isStart ? key(token) : ''
    if (token === '{') braces += 1
    if (token === '}') braces -= 1
    if (depth === 0 && ['then', 'elif', 'else', 'fi'].includes(word)) {
      const last = parts.at(-1)!
      if (last.body.every(isEnd) || !isEnd(last.body.at(-1))) throw new NotModelled('an empty part')
      parts.push({ word, body: [] })
      if (word === 'fi' && at !== list.length - 1) throw new NotModelled('after fi')
      continue
    }
    if (word === 'if') depth += 1
    if (word === 'fi') depth -= 1
    parts.at(-1)!.body.push(token)
  }
  const shape = parts.map(({ word }) => word).join(' ')
  if (!/^if then(?: elif then)*(?: else)? fi$/.test(shape)) throw new NotModelled('if')
  for (let at = 0; parts[at]!.word !== 'fi'; ) {
    if (parts[at]!.word === 'else') return run(machine, parts[at]!.body, false)
    if (run(machine, parts[at]!.body, false)) return run(machine, parts[at + 1]!.body, false)
    at += 2
  }
  return true
}

function expand(machine: Machine, words: readonly Piece[][]): string[] {
  const args: (string | undefined)[] = []
  const append = (text: string): void => {
    args[args.length - 1] = (args.at(-1) ?? '') + text
  }
  for (const word of words) {
    if (args.length === 0 || args.at(-1) !== undefined) args.push(undefined)
    for (const { kind, text } of word) {
      const isVariable = kind === 'variable' || kind === 'quoted-variable'
      if (isVariable && /^\W|^\d/.test(text)) throw new NotModelled('a parameter')
      const value = isVariable ? (machine.values.get(text) ?? '') : text
      if (!kind.startsWith('quoted') && /[*?]/.test(value)) throw new NotModelled('pattern')
      if (kind === 'variable') {
        for (const [at, one] of value
          .split(/[ \t\n\r]+/)
          .filter(Boolean)
          .entries()) {
          if (at > 0) args.push(undefined)
          append(one)
        }
      } else if (value !== '' || kind === 'quoted') append(value)
    }
  }
  return args.filter((arg) => arg !== undefined)
}

const LOADS = [
  'multiboot',
  'multiboot2',
  'module',
  'module2',
  'slaunch',
  'slaunch_module',
  'chainloader',
  'linux',
  'initrd',
]
const QUIET = [
  'echo',
  'insmod',
  'save_env',
  'terminal_output',
  'terminal_input',
  'loadfont',
  'password_pbkdf2',
  'password',
]

function runCommand(
  machine: Machine,
  [name, ...args]: readonly string[],
  body: readonly Token[] | null,
): boolean {
  if (name === undefined) return true
  if (name === 'menuentry' || name === 'submenu') return addItem(machine, name, args, body)
  if (body !== null || name === '!') throw new NotModelled('block')
  const isCommand = [...LOADS, ...QUIET].includes(name) || name in COMMANDS
  if (isCommand && machine.functions.has(name)) throw new NotModelled('a function with the name of a command')
  if (LOADS.includes(name))
    machine.loads.push({ root: machine.values.get('root') ?? '', words: [name, ...args] })
  else if (name in COMMANDS) return COMMANDS[name]!(machine, args)
  else if (machine.functions.has(name)) {
    if (!['savedefault', 'load_video'].includes(name)) throw new NotModelled('a function of its own')
    machine.calls += 1
    if (machine.calls > 20) throw new NotModelled('calls without end')
    const value = run(machine, machine.functions.get(name)!, false)
    machine.calls -= 1
    return value
  } else if (!QUIET.includes(name)) {
    const equals = name.indexOf('=')
    if (equals < 0) machine.odd ??= name
    else assign(machine, name.slice(0, equals), name.slice(equals + 1))
  }
  return true
}

function assign(machine: Machine, name: string, value: string): void {
  if (name === 'prefix' || /^\d|^[#*@]$/.test(name)) throw new NotModelled('a variable')
  machine.values.set(name, value)
}

const COMMANDS: Readonly<Record<string, (machine: Machine, args: readonly string[]) => boolean>> = {
  true: () => true,
  false: () => false,
  // nobody presses a key
  keystatus: () => false,
  set: (machine, [text = '']) => {
    const equals = text.indexOf('=')
    if (equals >= 0) assign(machine, text.slice(0, equals), text.slice(equals + 1))
    return equals >= 0
  },
  unset: (machine, [name = '']) => machine.values.delete(name) || true,
  export: (machine, names) => names.every((name) => machine.shared.add(name)),
  increment: () => {
    throw new NotModelled('increment')
  },
  decrement: () => {
    throw new NotModelled('decrement')
  },
  load_env: (machine, args) => {
    if (args.length > 0 && (args[0] !== '-f' || args.length !== 2)) throw new NotModelled('load_env')
    const text = find(machine, args[1] ?? `${machine.values.get('prefix')}/grubenv`)
    if (text === null || !text.startsWith('# GRUB Environment Block\n')) return false
    for (const [, variable = '', value = ''] of text.matchAll(/^([A-Za-z_]\w*)=(.*)\n/gm))
      assign(machine, variable, value)
    return true
  },
  source: (machine, args) => {
    if (args.length !== 1) throw new NotModelled('source')
    const text = find(machine, args[0]!)
    if (text !== null) run(machine, tokens(text), true)
    return true
  },
  search: (machine, args) => {
    const uuids = args.filter((arg) => !arg.startsWith('--'))
    const isPlain = args.every(
      (arg) => !arg.startsWith('-') || /^--(?:no-floppy|fs-uuid|set=root|hint-\w+=.*)$/.test(arg),
    )
    if (!isPlain || uuids.length !== 1 || !args.includes('--fs-uuid') || !args.includes('--set=root'))
      throw new NotModelled('search')
    const isOwn = uuids[0]!.toLowerCase() === machine.device.uuid.toLowerCase()
    machine.values.set('root', isOwn ? 'BOOT' : 'OTHER')
    return isOwn
  },
  '[': (machine, args) => test(machine, args.at(-1) === ']' ? args.slice(0, -1) : args),
  test: (machine, args) => test(machine, args.at(-1) === ']' ? args.slice(0, -1) : args),
}

function find(machine: Machine, name: string): string | null {
  const [, device = machine.values.get('root'), path = ''] = /^(?:\(([^)]*)\))?(.*)$/s.exec(name) ?? []
  if (device !== 'BOOT' || !path.startsWith('/')) throw new NotModelled('a file elsewhere')
  const clean = path.replace(/\/+/g, '/')
  return machine.device.files[clean] ?? machine.device.files[`${clean.replace(/\/$/, '')}/`] ?? null
}

/** From left to right: three words, two words, then `-a`, `-o` and words alone (grub-core/commands/test.c). */
function test(machine: Machine, list: readonly string[]): boolean {
  let all = true
  let any = false
  for (let at = 0; at < list.length; ) {
    const [a = '', b, c] = list.slice(at, at + 3)
    if (b !== undefined && c !== undefined && ['=', '==', '!='].includes(b)) {
      all &&= (a === c) === (b !== '!=')
      at += 3
    } else if (
      b !== undefined &&
      c !== undefined &&
      /^(?:-(?:eq|ne|[gl][te]|p[gl]t|[no]t.*)|[<>]=?)$/.test(b)
    )
      throw new NotModelled('a comparison')
    else if (b !== undefined && /^-[defsnz]$/.test(a)) {
      all = testOne(machine, a, b) && all
      at += 2
    } else if (['(', ')', '!'].includes(a)) throw new NotModelled('a test')
    else {
      if (a === '-o') any ||= all
      all = a === '-o' || (all && (a === '-a' || a !== ''))
      at += 1
    }
  }
  return any || all
}

function testOne(machine: Machine, kind: string, value: string): boolean {
  if (kind === '-n') return value !== ''
  if (kind === '-z') return value === ''
  const found = find(machine, value)
  const isDirectory =
    found === '' && `${value.replace(/.*\)/, '').replace(/\/$/, '')}/` in machine.device.files
  if (kind === '-d') return isDirectory
  return found !== null && !isDirectory && (kind !== '-s' || found !== '')
}

function addItem(
  machine: Machine,
  name: string,
  args: readonly string[],
  body: readonly Token[] | null,
): boolean {
  const titles: string[] = []
  let id: string | undefined
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '--id' || arg === '--class') {
      at += 1
      if (args[at] === undefined || args[at]!.startsWith('-')) throw new NotModelled('an option')
      if (arg === '--id') id = args[at]
    } else if (arg === '--unrestricted') continue
    else if (arg.startsWith('-')) throw new NotModelled('an option')
    else titles.push(arg)
  }
  if (body === null || titles[0] === undefined) throw new NotModelled('an entry')
  machine.menu.push({ title: titles[0], id: id ?? titles[0], body, sub: name === 'submenu' })
  return true
}
