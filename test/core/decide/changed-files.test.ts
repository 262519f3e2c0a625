import { expect, it } from 'vitest'
import { listChangedFiles } from '../../../src/core/decide/changed-files.ts'
import {
  emptyDeviceLedger,
  findLedgerDevice,
  type LedgerDevice,
} from '../../../src/core/session/device-ledger.ts'

const AT = '2024-07-17T09:00:00.000Z'

function device(label: string, sha256: string | null): LedgerDevice {
  const file = {
    role: 'xen' as const,
    path: '/xen.gz',
    sha256,
    digests: {},
    isMeasured: true,
    package: null,
  }
  return {
    ...findLedgerDevice(emptyDeviceLedger(AT), label),
    approved:
      sha256 === null
        ? null
        : {
            at: AT,
            bootId: null,
            bootTime: null,
            how: 'accepted',
            bank: 'sha256',
            registers: {},
            policy: null,
            commandLines: { mle: null, xen: null, kernel: null },
            files: [file],
            packages: null,
            components: null,
          },
  }
}

const look = {
  state: 'read' as const,
  ledger: {
    ...emptyDeviceLedger(AT),
    devices: [device('aem', 'aa'), device('aem.b', 'bb'), device('aem.c', null)],
  },
}
const list = (sha256: string | null, expected: string | null, label = 'aem') =>
  listChangedFiles([{ path: '/xen.gz', sha256, expected }], look, label).map(({ path }) => path)

it.each([
  ['the package has it', 'cc', 'cc', []],
  ['it was approved on the device', 'aa', 'cc', []],
  ['it was approved on another', 'bb', 'cc', []],
  ['it could not be read', null, 'cc', []],
  ['what the package has is not known', 'dd', null, []],
  ['it is none of these', 'dd', 'cc', ['/xen.gz']],
])('a file of a device with an approved boot, where %s', (_what, sha256, expected, changed) => {
  expect(list(sha256, expected)).toEqual(changed)
})

it('claims nothing of a device without an approved boot, or of a list that cannot be read', () => {
  expect(list('dd', 'cc', 'aem.c')).toEqual([])
  expect(list('dd', 'cc', 'aem.new')).toEqual([])
  const unread = { state: 'damaged' as const, detail: '' }
  expect(listChangedFiles([{ path: '/x', sha256: 'dd', expected: 'cc' }], unread, 'aem')).toEqual([])
})

it('where its package put it a file is never just old: no approved boot is needed to say that it was changed', () => {
  const there = (sha256: string, label: string) =>
    listChangedFiles([{ path: '/xen.gz', sha256, expected: 'cc', isInPlace: true }], look, label)
  const why = "not the installed package's, which put it there"
  expect(there('dd', 'aem.new')).toEqual([{ path: '/xen.gz', why }])
  expect(there('cc', 'aem.new')).toEqual([])
  expect(there('bb', 'aem.new')).toEqual([])
  expect(there('dd', 'aem')).toEqual([{ path: '/xen.gz', why: expect.stringContaining('approved before') }])
  const [one] = listChangedFiles(
    [{ path: '/xen.gz', sha256: 'dd', expected: 'cc', isInPlace: true }],
    { state: 'absent' },
    'aem',
  )
  expect(one).toEqual({ path: '/xen.gz', why })
})
