import { setTimeout } from 'node:timers/promises'
import { expect } from 'vitest'
import { secretShown, UPDATE_XEN } from './guest.ts'
import { saidAtLogin, statusOf } from './said.ts'
import { sealedBase } from './snapshots.ts'
import { story } from './story.ts'

/*
 * A restart that the program schedules. Must be seen: it can be cancelled, with the session; left alone it happens by itself,
 * and at the next login the shell and the notice offer `resume`. Must not be seen: a restart after `cancel`.
 */

const SCHEDULED = ['test', '-e', '/run/systemd/shutdown/scheduled']
const START = ['start', '--protect', 'forward-seal', '--yes', '--restart']

story('10: a scheduled restart, cancelled and then done', sealedBase, async (machine) => {
  const boot = await machine.powerOn()
  const bootId = await boot.ready()
  await boot.must(['sh', '-c', UPDATE_XEN])
  const start = await boot.program([...START, '+1'])
  expect(start.exit, start.screen).toBe(3)
  await boot.must(SCHEDULED)
  const cancel = await boot.program(['cancel', '--yes'])
  expect(cancel.exit, cancel.screen).toBe(0)
  expect((await boot.run(SCHEDULED)).exit, 'still scheduled after cancel').not.toBe(0)
  expect((await statusOf(boot)).session).toBeNull()
  await setTimeout(90_000)
  expect((await boot.must(['cat', '/proc/sys/kernel/random/boot_id'])).stdout.trim()).toBe(bootId)

  const again = await boot.program([...START, '+1'])
  expect(again.exit, again.screen).toBe(3)
  expect(await boot.ended(300)).toBe('restart')

  const next = await machine.powerOn()
  await next.ready()
  expect(secretShown(next), 'the sentence after the restart').toBe(true)
  expect(await saidAtLogin(next)).toContain('aem-reseal resume')
  expect((await statusOf(next)).notice?.code).toBe('resume')
})
