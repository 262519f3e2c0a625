import { describe, expect, it } from 'vitest'
import {
  DEVICE_FILE_STATES,
  decideDeviceWork,
  decideSealedFor,
  SEALED_FOR,
} from '../../../src/core/decide/device-work.ts'
import { comparePrepared, PREPARED_CODES, PREPARED_STATES } from '../../../src/core/decide/preparedness.ts'
import {
  BOOT_STATES,
  type BootState,
  PROTECTION_REASONS,
  PROTECTION_STATES,
  weighReason,
} from '../../../src/core/decide/protection-state.ts'
import { DROP_IN_ACTS, DROP_IN_FILE_STATES } from '../../../src/core/hold/drop-in.ts'
import { emptyDeviceLedger } from '../../../src/core/session/device-ledger.ts'
import type { Prepared } from '../../../src/core/session/prepared.ts'

/** The contract takes an answer by these lists: what is decided has to be in them, and what is in them to be decided. */

const AT = '2024-07-17T09:00:00.000Z'

describe('what was prepared', () => {
  const sealed = [
    { label: 'aem', copy: 'dom0', name: 'key.pub', sha256: 'aa' },
    { label: 'aem.stick', copy: 'dom0', name: 'key.pub', sha256: 'bb' },
  ] as const
  const prepared: Prepared = {
    ...{ at: AT, bootId: 'boot-1', label: 'aem', files: [{ name: '/xen.gz', sha256: '01' }], entry: 'ee' },
    ...{ grubConfig: 'cc', packages: [], selectedPcrs: [17], luks: 'dd', sealed: [...sealed] },
  }
  const same = { ...prepared, deviceOut: null, sharers: ['aem.stick'] }
  const other = {
    ...{
      files: [],
      entry: 'ef',
      packages: [{ name: 'kernel', evr: '0:1-1' }],
      selectedPcrs: [18],
      luks: 'de',
    },
    sealed: sealed.map((one) => ({ ...one, sha256: 'ff' })),
  }

  it('changes by each code of the list', () => {
    const { changes } = comparePrepared(prepared, { ...same, ...other })
    expect(new Set(changes.map(({ code }) => code))).toEqual(new Set(PREPARED_CODES))
  })

  it('is in each state of the list', () => {
    const states = [same, { ...same, ...other }, { ...same, luks: null }].map(
      (now) => comparePrepared(prepared, now).state,
    )
    expect(states).toEqual(PREPARED_STATES)
  })
})

describe('the protection', () => {
  it('is in each state of the list', () => {
    const states = ['protected', ...PROTECTION_REASONS.map(weighReason)]
    expect(new Set(states)).toEqual(new Set(PROTECTION_STATES))
  })

  it('knows each state of a boot', () => {
    const all: Record<BootState, true> = { same: true, explained: true, unexplained: true, 'not-known': true }
    expect(BOOT_STATES).toEqual(Object.keys(all))
  })
})

describe('a device', () => {
  it('is left to do by each state of its boot files', () => {
    const registers = { '17': 'aa' }
    const approved = { at: AT, bootId: null, label: 'aem', bank: 'sha256' as const, registers, shared: [17] }
    const look = {
      state: 'read',
      ledger: { ...emptyDeviceLedger(AT), approved: { ...approved, packages: null } },
    } as const
    const work = DEVICE_FILE_STATES.map((bootFiles) => {
      const found = decideDeviceWork(look, { label: 'aem.stick', present: true, bootFiles })
      return [bootFiles, found?.state === 'to-do' ? found.needs : null]
    })
    expect(Object.fromEntries(work)).toEqual({ current: 'own-boot', stale: 'refresh', absent: 'refresh' })
  })

  it('is sealed for each state of the list', () => {
    const verified = { at: AT, bootId: null, registers: { '17': 'aa' }, isCurrent: true, why: null }
    const facts = {
      ...{ sealed: true, isBooted: false, tokenSha256: 'f0', present: { '17': 'aa' }, shared: [17] },
      verified: { ...verified, tokenSha256: 'f0', tokens: {} },
    }
    const states = [
      decideSealedFor({ ...facts, binding: 'present' }),
      decideSealedFor({ ...facts, binding: 'other' }),
      decideSealedFor({ ...facts, binding: 'forward' }),
      decideSealedFor({ ...facts, binding: 'other', isBooted: true }),
      decideSealedFor({ ...facts, binding: null, sealed: false }),
    ]
    expect(states).toEqual(SEALED_FOR)
  })
})

it('the drop-in is installed, shown and removed, and its file is in one of four states', () => {
  const acts: Record<(typeof DROP_IN_ACTS)[number], true> = { install: true, show: true, remove: true }
  expect(DROP_IN_ACTS).toEqual(Object.keys(acts))
  const files: Record<(typeof DROP_IN_FILE_STATES)[number], true> = {
    ...{ current: true, other: true, absent: true, unknown: true },
  }
  expect(DROP_IN_FILE_STATES).toEqual(Object.keys(files))
})
