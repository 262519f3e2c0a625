import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { makeTerminalUi } from '../../src/ui/terminal.ts'
import { line } from '../../src/ui/ui.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('what is said while something is under way takes the place of the progress line', async () => {
  let written = ''
  const ui = makeTerminalUi({
    write: (text) => {
      written += text
    },
    color: false,
    ascii: false,
    isTerminal: true,
    columns: 80,
    clears: true,
    yes: false,
    askTerminal: async () => {
      throw new Error('nothing is asked')
    },
  })
  await ui.progress('AEM seals', async () => {
    await vi.advanceTimersByTimeAsync(1000)
    expect(written).toBe('  … AEM seals')
    ui.say([line('UNPLUG the stick now')])
  })
  expect(written).toBe('  … AEM seals\r\x1b[KUNPLUG the stick now\n')
})
