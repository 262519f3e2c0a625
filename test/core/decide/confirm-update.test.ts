/* Long: one table of what an update may be, and each list that follows from it. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ConfirmedPackage,
  decideUpdate,
  describePackageFault,
  isVerifiedPackage,
  listChangedPackages,
  listMayChange,
  listUnlistedOnly,
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
    ['a named bulletin that is met', { bulletinNamed: true, demandMet: true }, 'confirmed'],
    ['no bulletin', { bulletinNamed: false, demandMet: null, bulletinVerified: false }, 'confirmed'],
    [
      'a Xen that waits, of a package that seems old',
      { packages: [{ ...quiet[0]!, signer: null }] },
      'not-verified',
    ],
    [
      'a Xen that may wait',
      {
        packages: [
          { ...quiet[0]!, signer: null },
          { ...KERNEL, changedSinceBoot: true },
        ],
        pendingXen: null,
      },
      'not-verified',
    ],
    [
      'a new kernel beside a Xen that runs, accepted before',
      {
        packages: [
          { ...quiet[0]!, signer: null },
          { ...KERNEL, changedSinceBoot: true },
        ],
        pendingXen: false,
      },
      'confirmed',
    ],
    [
      'a Xen that waits beside a kernel that was accepted before',
      { packages: [XEN, { ...KERNEL, signer: null }] },
      'confirmed',
    ],
    [
      'a file changed where nothing else is known',
      { packages: [{ ...XEN, changedFiles: ['/x'] }, KERNEL], unasked: ['tboot'] },
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
    [
      'an older Xen with another file',
      { downgrades: OLDER, packages: [{ ...XEN, changedFiles: ['/x'] }] },
      'not-verified',
    ],
    [
      'an older Xen that is wanted and runs already',
      { packages: quiet, pendingXen: false, downgrades: OLDER, isDowngradeWanted: true },
      'nothing-pending',
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

describe('a package', () => {
  it.each<[string, Partial<ConfirmedPackage>, string | null]>([
    ['that is verified', {}, null],
    ['whose files could not be checked', { changedFiles: null }, 'has files that could not be checked'],
    ['with other files', { changedFiles: ['/a', '/b'], signature: 'bad' }, 'has changed files: /a, /b'],
    ['with a bad signature', { signature: 'bad' }, 'has a bad signature'],
    ['of an unknown signer', { signer: null }, 'is signed with a short key id, which can be forged'],
  ])('%s is called so', (_, changes, fault) => {
    const item = { ...XEN, ...changes }
    expect(describePackageFault(item)).toBe(fault)
    expect(isVerifiedPackage(item)).toBe(fault === null)
  })

  it('that may be new is no changed one, and an old one neither', () => {
    const packages = [XEN, KERNEL, { ...XEN, changedSinceBoot: null }]
    expect(listChangedPackages(packages)).toEqual([XEN])
  })
})

describe('packages of a key that nobody listed', () => {
  const unlisted = { ...XEN, name: 'xen-libs', signer: null, keyId: '1848792f9e2795e9' }

  it.each<[string, ConfirmedPackage[], ConfirmedPackage[]]>([
    ['are named where nothing else stands against any', [XEN, unlisted, KERNEL], [unlisted]],
    [
      'are named also where they may be new',
      [{ ...unlisted, changedSinceBoot: null }],
      [{ ...unlisted, changedSinceBoot: null }],
    ],
    ['are none where they did not change', [{ ...unlisted, changedSinceBoot: false }], []],
    ['are none where all are verified', [XEN, KERNEL], []],
    ['are not named beside one of another fault', [unlisted, { ...XEN, signature: 'bad' }], []],
    ['are not named beside one with another file', [unlisted, { ...KERNEL, changedFiles: ['/x'] }], []],
    [
      'are not named beside one whose files could not be checked',
      [unlisted, { ...KERNEL, changedFiles: null }],
      [],
    ],
    ['are not named with other files of their own', [{ ...unlisted, changedFiles: ['/x'] }], []],
    ['are not named by a short key id', [{ ...unlisted, keyId: '9e2795e9' }], []],
  ])('%s', (_, packages, named) => {
    expect(listUnlistedOnly(packages)).toEqual(named)
  })
})

it.each<[string, ConfirmedPackage['component'][], number[], Parameters<typeof listMayChange>[2], number[]]>([
  ['nothing', [], [], 'tboot', []],
  ["a bulletin's own", [], [19, 18], 'tboot', [18, 19]],
  ['Xen', ['xen'], [], 'tboot', [18, 19]],
  ['Xen of an unknown launch', ['xen'], [], null, [18, 19]],
  ['tboot, which is measured before all else', ['tboot'], [], 'tboot', [17, 18, 19]],
  ['Xen under TrenchBoot, which launches it', ['xen'], [], 'trenchboot', [17, 18, 19]],
  ['several, with those of a bulletin', ['kernel', 'tboot'], [20, 18, 2], 'tboot', [2, 17, 18, 19, 20]],
])('an update may change registers by what it brings: %s', (_, components, pcrs, flavour, wanted) => {
  const changed = components.map((component) => ({ component }))
  expect(listMayChange(changed, pcrs, flavour)).toEqual(wanted)
})
