import { describe, expect, it } from 'vitest'
import { GLOBAL_OPTIONS, VERBS } from '../../src/cli/verbs.ts'
import { runMain } from '../support/io.ts'

/** A terminal of 24 lines, of which the prompt that follows takes one. */
const SCREEN = { lines: 23, columns: 80 }

async function helpOf(words: readonly string[]): Promise<readonly string[]> {
  const { exit, stdout, stderr } = await runMain([...words, '--help'])
  expect([exit, stderr]).toEqual([0, ''])
  return stdout.trimEnd().split('\n')
}

describe('--help', () => {
  it.each(['', ...VERBS.map(({ name }) => name)])('of aem-reseal %s fits a screen', async (name) => {
    const lines = await helpOf(name.split(' ').filter(Boolean))
    expect(lines[0]).toMatch(new RegExp(`^Usage: aem-reseal ${name}`))
    expect(lines.length).toBeLessThanOrEqual(SCREEN.lines)
    expect(lines.filter((line) => line.length > SCREEN.columns)).toEqual([])
  })

  it('of the program names every first word and every option', async () => {
    const text = (await helpOf([])).join('\n')
    for (const { name, help } of VERBS.filter((verb) => !verb.name.includes(' ')))
      expect(text).toMatch(new RegExp(`^  ${name} +${help.replaceAll('?', '\\?')}$`, 'm'))
    for (const { flag } of GLOBAL_OPTIONS) expect(text).toContain(flag)
  })

  it('of a verb has its options and acts, each with its line', async () => {
    for (const { name, help, options = [] } of VERBS) {
      const words = name.split(' ')
      const text = (await helpOf(words)).join(' ').replaceAll(/\s+/g, ' ')
      for (const option of options) expect(text, name).toContain(`${option.flag}`)
      for (const option of options) expect(text, name).toContain(option.help)
      if (words.length === 1) continue
      const parent = (await helpOf(words.slice(0, 1))).join(' ').replaceAll(/\s+/g, ' ')
      expect(parent).toContain(`${words[1]} ${help}`)
    }
  })
})
