import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GLOBAL_OPTIONS, VERBS } from '../../src/cli/verbs.ts'
import { CATALOGUE } from '../../src/core/bulletin/catalogue-data.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { generateShellFiles } from '../../tools/generate-shell-files.mjs'
import { runToEnd } from '../support/process.ts'
import {
  type Completions,
  completeInBash,
  completeInFish,
  completeInZsh,
  writeCompletions,
} from '../support/shells.ts'

const FIRST_WORDS = VERBS.flatMap(({ name }) => (name.includes(' ') ? [] : [name]))

/** Behind these words stand all of those, and none of the others. */
const CASES: readonly (readonly [line: string, all: readonly string[], none: readonly string[]])[] = [
  ['aem-reseal ', [...FIRST_WORDS], ['list', 'install', 'aem.stick', '103']],
  ['aem-reseal re', ['resume', 'rehearse', 'record', 'report'], ['start']],
  ['aem-reseal help ', ['alarm', 'hold', 'devices', 'start', 'resume'], ['install', '103']],
  ['aem-reseal --json --machine /tmp st', ['start', 'status'], ['resume']],
  ['aem-reseal rehearse --scenario ', SCENARIOS.map(({ name }) => name), ['post-update', '103']],
  ['aem-reseal rehearse --json --scenario ev', ['evil-maid'], ['no-aem']],
  ['aem-reseal bulletin ', ['list', 'show', 'check'], ['103', 'start']],
  [
    'aem-reseal bulletin check 1',
    CATALOGUE.bulletins.map(({ id }) => String(id)).filter((id) => id.startsWith('1')),
    ['98'],
  ],
  ['aem-reseal bulletin show 103 11', ['110', '115'], ['103']],
  ['aem-reseal start --bulletin 10', ['103', '107'], ['start']],
  ['aem-reseal start --protect ', ['forward-seal', 'hold', 'plain'], ['now']],
  ['aem-reseal start --restart ', ['now', 'manual'], ['plain']],
  ['aem-reseal devices ', ['refresh', 'forward-seal', 'repair-slots'], ['aem.stick']],
  ['aem-reseal devices refresh ', ['aem', 'aem.stick'], ['notes', '.evil', 'aem.e vil', 'refresh']],
  ['aem-reseal devices --yes forward-seal aem.s', ['aem.stick'], ['aem', '.stick']],
  ['aem-reseal devices repair-slots ', [], ['aem', 'aem.stick', 'refresh']],
  ['aem-reseal devices refresh aem.stick ', [], ['aem', 'aem.stick']],
  ['aem-reseal verify --device ', ['aem', 'aem.stick'], ['--json']],
  ['aem-reseal verify --device .', ['.stick'], ['aem']],
  ['aem-reseal gate ', ['install', 'show', 'remove'], ['aem']],
  ['aem-reseal plan ', ['post-update', 'resume', 'rehearsal'], ['start']],
  [
    'aem-reseal report 2024',
    ['2024-07-17T10-00-00-3f0d4a52'],
    ['2024-07-17T10-00-00-3f0d4a52.json', 'notes'],
  ],
  [
    'aem-reseal --',
    [...GLOBAL_OPTIONS.map(({ flag }) => flag), '--help', '--version'],
    ['--scenario', '--device'],
  ],
  ['aem-reseal verify --', ['--device', '--json', '--help'], ['--scenario', '--version']],
  ['aem-reseal start --keys a b --p', ['--protect'], ['--keys', '--json']],
]

