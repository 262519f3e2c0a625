import { describe, expect, it } from 'vitest'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { detectAem } from '../../src/flow/steps/detect-aem.ts'
import { finish } from '../../src/flow/steps/finish.ts'
import { nextDevice } from '../../src/flow/steps/next-device.ts'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { aSession, machineOf, RUN_OPTIONS } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { withLook } from '../support/with-look.ts'

function contextWith(fail: (own: Host) => Partial<Host>) {
  const own = makeSimulatedHost(machineOf('clean-update'))
  const ui = makeScriptedUi({ '*': 'yes' })
  const session = aSession({ history: [{ at: '', flow: 'resume', step: 'verify', outcome: 'verified' }] })
  return {
    host: { ...own, ...fail(own) },
    ui,
    store: makeMemoryStore(ui),
    options: RUN_OPTIONS,
    session,
    simulateRestart: null,
  }
}

const silentLsblk = (own: Host): Partial<Host> => ({
  run: async (call, input) => (call.id === 'lsblk' ? unknown('no answer') : own.run(call, input)),
})
const hiddenDirectory = (own: Host): Partial<Host> => ({
  listDirectory: async (path) =>
    path === '/var/lib/anti-evil-maid' ? unknown('no answer') : own.listDirectory(path),
})

describe('next-device', () => {
  it('says that there is no other device only where all could be listed', async () => {
    const report = await nextDevice(withLook(contextWith(() => ({}))))
    expect(report).toMatchObject({ outcome: 'none-left', session: { devicesLeft: [] } })
  })

  it.each([
    ['lsblk does not answer', silentLsblk],
    ["dom0's directories cannot be listed", hiddenDirectory],
  ])('says that it is not known where %s', async (_what, fail) => {
    const report = await nextDevice(withLook(contextWith(fail)))
    expect(report).toMatchObject({ outcome: 'unknown', session: { devicesLeft: null } })
    expect(report.message.what).toContain('not known')
    expect(report.message.tone).toBe('attention')
  })

  it('ends the session with attention, not with done', async () => {
    const context = contextWith(silentLsblk)
    const report = await finish(withLook({ ...context, session: { ...context.session, devicesLeft: null } }))
    expect(report.outcome).toBe('not-verified')
    expect(report.message.what).toContain('further AEM devices is not known')
    const good = await finish(withLook({ ...context, session: { ...context.session, devicesLeft: [] } }))
    expect(good.outcome).toBe('finished')
  })
})

it('does not say that AEM was never set up where no device could be listed', async () => {
  const context = contextWith((own) => ({ ...silentLsblk(own), ...hiddenDirectory(own) }))
  const report = await detectAem(withLook(context))
  expect(report.outcome).toBe('unknown')
  expect(report.message.what).toContain('lsblk')
})

describe('aem.uuid on the kernel command line', () => {
  async function machineWith(commandLine: string) {
    const own = makeSimulatedHost(machineOf('clean-update'))
    return observeMachine({
      ...own,
      readFile: async (path) =>
        path === '/proc/cmdline' ? seen(Buffer.from(`${commandLine}\n`)) : own.readFile(path),
    })
  }

  it.each([
    ['ro quiet aem.uuid=aaaa-1111', 'aaaa-1111', true],
    ['ro aem.uuid=aaaa-1111 quiet aem.uuid=aaaa-1111', 'aaaa-1111', true],
    ['ro quiet', null, false],
    ['ro aem.uuid=aaaa-1111 quiet aem.uuid=bbbb-2222', null, null],
  ])('%s: device %s, booted with AEM %s', async (commandLine, aemUuid, bootedWithAem) => {
    expect(await machineWith(commandLine)).toMatchObject({ aemUuid, bootedWithAem })
  })
})
