import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { DIST } from '../support/built.ts'
import { runToEnd } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/*
 * What a person is told to type is typed as it is printed, into a shell: as root, and with sudo before it. `--help` behind it lets the
 * program take the whole line apart and do nothing.
 */

/** Commands in backquotes, whole though the line was broken. */
function toldIn(text: string): readonly string[] {
  const joined = text.replaceAll(/\s+/g, ' ')
  return [...joined.matchAll(/`((?:sudo )?aem-reseal[^`]*)`/g)].map(([, told = '']) => told)
}

/** A directory with `aem-reseal`, and a `sudo` that runs what it is given. */
function programsDirectory(): string {
  const directory = temporaryDirectory()
  const put = (name: string, script: string): void => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(directory, name), 0o755)
  }
  put('aem-reseal', `exec '${process.execPath}' '${DIST}' "$@"`)
  put('sudo', 'exec "$@"')
  return directory
}

const run = async (...args: readonly string[]) => {
  const { stdout, stderr } = await runToEnd(process.execPath, [DIST, ...args])
  return `${stdout.toString()}\n${stderr}`
}

describe('every command that a run tells', async () => {
  const texts = await Promise.all([
    ...SCENARIOS.flatMap(({ name }) => [
      run('rehearse', '--scenario', name, '--yes'),
      run('rehearse', '--scenario', name, '--yes', '--details'),
    ]),
    ...['alarm', 'forward-seal', 'hold', 'plain', 'devices', 'nonsense'].map((topic) => run('help', topic)),
    ...[['strat'], ['bulletin', 'lst'], ['start', '--protect', 'x'], ['rehearse', '--scenario', 'evil']].map(
      (words) => run(...words),
    ),
    run('report', '--state-dir', '/nonexistent'),
  ])
  // Names in capitals stand for what a person puts there.
  const told = [...new Set(texts.flatMap(toldIn))].map((one) =>
    one.replaceAll(/\b(?:NAME|FILE|ID)\b/g, 'aem'),
  )

  it('are many', () => {
    expect(told.length).toBeGreaterThan(15)
    expect(told.join('\n')).toContain('aem-reseal rehearse --scenario evil-maid')
    expect(told.join('\n')).toContain('aem-reseal help')
  })

  it.each(['', 'sudo '])('is taken as it is printed, typed with %j before it', async (before) => {
    const path = `${programsDirectory()}:/usr/bin:/bin`
    const script = told
      .map((one) => {
        const typed = one.startsWith('sudo ') ? one : `${before}${one}`
        const asked = typed.endsWith('--help') ? typed : `${typed} --help`
        return `${asked} > /dev/null || echo '${typed}'`
      })
      .join('\n')
    const { stdout, stderr, code } = await runToEnd('/bin/sh', ['-c', script], { env: { PATH: path } })
    expect([stdout.toString(), stderr, code]).toEqual(['', '', 0])
  })
})
