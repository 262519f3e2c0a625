import { beforeEach, describe, expect, it } from 'vitest'
import { refreshDevice } from '../../flows/devices.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import type { SimFile, SimMachine } from '../../src/host/simulated/model.ts'
import { isSecretShown, NEXT_XEN, start, update } from '../support/approved-machine.ts'
import { exitOf, protectionOf } from '../support/asked.ts'
import { boot, filesOf, runOnStick, twoDevices } from '../support/two-devices.ts'
import { verifyNow } from '../support/verify-now.ts'

/*
 * Boots of both devices were approved, then an update on the internal one. The older approved state of the stick is no measure any more:
 * an old copy of the stick, put back, boots the Xen with the hole again.
 */

const judge = async (m: SimMachine) => ({
  verify: await exitOf(m, 'verify', '--device', '.stick'),
  explain: await exitOf(m, 'explain'),
  state: await protectionOf(m),
})

let machine: SimMachine
let old: Map<string, SimFile>
beforeEach(async () => {
  machine = await twoDevices()
  for (const { uuid } of [STICK, INTERNAL]) {
    for (let time = 0; time < 2; time++) boot(machine, uuid)
    await verifyNow(machine, { approve: true })
  }
  old = new Map(filesOf(machine, STICK.uuid))
  update(machine, NEXT_XEN)
  expect(await exitOf(machine, 'start', '--yes', '--restart', 'manual')).toBe(3)
  boot(machine, INTERNAL.uuid)
  expect(await exitOf(machine, 'resume', '--yes')).toBe(3)
  expect((await runOnStick(machine, refreshDevice)).outcomes).toContain('refresh-device: refreshed')
})

describe('an old copy put back', () => {
  beforeEach(() => {
    const files = filesOf(machine, STICK.uuid)
    files.clear()
    for (const [path, file] of old) files.set(path, file)
    boot(machine, STICK.uuid)
  })

  it('is never fine: neither where the TPM refuses the token, nor where the secret appears again', async () => {
    expect(await judge(machine)).toEqual({ verify: 1, explain: 1, state: 'at-risk' })
    boot(machine, STICK.uuid)
    expect(isSecretShown(machine)).toBe(true)
    expect(await judge(machine)).toMatchObject({ verify: 1, explain: 1 })
  })

  it('gets no forward seal', async () => {
    boot(machine, STICK.uuid)
    update(machine, '4.17.4-6')
    const { outcomes } = await start(machine, { 'ground-go-on': 'no' })
    expect(outcomes.at(-1)).toBe('check-ground: boot-not-vouched')
  })
})

it('the honest stick, refreshed and booted, is as the boot that was approved on the internal device', async () => {
  for (let time = 0; time < 2; time++) boot(machine, STICK.uuid)
  expect(isSecretShown(machine)).toBe(true)
  expect(await judge(machine)).toEqual({ verify: 0, explain: 0, state: 'protected' })
  update(machine, '4.17.4-6')
  const { outcomes } = await start(machine, { 'ground-go-on': 'no', 'refresh-device': 'yes' })
  expect(outcomes).toContain('check-ground: vouched')
})
