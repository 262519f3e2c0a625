import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type * as z from 'zod/mini'
import {
  parseSession,
  SESSION_VERSION,
  sessionSchema,
  startSession,
} from '../../../src/core/session/checkpoint.ts'
import { aBaseline } from '../../support/a-baseline.ts'
import { aSession } from '../../support/built-in.ts'

/** A generator for every value that a schema takes, so that a field added to it is tested too. */
function arbitraryOf(schema: z.ZodMiniType): fc.Arbitrary<unknown> {
  const { def } = schema._zod as unknown as { def: Record<string, unknown> & { type: string } }
  const inner = (key: string): z.ZodMiniType => def[key] as z.ZodMiniType
  switch (def.type) {
    case 'object':
      return fc.record(
        Object.fromEntries(
          Object.entries(def.shape as Record<string, z.ZodMiniType>).map(([name, own]) => [
            name,
            arbitraryOf(own),
          ]),
        ),
      )
    case 'array':
      return fc
        .array(arbitraryOf(inner('element')), { maxLength: 3 })
        .filter((value) => schema.safeParse(value).success)
    case 'nullable':
      return fc.option(arbitraryOf(inner('innerType')), { nil: null })
    case 'optional':
      return fc.option(arbitraryOf(inner('innerType')), { nil: undefined })
    case 'default':
    case 'readonly':
    case 'catch':
      return arbitraryOf(inner('innerType'))
    case 'record':
      return fc.dictionary(
        fc
          .oneof(fc.integer({ min: 0, max: 23 }).map(String), fc.string())
          // zod leaves this key out of every record; no step, package or register has that name.
          .filter((key) => key !== '__proto__' && inner('keyType').safeParse(key).success),
        arbitraryOf(inner('valueType')),
        { maxKeys: 3, noNullPrototype: true },
      )
    case 'union':
      return fc.oneof(...(def.options as z.ZodMiniType[]).map(arbitraryOf))
    case 'enum':
      return fc.constantFrom(...Object.values(def.entries as Record<string, string>))
    case 'literal':
      return fc.constantFrom(...(def.values as unknown[]))
    case 'unknown':
      return fc.jsonValue()
    case 'boolean':
      return fc.boolean()
    default:
      return scalarOf(schema)
  }
}

/** Numbers and strings, by trial: what the schema takes of a few kinds. */
function scalarOf(schema: z.ZodMiniType): fc.Arbitrary<unknown> {
  const candidates: readonly fc.Arbitrary<unknown>[] = [
    fc.integer({ min: 0, max: 23 }),
    fc.string(),
    fc.uuid(),
    fc
      .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString()),
    fc.stringMatching(/^[0-9a-f]{40}$/),
    fc.stringMatching(/^[0-9a-f]{64}$/),
  ]
  const taken = candidates.filter((candidate) =>
    fc.sample(candidate, 20).some((value) => schema.safeParse(value).success),
  )
  if (taken.length === 0) throw new Error('no value of the generator fits this schema')
  return fc.oneof(...taken).filter((value) => schema.safeParse(value).success)
}

const AT = '2024-07-17T09:00:00.000Z'

function problemOf(text: string): string | null {
  const read = parseSession(text)
  return 'problem' in read ? read.problem : null
}

