import { execFileSync } from 'node:child_process'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import type { Partition } from '../machine/boot-partition.ts'
import { readBootFile, writeBootFile } from '../machine/boot-partition.ts'
import { loadBootEntry } from '../machine/loader.ts'
import { measureLaunch } from '../machine/measure.ts'

/*
 * What an evil maid writes to the boot partition of a machine that is switched off. All of it boots: who is found out
 * only because nothing comes up has not been found by the program.
 */

export type Attack = {
  readonly what: string
  readonly strike: (partition: Partition) => Promise<void>
  /** Registers of the next launch that differ. */
  readonly pcrs: readonly (18 | 19)[]
  /** The program's screen must name it. */
  readonly names: RegExp
}

const CONFIG = '/grub2/grub.cfg'

/** Runs zstd over bytes: Node.js 20 has none of its own. */
function zstd(option: string, bytes: Buffer): Buffer {
  return execFileSync('zstd', ['-q', '-c', option], { input: bytes, maxBuffer: 512 * 1024 * 1024 })
}

const PACKINGS = [
  { magic: '1f8b', unpack: gunzipSync, pack: (bytes: Buffer) => gzipSync(bytes) },
  {
    magic: '28b52ffd',
    unpack: (bytes: Buffer) => zstd('-d', bytes),
    pack: (bytes: Buffer) => zstd('-3', bytes),
  },
]

/** Changes one byte of what a file holds: packed ones are unpacked and packed again. */
async function changeByte(
  partition: Partition,
  file: string,
  find: (image: Buffer) => number,
): Promise<void> {
  const stored = await readBootFile(partition, file)
  const packing = PACKINGS.find(({ magic }) => stored.toString('hex', 0, magic.length / 2) === magic)
  const image = Buffer.from(packing?.unpack(stored) ?? stored)
  const at = find(image)
  expect(at, `a byte of ${file} that can be changed`).toBeGreaterThan(0)
  image.writeUInt8(image.readUInt8(at) ^ 1, at)
  await writeBootFile(partition, file, packing?.pack(image) ?? image)
}

/** Changes all lines of grub.cfg that match; the new text may use the groups of the pattern. */
async function changeConfig(partition: Partition, pattern: RegExp, text: string): Promise<void> {
  const old = (await readBootFile(partition, CONFIG)).toString('latin1')
  const changed = old.replace(pattern, text)
  expect(changed, 'the attack changes grub.cfg').not.toBe(old)
  await writeBootFile(partition, CONFIG, Buffer.from(changed, 'latin1'))
}

/** Path of a module of the entry that boots by default: 0 is Xen, 1 the kernel, 2 the initramfs. */
async function moduleOf(partition: Partition, index: number): Promise<string> {
  const module = (await loadBootEntry(partition)).modules[index]
  if (!module) throw new Error(`the entry loads no module ${index}`)
  return module.path
}

/** A letter of a message that Xen prints (xen/common/page_alloc.c): what is one byte off runs all the same. */
const IN_MESSAGE = 'Scrubbing Free RAM in background'
/** In a cpio header of the form 070701 (cpio(5)) the modification time has 8 digits from byte 46. */
const CPIO = { magic: '070701', mtimeEnd: 53 }

export const ATTACKS: readonly Attack[] = [
  {
    what: 'one byte of Xen',
    strike: async (partition) =>
      changeByte(partition, await moduleOf(partition, 0), (image) => image.indexOf(IN_MESSAGE)),
    pcrs: [18],
    names: /\/xen-4\.17\.4\.gz/,
  },
  {
    what: 'one byte of the initramfs',
    strike: async (partition) =>
      changeByte(
        partition,
        await moduleOf(partition, 2),
        (image) => image.indexOf(CPIO.magic) + CPIO.mtimeEnd,
      ),
    pcrs: [19],
    names: /\/initramfs-\S+\.img/,
  },
  {
    what: "a word on Xen's line in all entries",
    strike: (partition) => changeConfig(partition, /(\tmodule\t\/xen-\S+ placeholder )/g, '$1iommu=off '),
    pcrs: [18],
    names: /iommu=off/,
  },
  {
    what: 'an added module',
    strike: (partition) =>
      changeConfig(partition, /^(\t*)(module\t\/initramfs-\S+)$/gm, '$1$2\n$1module\t/tboot.gz extra'),
    pcrs: [19],
    names: /tboot\.gz|module/,
  },
]

/** Strikes, and checks with the lab's own measuring that the next launch differs in the registers of the attack alone. */
export async function strike(partition: Partition, attack: Attack): Promise<void> {
  const before = await measuredRegisters(partition)
  await attack.strike(partition)
  const after = await measuredRegisters(partition)
  const differing = ([17, 18, 19] as const).filter((pcr) => before[pcr] !== after[pcr])
  expect(differing, `registers that ${attack.what} changes`).toEqual(attack.pcrs)
}

export type Registers = Readonly<Record<17 | 18 | 19, string>>

/** What the next launch of the default entry would measure. */
export async function measuredRegisters(partition: Partition): Promise<Registers> {
  const launch = await measureLaunch(await loadBootEntry(partition))
  if (!launch) throw new Error('the default entry has no measured launch')
  return launch.registers.sha256
}
