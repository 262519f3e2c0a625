import { describe, expect, it } from 'vitest'
import {
  type ApprovalFacts,
  decideApproval,
  listApprovedImages,
} from '../../../src/core/session/approved-boot.ts'

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
    ['an earlier accepted state that is another', { accepted: { bootId: 'boot-1', pcrs: { '13': 'aa' } } }],
    [
      'boot ids that are not known',
      { bootId: null, unseal: null, accepted: { bootId: null, pcrs: REGISTERS } },
    ],
  ] as const)('approves nothing: %s', (_what, changes) => {
    expect(decideApproval({ ...facts, ...changes })).toBeNull()
  })
})

it('lists the images of a device that the log proved, of no other device, and no others', () => {
  const file = {
    role: 'xen' as const,
    path: '/xen.gz',
    sha256: 'ab',
    digests: { sha256: 'cd' },
    isMeasured: true,
    package: { name: 'xen-hypervisor', evr: '1' },
  }
  const approved = {
    at: '2024-07-17T09:00:00.000Z',
    bootId: null,
    bootTime: null,
    how: 'accepted' as const,
    bank: 'sha256' as const,
    registers: {},
    policy: null,
    commandLines: { mle: null, xen: null, kernel: null },
    files: [file, { ...file, role: 'sinit' as const, path: '/SINIT.BIN', isMeasured: false }],
    packages: null,
    components: null,
  }
  const ledger = {
    devices: [
      { label: 'aem', approved },
      { label: 'aem.stick', approved: null },
    ],
  }
  const { isMeasured: _shown, ...image } = file
  expect(listApprovedImages(ledger, 'aem')).toEqual([image])
  expect(listApprovedImages(ledger, 'aem.stick')).toEqual([])
  expect(listApprovedImages(ledger, 'aem.other')).toEqual([])
})
