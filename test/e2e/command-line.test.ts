import { spawn } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GLOBAL_OPTIONS, VERBS } from '../../src/cli/verbs.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { ANSWERS } from '../support/answers.ts'
import { copyAlone, DIST, runBuilt } from '../support/built.ts'
import { aSession } from '../support/built-in.ts'
import { runToEnd } from '../support/process.ts'
import { aemDom0 } from '../support/recorded-machine.ts'
import { ROOT } from '../support/sources.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }

describe('help and version', () => {
  it.each([[['--help']], [['-h']], [['start', '--help']], [['--help', 'start']]])(
    '%j ends with 0',
    async (args) => {
      const run = await runBuilt(args)
      expect(run.code).toBe(0)
      expect(run.text).toContain('Usage: aem-reseal')
      expect(run.stderr).toBe('')
    },
  )

  it('--help names every command and option of the contract', async () => {
    const { text } = await runBuilt(['--help'])
    const words = new Set(VERBS.map(({ name }) => name.split(' ')[0]))
    expect(words.size).toBeGreaterThan(10)
    for (const name of words) expect(text).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'))
    const options = [...GLOBAL_OPTIONS.map(({ flag }) => flag), '--version', '--help']
    expect(options.length).toBeGreaterThan(8)
    for (const name of options) expect(text).toContain(name)
  })

  it('--version is that of the package', async () => {
    const run = await runBuilt(['--version'])
    expect([run.code, run.text]).toEqual([0, `${version}\n`])
  })
})

describe('wrong usage ends with 2, says what is wrong and changes nothing', () => {
  it.each([
    [['--nonsense']],
    [['nonsense']],
    [['status', 'too', 'many']],
    [['status', '--nonsense']],
    [['--machine']],
    [['--state-dir']],
    [['start', '--yes', '--protect', 'magic']],
    [['start', '--yes', '--restart', 'tomorrow']],
    [['start', '--yes', '--restart', '+9999']],
    [['start', '--yes', '--restart', '24:00']],
    [['start', '--yes', '--restart', '-1']],
    [['rehearse', '--scenario', 'no-such-story']],
    [['rehearse', '--scenario', '']],
    [['rehearse', '--scenario']],
    [['plan', 'no-such-flow']],
    [['record']],
    [['verify', '--device', '../../etc']],
    [['verify', '--device', 'suffix-that-is-far-too-long']],
  ])('%j', async (args) => {
    const machine = aemDom0().write()
    for (const json of [false, true]) {
      const run = await runBuilt([
        ...(json ? ['--json'] : []),
        ...(args.includes('--machine') ? [] : ['--machine', machine]),
        ...args,
      ])
      expect(run.code, args.join(' ')).toBe(2)
      if (json) expect(ANSWERS.error.parse(run.json).error.next).not.toBe('')
      else {
        expect(run.text).toBe('')
        // A line that is longer than the width goes on below its first word.
        expect(run.stderr).toMatch(/^error: .+\n(?: {7}.+\n)*(?:why: .+\n(?: {7}.+\n)*)?next: .+/)
      }
    }
  })
})

describe('options stand before or after the command', () => {
  it('and mean the same', async () => {
    const machine = aemDom0().write()
    const [before, after, mixed] = [
      await runBuilt(['--json', '--machine', machine, 'status']),
      await runBuilt(['status', '--json', '--machine', machine]),
      await runBuilt(['--machine', machine, 'status', '--json']),
    ]
    expect(before.code).toBe(0)
    expect(after.text).toBe(before.text)
    expect(mixed.text).toBe(before.text)
    const none = await runBuilt(['--machine', machine, '--json'])
    expect(none.text).toBe(before.text)
  })
})

