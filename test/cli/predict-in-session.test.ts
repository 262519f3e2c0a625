import { describe, expect, it } from 'vitest'
import { installInitramfsInput } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { ANSWERS } from '../support/answers.ts'
import { machineOf } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import { started } from '../support/started.ts'

/** `predict` between `start` and the restart: dracut is not run, and what `start` made again in this boot vouches. */

async function startedWithNewInitramfs(): Promise<SimMachine> {
  const machine = machineOf('clean-update')
  installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
  await started(machine)
  return machine
}

async function predict(machine: SimMachine) {
  const { exit, json } = await runMain(['predict', '--json'], { host: makeSimulatedHost(machine) })
  const { pcrs, unvouched } = ANSWERS.predict.parse(json)
  const initramfs = pcrs.flatMap(({ components }) => components).find(({ role }) => role === 'initramfs')
  return { exit, unvouched, rule: initramfs?.vouchedBy?.rule }
}

const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`
const SESSION = `${DEFAULT_STATE_DIR}/session.json`

describe('a new initramfs, predicted', () => {
  it('without a session: nothing vouches for it', async () => {
    const machine = machineOf('clean-update')
    installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
    const { exit, unvouched, rule } = await predict(machine)
    expect([exit, rule]).toEqual([1, null])
    expect(unvouched).toEqual([expect.stringContaining('`aem-reseal start` makes it again')])
  })

  it('after `start` made it again: that vouches for it', async () => {
    expect(await predict(await startedWithNewInitramfs())).toEqual({
      exit: 0,
      unvouched: [],
      rule: 'reproduced',
    })
  })

  it.each<[string, (machine: SimMachine) => void]>([
    [
      'another one since',
      (machine) => {
        const { bytes, mtimeMs } = bootFilesOf(machine).get(INITRAMFS)!
        bootFilesOf(machine).set(INITRAMFS, { bytes: Buffer.concat([bytes, Buffer.from('evil')]), mtimeMs })
      },
    ],
    [
      'a package that came since',
      (machine) => {
        installInitramfsInput(machine, 'dracut', '0:059-5.fc37')
      },
    ],
    [
      'a session that cannot be read',
      ({ dom0 }) => dom0.set(SESSION, { bytes: Buffer.from('{'), mtimeMs: 0 }),
    ],
    [
      'a session of an earlier boot',
      ({ dom0 }) => {
        const session = JSON.parse(Buffer.from(dom0.get(SESSION)?.bytes ?? []).toString())
        const baseline = { ...session.baseline, bootId: '00000000-0000-4000-8000-000000000000' }
        dom0.set(SESSION, { bytes: Buffer.from(JSON.stringify({ ...session, baseline })), mtimeMs: 0 })
      },
    ],
  ])('is not vouched for with %s', async (_, change) => {
    const machine = await startedWithNewInitramfs()
    change(machine)
    const { exit, rule } = await predict(machine)
    expect([exit, rule]).toEqual([1, null])
  })
})

describe('what comes after a prediction', () => {
  const said = async (machine: SimMachine) =>
    (await runMain(['predict'], { host: makeSimulatedHost(machine), columns: 200 })).stdout

  it('is `start` without a session', async () => {
    expect(await said(machineOf('clean-update'))).toContain('`aem-reseal start` keeps these values')
  })

  it('is `resume` with one, while which `start` refuses', async () => {
    const machine = machineOf('clean-update')
    await started(machine)
    const text = await said(machine)
    expect(text).toContain('a session is open: `aem-reseal resume` goes on with it')
    expect(text).not.toContain('aem-reseal start')
  })
})
