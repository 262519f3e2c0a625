import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeProgram } from '../../src/cli/program.ts'
import { VERBS } from '../../src/cli/verbs.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { machineOf } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import { protectedDom0 } from '../support/protected-dom0.ts'
import { ROOT, readSources } from '../support/sources.ts'

/* Every command that the program tells somebody to type is one that it takes. */

/** Parses words as the program does, and runs nothing. @returns what is wrong with them, or null */
async function problemOf(words: readonly string[]): Promise<string | null> {
  const program = makeProgram(
    async () => undefined,
    () => undefined,
  )
  try {
    await program.parseAsync([...words], { from: 'user' })
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** In backquotes, or the whole of a string; in sources what is filled in stands for a word. */
const TOLD = /(?:\\?`|command: ')(?:sudo )?(aem-reseal(?: (?:\$\{[^}]*\}|[^`'\\$])*)?)(?:\\?`|')/g

function commandsIn(text: string): readonly string[] {
  return [...text.matchAll(TOLD)].flatMap(([, told = '']) => [told])
}

/** What is written for readers of the source is typed by nobody. */
function withoutComments(text: string): string {
  return text
    .split('\n')
    .filter((one) => !/^\s*(?:\/\*|\*|\/\/)/.test(one))
    .join('\n')
}

/** Words of a told command without the program's name; words that stand for others are filled in. */
function wordsOf(told: string): readonly string[] {
  return told
    .replace(/\$\{act\}/g, 'install')
    .replace(/\$\{[^}]*\}/g, 'aem.stick')
    .split(/\s+/)
    .slice(1)
    .filter((word) => word !== '' && word !== '--help')
}

async function expectAccepted(commands: readonly string[]): Promise<void> {
  const wrong: string[] = []
  for (const told of new Set(commands)) {
    const problem = await problemOf(wordsOf(told))
    if (problem !== null) wrong.push(`${told}: ${problem}`)
  }
  expect(wrong).toEqual([])
}

/** A screen with its lines joined, so that a command that was wrapped is whole. */
const joined = (text: string): string => text.replace(/\s+/g, ' ')

describe('the parser of the test', () => {
  it.each([
    ['list'],
    ['bulletin'],
    ['devices', 'fix'],
    ['devices', 'forward-seal'],
    ['devices', 'repair-slots', 'aem.stick'],
    ['gate', 'instal'],
    ['start', '--protec', 'hold'],
    ['record'],
    ['bulletin', 'show'],
    ['nonsense'],
  ])('refuses %s', async (...words) => {
    expect(await problemOf(words)).not.toBeNull()
  })

  it.each([
    ['bulletin', 'list'],
    ['start', '--protect', 'hold'],
    ['devices', 'refresh', 'aem.stick'],
    ['--json', 'status'],
    [],
  ])('accepts %s', async (...words) => {
    expect(await problemOf(words)).toBeNull()
  })
})

describe('every command that is told', () => {
  it('in the sources is taken', async () => {
    const all = readSources('src').flatMap(({ text }) => commandsIn(withoutComments(text)))
    expect(all.length).toBeGreaterThan(100)
    await expectAccepted(all)
  })

  it('in the guide and the README is taken', async () => {
    const all = ['README.md', 'docs/guide.md'].flatMap((path) =>
      commandsIn(readFileSync(join(ROOT, path), 'utf8')),
    )
    expect(all.length).toBeGreaterThan(20)
    await expectAccepted(all)
  })

  it('is told whole, with the name of the program', () => {
    const names = VERBS.flatMap(({ name }) => (name.includes(' ') ? [] : [name]))
    const bare = new RegExp(`\\\\?\`(?:${names.join('|')})(?: [^\`\\\\]*)?\\\\?\``, 'g')
    const sources = readSources('src').filter(({ path }) => /^src\/messages(?:\.ts|\/)/.test(path))
    const found = sources.flatMap(({ path, text }) =>
      text
        .split('\n')
        .filter((one) => !/^\s*(?:\/\*\*|\*|\/\/)/.test(one))
        .flatMap((one) => [...one.matchAll(bare)].map(([told]) => `${path}: ${told}`)),
    )
    // `resume`, `predict` and `start` as names of what was done stand in no order to type something.
    expect(found.filter((one) => !/`(?:resume|predict|start)\\?`$/.test(one))).toEqual([])
  })

  it.each(SCENARIOS.map(({ name }) => name))('in the rehearsal %s is taken', async (name) => {
    const { stdout } = await runMain(['rehearse', '--scenario', name, '--yes'])
    const all = commandsIn(joined(stdout))
    expect(all.length).toBeGreaterThan(0)
    await expectAccepted(all)
    expect(stdout).toContain('This was a rehearsal; nothing changed.')
    expect(all.some((told) => told.startsWith('aem-reseal rehearse --scenario '))).toBe(true)
    expect(all).not.toContain(`aem-reseal rehearse --scenario ${name}`)
    expect(joined(stdout)).not.toMatch(/the state is kept \(|the session is kept/)
  })
})

describe('an error names the whole command', () => {
  const asUser = { uid: 1000, isCompact: true, runAsRoot: async () => ({ failed: 'a password is required' }) }

  it.each([
    [['bulletin', 'list'], '`aem-reseal bulletin list`'],
    [['bulletin', 'check', '103'], '`aem-reseal bulletin check 103`'],
    [['devices', 'refresh', 'aem.stick'], '`aem-reseal devices refresh aem.stick`'],
    [['gate', 'install'], '`aem-reseal gate install`'],
    [['start', '--protect', 'hold'], '`aem-reseal start --protect hold`'],
    [[], '`aem-reseal`'],
  ])('%s', async (words, told) => {
    const run = await runMain(words, asUser)
    expect(run.exit).toBe(1)
    expect(joined(run.stderr)).toContain(told)
  })
})

describe('--yes is offered only where it is a yes', () => {
  it.each([
    ['devices', 'refresh', 'aem.stick'],
    ['devices', 'repair-slots'],
  ])('not for %s %s', async (...words) => {
    const run = await runMain([...words, '--json'], { host: makeSimulatedHost(machineOf('two-devices')) })
    expect(run.json).toMatchObject({
      error: { code: 'question-needs-terminal', next: expect.stringContaining('--yes answers no') },
    })
  })

  it('for a command that goes on with it', async () => {
    const run = await runMain(['rehearse', '--scenario', 'clean-update'])
    expect(run.exit).toBe(2)
    expect(run.stderr).toContain('or with --yes')
  })
})

describe('verify', () => {
  it('asks to plug in only what is not plugged in', async () => {
    const away = protectedDom0().withFile('/var/lib/anti-evil-maid/aem.stick/tpm-freshness-slot', '1\n')
    const { stdout } = await runMain(['verify', '--device', '.stick', '--machine', away.write()])
    expect(joined(stdout)).toContain('plug in aem.stick and run `aem-reseal verify`')
    const there = await runMain(['verify', '--machine', protectedDom0().write()])
    expect(there.stdout).not.toMatch(/plug in/)
  })
})
