import { expect } from 'vitest'
import { sealedFiles, sealResult, secretShown } from './guest.ts'
import { startedMachine } from './snapshots.ts'
import { story } from './story.ts'

/*
 * Must be seen: with hold AEM's automatic seal waits at the blind first boot; `resume` approves the update, seals,
 * verifies and ends with 0; the next boot shows the sentence. Must not be seen: a seal before `resume`.
 */

story('4: hold, approved', startedMachine.hold, async (machine) => {
  const boot = await machine.powerOn()
  await boot.ready()
  expect(secretShown(boot), 'the sentence at the first boot').toBe(false)
  expect(await sealResult(boot)).toBe('exec-condition')
  const before = await sealedFiles(boot)

  const resume = await boot.program(['resume', '--yes'])
  expect(resume.exit, resume.screen).toBe(0)
  expect(await sealedFiles(boot)).not.toBe(before)
  await boot.powerOff()

  const next = await machine.powerOn()
  await next.ready()
  expect(secretShown(next), 'the sentence at the next boot').toBe(true)
  expect(await sealResult(next)).toBe('success')
})
