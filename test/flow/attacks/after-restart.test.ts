import { describe, expect, it } from 'vitest'
import type { SimMachine } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import { resumeRun, startRun } from '../../support/attack.ts'
import { machineOf } from '../../support/built-in.ts'

/*
 * After a boot the kernel and Xen say with which words they run. Here registers, launch log and every file are as
 * predicted, and the secret appeared: only those words are other ones, and they alone have to raise the alarm.
 */

const addTo =
  (which: 'kernel' | 'xen', words: string) =>
  (machine: SimMachine): void => {
    const { booted } = machine
    if (!booted?.xen) throw new Error('no Xen runs')
    const changed = { ...booted[which], commandLine: `${booted[which]?.commandLine} ${words}` }
    machine.booted = { ...booted, [which]: changed }
  }

/** Sealed forward and booted: the secret is there. */
async function bootedAsPredicted(): Promise<SimMachine> {
  const machine = machineOf('clean-update')
  expect((await startRun(machine)).outcomes).toContain('forward-seal: sealed')
  restartMachine(machine)
  expect(machine.journal.join('\n')).toMatch(/Freshness token valid/)
  return machine
}

describe('what this boot says of its command lines, whatever the registers say', () => {
  it.each([
    ["a word on the kernel's line", '/proc/cmdline', addTo('kernel', 'init=/bin/sh'), /\+ init=\/bin\/sh/],
    ["a word on Xen's line", 'xl info', addTo('xen', 'iommu=no'), /\+ iommu=no/],
  ])('%s (%s) is an alarm', async (_what, source, change, named) => {
    const machine = await bootedAsPredicted()
    change(machine)
    const { exit, outcomes, said } = await resumeRun(machine)
    expect(outcomes).toContain('explain: unexplained')
    expect(outcomes.filter((text) => /^(?:accept-change|reseal):/.test(text))).toEqual([])
    expect(said).toContain(source)
    expect(said).toMatch(named)
    expect(exit).toBe(4)
  })

  it('the same boot with its own words is none', async () => {
    const { exit, outcomes } = await resumeRun(await bootedAsPredicted())
    expect(outcomes).toContain('explain: explained')
    expect(exit).toBe(0)
  })
})
