import { expect } from 'vitest'
import { secretShown } from './guest.ts'
import { updatedMachine } from './snapshots.ts'
import { story } from './story.ts'

/*
 * The baseline that the program is there to beat: an update of Xen where nobody runs it. Must be seen: a first boot without the
 * sentence, though nothing is wrong; AEM's own service seals to what that boot measured; the sentence is back at the next one.
 */

story('1: stock, an update without the program', updatedMachine, async (machine) => {
  const first = await machine.powerOn()
  await first.ready()
  expect(secretShown(first), 'the sentence at the first boot').toBe(false)
  expect(first.serial()).toContain('Freshness token unsealing failed!')
  const sealing = await first.must([
    'journalctl',
    '--boot',
    '--output=cat',
    '--unit=anti-evil-maid-seal.service',
  ])
  expect(sealing.stdout).toMatch(/Sealed \/var\/lib\/anti-evil-maid\/aem\/secret\.txt/)
  expect(sealing.stdout).toContain('Syncing to /boot')
  await first.powerOff()

  const next = await machine.powerOn()
  await next.ready()
  expect(secretShown(next), 'the sentence at the next boot').toBe(true)
})
