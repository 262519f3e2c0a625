import { expect, it } from 'vitest'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { digestEntries } from '../../src/observe/launch/image-digests.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/* One image of an entry, digested step after step by one run of the program. */

const ENTRY = {
  launcher: null,
  modules: [{ path: '/vmlinuz', nounzip: false }],
  sinit: [],
  insmods: [],
} as never

async function* bytes(text: string) {
  yield Buffer.from(text)
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
