import { describe, expect, it } from 'vitest'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { CTRL_C, CTRL_D, DOWN, ENTER, openTerminal, type Terminal } from '../support/terminal.ts'

/** Types the answer to each question as it comes; the first choice is the one that stands there. */
async function answer(terminal: Terminal, question: string, keys: string): Promise<void> {
  await terminal.waitFor(question)
  terminal.type(keys)
}

const PROTECTION = 'Forward seal, hold, or plain?'
const PHOTOGRAPHED = 'Enter when photographed'
const RESTART = 'When is dom0 restarted?'
const ACCEPT = 'Accept the explained change'
const SECRET = 'Did your own secret appear'

describe('the wizard in a terminal', () => {
  it('goes from the first question to the report with typed answers', async () => {
    const terminal = openTerminal(['rehearse', '--scenario', 'clean-update'])
    terminal.waitFor('Which bulletin').then(
      () => terminal.type(ENTER),
      () => undefined,
    )
    await answer(terminal, PROTECTION, `${DOWN}${DOWN}${ENTER}`)
    await answer(terminal, PHOTOGRAPHED, ENTER)
    await answer(terminal, RESTART, ENTER)
    await answer(terminal, ACCEPT, `${DOWN}${ENTER}`)
    await answer(terminal, 'Enter to go on', ENTER)
    await answer(terminal, SECRET, `${DOWN}${ENTER}`)
    expect(await terminal.exit).toBe(0)
    const screen = (await terminal.screen()).join('\n')
    expect(screen).toContain('your sentence appeared: you said so')
    expect(screen).toContain('DONE: your secret appeared in this boot')
  })

  it('takes the safe answer with Enter: nothing is accepted', async () => {
    const terminal = openTerminal(['rehearse', '--scenario', 'clean-update'])
    terminal.waitFor('Which bulletin').then(
      () => terminal.type(ENTER),
      () => undefined,
    )
    await answer(terminal, PROTECTION, `${DOWN}${DOWN}${ENTER}`)
    await answer(terminal, PHOTOGRAPHED, ENTER)
    await answer(terminal, RESTART, ENTER)
    await answer(terminal, ACCEPT, ENTER)
    expect(await terminal.exit).toBe(1)
    expect((await terminal.screen()).join('\n')).toContain('not accepted')
  })

  it.each([
    ['Ctrl-C', CTRL_C],
    ['the end of input', CTRL_D],
  ])('ends with 130 at %s, says that nothing was changed, and shows the cursor again', async (_name, key) => {
    const terminal = openTerminal(['rehearse', '--scenario', 'clean-update'])
    await terminal.waitFor('?')
    terminal.type(key)
    expect(await terminal.exit).toBe(130)
    expect((await terminal.screen()).join('\n')).toMatch(/interrupted[\s\S]*nothing was changed/)
    const cursor = [...terminal.raw().matchAll(/\u001b\[\?25([hl])/g)].map(([, state]) => state)
    expect(cursor.at(-1) ?? 'h').toBe('h')
  })

  it.each(['SIGTERM', 'SIGHUP'] as const)(
    'ends with 130 at %s while a question stands there',
    async (signal) => {
      const terminal = openTerminal(['rehearse', '--scenario', 'clean-update'])
      await terminal.waitFor('?')
      terminal.signal(signal)
      expect(await terminal.exit).toBe(130)
    },
  )
})

describe('80 columns', () => {
  it.each(SCENARIOS.map(({ name }) => name))('no line of %s is wider', async (name) => {
    const terminal = openTerminal(['rehearse', '--scenario', name, '--yes'])
    await terminal.exit
    const wide = terminal
      .raw()
      .replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
      .split(/\r?\n|\r/)
      .filter((line) => line.length > 80)
    expect(wide).toEqual([])
  })
})

describe('colour', () => {
  it('is there in a terminal', async () => {
    const terminal = openTerminal(['rehearse', '--scenario', 'no-aem', '--yes'])
    await terminal.exit
    expect(terminal.raw()).toMatch(/\u001b\[[0-9;]*m/)
  })

  it.each([
    ['NO_COLOR', [], { NO_COLOR: '1' }],
    ['--no-color', ['--no-color'], {}],
  ] as const)('is not there with %s, at questions neither', async (_what, args, env) => {
    const terminal = openTerminal(['rehearse', '--scenario', 'clean-update', ...args], env)
    await terminal.waitFor('?')
    terminal.type(CTRL_C)
    await terminal.exit
    expect(terminal.raw()).not.toMatch(/\u001b\[[0-9;]*[1-9][0-9;]*m/)
  })

  it('--ascii holds at questions too', async () => {
    const terminal = openTerminal(['rehearse', '--scenario', 'clean-update', '--ascii'])
    await terminal.waitFor('?')
    terminal.type(DOWN)
    terminal.type(CTRL_C)
    await terminal.exit
    expect([...terminal.raw()].filter((character) => character.charCodeAt(0) > 127)).toEqual([])
  })
})
