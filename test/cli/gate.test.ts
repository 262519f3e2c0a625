import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import type { Io } from '../../src/cli/io.ts'
import { Failure } from '../../src/core/failure.ts'
import { parseHeldNote } from '../../src/core/session/held-note.ts'
import type { Host } from '../../src/host/host.ts'
import { makeRealHost } from '../../src/host/real.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { main } from '../../src/main.ts'
import { HOLD_DROP_IN } from '../../src/tables/paths.ts'
import { ANSWERS } from '../support/answers.ts'
import { runMain } from '../support/io.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const STATE = '/var/lib/aem-reseal'
/** As systemd runs it: no terminal, an environment of next to nothing. */
function asSystemd(change: Partial<Io> = {}): Io & { out: string } {
  const io = {
    out: '',
    stdout: (text: string) => {
      io.out += text
    },
    stderr: (text: string) => {
      io.out += text
    },
    stdinIsTerminal: false,
    stdoutIsTerminal: false,
    columns: 80,
    environment: { SYSTEMD_EXEC_PID: '4711', INVOCATION_ID: 'ab'.repeat(16) },
    uid: 0,
    process: { pid: 4711, parentPid: 1 },
    askTerminal: async () => {
      throw new Error('the gate asks no question')
    },
    runAsRoot: async () => {
      throw new Error('the gate uses no sudo')
    },
    makeId: () => '',
    ...change,
  } as Io & { out: string }
  return io
}

function dom0(change: (host: Host, machine: SimMachine) => Partial<Host> = () => ({})) {
  const machine = SCENARIOS[0]!.make()
  const plain = makeSimulatedHost(machine)
  const writes: string[] = []
  const host: Host = {
    ...plain,
    async run(call) {
      if (call.effect === 'write') writes.push(call.argv.join(' '))
      return plain.run(call)
    },
    async writeFileAtomic(path, bytes, mode) {
      writes.push(path)
      return plain.writeFileAtomic(path, bytes, mode)
    },
    async makePrivateDirectory(path) {
      writes.push(path)
    },
    lockFile: async () => {
      throw new Error('the gate takes no lock')
    },
    ...change(plain, machine),
  }
  return { machine, host, writes }
}

/** The same dom0 after a boot in which the TPM refused. */
const refused = (host: Host): Partial<Host> => ({
  async run(call) {
    const answer = await host.run(call)
    if (call.id !== 'aem-journal' || answer.state !== 'seen') return answer
    const stdout = answer.value.stdout.replace(
      /Freshness token (unsealed\.|valid.*)/g,
      'Freshness token unsealing failed!',
    )
    return { state: 'seen', value: { ...answer.value, stdout } }
  },
})

async function gate(io: Io, open: () => Promise<Host>, ...words: readonly string[]): Promise<number> {
  return main(['gate', ...words], io, undefined, open)
}

async function ask(host: Host, io = asSystemd(), ...words: readonly string[]): Promise<number> {
  return gate(io, async () => host, ...words)
}

