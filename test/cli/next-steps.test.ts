import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { isDeviceAct } from '../../src/cli/devices.ts'
import { isDropInAct } from '../../src/cli/gate.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { makeProgram } from '../../src/main.ts'
import { runMain } from '../support/io.ts'
import { protectedDom0 } from '../support/protected-dom0.ts'
import { ROOT, readSources } from '../support/sources.ts'

/* Every command that the program tells somebody to type is one that it takes. */

const IO = {
  stdout: () => undefined,
  stderr: () => undefined,
  stdinIsTerminal: false,
  stdoutIsTerminal: false,
  columns: 80,
  environment: {},
  uid: 0,
  askTerminal: async () => {
    throw new Error('nothing is asked')
  },
  runAsRoot: async () => ({ failed: 'not here' }),
  makeId: () => '',
}

/** Parses words as the program does, and runs nothing. @returns what is wrong with them, or null */
function problemOf(words: readonly string[]): string | null {
  const program = makeProgram([...words], IO, { host: null }, () => undefined)
  const silence = (command: Command): void => {
    for (const one of command.commands) {
      one.action((...given: unknown[]) => check(one, given))
      silence(one)
    }
  }
  silence(program)
  // Words that are no command come to the program itself, or to a group of commands.
  program.action(() => {
    if (program.args.length > 0) throw new Error(`there is no command ${program.args[0]}`)
  })
  try {
    program.parse([...words], { from: 'user' })
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function check(command: Command, given: readonly unknown[]): void {
  const [first] = given
  if (command.name() === 'bulletin') throw new Error('bulletin alone is no command')
  if (typeof first !== 'string') return
  if (command.name() === 'devices' && !isDeviceAct(first)) throw new Error(`devices does not take ${first}`)
  if (command.name() === 'gate' && !isDropInAct(first)) throw new Error(`gate does not take ${first}`)
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

function expectAccepted(commands: readonly string[]): void {
  const wrong = [...new Set(commands)].flatMap((told) => {
    const problem = problemOf(wordsOf(told))
    return problem === null ? [] : [`${told}: ${problem}`]
  })
  expect(wrong).toEqual([])
}

/** A screen with its lines joined, so that a command that was wrapped is whole. */
const joined = (text: string): string => text.replace(/\s+/g, ' ')

describe('the parser of the test', () => {
  it.each([
    ['list'],
    ['bulletin'],
    ['devices', 'mend'],
    ['gate', 'instal'],
    ['start', '--protec', 'hold'],
    ['record'],
    ['bulletin', 'show'],
    ['nonsense'],
  ])('refuses %s', (...words) => {
    expect(problemOf(words)).not.toBeNull()
  })

  it.each([
    ['bulletin', 'list'],
    ['start', '--protect', 'hold'],
    ['devices', 'refresh', 'aem.stick'],
    ['--json', 'status'],
    [],
  ])('accepts %s', (...words) => {
    expect(problemOf(words)).toBeNull()
  })
})

describe('every command that is told', () => {
  it('in the sources is taken', () => {
    const all = readSources('src').flatMap(({ text }) => commandsIn(withoutComments(text)))
    expect(all.length).toBeGreaterThan(100)
    expectAccepted(all)
  })

  it('in the guide and the README is taken', () => {
    const all = ['README.md', 'docs/guide.md'].flatMap((path) =>
      commandsIn(readFileSync(join(ROOT, path), 'utf8')),
    )
    expect(all.length).toBeGreaterThan(20)
    expectAccepted(all)
  })

  it('is told whole, with the name of the program', () => {
    const names = makeProgram([], IO, { host: null }, () => undefined).commands.map((one) => one.name())
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
    expectAccepted(all)
    expect(stdout).toContain('no session is open, and nothing of it is kept')
    expect(joined(stdout)).not.toMatch(/the state is kept \(|the session is kept/)
  })
})

describe('an error names the whole command', () => {
  const asUser = { uid: 1000, runAsRoot: async () => ({ failed: 'a password is required' }) }

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
    const { runDeviceAct } = await import('../../src/cli/devices.ts')
    const { makeSimulatedHost } = await import('../../src/host/simulated/host.ts')
    const { machineOf } = await import('../support/built-in.ts')
    const options = {
      json: false,
      machine: null,
      stateDir: null,
      yes: false,
      color: false,
      ascii: false,
      verbose: false,
    }
    const host = makeSimulatedHost(machineOf('two-devices'))
    const run = runDeviceAct(IO, options, host, words[1] as 'refresh', words[2] ?? null)
    await expect(run).rejects.toMatchObject({
      text: { code: 'question-needs-terminal', next: expect.stringContaining('--yes answers no') },
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
