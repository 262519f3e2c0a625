import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findForeign } from '../../src/host/ownership.ts'
import { believedRootOf, HOLD_DROP_IN, TRUSTED_KEYS_FILE, UPDATE_MARK } from '../../src/tables/paths.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/* Files that root believes as they are: another user who could write them would decide what is signed, sealed or held. */

const STATE = '/var/lib/aem-reseal'
const NOBODY = 65534

describe('what is believed only where nobody else can write it', () => {
  it.each([
    TRUSTED_KEYS_FILE,
    HOLD_DROP_IN,
    UPDATE_MARK,
    ...['session.json', 'versions.json', 'devices.json', 'held.json'].map((name) => `${STATE}/${name}`),
  ])('%s', (path) => {
    const root = believedRootOf(path, STATE)
    expect(root).not.toBeNull()
    expect(path.startsWith(`${root}/`)).toBe(true)
  })

  it.each(['/boot/grub2/grub.cfg', '/etc/aem-resealed/trusted-keys', '/var/lib/aem-reseal-2/session.json'])(
    'and not %s, which is only ever compared',
    (path) => expect(believedRootOf(path, STATE)).toBeNull(),
  )
})

describe.each([
  ['the list of keys', 'trusted-keys'],
  ['the drop-in', '50-aem-reseal-hold.conf'],
])('%s', (_what, name) => {
  function written(): { root: string; path: string } {
    const root = join(temporaryDirectory(), 'own')
    mkdirSync(root, { mode: 0o755 })
    const path = join(root, name)
    writeFileSync(path, 'text', { mode: 0o644 })
    return { root, path }
  }

  it('of root alone has nothing against it', async () => {
    const { root, path } = written()
    expect(await findForeign(path, root)).toBeNull()
  })

  it.each<[string, (place: { root: string; path: string }) => void, RegExp]>([
    ['of another user', ({ path }) => chownSync(path, NOBODY, NOBODY), /belongs to user 65534/],
    ['that others can write to', ({ path }) => chmodSync(path, 0o666), /others than its owner can write to/],
    ["in another user's directory", ({ root }) => chownSync(root, NOBODY, NOBODY), /belongs to user 65534/],
    [
      'in a directory that others can write to, sticky or not',
      ({ root }) => chmodSync(root, 0o1777),
      /others than its owner can write to/,
    ],
  ])('%s is foreign', async (_why, spoil, words) => {
    const place = written()
    spoil(place)
    expect(await findForeign(place.path, place.root)).toMatch(words)
  })
})
