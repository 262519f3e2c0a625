import { expect, it } from 'vitest'
import { listModules, parseModulesDep } from '../../../src/core/initramfs/kernel-modules.ts'
import type { TreeEntry } from '../../../src/core/initramfs/tree.ts'
import { RELEASE } from './image-writer.ts'

const FILE: TreeEntry = {
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  sha256: '',
  content: null,
  nodeDevice: null,
}

it('a module is a file of the kernel whose name ends as one, packed or not', () => {
  const names = ['dm-crypt.ko.xz', 'a.ko', 'b.ko.zst', 'c.ko.gz', 'd.ko.old', 'e.ko.xz.sig', 'f.ko/notes.txt']
  const below = `usr/lib/modules/${RELEASE}/kernel`
  const paths = [...names.map((name) => `${below}/${name}`), 'usr/lib/modules/6.1.0/kernel/other.ko']
  const tree = new Map(paths.map((path) => [path, FILE]))
  expect(listModules(tree, RELEASE)).toEqual(['a', 'b', 'c', 'dm_crypt'])
})

it('modules.dep names a module before the colon, whatever it needs', () => {
  const text = 'kernel/drivers/md/dm-crypt.ko.xz: kernel/drivers/md/dm-mod.ko.xz\nkernel/x.ko.old:\n'
  expect([...parseModulesDep(text)]).toEqual(['dm_crypt'])
})
