import { describe, expect, it } from 'vitest'
import { EXIT } from '../../src/core/failure.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { type } from '../support/at-terminal.ts'
import { approveBoot, editLines, putOnBoot, sealedFiles } from '../support/attack.ts'
import { blindHost, type Look } from '../support/blind.ts'
import { machineOf } from '../support/built-in.ts'

/*
 * Each look that a command takes at the machine fails once, and all others answer. What cannot be read is never an error of
 * the program itself, leaves nothing open, and never makes an attacker's machine look better than it is.
 */

const START = ['start', '--protect', 'forward-seal', '--restart', 'manual']
const BOOT_UUID = INTERNAL.uuid
/** An error of the program itself. */
const INTERNAL_ERROR = EXIT.internal

async function runBlind(machine: SimMachine, words: readonly string[], failing: Look | null) {
  const own = structuredClone(machine)
  const blind = blindHost(makeSimulatedHost(own), failing)
  const { exit, said } = await type(words, blind.host)
  return { exit, said, looks: blind.looks, open: [...blind.open], machine: own }
}

/** The runs in which something went wrong that a failing look must not do; `wrong` says what. */
async function listWrong(
  machine: SimMachine,
  words: readonly string[],
  wrong: (run: Awaited<ReturnType<typeof runBlind>>) => string | null,
): Promise<{ readonly looks: number; readonly wrong: readonly string[] }> {
  const whole = await runBlind(machine, words, null)
  expect(wrong(whole)).toBeNull()
  const found: string[] = []
  for (const look of whole.looks) {
    const run = await runBlind(machine, words, look)
    const what = run.looks.has(look) ? wrong(run) : `was not taken`
    if (what !== null) found.push(`${look}: ${what}`)
  }
  return { looks: whole.looks.size, wrong: found }
}

async function started(name: string, words: readonly string[] = START): Promise<SimMachine> {
  const machine = machineOf(name)
  expect((await type(words, makeSimulatedHost(machine))).exit).toBe(3)
  return machine
}

async function restarted(name: string): Promise<SimMachine> {
  const machine = await started(name)
  SCENARIOS.find((one) => one.name === name)?.whileOff(machine)
  restartMachine(machine)
  return machine
}

async function closed(name: string): Promise<SimMachine> {
  const machine = await restarted(name)
  await type(['resume'], makeSimulatedHost(machine))
  return machine
}

describe('a look that fails is no error of the program, and leaves nothing open', () => {
  it.each<readonly [string, string, () => Promise<SimMachine>, number]>([
    ['before an update', 'status', async () => machineOf('two-devices'), 80],
    ['before an update', 'devices', async () => machineOf('two-devices'), 80],
    ['before an update', 'verify', async () => machineOf('two-devices'), 80],
    ['before an update', 'predict', async () => machineOf('clean-update'), 80],
    ['before an update', START.join(' '), async () => machineOf('clean-update'), 150],
    ['from a stale stick', START.join(' '), async () => machineOf('stale-stick'), 60],
    ['with a session', 'status', () => started('clean-update'), 80],
    ['with a session', 'explain', () => started('clean-update'), 80],
    ['with a session', 'resume', () => started('clean-update'), 80],
    ['after the restart', 'status', () => restarted('clean-update'), 80],
    ['after the restart', 'explain', () => restarted('clean-update'), 80],
    ['after the restart', 'resume', () => restarted('clean-update'), 120],
    ['after the update', 'status', () => closed('clean-update'), 80],
    ['after the update', 'verify', () => closed('clean-update'), 80],
    ['after the update', 'explain', () => closed('clean-update'), 80],
  ])('%s: %s', { timeout: 300_000 }, async (_when, words, make, atLeast) => {
    const { looks, wrong } = await listWrong(await make(), words.split(' '), ({ exit, open, said }) => {
      if (exit === INTERNAL_ERROR) return said.slice(-300)
      return open.length > 0 ? `left open: ${open.join()}` : null
    })
    expect(wrong).toEqual([])
    expect(looks).toBeGreaterThan(atLeast)
  })
})

describe('a command that acts leaves nothing open', () => {
  /** The update was booted from dom0's own disk, and that boot was approved. */
  async function approved(): Promise<SimMachine> {
    const machine = machineOf('two-devices')
    restartMachine(machine)
    await approveBoot(machine)
    return machine
  }
  async function lacking(): Promise<SimMachine> {
    const machine = await approved()
    findDevice(machine, STICK.uuid)?.files.delete('/tboot.gz')
    return machine
  }

  it.each<readonly [string, () => Promise<SimMachine>]>([
    ['devices refresh aem.stick', lacking],
    ['devices forward-seal aem.stick', approved],
    ['cancel', () => started('clean-update')],
  ])('%s', async (words, make) => {
    const machine = await make()
    const before = JSON.stringify([...machine.devices.map(({ files }) => [...files])])
    const { host, looks, open } = blindHost(makeSimulatedHost(machine), null)
    const { exit, said } = await type(words.split(' '), host, { 'refresh-device': 'yes' })
    expect([exit, said]).toEqual([EXIT.done, said])
    expect([...looks].some((look) => look.startsWith('device '))).toBe(true)
    expect(JSON.stringify([...machine.devices.map(({ files }) => [...files])])).not.toBe(before)
    expect([...open]).toEqual([])
  })
})

describe('a look that fails never makes a boot of an evil maid look better', () => {
  const evil = (change: (machine: SimMachine) => void) => async (): Promise<SimMachine> => {
    const machine = machineOf('clean-update')
    change(machine)
    return machine
  }

  it.each<readonly [string, () => Promise<SimMachine>]>([
    [
      "a word on Xen's line",
      evil((one) => editLines(one, BOOT_UUID, /^\/xen-/, (line) => `${line} iommu=no`)),
    ],
    ['a word for tboot', evil((one) => editLines(one, BOOT_UUID, /^\/tboot/, (line) => `${line} x=1`))],
    [
      'another initramfs',
      evil((one) => putOnBoot(one, '/initramfs-6.6.36-1.qubes.fc37.x86_64.img', Buffer.from('evil'))),
    ],
    ['another Xen', evil((one) => putOnBoot(one, '/xen-4.17.4.gz', Buffer.from('evil')))],
    [
      'another kernel',
      evil((one) => putOnBoot(one, '/vmlinuz-6.6.36-1.qubes.fc37.x86_64', Buffer.from('evil'))),
    ],
  ])('%s: no forward seal', { timeout: 300_000 }, async (_what, make) => {
    const machine = await make()
    const before = sealedFiles(machine)
    const { wrong } = await listWrong(machine, START, (run) => {
      if (run.exit === INTERNAL_ERROR) return run.said.slice(-300)
      return JSON.stringify(sealedFiles(run.machine)) === JSON.stringify(before) ? null : 'sealed forward'
    })
    expect(wrong).toEqual([])
  })

  it.each(['evil-maid', 'sinit-changed'])(
    '%s: `resume` and `explain` say no "all fine"',
    { timeout: 300_000 },
    async (name) => {
      const machine = await restarted(name)
      for (const words of [['resume'], ['explain']]) {
        const { wrong } = await listWrong(machine, words, ({ exit, said }) =>
          exit === 0 || exit === INTERNAL_ERROR ? `exit ${exit}: ${said.slice(-200)}` : null,
        )
        expect(wrong).toEqual([])
      }
    },
  )
})
