import { beforeEach, expect, it, vi } from 'vitest'
import type { ChangeFacts } from '../../src/core/decide/explain-change.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { outcomesOf, rehearse } from '../support/built-in.ts'

/*
 * The check behind evil-maid, broken on purpose: what the explanation is told is blinded, part by part. Were the
 * scenario's name what ends with 4, nothing here would change the end.
 */
const blind = { files: false, packages: false }

vi.mock('../../src/core/decide/explain-change.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/core/decide/explain-change.ts')>()
  const decideChange: typeof original.decideChange = (facts) =>
    original.decideChange(facts === null ? null : blindfold(facts))
  return { ...original, decideChange }
})

function blindfold(facts: ChangeFacts): ChangeFacts {
  return {
    ...facts,
    files: blind.files ? [] : facts.files,
    packages: blind.packages ? facts.packages.map((item) => ({ ...item, isVerified: true })) : facts.packages,
  }
}

function evilMaid() {
  const scenario = SCENARIOS.find(({ name }) => name === 'evil-maid')
  if (!scenario) throw new Error('no scenario evil-maid')
  return { machine: scenario.make(), whileOff: scenario.whileOff }
}

beforeEach(() => {
  blind.files = false
  blind.packages = false
})

it('ends with 4 while the checks see', async () => {
  expect((await rehearse(evilMaid())).result.exit).toBe(4)
})

it('is still found by the package when the boot files are not compared', async () => {
  blind.files = true
  expect((await rehearse(evilMaid())).result.exit).toBe(4)
})

it('is still found by the boot files when the package is not verified', async () => {
  blind.packages = true
  expect((await rehearse(evilMaid())).result.exit).toBe(4)
})

it('no longer ends with 4 when neither is looked at', async () => {
  blind.files = true
  blind.packages = true
  const { result } = await rehearse(evilMaid())
  expect(outcomesOf(result)).toContain('explain: explained')
  expect(result.exit).toBe(0)
})
