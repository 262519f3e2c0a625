import { describe, expect, it } from 'vitest'
import { ABSENT, type FileStat, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import { observeSinit } from '../../src/observe/launch/sinit.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/* Whether the SINIT modules of several entries are those of this boot, by their dates and by dom0's own copies. */

const BOOT = '2024-07-16T07:00:00.000Z'
const NOW = Date.parse('2024-07-17T09:00:00Z')
const unreadable = unknown('input/output error')
const BEFORE = -1
const SINCE = 1
/** The clock of this boot says later than now: it was set back, and an earlier boot wrote the file. */
const LATER = NOW - Date.parse(BOOT) + 1

/** A file by when it was written, ms since this boot began. */
const at = (ms: number): Seen<FileStat> =>
  seen({ kind: 'file', sizeBytes: 1, mtimeMs: Date.parse(BOOT) + ms, mode: 0o644 })

type Story = {
  /** By the path below the root of the device. */
  readonly stick: Readonly<Record<string, Seen<FileStat>>>
  readonly own?: Readonly<Record<string, Seen<FileStat>>>
  /** What lies in dom0's /boot, by path; left out: what was hashed on the stick. */
  readonly ownDigest?: Awaited<ReturnType<Host['digestFile']>>
  readonly names?: Seen<readonly string[]>
  readonly hashed?: boolean
}

const DIGEST = 'a'.repeat(64)
const digestsOf = (sha256: string) => seen({ sizeBytes: 1, sha1: '', sha256 })

function look(entries: readonly object[], story: Story) {
  const { stick, own = {}, ownDigest = digestsOf(DIGEST), names, hashed = true } = story
  const host = makeFakeHost({
    now: () => new Date(NOW),
    statFile: async (path) => {
      const [files, prefix] = path.startsWith('/media/') ? [stick, '/media'] : [own, '/boot']
      return files[path.slice(prefix.length)] ?? ABSENT
    },
    digestFile: async () => ownDigest,
    ...(names === undefined
      ? {}
      : { listDirectory: async (path: string) => (path === '/media' ? names : ABSENT) }),
  })
  const image = { storedDigests: hashed ? { sha256: DIGEST } : {} }
  const images = Object.fromEntries(Object.keys(stick).map((path) => [path, image]))
  return observeSinit(host, '/media', entries as never, images as never, BOOT)
}

const entryOf = (flavour: string, ...paths: readonly string[]) => ({
  flavour,
  sinit: paths.map((path) => ({ path })),
})
const [ONE, OTHER] = [entryOf('tboot', '/ONE_SINIT.BIN'), entryOf('tboot', '/OTHER_SINIT.BIN')]

it.each([
  ['lies there', seen(['xen.gz', 'A_SINIT.BIN']), null],
  ['lies there', seen(['xen.gz']), true],
  ['may lie there: the directory cannot be listed', unreadable, null],
])('where no entry names a module, one that %s (%j)', async (_, names, expected) => {
  expect(await look([entryOf('trenchboot')], { stick: {}, names })).toBe(expected)
})

describe('several SINIT modules', () => {
  const both = (one: Seen<FileStat>, other: Seen<FileStat>, own?: Story['own']) => ({
    stick: { '/ONE_SINIT.BIN': one, '/OTHER_SINIT.BIN': other },
    ...(own === undefined ? {} : { own }),
  })

  const BOTH = entryOf('tboot', '/ONE_SINIT.BIN', '/OTHER_SINIT.BIN')

  it.each([
    ['of one entry', [BOTH]],
    ['of two entries that name the same', [BOTH, BOTH]],
  ])('%s are those of this boot where each is', async (_what, entries) => {
    expect(await look(entries, both(at(BEFORE), at(BEFORE)))).toBe(true)
    const copied = { '/OTHER_SINIT.BIN': at(BEFORE) }
    expect(await look(entries, both(at(BEFORE), at(SINCE), copied))).toBe(true)
  })

  it.each([
    ['of one entry', [BOTH]],
    ['of two entries', [ONE, OTHER]],
  ])('%s are not, or not known, where one is not', async (_what, entries) => {
    expect(await look(entries, both(at(SINCE), at(BEFORE)))).toBe(false)
    expect(await look(entries, both(at(BEFORE), at(SINCE)))).toBe(false)
    expect(await look(entries, both(at(BEFORE), ABSENT))).toBeNull()
    const copied = { '/OTHER_SINIT.BIN': at(BEFORE) }
    expect(await look(entries, both(at(SINCE), at(SINCE), copied))).toBe(false)
  })

  it('are none to change where no entry names one', async () => {
    expect(await look([entryOf('tboot')], { stick: {} })).toBe(true)
    expect(await look([], { stick: {} })).toBe(true)
  })
})

describe('a file that has no time of this boot', () => {
  it('was written by an earlier boot, where its time lies after the present', async () => {
    expect(await look([ONE], { stick: { '/ONE_SINIT.BIN': at(LATER) } })).toBe(true)
    expect(
      await look([ONE], { stick: { '/ONE_SINIT.BIN': at(SINCE) }, own: { '/ONE_SINIT.BIN': at(LATER) } }),
    ).toBe(true)
  })

  it('of a recording without one is not known', async () => {
    expect(await look([ONE], { stick: { '/ONE_SINIT.BIN': at(Number.NaN) } })).toBeNull()
  })
})

describe("a file that was written since is no copy of dom0's own", () => {
  const since = { '/ONE_SINIT.BIN': at(SINCE) }
  const own = { '/ONE_SINIT.BIN': at(BEFORE) }

  it.each<readonly [string, Partial<Story>]>([
    ['where dom0 has none', { own: {} }],
    ["where the time of dom0's own is not known", { own: { '/ONE_SINIT.BIN': at(Number.NaN) } }],
    ["where dom0's own was written since too", { own: since }],
    ["where dom0's own cannot be read", { ownDigest: unreadable }],
    ["where dom0's own has other bytes", { ownDigest: digestsOf('b'.repeat(64)) }],
    ['where it was not hashed', { hashed: false }],
    ['where neither was hashed', { hashed: false, ownDigest: unreadable }],
  ])('%s', async (_what, story) => {
    expect(await look([ONE], { stick: since, own })).toBe(true)
    expect(await look([ONE], { stick: since, own, ...story })).toBe(false)
  })
})

describe('an entry of TrenchBoot that names no module', () => {
  const NAMELESS = entryOf('trenchboot')
  const [WITH, WITHOUT] = [seen(['vmlinuz-6.6.36-1', 'SKL.BIN']), seen(['vmlinuz-6.6.36-1'])]

  it('is not of this boot, or older than the modules that lie there', async () => {
    expect(await look([NAMELESS], { stick: {}, names: WITH })).toBeNull()
    expect(await look([NAMELESS], { stick: {}, names: seen(['A_SINIT.BIN']) })).toBeNull()
  })

  it("leaves it to the firmware's own where none lies there", async () => {
    expect(await look([NAMELESS], { stick: {}, names: WITHOUT })).toBe(true)
    expect(await look([NAMELESS], { stick: {}, names: seen([]) })).toBe(true)
  })

  it('is asked of each entry, and of no other kind', async () => {
    const named = entryOf('trenchboot', '/SKL.BIN')
    const stick = { '/SKL.BIN': at(BEFORE) }
    expect(await look([named, NAMELESS], { stick, names: WITH })).toBeNull()
    expect(await look([NAMELESS, named], { stick, names: WITH })).toBeNull()
    expect(await look([named], { stick, names: WITH })).toBe(true)
    expect(await look([entryOf('tboot')], { stick: {}, names: WITH })).toBe(true)
    expect(await look([entryOf('other')], { stick: {}, names: WITH })).toBe(true)
  })
})
