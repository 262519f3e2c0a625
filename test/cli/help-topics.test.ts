import { describe, expect, it } from 'vitest'
import { VERBS } from '../../src/cli/verbs.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { TOPICS } from '../../src/messages/topics/topics.ts'
import { runMain } from '../support/io.ts'

/* `aem-reseal help`, and what the program says to words that it does not know. */

/** No root, and no machine: opening one would be an error. */
const NOBODY = {
  uid: 1000,
  runAsRoot: async () => {
    throw new Error('help asks for no root')
  },
}
const AT_TERMINAL = { uid: 1000, stdoutIsTerminal: true, columns: 80 }

async function helpOn(...words: readonly string[]): Promise<string> {
  const { uid, runAsRoot } = NOBODY
  const { exit, stdout, stderr } = await runMain(['help', ...words], { uid, runAsRoot })
  expect([exit, stderr]).toEqual([0, ''])
  return stdout
}

const joined = (text: string): string => text.replaceAll(/\s+/g, ' ')

describe('help', () => {
  it('alone names every topic and every command', async () => {
    const text = await helpOn()
    for (const { name, help } of TOPICS) expect(text).toContain(`  ${name.padEnd(14)}${help}\n`)
    for (const { name } of VERBS.filter((verb) => !verb.name.includes(' ')))
      expect(text).toMatch(new RegExp(`^  ${name} +\\w`, 'm'))
  })

  it.each(VERBS.map(({ name }) => name))('on %s is what --help says', async (name) => {
    const words = name.split(' ')
    const [asked, own] = [await helpOn(...words), (await runMain([...words, '--help'])).stdout]
    const isTopic = TOPICS.some((topic) => topic.name === name)
    // The topic itself stands in the place of its name.
    expect(asked.startsWith(own.replace(/(?:More: .*\n)+$/, '').trimEnd())).toBe(true)
    if (isTopic) expect(asked).toContain(TOPICS.find((topic) => topic.name === name)?.help)
    else expect(asked).toBe(own)
  })

  it.each(TOPICS.map(({ name }) => name))('on %s has all of the topic', async (name) => {
    const text = joined(await helpOn(name))
    const { blocks } = TOPICS.find((topic) => topic.name === name)!
    expect(blocks.length).toBeGreaterThan(2)
    for (const block of blocks) {
      const parts = 'items' in block ? block.items : 'rows' in block ? block.rows.flat() : [block.text]
      for (const part of parts) expect(text).toContain(joined(part))
    }
  })

  it('names the topics that say more in the help of a command', async () => {
    const topics = TOPICS.map(({ name }) => name)
    for (const verb of VERBS) {
      const { stdout } = await runMain([...verb.name.split(' '), '--help'])
      for (const topic of verb.topics ?? []) {
        expect(topics).toContain(topic)
        expect(stdout).toContain(`More: aem-reseal help ${topic}\n`)
      }
    }
  })

  it('on an alarm is one page, printed', async () => {
    const { stdout } = await runMain(['help', 'alarm'], AT_TERMINAL)
    const lines = stdout.trimEnd().split('\n')
    // US Letter at 6 lines an inch has 66, less a margin of half an inch at both ends.
    expect(lines.length).toBeLessThanOrEqual(60)
    const wide = lines.filter((line) => line.replaceAll(/\u001b\[[0-9;]*m/g, '').length > 80)
    expect(wide).toEqual([])
  })

  it('is one document with --json', async () => {
    const { json } = await runMain(['help', 'alarm', '--json'])
    expect(json).toEqual({ text: expect.stringContaining('Type nothing and power off') })
  })
})

describe('a word that is not known', () => {
  const CASES = [
    [['help', 'alram'], '`aem-reseal help alarm`', '`aem-reseal help`'],
    [['help', 'gate', 'instal'], '`aem-reseal help gate install`', '`aem-reseal help`'],
    [['help', 'nonsense'], null, '`aem-reseal help`'],
    [['strat'], '`aem-reseal start`', '`aem-reseal --help`'],
    [['bulletin', 'lst'], '`aem-reseal bulletin list`', '`aem-reseal bulletin --help`'],
    [['gate', 'instal'], '`aem-reseal gate install`', '`aem-reseal gate --help`'],
    [['start', '--protec', 'x'], '--protect', '`aem-reseal start --help`'],
    [['start', '--protect', 'x'], null, '`aem-reseal start --help`'],
    [['bulletin', 'show'], null, '`aem-reseal bulletin show --help`'],
    [['devices', 'forward-seal'], null, '`aem-reseal devices forward-seal --help`'],
    [['status', 'now'], null, '`aem-reseal status --help`'],
    [['--ascci'], '--ascii', '`aem-reseal --help`'],
    [['rehearse', '--scenario', 'evil'], '`aem-reseal rehearse --scenario evil-maid`', SCENARIOS[0]!.name],
    [['rehearse', '--scenario', 'clean-updaet'], '`aem-reseal rehearse --scenario clean-update`', ''],
  ] as const

  it.each(CASES)('%j: suggests %s, points to %s', async (words, meant, help) => {
    const run = await runMain(words)
    expect([run.exit, run.stdout]).toEqual([2, ''])
    const said = joined(run.stderr)
    if (meant === null) expect(said).not.toContain('did you mean')
    else expect(said).toContain(`did you mean ${meant}?`)
    expect(said).toContain(help)
  })

  it('is suggested only what the program takes', async () => {
    for (const [, meant] of CASES) {
      const words = /^`aem-reseal (.*)`$/.exec(meant ?? '')?.[1]?.split(' ') ?? []
      if (words.length > 0) expect((await runMain([...words, '--help'])).exit, meant ?? '').toBe(0)
    }
  })
})
