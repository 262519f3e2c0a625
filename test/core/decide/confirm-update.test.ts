import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ConfirmedPackage,
  decideUpdate,
  isVerifiedPackage,
  type UpdateFacts,
} from '../../../src/core/decide/confirm-update.ts'

const XEN: ConfirmedPackage = {
  name: 'xen-hypervisor',
  component: 'xen',
  isLoaded: true,
  evr: '2001:4.17.4-4.fc37',
  installedAt: '2024-07-16T19:00:00.000Z',
  changedSinceBoot: true,
  signer: 'Qubes OS Release 4.2 Signing Key',
  signature: 'ok',
  changedFiles: [],
}
const KERNEL: ConfirmedPackage = { ...XEN, name: 'kernel', component: 'kernel', changedSinceBoot: false }

const GOOD: UpdateFacts = {
  packages: [XEN, KERNEL],
  rpmKnown: true,
  unasked: [],
  pendingXen: true,
  areVersionsKnown: true,
  downgrades: [],
  isDowngradeWanted: false,
  demandMet: null,
  bulletinNamed: false,
  bulletinVerified: true,
}
const OLDER = [{ name: 'xen-hypervisor', from: '2001:4.17.4-5.fc37', to: XEN.evr }]
const quiet = [{ ...XEN, changedSinceBoot: false }, KERNEL]

describe('decideUpdate', () => {
  it.each([
    ['a new, verified Xen', {}, 'confirmed'],
    ['a new, verified kernel', { packages: [quiet[0]!, { ...KERNEL, changedSinceBoot: true }] }, 'confirmed'],
    ['nothing new', { packages: quiet, pendingXen: false }, 'nothing-pending'],
    [
      'nothing new, as far as is known: the running Xen is not',
      { packages: quiet, pendingXen: null },
      'unknown',
    ],
    [
      'nothing new, but when this boot began is not known',
      { packages: [{ ...XEN, changedSinceBoot: null }], pendingXen: false },
      'unknown',
    ],
    [
      'nothing new, but a package could not be verified',
      { packages: [quiet[0]!, { ...KERNEL, changedFiles: null }], pendingXen: false },
      'unknown',
    ],
    ['a package that rpm gave no answer about', { unasked: ['kernel'] }, 'unknown'],
    ['no package at all', { packages: [] }, 'unknown'],
    ['no rpm', { rpmKnown: false }, 'unknown'],
    [
      'another file than the package brought',
      { packages: [{ ...XEN, changedFiles: ['/boot/xen.gz'] }] },
      'not-verified',
    ],
    [
      'another file in a package that did not change',
      { packages: [XEN, { ...KERNEL, changedFiles: ['/x'] }] },
      'not-verified',
    ],
    [
      'a package that did not change, and whose files could not be checked',
      { packages: [XEN, { ...KERNEL, changedFiles: null }] },
      'not-verified',
    ],
    ['a new package with no good signature', { packages: [{ ...XEN, signature: 'no-key' }] }, 'not-verified'],
    ['a new package of an unknown signer', { packages: [{ ...XEN, signer: null }] }, 'not-verified'],
    [
      'a package that may be new, with no good signature',
      { packages: [XEN, { ...KERNEL, changedSinceBoot: null, signature: 'bad' }] },
      'not-verified',
    ],
    ['an older, well signed Xen', { downgrades: OLDER }, 'downgrade'],
    ['an older Xen that a person wants', { downgrades: OLDER, isDowngradeWanted: true }, 'downgrade-wanted'],
    [
      'an older Xen that runs already',
      { packages: quiet, pendingXen: false, downgrades: OLDER },
      'downgrade',
    ],
    [
      'an older Xen that is wanted, with another file',
      { downgrades: OLDER, isDowngradeWanted: true, packages: [{ ...XEN, changedFiles: ['/x'] }] },
      'not-verified',
    ],
    ['a record of earlier versions that cannot be read', { areVersionsKnown: false }, 'unknown'],
    ['a bulletin that is not met', { bulletinNamed: true, demandMet: false }, 'unmet'],
    ['a bulletin of which that is not known', { bulletinNamed: true, demandMet: null }, 'unknown'],
    [
      'a bulletin that does not verify',
      { bulletinNamed: true, demandMet: true, bulletinVerified: false },
      'not-verified',
    ],
  ] as const)('%s: %s', (_what, changes, outcome) => {
    expect(decideUpdate({ ...GOOD, ...(changes as Partial<UpdateFacts>) })).toBe(outcome)
  })

  it('confirms nothing, and finds nothing to do, while anything is not known', () => {
    const item = fc.record({
      changedSinceBoot: fc.constantFrom(true, false, null),
      signature: fc.constantFrom('ok', 'bad', null),
      changedFiles: fc.constantFrom<readonly string[] | null>([], ['/x'], null),
      component: fc.constantFrom('xen', 'kernel'),
    })
    const facts = fc.record({
      packages: fc.array(item, { maxLength: 3 }),
      unasked: fc.constantFrom<readonly string[]>([], ['kernel']),
      pendingXen: fc.constantFrom(true, false, null),
    })
    fc.assert(
      fc.property(facts, (own) => {
        const packages = own.packages.map((changes) => ({ ...XEN, ...changes }) as ConfirmedPackage)
        const outcome = decideUpdate({ ...GOOD, ...own, packages })
        if (outcome !== 'confirmed' && outcome !== 'nothing-pending') return
        expect(own.unasked).toEqual([])
        expect(packages.length).toBeGreaterThan(0)
        expect(packages.every(({ changedFiles }) => changedFiles?.length === 0)).toBe(true)
        const moved = packages.filter(({ changedSinceBoot }) => changedSinceBoot !== false)
        expect(moved.every(isVerifiedPackage)).toBe(true)
        if (outcome === 'nothing-pending') {
          expect(moved).toEqual([])
          expect(own.pendingXen).toBe(false)
        }
      }),
    )
  })
})
