import { expect, it } from 'vitest'
import { runMain } from '../support/io.ts'

const WORDS = ['--verbose', 'rehearse', '--scenario', 'clean-update', '--yes']

it('--verbose tells on standard error what the built-in machine is asked', async () => {
  const { exit, stdout, stderr } = await runMain(WORDS)
  expect(exit).toBe(0)
  expect(stdout).not.toContain('run: ')
  const lines = stderr.split('\n').filter(Boolean)
  expect(lines.length).toBeGreaterThan(100)
  expect(lines.filter((text) => !text.startsWith('run: /'))).toEqual([])
})

it('a step asks dom0 once: of 100 programs at most 15 were run before in the same step', async () => {
  const steps: string[][] = [[]]
  await runMain(WORDS, {
    stderr: (text) => void steps.at(-1)?.push(text),
    // A step begins behind an empty line.
    stdout: (text) => void (text.startsWith('\n') && steps.push([])),
  })
  const distinct = steps.reduce((sum, step) => sum + new Set(step).size, 0)
  expect(steps.length).toBeGreaterThan(15)
  expect(steps.flat().length).toBeGreaterThan(100)
  expect(steps.flat().length / distinct).toBeLessThanOrEqual(1.15)
})
