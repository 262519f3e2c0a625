import { describe, expect, it } from 'vitest'
import { makeMemoryStore } from '../../src/cli/rehearse.ts'
import { gateReseal } from '../../src/flow/steps/gate-reseal.ts'
import { reseal } from '../../src/flow/steps/reseal.ts'
import { type Host, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { aSession, machineOf, RUN_OPTIONS } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

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
    const report = await reseal(contextWith(() => ({})))
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
    const report = await reseal(context)
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
    expect(await reseal(context)).toMatchObject({ outcome: 'failed', facts: { tokenRenewed: null } })
  })
})

describe('gate-reseal', () => {
  it('is ready on a sound machine', async () => {
    expect((await gateReseal(contextWith(() => ({})))).outcome).toBe('ready')
  })

  it.each([13, 17, 18, 19])('is blocked while PCR %i cannot be read', async (index) => {
    const context = contextWith((own) => ({
      readFile: async (path) => (path.endsWith(`/pcr-sha256/${index}`) ? unreadable : own.readFile(path)),
    }))
    const report = await gateReseal(context)
    expect(report.outcome).toBe('blocked')
    const checks = report.facts.checks as { id: string; ok: boolean | null; detail: string }[]
    const sane = checks.find(({ id }) => id === 'pcrs-sane')
    expect(sane).toMatchObject({ ok: null })
    expect(sane?.detail).toContain(String(index))
  })
})
