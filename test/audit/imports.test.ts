import { describe, expect, it } from 'vitest'
import { type Import, readSources, type Source, stripCommentsAndStrings } from '../support/sources.ts'

const sources = readSources('src', 'flows')
const byPath = new Map(sources.map((source) => [source.path, source]))

/** Where a file stands; the files directly below src are layers of their own. */
function layerOf(path: string): string {
  const [top, folder, ...rest] = path.split('/')
  if (top === 'flows') return 'flows'
  if (rest.length > 0) return folder ?? ''
  return folder?.replace(/\.ts$/, '') ?? ''
}

/**
 * What each layer may use, types included: bin -> main -> cli -> flow -> messages and act -> observe -> host -> tables -> core. A layer that is
 * not named here fails the test, so a new one is a decision.
 */
const MAY_USE: Readonly<Record<string, readonly string[]>> = {
  bin: ['main', 'cli', 'core', 'host'],
  main: ['cli', 'core', 'tables', 'ui', 'host'],
  cli: ['cli', 'contract', 'flow', 'flows', 'messages', 'act', 'observe', 'core', 'host', 'ui', 'tables'],
  flow: ['flow', 'messages', 'act', 'observe', 'core', 'host', 'ui', 'tables'],
  flows: ['flows', 'flow'],
  act: ['act', 'observe', 'core', 'host', 'ui', 'tables'],
  observe: ['observe', 'core', 'host', 'tables'],
  host: ['host', 'core', 'ui', 'tables'],
  messages: ['messages', 'observe', 'core', 'ui', 'tables'],
  contract: ['contract', 'core', 'tables'],
  tables: ['tables', 'core'],
  ui: ['ui', 'core'],
  core: ['core'],
}

const IO_PACKAGES = [
  'execa',
  '@inquirer/prompts',
  'node:fs',
  'node:fs/promises',
  'node:child_process',
  'node:net',
]

function isOwn({ target }: Import): boolean {
  return target.startsWith('src/') || target.startsWith('flows/')
}

function offenders(select: (source: Source, item: Import) => boolean): readonly string[] {
  return sources.flatMap((source) =>
    source.imports
      .filter((item) => select(source, item))
      .map((item) => `${source.path} imports ${item.target}`),
  )
}

it('sees the sources and their imports', () => {
  expect(sources.length).toBeGreaterThan(80)
  expect(byPath.get('src/host/execa.ts')?.imports).toEqual([
    { target: 'execa', isTypeOnly: false, isDynamic: false },
  ])
  expect(byPath.get('src/host/run-program.ts')?.imports).toContainEqual({
    target: 'src/host/execa.ts',
    isTypeOnly: false,
    isDynamic: true,
  })
})

describe('power stays in one place', () => {
  it('only src/host imports what spawns, opens or asks', () => {
    const found = offenders(
      ({ path }, { target }) => IO_PACKAGES.includes(target) && !path.startsWith('src/host/'),
    )
    expect(found).toEqual([])
  })

  it('src/host is the only importer of every other module of node that does I/O', () => {
    const harmless = ['node:crypto', 'node:zlib', 'node:path', 'node:util', 'node:buffer']
    const found = offenders(
      ({ path }, { target }) =>
        target.startsWith('node:') && !harmless.includes(target) && !path.startsWith('src/host/'),
    )
    expect(found).toEqual([])
  })

  it('packages are loaded only where they belong', () => {
    const homes: Readonly<Record<string, RegExp>> = {
      execa: /^src\/host\/execa\.ts$/,
      '@inquirer/prompts': /^src\/host\/prompts\.ts$/,
      commander: /^src\/cli\/(program|report-error)\.ts$/,
      zod: /^src\/contract\//,
      'zod/mini': /^src\/core\/form\.ts$/,
      'zod/v4/locales/en.js': /^src\/core\/form\.ts$/,
    }
    const found = offenders(({ path }, { target }) => {
      const isPackage = !target.startsWith('node:') && !isOwn({ target } as Import)
      return isPackage && homes[target]?.test(path) !== true
    })
    expect(found).toEqual([])
  })
})

