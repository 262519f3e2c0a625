import { expect, it } from 'vitest'
import {
  emptyDeviceLedger,
  findLedgerDevice,
  type LedgerDevice,
} from '../../../src/core/session/device-ledger.ts'
import { decideGround, type GroundFacts } from '../../../src/core/vouch/ground.ts'

/* Nothing was approved yet, and `start` believed the boot in which it ran first. */

const AT = '2024-07-17T09:00:00.000Z'
const GOOD = { 13: 'aa', 17: 'bb', 18: 'cc', 19: 'dd' }
const empty = emptyDeviceLedger(AT)
const device = (label: string, changes: Partial<LedgerDevice> = {}): LedgerDevice => ({
  ...findLedgerDevice(empty, label),
  ...changes,
})
const believed = {
  ...{ at: AT, bootId: 'boot-1', bank: 'sha256' as const, registers: GOOD, packages: [] },
  shared: [13, 17, 18],
}

function groundOf(devices: LedgerDevice[], changes: Partial<GroundFacts> = {}) {
  return decideGround({
    bootId: 'boot-9',
    device: { label: 'aem', uuid: null },
    bank: 'sha256',
    registers: GOOD,
    selected: [13, 17, 18, 19],
    unseal: 'unsealed',
    look: { state: 'read', ledger: { ...empty, devices } },
    ...changes,
  })
}

const VOUCHED = { state: 'vouched', by: 'believed-state', since: AT }
const refused = (why: string, ...registers: number[]) => ({
  ...{ state: 'not-vouched', why, registers, since: AT, isBelieved: true },
})
const own = [device('aem', { believed })]
const elsewhere = [device('aem'), device('aem.stick', { believed }), device('aem.third')]
const other = (index: number) => ({ registers: { ...GOOD, [index]: 'ee' } })

it('is ground where the device boots as then, and says that nobody approved it', () => {
  expect(groundOf(own)).toEqual(VOUCHED)
  expect(groundOf(own, other(19))).toEqual(refused('registers-differ', 19))
  expect(groundOf(own, { unseal: 'mismatch' })).toEqual(refused('secret-refused'))
  expect(groundOf(own, { unseal: null })).toEqual({ state: 'ask' })
})

it('is ground for another device in what all devices share, and leaves open what they do not', () => {
  const selected = [13, 17, 18]
  const registers = { 13: GOOD[13], 17: GOOD[17], 18: GOOD[18] }
  const narrow = [device('aem'), device('aem.stick', { believed: { ...believed, registers } })]
  expect(groundOf(narrow, { selected })).toEqual(VOUCHED)
  expect(groundOf(narrow, { selected, ...other(18) })).toEqual(refused('registers-differ', 18))
  expect(groundOf(elsewhere)).toEqual(refused('device-not-approved', 19))
  expect(groundOf(elsewhere, other(17))).toEqual(refused('registers-differ', 17))
  expect(groundOf(elsewhere, { bank: 'sha1' })).toEqual(refused('other-bank'))
})

it('leaves open what the launch filled beside what AEM seals to', () => {
  const selected = [13, 17, 18]
  expect(groundOf(elsewhere, { selected, ...other(19) })).toEqual(refused('device-not-approved', 19))
  expect(groundOf(own, { selected, ...other(19) })).toEqual(refused('registers-differ', 19))
})

it('is none to go by where nothing was believed of any device', () => {
  const nothing = { state: 'vouched', by: 'released-secret', since: null }
  expect(groundOf([device('aem'), device('aem.stick')])).toEqual(nothing)
})

it('is not called believed where a boot of the device was approved and this is another', () => {
  const forward = { at: AT, bank: 'sha256' as const, registers: GOOD, tokens: {} }
  const { isBelieved: _, ...approved } = refused('registers-differ', 18)
  expect(groundOf([device('aem', { believed, forward })], other(18))).toEqual(approved)
})
