import { describe, expect, it } from 'vitest'
import { refreshFiles } from '../../src/act/refresh-device.ts'
import { type Host, seen } from '../../src/host/host.ts'
import { STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { observeRefresh } from '../../src/observe/device/refresh-needs.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { machineOf } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

/* grub.cfg of the built-in machine's stick, made again. */

const [CONFIG, BESIDE] = ['/grub2/grub.cfg', '/grub2/aem-reseal-grub.cfg']
const LEFT = '# left by a run that ended half-way\n'

/** The stick has a good grub.cfg, and beside it the same with a line more, from an earlier run. */
async function refresh(told: (own: Host) => Partial<Host> = () => ({})) {
  const machine = machineOf('two-devices')
  const { files } = machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
  const config = files.get(CONFIG)!
  files.set(BESIDE, { ...config, bytes: Buffer.concat([config.bytes, Buffer.from(LEFT)]) })
  const own = makeSimulatedHost(machine)
  const dom0 = observeDom0({ ...own, ...told(own) })
  const { devices } = await dom0.devices()
  const device = devices.find(({ label }) => label === 'aem.stick')!
  const found = await observeRefresh(dom0, device, { state: 'absent' })
  const plan = { ...found.plan, copies: [], initramfs: [], makesGrubConfig: true }
  const run = refreshFiles(dom0, makeScriptedUi({}), { ...found, plan })
  return { run, files, before: Buffer.from(config.bytes).toString() }
}

const textOf = (files: Map<string, { bytes: Uint8Array }>) =>
  Buffer.from(files.get(CONFIG)?.bytes ?? []).toString()

describe('a file beside grub.cfg that an earlier run left', () => {
  it('is made anew, and put in place', async () => {
    const { run, files, before } = await refresh()
    expect(await run).toEqual([])
    expect(textOf(files)).toBe(before)
    expect(files.has(BESIDE)).toBe(false)
  })

  it('is never put in place itself, though it is a good one: where nothing new was made that is told', async () => {
    const { run, files, before } = await refresh((own) => ({
      run: async (call, input) =>
        call.id === 'make-grub-config' ? seen({ exit: 0, stdout: '', stderr: '' }) : own.run(call, input),
    }))
    await expect(run).rejects.toMatchObject({ text: { code: 'refresh-failed' } })
    expect(textOf(files)).toBe(before)
    expect(files.has(BESIDE)).toBe(false)
  })
})
