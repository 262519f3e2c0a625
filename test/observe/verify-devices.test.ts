import { beforeEach, describe, expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import type { Flow } from '../../src/flow/types.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { checkBinding } from '../../src/observe/verify/copy-binding.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { ANSWERS } from '../support/answers.ts'
import { type, typeJson } from '../support/at-terminal.ts'
import { machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { runOnStick } from '../support/two-devices.ts'
import { verifyNow } from '../support/verify-now.ts'

/*
 * `verify` where dom0 has two devices, each with a PCR 19 of its own and, with TPM 2.0, one freshness slot for both
 * (AEM 4.2.0). Only the device that this boot came from can be tried.
 */

let machine: SimMachine
beforeEach(async () => {
  machine = machineOf('two-devices')
  bootFrom(INTERNAL.uuid)
  await remember(true)
})

function bootFrom(uuid: string): void {
  machine.bootDevice = uuid
  restartMachine(machine)
}

/** What `verify` keeps of this boot; `approve`: accepted in `resume` before. */
const remember = (approve: boolean) => verifyNow(machine, { approve })

async function run(flow: Flow): Promise<void> {
  expect((await runOnStick(machine, flow)).exit).toBe(0)
}

/** The stick up to date, sealed forward, booted, its secret seen, and verified there: both devices are approved. */
async function bothApproved(): Promise<void> {
  await run(refreshDevice)
  await run(forwardDevice)
  bootFrom(STICK.uuid)
  await remember(false)
}

async function verify(device: string | null = null) {
  const words = ['verify', ...(device === null ? [] : ['--device', device])]
  const { exit, said } = await type(words, makeSimulatedHost(machine))
  const devices = ANSWERS.verify.parse((await typeJson(words, makeSimulatedHost(machine))).answer)
  const check = (label: string, id: string) =>
    devices.find((found) => found.device === label)?.checks.find((found) => found.id === id)
  return { exit, said, devices, check }
}

describe('verify, of a device that this boot did not come from', () => {
  it('is right about its own boot, and says whose token lies in the slot that both use', async () => {
    await bothApproved()
    const { check, devices, said, exit } = await verify()
    expect(devices.map(({ device, booted, present }) => [device, booted, present])).toEqual([
      ['aem', false, true],
      ['aem.stick', true, true],
    ])
    expect(check('aem', 'policy')).toMatchObject({
      ok: true,
      detail: expect.stringContaining('its own boot'),
    })
    expect(check('aem', 'unseal-txt')).toMatchObject({
      ok: null,
      detail: 'only a boot from aem can release it',
    })
    expect(check('aem', 'freshness')).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/slot 0, its own, holds the token of aem\.stick.*on TPM 2\.0/),
    })
    expect(devices.find(({ device }) => device === 'aem.stick')?.ok).toBe(true)
    expect(exit).toBe(1)
    expect(said).toContain('aem.stick: fits this boot. aem: no secret would appear at its next boot')
    // AEM would seal it to the registers of this boot, which are not its own.
    expect(said).not.toContain('anti-evil-maid-seal')
    expect(said).toContain('boot from aem with its AEM entry and run `aem-reseal verify` in that boot')
  })

  it('says the same where it is asked about that device alone', async () => {
    await bothApproved()
    const { check, devices } = await verify('aem')
    expect(devices.map(({ device }) => device)).toEqual(['aem'])
    expect(check('aem', 'freshness')?.ok).toBe(false)
  })

  it('is open about one of which no boot was ever approved, and bad about none', async () => {
    machine.dom0.delete(`${DEFAULT_STATE_DIR}/devices.json`)
    const { check, said } = await verify('aem.stick')
    expect(check('aem.stick', 'policy')).toMatchObject({
      ok: null,
      detail: expect.stringContaining('which came from aem; of its own boot nothing is known'),
    })
    expect(said).not.toContain('would refuse')
  })

  it('the evil twin: a copy that AEM sealed to an attacked boot from it is never right', async () => {
    await bothApproved()
    const stick = findDevice(machine, STICK.uuid)!
    const image = stick.files.get(`/${XEN_IMAGE}`)!
    stick.files.set(`/${XEN_IMAGE}`, { ...image, bytes: changeOneByte(image.bytes) })
    bootFrom(STICK.uuid)
    await remember(false)
    bootFrom(INTERNAL.uuid)
    const { check, devices } = await verify()
    expect(check('aem.stick', 'policy')).toMatchObject({
      ok: null,
      detail: expect.stringContaining('never approved'),
    })
    expect(devices.find(({ device }) => device === 'aem.stick')?.ok).not.toBe(true)
  })

  it('names what is not plugged in, and nothing else to plug in', async () => {
    await bothApproved()
    machine.dom0.set('/var/lib/anti-evil-maid/aem/tpm-freshness-slot', {
      bytes: Buffer.from('1\n'),
      mtimeMs: 0,
    })
    machine = { ...machine, devices: machine.devices.filter(({ uuid }) => uuid !== INTERNAL.uuid) }
    const { check, said } = await verify()
    for (const id of ['media-current', 'selection', 'policy', 'unseal-txt'])
      expect(check('aem', id)).toMatchObject({ ok: null, detail: 'aem is not plugged in' })
    expect(said).not.toContain('TPM 1.2')
    expect(said).toContain('plug in aem and run `aem-reseal verify`')
  })
})

describe('verify, of the device that this boot came from', () => {
  it('a damaged token is not told as an overwritten slot', async () => {
    const device = findDevice(machine, INTERNAL.uuid)!
    for (const [path, file] of device.files)
      if (path.endsWith('/secret.fre.sealed2'))
        device.files.set(path, {
          ...file,
          bytes: Uint8Array.from(file.bytes, (byte, at) => (at === file.bytes.length - 1 ? byte ^ 1 : byte)),
        })
    const { check } = await verify('aem')
    const freshness = check('aem', 'freshness')
    expect(freshness).toMatchObject({ ok: false, detail: expect.stringContaining('damaged or old') })
    expect(freshness?.detail).not.toContain('overwritten')
  })

  it('after a change of SEAL alone the copy is still bound to this boot', async () => {
    const path = '/etc/anti-evil-maid.conf'
    const conf = machine.dom0.get(path)!
    const text = Buffer.from(conf.bytes).toString('utf8')
    const seal = /SEAL="[^"]*"/.exec(text)?.[0] ?? ''
    expect(seal).not.toBe('')
    machine.dom0.set(path, { ...conf, bytes: Buffer.from(text.replace(seal, seal.replace(' --pcr 19', ''))) })
    const { check } = await verify('aem')
    expect(check('aem', 'selection')?.ok).toBe(false)
    expect(check('aem', 'policy')).toMatchObject({ ok: true })
    expect(check('aem', 'unseal-txt')?.ok).toBe(true)
  })
})

it.each([
  ['1.2', "the device's sealed files could not be read"],
  ['2.0', 'key.pub could not be read'],
] as const)('says nothing of a copy that is not there, TPM %s', async (version, detail) => {
  const common = { selected: [17, 18], tpm: { version, bank: 'sha1', pcrs: {} } } as never
  const { selection, policy } = await checkBinding(makeFakeHost({}), null, 'aem', true, common)
  expect([selection.ok, policy.ok, policy.detail]).toEqual([null, null, detail])
})
