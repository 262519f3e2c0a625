/* Long: one record of a forward seal, and a row for each thing that became of it. */

import { describe, expect, it } from 'vitest'
import type { ForwardRecord } from '../../src/core/seal/forward-record.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeForwardOutcome } from '../../src/observe/seal/forward-outcome.ts'
import { aSession } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** What became of a forward seal, by its record, the registers and the files on its device. */

const UUID = '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11'
const OTHER_UUID = 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2'
const TPM_ID = '4b8f0c2d6a5e9137f2b4c6d8e0a1c3e5f7091b2d'
const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const VALUES = { 13: A, 17: B }
const NEXT: Readonly<Record<string, string>> = { 'key.pub': A, 'secret.fre.sealed2': B }
const PREVIOUS: Readonly<Record<string, string>> = { 'key.pub': C, 'secret.fre.sealed2': A }
const listOf = (files: Readonly<Record<string, string>>) =>
  Object.entries(files).map(([name, sha256]) => ({ name, sha256 }))
const RECORD: ForwardRecord = {
  label: 'aem',
  uuid: UUID,
  tpmId: TPM_ID,
  bank: 'sha256',
  values: VALUES,
  next: listOf(NEXT),
  previous: { dom0: listOf({ 'key.pub': B }), device: listOf(PREVIOUS) },
}

const DONE = [{ at: '2024-07-17T09:00:00.000Z', step: 'forward-seal', outcome: 'sealed' }] as const
const session = (record: ForwardRecord | null, changes: Partial<Session> = {}): Session =>
  aSession({
    protection: 'forward-seal',
    history: [...DONE] as Session['history'],
    findings: record === null ? {} : ({ 'forward-seal': { record } } as Session['findings']),
    ...changes,
  })
const CUT = { history: [] }
const baseline = (changes: object = {}) =>
  ({
    bank: 'sha256',
    selectedPcrs: [13, 17],
    pcrs: { sha256: VALUES },
    packages: [{ name: 'dracut', evr: '0:1-1' }],
    ...changes,
  }) as unknown as Session['baseline']
const predicted = (values: Readonly<Record<number, string>>, bank = 'sha256') => ({
  calibrated: true,
  refusal: null,
  pcrs: Object.entries(values).map(([index, value]) => ({
    index: Number(index),
    bank,
    now: null,
    predicted: value,
    vouched: true,
    inputs: [],
  })),
})

type Story = {
  readonly unseal?: 'unsealed' | 'mismatch' | 'wrong-token' | null
  readonly pcrs?: Readonly<Record<string, Readonly<Record<number, string>>>>
  /** Of the device; an unreadable one has null, an unreadable directory is null. */
  readonly files?: Readonly<Record<string, string | null>> | null
  readonly devices?: readonly object[]
  readonly installed?: Readonly<Record<string, readonly string[]>>
  readonly journal?: null
  readonly bootId?: null
}

async function look(one: Session, story: Story = {}) {
  const { unseal = 'mismatch', pcrs = { sha256: VALUES }, files = NEXT, installed = {} } = story
  const directory = `/media/aem/tpms/${TPM_ID}/aem`
  let open = 0
  const own: Partial<Host> = {
    openMedia: async ({ uuid }) => {
      expect(uuid).toBe(UUID)
      open += 1
      const close = async (): Promise<void> => {
        open -= 1
      }
      return seen({ root: '/media', close })
    },
    listDirectory: async (path) => {
      expect(path).toBe(directory)
      return files === null ? unknown('input/output error') : seen(Object.keys(files))
    },
    digestFile: async (path) => {
      const sha256 = files?.[path.slice(directory.length + 1)]
      return sha256 == null ? unknown('input/output error') : seen({ sha1: '', sha256, sizeBytes: 1 })
    },
  }
  const facts = {
    machine: async () => ({ bootId: story.bootId === null ? null : 'boot-2' }),
    seal: async () => ({ journal: story.journal === null ? null : { unseal } }),
    tpm: async () => ({ version: '2.0', bank: 'sha256', pcrs }),
    devices: async () => ({
      devices: story.devices ?? [
        { label: 'aem.x', uuid: OTHER_UUID, present: true },
        { label: 'aem', uuid: UUID, present: true, mountPoint: null },
      ],
    }),
    rpm: { packages: async (name: string) => seen((installed[name] ?? []).map((evr) => ({ name, evr }))) },
  }
  const dom0 = { ...observeDom0(makeFakeHost(own)), ...facts } as unknown as Dom0
  const found = await observeForwardOutcome(dom0, one)
  expect(open).toBe(0)
  return found
}
const outcome = async (one: Session, story?: Story) => (await look(one, story)).outcome

