/* Long: the three boots of which nothing is explained, on the same machine. */

import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { SELECTED_PCRS } from '../../src/host/simulated/model.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import type { MachineFacts } from '../../src/observe/dom0/machine.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import {
  explainIncomparable,
  explainUnbooted,
  explainUnnoted,
  observeIncomparable,
} from '../../src/observe/launch/not-explained.ts'
import { observePrepared } from '../../src/observe/launch/prepared.ts'
import { aBaseline } from '../support/a-baseline.ts'
import { putOnBoot } from '../support/attack.ts'
import { aSession, machineOf } from '../support/built-in.ts'

/* A boot of which nothing is explained: nobody noted anything, nothing has booted yet, or it cannot be compared. */

const OTHER = 'ab'.repeat(32)

const lookAtMachine = (machine = machineOf('clean-update')): Dom0 => observeDom0(makeSimulatedHost(machine))

/** The built-in machine, of which some is otherwise. */
async function dom0With(machine: Partial<MachineFacts>, tpm: object = {}): Promise<Dom0> {
  const own = lookAtMachine()
  const [facts, registers] = [await own.machine(), await own.tpm()]
  return {
    ...own,
    machine: async () => ({ ...facts, ...machine }),
    tpm: async () => ({ ...registers, ...tpm }),
  }
}

describe('registers of a boot of which the recorded ones say nothing', () => {
  it('are the same, or not computable: one that is not known is not the same', async () => {
    const dom0 = lookAtMachine()
    const taken = (await observeBaseline(dom0, SELECTED_PCRS))!
    const now = taken.pcrs.sha256!
    const baseline = {
      ...taken,
      // 13 was another one, 19 was not recorded, 25 is no register of this TPM, then or now.
      selectedPcrs: [...SELECTED_PCRS, 25],
      pcrs: { sha256: { 13: OTHER, 17: now[17]!, 18: now[18]! } },
    }
    const session: Session = aSession({ baseline })
    const found = await explainIncomparable(dom0, session, baseline, null, 'other-device')
    expect(found.verdict).toBe('no-baseline')
    expect(found.pcrs.map(({ index, before, now: value, change }) => [index, before, value, change])).toEqual(
      [
        [13, OTHER, now[13], 'not-computable'],
        [17, now[17], now[17], 'none'],
        [18, now[18], now[18], 'none'],
        [19, null, now[19], 'not-computable'],
        [25, null, null, 'not-computable'],
      ],
    )
    expect(found.reasons).toMatchObject([{ code: 'other-device', isBlocking: true }])
  })

  it('are shown with what was predicted of each, in the bank of the recorded ones', async () => {
    const baseline = aBaseline({ selectedPcrs: [17, 18, 19], pcrs: { sha256: {} } })
    const row = (index: number, bank: string, predicted: string | null) => ({
      ...{ index, bank, now: 'cd'.repeat(32), predicted, vouched: true },
    })
    const prediction = {
      pcrs: [
        row(17, 'sha1', 'ff'.repeat(20)),
        row(18, 'sha1', 'ff'.repeat(20)),
        row(18, 'sha256', OTHER),
        row(19, 'sha256', null),
      ],
    } as never
    const session = aSession({ baseline, prediction })
    const found = await explainIncomparable(lookAtMachine(), session, baseline, null, 'not-aem-boot')
    expect(found.pcrs.map(({ index, predicted }) => [index, predicted])).toEqual([
      [17, null],
      [18, OTHER],
      [19, null],
    ])
  })
})

describe('the recorded values', () => {
  const [BOOT, UUID, ELSEWHERE] = [
    'boot-2',
    'aaaaaaaa-0000-4000-8000-000000000000',
    'bbbbbbbb-0000-4000-8000-000000000000',
  ]
  const BOOTED = { bootId: BOOT, aemUuid: UUID, bootedWithAem: true }

  async function incomparable(
    machine: Partial<MachineFacts>,
    expected: string | null = UUID,
    recorded: string = 'boot-1',
  ) {
    const expectation = {
      ...{ bulletins: [], bulletinPcrs: [], mayChange: [], changedPackages: [], downgrades: [] },
      ...{ xenBuildId: null, deviceUuid: expected },
    }
    const session = aSession({ baseline: aBaseline({ bootId: recorded, selectedPcrs: [17] }), expectation })
    return observeIncomparable(await dom0With({ ...BOOTED, ...machine }), session)
  }

  it('say nothing of a boot without AEM, or from another device', async () => {
    expect(await incomparable({ bootedWithAem: false, aemUuid: null })).toBe('not-aem-boot')
    expect(await incomparable({ aemUuid: ELSEWHERE })).toBe('other-device')
  })

  it.each<[string, Partial<MachineFacts>, (string | null)?, string?]>([
    ['that was planned', {}],
    ['in which they were recorded', {}, UUID, BOOT],
    ['that is not known', { bootId: null }],
    ['from a device that is not known', { aemUuid: null }],
    ['of which the device was not known then', {}, null],
  ])('are compared with those of a boot %s', async (_, machine, expected, recorded) => {
    expect(await incomparable(machine, expected, recorded)).toBeNull()
  })
})

