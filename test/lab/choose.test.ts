import { readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
// @ts-expect-error: a tool without types
import { chooseStories, withDefaults } from '../../tools/run-lab.mjs'

/* Which stories a word on the command line means: one that means none must not pass as a run of nothing. */

const NAMES = readdirSync(path.join(import.meta.dirname, 'stories')).filter((name) =>
  name.endsWith('.test.ts'),
)

describe('the choice of stories', () => {
  it('knows a number, a name, and a part of a story', () => {
    expect(chooseStories(['5'], NAMES)).toMatchObject({
      patterns: ['5:'],
      files: ['05-evil-maid-after-start.test.ts'],
    })
    expect(chooseStories(['power-cut'], NAMES)).toMatchObject({
      patterns: ['9:'],
      files: ['09-power-cut.test.ts'],
    })
    for (const word of ['1', '01'])
      expect(chooseStories([word], NAMES)).toMatchObject({ patterns: ['1:'], files: ['01-stock.test.ts'] })
    expect(chooseStories(['5: hold, one'], NAMES).patterns).toEqual(['5: hold, one'])
  })

  it('passes what is not its own on to vitest, and takes all where asked', () => {
    const all = chooseStories(['--all', '--reporter=json'], NAMES)
    expect(all).toMatchObject({ patterns: null, rest: ['--reporter=json'], isWhole: true })
    expect(all.files).toEqual(NAMES)
  })

  it('gives vitest no option twice', () => {
    expect(withDefaults([])).toEqual(['--maxWorkers=2', '--reporter=verbose'])
    expect(withDefaults(['--maxWorkers=1', '--reporter=json'])).toEqual(['--maxWorkers=1', '--reporter=json'])
    expect(withDefaults(['--bail=1'])).toEqual(['--maxWorkers=2', '--reporter=verbose', '--bail=1'])
  })

  it('refuses a word that names no story', () => {
    expect(() => chooseStories(['no-such-story'], NAMES)).toThrow('no story is called no-such-story')
  })

  it('names for CI only files that are there', () => {
    const { files, patterns } = chooseStories([], NAMES)
    expect(files).toHaveLength(new Set(patterns.map((each: string) => Number.parseInt(each, 10))).size)
  })
})
