/* Long: one dom0 of traces, and a row for each that speaks of a seal. */

import { describe, expect, it } from 'vitest'
import type { AemJournal } from '../../src/core/aem/seal-outcome.ts'
import { parseAemJournal, parseUnitShow } from '../../src/core/aem/seal-outcome.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import type { HeldNote } from '../../src/core/session/held-note.ts'
import { ABSENT, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeSealSelection } from '../../src/observe/seal/pcr-selection.ts'
import { observeSealOutcome } from '../../src/observe/seal/seal-outcome.ts'
import { observeSealState } from '../../src/observe/seal/seal-unit.ts'
import { aSession } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** What AEM did in this boot, by the traces that it left. */

const unreadable = unknown('input/output error')
const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const TOKEN = 'secret.fre.sealed2'
const DROP_IN = '/etc/systemd/system/anti-evil-maid-seal.service.d/50-aem-reseal-hold.conf'

const unitOf = (changes: Readonly<Record<string, string>> = {}): string =>
  Object.entries({
    LoadState: 'loaded',
    ActiveState: 'inactive',
    SubState: 'dead',
    Result: 'success',
    ConditionResult: 'yes',
    ExecMainStatus: '0',
    ExecMainStartTimestampMonotonic: '14011023',
    ExecMainExitTimestampMonotonic: '15011023',
    DropInPaths: '',
    ...changes,
  })
    .map(([name, text]) => `${name}=${text}\n`)
    .join('')
const NEVER_RUN = { ExecMainStartTimestampMonotonic: '0', ExecMainExitTimestampMonotonic: '0' }

type Story = {
  readonly session?: Partial<Session>
  readonly note?: HeldNote | null
  readonly token?: string | null
  readonly label?: string | null
  readonly suffix?: string | null
  readonly tpmId?: string | null
  readonly unit?: string | null
  readonly journal?: AemJournal | null
  readonly bootId?: null
}

/** dom0's copy has the token A, and nothing else of it is a token. */
function look(story: Story = {}) {
  const { token = A, label = 'aem', suffix = null, tpmId = 'x', unit = unitOf() } = story
  const paths: string[] = []
  const host = makeFakeHost({
    listDirectory: async (path) => {
      paths.push(path)
      return seen(token === null ? ['key.pub'] : ['key.pub', TOKEN])
    },
    digestFile: async (path) =>
      seen({ sha1: '', sha256: path.endsWith(TOKEN) ? (token ?? '') : C, sizeBytes: 1 }),
  })
  const facts = {
    machine: async () => ({ bootId: story.bootId === null ? null : 'boot-2' }),
    booted: async () => (label === null ? null : { label }),
    tpmId: async () => tpmId,
    seal: async () => ({
      journal: story.journal ?? null,
      unit: unit === null ? null : parseUnitShow(unit),
      cachedSuffix: suffix,
    }),
  }
  const dom0 = { ...observeDom0(host), ...facts } as unknown as Dom0
  const session = story.session === undefined ? null : aSession(story.session)
  return observeSealOutcome(dom0, session, story.note ?? null).then((found) => ({ ...found, paths }))
}

const recorded = (
  ...files: readonly (readonly [copy: string, label: string, name: string, sha256: string | null])[]
) =>
  ({
    baseline: {
      sealedFiles: files.map(([copy, label, name, sha256]) => ({ copy, label, name, sha256 })),
    },
  }) as unknown as Partial<Session>
const forward = (label: string, next: Readonly<Record<string, string>>) =>
  ({
    findings: {
      'forward-seal': {
        record: { label, next: Object.entries(next).map(([name, sha256]) => ({ name, sha256 })) },
      },
    },
  }) as unknown as Partial<Session>
const resealed = (bootId: string | null, token: string) =>
  ({ resealed: { bootId, token } }) as unknown as Partial<Session>

