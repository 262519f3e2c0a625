import { describe, expect, it, vi } from 'vitest'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { gateReseal } from '../../src/flow/steps/gate-reseal.ts'
import { reseal } from '../../src/flow/steps/reseal.ts'
import { verify } from '../../src/flow/steps/verify.ts'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { aSession, machineOf, RUN_OPTIONS } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { withLook } from '../support/with-look.ts'

/** The built-in machine as a step sees it, with some looks that fail. */
function contextWith(fail: (own: Host) => Partial<Host>) {
  const own = makeSimulatedHost(machineOf('clean-update'))
  const ui = makeScriptedUi({ '*': 'yes' })
  return {
    host: { ...own, ...fail(own) },
    ui,
    store: makeMemoryStore(ui),
    options: RUN_OPTIONS,
    session: aSession(),
    simulateRestart: null,
  }
}

const unreadable = unknown('input/output error')
const isToken = (path: string): boolean => path.endsWith('/secret.fre.sealed2')

describe('reseal', () => {
  it('seals, and keeps the token that it left', async () => {
    const report = await reseal(withLook(contextWith(() => ({}))))
    expect(report.outcome).toBe('sealed')
    expect(report.facts.tokenRenewed).toBe(true)
    expect(report.session?.resealed?.token).toMatch(/^[0-9a-f]{64}$/)
  })

  it('does not call the files new where they could not be read before', async () => {
    let isSealed = false
    const context = contextWith((own) => ({
      digestFile: async (path) => (isToken(path) && !isSealed ? unreadable : own.digestFile(path)),
      run: async (call, input) => {
        if (call.id === 'seal') isSealed = true
        return own.run(call, input)
      },
    }))
    const report = await reseal(withLook(context))
    expect(isSealed).toBe(true)
    expect(report).toMatchObject({ outcome: 'failed', facts: { tokenRenewed: null, exit: 0 } })
    expect(report.message.what).toContain('is not known')
    expect(report.session).toBeUndefined()
  })

  it('does not where the directory could not be listed', async () => {
    const context = contextWith((own) => ({
      listDirectory: async (path) =>
        path.startsWith('/var/lib/tpms/') ? unreadable : own.listDirectory(path),
    }))
    expect(await reseal(withLook(context))).toMatchObject({
      outcome: 'failed',
      facts: { tokenRenewed: null },
    })
  })
})

describe('gate-reseal', () => {
  it('is ready on a sound machine', async () => {
    expect((await gateReseal(withLook(contextWith(() => ({}))))).outcome).toBe('ready')
  })

  it.each([13, 17, 18, 19])('is blocked while PCR %i cannot be read', async (index) => {
    const context = contextWith((own) => ({
      readFile: async (path) => (path.endsWith(`/pcr-sha256/${index}`) ? unreadable : own.readFile(path)),
    }))
    const report = await gateReseal(withLook(context))
    expect(report.outcome).toBe('blocked')
    const checks = report.facts.checks as { id: string; ok: boolean | null; detail: string }[]
    const sane = checks.find(({ id }) => id === 'pcrs-sane')
    expect(sane).toMatchObject({ ok: null })
    expect(sane?.detail).toContain(String(index))
  })
})

