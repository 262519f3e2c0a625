import { describe, expect, it } from 'vitest'
import {
  hasLaunchLine,
  isConsoleWhole,
  lastBootOf,
  parseEventLogLocation,
} from '../../../src/core/launch/xl-dmesg.ts'

const RESERVED = '(XEN) SLAUNCH: reserving event log'
const range = (from: string, to: string): string => `${RESERVED} (${from} - ${to})\n`
const MIB = 0x10_0000

describe('the place of the event log', () => {
  it.each([
    ['one byte', '0x1000', '0x1001', { address: 0x1000, sizeBytes: 1 }],
    ['16 MiB', '0x1000000', '0x2000000', { address: 16 * MIB, sizeBytes: 16 * MIB }],
    ['more than 16 MiB', '0x1000000', '0x2000001', null],
    ['nothing', '0x1000', '0x1000', null],
    ['less than nothing', '0x1000', '0xfff', null],
    ['the start of memory', '0x0', '0x8000', null],
    ['what lies above 4 GiB', '0x100000000', '0x100008000', { address: 2 ** 32, sizeBytes: 0x8000 }],
    ['what no number tells apart', '0x20000000000000', '0x20000000008000', null],
  ])('may be %s, or not', (_, from, to, place) => {
    expect(parseEventLogLocation(range(from, to))).toEqual(place)
  })

  it('is one place, however often it is told', () => {
    const place = range('0x1000', '0x9000')
    expect(parseEventLogLocation(place + place)).toEqual({ address: 0x1000, sizeBytes: 0x8000 })
    expect(parseEventLogLocation(place + range('0x1000', '0xa000'))).toBeNull()
    expect(parseEventLogLocation(place + range('0x2000', '0x9000'))).toBeNull()
  })

  it.each(['(d1) ', 'qube: ', ' ', 'x'])('is not told behind "%s"', (prefix) => {
    expect(parseEventLogLocation(`${prefix}${range('0x1000', '0x9000')}`)).toBeNull()
  })
})

describe("Xen's console", () => {
  const BANNER = '(XEN) Xen version 4.17.4 (@) (gcc 12) debug=n\n'

  it.each(['', '[2026-11-30 16:00:00] ', '[x]'])('has its beginning behind the time %j', (time) => {
    expect(isConsoleWhole(`${time}${BANNER}(XEN) more\n`)).toBe(true)
    expect(isConsoleWhole(`old\n${time}${BANNER}`)).toBe(true)
  })

  it.each(['', '(XEN) more\n', `(d1) ${BANNER}`, `x${BANNER}`, 'Xen version 4.17.4\n'])(
    'has lost its beginning in %j',
    (text) => {
      expect(isConsoleWhole(text)).toBe(false)
      expect(lastBootOf(text)).toBe('')
    },
  )

  it('has the last boot from its last beginning', () => {
    expect(lastBootOf(`old\n${BANNER}one\n${BANNER}two\n`)).toBe(`${BANNER}two\n`)
    expect(lastBootOf(`old\n[x] ${BANNER}one\n(d1) ${BANNER}`)).toBe(`[x] ${BANNER}one\n(d1) ${BANNER}`)
  })

  it('tells of a launch in lines of its own', () => {
    const line = '(XEN) SLAUNCH: reserving SLB (0x1000 - 0x2000)\n'
    for (const text of [line, `old\n${line}`, `[x] ${line}`, '(XEN) [1.0] SLAUNCH: x'])
      expect(hasLaunchLine(text), text).toBe(true)
    for (const text of ['', BANNER, `(d1) ${line}`, `x${line}`, '(XEN) no SLAUNCH: x', '(XEN) SLAUNCH'])
      expect(hasLaunchLine(text), text).toBe(false)
  })
})
