import { describe, expect, it } from 'vitest'
import { parseAemJournal } from '../../src/core/aem/seal-outcome.ts'
import { decideBoot } from '../../src/core/decide/check-boot.ts'
import { decideAemReadiness } from '../../src/core/decide/detect-aem.ts'
import { checkRegisters } from '../../src/core/decide/readiness.ts'
import { groupConstants } from '../../src/core/launch/pcr.ts'
import { parsePcrRead } from '../../src/core/launch/tpm2-pcrread.ts'
import { parseRpmVerify } from '../../src/core/package/rpm.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { describeUpdate } from '../../src/messages/before-restart.ts'
import { observeTpm } from '../../src/observe/launch/pcrs.ts'
import { aemDom0 } from '../support/recorded-machine.ts'

describe('a journal with the line ends of another system', () => {
  it('says the same', () => {
    const text = [
      '2024-07-17T09:00:05+0200 dom0 anti-evil-maid-unseal[412]: anti-evil-maid-unseal: Freshness token unsealed.',
      '2024-07-17T09:00:05+0200 dom0 anti-evil-maid-unseal[412]: anti-evil-maid-unseal: Freshness token valid, continuing.',
      '2024-07-17T09:00:15+0200 dom0 anti-evil-maid-seal[700]: anti-evil-maid-seal: Failed /boot/aem/secret.txt.sealed2',
      '',
    ]
    expect(parseAemJournal(text.join('\r\n'))).toEqual(parseAemJournal(text.join('\n')))
    expect(parseAemJournal(text.join('\r\n'))).toMatchObject({
      unseal: 'unsealed',
      failedFiles: ['/boot/aem/secret.txt.sealed2'],
    })
  })
})

describe('rpm -V with a dependency that is not met (printed so by rpm 4.18)', () => {
  const DEPENDENCIES =
    'Unsatisfied dependencies for depless-1-1.noarch:\n\tnothing >= 3 is needed by (installed) depless-1-1.noarch\n'

  it('says nothing of the files, and hides nothing', () => {
    expect(parseRpmVerify(DEPENDENCIES, 1)).toEqual([])
    expect(parseRpmVerify(`${DEPENDENCIES}S.5....T.    /boot/xen-4.17.4.gz\n`, 1)).toEqual([
      { path: '/boot/xen-4.17.4.gz', kind: 'contents', fileFlag: null },
    ])
  })

  it('is believed in no other form', () => {
    expect(parseRpmVerify('\tnothing is needed by something\n', 1)).toBeNull()
    expect(parseRpmVerify(`${DEPENDENCIES}error: rpmdb damaged\n`, 1)).toBeNull()
    expect(parseRpmVerify('\tx is needed by y\nS.5....T.    /boot/xen-4.17.4.gz\n', 1)).toBeNull()
    expect(parseRpmVerify('', 1)).toBeNull()
  })
})

describe('registers as tpm2_pcrlist of tpm2-tools 2 and 3 prints them', () => {
  const OLD = `sha1 :\n  0  : ${'1a'.repeat(20)}\nsha256 :\n  0  : ${'1a'.repeat(32)}\n  17 : ${'8A'.repeat(32)}\n`

  it('are read', () => {
    expect(parsePcrRead(OLD)).toEqual({
      sha1: { 0: '1a'.repeat(20) },
      sha256: { 0: '1a'.repeat(32), 17: '8a'.repeat(32) },
    })
  })

  it('in a recorded machine that has neither /sys nor tpm2_pcrread', async () => {
    const machine = aemDom0()
      .forgetting('/sys/class/tpm')
      .withFile('/sys/class/tpm/tpm0/tpm_version_major', '2\n')
    machine.answering('pcr-list', {}, { stdout: OLD })
    const tpm = await observeTpm(await makeRecordedHost(machine.write()))
    expect(tpm).toMatchObject({ version: '2.0', pcrs: { sha256: { 17: '8a'.repeat(32) } } })
  })
})

describe('what a register that holds nothing is called', () => {
  it('goes by what it holds', () => {
    const values = { 13: '00'.repeat(32), 17: 'ff'.repeat(32), 18: 'FF'.repeat(32), 19: '12'.repeat(32) }
    expect(groupConstants(values, [13, 17, 18, 19])).toEqual([
      { words: 'never extended', pcrs: [13] },
      { words: 'never launched', pcrs: [17, 18] },
    ])
  })
})

describe('where SEAL has no register that a launch fills', () => {
  const AEM = {
    installed: true,
    tpm: '2.0' as const,
    isSelectionUnread: false,
    deviceCount: 1,
    bootedWithAem: true,
    badPcrs: [],
  }
  const BOOT = {
    recordedBootId: 'boot-1',
    bootId: 'boot-2',
    bootedWithAem: true,
    runningBuildId: 'aa',
    expectedBuildId: 'aa',
    deviceUuid: 'u',
    expectedDeviceUuid: 'u',
  }
  it.each([false, null])('nothing is said of PCR 17 (measured: %s)', (measured) => {
    expect(decideAemReadiness({ ...AEM, selectedPcrs: [13], measured })).toBe('ready')
    expect(decideBoot({ ...BOOT, measured, isLaunchSealed: false })).toBe('expected')
    expect(checkRegisters({ measured, selected: [13], unread: [], bad: [] })).toMatchObject({ ok: true })
  })

  it.each([
    [false, 'unmeasured', 'unmeasured', false],
    [null, 'unknown', 'unknown', null],
  ] as const)('and with one it is (measured: %s)', (measured, aem, boot, ok) => {
    expect(decideAemReadiness({ ...AEM, selectedPcrs: [13, 18], measured })).toBe(aem)
    expect(decideBoot({ ...BOOT, measured })).toBe(boot)
    expect(checkRegisters({ measured, selected: [13, 18], unread: [], bad: [] })).toMatchObject({ ok })
  })
})

describe('the advice of an update that could not be looked up', () => {
  const facts = {
    packages: [],
    unasked: [],
    downgrades: [],
    areVersionsKnown: true,
    bulletin: null,
    chosen: null,
    bulletinVerified: true,
    silent: null,
    pendingXen: false,
    mayChange: [],
    nextBoot: [],
    isSealHeld: false,
    notes: [],
  }
  it('names the packages that gave no answer', () => {
    const { next } = describeUpdate('unknown', { ...facts, unasked: ['dracut', 'tboot'] })
    expect(next).toContain('rpm -q dracut tboot')
    expect(next).not.toContain('xen-hypervisor')
  })

  it('names Xen where Xen is what is missing', () => {
    const { next } = describeUpdate('unknown', { ...facts, unasked: ['kernel'], pendingXen: null })
    expect(next).toContain('`rpm -q kernel` and `sudo xl info`')
  })
})
