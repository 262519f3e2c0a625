import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAemJournal, parseUnitShow } from '../../../src/core/aem/seal-outcome.ts'

/** `journalctl --boot --output=short-iso` in AEM 4.2.0's wording; the time zone as systemd 251 and as 256 print it. */
function journal(...messages: readonly (readonly ['unseal' | 'seal', string])[]): string {
  return messages
    .map(([unit, text], at) => {
      const zone = at % 2 === 0 ? '+0200' : '+02:00'
      const name = `anti-evil-maid-${unit}`
      return `2024-07-17T09:00:${String(at).padStart(2, '0')}${zone} dom0 ${name}[${400 + at}]: ${name}: ${text}\n`
    })
    .join('')
}

const GOOD = [
  ['unseal', 'Freshness token unsealed.'],
  ['unseal', 'Freshness token valid, continuing.'],
] as const
const SEALED = [
  ['seal', 'Sealed /var/lib/anti-evil-maid/aem/secret.txt using --pcr 13 --pcr 17 --pcr 18 --pcr 19'],
  ['seal', 'Sealed /var/lib/anti-evil-maid/aem/secret.fre using --pcr 13 --pcr 17 --pcr 18 --pcr 19'],
  ['seal', 'Absent /var/lib/anti-evil-maid/aem/secret.key'],
  ['seal', 'Syncing to /boot'],
] as const

describe('parseAemJournal', () => {
  it('of a good boot', () => {
    expect(parseAemJournal(journal(...GOOD, ...SEALED))).toEqual({
      unseal: 'unsealed',
      sealedFiles: ['/var/lib/anti-evil-maid/aem/secret.txt', '/var/lib/anti-evil-maid/aem/secret.fre'],
      failedFiles: [],
      isWaitingForDevice: null,
      sanityCheckFailed: false,
      sealFailed: null,
      sealMentioned: true,
      lastSealLineAt: expect.stringMatching(/^2024-07-17T09:00:05/),
    })
  })

  it('of a boot with changed PCRs', () => {
    const text = journal(
      ['unseal', 'Freshness token unsealing failed!'],
      ['unseal', 'This is expected during the first boot from a particular'],
      ['unseal', 'Esys_Unseal(0x99D) - tpm:session(1):a policy check failed'],
      ...SEALED,
    )
    expect(parseAemJournal(text)).toMatchObject({ unseal: 'mismatch', sealMentioned: true })
  })

  it('of a token that unseals and is the wrong one', () => {
    const text = journal(
      ['unseal', 'Freshness token unsealed.'],
      ['unseal', 'Freshness token does not match any slot in TPM NVRAM!'],
      ['unseal', 'Freshness token invalid!'],
    )
    expect(parseAemJournal(text).unseal).toBe('wrong-token')
    expect(parseAemJournal(journal(...GOOD, ['unseal', 'Freshness token invalid!'])).unseal).toBe(
      'wrong-token',
    )
  })

  it('with plymouth on: silence about the seal says nothing', () => {
    const text = journal(...GOOD)
    expect(parseAemJournal(text)).toMatchObject({
      unseal: 'unsealed',
      sealMentioned: false,
      sealFailed: null,
      sealedFiles: [],
    })
    expect(parseAemJournal('')).toMatchObject({
      unseal: null,
      sealMentioned: false,
      sanityCheckFailed: false,
    })
  })

  it('says nothing from a token that was unsealed and not yet found valid', () => {
    expect(parseAemJournal(journal(['unseal', 'Freshness token unsealed.'])).unseal).toBeNull()
  })

  it('of a seal that failed, and where', () => {
    const text = journal(
      ['seal', 'Failed /var/lib/anti-evil-maid/aem/secret.txt'],
      ['seal', 'Failed to seal secrets (error @ line 95)!'],
    )
    expect(parseAemJournal(text)).toMatchObject({
      failedFiles: ['/var/lib/anti-evil-maid/aem/secret.txt'],
      sealFailed: 'Failed to seal secrets (error @ line 95)!',
    })
    expect(parseAemJournal(journal(['seal', 'PCR sanity check failed!'])).sanityCheckFailed).toBe(true)
  })

  it('of a seal that waits for a device', () => {
    const waiting = ['seal', 'Waiting for /dev/disk/by-uuid/b1f7 to be connected...'] as const
    expect(parseAemJournal(journal(waiting)).isWaitingForDevice).toBe('/dev/disk/by-uuid/b1f7')
    const removed = ['seal', 'Waiting for /dev/disk/by-uuid/b1f7 to be removed...'] as const
    expect(parseAemJournal(journal(removed)).isWaitingForDevice).toBe('/dev/disk/by-uuid/b1f7')
  })

  it('takes no line of another form', () => {
    const odd = [
      '-- Boot 1234 --',
      'Jul 17 09:00:05 dom0 x[1]: Freshness token valid',
      'Freshness token valid, continuing.',
    ]
    expect(parseAemJournal(odd.join('\n')).unseal).toBeNull()
  })

  it('never fails', () => {
    const words = fc.constantFrom(
      'Freshness token valid',
      'Sealed /x using',
      'Waiting for x to be connected',
      '\n',
      ' dom0 a[1]: ',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string())), (parts) => {
        expect(parseAemJournal(parts.join(''))).toHaveProperty('unseal')
      }),
    )
  })
})

describe('parseUnitShow', () => {
  const SHOWN = `LoadState=loaded
ActiveState=inactive
SubState=dead
Result=success
ConditionResult=yes
ExecMainStatus=0
ExecMainStartTimestampMonotonic=14011023
ExecMainExitTimestampMonotonic=18011023
DropInPaths=/etc/systemd/system/anti-evil-maid-seal.service.d/a.conf /run/systemd/b.conf
`

  it('reads what systemctl prints', () => {
    expect(parseUnitShow(SHOWN)).toEqual({
      isLoaded: true,
      activeState: 'inactive',
      result: 'success',
      conditionMet: true,
      mainExit: 0,
      startedAtUs: 14011023,
      endedAtUs: 18011023,
      dropIns: ['/etc/systemd/system/anti-evil-maid-seal.service.d/a.conf', '/run/systemd/b.conf'],
    })
  })

  it('of a unit that is not there', () => {
    expect(parseUnitShow('LoadState=not-found\nActiveState=inactive\n')).toMatchObject({
      isLoaded: false,
      startedAtUs: 0,
      conditionMet: null,
      dropIns: [],
    })
  })

  it.each(['', 'Failed to connect to bus', 'System has not been booted with systemd as init system'])(
    'of %j knows nothing',
    (text) => {
      expect(parseUnitShow(text)).toBeNull()
    },
  )

  it('never gives a time or a code that is no number', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom(
              'LoadState',
              'ExecMainStatus',
              'ExecMainStartTimestampMonotonic',
              'ExecMainExitTimestampMonotonic',
            ),
            fc.oneof(fc.string(), fc.constantFrom('[not set]', '', '18446744073709551615', '-1')),
          ),
        ),
        (pairs) => {
          const unit = parseUnitShow(pairs.map(([key, value]) => `${key}=${value}`).join('\n'))
          if (unit === null) return
          expect(Number.isNaN(unit.startedAtUs) || Number.isNaN(unit.endedAtUs)).toBe(false)
          expect(unit.mainExit === null || Number.isInteger(unit.mainExit)).toBe(true)
        },
      ),
    )
  })
})