describe('a session file', () => {
  it('reads back as it was written, whatever it holds', () => {
    fc.assert(
      fc.property(arbitraryOf(sessionSchema()), (session) => {
        const text = JSON.stringify(session, null, 2)
        const read = parseSession(text)
        expect('session' in read ? JSON.parse(JSON.stringify(read.session)) : read).toEqual(JSON.parse(text))
      }),
    )
  })

  it('of a session that has just begun reads back', () => {
    const begun = startSession({ id: aSession().id, now: new Date(0), bootId: null, flow: 'resume' })
    expect(parseSession(JSON.stringify(begun))).toEqual({ session: begun })
    expect(begun.version).toBe(SESSION_VERSION)
  })

  it.each([
    ['', 'damaged'],
    ['{', 'damaged'],
    [JSON.stringify(aSession()).slice(0, -20), 'damaged'],
    ['\u0000'.repeat(100), 'damaged'],
    ['null', 'foreign'],
    ['[]', 'foreign'],
    ['{"some": "program"}', 'foreign'],
    ['{"format": "aem-reseal session"}', 'foreign'],
    [JSON.stringify({ ...aSession(), version: SESSION_VERSION + 1 }), 'newer'],
    [JSON.stringify({ format: 'aem-reseal session', version: 99, all: 'else is different' }), 'newer'],
    [JSON.stringify({ ...aSession(), version: 0 }), 'damaged'],
    [JSON.stringify({ ...aSession(), id: 'x' }), 'damaged'],
    [JSON.stringify({ ...aSession(), step: 7 }), 'damaged'],
    [JSON.stringify({ ...aSession(), flow: 'another' }), 'damaged'],
    [JSON.stringify({ ...aSession(), history: [{}] }), 'damaged'],
    [JSON.stringify({ ...aSession(), baseline: {} }), 'damaged'],
    [
      JSON.stringify(
        aSession({ baseline: { ...aBaseline(), pcrs: { sha256: { 17: `x${'a'.repeat(63)}` } } } }),
      ),
      'damaged',
    ],
    [
      JSON.stringify(
        aSession({ baseline: { ...aBaseline(), pcrs: { sha256: { 17: `${'a'.repeat(63)}x` } } } }),
      ),
      'damaged',
    ],
  ])('that says %j is %s', (text, problem) => {
    expect(problemOf(text)).toBe(problem)
  })

  it('with any field gone or of another kind is never taken', () => {
    const session = aSession() as Record<string, unknown>
    for (const name of Object.keys(session)) {
      const { [name]: _gone, ...rest } = session
      // A session that an earlier program left open has nothing prepared, and no answers: it is read.
      const isTaken = name === 'prepared' || name === 'answers'
      expect(problemOf(JSON.stringify(rest)) === null, `without ${name}`).toBe(isTaken)
      expect(problemOf(JSON.stringify({ ...session, [name]: { odd: true } })), `odd ${name}`).toBe(
        name === 'findings' ? null : name === 'format' || name === 'version' ? 'foreign' : 'damaged',
      )
    }
  })

  const predicted = {
    calibrated: true,
    variant: { map: 'legacy', commandLine: 'whole' as const },
    entry: { title: 'AEM Qubes' },
    refusal: null,
    pcrs: [{ index: 18, bank: 'sha256', now: 'aa', predicted: 'bb', reason: '', code: null, components: [] }],
  }
  const [register] = predicted.pcrs

  it('keeps a prediction as it was given, with fields that were added since', () => {
    const prediction = { ...predicted, unvouched: ['x'], pcrs: [{ ...register!, vouched: true, more: [1] }] }
    const read = parseSession(JSON.stringify(aSession({ prediction })))
    expect('session' in read && read.session.prediction).toEqual(prediction)
  })

  it.each([
    ...['mle', 'xen', 'kernel', 'initramfs', 'module', 'platform', 'policy', 'other'],
    ...['xen-entry', 'boot-info', 'launch-info', 'command-line'],
  ])('keeps that this boot measured a %s', (role) => {
    const component = { role, path: null, commandLine: null, pcr: 17, digests: { sha256: 'ab' } }
    const baseline = {
      ...{ takenAt: AT, bootId: null, bank: 'sha256', selectedPcrs: [17], pcrs: { sha256: { 17: 'ab' } } },
      ...{ kernelCommandLine: null, xenCommandLine: null, runningXen: { version: null, buildId: null } },
      ...{ bootFiles: [], packages: [], sealedFiles: [], launchLog: null, components: [component] },
    }
    const read = parseSession(JSON.stringify({ ...aSession(), baseline }))
    expect('session' in read && read.session.baseline?.components).toEqual([component])
  })

  const baselineOf = (pcrs: Readonly<Record<string, string>>) => ({
    baseline: aBaseline({ pcrs: { sha256: pcrs } }),
  })
  it.each(['170', '17x', 'x17', '1.7', ''])('that recorded a register %j is damaged', (register) => {
    expect(problemOf(JSON.stringify(aSession(baselineOf({ 17: 'ab' }))))).toBeNull()
    expect(problemOf(JSON.stringify(aSession(baselineOf({ 17: 'ab', [register]: 'ab' }))))).toBe('damaged')
  })

  it.each(['abx', 'xab', 'ab\n', 'AB', ''])(
    'that was prepared for a file with the digest %j is damaged',
    (sha256) => {
      const preparedFor = (files: readonly { name: string; sha256: string | null }[]) => ({
        ...{ at: AT, bootId: 'boot-1', label: 'aem', files: [...files], entry: null, grubConfig: null },
        ...{ packages: [], selectedPcrs: [17], luks: null, sealed: [] },
      })
      const good = { name: '/vmlinuz', sha256: 'ab' }
      expect(problemOf(JSON.stringify(aSession({ prepared: preparedFor([good]) })))).toBeNull()
      const odd = preparedFor([good, { name: '/xen.gz', sha256 }])
      expect(problemOf(JSON.stringify(aSession({ prepared: odd })))).toBe('damaged')
    },
  )

  it.each([
    ['a text', 'x'],
    ['a list', []],
    ['a number', 1],
    ['no registers', { ...predicted, pcrs: undefined }],
    ['registers that are a text', { ...predicted, pcrs: 'all' }],
    ['registers that are null', { ...predicted, pcrs: [null] }],
    ['a register without a number', { ...predicted, pcrs: [{ ...register, index: '18' }] }],
    ['a register beyond the last', { ...predicted, pcrs: [{ ...register, index: 24 }] }],
    ['a value that is no hex', { ...predicted, pcrs: [{ ...register, predicted: 'x' }] }],
    ['a value that is a list', { ...predicted, pcrs: [{ ...register, predicted: ['bb'] }] }],
    ['components that are no list', { ...predicted, pcrs: [{ ...register, components: {} }] }],
    ['a component without a role', { ...predicted, pcrs: [{ ...register, components: [{}] }] }],
    ['calibrated as a text', { ...predicted, calibrated: 'yes' }],
    ['another rule', { ...predicted, variant: { map: 'legacy', commandLine: 'x' } }],
    ['a refusal without a reason', { ...predicted, refusal: { code: 'x' } }],
  ])('with a prediction that is %s is damaged', (_, prediction) => {
    expect(problemOf(JSON.stringify(aSession({ prediction: prediction as never })))).toBe('damaged')
  })

  it.each([
    ['explain', null],
    ['predict', null],
    ['predict', { reproductions: [{ image: '/i', state: 'same', sha256: 7 }], accepted: [] }],
    ['predict', { reproductions: [], accepted: 'all' }],
    ['predict', { reproductions: 'x' }],
    ['predict', { reproductions: [null] }],
    ['predict', { reproductions: [{ image: 7, state: 'different', fresh: { path: '/i', sha256: 'a' } }] }],
    ['predict', { reproductions: [{ image: '/i', state: 'different', fresh: { sha256: 'a' } }] }],
    ['predict', { reproductions: [{ image: '/i', state: 'different', fresh: { path: '/i' } }] }],
    ['predict', { luksHeaderAccepted: true, luksHeaderValue: 'x' }],
    ['explain', { verdict: 'fine', pcrs: [], reasons: [] }],
    ['explain', { verdict: 'explained', pcrs: null, reasons: [] }],
    ['next-device', { work: [{ label: 'aem', work: null }] }],
    ['next-device', { work: 'all' }],
    ['forward-seal', { record: { label: 'aem' } }],
    ['forward-seal', 'x'],
  ])('with a finding of %s that is %j is damaged', (step, facts) => {
    expect(problemOf(JSON.stringify(aSession({ findings: { [step]: facts } })))).toBe('damaged')
  })

  it.each([...'yes no not-sure'.split(' '), null])('keeps that a person said %j of the secret', (answer) => {
    const findings = { 'ask-secret': { answer, bootId: 'boot-1' } }
    const read = parseSession(JSON.stringify(aSession({ findings: findings as never })))
    expect('session' in read && read.session.findings).toEqual(findings)
  })

  it.each([
    ...['changed', 'plug-in', 'refresh', 'forward-boot', 'own-boot'],
    ...['look', 'resume', 'start', 'verify', 'accept'],
  ])('keeps that a device that is left needs %s', (needs) => {
    const work = { state: 'to-do', needs, why: 'x', since: null }
    const findings = { 'next-device': { work: [{ label: 'aem', work }] } }
    const read = parseSession(JSON.stringify(aSession({ findings: findings as never })))
    expect('session' in read && read.session.findings).toEqual(findings)
  })

  it('that is nested without end is damaged', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const text = JSON.stringify(aSession({ findings: { x: 'DEEP' } })).replace('"DEEP"', deep)
    expect(problemOf(text)).toBe('damaged')
  })

  it('is never anything but a session or a problem', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(['damaged', 'foreign', 'newer']).toContain(problemOf(text))
      }),
    )
  })
})
