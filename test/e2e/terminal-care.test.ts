import { describe, expect, it } from 'vitest'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { DIST } from '../support/built.ts'
import { runToEnd } from '../support/process.ts'
import { CTRL_C, CTRL_D, ENTER, openPty, openTerminal } from '../support/terminal.ts'

/* Stopped and continued, on terminals that can do little, and where there is none. */

const CTRL_Z = '\u001a'
const ESCAPE = '\u001b'

describe('Ctrl-Z and fg', () => {
  it.each([
    ['at a question', 'Which bulletin', '', 'Which bulletin'],
    ['at a question that has more to say', 'Forward seal, hold', ENTER, 'Forward seal, hold'],
  ])(
    '%s gives the shell back, and the question stands there again',
    async (_where, question, before, again) => {
      const shell = openPty('/bin/bash', ['--norc', '--noprofile', '-i'], { PS1: 'shell> ' })
      await shell.waitFor('shell> ')
      shell.type(`${process.execPath} ${DIST} rehearse --scenario clean-update\r`)
      if (before !== '') {
        await shell.waitFor('Which bulletin')
        shell.type(before)
      }
      await shell.waitFor(question)
      shell.type(CTRL_Z)
      await shell.waitFor('Stopped')
      // The shell reads lines as before: the terminal was given back as it was.
      shell.type('echo "it $((20 + 22))"\r')
      await shell.waitFor('it 42')
      shell.type('fg\r')
      await shell.waitFor(again)
      shell.type(CTRL_C)
      await shell.waitFor('interrupted')
      shell.type('echo "exit $?"\r')
      await shell.waitFor('exit 130')
      shell.type('exit\r')
      await shell.exit
    },
  )

  it('stops what started it too, as sudo: all of it goes on with fg', async () => {
    const shell = openPty('/bin/bash', ['--norc', '--noprofile', '-i'], { PS1: 'shell> ' })
    await shell.waitFor('shell> ')
    // A program that only waits for the other one, as this program does for sudo.
    const waiting = `require('node:child_process').spawnSync(process.execPath, ['${DIST}', 'rehearse', '--scenario', 'clean-update'], { stdio: 'inherit' })`
    shell.type(`${process.execPath} -e "${waiting}"\r`)
    await shell.waitFor('Which bulletin')
    shell.type(CTRL_Z)
    await shell.waitFor('Stopped')
    shell.type('fg\r')
    await shell.waitFor('Which bulletin')
    shell.type(ENTER)
    // The next question: keys go where they are meant to.
    await shell.waitFor('Forward seal, hold')
    shell.type(CTRL_C)
    await shell.waitFor('shell> ')
    shell.type('exit\r')
    await shell.exit
  })
})

describe('TERM=dumb', () => {
  const dumb = { TERM: 'dumb' }

  it('has no colours and moves no cursor; questions are answered by numbers', async () => {
    const terminal = openTerminal(['rehearse', '--scenario', 'clean-update'], dumb)
    await terminal.waitFor('1. QSB-103')
    await terminal.waitFor('a number, Enter for')
    terminal.type('7\r')
    await terminal.waitFor('a number, Enter for')
    terminal.type('1\r')
    await terminal.waitFor('Forward seal, hold')
    await terminal.waitFor('? for more')
    terminal.type('?\r')
    await terminal.waitFor('Enter')
    terminal.type('\r')
    await terminal.waitFor('a number, Enter for')
    terminal.type(CTRL_D)
    expect(await terminal.exit).toBe(130)
    expect(terminal.raw()).not.toContain(ESCAPE)
  })

  it.each(['clean-update', 'evil-maid'])('%s with --yes has neither', async (name) => {
    const terminal = openTerminal(['rehearse', '--scenario', name, '--yes'], dumb)
    await terminal.exit
    expect(terminal.raw()).toContain('This was a rehearsal')
    expect(terminal.raw()).not.toContain(ESCAPE)
    expect(terminal.raw().replaceAll('\r\n', '')).not.toContain('\r')
  })
})

describe('a pipe', () => {
  const run = (...args: readonly string[]) => runToEnd(process.execPath, [DIST, ...args])
  const wide = (text: string) => text.split('\n').filter((line) => line.length > 80)

  it.each(SCENARIOS.map(({ name }) => name))('gets lines of at most 80 characters of %s', async (name) => {
    const { stdout } = await run('rehearse', '--scenario', name, '--yes', '--details')
    const lines = stdout.toString()
    expect(lines.length).toBeGreaterThan(400)
    expect(wide(lines)).toEqual([])
  })

  it('gets errors, help and topics in the same width', async () => {
    const { stderr } = await run('rehearse', '--scenario', 'nonsense')
    expect(stderr.split('\n').length).toBeGreaterThan(3)
    expect(wide(stderr)).toEqual([])
    for (const topic of ['alarm', 'devices', 'gate', 'hold'])
      expect(wide((await run('help', topic)).stdout.toString())).toEqual([])
  })

  it('in ASCII has no other character, and its tables stay in line', async () => {
    const { stdout } = await run('rehearse', '--scenario', 'clean-update', '--yes', '--details', '--ascii')
    const text = stdout.toString()
    expect([...text].filter((character) => character.charCodeAt(0) > 126)).toEqual([])
    const [head = '', ...rows] = text
      .split('\n')
      .filter((line) => /^ +(?:PCR +now|1[3789] sha256)/.test(line))
    expect(rows.length).toBeGreaterThanOrEqual(4)
    for (const row of rows)
      for (const name of ['now', 'predicted'])
        expect(row.charAt(head.indexOf(name) - 1) + row.charAt(head.indexOf(name)), row).toMatch(
          /^[ ][0-9a-f]$/,
        )
  })
})