describe.each([
  ['bash', completeInBash],
  ['zsh', completeInZsh],
  ['fish', completeInFish],
])('completion in %s', (_shell, complete) => {
  async function prepared(): Promise<Completions> {
    const completions = await writeCompletions()
    for (const name of ['aem', 'aem.stick', 'notes', 'aem$(touch evil)', 'aem.e vil'])
      mkdirSync(join(completions.devices, name), { recursive: true })
    writeFileSync(join(completions.devices, 'aem.file'), '')
    mkdirSync(join(completions.state, 'reports'), { recursive: true })
    for (const name of ['2024-07-17T10-00-00-3f0d4a52.json', '2024-07-17T10-00-00-3f0d4a52.md', 'notes'])
      writeFileSync(join(completions.state, 'reports', name), '')
    return completions
  }

  it.each(CASES)('%s', async (line, all, none) => {
    const offered = await complete(await prepared(), line)
    expect(all.filter((word) => !offered.includes(word))).toEqual([])
    expect(none.filter((word) => offered.includes(word))).toEqual([])
    if (all.length === 0) expect(offered).toEqual([])
  })

  it('offers no device and no report where there are none to be read', async () => {
    const empty = await writeCompletions()
    for (const line of ['aem-reseal devices refresh ', 'aem-reseal report '])
      expect(await complete(empty, line)).toEqual([])
  })
})

describe('the completions', () => {
  it('run nothing: no sudo, and not the program itself', async () => {
    for (const [place, text] of await generateShellFiles()) {
      if (place.startsWith('man/')) continue
      const code = text.replaceAll(/^\s*#.*$/gm, '').replaceAll(/'[^'\n]*'/g, "''")
      expect(code, place).not.toMatch(/\bsudo\b|\bnode\b|\$\(aem-reseal|`aem-reseal|\(aem-reseal/)
    }
  })

  it('are right as scripts for each shell', async () => {
    const { pathOf } = await writeCompletions()
    for (const [shell, place] of [
      ['/bin/bash', 'bash-completion/completions/aem-reseal'],
      ['/usr/bin/zsh', 'zsh/site-functions/_aem-reseal'],
      ['/usr/bin/fish', 'fish/vendor_completions.d/aem-reseal.fish'],
    ] as const) {
      const run = await runToEnd(shell, ['-n', pathOf(place)])
      expect([run.code, run.stderr], shell).toEqual([0, ''])
    }
  })
})

describe.each([
  ['man/man1/aem-reseal.1', VERBS],
  ['man/man8/aem-reseal-gate.8', VERBS.filter(({ name }) => /^gate\b/.test(name))],
] as const)('the manual page %s', (place, verbs) => {
  const environment = { SOURCE_DATE_EPOCH: '1784678400' }

  async function page(): Promise<{ readonly path: string; readonly text: string }> {
    Object.assign(process.env, environment)
    const { pathOf } = await writeCompletions()
    const run = await runToEnd('/usr/bin/man', ['--local-file', pathOf(place)], {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', MANWIDTH: '80', MAN_KEEP_FORMATTING: '' },
    })
    expect([run.code, run.stderr]).toEqual([0, ''])
    return { path: pathOf(place), text: run.stdout.toString('utf8') }
  }

  it('is rendered by man without stray marks, and names what the table has', async () => {
    const { text } = await page()
    expect(text).not.toMatch(/[*`\\]|<!--|\]\(|\u001b/)
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([])
    const joined = text.replaceAll(/\s+/g, ' ')
    for (const { name, help, options = [], run } of verbs) {
      if (run === null) continue
      expect(joined).toContain(` ${name} `)
      expect(joined.toLowerCase()).toContain(help.toLowerCase())
      for (const { flag } of options) expect(joined).toContain(flag)
    }
    expect(joined).toContain('2026-07-22')
  })

  it('is taken by groff with all warnings, and by mandoc', async () => {
    const { path } = await page()
    const groff = await runToEnd('/usr/bin/groff', ['-ww', '-man', '-Tutf8', '-z', path])
    expect([groff.code, groff.stderr]).toEqual([0, ''])
    const mandoc = await runToEnd('/usr/bin/mandoc', ['-T', 'lint', path])
    expect([mandoc.code, mandoc.stdout.toString('utf8'), mandoc.stderr]).toEqual([0, '', ''])
  })
})