describe('the core is pure', () => {
  const core = sources.filter(({ path }) => path.startsWith('src/core/'))

  it('imports the core, zod, and of node only what computes', () => {
    const allowed = ['zod/mini', 'zod/v4/locales/en.js', 'node:crypto', 'node:zlib', 'node:buffer']
    const found = offenders(
      ({ path }, { target }) =>
        path.startsWith('src/core/') && !allowed.includes(target) && !target.startsWith('src/core/'),
    )
    expect(found).toEqual([])
  })

  it.each([
    [
      'a clock',
      /\bDate\s*\.\s*now\b|\bnew\s+Date\s*(\(\s*\)|(?![\s(]))|\bperformance\b|\bsetTimeout\b|\bsetInterval\b/,
    ],
    ['randomness', /\bMath\s*\.\s*random\b|\brandom(UUID|Bytes|Int|FillSync|Fill)\b|\bgetRandomValues\b/],
    ['the process', /\bprocess\s*[.[]|\bconsole\b|\bglobalThis\b|\bfetch\b/],
  ])('has no %s', (_what, pattern) => {
    const found = core
      .filter(({ text }) => pattern.test(stripCommentsAndStrings(text)))
      .map(({ path }) => path)
    expect(found).toEqual([])
  })
})

describe('dependencies run one way', () => {
  it('knows every layer', () => {
    expect([...new Set(sources.map(({ path }) => layerOf(path)))].filter((layer) => !MAY_USE[layer])).toEqual(
      [],
    )
  })

  it('no layer uses one above it, not even its types', () => {
    const found = offenders(
      ({ path }, item) => isOwn(item) && !MAY_USE[layerOf(path)]?.includes(layerOf(item.target)),
    )
    expect(found).toEqual([])
  })

  it('not even types come up into the core', () => {
    const found = offenders(
      ({ path }, item) => isOwn(item) && layerOf(path) === 'core' && layerOf(item.target) !== 'core',
    )
    expect(found).toEqual([])
  })

  it('flows import types, the ends and other flows', () => {
    const found = offenders(
      ({ path }, { target }) =>
        path.startsWith('flows/') && target !== 'src/flow/types.ts' && !target.startsWith('flows/'),
    )
    expect(found).toEqual([])
    const types = byPath.get('src/flow/types.ts')
    expect(types?.imports.filter((item) => !item.isTypeOnly)).toEqual([])
  })

  it('has no import cycle, of types neither', () => {
    const state = new Map<string, 'open' | 'done'>()
    const cycles: string[] = []
    const visit = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === 'done') return
      if (state.get(path) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
        return
      }
      state.set(path, 'open')
      for (const item of byPath.get(path)?.imports ?? []) {
        if (isOwn(item)) visit(item.target, [...trail, path])
      }
      state.set(path, 'done')
    }
    for (const { path } of sources) visit(path, [])
    expect(cycles).toEqual([])
  })

  it('imports only files that are there', () => {
    expect(offenders((_source, item) => isOwn(item) && !byPath.has(item.target))).toEqual([])
  })
})

describe('tests', () => {
  it('go through the program, or to where both ends reach: of src/cli they know the table and its parser alone', () => {
    const known = ['src/cli/verbs.ts', 'src/cli/program.ts']
    const found = readSources('test').flatMap(({ path, imports }) =>
      imports
        .filter(
          ({ target, isTypeOnly }) => target.startsWith('src/cli/') && !isTypeOnly && !known.includes(target),
        )
        .map(
          ({ target }) =>
            `${path} imports ${target}: give main() the words and the host (test/support/io.ts)`,
        ),
    )
    expect(found).toEqual([])
  })
})

describe('house rules', () => {
  it('keeps a file below 200 lines and one subject; a longer one says why in its first line', () => {
    const silent = sources
      .filter(({ path, text }) => path.startsWith('src/') && text.split('\n').length > 201)
      .filter(({ text }) => !/^\/\* Long: .{15,} \*\/\n/.test(text))
      .map(({ path }) => `${path}: split it by subject, or begin it with /* Long: why it must stay whole */`)
    expect(silent).toEqual([])
  })

  it('ends the process only in bin.ts', () => {
    const found = sources.filter(({ text }) => /\bprocess\.exit\b/.test(stripCommentsAndStrings(text)))
    expect(found.map(({ path }) => path)).toEqual(['src/bin.ts'])
  })

  it('makes every failure from a row of a table (src/tables/failures.ts, src/core/failures.ts), so that the contract names it', () => {
    const found = sources.filter(({ text }) => /\bnew Failure\b/.test(stripCommentsAndStrings(text)))
    expect(found.map(({ path }) => path)).toEqual(['src/core/failure.ts'])
  })

  it('asks no environment variable whether it is under test', () => {
    const found = sources.filter(({ text }) => /NODE_ENV|VITEST/.test(text))
    expect(found.map(({ path }) => path)).toEqual([])
  })

  it('names no scenario outside the built-in machine: no check can know which story it is in', async () => {
    const { SCENARIOS } = await import('../../src/host/simulated/scenarios.ts')
    const names = SCENARIOS.map(({ name }) => name)
    // The one that runs where none is named. Some names are also outcomes of steps, or why a prediction is refused.
    const known: Readonly<Record<string, readonly string[]>> = {
      'src/cli/rehearse.ts': ['clean-update'],
    }
    const outcomes = new Set(['not-aem-boot', 'unmeasured', 'sinit-changed'])
    const found = sources
      .filter(({ path }) => !path.startsWith('src/host/simulated/'))
      .flatMap(({ path, text }) =>
        names
          .filter((name) => !outcomes.has(name) && !known[path]?.includes(name))
          .filter(
            (name) =>
              text.includes(`'${name}'`) || text.includes(`"${name}"`) || text.includes(`\`${name}\``),
          )
          .map((name) => `${path} names ${name}`),
      )
    expect(found).toEqual([])
  })

  it('looks at no scenario while it models the machine', () => {
    const model = sources.filter(
      ({ path }) => path.startsWith('src/host/simulated/') && !path.endsWith('/scenarios.ts'),
    )
    expect(model.length).toBeGreaterThan(5)
    expect(
      model.filter(({ text }) => /scenario/i.test(stripCommentsAndStrings(text))).map(({ path }) => path),
    ).toEqual([])
  })
})
