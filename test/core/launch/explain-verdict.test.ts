/* Long: every verdict has its own constellation of registers, log and prediction. */

import { describe, expect, it } from 'vitest'
import { explainChange } from '../../../src/core/launch/explain.ts'
import type { ExplanationInput } from '../../../src/core/launch/explain-types.ts'
import { extendAll } from '../../../src/core/launch/replay.ts'
import { eventsOf } from '../../support/trenchboot-launch.ts'
import { codesOf, component, digestsOf, factOf, KERNEL, KERNEL_PACKAGE, look, XEN } from './explain-world.ts'
import { SIGNED } from './launch-world.ts'
import { entry, explain, launch, NEW_XEN, parse } from './trenchboot-world.ts'

const [A, B, C] = ['aa', 'bb', 'cc'].map((byte) => byte.repeat(32)) as [string, string, string]
const pcrs = (values: Record<number, string>) => ({ sha256: values })
const compare = (
  before: Record<number, string>,
  now: Record<number, string>,
  changes: Partial<ExplanationInput> = {},
) => {
  const {
    verdict,
    pcrs: rows,
    reasons,
  } = explainChange(
    look({
      before: { pcrs: pcrs(before), components: null },
      pcrsNow: pcrs(now),
      selected: [17],
      ...changes,
    }),
  )
  return {
    verdict,
    changes: rows.map(({ change }) => change),
    codes: codesOf(reasons.filter(({ isBlocking }) => isBlocking)),
    notes: codesOf(reasons.filter(({ isBlocking }) => !isBlocking)),
  }
}

describe('the verdict of a boot', () => {
  it.each<[string, () => ReturnType<typeof compare>, Partial<ReturnType<typeof compare>>]>([
    [
      'nothing compared is nothing explained',
      () => compare({}, {}, { selected: [] }),
      { verdict: 'unexplained', changes: [] },
    ],
    ['the same value', () => compare({ 17: A }, { 17: A }), { verdict: 'unchanged', codes: [] }],
    [
      'a value that is not known now',
      () => compare({ 17: A }, {}),
      { verdict: 'unexplained', codes: ['pcr-unreadable'] },
    ],
    [
      'a value that was not known before',
      () => compare({}, { 17: A }),
      { verdict: 'unexplained', codes: ['pcr-unreadable'] },
    ],
    ['one known in no boot', () => compare({}, {}), { verdict: 'unexplained', codes: ['pcr-unreadable'] }],
    [
      'a public constant',
      () => compare({ 17: A }, { 17: 'ff'.repeat(32) }),
      { verdict: 'unexplained', codes: ['unmeasured'] },
    ],
    [
      'a register that no approved boot had',
      () => compare({ 17: A }, { 17: A }, { unapproved: [17] }),
      { verdict: 'not-computable', codes: ['pcr-not-approved'] },
    ],
    [
      'one of those that is not known now',
      () => compare({ 17: A }, {}, { unapproved: [17] }),
      { verdict: 'unexplained', codes: ['pcr-unreadable'] },
    ],
    [
      'one of those beside another',
      () => compare({ 17: A, 18: A }, { 17: A, 18: A }, { selected: [17, 18], unapproved: [18] }),
      { verdict: 'not-computable', changes: ['none', 'not-computable'] },
    ],
    [
      'one of those beside a change',
      () => compare({ 17: A, 18: A }, { 17: B, 18: A }, { selected: [17, 18], unapproved: [18] }),
      { verdict: 'unexplained', changes: ['unexpected', 'not-computable'] },
    ],
    [
      'LUKS headers that a person changed',
      () => compare({ 13: A }, { 13: B }, { selected: [13], acceptedLuks: B }),
      { verdict: 'explained', codes: [], notes: ['luks-header-accepted'] },
    ],
    [
      'other LUKS headers than those',
      () => compare({ 13: A }, { 13: C }, { selected: [13], acceptedLuks: B }),
      { verdict: 'unexplained', codes: ['pcr-not-expected', 'luks-header-changed'] },
    ],
    [
      'another register of that value',
      () => compare({ 17: A }, { 17: B }, { acceptedLuks: B }),
      { verdict: 'unexplained', codes: ['log-missing'] },
    ],
    [
      'a predicted value, whatever the log says',
      () => compare({ 17: A }, { 17: B }, { prediction: [{ index: 17, bank: 'sha256', predicted: B }] }),
      { verdict: 'explained', codes: [], notes: ['log-missing'] },
    ],
    [
      'a value that was predicted of another bank or register',
      () =>
        compare(
          { 17: A },
          { 17: B },
          {
            prediction: [
              { index: 17, bank: 'sha1', predicted: B },
              { index: 18, bank: 'sha256', predicted: B },
            ],
          },
        ),
      { verdict: 'unexplained', codes: ['log-missing'], notes: [] },
    ],
    [
      'another value than predicted, where no update changes the register',
      () =>
        compare(
          { 17: A },
          { 17: B },
          { prediction: [{ index: 17, bank: 'sha256', predicted: C }], expectedPcrs: [18] },
        ),
      {
        verdict: 'unexplained',
        codes: ['pcr-not-expected', 'log-missing'],
        notes: ['differs-from-prediction'],
      },
    ],
  ])('%s', (_, found, wanted) => {
    expect(found()).toMatchObject(wanted)
  })

  it('without a baseline compares nothing', () => {
    const explained = explainChange(look({ before: null, pcrsNow: pcrs({ 17: A }), selected: [17] }))
    expect(explained).toMatchObject({
      verdict: 'no-baseline',
      pcrs: [{ index: 17, before: null, now: A, change: 'none' }],
    })
  })
})

