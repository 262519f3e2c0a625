import { describe, expect, it } from 'vitest'
import { listNextChanges } from '../../../src/core/decide/next-changes.ts'
import type { Session } from '../../../src/core/session/checkpoint.ts'
import { aBaseline } from '../../support/a-baseline.ts'
import { aSession } from '../../support/built-in.ts'

const BASELINE = aBaseline({
  selectedPcrs: [17, 18, 19],
  pcrs: { sha256: { 17: 'aa', 18: 'bb', 19: 'cc' } },
  kernelCommandLine: 'root=/dev/x quiet',
})
const KERNEL = { role: 'kernel', path: '/vmlinuz', commandLine: 'root=/dev/x debug', changed: true }
const row = (index: number, predicted: string | null, components: readonly object[] = []) => ({
  ...{ index, bank: 'sha256', now: null, predicted, vouched: true, reason: '', code: null, components },
})
const predict = (pcrs: readonly object[], changes: object = {}) =>
  ({ calibrated: true, refusal: null, pcrs, ...changes }) as unknown as Session['prediction']
const PREDICTION = predict([
  row(17, 'aa'),
  row(18, 'dd', [KERNEL, { role: 'xen', changed: false }]),
  row(19, null),
])

const list = (changes: Partial<Session>) => listNextChanges(aSession({ baseline: BASELINE, ...changes }))

describe('what changes at the next boot', () => {
  it('is told by register, with the parts that make it; what nothing foretells is told apart', () => {
    expect(list({ prediction: PREDICTION })).toEqual({
      changes: [{ index: 18, parts: [{ role: 'kernel', path: '/vmlinuz', package: null, words: null }] }],
      unpredicted: [19],
    })
  })

  it('is told of each register by itself: what makes another one is no part of it', () => {
    const initramfs = { role: 'initramfs', path: '/initramfs.img', changed: true }
    const both = predict([row(17, 'aa'), row(18, 'dd', [KERNEL]), row(19, 'ee', [initramfs])])
    expect(
      list({ prediction: both })?.changes.map(({ index, parts }) => [index, parts.map(({ role }) => role)]),
    ).toEqual([
      [18, ['kernel']],
      [19, ['initramfs']],
    ])
  })

  it('is told word by word where a person accepted another command line', () => {
    const findings = { predict: { accepted: [{ kind: 'command-line', path: '/vmlinuz' }] } }
    const words = list({ prediction: PREDICTION, findings })?.changes[0]?.parts[0]?.words
    expect(words).toMatchObject({ added: ['debug'], removed: ['quiet'] })
  })

  it.each<[string, Partial<Session>]>([
    ['nothing was recorded', { baseline: null, prediction: PREDICTION }],
    ['nothing was predicted', { prediction: null }],
    [
      'the prediction was refused',
      { prediction: predict([row(17, 'aa')], { refusal: { code: 'x', why: 'y' } }) },
    ],
    ['the prediction is not calibrated', { prediction: predict([row(17, 'aa')], { calibrated: false }) }],
  ])('is not known where %s', (_why, changes) => {
    expect(list(changes)).toBeNull()
  })
})

describe('the parts of a change', () => {
  const XEN = { role: 'xen', path: '/xen.gz', commandLine: 'console=none smt=off', changed: true }
  const accept = (kind: string, path: string) => ({ predict: { accepted: [{ kind, path }] } })
  const partsOf = (component: object, changes: Partial<Session> = {}) =>
    list({ prediction: predict([row(17, 'aa'), row(18, 'dd', [component]), row(19, 'cc')]), ...changes })
      ?.changes[0]?.parts

  it('name the package of a file, and who signed it', () => {
    const signed = { name: 'kernel', evr: '1000:6.6.42-1.fc37', signer: 'Qubes OS Release 4.2 Signing Key' }
    expect(partsOf({ ...KERNEL, package: signed })?.[0]?.package).toEqual(signed)
    const { signer: _, ...unsigned } = signed
    expect(partsOf({ ...KERNEL, package: unsigned })?.[0]?.package).toEqual({ ...unsigned, signer: null })
  })

  it('are those of the bank that AEM seals to', () => {
    const other = { ...row(18, 'dd', [XEN]), bank: 'sha1' }
    const prediction = predict([row(17, 'aa'), row(18, 'dd', [KERNEL]), other, row(19, 'cc')])
    expect(list({ prediction })?.changes[0]?.parts.map(({ role }) => role)).toEqual(['kernel'])
  })

  it("compare Xen's command line with Xen's own", () => {
    const baseline = { ...BASELINE, xenCommandLine: 'console=none' }
    const findings = accept('command-line', '/xen.gz')
    expect(partsOf(XEN, { baseline, findings })?.[0]?.words).toMatchObject({
      added: ['smt=off'],
      removed: [],
    })
  })

  it.each<[string, object, Partial<Session>]>([
    ['a person accepted something else of that file', KERNEL, { findings: accept('file', '/vmlinuz') }],
    [
      'a person accepted the line of another file',
      KERNEL,
      { findings: accept('command-line', '/vmlinuz-old') },
    ],
    ['its line of this boot was not recorded', XEN, { findings: accept('command-line', '/xen.gz') }],
    [
      'it is a file whose line nobody records',
      { ...KERNEL, role: 'initramfs' },
      { findings: accept('command-line', '/vmlinuz') },
    ],
    [
      'its next line is not known',
      { ...KERNEL, commandLine: null },
      { findings: accept('command-line', '/vmlinuz') },
    ],
    ['its name is not known', { ...KERNEL, path: null }, { findings: accept('command-line', '/vmlinuz') }],
  ])('are not told word by word where %s', (_why, component, changes) => {
    const parts = partsOf(component, changes)
    expect(parts).toHaveLength(1)
    expect(parts?.[0]?.words).toBeNull()
  })

  it('are not known where a component of the prediction is of another form', () => {
    expect(partsOf({ ...KERNEL, role: 5 })).toBeUndefined()
    expect(list({ prediction: predict([row(17, 'aa'), row(18, 'dd', [{ role: 5 }])]) })).toBeNull()
  })
})