describe('whether a boot is the one that was sealed forward to', () => {
  it('is told by every register of the record, in its bank, whatever the baseline says', async () => {
    expect(await outcome(session(RECORD))).toBe('not-in-force')
    expect(await outcome(session(RECORD), { pcrs: { sha256: { ...VALUES, 17: C } } })).toBe('contradicted')
    expect(await outcome(session(RECORD), { pcrs: { sha256: { 13: A } } })).toBe('contradicted')
    expect(await outcome(session(RECORD), { pcrs: { sha1: VALUES } })).toBe('contradicted')
    expect(await outcome(session(RECORD, { baseline: baseline({ bank: 'sha1' }) }))).toBe('not-in-force')
    const other = { baseline: baseline(), prediction: predicted({ 13: C, 17: C }) }
    expect(await outcome(session(RECORD, other))).toBe('not-in-force')
  })

  it('is not told by a record without registers', async () => {
    expect(await outcome(session({ ...RECORD, values: {} }))).toBe('contradicted')
  })

  it("is told by the session's prediction where there is no record, in the bank of the baseline", async () => {
    const of = (values: Readonly<Record<number, string>>, bank = 'sha256') =>
      session(null, { baseline: baseline({ bank }), prediction: predicted(values, bank) })
    expect(await outcome(of(VALUES))).toBe('not-in-force')
    expect(await outcome(of({ ...VALUES, 17: C }))).toBe('contradicted')
    expect(await outcome(of(VALUES, 'sha1'), { pcrs: { sha1: VALUES } })).toBe('not-in-force')
    expect(await outcome(of(VALUES, 'sha1'))).toBe('contradicted')
    expect(await outcome(session(null, { baseline: baseline(), prediction: null }))).toBe('contradicted')
    expect(await outcome(session(null))).toBe('contradicted')
  })

  it('says with the journal whether AEM may have sealed since', async () => {
    const other = { pcrs: { sha256: { ...VALUES, 17: C } } }
    expect(await look(session(RECORD), { unseal: 'unsealed' })).toMatchObject({
      outcome: 'shown',
      mayBeSealedSince: false,
    })
    expect(await look(session(RECORD), { ...other, unseal: 'unsealed' })).toMatchObject({
      outcome: 'shown',
      mayBeSealedSince: true,
    })
    expect(await look(session(RECORD), other)).toMatchObject({ mayBeSealedSince: false })
    expect(await look(session(RECORD), { unseal: null })).toMatchObject({ outcome: 'unknown' })
    expect(await look(session(RECORD), { journal: null })).toMatchObject({ outcome: 'unknown' })
  })
})

