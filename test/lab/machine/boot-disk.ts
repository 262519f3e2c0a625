import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { must } from '../../stage/process.ts'
import { type QubesGrub, writeGrubEnvironment, writeQubesGrub } from '../../support/grub/qubes-grub-writer.ts'
import type { Partition } from './boot-partition.ts'

/* A small boot partition for the tests of the loader: ext4 by mke2fs, grub.cfg in Qubes's form, files that are only bytes. */

export const UUID = '5b1f6f0a-93d8-4c3e-8c2a-0d7c6a2b9e11'
export const KERNEL = '6.1.0-lab'

/** A SINIT module as far as tboot looks (is_sinit_acmod, tboot 1.10.5). */
export function smallSinit(): Buffer {
  const module = Buffer.alloc(1024, 0x5e)
  module.writeUInt16LE(2, 0)
  module.writeUInt32LE(0x8086, 16)
  module.writeUInt32LE(module.length / 4, 24)
  return module
}

export type BootDisk = { readonly partition: Partition; readonly remove: () => Promise<void> }

/** Makes the partition; `files` replace or add to what is there by default, paths from its root. */
export async function makeBootDisk(
  files: Readonly<Record<string, string | Buffer>> = {},
  grub: Partial<QubesGrub> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<BootDisk> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lab-boot-disk-'))
  const all: Record<string, string | Buffer> = {
    'grub2/grub.cfg': writeQubesGrub({
      uuid: UUID,
      deviceId: UUID,
      xenVersions: ['4.17.4'],
      kernels: [KERNEL],
      sinit: ['SINIT.BIN'],
      ...grub,
    }),
    'grub2/grubenv': writeGrubEnvironment(environment),
    'aem/here': '',
    'tboot.gz': 'tboot',
    'xen-4.17.4.gz': 'Xen',
    [`vmlinuz-${KERNEL}`]: 'kernel',
    [`initramfs-${KERNEL}.img`]: 'initramfs',
    'SINIT.BIN': smallSinit(),
    ...files,
  }
  for (const [name, content] of Object.entries(all)) {
    const file = path.join(folder, 'tree', name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, content)
  }
  const disk = path.join(folder, 'disk.raw')
  await must([
    'mke2fs',
    '-q',
    '-t',
    'ext4',
    '-U',
    UUID,
    '-L',
    'aem',
    '-d',
    path.join(folder, 'tree'),
    disk,
    '64M',
  ])
  return { partition: { disk, offset: 0 }, remove: () => rm(folder, { recursive: true, force: true }) }
}