describe('the answer', () => {
  test('0 when the token unsealed; nothing is written', async () => {
    const { host, writes } = dom0()
    const io = asSystemd()
    expect(await ask(host, io)).toBe(0)
    expect(writes).toEqual([])
    expect(io.out).toContain('may run')
  })

  test('1 when it did not, one line, and a note for the login', async () => {
    const { host, machine, writes } = dom0(refused)
    const io = asSystemd()
    expect(await ask(host, io)).toBe(1)
    expect(io.out.trimEnd().split('\n')).toHaveLength(1)
    expect(io.out).toContain('held')
    expect(writes).toEqual([STATE, `${STATE}/held.json`])
    const note = parseHeldNote(Buffer.from(machine.dom0.get(`${STATE}/held.json`)?.bytes ?? []).toString())
    expect(note).toMatchObject({ reason: 'no-session' })
    expect(note?.bootId).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('the file unseal-success alone proves nothing', async () => {
    const { host, machine } = dom0((plain) => ({
      run: async (call) =>
        call.id === 'aem-journal' ? { state: 'unknown', why: 'no journal' } : plain.run(call),
    }))
    expect(machine.dom0.has('/run/anti-evil-maid/unseal-success')).toBe(true)
    expect(await ask(host)).toBe(1)
  })

  test.each([
    ['unsealed, then invalid', /Freshness token valid.*/g, 'Freshness token invalid!'],
    ['valid without unsealed', /Freshness token unsealed\./g, 'Nothing'],
    ['unsealed without valid', /Freshness token valid.*/g, 'Nothing'],
    ['said by another program', /anti-evil-maid-unseal/g, 'somebody-else'],
  ])('a journal with the token %s is not enough', async (_, pattern, text) => {
    const { host } = dom0((plain) => ({
      async run(call) {
        const answer = await plain.run(call)
        if (call.id !== 'aem-journal' || answer.state !== 'seen') return answer
        const stdout = answer.value.stdout.replace(pattern, text)
        return { state: 'seen', value: { ...answer.value, stdout } }
      },
    }))
    expect(await ask(host)).toBe(1)
  })

  test('a journalctl that failed is not believed', async () => {
    const { host } = dom0((plain) => ({
      async run(call) {
        const answer = await plain.run(call)
        if (call.id !== 'aem-journal' || answer.state !== 'seen') return answer
        return { state: 'seen', value: { ...answer.value, exit: 1 } }
      },
    }))
    expect(await ask(host)).toBe(1)
  })
})

describe('run by hand', () => {
  test.each([
    ['below a login session', { environment: { SYSTEMD_EXEC_PID: '900', INVOCATION_ID: 'ab'.repeat(16) } }],
    ['with an environment of sudo', { environment: {} }],
  ])('%s: the same answer, no note, and it says so', async (_, change) => {
    const { host, writes } = dom0(refused)
    const io = asSystemd(change)
    expect(await ask(host, io)).toBe(1)
    expect(writes).toEqual([])
    expect(io.out).toContain('systemd did not ask')
    const json = asSystemd(change)
    expect(await ask(host, json, '--json')).toBe(1)
    expect(JSON.parse(json.out)).toMatchObject({ mayRun: false, askedBySystemd: false })
  })

  test('by systemd it says nothing of that', async () => {
    const { host } = dom0()
    const io = asSystemd()
    expect(await ask(host, io)).toBe(0)
    expect(io.out).not.toContain('did not ask')
  })
})

describe('every error of its own is a no', () => {
  test('not root: no sudo, no look, no note', async () => {
    const io = asSystemd({ uid: 1000 })
    const open = vi.fn()
    expect(await gate(io, open)).toBe(1)
    expect(open).not.toHaveBeenCalled()
    expect(io.out).toContain('not asked as root')
  })

  test('the machine cannot be opened', async () => {
    const io = asSystemd()
    const open = async (): Promise<Host> => {
      throw new Error('no such thing')
    }
    expect(await gate(io, open)).toBe(1)
    expect(io.out).toContain('no such thing')
  })

  test.each([
    ['damaged', '{"format": "aem-reseal session", '],
    ['foreign', '{"format": "other"}'],
    ['newer', '{"format": "aem-reseal session", "version": 99}'],
  ])('a session that is %s', async (_, text) => {
    const { host, machine } = dom0(refused)
    machine.dom0.set(`${STATE}/session.json`, { bytes: Buffer.from(text), mtimeMs: 0 })
    const io = asSystemd()
    expect(await ask(host, io)).toBe(1)
    expect(io.out).toContain('session')
    expect(Buffer.from(machine.dom0.get(`${STATE}/session.json`)?.bytes ?? []).toString()).toBe(text)
  })

  test('a defect', async () => {
    const { host } = dom0(() => ({
      readFile: async () => {
        throw new TypeError('x is not a function')
      },
    }))
    expect(await ask(host)).toBe(1)
  })

  test('a note that cannot be written: still a no, and it says so', async () => {
    const { host } = dom0((plain) => ({
      ...refused(plain),
      makePrivateDirectory: async (path) => {
        throw new Failure({
          code: 'write-failed',
          what: `${path}: read-only file system`,
          why: null,
          next: '',
        })
      },
    }))
    const io = asSystemd()
    expect(await ask(host, io)).toBe(1)
    expect(io.out).toContain('no note was left')
  })

  test('no answer in time', async () => {
    vi.useFakeTimers()
    try {
      const { host } = dom0(() => ({ run: () => new Promise(() => undefined) }))
      const io = asSystemd()
      const asked = ask(host, io)
      await vi.advanceTimersByTimeAsync(61_000)
      expect(await asked).toBe(1)
      expect(io.out).toContain('no answer within 60 s')
    } finally {
      vi.useRealTimers()
    }
  })

  test('a disk that takes no note does not keep the boot waiting', async () => {
    vi.useFakeTimers()
    try {
      const { host } = dom0((plain) => ({
        ...refused(plain),
        writeFileAtomic: () => new Promise(() => undefined),
      }))
      const io = asSystemd()
      const asked = ask(host, io)
      await vi.advanceTimersByTimeAsync(11_000)
      expect(await asked).toBe(1)
      expect(io.out).toContain('not written within 10 s')
    } finally {
      vi.useRealTimers()
    }
  })

  test('foreign words in an error stay harmless on the console', async () => {
    const io = asSystemd()
    await gate(io, async () => {
      throw new Error('bad \x1b[2J\nsecond line')
    })
    expect(io.out).not.toContain('\x1b')
    expect(io.out.trimEnd().split('\n')).toHaveLength(1)
  })
})

test('a state directory that others can write to says nothing to the gate', async () => {
  const state = temporaryDirectory()
  chmodSync(state, 0o777)
  const own = makeRealHost({ stateDir: state, userDirectories: [] })
  const { host } = dom0((plain, machine) => ({
    ...refused(plain),
    readFile: (path) => (path.startsWith(`${state}/`) ? own.readFile(path) : plain.readFile(path)),
    writeFileAtomic: (path, bytes, mode) => own.writeFileAtomic(path, bytes, mode),
    makePrivateDirectory: (path) => own.makePrivateDirectory(path),
    now: () => new Date(machine.nowMs),
  }))
  writeFileSync(join(state, 'session.json'), '{}')
  const io = asSystemd()
  expect(await ask(host, io, '--state-dir', state)).toBe(1)
  expect(io.out).toContain('others than its owner can write to')
  expect(readdirSync(state)).toEqual(['session.json'])
})

describe('install and remove', () => {
  const answering = (answer: string, change: Partial<Io> = {}): Io & { out: string } =>
    asSystemd({
      stdinIsTerminal: true,
      stdoutIsTerminal: true,
      askTerminal: (async () => answer) as Io['askTerminal'],
      ...change,
    })

  test('installs after a yes, reads it back, is content the second time, removes after a yes', async () => {
    const { host, machine } = dom0()
    expect(await ask(host, answering('yes'), 'install')).toBe(0)
    expect(Buffer.from(machine.dom0.get(HOLD_DROP_IN)?.bytes ?? []).toString()).toContain(
      '\n[Service]\nExecCondition=/usr/bin/node /usr/lib/aem-reseal/',
    )
    expect(await ask(host, asSystemd(), 'install', '--yes')).toBe(0)
    expect(await ask(host, asSystemd(), 'show')).toBe(0)
    expect(await ask(host, answering('yes'), 'remove')).toBe(0)
    expect(machine.dom0.has(HOLD_DROP_IN)).toBe(false)
    const shown = asSystemd()
    expect(await ask(host, shown, 'show')).toBe(1)
    expect(shown.out).toContain('| ExecCondition=/usr/bin/node /usr/lib/aem-reseal/aem-reseal.mjs gate')
    expect(await ask(host, asSystemd(), 'remove')).toBe(0)
  })

  test('a no changes nothing', async () => {
    const { host, writes } = dom0()
    expect(await ask(host, answering('no'), 'install')).toBe(1)
    expect(writes).toEqual([])
  })

  test('--yes is no person, and neither is the end of input', async () => {
    const { host, writes } = dom0()
    expect(await ask(host, answering('yes'), 'install', '--yes')).toBe(1)
    expect(await ask(host, asSystemd(), 'install')).toBe(2)
    expect(writes).toEqual([])
  })

  test('what systemd does not take is taken away again', async () => {
    const { host, machine } = dom0((plain) => ({
      async run(call) {
        const answer = await plain.run(call)
        if (call.id !== 'hold-show' || answer.state !== 'seen') return answer
        return { state: 'seen', value: { ...answer.value, stdout: 'LoadState=loaded\nDropInPaths=\n' } }
      },
    }))
    const io = answering('yes')
    expect(await ask(host, io, 'install')).toBe(1)
    expect(machine.dom0.has(HOLD_DROP_IN)).toBe(false)
    expect(io.out).toContain('systemd did not take the drop-in')
  })

  test('a drop-in that others can change is named, and written again after a yes', async () => {
    let isForeign = false
    const { host } = dom0((plain) => ({
      readFile: async (path) =>
        isForeign && path === HOLD_DROP_IN
          ? { state: 'unknown', why: `others than its owner can write to ${path}` }
          : plain.readFile(path),
      async writeFileAtomic(path, bytes, mode) {
        isForeign = false
        return plain.writeFileAtomic(path, bytes, mode)
      },
    }))
    expect(await ask(host, answering('yes'), 'install')).toBe(0)
    isForeign = true
    const shown = asSystemd()
    expect(await ask(host, shown, 'show')).toBe(1)
    expect(shown.out).toContain('others than its owner can write to')
    const { json } = await runMain(['gate', 'show', '--json'], { host })
    expect(ANSWERS['gate-drop-in'].parse(json)).toMatchObject({
      done: false,
      isInstalled: true,
      file: 'unknown',
    })
    expect(await ask(host, answering('yes'), 'install')).toBe(0)
    expect(await ask(host, asSystemd(), 'show')).toBe(0)
  })

  test('a program that others can change is named while systemd asks it', async () => {
    let mode = 0o755
    const { host } = dom0((plain) => ({
      async statFile(path) {
        const stat = await plain.statFile(path)
        return stat.state === 'seen' && path === '/usr/lib/aem-reseal'
          ? { ...stat, value: { ...stat.value, mode } }
          : stat
      },
    }))
    expect(await ask(host, answering('yes'), 'install')).toBe(0)
    mode = 0o777
    const shown = asSystemd()
    expect(await ask(host, shown, 'show')).toBe(1)
    expect(shown.out.replace(/\s+/g, ' ')).toContain('/usr/lib/aem-reseal can be written by others than root')
  })

  test.each([
    ['of another user', { ownerUid: 1000 }],
    ['writable by others', { mode: 0o777 }],
  ])('a program in a place %s is refused', async (_, change) => {
    const { host, writes } = dom0((plain) => ({
      async statFile(path) {
        const stat = await plain.statFile(path)
        return stat.state === 'seen' && path === '/usr/lib/aem-reseal'
          ? { ...stat, value: { ...stat.value, ...change } }
          : stat
      },
    }))
    const io = answering('yes')
    expect(await ask(host, io, 'install')).toBe(1)
    expect(writes).toEqual([])
    expect(io.out).toContain('/usr/lib/aem-reseal')
  })
})