describe('without a terminal', () => {
  it.each([
    [['start']],
    [['start', '--protect', 'plain']],
    [['rehearse', '--scenario', 'clean-update']],
    [['start', '--json']],
  ])('%j asks nothing, runs nothing and ends with 2', async (args) => {
    const state = temporaryDirectory()
    const machine =
      args[0] === 'start' ? ['--machine', aemDom0().withXen('4.17.4-3', '4.17.4-4').write()] : []
    const run = await runBuilt([...args, '--state-dir', state, ...machine])
    expect(run.code).toBe(2)
    const said = args.includes('--json') ? ANSWERS.error.parse(run.json).error.next : run.stderr
    expect(said).toContain('--yes')
    expect(run.text === '' || args.includes('--json')).toBe(true)
    expect(readdirSync(state)).toEqual([])
  })

  it('the end of input is no answer', async () => {
    const run = await runToEnd(
      '/usr/bin/setsid',
      [process.execPath, DIST, 'rehearse', '--scenario', 'clean-update'],
      {
        stdin: '\n\n\n\n\n\n\n\n',
      },
    )
    expect(run.code).toBe(2)
  })

  it('a terminal without a width, as a serial console, is written to like one of 80 columns', async () => {
    const asked = `'${process.execPath}' '${DIST}' rehearse --scenario no-aem --yes`
    const run = await runToEnd('/usr/bin/script', ['-qec', asked, '/dev/null'], { stdin: '' })
    expect(run.code).toBe(1)
    expect(run.stdout.toString('utf8')).toContain('Anti Evil Maid is not installed')
  })

  it('writes no escape code and no cursor movement', async () => {
    const machine = aemDom0().write()
    for (const args of [
      ['rehearse', '--scenario', 'evil-maid', '--yes'],
      ['status', '--machine', machine],
      ['plan'],
      ['commands'],
      ['--help'],
      ['rehearse', '--list'],
    ]) {
      const run = await runBuilt(args, { env: { FORCE_COLOR: '1' } })
      expect(run.text, args.join(' ')).not.toMatch(/[\u001b\r]/)
      expect(run.stderr).not.toMatch(/[\u001b\r]/)
    }
  })
})

describe('resume and cancel', () => {
  it.each([['resume'], ['cancel']])(
    '%s with nothing to do ends with 1 and says what to run',
    async (name) => {
      const run = await runBuilt([name, '--yes', '--json', '--state-dir', join(temporaryDirectory(), 'none')])
      expect(run.code).toBe(1)
      expect(ANSWERS.error.parse(run.json).error.next).toContain('aem-reseal')
    },
  )

  it.each([
    ['{"half": ', 'session-damaged'],
    ['{"some": "file"}', 'session-foreign'],
    [JSON.stringify({ ...aSession(), version: 2 }), 'session-newer'],
    [JSON.stringify({ ...aSession(), since: 'yesterday' }), 'session-damaged'],
  ])('a session file that says %j is kept, with a clear error', async (text, code) => {
    const machine = aemDom0().withFile('/var/lib/aem-reseal/session.json', text).write()
    for (const name of ['resume', 'cancel', 'explain']) {
      const run = await runBuilt([name, '--yes', '--json', '--machine', machine])
      expect(ANSWERS.error.parse(run.json).error.code, name).toBe(code)
      expect(run.code).toBe(1)
    }
    expect(readFileSync(join(machine, 'root/var/lib/aem-reseal/session.json'), 'utf8')).toBe(text)
  })
})

