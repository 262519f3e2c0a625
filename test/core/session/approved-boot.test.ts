import { describe, expect, it } from 'vitest'
import {
  type ApprovalFacts,
  type ApprovedFile,
  approvedBootSchema,
  decideApproval,
  listApprovedImages,
} from '../../../src/core/session/approved-boot.ts'
import { makeApprovedBoot } from '../../support/approved-boot.ts'

const REGISTERS = { '13': 'aa', '18': 'bb' }

const facts: ApprovalFacts = {
  bootId: 'boot-2',
  unseal: 'unsealed',
  registers: REGISTERS,
  accepted: null,
  isAsApproved: true,
}

describe('decideApproval', () => {
  it('takes a boot that was accepted itself, whatever AEM said', () => {
    const accepted = { bootId: 'boot-2', pcrs: { ...REGISTERS, '0': '99' } }
    for (const unseal of ['mismatch', 'unsealed', null] as const)
      expect(decideApproval({ ...facts, isAsApproved: false, unseal, accepted })).toBe('accepted')
  })

  it('does not where its registers moved since it was accepted', () => {
    const accepted = { bootId: 'boot-2', pcrs: { ...REGISTERS, '18': 'cc' } }
    expect(decideApproval({ ...facts, accepted })).toBeNull()
  })

  it('takes one that showed the secret under registers that had been approved', () => {
    expect(decideApproval(facts)).toBe('secret-shown')
    const accepted = { bootId: 'boot-1', pcrs: REGISTERS }
    expect(decideApproval({ ...facts, isAsApproved: false, accepted })).toBe('secret-shown')
  })

  it.each([
    ['AEM sealed by itself', { unseal: 'mismatch' }],
    ['an old token', { unseal: 'wrong-token' }],
    ['a silent journal', { unseal: null }],
    ['no boot approved that it is as', { isAsApproved: false }],
    ['no registers', { registers: {} }],
    [
      'no registers, of a boot that was accepted',
      { registers: {}, accepted: { bootId: 'boot-2', pcrs: REGISTERS } },
    ],
    [
      'no registers, though an earlier boot was accepted',
      { registers: {}, accepted: { bootId: 'boot-1', pcrs: {} } },
    ],
    ['an earlier accepted state that is another', { accepted: { bootId: 'boot-1', pcrs: { '13': 'aa' } } }],
    [
      'boot ids that are not known',
      { bootId: null, unseal: null, accepted: { bootId: null, pcrs: REGISTERS } },
    ],
  ] as const)('approves nothing: %s', (_what, changes) => {
    expect(decideApproval({ ...facts, ...changes })).toBeNull()
  })
})

const FILE: ApprovedFile = {
  ...{ role: 'xen', path: '/xen.gz', sha256: 'ab', digests: { sha256: 'cd' }, isMeasured: true },
  package: { name: 'xen-hypervisor', evr: '1' },
}

describe('an approved boot in the list of devices', () => {
  const isTaken = (boot: unknown) => approvedBootSchema().safeParse(boot).success

  it.each(['mle', 'xen', 'kernel', 'initramfs', 'module', 'sinit'] as const)('may have a file %s', (role) => {
    expect(isTaken(makeApprovedBoot({ files: [{ ...FILE, role }] }))).toBe(true)
  })

  it.each(['accepted', 'secret-shown'] as const)('was approved as %s', (how) => {
    expect(isTaken(makeApprovedBoot({ how }))).toBe(true)
  })

  it.each<[string, object]>([
    ['a file that no boot loads', { files: [{ ...FILE, role: 'config' }] }],
    ['a state that is only believed', { how: 'believed' }],
    ['a value with more behind it', { registers: { '17': 'abx' } }],
    ['a value with more before it', { registers: { '17': 'xab' } }],
    ['a value in capitals', { registers: { '17': 'AB' } }],
    ['an empty value', { registers: { '17': '' } }],
    ['a register with more behind it', { registers: { '170': 'ab' } }],
    ['a register with more before it', { registers: { x17: 'ab' } }],
    ['a register that is none', { registers: { x: 'ab' } }],
    ['a digest of a file that is none', { files: [{ ...FILE, digests: { sha256: 'xyz' } }] }],
    ['a bank that AEM does not seal in', { bank: 'sha384' }],
  ])('never has %s', (_what, changes) => {
    expect(isTaken({ ...makeApprovedBoot(), ...changes })).toBe(false)
  })
})

it.each([{ sha1: 'ef' }, { sha256: 'cd' }, { sha1: 'ef', sha256: 'cd' }, {}])(
  'lists an image in the banks that it was hashed in: %j',
  (digests) => {
    const approved = makeApprovedBoot({ files: [{ ...FILE, digests }] })
    const [image] = listApprovedImages({ devices: [{ label: 'aem', approved }] }, 'aem')
    expect(image?.digests).toStrictEqual(digests)
  },
)

it('lists the images of a device that the log proved, of no other device, and no others', () => {
  const approved = makeApprovedBoot({
    files: [FILE, { ...FILE, role: 'sinit', path: '/SINIT.BIN', isMeasured: false }],
  })
  const ledger = {
    devices: [
      { label: 'aem', approved },
      { label: 'aem.stick', approved: null },
    ],
  }
  const { isMeasured: _shown, ...image } = FILE
  expect(listApprovedImages(ledger, 'aem')).toEqual([image])
  expect(listApprovedImages(ledger, 'aem.stick')).toEqual([])
  expect(listApprovedImages(ledger, 'aem.other')).toEqual([])
})
