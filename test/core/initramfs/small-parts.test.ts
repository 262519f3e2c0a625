import { describe, expect, it } from 'vitest'
import { compareImages, type RawDifference } from '../../../src/core/initramfs/compare-images.ts'
import {
  hasModuleDifference,
  listModules,
  parseModulesDep,
} from '../../../src/core/initramfs/kernel-modules.ts'
import { guessOrigin, sortDifferences } from '../../../src/core/initramfs/origin.ts'
import type { Tree, TreeEntry } from '../../../src/core/initramfs/tree.ts'
import { RELEASE } from './image-writer.ts'

const FILE: TreeEntry = {
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  sha256: 'a',
  content: null,
  nodeDevice: null,
}
const image = (main: Record<string, TreeEntry>, early: Record<string, TreeEntry> = {}) => ({
  sha256: '',
  sizeBytes: 1,
  odd: [],
  packing: null,
  main: new Map(Object.entries(main)),
  early: new Map(Object.entries(early)),
})
const at = (path: string, change: RawDifference['change'] = 'content'): RawDifference => ({
  path,
  change,
  checked: FILE,
  fresh: FILE,
})

describe('two images', () => {
  it('differ by what one of them has alone, by path', () => {
    const checked = image({ z: FILE, b: FILE, added: FILE }, { k: FILE })
    const fresh = image({ removed: FILE, b: FILE, a: FILE, z: { ...FILE, sha256: 'b' } }, { j: FILE })
    expect(compareImages(checked, fresh)).toEqual([
      { path: 'early:j', change: 'removed', checked: null, fresh: FILE },
      { path: 'early:k', change: 'added', checked: FILE, fresh: null },
      { path: 'a', change: 'removed', checked: null, fresh: FILE },
      { path: 'added', change: 'added', checked: FILE, fresh: null },
      { path: 'removed', change: 'removed', checked: null, fresh: FILE },
      { path: 'z', change: 'content', checked: FILE, fresh: { ...FILE, sha256: 'b' } },
    ])
  })

  it.each([
    [{ gid: 1 }, 'owner'],
    [{ uid: 1 }, 'owner'],
    [{ mode: 0o4644 }, 'mode'],
    [{ nodeDevice: '1:3' }, 'kind'],
    [{ kind: 'link' as const }, 'kind'],
  ])('differ by %j', (more, change) => {
    const differences = compareImages(image({ x: { ...FILE, ...more } }), image({ x: FILE }))
    expect(differences.map((one) => one.change)).toEqual([change])
  })
})

describe('kernel modules', () => {
  const below = `usr/lib/modules/${RELEASE}`
  const list = (paths: readonly string[], entry: TreeEntry = FILE) =>
    listModules(new Map(paths.map((path) => [path, entry])) as Tree, RELEASE)

  it('lie below the kernel and nowhere else', () => {
    expect(list([`${below}/b.ko`, `lib/modules/${RELEASE}/a.ko`])).toEqual(['a', 'b'])
    const others = [
      `x/${below}/a.ko`,
      `x/lib/modules/${RELEASE}/a.ko`,
      `${below}x/a.ko`,
      'usr/lib/modules/a.ko',
    ]
    expect(list(others)).toEqual([])
    expect(list([`${below}/a.ko`], { ...FILE, kind: 'directory' })).toEqual([])
  })

  it.each(['a b.ko', 'ä.ko', `${'a'.repeat(65)}.ko`, 'a;b.ko', '.ko', 'a.b.ko'])(
    'are none by the name %s',
    (name) => {
      expect(list([`${below}/${name}`])).toEqual([])
    },
  )

  it('are no more than any kernel has', () => {
    const many = (count: number) => list(Array.from({ length: count }, (_, index) => `${below}/m${index}.ko`))
    expect(many(10_000)).toHaveLength(10_000)
    expect(many(10_001)).toBeNull()
  })

  it('are listed by depmod before the first colon', () => {
    expect([...parseModulesDep('kernel/a.ko: kernel/b.ko: kernel/c.ko\nd.ko\n: e.ko\n')]).toEqual(['a'])
  })

  it('differ where anything below their kernel does', () => {
    expect(hasModuleDifference([at('etc/x'), at(`${below}/a.ko`)], RELEASE)).toBe(true)
    expect(hasModuleDifference([at('etc/x'), at(`x/${below}/a.ko`)], RELEASE)).toBe(false)
    expect(hasModuleDifference([], RELEASE)).toBe(false)
  })
})

describe('where an entry comes from', () => {
  it.each([
    ['usr/lib/dracut/hooks/x', 'generated'],
    ['lib/modules/6.6/modules.dep', 'generated'],
    ['etc/ld.so.cache', 'generated'],
    ['early:kernel/x86', 'generated'],
    ['etc/crypttab', 'settings'],
    ['opt/lib/dracut/x', 'unknown'],
    ['opt/etc/crypttab', 'unknown'],
    ['usr/lib/initrd-release.old', 'unknown'],
    ['x/early:kernel', 'unknown'],
  ])('%s is %s', (path, origin) => {
    expect(guessOrigin(at(path))).toBe(origin)
  })

  it('microcode comes before what dracut writes', () => {
    const sorted = sortDifferences(
      ['usr/lib/dracut/x', 'usr/lib/dracut/early:x', 'early:kernel/x86'].map((path) => at(path)),
    )
    expect(sorted.map(({ path }) => path)).toEqual([
      'early:kernel/x86',
      'usr/lib/dracut/x',
      'usr/lib/dracut/early:x',
    ])
  })
})
