import { beforeEach, expect, it, vi } from 'vitest'
import type { ChangeFacts } from '../../src/core/decide/explain-change.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { outcomesOf, rehearse } from '../support/built-in.ts'

/*
 * The check behind evil-maid, broken on purpose: what the explanation is told is blinded, part by part. Were the
 * scenario's name what ends with 4, nothing here would change the end.
 */
const blind = { files: false, packages: false, log: false }

vi.mock('../../src/core/decide/explain-change.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/core/decide/explain-change.ts')>()
  const decideChange: typeof original.decideChange = (facts) =>
    original.decideChange(facts === null ? null : blindfold(facts))
  return { ...original, decideChange }
})

vi.mock('../../src/core/launch/explain.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/core/launch/explain.ts')>()
  const explainChange: typeof original.explainChange = (input) => {
    const explained = original.explainChange(input)
    if (!blind.log) return explained
    const pcrs = explained.pcrs.map((pcr) => ({
      ...pcr,
      change: pcr.before === pcr.now ? ('none' as const) : ('expected' as const),
    }))
    const isChanged = pcrs.some(({ change }) => change !== 'none')
    return { ...explained, pcrs, reasons: [], verdict: isChanged ? 'explained' : 'unchanged' }
  }
  return { ...original, explainChange }
})

function blindfold(facts: ChangeFacts): ChangeFacts {
  return {
    ...facts,
    files: blind.files ? facts.files.map((file) => ({ ...file, now: file.before })) : facts.files,
    deviceProblems: blind.files ? [] : (facts.deviceProblems ?? []),
    packages: blind.packages ? facts.packages.map((item) => ({ ...item, isVerified: true })) : facts.packages,
  }
}

function evilMaid() {
  const scenario = SCENARIOS.find(({ name }) => name === 'evil-maid')
  if (!scenario) throw new Error('no scenario evil-maid')
  return { machine: scenario.make(), whileOff: scenario.whileOff }
}

const EYES = ['files', 'packages', 'log'] as const

beforeEach(() => {
  for (const eye of EYES) blind[eye] = false
})

it('ends with 4 while the checks see', async () => {
  expect((await rehearse(evilMaid())).result.exit).toBe(4)
})

it.each(EYES)('is still found by the %s when nothing else is looked at', async (seeing) => {
  for (const eye of EYES) blind[eye] = eye !== seeing
  expect((await rehearse(evilMaid())).result.exit).toBe(4)
})

it('no longer ends with 4 when none of them is looked at', async () => {
  for (const eye of EYES) blind[eye] = true
  const { result } = await rehearse(evilMaid())
  expect(outcomesOf(result)).toContain('explain: explained')
  expect(result.exit).toBe(0)
})
