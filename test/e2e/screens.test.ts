import { describe, expect, it } from 'vitest'
import { BOUNDS, countCleanRehearsal, countWords } from '../../tools/count-words.mjs'
import { CTRL_C, CTRL_D, DOWN, ENTER, openTerminal, type Terminal } from '../support/terminal.ts'

/* What a person sees at the moments that count, in a real terminal: the last lines of it, and nothing else. */

const SIZES = [
  [80, 24],
  [60, 20],
] as const

type Size = (typeof SIZES)[number]

const CHOICE = 'Forward seal, hold, or plain?'
const PHOTOGRAPHED = 'Enter when photographed'
const RESTART = 'When is dom0 restarted?'
const GO_ON = 'Enter to go on'
const ACCEPT = 'Accept the explained change'
const SECRET = 'Did your own secret appear'

const YES = `${DOWN}${ENTER}`
const NOT_SURE = `${DOWN}${DOWN}${ENTER}`
/** The first choice stands there. */
const NO = ENTER

type Key = readonly [words: string, keys: string]

const FORWARD: Key = [CHOICE, ENTER]
const HOLD: Key = [CHOICE, `${DOWN}${ENTER}`]
const PLAIN: Key = [CHOICE, `${DOWN}${DOWN}${ENTER}`]
const TO_RESTART: readonly Key[] = [
  [PHOTOGRAPHED, ENTER],
  [RESTART, ENTER],
]

/** Types each answer as its question comes. */
async function play(scenario: string, [columns, rows]: Size, keys: readonly Key[]): Promise<Terminal> {
  const terminal = openTerminal(['rehearse', '--scenario', scenario], {}, rows, columns)
  terminal.waitFor('Which bulletin').then(
    () => terminal.type(ENTER),
    () => undefined,
  )
  for (const [words, typed] of keys) {
    await terminal.waitFor(words)
    // The choices stand there once the keys are told.
    if (words.endsWith('?') || words === ACCEPT || words === SECRET) await terminal.waitFor('to move')
    terminal.type(typed)
  }
  return terminal
}

/** The visible lines, without the empty ones at the end; each is no wider than the terminal by its nature. */
async function viewOf(terminal: Terminal): Promise<readonly string[]> {
  const view = await terminal.view()
  return view.slice(0, view.findLastIndex((line) => line !== '') + 1)
}

/** As a text that is read: lines that were folded are one again. */
function textOf(view: readonly string[]): string {
  return view.join(' ').replaceAll(/\s+/g, ' ')
}

async function leave(terminal: Terminal): Promise<void> {
  terminal.type(CTRL_C)
  expect(await terminal.exit).toBe(130)
}

