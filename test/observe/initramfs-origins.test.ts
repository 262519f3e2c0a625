import { describe, expect, it } from 'vitest'
import type { RawDifference } from '../../src/core/initramfs/compare-images.ts'
import { MAX_DIFFERENCES } from '../../src/core/initramfs/reproduction.ts'
import type { TreeEntry } from '../../src/core/initramfs/tree.ts'
import { type Host, seen } from '../../src/host/host.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeOrigins } from '../../src/observe/initramfs/origins.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** Where the entries come from by which two initramfs images differ. */

const OURS = 'ab'.repeat(32)
const BASH = { name: 'bash', evr: '0:5.2.15-2.fc37' }

type Owned = { readonly name: string; readonly evr: string }

/** A dom0 in which rpm names an owner for some paths, and the digests of the files of each package. */
function dom0(owners: Readonly<Record<string, Owned>>, files: readonly string[]) {
  const calls: string[] = []
  const run: Host['run'] = async ({ id, params }) => {
    calls.push(`${id} ${params.path ?? params.name}`)
    if (id === 'rpm-files') return seen({ exit: 0, stdout: files.join('\n'), stderr: '' })
    const owner = owners[params.path ?? '']
    if (id !== 'rpm-owner') throw new Error(id)
    return owner === undefined
      ? seen({ exit: 1, stdout: `file ${params.path} is not owned by any package\n`, stderr: '' })
      : seen({ exit: 0, stdout: `${owner.name}\t${owner.evr}\tx86_64\t1721174400\tnone\n`, stderr: '' })
  }
  return { host: makeFakeHost({ run }), calls }
}

const line = (path: string, sha256 = OURS, { name, evr }: Owned = BASH) =>
  [name, evr, path, sha256].join('\t')

function entry(sha256: string, kind: TreeEntry['kind'] = 'file'): TreeEntry {
  return { kind, mode: 0o755, uid: 0, gid: 0, sha256, content: null, nodeDevice: null }
}

function differs(path: string, changes: Partial<RawDifference> = {}): RawDifference {
  return { path, change: 'content', checked: entry('11'.repeat(32)), fresh: entry(OURS), ...changes }
}

describe('an entry is packaged', () => {
  it('where its bytes are those that its package has for dom0 of that path', async () => {
    const { host } = dom0({ '/usr/bin/bash': BASH }, [line('/usr/bin/bash')])
    expect(await observeOrigins(observeDom0(host), [differs('usr/bin/bash')])).toEqual([
      { path: 'usr/bin/bash', change: 'content', origin: 'packaged', package: 'bash 0:5.2.15-2.fc37' },
    ])
  })

  it('where its package lists it without /usr, which is a link', async () => {
    const { host } = dom0({ '/usr/bin/bash': BASH }, [line('/bin/bash')])
    expect(await observeOrigins(observeDom0(host), [differs('usr/bin/bash')])).toMatchObject([
      { origin: 'packaged' },
    ])
  })

  it('whatever its name has in the middle', async () => {
    const path = 'usr/share/doc/early:kernel'
    const { host } = dom0({ [`/${path}`]: BASH }, [line(`/${path}`)])
    expect(await observeOrigins(observeDom0(host), [differs(path)])).toMatchObject([{ origin: 'packaged' }])
  })

  it('of the checked image where only that one has it', async () => {
    const { host } = dom0({ '/usr/bin/bash': BASH }, [line('/usr/bin/bash')])
    const added = { change: 'added', fresh: null } as const
    expect(
      await observeOrigins(observeDom0(host), [
        differs('usr/bin/bash', { ...added, checked: entry(OURS) }),
        differs('usr/bin/bash', added),
      ]),
    ).toMatchObject([{ origin: 'unknown', package: null }, { origin: 'packaged' }])
  })

  it('and each package is asked for its files once', async () => {
    const { host, calls } = dom0({ '/usr/bin/bash': BASH, '/usr/bin/sh': BASH }, [line('/usr/bin/bash')])
    await observeOrigins(observeDom0(host), [differs('usr/bin/bash'), differs('usr/bin/sh')])
    expect(calls.filter((call) => call.startsWith('rpm-files'))).toEqual(['rpm-files bash'])
  })
})

describe('an entry is not packaged', () => {
  const OTHER = '22'.repeat(32)
  it.each<[string, string, RawDifference]>([
    ['other bytes than its package has', line('/usr/bin/bash', OTHER), differs('usr/bin/bash')],
    [
      'the bytes of another version',
      line('/usr/bin/bash', OURS, { ...BASH, evr: '0:5.2.14-1.fc37' }),
      differs('usr/bin/bash'),
    ],
    ['the bytes of another file of the package', line('/usr/bin/sh'), differs('usr/bin/bash')],
    [
      'nothing but the digest of a directory',
      line('/usr/bin/bash'),
      differs('usr/bin/bash', { fresh: entry(OURS, 'directory') }),
    ],
    ['no digest in its package', line('/usr/bin/bash', ''), differs('usr/bin/bash', { fresh: entry('') })],
  ])('with %s', async (_, file, difference) => {
    const { host } = dom0({ '/usr/bin/bash': BASH }, [file])
    expect(await observeOrigins(observeDom0(host), [difference])).toMatchObject([
      { origin: 'unknown', package: null },
    ])
  })

  it('of another place, though the package has the same bytes below it without /usr', async () => {
    const { host } = dom0({ '/opt/usr/bin/bash': BASH }, [line('/opt/bin/bash')])
    expect(await observeOrigins(observeDom0(host), [differs('opt/usr/bin/bash')])).toMatchObject([
      { origin: 'unknown', package: null },
    ])
  })

  it('without an owner, nor with a name that is no path, nor in the early archive', async () => {
    const { host, calls } = dom0({}, [])
    const origins = await observeOrigins(observeDom0(host), [
      differs('usr/bin/own'),
      differs('usr/bin/a\nb'),
      differs('early:kernel/x86/microcode/GenuineIntel.bin'),
      differs('etc/crypttab'),
    ])
    expect(origins.map(({ path, origin }) => [path, origin])).toEqual([
      ['usr/bin/own', 'unknown'],
      ['usr/bin/a\nb', 'unknown'],
      ['early:kernel/x86/microcode/GenuineIntel.bin', 'generated'],
      ['etc/crypttab', 'settings'],
    ])
    expect(calls).toEqual(['rpm-owner /usr/bin/own', 'rpm-owner /etc/crypttab'])
  })
})

it('what nobody can account for is told first, and no more than the first ones', async () => {
  const { host } = dom0({ '/usr/bin/bash': BASH }, [line('/usr/bin/bash')])
  const many = Array.from({ length: MAX_DIFFERENCES }, (_, at) => differs(`usr/lib/own-${at}`))
  const added = differs('usr/bin/evil', { change: 'added', fresh: null })
  const told = await observeOrigins(observeDom0(host), [differs('usr/bin/bash'), ...many, added])
  expect(told).toHaveLength(MAX_DIFFERENCES)
  expect(told[0]).toMatchObject({ path: 'usr/bin/evil', origin: 'unknown' })
  expect(told.at(-1)).toMatchObject({ path: 'usr/bin/bash', origin: 'packaged' })
})
