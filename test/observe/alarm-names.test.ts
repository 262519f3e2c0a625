import { describe, expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { unexplainedScreen } from '../../src/messages/alarm.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeExplanation } from '../../src/observe/launch/explanation.ts'
import { editEntries } from '../support/attack.ts'
import { started } from '../support/started.ts'

/* The alarm has room for one finding: what was done, and not only the file in which it was done. */

async function firstLine(change: (machine: SimMachine) => void): Promise<string> {
  const { machine, session } = await started()
  change(machine)
  restartMachine(machine)
  const explanation = await observeExplanation(observeDom0(makeSimulatedHost(machine)), session, {
    state: 'absent',
  })
  expect(explanation.verdict).toBe('unexplained')
  expect(explanation.reasons.map(({ code }) => code)).toContain('boot-file-changed')
  return unexplainedScreen(explanation).body[0]?.text ?? ''
}

const INITRAMFS_LINE = /^(\t*)(module\s+\/initramfs\S+)\n/m

describe('the alarm names', () => {
  it.each<[string, (entry: string) => string, RegExp]>([
    [
      'an added module',
      (entry) => entry.replace(INITRAMFS_LINE, '$1$2\n$1module\t/tboot.gz extra\n'),
      /^PCR 19: a further module \/tboot\.gz is measured in addition \(and \d more\)\.$/,
    ],
    [
      'a removed module',
      (entry) => entry.replace(INITRAMFS_LINE, ''),
      /^PCR 19: the initramfs \S+ is no longer measured into PCR 19 \(and \d more\)\.$/,
    ],
    [
      "a word on Xen's line",
      (entry) => entry.replace(/(module\s+\/xen-\S+ placeholder)/, '$1 iommu=off'),
      /^PCR 18: .*iommu=off/,
    ],
  ])('%s', async (_, edit, words) => {
    expect(await firstLine((machine) => editEntries(machine, edit))).toMatch(words)
  })
})