describe('whether a session has a forward seal at this boot', () => {
  const approved = (bootId: string | null) =>
    ({ at: '2024-07-17T09:00:00.000Z', bootId, pcrs: VALUES }) as Session['approved']

  it.each<[string, Session, string]>([
    ['that is the first one after it', session(RECORD), 'shown'],
    ['that was accepted', session(RECORD, { approved: approved('boot-2') }), 'shown'],
    ['after the accepted one', session(RECORD, { approved: approved('boot-1') }), 'none'],
    ['after one whose identity is not known', session(RECORD, { approved: approved(null) }), 'none'],
    ['where another way was chosen', session(null, { protection: 'plain' }), 'none'],
    ['where nothing was chosen yet', session(null, { protection: null }), 'none'],
    [
      'where another way was chosen after the switch was begun',
      session(RECORD, { protection: 'plain' }),
      'shown',
    ],
    ['where it was chosen and left no record', session(null), 'shown'],
  ])('a boot %s', async (_, one, expected) => {
    const installed = { dracut: ['0:2-1'] }
    const found = await look({ ...one, baseline: baseline() }, { unseal: 'unsealed', installed })
    // Where there is none, nothing came after it either.
    if (expected === 'none') expect(found).toEqual({ outcome: 'none', later: [] })
    else expect(found).toMatchObject({ outcome: expected, later: ['dracut 0:2-1'] })
  })

  it('is not known to be the accepted one while neither has an identity', async () => {
    const one = session(RECORD, { approved: approved(null) })
    expect(await outcome(one, { bootId: null, unseal: 'unsealed' })).toBe('none')
  })

  it('that was not the chosen way and was cut short is judged by its record', async () => {
    const story: Story = { pcrs: { sha256: { ...VALUES, 17: C } } }
    const other = session(RECORD, { ...CUT, protection: 'plain' })
    expect(await outcome(other, { ...story, files: PREVIOUS })).toBe('not-made')
    expect(await outcome(other, { ...story, files: { 'key.pub': A } })).toBe('cut')
  })
})

it('a package that the baseline does not name makes the boot another one, and is named; without a baseline none is', async () => {
  const story: Story = {
    pcrs: { sha256: { ...VALUES, 17: C } },
    installed: { dracut: ['0:1-1', '0:2-1'], tboot: ['0:1.9-1'] },
  }
  expect(await look(session(RECORD, { baseline: baseline() }), story)).toMatchObject({
    outcome: 'overtaken',
    later: ['dracut 0:2-1', 'tboot 0:1.9-1'],
  })
  const known = { ...story, installed: { dracut: ['0:1-1'] } }
  expect(await look(session(RECORD, { baseline: baseline() }), known)).toMatchObject({
    outcome: 'contradicted',
    later: [],
  })
  expect(await look(session(RECORD), story)).toMatchObject({ outcome: 'contradicted', later: [] })
})

describe('a forward seal that was cut short', () => {
  const another: Story = { pcrs: { sha256: { ...VALUES, 17: C } } }
  it.each<[string, Story, string]>([
    ['was in force where its files lie on the device', { files: NEXT }, 'contradicted'],
    ['was not made where the previous files lie there', { files: PREVIOUS }, 'not-made'],
    ['may be half there with others', { files: { ...NEXT, 'key.pub': C } }, 'cut'],
    ['may be half there with a file less', { files: { 'key.pub': A } }, 'cut'],
    ['may be half there with a file more', { files: { ...NEXT, 'key.priv': C } }, 'cut'],
    ['may be half there where none lies there', { files: {} }, 'cut'],
    ['is not known where one cannot be read', { files: { ...NEXT, 'secret.fre.sealed2': null } }, 'cut'],
    ['is not known where one more cannot be read', { files: { ...NEXT, 'key.priv': null } }, 'cut'],
    ['is not known where they cannot be listed', { files: null }, 'cut'],
    ['is not known without the device', { devices: [] }, 'cut'],
    [
      'is not known where the device is out',
      { devices: [{ label: 'aem', uuid: UUID, present: false, mountPoint: null }] },
      'cut',
    ],
    [
      'is not told by another device under its label',
      { devices: [{ label: 'aem', uuid: OTHER_UUID, present: true }] },
      'cut',
    ],
    [
      'is not told by the device under another label',
      { devices: [{ label: 'aem.x', uuid: UUID, present: true }] },
      'cut',
    ],
  ])('%s', async (_, story, expected) => {
    expect(await outcome(session(RECORD, CUT), { ...another, ...story })).toBe(expected)
  })

  it('was not made where nothing was switched yet', async () => {
    expect(await outcome(session(null, CUT), another)).toBe('not-made')
  })
})
