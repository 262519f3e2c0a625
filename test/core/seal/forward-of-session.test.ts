import { expect, it } from 'vitest'
import { forwardRecordOf, listForwardValues } from '../../../src/core/seal/forward-of-session.ts'
import {
  emptyDeviceLedger,
  findLedgerDevice,
  type LedgerDevice,
  type LedgerLook,
} from '../../../src/core/session/device-ledger.ts'

const ledger = emptyDeviceLedger('2024-07-17T09:00:00Z')
const device = (label: string, forward: { registers: Record<number, string>; isReplaced: boolean } | null) =>
  ({ ...findLedgerDevice(ledger, label), forward }) as unknown as LedgerDevice
const look: LedgerLook = {
  state: 'read',
  ledger: {
    ...ledger,
    devices: [
      device('kept', { registers: { 17: 'kept' }, isReplaced: false }),
      device('replaced', { registers: { 17: 'replaced' }, isReplaced: true }),
      device('never', null),
      device('own', { registers: { 17: 'before' }, isReplaced: false }),
    ],
  },
}
const record = { label: 'own', values: { 17: 'own' } }
const session = { findings: { 'forward-seal': { record } } } as unknown as Parameters<
  typeof forwardRecordOf
>[0]

it('the record of a session is that of its forward seal', () => {
  expect(forwardRecordOf(session)).toBe(record)
  expect(forwardRecordOf({ findings: {} } as unknown as typeof session)).toBeNull()
  expect(forwardRecordOf(null)).toBeNull()
})

it.each([
  ['own', { 17: 'own' }],
  ['kept', { 17: 'kept' }],
  ['replaced', null],
  ['never', null],
  ['unknown', null],
])('a device is sealed forward by the session, else by what was kept of it: %s', (label, values) => {
  expect(listForwardValues(session, look)(label)).toEqual(values)
})

it('a device is sealed forward by what was kept of it where no session is open, and by nothing where that is not read', () => {
  expect(listForwardValues(null, look)('own')).toEqual({ 17: 'before' })
  expect(listForwardValues(session, { state: 'damaged', detail: 'd' })('kept')).toBeNull()
  expect(listForwardValues(session, { state: 'absent' })('own')).toEqual({ 17: 'own' })
})
