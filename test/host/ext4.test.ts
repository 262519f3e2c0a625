import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readExt4State } from '../../src/host/ext4.ts'
import { temporaryDirectory } from '../support/temporary.ts'

function makeImage(): string {
  const image = join(temporaryDirectory(), 'image')
  writeFileSync(image, Buffer.alloc(8 * 1024 * 1024))
  execFileSync('/usr/sbin/mkfs.ext4', ['-q', '-L', 'aem', image])
  return image
}

it('tells a file system that was closed from one that was not', async () => {
  const image = makeImage()
  expect(await readExt4State(image)).toEqual({ mountCount: 0, isJournalDirty: false })
  execFileSync('/usr/sbin/debugfs', ['-w', '-R', 'feature needs_recovery', image], { stdio: 'ignore' })
  execFileSync('/usr/sbin/debugfs', ['-w', '-R', 'ssv mnt_count 7', image], { stdio: 'ignore' })
  expect(await readExt4State(image)).toEqual({ mountCount: 7, isJournalDirty: true })
})

it('claims nothing of what is no ext4, or is not there', async () => {
  const path = join(temporaryDirectory(), 'zeros')
  writeFileSync(path, Buffer.alloc(100))
  expect(await readExt4State(path)).toBeNull()
  writeFileSync(path, Buffer.alloc(4096))
  expect(await readExt4State(path)).toBeNull()
  expect(await readExt4State(`${path}-none`)).toBeNull()
  expect(await readExt4State('/proc')).toBeNull()
})
