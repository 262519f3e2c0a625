import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import { calibrateLaunch } from '../../../src/core/launch/calibrate.ts'

const FAILED = new Failure({
  code: 'log-unreadable',
  what: 'tboot kept no log',
  why: null,
  next: 'put logging=memory',
})
const pcrs = (value: string) => ({ sha256: { 17: value.repeat(32), 18: value.repeat(32) } })
const look = (log: Failure | null, value: string) =>
  calibrateLaunch({ log, pcrsNow: pcrs(value), booted: null, images: {} }).refusal

/*
 * txt-stat says "TXT measured launch: TRUE" on a machine without TXT, whose registers are all FF (TrenchBoot/trenchboot-hcl, ASRock
 * Z790 PG Lightning, 2025-09-25: senter_done and sexit_done, no TXT heap): no log is missing there.
 */
describe('a boot whose registers say that nothing launched it', () => {
  it.each([FAILED, null])('was not measured, whatever is said of a log', (log) => {
    expect(look(log, 'ff')).toMatchObject({ code: 'unmeasured' })
  })

  it.each(['00', 'ab'])('needs a log where they say otherwise: %s', (value) => {
    expect(look(FAILED, value)).toMatchObject({ code: 'log-unreadable', next: 'put logging=memory' })
    expect(look(null, value)).toMatchObject({ code: 'log-unreadable' })
  })
})