describe('a register and its log', () => {
  const log = parse(eventsOf(launch('intel-bios')))
  const value = (index: number) =>
    extendAll(
      'sha256',
      log.events.filter(({ pcr }) => pcr === index).map(({ digests }) => digests.sha256!),
    )
  const without = (index: number) => ({ ...log, events: log.events.filter(({ pcr }) => pcr !== index) })
  const withLog = (index: number, changes: Partial<ExplanationInput>, now = value(index)) =>
    compare(
      { [index]: A },
      { [index]: now },
      { log, booted: entry(launch('intel-bios')), selected: [index], ...changes },
    ).codes

  it('that does not lead to it explains nothing', () => {
    expect(withLog(17, {}, B)).toEqual(['log-unfaithful'])
  })

  it('that names no digest of its bank explains nothing', () => {
    expect(withLog(17, { log: without(17) })).toEqual(['not-in-log'])
    expect(withLog(17, { log: { ...without(17), kind: 'tboot' } })).toEqual(['not-in-log'])
  })

  it('that says nothing of the boot information under TrenchBoot leaves it to the person, and to nobody under tboot', () => {
    const told = without(18)
    const unproven = explainChange(
      look({
        before: { pcrs: pcrs({ 17: A, 18: A }), components: null },
        pcrsNow: pcrs({ 17: B, 18: C }),
        log: told,
        selected: [18],
      }),
    )
    expect(unproven).toMatchObject({
      verdict: 'not-computable',
      reasons: [{ code: 'boot-info-not-computable', pcr: 18 }],
    })
    expect(withLog(18, { log: { ...told, kind: 'tboot' } })).toEqual(['not-in-log'])
  })

  it('that explains one part and not the other leaves it unexplained', () => {
    const now = launch('intel-uefi', { xen: NEW_XEN })
    const [kernel, ramdisk] = now.modules
    const evil = { ...now, modules: [{ ...kernel!, bytes: 'evil' }, ramdisk!] }
    expect(explain(launch('intel-uefi'), now)).toMatchObject({ verdict: 'not-computable' })
    const explained = explain(launch('intel-uefi'), evil)
    expect(explained.verdict).toBe('unexplained')
    expect(codesOf(explained.reasons)).toEqual(['xen-not-computable', 'wrong-file'])
  })
})

