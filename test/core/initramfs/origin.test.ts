import { expect, it } from 'vitest'
import { guessOrigin, sortDifferences } from '../../../src/core/initramfs/origin.ts'

const at = (path: string, change: 'added' | 'content') =>
  guessOrigin({ path, change, checked: null, fresh: null })

it.each([
  'usr/lib/dracut/hooks/pre-mount/00-evil.sh',
  'etc/crypttab',
  'early:kernel/x86/microcode/GenuineIntel.bin',
])('never calls %s generated or a setting where it is only in the checked image', (path) => {
  expect(at(path, 'added')).toBe('unknown')
  expect(at(path, 'content')).not.toBe('unknown')
})

it.each([
  'usr/bin/bash',
  'opt/usr/lib/dracut/hooks/pre-mount/00-evil.sh',
  'opt/lib/modules/6.6.36/modules.dep',
  'opt/etc/ld.so.cache',
  'opt/early:x',
])('knows nothing of other paths: %s', (path) => {
  expect(at(path, 'content')).toBe('unknown')
})

it('shows first what nobody made in dom0, then other bytes, then what dracut writes, and directories last', () => {
  const entry = (kind: 'file' | 'directory') =>
    ({ kind, mode: 0o755, uid: 0, gid: 0, sha256: '', content: null, nodeDevice: null }) as const
  const [file, directory] = [entry('file'), entry('directory')]
  const sorted = sortDifferences([
    { path: 'usr/lib/evil', change: 'added', checked: directory, fresh: null },
    { path: 'usr/lib/gone', change: 'removed', checked: null, fresh: directory },
    { path: 'usr/lib/dracut/modules.txt', change: 'content', checked: file, fresh: file },
    { path: 'early:kernel/x86/microcode/GenuineIntel.bin', change: 'content', checked: file, fresh: file },
    { path: 'usr/bin/bash', change: 'content', checked: file, fresh: file },
    { path: 'usr/lib/evil/run', change: 'added', checked: file, fresh: null },
  ])
  expect(sorted.map(({ path }) => path)).toEqual([
    'usr/lib/evil/run',
    'early:kernel/x86/microcode/GenuineIntel.bin',
    'usr/bin/bash',
    'usr/lib/dracut/modules.txt',
    'usr/lib/evil',
    'usr/lib/gone',
  ])
})