describe('--json is one document of the contract and nothing else', () => {
  it('for status, verify, explain', async () => {
    const machine = aemDom0().withStick().write()
    const status = await runBuilt(['status', '--json', '--machine', machine])
    expect(ANSWERS.status.parse(status.json).aem.devices).toHaveLength(2)
    const verify = await runBuilt(['verify', '--json', '--machine', machine])
    expect(ANSWERS.verify.parse(verify.json).map(({ device }) => device)).toEqual(['aem', 'aem.stick'])
    expect(verify.code).toBe(1)
    const one = await runBuilt(['verify', '--json', '--machine', machine, '--device', '.stick'])
    expect(ANSWERS.verify.parse(one.json).map(({ device }) => device)).toEqual(['aem.stick'])
    const explain = await runBuilt(['explain', '--json', '--machine', machine])
    expect(ANSWERS.explain.parse(explain.json).verdict).toBe('no-baseline')
    expect(explain.code).toBe(1)
    for (const { stderr } of [status, verify, one, explain]) expect(stderr).toBe('')
  })

  it('for rehearse, also where it ends badly', async () => {
    for (const { name, exit } of SCENARIOS) {
      const run = await runBuilt(['rehearse', '--scenario', name, '--yes', '--json'])
      expect(ANSWERS.run.parse(run.json).exit).toBe(exit)
      expect(run.code).toBe(exit)
      expect(run.stderr).toBe('')
    }
  })

  it('for commands, plan and the list of scenarios', async () => {
    for (const args of [['commands'], ['plan'], ['plan', 'resume'], ['rehearse', '--list']]) {
      const run = await runBuilt([...args, '--json'])
      expect(Array.isArray(run.json), args.join(' ')).toBe(true)
      expect(run.code).toBe(0)
    }
  })

  it('for every error', async () => {
    for (const args of [
      ['--machine', '/nonexistent', 'status'],
      ['status', '--machine', temporaryDirectory()],
      ['resume', '--yes', '--state-dir', '/proc/nonexistent'],
      ['rehearse', '--scenario', 'x'],
    ]) {
      const run = await runBuilt([...args, '--json'])
      expect(ANSWERS.error.safeParse(run.json).success, `${args.join(' ')}: ${run.text}`).toBe(true)
      expect([1, 2]).toContain(run.code)
    }
  })
})

