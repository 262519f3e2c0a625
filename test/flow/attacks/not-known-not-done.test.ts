import { expect, it } from 'vitest'
import { refreshDevice } from '../../../flows/devices.ts'
import { INTERNAL, STICK } from '../../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../../src/host/simulated/host.ts'
import { KERNEL_RELEASE } from '../../../src/host/simulated/model.ts'
import { isSecretShown } from '../../support/approved-machine.ts'
import { exitOf } from '../../support/asked.ts'
import { runMain } from '../../support/io.ts'
import { boot, filesOf, runOnStick, twoDevices } from '../../support/two-devices.ts'

it('a stick that no boot was approved from, with an initramfs of somebody else: `verify` in its boot does not make it done', async () => {
  const m = await twoDevices()
  await runOnStick(m, refreshDevice)
  const files = filesOf(m, STICK.uuid)
  const path = `/initramfs-${KERNEL_RELEASE}.img`
  const { mtimeMs } = files.get(path)!
  files.set(path, { bytes: Buffer.from('an initramfs of somebody else'), mtimeMs })
  for (let time = 0; time < 2; time++) boot(m, STICK.uuid)
  expect(isSecretShown(m)).toBe(true)
  expect(await exitOf(m, 'verify', '--device', '.stick')).toBe(1)
  for (let time = 0; time < 2; time++) boot(m, INTERNAL.uuid)
  const { json } = await runMain(['devices', '--json'], { host: makeSimulatedHost(m) })
  const { devices } = json as { devices: readonly { label: string; work: unknown }[] }
  expect(devices.find(({ label }) => label === 'aem.stick')?.work).toMatchObject({ state: 'to-do' })
})
