/* Long: what is kept of an image, and each way in which one is digested. */

import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { sha256 } from '../../src/host/simulated/model.ts'
import { digestEntries } from '../../src/observe/launch/image-digests.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/* The images of entries, digested step after step by one run of the program. */

const ENTRY = {
  launcher: null,
  modules: [{ path: '/vmlinuz', nounzip: false }],
  sinit: [],
  insmods: [],
} as never

async function* bytes(content: string | Uint8Array) {
  yield Buffer.from(content as Uint8Array)
}

function machine(identities: readonly (string | null)[], withIdentity = true) {
  const told = [...identities]
  const told2 = { reads: 0, text: 'kernel' }
  const own: Partial<Host> = {
    openFile: async () => {
      told2.reads += 1
      return seen(bytes(told2.text))
    },
    ...(withIdentity ? { identifyFile: async () => told.shift() ?? null } : {}),
  }
  return { host: makeFakeHost(own), told: told2 }
}

const digestOf = async (host: Host) =>
  (await digestEntries(host, '/boot', [ENTRY]))['/vmlinuz']?.storedDigests.sha256

it('is read once as long as its identity is the same', async () => {
  const { host, told } = machine(['a', 'a', 'a'])
  const first = await digestOf(host)
  told.text = 'nobody reads this'
  expect(await digestOf(host)).toBe(first)
  expect(told.reads).toBe(1)
})

it.each<readonly [string, readonly (string | null)[]]>([
  ['another identity', ['a', 'a', 'b', 'b']],
  ['an identity that changed while it was read', ['a', 'b', 'a', 'a']],
  ['no identity', [null, null, null, null]],
])('is read again with %s', async (_what, identities) => {
  const { host, told } = machine(identities)
  const first = await digestOf(host)
  told.text = 'evil'
  expect(await digestOf(host)).not.toBe(first)
  expect(told.reads).toBe(2)
})

it('is read again where files have no identity, and on another machine', async () => {
  const { host, told } = machine([], false)
  await digestOf(host)
  await digestOf(host)
  expect(told.reads).toBe(2)
  const [one, other] = [machine(['a', 'a']), machine(['a', 'a'])]
  other.told.text = 'of another machine'
  expect(await digestOf(one.host)).not.toBe(await digestOf(other.host))
})

it('is read again where GRUB would load it otherwise', async () => {
  const { host, told } = machine(['a', 'a', 'a', 'a'])
  const other = { ...(ENTRY as object), modules: [{ path: '/vmlinuz', nounzip: true }] } as never
  await digestOf(host)
  await digestEntries(host, '/boot', [other])
  expect(told.reads).toBe(2)
})

it('is read again where it could not be read before, though nobody wrote it since', async () => {
  let isReadable = false
  const unread = unknown('input/output error')
  const host = makeFakeHost({
    identifyFile: async () => 'a',
    openFile: async () => (isReadable ? seen(bytes('kernel')) : unread),
    digestFile: async () => unread,
  })
  expect(await digestOf(host)).toBeUndefined()
  isReadable = true
  expect(await digestOf(host)).toMatch(/^[0-9a-f]{64}$/)
})