describe('a boot of which nobody noted anything', () => {
  const SHA1 = { 17: '17'.repeat(20), 18: '18'.repeat(20) }
  const SHA256 = { 13: '13'.repeat(32) }

  it('shows its registers in the bank that AEM seals to, and says that nothing can be explained', async () => {
    const found = await explainUnnoted(
      await dom0With({}, { bank: 'sha1', pcrs: { sha1: SHA1, sha256: SHA256 } }),
      true,
    )
    expect(found).toMatchObject({ verdict: 'no-baseline', alreadyResealed: true, prepared: null })
    expect(found.pcrs.map(({ index, bank, now, change }) => [index, bank, now, change])).toEqual([
      [17, 'sha1', SHA1[17], 'none'],
      [18, 'sha1', SHA1[18], 'none'],
    ])
    expect(found.reasons.map(({ code, isBlocking }) => [code, isBlocking])).toEqual([['no-baseline', true]])
  })

  it('shows those of SHA-256 where it is not known what AEM seals to, and none where none can be read', async () => {
    const unknown = await explainUnnoted(await dom0With({}, { bank: null, pcrs: { sha256: SHA256 } }), null)
    expect(unknown.pcrs.map(({ index, bank, now }) => [index, bank, now])).toEqual([
      [13, 'sha256', SHA256[13]],
    ])
    expect((await explainUnnoted(await dom0With({}, { bank: null, pcrs: {} }), null)).pcrs).toEqual([])
  })

  it('is told as one without AEM only where that is certain', async () => {
    const codes = async (bootedWithAem: boolean | null) =>
      (await explainUnnoted(await dom0With({ bootedWithAem }), null)).reasons.map(({ code }) => code)
    expect(await codes(false)).toEqual(['not-aem-boot'])
    expect(await codes(null)).toEqual(['no-baseline'])
    expect(await codes(true)).toEqual(['no-baseline'])
  })
})

describe('before the restart', () => {
  async function unbooted(change: Partial<{ pcr18: string; file: boolean }> = {}) {
    const machine = machineOf('clean-update')
    const taken = (await observeBaseline(lookAtMachine(machine), SELECTED_PCRS))!
    const prepared = await observePrepared(lookAtMachine(machine), aSession({ baseline: taken }))
    if (change.file) putOnBoot(machine, '/vmlinuz-evil', Buffer.from('MZ'))
    const { pcr18 = taken.pcrs.sha256![18]! } = change
    const baseline = { ...taken, pcrs: { sha256: { ...taken.pcrs.sha256, 18: pcr18 } } }
    const dom0 = lookAtMachine(machine)
    const found = await explainUnbooted(dom0, aSession({ baseline, prepared }), baseline, false)
    return { ...found, told: found.reasons.map(({ code, isBlocking }) => [code, isBlocking]) }
  }

  it('nothing has booted that could be explained, and all is as it was', async () => {
    const found = await unbooted()
    expect(found).toMatchObject({ verdict: 'unchanged', prepared: { state: 'fits', changes: [] } })
    expect(found.told).toEqual([['not-restarted', false]])
    expect(found.pcrs.map(({ index, change }) => [index, change])).toEqual(
      SELECTED_PCRS.map((index) => [index, 'none']),
    )
  })

  it('a file that came since speaks against the next boot, not against this one', async () => {
    const found = await unbooted({ file: true })
    expect(found).toMatchObject({ verdict: 'unchanged', prepared: { state: 'outdated' } })
    expect(found.told).toEqual([
      ['not-restarted', false],
      ['changed-before-restart', false],
    ])
    expect(found.reasons[1]).toMatchObject({
      what: '/vmlinuz-evil came since',
      next: expect.stringContaining('aem-reseal cancel'),
    })
  })

  it('a register that is another one now is told as such', async () => {
    const found = await unbooted({ pcr18: OTHER })
    expect(found.verdict).toBe('unexplained')
    expect(found.told.at(-1)).toEqual(['not-restarted', false])
    expect(found.reasons.some(({ isBlocking }) => isBlocking)).toBe(true)
  })

  it('where nothing was prepared, nothing is said of what lies there', async () => {
    const baseline = (await observeBaseline(lookAtMachine(), SELECTED_PCRS))!
    const found = await explainUnbooted(lookAtMachine(), aSession({ baseline }), baseline, null)
    expect(found).toMatchObject({ alreadyResealed: null, prepared: null })
    expect(found.reasons.map(({ code }) => code)).toEqual(['not-restarted'])
  })
})