describe('a stick', () => {
  function bootedFromStick(answers: Readonly<Record<string, string>>, change: (own: Host) => Partial<Host>) {
    const machine = machineOf('two-devices')
    machine.bootDevice = STICK.uuid
    restartMachine(machine)
    const own = makeSimulatedHost(machine)
    const ui = makeScriptedUi(answers)
    return {
      host: { ...own, ...change(own) },
      ui,
      store: makeMemoryStore(ui),
      options: { ...RUN_OPTIONS, canAsk: true },
      session: aSession(),
      simulateRestart: null,
    }
  }
  const withoutStick = (stdout: string): string =>
    JSON.stringify({
      blockdevices: (JSON.parse(stdout).blockdevices as { uuid: string | null }[]).filter(
        ({ uuid }) => uuid !== STICK.uuid,
      ),
    })

  /** AEM's seal in its own order; `looks` lets the watch look at the mounts twice more. */
  function sealingToStick(
    seal: (stick: { mount(at: string | null): void; looks(): Promise<void> }) => Promise<void>,
    readFileSystemState: Host['readFileSystemState'] = async () => unreadable,
  ) {
    let mountPoint: string | null = null
    let looked = 0
    const looks = async (): Promise<void> => {
      const until = looked + 2
      await vi.waitFor(() => expect(looked).toBeGreaterThanOrEqual(until), { timeout: 20_000 })
    }
    const stick = {
      mount(at: string | null) {
        mountPoint = at
      },
      looks,
    }
    return bootedFromStick({}, (own) => ({
      readFileSystemState,
      run: async (call, input) => {
        const run = await own.run(call, input)
        if (call.id === 'seal') await seal(stick)
        return run
      },
      readFile: async (path) => {
        if (path !== '/proc/mounts') return own.readFile(path)
        looked += 1
        if (mountPoint === 'unreadable') return unreadable
        return seen(Buffer.from(mountPoint === null ? '' : `/dev/sdb1 ${mountPoint} ext4 rw 0 0\n`))
      },
    }))
  }
  const isTold = ({ ui }: { ui: { said: readonly string[] } }): boolean =>
    ui.said.some((text) => text.includes('UNPLUG the stick now'))

  it('is to be unplugged when AEM has copied to it and unmounted it, and not before', async () => {
    const context = sealingToStick(async (stick) => {
      // Sealed in dom0, the stick not mounted yet.
      await stick.looks()
      expect(isTold(context)).toBe(false)
      stick.mount('/mnt/anti-evil-maid/aem.stick')
      await stick.looks()
      expect(isTold(context)).toBe(false)
      stick.mount(null)
      await vi.waitFor(() => expect(isTold(context)).toBe(true), { timeout: 20_000 })
    })
    expect((await reseal(withLook(context))).outcome).toBe('sealed')
    expect(isTold(context)).toBe(true)
  })

  it.each([
    ['once, and closed it', { mountCount: 4, isJournalDirty: false }, true],
    ['once, and has it mounted still', { mountCount: 4, isJournalDirty: true }, false],
    ['not at all', { mountCount: 3, isJournalDirty: false }, false],
    ['and somebody else too', { mountCount: 5, isJournalDirty: false }, false],
  ])('where its mount was missed: AEM mounted it %s', async (_what, after, told) => {
    let hasSealed = false
    const context = sealingToStick(
      async () => {
        hasSealed = true
        if (told) await vi.waitFor(() => expect(isTold(context)).toBe(true), { timeout: 20_000 })
        else await new Promise((resolve) => setTimeout(resolve, 4_000))
      },
      async () => seen(hasSealed ? after : { mountCount: 3, isJournalDirty: false }),
    )
    await reseal(withLook(context))
    expect(isTold(context)).toBe(told)
  })

  it('is not to be unplugged because the mounts cannot be read any more', async () => {
    const context = sealingToStick(async (stick) => {
      stick.mount('/mnt/anti-evil-maid/aem.stick')
      await stick.looks()
      stick.mount('unreadable')
      await stick.looks()
      await new Promise((resolve) => setTimeout(resolve, 4_000))
    })
    await reseal(withLook(context))
    expect(isTold(context)).toBe(false)
  })

  it('is not to be unplugged because somebody else mounted it for a while', async () => {
    const context = sealingToStick(async (stick) => {
      stick.mount('/run/media/user/aem.stick')
      await stick.looks()
      stick.mount(null)
      await stick.looks()
    })
    await reseal(withLook(context))
    expect(isTold(context)).toBe(false)
  })

  it('is not spoken of where the device is built in', async () => {
    const context = contextWith(() => ({}))
    await reseal(withLook(context))
    expect(context.ui.said.join('\n')).not.toMatch(/stick/i)
  })

  it.each([
    ['now', 'verified'],
    ['later', 'not-verified'],
  ] as const)(
    'is asked for again before its copy is checked; the answer %s ends %s',
    async (answer, outcome) => {
      let isMissed = false
      const context = bootedFromStick({ 'plug-in': answer }, (own) => ({
        run: async (call, input) => {
          const run = await own.run(call, input)
          const isGone = call.id === 'lsblk' && run.state === 'seen' && (answer === 'later' || !isMissed)
          if (!isGone) return run
          isMissed = true
          return seen({ ...run.value, stdout: withoutStick(run.value.stdout) })
        },
      }))
      expect((await verify(withLook(context))).outcome).toBe(outcome)
      expect(context.ui.asked).toEqual(['plug-in'])
    },
  )
})