describe('what booted as predicted', () => {
  const owner = { name: 'kernel', evr: '1000:6.6.35-1.qubes.fc37', signer: 'S' }
  const trace = (
    components: { role: string; path: string | null; package: typeof owner | null }[],
    index = 17,
    bank = 'sha256',
  ) => {
    const now = component('kernel', KERNEL, 'kernel')
    const value = extendAll('sha256', [now.digests.sha256!])
    const log = parse(eventsOf(launch('intel-bios')))
    const module = {
      pcr: 17,
      type: 0x502,
      digests: digestsOf('kernel'),
      data: null,
      origin: { kind: 'module' as const, moduleIndex: 0 },
    }
    return explainChange(
      look({
        before: { pcrs: pcrs({ 17: A }), components: [{ ...now, digests: digestsOf('old') }] },
        pcrsNow: pcrs({ 17: value }),
        log: { ...log, events: [module] },
        booted: {
          ...entry(launch('intel-bios')),
          modules: [{ role: 'kernel', path: KERNEL, commandLine: '', nounzip: false, order: 1 }],
        },
        files: [
          factOf(KERNEL, 'kernel', { package: KERNEL_PACKAGE, bulletin: '103' }),
          factOf(XEN, 'xen', { package: SIGNED }),
        ],
        selected: [17],
        prediction: [
          { index, bank, predicted: value, components },
          {
            index: 17,
            bank: 'sha256',
            predicted: value,
            components: index === 17 && bank === 'sha256' ? components : [],
          },
        ],
      }),
    ).pcrs[0]!.causes
  }
  const then = [{ evr: owner.evr, signer: 'S', installTime: null }]
  const today = [{ evr: KERNEL_PACKAGE.evr }]

  it.each<[string, () => ReturnType<typeof trace>, object[]]>([
    ['is of the package of then', () => trace([{ role: 'kernel', path: KERNEL, package: owner }]), then],
    ['not of that of another file', () => trace([{ role: 'kernel', path: '/other', package: owner }]), today],
    ['not of that of another role', () => trace([{ role: 'xen', path: KERNEL, package: owner }]), today],
    [
      'not of a package of another name',
      () => trace([{ role: 'kernel', path: KERNEL, package: { ...owner, name: 'kernel-latest' } }]),
      today,
    ],
    ['not of no package', () => trace([{ role: 'kernel', path: KERNEL, package: null }]), today],
    [
      'not of that of another bank',
      () => trace([{ role: 'kernel', path: KERNEL, package: owner }], 17, 'sha1'),
      today,
    ],
    [
      'not of that of another register',
      () => trace([{ role: 'kernel', path: KERNEL, package: owner }], 18),
      today,
    ],
  ])('%s', (_, trace, packages) => {
    const causes = trace()
    expect(causes.map((one) => one.package)).toMatchObject(packages)
    expect(causes[0]?.bulletin).toBe(packages === then ? null : '103')
  })

  it('keeps its time of installation where it is still the same', () => {
    const [cause] = trace([{ role: 'kernel', path: KERNEL, package: { ...owner, evr: KERNEL_PACKAGE.evr } }])
    expect(cause).toMatchObject({ bulletin: '103', package: KERNEL_PACKAGE })
  })
})

it.each([
  [13, 'cryptsetup luksDump'],
  [17, 'see the causes of this register'],
])('PCR %i that is not as it was predicted says where to look', (index, words) => {
  const { reasons } = explainChange(
    look({
      before: { pcrs: pcrs({ [index]: A }), components: null },
      pcrsNow: pcrs({ [index]: B }),
      selected: [index],
      prediction: [{ index, bank: 'sha256', predicted: C }],
    }),
  )
  expect(reasons[0]).toMatchObject({
    code: 'differs-from-prediction',
    isBlocking: false,
    next: expect.stringContaining(words),
  })
})
