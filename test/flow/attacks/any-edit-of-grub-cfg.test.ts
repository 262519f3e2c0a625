import { expect, it } from 'vitest'
import { INTERNAL } from '../../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../../src/host/simulated/host.ts'
import { findDevice, type SimMachine } from '../../../src/host/simulated/model.ts'
import { observeDom0 } from '../../../src/observe/dom0/dom0.ts'
import { type ObservedPrediction, observePrediction } from '../../../src/observe/launch/prediction.ts'
import { anEdit, asBytes, type Edit } from '../../core/launch/grub-edits.ts'
import { fc } from '../../core/launch/property.ts'
import { machineOf } from '../../support/built-in.ts'

/*
 * Whatever single edit is made to grub.cfg before `start`: the registers that a forward seal would take are those of the
 * file as it was, or nothing is sealed to without a person's word.
 */

const GRUB = '/grub2/grub.cfg'
const SELECTED = [13, 17, 18, 19] as const
const RUNS = 5_000

/** A Xen update is pending, so that registers change and a forward seal is offered. */
const machine: SimMachine = machineOf('clean-update')
const host = makeSimulatedHost(machine)
const files = findDevice(machine, INTERNAL.uuid)!.files
const original = files.get(GRUB)!
const text = Buffer.from(original.bytes).toString('latin1')

async function predictWith(grub: string): Promise<ObservedPrediction> {
  files.set(GRUB, { ...original, bytes: Buffer.from(grub, 'latin1') })
  return observePrediction(observeDom0(host), SELECTED)
}

function valuesOf({ prediction }: ObservedPrediction): string {
  return JSON.stringify(prediction.pcrs.map(({ index, bank, predicted }) => [index, bank, predicted]))
}

it('never leads to a forward seal to other registers without a question', { timeout: 600_000 }, async () => {
  const honest = await predictWith(text)
  expect(honest.outcome).toBe('complete')
  const counted = { same: 0, unvouched: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(anEdit(text), async (edit: Edit) => {
      const found = await predictWith(asBytes(edit.make()))
      const isOffered = found.outcome === 'complete' && found.prediction.pcrs.every(({ vouched }) => vouched)
      if (isOffered) expect(valuesOf(found)).toBe(valuesOf(honest))
      counted[isOffered ? 'same' : found.outcome === 'unvouched' ? 'unvouched' : 'refused'] += 1
    }),
    { numRuns: RUNS },
  )
  // Edits of every kind were tried: most lines of the file do not reach the entry, some do.
  expect(counted.same).toBeGreaterThan(RUNS / 20)
  expect(counted.unvouched + counted.refused).toBeGreaterThan(RUNS / 20)
})
