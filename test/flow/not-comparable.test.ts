import { beforeEach, describe, expect, it } from 'vitest'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, NEXT_XEN, put, update } from '../support/approved-machine.ts'
import { type, typeJson, typeResume, typeStart } from '../support/at-terminal.ts'
import { machineOf } from '../support/built-in.ts'

/* Boots of which the recorded values say nothing: `explain` says so, as `resume` does, and accuses nobody. */

let machine: SimMachine

type Explained = {
  verdict: string
  reasons: { code: string; isBlocking: boolean }[]
  pcrs: { change: string }[]
}

const looks = async () => {
  const text = await type(['explain'], makeSimulatedHost(machine))
  const { answer, exit } = await typeJson<Explained>(['explain'], makeSimulatedHost(machine))
  expect(exit).toBe(text.exit)
  return {
    exit,
    said: text.said,
    verdict: answer.verdict,
    codes: answer.reasons.map(({ code }) => code),
    answer,
  }
}

async function prepare(answers: Record<string, string> = {}): Promise<void> {
  const started = await typeStart(makeSimulatedHost(machine), 'forward-seal', answers)
  expect(started.exit, started.said).toBe(3)
}

describe('an entry without AEM', () => {
  beforeEach(async () => {
    machine = await approvedMachine()
    update(machine, NEXT_XEN)
    await prepare()
    machine.menuChoice = PLAIN_ENTRY
    restartMachine(machine)
  })

  it('is told as that', async () => {
    const { exit, said, verdict, codes } = await looks()
    expect([exit, verdict, codes]).toEqual([1, 'no-baseline', ['not-aem-boot']])
    expect(said).toContain('dom0 was restarted without AEM')
    expect(said).toContain('if you did not choose another entry yourself, power off')
    expect(said).not.toMatch(/UNEXPLAINED|not there any more|nothing was recorded/)
  })

  it('hides nothing of the AEM boot that follows', async () => {
    put(machine, XEN_IMAGE, changeOneByte)
    machine.menuChoice = null
    restartMachine(machine)
    expect(await looks()).toMatchObject({ exit: 4, verdict: 'unexplained' })
  })
})

it('a boot without AEM that no session waits for is told as that, and orders no `resume`', async () => {
  machine = await approvedMachine()
  machine.menuChoice = PLAIN_ENTRY
  restartMachine(machine)
  const { exit, said, verdict, codes } = await looks()
  expect([exit, verdict, codes]).toEqual([1, 'no-baseline', ['not-aem-boot']])
  expect(said).toContain('dom0 was started without AEM')
  expect(said).not.toMatch(/nothing was recorded|aem-reseal resume/)
})

it('a boot from another device than the one that was checked is told as that', async () => {
  machine = machineOf('two-devices')
  await prepare()
  machine.bootDevice = STICK.uuid
  restartMachine(machine)
  const { exit, said, verdict, codes } = await looks()
  expect([exit, verdict, codes]).toEqual([1, 'no-baseline', ['other-device']])
  expect(said).toContain('the recorded values say nothing about it')
  expect((await typeResume(makeSimulatedHost(machine))).exit).toBe(1)
})

describe('a stick that was unplugged after its boot', () => {
  const bootFromStick = async (change: () => void) => {
    machine = machineOf('two-devices')
    machine.bootDevice = STICK.uuid
    restartMachine(machine)
    restartMachine(machine)
    update(machine, NEXT_XEN)
    await prepare({ 'refresh-device': 'yes' })
    change()
    restartMachine(machine)
    findDevice(machine, STICK.uuid)!.isPresent = false
  }

  it('is what to plug in, where every register is as predicted', async () => {
    await bootFromStick(() => undefined)
    const { exit, said, verdict, codes, answer } = await looks()
    expect([exit, verdict, codes]).toEqual([1, 'no-baseline', ['device-absent']])
    expect(said).toContain('plug in the same AEM device this boot came from')
    expect(said).not.toContain('not there any more')
    expect(answer.pcrs.map(({ change }) => change)).toContain('not-computable')
    findDevice(machine, STICK.uuid)!.isPresent = true
    expect(await looks()).toMatchObject({ exit: 0, verdict: 'explained' })
  })

  it('silences no register that contradicts its prediction', async () => {
    await bootFromStick(() => {
      const file = findDevice(machine, STICK.uuid)!.files.get(`/${XEN_IMAGE}`)!
      findDevice(machine, STICK.uuid)!.files.set(`/${XEN_IMAGE}`, {
        ...file,
        bytes: changeOneByte(file.bytes),
      })
    })
    const { exit, said, verdict } = await looks()
    expect([exit, verdict]).toEqual([4, 'unexplained'])
    expect(said).toContain('plug in the same AEM device this boot came from and run this again')
  })
})

describe('a LUKS header that a person called their own at `start`', () => {
  const own = async () => {
    machine = await approvedMachine()
    machine.luksHeader = Buffer.from('another key slot')
    const started = await typeStart(makeSimulatedHost(machine), null, { 'accept-luks-header': 'yes' })
    expect(started.exit, started.said).toBe(3)
  }

  it('needs no package behind it', async () => {
    await own()
    restartMachine(machine)
    expect(await looks()).toMatchObject({ exit: 0, verdict: 'explained' })
    const resumed = await typeResume(makeSimulatedHost(machine))
    expect(resumed.exit, resumed.said).toBe(3)
  })

  it('makes no other header theirs', async () => {
    await own()
    machine.luksHeader = Buffer.from('a key slot of somebody else')
    restartMachine(machine)
    expect(await looks()).toMatchObject({ exit: 4, verdict: 'unexplained' })
  })

  it('that nobody called theirs is asked about, not only feared', async () => {
    machine = await approvedMachine()
    const started = await typeStart(makeSimulatedHost(machine), null)
    expect(started.exit, started.said).toBe(1)
    machine.luksHeader = Buffer.from('another key slot')
    restartMachine(machine)
    const { exit, said } = await looks()
    expect(exit).toBe(4)
    expect(said).toContain('if you changed a passphrase, a key slot or an encrypted disk yourself')
    expect(said).not.toContain('count the machine as lost')
  })

  it('accounts for nothing beside it', async () => {
    await own()
    put(machine, XEN_IMAGE, changeOneByte)
    restartMachine(machine)
    expect(await looks()).toMatchObject({ exit: 4, verdict: 'unexplained' })
  })
})
