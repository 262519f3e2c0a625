import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Io } from '../../src/cli/io.ts'
import { PROTECTION_REASONS, weighReason } from '../../src/core/decide/protection-state.ts'
import { EXIT } from '../../src/core/failure.ts'
import { REFUSAL_CODES } from '../../src/core/launch/refusal.ts'

// The build defines it (tools/build.mjs); here main.ts runs from its source.
Object.assign(globalThis, { AEM_RESEAL_VERSION: '0.0.0' })
const { main } = await import('../../src/main.ts')

const TOP = fileURLToPath(new URL('../../', import.meta.url))
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(TOP, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]
const textOf = (path: string): string => readFileSync(join(TOP, path), 'utf8')

/** What `aem-reseal ARGS --help` prints. */
async function helpOf(args: readonly string[]): Promise<string> {
  let printed = ''
  const io = {
    stdout: (text: string) => {
      printed += text
    },
    stderr: (text: string) => {
      throw new Error(`help of ${args.join(' ')}: ${text}`)
    },
    stdinIsTerminal: false,
    stdoutIsTerminal: false,
    columns: 80,
    environment: {},
    uid: 0,
    askTerminal: () => Promise.reject(new Error('help asks nothing')),
    runAsRoot: () => Promise.reject(new Error('help needs no root')),
    makeId: () => 'none',
  } satisfies Io
  expect(await main([...args, '--help'], io)).toBe(EXIT.done)
  return printed
}

const optionsIn = (help: string): string[] =>
  [...help.matchAll(/(?<![\w-])--?[a-z][a-z-]*/g)].map(([name]) => name)

/** Names below "Commands:" of a help text. */
const commandsIn = (help: string): string[] =>
  [...(help.split('Commands:')[1] ?? '').matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name ?? '')

type Known = { readonly options: ReadonlySet<string>; readonly children: ReadonlyMap<string, Known> }

async function learn(path: readonly string[]): Promise<Known> {
  const help = await helpOf(path)
  const children = new Map<string, Known>()
  for (const name of commandsIn(help)) children.set(name, await learn([...path, name]))
  return { options: new Set(optionsIn(help.split('Commands:')[0] ?? '')), children }
}

const program = await learn([])

/** Global options that take a value, which must not be taken for a command. */
const WITH_VALUE = new Set(['--machine', '--state-dir'])

/** What is wrong with a documented command line, or null. */
function judge(words: readonly string[]): string | null {
  let known = program
  const chain = [program]
  const pending = [...words]
  let arguments_ = 0
  for (let word = pending.shift(); word !== undefined; word = pending.shift()) {
    if (word.startsWith('-')) {
      const [name = ''] = word.split('=')
      if (!chain.some((each) => each.options.has(name))) return `no option ${name}`
      if (WITH_VALUE.has(name)) pending.shift()
      continue
    }
    const child = known.children.get(word)
    if (child) {
      known = child
      chain.push(child)
    } else if (chain.length === 1) return `no command ${word}`
    else if (known.children.size > 0) return `no command ${word}`
    else arguments_ += 1
  }
  return arguments_ > 8 ? 'prose, not a command' : null
}

type Documented = { readonly place: string; readonly words: readonly string[] }