describe.each(SIZES)('at %ix%i', (columns, rows) => {
  const size = [columns, rows] as Size

  it('the choice shows what changes and three ways below each other', async () => {
    const terminal = await play('clean-update', size, [])
    await terminal.waitFor(CHOICE)
    await terminal.waitFor('? for more')
    const view = await viewOf(terminal)
    expect(view[0]).toBe('Changes at the next boot')
    expect(textOf(view)).toContain(
      'PCR 18: Xen (xen-hypervisor 4.17.4-4.fc37, signed by Qubes OS Release 4.2 Signing Key). Nothing else.',
    )
    const ways = view.flatMap((line) => /^[❯ ] (forward seal|hold|plain): /.exec(line)?.[1] ?? [])
    expect(ways).toEqual(['forward seal', 'hold', 'plain'])
    // What the prompts break themselves they break in the middle of a word.
    const choices = textOf(view).replaceAll(/[❯?] /g, '')
    expect(choices).toContain('forward seal: your sentence must appear at the next boot (recommended)')
    expect(choices).toContain('AEM seals only what is predicted or accepted (installs a drop-in)')
    expect(view.filter((line) => /^ {2}\(/.test(line))).toHaveLength(columns < 80 ? 2 : 0)
    await leave(terminal)
  })

  it('a question that is wider than the terminal is broken between words', async () => {
    const asked = 'Did your own secret appear in this boot, before you typed the disk passphrase?'
    const terminal = await play('clean-update', size, [FORWARD, ...TO_RESTART])
    await terminal.waitFor(SECRET)
    await terminal.waitFor('to move')
    expect(textOf(await viewOf(terminal))).toContain(asked)
    await leave(terminal)
  })

  it('`?` shows the rest, three sentences for each way, and comes back to the choice', async () => {
    const terminal = await play('clean-update', size, [[CHOICE, '?']])
    // In pages where the terminal is too small for all of it.
    await terminal.waitFor(columns < 80 ? 'Enter for the rest' : 'Enter to choose')
    expect((await viewOf(terminal))[0]).toBe('The three ways through the restart')
    if (columns < 80) {
      terminal.type(ENTER)
      await terminal.waitFor('Enter to choose')
    }
    const text =
      textOf((await terminal.screen()).slice(0, -1))
        .split('The three ways')
        .at(-1) ?? ''
    const [, forward = '', hold = '', plain = ''] =
      /forward-seal \(recommended\) (.*) hold (A drop-in.*) plain (AEM does.*) Enter to choose/.exec(
        text.replaceAll(/ ?Enter for the rest ?/g, ' '),
      ) ?? []
    for (const words of [forward, hold, plain]) expect(words.match(/[.](?= |$)/g)).toHaveLength(3)
    terminal.type(ENTER)
    await terminal.waitFor(CHOICE)
    expect((await viewOf(terminal))[0]).toBe('Changes at the next boot')
    await leave(terminal)
  })

  it.each([
    [
      'a forward seal',
      FORWARD,
      [
        'Your own sentence MUST appear before you type the passphrase.',
        'If it does not: type nothing, and power off.',
      ],
    ],
    [
      'hold',
      HOLD,
      [
        'Your sentence will NOT appear this once: PCR 18 will differ.',
        "AEM's own seal is held until",
        'If anything else looks wrong: type nothing, and power off.',
      ],
    ],
    [
      'plain',
      PLAIN,
      [
        'Your sentence will NOT appear this once: PCR 18 will differ.',
        'AEM then seals by itself to whatever booted.',
        'If anything else looks wrong: type nothing, and power off.',
      ],
    ],
  ] as const)('the photograph of %s is one screen, and waits', async (_way, way, says) => {
    const terminal = await play('clean-update', size, [way])
    await terminal.waitFor(PHOTOGRAPHED)
    const view = await viewOf(terminal)
    expect(terminal.raw()).toContain(CLEARED)
    expect(view[0]).toBe('PHOTOGRAPH THIS: what the next boot must show')
    expect(view[1]).toMatch(/^20\d\d-\d\d-\d\d \d\d:\d\d UTC, device aem$/)
    for (const words of ['Choose the AEM entry in the GRUB menu.', ...says])
      expect(textOf(view)).toContain(words)
    const registers = view.filter((line) =>
      /^ {2}PCR (13|17|18|19) {2}[0-9a-f]{8} \.\.\. [0-9a-f]{8}$/.test(line),
    )
    expect(registers).toHaveLength(4)
    expect(view.at(-1)?.trim()).toBe(PHOTOGRAPHED)
    // The restart is not asked about before it was photographed.
    expect(terminal.raw()).not.toContain(RESTART)
    terminal.type(ENTER)
    await terminal.waitFor(RESTART)
    expect(textOf(await viewOf(terminal))).toContain('sys-net, sys-firewall, work')
    await leave(terminal)
  })

  it('after the restart the own sentence is asked for first', async () => {
    const terminal = await play('clean-update', size, [FORWARD, ...TO_RESTART])
    await terminal.waitFor(SECRET)
    await terminal.waitFor('to move')
    const view = await viewOf(terminal)
    expect(view[0]).toBe('After the restart: your own sentence')
    const answers = view.flatMap((line) => /^[❯ ] (yes|no|not sure)\b/.exec(line)?.[1] ?? [])
    expect(answers).toEqual(['no', 'yes', 'not sure'])
    expect(terminal.raw()).not.toContain('every change is consistent')
    await leave(terminal)
  })

  it('shown: done, with what it rests on, and nothing to accept', async () => {
    const terminal = await play('clean-update', size, [FORWARD, ...TO_RESTART, [SECRET, YES]])
    expect(await terminal.exit).toBe(0)
    const view = await viewOf(terminal)
    const title = view.indexOf('✔ DONE: your secret appeared in this boot')
    expect(title).not.toBe(-1)
    const text = textOf(view.slice(title))
    expect(text).toContain('Explained: PCR 18 by xen-hypervisor 4.17.4-4.fc37.')
    expect(text).toContain('The report: ')
    expect(text).toContain('after the next update, before its restart: `aem-reseal start`')
    expect(terminal.raw()).not.toContain(ACCEPT)
  })

  it('not shown: an alarm of its own, exit 4', async () => {
    const terminal = await play('clean-update', size, [FORWARD, ...TO_RESTART, [SECRET, NO]])
    expect(await terminal.exit).toBe(4)
    expectAlarm(await viewOf(terminal), 'NO SECRET: nothing vouches for this boot', [
      'what a changed boot says of itself proves nothing',
    ])
  })

  it('not sure: one more AEM boot, with what it must show', async () => {
    const terminal = await play('clean-update', size, [
      FORWARD,
      ...TO_RESTART,
      [SECRET, NOT_SURE],
      [ACCEPT, YES],
    ])
    await terminal.waitFor(GO_ON)
    const view = await viewOf(terminal)
    expect(view[0]).toBe('NOT DONE YET')
    const text = textOf(view)
    expect(text).toContain('One more AEM boot shows whether the secret appears.')
    expect(text).toContain('restart once more with the AEM entry')
    expect(text).toContain('your secret MUST appear before you type the passphrase')
    expect(text).toContain('If it does not, type nothing and power off.')
    await leave(terminal)
  })

  it.each([
    ['evil-maid', 'PCR 18: the Xen image /xen-4.17.4.gz is not as xen-hypervisor'],
    ['sinit-changed', '/boot/SINIT.BIN (sinit) is not the file that was confirmed'],
  ])('the alarm of %s stands there whole', async (scenario, names) => {
    const terminal = await play(scenario, size, [FORWARD, ...TO_RESTART, [GO_ON, ENTER], [SECRET, NO]])
    expect(await terminal.exit).toBe(4)
    expectAlarm(await viewOf(terminal), 'NO SECRET, and something else booted', [names])
    const quiet = openTerminal(['rehearse', '--scenario', scenario, '--yes'], {}, rows, columns)
    expect(await quiet.exit).toBe(4)
    expectAlarm(await viewOf(quiet), 'UNEXPLAINED CHANGE', [names])
  })
})

/** Title, what is named, what AEM did, the orders, the verdict again: in this order, and all of it in sight. */
function expectAlarm(view: readonly string[], title: string, names: readonly string[]): void {
  const first = view.findIndex((line) => line.startsWith(`✖ ${title}`))
  const last = view.findLastIndex((line) => line.startsWith('✖ '))
  expect(first, view.join('\n')).not.toBe(-1)
  expect(last).toBeGreaterThan(first)
  const lines = view.slice(first, last + 1)
  expect(lines.length).toBeLessThanOrEqual(22)
  const text = textOf(lines)
  const inOrder = [
    ...names,
    'AEM has sealed to it by itself already.',
    '1. Power off now, and type no passphrase here.',
    '2. Count the disk passphrase as known; change it elsewhere.',
    '3. Do not reseal yourself.',
    '4. Compare with another AEM device if you have one.',
    '5. Check this boot device offline, on a computer you trust.',
    '6. If this device is unchanged, count the machine as lost.',
    '7. Change the secret once you are in a state you trust.',
    `✖ ${title}: power off now`,
  ]
  const places = inOrder.map((words) => text.indexOf(words, 1))
  expect(
    places.every((at) => at !== -1),
    text,
  ).toBe(true)
  expect(places).toEqual(places.toSorted((a, b) => a - b))
}

/** To the first column of the first line, and clear to the end: the screens' own; the prompts do not send it. */
const CLEARED = '\u001b[H\u001b[J'

describe('where nobody sits before a terminal', () => {
  it.each([
    ['Ctrl-C', CTRL_C],
    ['the end of input', CTRL_D],
  ])('a photograph that is left with %s ends with 130', async (_name, key) => {
    const terminal = await play('clean-update', [80, 24], [FORWARD, [PHOTOGRAPHED, key]])
    expect(await terminal.exit).toBe(130)
  })

  it('--yes waits for nothing and clears nothing', async () => {
    const terminal = openTerminal(['rehearse', '--scenario', 'clean-update', '--yes'], {}, 24, 80)
    expect(await terminal.exit).toBe(0)
    expect(terminal.raw()).not.toContain(CLEARED)
    expect(terminal.raw()).not.toContain(PHOTOGRAPHED)
    expect((await terminal.screen()).join('\n')).toContain('PHOTOGRAPH THIS')
  })

  it('a terminal that cannot be cleared gets the screens below each other', async () => {
    const terminal = openTerminal(['rehearse', '--scenario', 'clean-update'], { TERM: 'dumb' }, 24, 80)
    terminal.waitFor('Which bulletin').then(
      () => terminal.type(ENTER),
      () => undefined,
    )
    await terminal.waitFor('Changes at the next boot')
    expect(terminal.raw()).not.toContain(CLEARED)
    await leave(terminal)
  })
})

describe('words', () => {
  it('are as few as a tired person reads, before the restart and after it', () => {
    const { before, after } = countCleanRehearsal()
    expect(before).toBeGreaterThan(100)
    expect(before).toBeLessThanOrEqual(BOUNDS.before)
    expect(after).toBeGreaterThan(50)
    expect(after).toBeLessThanOrEqual(BOUNDS.after)
    expect(BOUNDS).toEqual({ before: 350, after: 180 })
  })

  it('are counted where a letter is in them', () => {
    expect(countWords('✔ one 2 three, the restart is simulated now')).toEqual({ before: 2, after: 5 })
  })
})
