import { describe, expect, it } from 'vitest'
import { isAskedBySystemd } from '../../../src/core/hold/asked.ts'

const INVOCATION_ID = 'ab'.repeat(16)

describe('isAskedBySystemd', () => {
  it.each([
    ['the process that systemd started', { SYSTEMD_EXEC_PID: '4711', INVOCATION_ID }, 1, true],
    ['the same below a service that starts services', { SYSTEMD_EXEC_PID: '4711' }, 900, true],
    ['a child of a login session', { SYSTEMD_EXEC_PID: '900', INVOCATION_ID }, 900, false],
    ['an orphan of a login session', { SYSTEMD_EXEC_PID: '900', INVOCATION_ID }, 1, false],
    ['an older systemd', { INVOCATION_ID }, 1, true],
    ['a shell below an older systemd', { INVOCATION_ID }, 900, false],
    ['a shell without either', {}, 900, false],
    ['an orphan without either', {}, 1, false],
    ['nonsense', { INVOCATION_ID: 'yes' }, 1, false],
    ['an identifier with more behind it', { INVOCATION_ID: `${INVOCATION_ID}0` }, 1, false],
    ['an identifier with more before it', { INVOCATION_ID: `0${INVOCATION_ID}` }, 1, false],
  ])('%s', (_, environment, parentPid, isAsked) => {
    expect(isAskedBySystemd({ environment, pid: 4711, parentPid })).toBe(isAsked)
  })
})
