import { describe, expect, it } from 'vitest'
import { refreshDevice } from '../../../flows/devices.ts'
import { INTERNAL, installKernel, STICK } from '../../../src/host/simulated/build.ts'
import type { SimFile, SimMachine } from '../../../src/host/simulated/model.ts'
import { finish, isSecretShown, NEXT_XEN, start, update } from '../../support/approved-machine.ts'
import { exitOf, protectionOf } from '../../support/asked.ts'
import { boot, filesOf, runOnStick, twoDevices, updateMicrocode } from '../../support/two-devices.ts'
import { verifyNow } from '../../support/verify-now.ts'

/*
 * Boots of both devices were approved, then an update that moves PCR 19 alone (or one that was accepted while the clock was set back) on
 * the internal one. An old copy of the stick, put back, boots the old initramfs, kernel or Xen again.
 */

const HOUR = 3600_000
const DEAD = Date.parse('2011-01-01T00:00:00Z')

function updateKernel(machine: SimMachine): void {
  machine.nowMs += HOUR
  installKernel(machine, '6.6.40-1.qubes.fc37.x86_64')
  machine.nowMs += HOUR
}

const copyOf = (machine: SimMachine, uuid: string): Map<string, SimFile> => new Map(filesOf(machine, uuid))

function putBack(machine: SimMachine, uuid: string, old: ReadonlyMap<string, SimFile>): void {
  const files = filesOf(machine, uuid)
  files.clear()
  for (const [path, file] of old) files.set(path, file)
}

describe.each<[string, (machine: SimMachine) => void, number | null]>([
  ['a new initramfs (microcode)', updateMicrocode, null],
  ['a new kernel', updateKernel, null],
  ['a new Xen, while the clock was set back', (machine) => update(machine, NEXT_XEN), DEAD],
])('%s', (_name, change, clock) => {
  async function rolledBack(): Promise<SimMachine> {
    const machine = await twoDevices()
    for (const { uuid } of [STICK, INTERNAL]) {
      for (let time = 0; time < 2; time++) boot(machine, uuid)
      await verifyNow(machine, { approve: true })
    }
    const stick = copyOf(machine, STICK.uuid)
    change(machine)
    expect((await start(machine)).exit).toBe(3)
    const right = machine.nowMs
    if (clock !== null) machine.nowMs = clock
    boot(machine, INTERNAL.uuid)
    expect((await finish(machine)).outcomes).toContain('explain: explained')
    if (clock !== null) machine.nowMs = right + HOUR
    expect((await runOnStick(machine, refreshDevice)).outcomes).toContain('refresh-device: refreshed')
    putBack(machine, STICK.uuid, stick)
    for (let time = 0; time < 2; time++) boot(machine, STICK.uuid)
    expect(isSecretShown(machine)).toBe(true)
    return machine
  }

  it('an old copy of the stick, put back, is never fine', async () => {
    const machine = await rolledBack()
    expect(await exitOf(machine, 'verify', '--device', '.stick')).toBe(1)
    expect(await exitOf(machine, 'explain')).not.toBe(0)
    expect(await protectionOf(machine)).not.toBe('protected')
  })

  it('and is no ground for a forward seal', async () => {
    const machine = await rolledBack()
    update(machine, '4.17.4-7')
    const { outcomes } = await start(machine, { 'ground-go-on': 'no' })
    expect(outcomes.at(-1)).toBe('check-ground: boot-not-vouched')
  })
})
