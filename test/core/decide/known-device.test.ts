import { expect, it } from 'vitest'
import { checkKnownDevice } from '../../../src/core/decide/known-device.ts'
import {
  emptyDeviceLedger,
  findLedgerDevice,
  type LedgerLook,
} from '../../../src/core/session/device-ledger.ts'

const ledger = emptyDeviceLedger('2024-07-17T09:00:00Z')
const own = { ...findLedgerDevice(ledger, 'aem'), uuid: 'u-1' }
const other = { ...findLedgerDevice(ledger, 'aem2'), uuid: 'u-2' }
const read: LedgerLook = { state: 'read', ledger: { ...ledger, devices: [other, own] } }

it.each<[string, LedgerLook, Parameters<typeof checkKnownDevice>[2], boolean, string]>([
  ['the device that was seen before', read, { uuid: 'u-1' }, true, 'is the device that was seen before'],
  ['another one of its label', read, { uuid: 'u-2' }, false, 'another device labelled aem: its UUID was u-1'],
  ['one of its label without a UUID', read, { uuid: null }, false, 'its UUID was u-1'],
  ['one that was never seen', { state: 'absent' }, { uuid: 'u-9' }, true, "one of dom0's labels"],
  [
    'one of a ledger that is not believed',
    { state: 'damaged', detail: 'd' },
    { uuid: 'u-9' },
    true,
    "one of dom0's labels",
  ],
  ['none', read, null, false, 'there is no device aem'],
  ["a stranger's, whatever its UUID", read, { uuid: 'u-1', isForeign: true }, false, "it may be anybody's"],
  ['an own one', read, { uuid: 'u-1', isForeign: false }, true, 'is the device that was seen before'],
])('by label and UUID a device is %s', (_, look, device, ok, detail) => {
  expect(checkKnownDevice(look, 'aem', device)).toMatchObject({
    id: 'device-known',
    ok,
    detail: expect.stringContaining(detail),
  })
})