describe('whether AEM sealed in this boot', () => {
  it.each<[string, Story, boolean | null]>([
    ['the token is another than the recorded one', { session: recorded(['dom0', 'aem', TOKEN, B]) }, true],
    ['the token is the recorded one', { session: recorded(['dom0', 'aem', TOKEN, A]) }, false],
    ['there is no token', { session: recorded(['dom0', 'aem', TOKEN, B]), token: null }, false],
    ['nothing was recorded', { session: {} }, null],
    ['there is no session', {}, null],
    ["only the device's copy was recorded", { session: recorded(['device', 'aem', TOKEN, A]) }, null],
    ['only another device was recorded', { session: recorded(['dom0', 'aem.x', TOKEN, A]) }, null],
    ['only another file was recorded', { session: recorded(['dom0', 'aem', 'key.pub', A]) }, null],
    ['the recorded token could not be read', { session: recorded(['dom0', 'aem', TOKEN, null]) }, null],
    ['the token is that of a forward seal', { session: forward('aem', { [TOKEN]: A }) }, false],
    ['the token is another than that of a forward seal', { session: forward('aem', { [TOKEN]: B }) }, true],
    ['the forward seal was of another device', { session: forward('aem.x', { [TOKEN]: A }) }, null],
    ['the forward seal has no token', { session: forward('aem', { 'key.pub': A }) }, null],
    [
      'the token is that of a forward seal, and another was recorded before',
      { session: { ...recorded(['dom0', 'aem', TOKEN, B]), ...forward('aem', { [TOKEN]: A }) } },
      false,
    ],
    [
      'the token is the recorded one, and a forward seal left another',
      { session: { ...recorded(['dom0', 'aem', TOKEN, A]), ...forward('aem', { [TOKEN]: B }) } },
      false,
    ],
    ['this program resealed in this boot', { session: resealed('boot-2', A) }, true],
    ['this program resealed in another boot', { session: resealed('boot-1', A) }, null],
    [
      'this program resealed in this boot, and another seal came since',
      { session: resealed('boot-2', B) },
      null,
    ],
    [
      'another token lies there, and no seal ran in this boot',
      { session: recorded(['dom0', 'aem', TOKEN, B]), unit: unitOf(NEVER_RUN) },
      null,
    ],
    ['the TPM in use is not known', { session: recorded(['dom0', 'aem', TOKEN, A]), tpmId: null }, null],
    ['the device is not known', { session: recorded(['dom0', 'aem', TOKEN, A]), label: null }, null],
    [
      "the device is known by the suffix that the initrd's cache keeps",
      { session: recorded(['dom0', 'aem.x', TOKEN, A]), label: null, suffix: '.x' },
      false,
    ],
    [
      'the device that booted goes before the cached suffix',
      { session: recorded(['dom0', 'aem', TOKEN, A], ['dom0', 'aem.x', TOKEN, B]), suffix: '.x' },
      false,
    ],
  ])('where %s', async (_, story, expected) => {
    expect((await look(story)).sealedInThisBoot).toBe(expected)
  })

  it("is looked up in dom0's copy of that device", async () => {
    expect((await look()).paths).toEqual(['/var/lib/tpms/x/aem'])
    expect((await look({ label: null, suffix: '' })).paths).toEqual(['/var/lib/tpms/x/aem'])
    expect((await look({ label: null })).paths).toEqual([])
    expect((await look({ tpmId: null })).paths).toEqual([])
  })
})

