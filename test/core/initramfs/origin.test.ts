import { expect, it } from 'vitest'
import { guessOrigin } from '../../../src/core/initramfs/origin.ts'

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

it('knows nothing of other paths', () => {
  expect(at('usr/bin/bash', 'content')).toBe('unknown')
})