/** Commands in ```console blocks: after a prompt, the program by its name or its built file, maybe behind sudo. */
function consoleCommands(path: string): Documented[] {
  return [...textOf(path).matchAll(/^```console\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
    block
      .split('\n')
      .flatMap((line) => /^(?:\[[^\]]*\])?\$ (.*)$/.exec(line)?.[1] ?? [])
      .flatMap((line) => /^(?:sudo )?(?:node dist\/aem-reseal\.mjs|aem-reseal)(?: (.*))?$/.exec(line) ?? [])
      .filter((_, index) => index % 2 === 1)
      .map((rest) => ({ place: `${path}: ${rest}`, words: (rest ?? '').split(/\s+/).filter(Boolean) })),
  )
}

/** Commands in running text: `aem-reseal ...` between back quotes. */
function inlineCommands(path: string): Documented[] {
  return [...textOf(path).matchAll(/`(?:sudo )?aem-reseal((?: [^`\n]*)?)`/g)].map(([whole, rest = '']) => ({
    place: `${path}: ${whole}`,
    words: rest
      .replaceAll(/\[[^\]]*\]|\\\|/g, ' ')
      .split(/\s+/)
      .filter((word) => word !== '' && !/^<|^…|^\.\.\.$/.test(word)),
  }))
}

describe('commands in the documents', () => {
  const documented = DOCUMENTS.flatMap((path) => [...consoleCommands(path), ...inlineCommands(path)])

  it('are found at all', () => {
    expect(documented.length).toBeGreaterThan(30)
    expect(consoleCommands('README.md').length).toBeGreaterThan(5)
  })

  it.each(documented.map(({ place, words }) => [place, words] as const))('%s', (_place, words) => {
    // In the contract `[options] <command>` stands for any of them.
    expect(words.includes('<command>') ? null : judge(words)).toBeNull()
  })

  it('would notice a command or option that does not exist', () => {
    expect(judge(['strat'])).toBe('no command strat')
    expect(judge(['start', '--restrat', 'now'])).toBe('no option --restrat')
    expect(judge(['bulletin', 'lst'])).toBe('no command lst')
    expect(judge(['--machine', 'start', 'status', '--json'])).toBeNull()
  })
})

describe('the manual page and the contract', () => {
  const walk = (known: Known, path: readonly string[]): [string, Known][] =>
    [...known.children].flatMap(([name, child]) => [
      [[...path, name].join(' '), child] as [string, Known],
      ...walk(child, [...path, name]),
    ])
  const leaves = walk(program, []).filter(([, known]) => known.children.size === 0)

  it.each(['docs/aem-reseal.1.md', 'docs/contract.md'])('%s names every command and option', (path) => {
    const text = textOf(path)
    const missing = leaves.flatMap(([name, known]) => [
      ...(text.includes(`**${name}**`) || text.includes(`\`${name}`) ? [] : [name]),
      ...[...known.options].filter((option) => !text.includes(option)).map((option) => `${name} ${option}`),
    ])
    expect(missing).toEqual([])
    expect([...program.options].filter((option) => !text.includes(option))).toEqual([])
  })

  it('has one row for each reason of `protection`, with the state that it makes (src/core/decide/protection-state.ts)', () => {
    const text = textOf('docs/contract.md')
    const table = text.slice(text.indexOf('| `protection` code |')).split('\n\n')[0] ?? ''
    const rows = [...table.matchAll(/^\| `([a-z-]+)` \| ([a-z-]+) \|/gm)].map(([, code, state]) => [
      code,
      state,
    ])
    expect(rows).toEqual(PROTECTION_REASONS.map((code) => [code, weighReason(code)]))
  })

  it('names every code of a refused prediction in the contract (src/core/launch/refusal.ts)', () => {
    const text = textOf('docs/contract.md')
    expect(REFUSAL_CODES.filter((code) => !text.includes(`\`${code}\``))).toEqual([])
  })

  it('gives the exit codes that the program has', () => {
    const codes = Object.values(EXIT)
    for (const path of ['README.md', 'docs/contract.md']) {
      const table = [...textOf(path).matchAll(/^\| ([0-9]+) \|/gm)].map(([, code]) => Number(code))
      expect(table).toEqual(codes)
    }
  })
})

describe('links and scripts in the documents', () => {
  it.each(DOCUMENTS)('%s links only to what is there', (path) => {
    const broken = [...textOf(path).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target ?? '')
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [file = '', anchor] = target.split('#')
        const full = file === '' ? join(TOP, path) : join(TOP, dirname(path), file)
        if (!existsSync(full)) return true
        return anchor !== undefined && !anchorsOf(relative(TOP, full)).has(anchor)
      })
    expect(broken).toEqual([])
  })

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }
    const named = [...DOCUMENTS, '.ci/run'].flatMap((path) =>
      [...textOf(path).matchAll(/npm run (?:-s |--silent )?([a-z][a-z:]*)/g)].map(([, name]) => name ?? ''),
    )
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([])
  })

  it('the commands to try it stand in the README as one line each', () => {
    const readme = textOf('README.md')
    expect(readme).toContain('```sh\nnpm ci && npm run rehearse\n```')
    expect(readme).toContain('```sh\ntools/install-test-packages.sh && npm ci && npm test\n```')
  })
})

/** Anchors of headings as GitHub makes them. */
function anchorsOf(path: string): ReadonlySet<string> {
  return new Set(
    [...textOf(path).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