describe('a seal that did not run', () => {
  const note = (bootId: string | null) => ({ bootId, reasons: [] }) as unknown as HeldNote
  const session = recorded(['dom0', 'aem', TOKEN, A])
  const never = (dropIns: string, Result = 'success') =>
    unitOf({ ...NEVER_RUN, Result, DropInPaths: dropIns })
  const ofAll = '/etc/systemd/system/service.d/x.conf'

  it.each<[string, Story, string, boolean]>([
    ['was held by the gate', { unit: never('', 'exec-condition') }, 'held', false],
    ['was held by a gate that crashed', { unit: never(`${ofAll} ${DROP_IN}`, 'signal') }, 'held', false],
    ['was not held by a drop-in of all services', { unit: never(ofAll, 'signal') }, 'not-sealed', false],
    [
      'was held where the note of this boot says so',
      { note: note('boot-2'), unit: never(DROP_IN) },
      'held',
      true,
    ],
    [
      'was not held by a note of no boot, in a boot of no identity',
      { note: note(null), bootId: null, unit: never(DROP_IN) },
      'not-sealed',
      false,
    ],
    ['was not held by a note alone', { note: note('boot-2'), unit: never('') }, 'not-sealed', true],
    [
      'was not held by a note of another boot',
      { note: note('boot-1'), unit: never(DROP_IN) },
      'not-sealed',
      false,
    ],
    ['was not held without a note', { unit: never(DROP_IN) }, 'not-sealed', false],
    ['is not known where systemd does not answer', { unit: null }, 'unknown', false],
  ])('%s', async (_, story, outcome, hasNote) => {
    const found = await look({ session, ...story })
    expect([found.outcome, found.heldNote !== null]).toEqual([outcome, hasNote])
  })
})

describe("the traces of AEM's unseal and seal", () => {
  const line = '2024-07-17T09:00:05+0200 dom0 anti-evil-maid-unseal[412]: anti-evil-maid-unseal: '
  const said = `${line}Freshness token unsealed.\n${line}Freshness token valid, continuing.\n`
  type Run = Awaited<ReturnType<Host['run']>>
  const traces = (
    told: { journal?: Run; show?: Run; suffix?: Seen<Uint8Array>; stat?: typeof ABSENT } = {},
  ) =>
    observeSealState(
      makeFakeHost({
        run: async ({ id }) =>
          id === 'aem-journal'
            ? (told.journal ?? seen({ exit: 0, stdout: said, stderr: '' }))
            : (told.show ?? seen({ exit: 0, stdout: unitOf(), stderr: '' })),
        readFile: async () => told.suffix ?? seen(Buffer.from('.stick\n')),
        statFile: async (path) =>
          path === '/run/anti-evil-maid'
            ? seen({ kind: 'directory', sizeBytes: 1, mtimeMs: 0, mode: 0o700 })
            : (told.stat ?? unreadable),
      }),
    )

  it('are what the journal, systemd and the initrd left', async () => {
    expect(await traces()).toEqual({
      journal: parseAemJournal(said),
      unit: parseUnitShow(unitOf()),
      cachedSuffix: '.stick',
      runDirectory: true,
      unsealSuccess: null,
    })
    expect((await traces()).journal?.unseal).toBe('unsealed')
    expect((await traces({ stat: ABSENT })).unsealSuccess).toBe(false)
  })

  it('are not known where nobody answers: an empty journal is no silence of AEM', async () => {
    expect((await traces({ journal: seen({ exit: 1, stdout: said, stderr: '' }) })).journal).toBeNull()
    expect((await traces({ journal: unreadable })).journal).toBeNull()
    expect((await traces({ show: seen({ exit: 1, stdout: '', stderr: '' }) })).unit).toBeNull()
    expect((await traces({ suffix: ABSENT })).cachedSuffix).toBeNull()
    expect((await traces({ suffix: seen(Buffer.from('\n')) })).cachedSuffix).toBe('')
  })
})

it.each<[Awaited<ReturnType<Host['readFile']>>, object]>([
  [seen(Buffer.from('SEAL="--pcr 19 --pcr 13"\n')), { state: 'read', pcrs: [13, 19] }],
  [seen(Buffer.from('# nothing\n')), { state: 'not-set' }],
  [ABSENT, { state: 'absent' }],
  [unreadable, { state: 'unreadable', reason: 'input/output error' }],
])('a configuration of AEM that is not there is not one that cannot be read: %#', async (file, expected) => {
  const host = makeFakeHost({
    readFile: async (path) => {
      expect(path).toBe('/etc/anti-evil-maid.conf')
      return file
    },
  })
  expect(await observeSealSelection(host)).toEqual(expected)
})
