import { describe, expect, it } from 'vitest'
import { type Bank, emptyPcr, extendPcr } from '../../src/core/launch/pcr.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { machineOf, outcomesOf, rehearse } from '../support/built-in.ts'

/*
 * A launch that failed leaves registers that anybody knows. AEM's own check takes a capped one for measured, and seals to
 * it: the built-in AEM does as it does.
 */

const ones = (bank: Bank): string => 'ff'.repeat(emptyPcr(bank).length / 2)
const CONSTANTS: readonly (readonly [string, (bank: Bank) => string])[] = [
  ['all zeros', emptyPcr],
  ['all ones', ones],
  ['capped', (bank) => extendPcr(bank, emptyPcr(bank), ones(bank))],
]

function setRegister(machine: SimMachine, index: number, constantIn: (bank: Bank) => string): void {
  for (const [bank, values] of Object.entries(machine.pcrs)) values[index] = constantIn(bank as Bank)
}

const wasSealed = (steps: readonly string[]): boolean =>
  steps.some((step) => /^(?:reseal|forward-seal): (?:sealed|done)/.test(step))

describe.each(CONSTANTS)('%s', (_, constantIn) => {
  it.each([
    [17, 'detect-aem: unmeasured'],
    [18, 'detect-aem: bad-pcrs'],
    [19, 'detect-aem: bad-pcrs'],
    [13, 'detect-aem: bad-pcrs'],
  ])('in PCR %i before the restart: start stops', async (index, outcome) => {
    const machine = machineOf('clean-update')
    setRegister(machine, index, constantIn)
    const { result, ui } = await rehearse({ machine })
    expect(result.exit).toBe(1)
    expect(outcomesOf(result).at(-1)).toBe(outcome)
    expect(ui.said.join(' ')).toContain('public constant')
  })

  it.each([17, 18, 19])('in PCR %i after the restart: never approved, never sealed', async (index) => {
    const machine = machineOf('clean-update')
    const { result } = await rehearse({ machine, afterBoot: (one) => setRegister(one, index, constantIn) })
    const steps = outcomesOf(result)
    expect([1, 4]).toContain(result.exit)
    expect(steps.join()).toContain('checkpoint')
    expect(steps.some((step) => step.startsWith('accept-change: acc'))).toBe(false)
    expect(wasSealed(steps.slice(steps.findIndex((step) => step.startsWith('check-boot:'))))).toBe(false)
  })
})

it('a selection that only a shell can read stops start, named with its line', async () => {
  const machine = machineOf('clean-update')
  const bytes = Buffer.from('# mine\nSEAL="--pcr $(cat /x)"\n')
  machine.dom0.set('/etc/anti-evil-maid.conf', { bytes, mtimeMs: machine.nowMs })
  const { result, ui } = await rehearse({ machine })
  expect(result.exit).toBe(1)
  expect(outcomesOf(result)).toEqual(['detect-aem: unknown'])
  const said = ui.said.join(' ').replace(/\s+/g, ' ')
  expect(said).toContain('line 2 of /etc/anti-evil-maid.conf')
  expect(said).not.toContain('not set up')
})
