import { expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, isSecretShown, NEXT_XEN, put, start, update } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'
import { boot, filesOf, runOnStick, twoDevices } from '../support/two-devices.ts'
import { verifyNow } from '../support/verify-now.ts'

/* What is told to be done with a device, on one screen with what else is said of it. */

async function devicesOf(machine: SimMachine) {
  const host = makeSimulatedHost(machine)
  const { json } = await runMain(['devices', '--json'], { host })
  const [device] = (json as { devices: { changedFiles: object[]; work: { needs?: string } }[] }).devices
  const said = (await runMain(['devices'], { host })).stdout.replaceAll(/\s+/g, ' ')
  return { changed: device?.changedFiles.length, needs: device?.work.needs, said }
}

it('a device with a boot file that somebody changed is not to be refreshed, nor booted to end that', async () => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await start(machine)).exit).toBe(3)
  put(machine, XEN_IMAGE, changeOneByte)
  restartMachine(machine)
  await verifyNow(machine)
  const { changed, needs, said } = await devicesOf(machine)
  expect([changed, needs]).toEqual([1, 'changed'])
  expect(said).toContain('do not boot from it and do not refresh it')
  expect(said).not.toContain('devices refresh')
  expect(said).not.toContain('boot it once')
})

it('the device of this boot, after a blind update and `verify`, waits for an acceptance; its next boot shows the secret', async () => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await devicesOf(machine)).needs).toBeUndefined()
  restartMachine(machine)
  await verifyNow(machine)
  const { needs, said } = await devicesOf(machine)
  expect(needs).toBe('accept')
  expect(said).toContain('at its next boot your secret must appear')
  expect(said).not.toContain('shows no secret')
  expect(said).not.toMatch(/devices (refresh|forward-seal)/)
  restartMachine(machine)
  expect(isSecretShown(machine)).toBe(true)
})

it('the device of this boot is led by a session and by an update that waits', async () => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  restartMachine(machine)
  await verifyNow(machine)
  update(machine, `${NEXT_XEN.slice(0, -1)}6`)
  expect((await devicesOf(machine)).needs).toBe('start')
  expect((await start(machine, { 'ground-go-on': 'yes' })).exit).toBe(3)
  expect((await devicesOf(machine)).needs).toBe('resume')
  restartMachine(machine)
  expect((await devicesOf(machine)).needs).toBe('resume')
})

it("a stick whose own copy was put back to an older one is not done, though dom0's copy is as it was verified", async () => {
  const machine = await twoDevices()
  const work = async () => {
    const { json } = await runMain(['devices', '--json'], { host: makeSimulatedHost(machine) })
    const { devices } = json as { devices: { label: string; work: { state: string; why?: string } }[] }
    return devices.find(({ label }) => label === 'aem.stick')?.work
  }
  await runOnStick(machine, refreshDevice)
  await runOnStick(machine, forwardDevice)
  const files = filesOf(machine, STICK.uuid)
  const paths = [...files.keys()].filter((path) => path.endsWith('/aem.stick/secret.txt.sealed2'))
  expect(paths).toHaveLength(1)
  const older = files.get(paths[0]!)!
  boot(machine, STICK.uuid)
  await verifyNow(machine)
  boot(machine, INTERNAL.uuid)
  expect(await work()).toEqual({ state: 'done' })
  files.set(paths[0]!, { ...older, bytes: Buffer.from('an older copy') })
  expect(await work()).toMatchObject({
    state: 'to-do',
    why: expect.stringContaining('an older set was put back'),
  })
  for (const path of files.keys()) if (path.includes('/aem/tpms/')) files.delete(path)
  expect(await work()).toMatchObject({ state: 'to-do', why: expect.stringContaining('or gone') })
})