describe('rehearse --yes', () => {
  it.each(SCENARIOS.map(({ name, exit }) => [name, exit] as const))(
    '%s ends with %i, and its first line says that it is the built-in machine',
    async (scenario, exit) => {
      const run = await runBuilt(['rehearse', '--scenario', scenario, '--yes'])
      expect(run.code).toBe(exit)
      expect(run.stderr).toBe('')
      const [first = ''] = run.text.split('\n')
      expect(first).toContain('built-in machine')
      // Whatever happened, the last paragraph says that nothing changed, and what else can be tried.
      expect(run.text.trimEnd().split(/\n\n/).at(-1)).toMatch(
        /^This was a rehearsal; nothing changed\.\nTry another: `aem-reseal rehearse --scenario /,
      )
    },
  )

  it('leaves nothing behind', async () => {
    const directory = temporaryDirectory()
    const run = await runBuilt(
      ['rehearse', '--scenario', 'clean-update', '--yes', '--state-dir', join(directory, 's')],
      {
        cwd: directory,
      },
    )
    expect(run.code).toBe(0)
    expect(readdirSync(directory)).toEqual([])
  })

  it('in a dom0 with AEM reads for real, writes nothing, and says so first', async () => {
    const machine = aemDom0().withXen('4.17.4-3', '4.17.4-4').write()
    const run = await runBuilt(['rehearse', '--yes', '--machine', machine])
    expect(run.text.split('\n')[0]).toMatch(/real|not done/)
    expect(run.code).toBe(1)
  })
})

describe('signals and pipes', () => {
  it.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)(
    '%s ends the program as cleanly as Ctrl-C',
    async (signal) => {
      const child = spawn(process.execPath, [DIST, 'rehearse', '--scenario', 'clean-update', '--yes'], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let stderr = ''
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString('utf8')
      })
      const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)))
      await new Promise((resolve) => child.stdout.once('data', resolve))
      child.kill(signal)
      child.stdout.resume()
      // It may have come to its end before the signal did.
      expect([130, 0]).toContain(await ended)
      expect(stderr).toBe('')
    },
  )

  it('a closed pipe ends it without a word', async () => {
    const script = `"${process.execPath}" "${DIST}" rehearse --scenario clean-update --yes | head -1; exit "\${PIPESTATUS[0]}"`
    const run = await runToEnd('/bin/bash', ['-c', script])
    expect(run.stdout.toString('utf8').split('\n')).toHaveLength(2)
    expect(run.stderr).toBe('')
    expect([0, 130]).toContain(run.code)
  })

  it('a full device for its output is an error, not silence', async () => {
    const script = `"${process.execPath}" "${DIST}" rehearse --scenario clean-update --yes > /dev/full`
    const run = await runToEnd('/bin/bash', ['-c', script])
    expect(run.code).toBe(1)
  })
})

describe('--ascii and colour', () => {
  it('--ascii prints no byte above 127', async () => {
    const machine = aemDom0().withStick().write()
    const runs = [
      ['rehearse', '--scenario', 'clean-update', '--yes'],
      ['rehearse', '--scenario', 'evil-maid', '--yes'],
      ['status', '--machine', machine],
      ['verify', '--machine', machine],
      ['explain', '--machine', machine],
      ['plan'],
      ['plan', '--mermaid'],
      ['commands'],
      ['rehearse', '--list'],
      ['--help'],
      ['status', '--machine', '/nonexistent/\u00fc\u202e'],
    ]
    for (const args of runs) {
      const run = await runBuilt([...args, '--ascii'])
      expect(
        run.stdout.every((byte) => byte < 0x80),
        args.join(' '),
      ).toBe(true)
      expect(
        Buffer.from(run.stderr).every((byte) => byte < 0x80),
        args.join(' '),
      ).toBe(true)
    }
  })

  it('hostile text on the command line comes back harmless', async () => {
    const evil = 'x\u001b]0;owned\u0007\u202ey\u009b31m'
    for (const args of [
      ['--machine', `/nonexistent/${evil}`],
      [evil],
      ['rehearse', '--scenario', evil],
      ['plan', evil],
    ]) {
      const run = await runBuilt(args)
      expect(`${run.text}${run.stderr}`, args.join(' ')).not.toMatch(/[\u001b\u0007\u202e\u009b]/)
      const json = await runBuilt([...args, '--json'])
      expect(json.stdout.every((byte) => byte < 0x7f)).toBe(true)
    }
  })
})

describe('the built file', () => {
  it('works alone in an empty directory', async () => {
    const directory = temporaryDirectory()
    const program = copyAlone(directory)
    const machine = aemDom0().write()
    const options = { program, cwd: directory }
    expect((await runBuilt(['--version'], options)).text).toBe(`${version}\n`)
    expect((await runBuilt(['rehearse', '--scenario', 'clean-update', '--yes'], options)).code).toBe(0)
    expect((await runBuilt(['status', '--machine', machine], options)).code).toBe(0)
    expect((await runBuilt(['status', '--state-dir', join(directory, 'state')], options)).code).toBe(0)
    expect(readdirSync(directory)).toEqual(['aem-reseal.mjs'])
  })

  it('begins with the system node, and is executable', async () => {
    expect(readFileSync(DIST, 'utf8').startsWith('#!/usr/bin/node\n')).toBe(true)
  })

  it('names no file of the machine it was built on', () => {
    expect(readFileSync(DIST, 'utf8')).not.toContain(ROOT)
  })
})

describe('as somebody else than root', () => {
  const asNobody = (args: readonly string[], directory: string) =>
    runToEnd(
      '/usr/bin/setpriv',
      ['--reuid=65534', '--clear-groups', process.execPath, join(directory, 'aem-reseal.mjs'), ...args],
      {
        cwd: '/',
        env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent' },
      },
    )

  function publicCopy(): string {
    const directory = temporaryDirectory()
    copyAlone(directory)
    chmodSync(directory, 0o755)
    return directory
  }

  it('status says how sudo failed, and ends with 1', async () => {
    const run = await asNobody(['status'], publicCopy())
    expect(run.code).toBe(1)
    expect(run.stderr).toMatch(/^error: .*needs root, and sudo did not give it: .+/)
    expect(run.stderr).toMatch(/^next: .+/m)
    expect(run.stdout.toString()).toBe('')
  })

  it('status --json says it in JSON', async () => {
    const run = await asNobody(['status', '--json'], publicCopy())
    expect(ANSWERS.error.parse(JSON.parse(run.stdout.toString())).error.code).toBe('sudo-failed')
  })

  it('what needs no root runs without it', async () => {
    const directory = publicCopy()
    for (const args of [
      ['commands'],
      ['plan'],
      ['rehearse', '--scenario', 'clean-update', '--yes'],
      ['--version'],
    ]) {
      expect((await asNobody(args, directory)).code, args.join(' ')).toBe(0)
    }
  })
})