describe('the files of entries', () => {
  const file = (path: string, nounzip = false) => ({ path, nounzip })
  const [TBOOT, XEN, SINIT] = [file('/tboot.gz'), file('/xen.gz'), file('/SINIT.BIN')]
  const entryOf = (launcher: object | null, modules: object[], sinit: object[]) =>
    ({ launcher, modules, sinit, insmods: [] }) as never

  function reading(absent: readonly string[] = []) {
    const opened: string[] = []
    const host = makeFakeHost({
      openFile: async (path) => {
        opened.push(path)
        return absent.includes(path) ? ABSENT : seen(bytes(path))
      },
      digestFile: async () => ABSENT,
    })
    return { host, opened }
  }

  it('are all that they load, each read once, by the root of their device', async () => {
    const { host, opened } = reading()
    const images = await digestEntries(host, '/media', [
      entryOf(TBOOT, [XEN, file('/vmlinuz')], [SINIT]),
      entryOf(null, [XEN], [file('/SINIT2.BIN'), SINIT]),
    ])
    const paths = ['/tboot.gz', '/xen.gz', '/vmlinuz', '/SINIT.BIN', '/SINIT2.BIN']
    expect(Object.keys(images)).toEqual(paths)
    expect(opened).toEqual(paths.map((path) => `/media${path}`))
    for (const path of paths)
      expect(images[path]?.storedDigests.sha256).toBe(sha256(Buffer.from(`/media${path}`)))
  })

  it('that cannot be read are left out, and the others are there', async () => {
    const { host } = reading(['/media/xen.gz'])
    const images = await digestEntries(host, '/media', [entryOf(TBOOT, [XEN], [SINIT])])
    expect(Object.keys(images)).toEqual(['/tboot.gz', '/SINIT.BIN'])
  })

  it('are unpacked as GRUB does it for their own entry', async () => {
    const packed = gzipSync('Xen')
    const host = makeFakeHost({ openFile: async () => seen(bytes(packed)) })
    const imageOf = async (nounzip: boolean) =>
      (await digestEntries(host, '', [entryOf(null, [file('/xen.gz', nounzip)], [])]))['/xen.gz']
    expect(await imageOf(false)).toMatchObject({
      digests: { sha256: sha256('Xen') },
      storedDigests: { sha256: sha256(packed) },
      problem: null,
    })
    expect((await imageOf(true))?.digests.sha256).toBe(sha256(packed))
  })
})

it('is read again where its entry loads another decompressor', async () => {
  const { host, told } = machine(['a', 'a', 'a', 'a', 'a', 'a'])
  for (const insmods of [[], ['xzio'], ['xzio']])
    await digestEntries(host, '/boot', [{ ...(ENTRY as object), insmods } as never])
  expect(told.reads).toBe(2)
})

describe('an image of a recording that holds its digests alone', () => {
  const stored = { sha1: '1'.repeat(40), sha256: '1'.repeat(64) }
  const gunzipped = { sha1: '2'.repeat(40), sha256: '2'.repeat(64) }

  async function look(kept: object, nounzip: boolean, insmods: readonly string[]) {
    const host = makeFakeHost({
      openFile: async () => unknown('not recorded'),
      digestFile: async () => seen({ ...stored, sizeBytes: 7, ...kept }),
    })
    const entry = { launcher: null, modules: [{ path: '/xen.gz', nounzip }], sinit: [], insmods } as never
    return (await digestEntries(host, '/boot', [entry]))['/xen.gz']
  }

  it.each([
    ['stored', 'as they are', {}, false, [], stored, 'raw'],
    ['stored', 'as they are, whatever else is loaded', {}, false, ['part_gpt', 'ext2'], stored, 'raw'],
    ['packed', 'as gzip unpacks them', { gunzipped }, false, [], gunzipped, 'gzip'],
    [
      'packed',
      'as gzip unpacks them, whatever else is loaded',
      { gunzipped },
      false,
      ['xzio'],
      gunzipped,
      'gzip',
    ],
    ['packed', 'as they are with --nounzip', { gunzipped }, true, [], stored, 'gzip'],
  ])('%s is known %s', async (_what, _how, kept, nounzip, insmods, digests, kind) => {
    expect(await look(kept, nounzip, insmods)).toEqual({
      ...{ digests, storedDigests: stored, sizeBytes: 7, loadedSizeBytes: 7, kind, problem: null },
    })
  })

  it.each(['xzio', 'lzopio'])('is not known as loaded where grub.cfg loads %s', async (name) => {
    for (const insmods of [[name], ['ext2', name], [name, 'ext2']])
      expect(await look({}, false, insmods)).toEqual({
        ...{ digests: {}, storedDigests: stored, sizeBytes: 7, loadedSizeBytes: 7, kind: 'raw' },
        problem: expect.stringContaining('decompressor'),
      })
  })
})
