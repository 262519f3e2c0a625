import { describe, expect, it } from 'vitest'
import { parseRestartPlan, restartClock } from '../../../src/core/decide/restart-plan.ts'
import { describeRestart } from '../../../src/messages/restart.ts'

const at = (hours: number, minutes: number): Date => new Date(2024, 6, 17, hours, minutes, 30)
const clockOf = (text: string, now: Date) => restartClock(parseRestartPlan(text)!, now)

describe('the clock of a planned restart, in local time', () => {
  it.each([
    ['+5', at(9, 0), { clock: '09:05', isTomorrow: false }],
    ['+30', at(23, 45), { clock: '00:15', isTomorrow: true }],
    ['+1440', at(9, 0), { clock: '09:00', isTomorrow: true }],
    ['22:15', at(9, 0), { clock: '22:15', isTomorrow: false }],
    ['08:00', at(9, 0), { clock: '08:00', isTomorrow: true }],
    ['now', at(9, 0), null],
    ['manual', at(9, 0), null],
  ])('%s', (text, now, expected) => {
    expect(clockOf(text, now)).toEqual(expected)
  })

  it('is told with the command that calls it off', () => {
    const said = describeRestart('requested', null, 'plain', clockOf('+30', at(23, 45)))
    expect(said.what).toBe('dom0 restarts at 00:15 tomorrow')
    expect(said.next).toContain('`aem-reseal cancel` calls it off')
  })

  it('is not told of a restart that begins now, or by hand', () => {
    expect(describeRestart('requested', null, 'plain', null).what).toBe('dom0 restarts')
    expect(describeRestart('requested', null, 'plain', null).next).not.toContain('cancel')
    expect(describeRestart('by-hand', null, 'plain', null).next).not.toContain('cancel')
  })
})
