/* The disk, written as a file: no mount, no loop device. Partition table as in Qubes on a PC with a BIOS. */

import { chmod, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { must } from '../../stage/process.ts'
import { UUIDS } from './names.ts'

const MIB = 1024 * 1024
/** A place for GRUB's core image, as grub2-install wants on GPT; empty until something puts one there. */
const BIOS_BOOT_MIB = 1
const BOOT_MIB = 320
/** LUKS 2 takes 16 MiB for its header. */
const LUKS_MIB = 20
/** For packages, journals, and two trees of dracut. */
const ROOT_SPARE_MIB = 700
const TYPES = { bios: '21686148-6449-6E6F-744E-656564454649', linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4' }

/** The disk's passphrase; the partition holds nothing. */
export const PASSPHRASE = 'lab passphrase'

export type Disk = { readonly disk: string; readonly bootOffset: number; readonly bootLength: number }

async function makeExt4(
  file: string,
  sizeMib: number,
  label: string,
  uuid: string,
  contents: string,
): Promise<void> {
  await writeFile(file, '')
  await truncate(file, sizeMib * MIB)
  const options = ['-q', '-F', '-t', 'ext4', '-L', label, '-U', uuid, '-m', '0', '-E', `hash_seed=${uuid}`]
  await must(['mke2fs', ...options, '-d', contents, file], { timeoutMs: 300_000 })
}

/** @param boot contents of the AEM device, `root` those of dom0's root; the parts are left in no file of their own */
export async function makeDisk(folder: string, boot: string, root: string): Promise<Disk> {
  const part = (name: string): string => path.join(folder, `${name}.part`)
  await makeExt4(part('boot'), BOOT_MIB, 'aem', UUIDS.boot, boot)
  const used = Number((await must(['du', '-s', '--block-size=1M', root])).split('\t')[0])
  await makeExt4(part('root'), Math.ceil(used * 1.1) + ROOT_SPARE_MIB, 'root', UUIDS.root, root)
  await makeLuks(part('luks'))
  const disk = path.join(folder, 'disk.raw')
  await writeFile(disk, '')
  let at = 1
  const lines = ['label: gpt', `label-id: ${UUIDS.root}`]
  const place = async (name: string | null, sizeMib: number, type: string): Promise<number> => {
    const start = at
    lines.push(`start=${start * 2048}, size=${sizeMib * 2048}, type=${type}`)
    at += sizeMib
    await truncate(disk, (at + 1) * MIB)
    if (name === null) return start
    await must([
      'dd',
      `if=${part(name)}`,
      `of=${disk}`,
      'bs=1M',
      `seek=${start}`,
      'conv=notrunc,sparse',
      'status=none',
    ])
    await rm(part(name))
    return start
  }
  await place(null, BIOS_BOOT_MIB, TYPES.bios)
  const bootStart = await place('boot', BOOT_MIB, TYPES.linux)
  await place('luks', LUKS_MIB, TYPES.linux)
  const rootMib = (await stat(part('root'))).size / MIB
  await place('root', rootMib, TYPES.linux)
  await must(['sfdisk', '--quiet', '--no-reread', '--no-tell-kernel', disk], {
    input: `${lines.join('\n')}\n`,
  })
  return { disk, bootOffset: bootStart * MIB, bootLength: BOOT_MIB * MIB }
}

/** A LUKS header that the initramfs extends PCR 13 with; cheap to open, as it guards nothing. */
async function makeLuks(file: string): Promise<void> {
  await writeFile(file, '')
  await truncate(file, LUKS_MIB * MIB)
  const form = [
    '--type',
    'luks2',
    '--pbkdf',
    'pbkdf2',
    '--pbkdf-force-iterations',
    '1000',
    '--uuid',
    UUIDS.luks,
  ]
  await must(['cryptsetup', 'luksFormat', '--batch-mode', ...form, '--key-file', '-', file], {
    input: PASSPHRASE,
  })
  if ((await readFile(file)).subarray(0, 4).toString('latin1') !== 'LUKS')
    throw new Error('no LUKS header was made')
  await chmod(file, 0o600)
}
