import { expect, it } from 'vitest'
import { checkProven } from '../../../src/core/decide/forward-device.ts'
import {
  type ApprovedState,
  approveState,
  emptyDeviceLedger,
} from '../../../src/core/session/device-ledger.ts'

const AT = '2024-07-17T09:00:00.000Z'
const LATER = '2024-07-18T09:00:00.000Z'

/** TrenchBoot: devices share no register of the launch; the packages were there already when the first state was approved. */
const proven: ApprovedState = {
  at: AT,
  bootId: 'boot-1',
  label: 'aem',
  bank: 'sha256',
  registers: { '13': '11', '17': 'aa', '18': 'bb' },
  shared: [13],
  packages: ['xen-hypervisor 2001:4.17.4-5.fc37'],
}

it.each(['aem', 'aem.stick'])(
  'a state that was accepted though it is not proven (%s) stays not proven beside a proven one of the same packages',
  (label) => {
    const registers = { ...proven.registers, '17': 'cc', '18': 'dd' }
    const next: ApprovedState = { ...proven, at: LATER, label, registers, proof: 'not-proven' }
    const ledger = approveState({ ...emptyDeviceLedger(AT), approved: proven }, next)
    expect(checkProven({ state: 'read', ledger }, { selected: [13, 17, 18], registers })?.ok).toBe(false)
  },
)

it.each<[string, Readonly<Record<string, string>>, boolean]>([
  ['the same registers', { '13': '11', '17': 'aa', '18': 'bb' }, true],
  ['one that is not known', { '13': '11', '17': 'aa' }, true],
  ['one that was not approved', { '13': '11', '17': 'aa', '18': 'bb', '19': 'ee' }, true],
  ['another one', { '13': '11', '17': 'aa', '18': 'cc' }, false],
])(
  'a boot with %s is one that was accepted as not proven, unless it is shown to be another',
  (_, registers, isIt) => {
    const approved: ApprovedState = { ...proven, proof: 'not-proven' }
    const look = { state: 'read', ledger: { ...emptyDeviceLedger(AT), approved } } as const
    const check = checkProven(look, { selected: [13, 17, 18, 19], registers })
    expect(check?.ok).toBe(isIt ? false : undefined)
  },
)
