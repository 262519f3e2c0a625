import { describe, expect, it } from 'vitest'
import { decideNotice, NOTICES, type Notice, type NoticeFacts } from '../../../src/core/decide/notice.ts'
import { sayNotice } from '../../../src/messages/notice.ts'

const QUIET: NoticeFacts = {
  isOutdated: false,
  session: null,
  reasons: [],
  isUpdatedInBoot: false,
  isUpdatedBefore: false,
  isMarkIgnored: false,
}
const BEFORE = { isRestarted: false, step: 'restart' }

const CASES: readonly (readonly [string, Notice | null, Partial<NoticeFacts>])[] = [
  ['nothing is due', null, {}],
  ['a restart is planned', null, { session: BEFORE, isUpdatedInBoot: true, reasons: ['session-open'] }],
  [
    'a restart is planned, and what is to be asked behind it',
    null,
    { session: { ...BEFORE, step: 'checkpoint' } },
  ],
  ['the check of the boot is planned', null, { session: { ...BEFORE, step: 'check-boot' } }],
  ['the wizard was left half way', 'resume', { session: { isRestarted: false, step: 'predict' } }],
  ['dom0 was restarted', 'resume', { session: { isRestarted: true, step: 'restart' } }],
  ['it is not known whether it was', 'resume', { session: { isRestarted: null, step: 'restart' } }],
  ['what was prepared no longer fits', 'prepared-outdated', { session: BEFORE, isOutdated: true }],
  ['a boot that nobody can explain', 'alarm', { reasons: ['boot-unexplained'], isUpdatedInBoot: true }],
  ['a changed boot file', 'boot-file-changed', { reasons: ['boot-files-changed', 'seal-held'] }],
  ['both', 'alarm', { reasons: ['boot-files-changed', 'boot-unexplained'] }],
  ['a held seal', 'seal-held', { reasons: ['seal-held'], isUpdatedBefore: true }],
  ['an update', 'start', { isUpdatedInBoot: true, isUpdatedBefore: true }],
  ['another Xen, without a mark', 'start', { reasons: ['restart-pending'] }],
  ['an update before this boot', 'update-unconfirmed', { isUpdatedBefore: true, isMarkIgnored: true }],
  ['a mark that is not believed', 'mark-ignored', { isMarkIgnored: true }],
  ['things that only status tells', null, { reasons: ['launch-log-unread', 'device-absent'] }],
]

describe('decideNotice', () => {
  it.each(CASES)('%s', (_what, notice, facts) => {
    expect(decideNotice({ ...QUIET, ...facts })).toBe(notice)
  })

  it('has words and a command for each', () => {
    expect(new Set(CASES.flatMap(([, notice]) => notice ?? []))).toEqual(new Set(NOTICES))
    for (const notice of NOTICES) {
      const said = sayNotice(notice, 'xen-hypervisor 4.19.4-1')
      expect(said.title.length).toBeLessThan(60)
      expect(said.command).toMatch(/^aem-reseal( (cancel|explain|resume|start|verify))?$/)
    }
  })
})
