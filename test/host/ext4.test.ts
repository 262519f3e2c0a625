import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { isJournalDirty } from '../../src/host/ext4.ts'
import { temporaryDirectory } from '../support/temporary.ts'

function makeImage(): string {
  const image = join(temporaryDirectory(), 'image')
  writeFileSync(image, Buffer.alloc(8 * 1024 * 1024))
  execFileSync('/usr/sbin/mkfs.ext4', ['-q', '-L', 'aem', image])
  return image
}

it('tells a file system that was closed from one that was not', async () => {
  const image = makeImage()
  expect(await isJournalDirty(image)).toBe(false)
  execFileSync('/usr/sbin/debugfs', ['-w', '-R', 'feature needs_recovery', image], { stdio: 'ignore' })
  expect(await isJournalDirty(image)).toBe(true)
})

it('claims nothing of what is no ext4, or is not there', async () => {
  const path = join(temporaryDirectory(), 'zeros')
  writeFileSync(path, Buffer.alloc(100))
  expect(await isJournalDirty(path)).toBeNull()
  writeFileSync(path, Buffer.alloc(4096))
  expect(await isJournalDirty(path)).toBeNull()
  expect(await isJournalDirty(`${path}-none`)).toBeNull()
  expect(await isJournalDirty('/proc')).toBeNull()
})
