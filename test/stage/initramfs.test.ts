import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archive, entry, withBootConfig, withExtraField } from '../core/initramfs/image-writer.ts'
import { CRYPTTAB, type DracutRoot, openDracutRoot } from './dracut-root.ts'

/*
 * An initramfs made again by Debian's own dracut, in a root tree of its own. Nothing of this machine's boot is touched, and
 * nothing of it plays a part: the loaded modules are none, the one device that is told of is made up.
 */

let root: DracutRoot
/** Made by `dracut --force FILE RELEASE`. */
let base: Buffer
let file = ''

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
/** Disks of two kinds of machine (059, modules.d/90kernel-modules, names both modules); no machine is of both. */
const DEVICES = ['virtio:d00000008v00001AF4', 'acpi:VMBUS:']
const THEIR_MODULES = ['virtio_scsi', 'hv_vmbus']

beforeAll(async () => {
  root = await openDracutRoot()
  file = `/boot/initramfs-${root.release}.img`
  base = await make(['--force', file, root.release])
})
afterAll(() => root?.destroy())

async function make(words: readonly string[], umask = 0o022): Promise<Buffer> {
  const run = await root.run(['dracut', ...words], umask)
  expect(run.exit, run.stderr).toBe(0)
  return readFile(root.pathOf(file))
}

async function reproduce(image: Uint8Array) {
  await writeFile(root.pathOf(file), image)
  const answer = await root.reproduce(file, sha256(image))
  // Whatever came of it, nothing stays.
  expect(await readdir(root.pathOf('/run')).then((names) => names.includes('aem-reseal'))).toBe(false)
  return answer
}

/** Where the packed archive begins: behind the early one, filled up to 512. */
function split(image: Buffer): { head: Buffer; main: Buffer } {
  const at = image.indexOf(Buffer.from([0x1f, 0x8b, 8, 0]), 512)
  return { head: image.subarray(0, at), main: gunzipSync(image.subarray(at)) }
}

const join = (head: Buffer, main: Uint8Array): Buffer => Buffer.concat([head, gzipSync(main)])

/** The archive with further entries before its end mark. */
function withEntries(main: Buffer, ...entries: readonly Buffer[]): Buffer {
  const mark = main.lastIndexOf('TRAILER!!!') - 110
  const whole = Buffer.concat([main.subarray(0, mark), ...entries])
  // `archive` writes the end mark and fills up.
  return archive(whole)
}

describe('the same bytes', () => {
  it('with the words of the installer, on a machine that has done other things meanwhile', async () => {
    const { result, said } = await reproduce(base)
    expect(result).toEqual({ state: 'same', words: '--force', sha256: sha256(base) })
    expect(said).toHaveLength(2)
  })

  it("with a kernel's words, microcode's and AEM's", async () => {
    const { release } = root
    for (const [words, stored] of [
      [['-f', file, release], '-f'],
      [['-f', '--kver', release, file], `-f --kver '${release}'`],
      // As --regenerate-all calls itself (059, dracut.sh, line 981).
      [[`--kver=${release}`, '--force', file], `--kver '${release}' --force`],
    ] as const) {
      const image = await make(words)
      expect(sha256(image), stored).not.toBe(sha256(base))
      expect((await reproduce(image)).result).toEqual({ state: 'same', words: stored, sha256: sha256(image) })
    }
  })
})

describe('other bytes', () => {
  it('because another module was needed when it was made: the same with its modules, which are named', async () => {
    await root.setDevices(DEVICES)
    const image = await make(['--force', file, root.release])
    await root.setDevices([])
    expect(sha256(image)).not.toBe(sha256(base))
    const { result } = await reproduce(image)
    if (result.state !== 'same-with-modules') throw new Error(JSON.stringify(result))
    expect(result).toMatchObject({ sha256: sha256(image), modules: { onlyLoadedNow: [] } })
    expect(result.modules.onlyInImage.some((name) => THEIR_MODULES.includes(name))).toBe(true)
  })

  it('because a file in it was changed', async () => {
    const { head, main } = split(base)
    const at = main.indexOf('#!/bin/sh\n', main.indexOf('hooks/'))
    main.write('#!/bin/tt', at)
    const { result } = await reproduce(join(head, main))
    expect(result).toMatchObject({ state: 'different', total: 1, differences: [{ change: 'content' }] })
    expect(JSON.stringify(result)).toMatch(/usr\/lib\/dracut\/hooks\//)
  })

  it('because a hook was added', async () => {
    const { head, main } = split(base)
    const hook = entry('usr/lib/dracut/hooks/pre-mount/00-evil.sh', '#!/bin/sh\n', { mode: 0o100755 })
    const { result } = await reproduce(join(head, withEntries(main, hook)))
    expect(result).toMatchObject({
      state: 'different',
      total: 1,
      differences: [
        {
          path: 'usr/lib/dracut/hooks/pre-mount/00-evil.sh',
          change: 'added',
          origin: 'unknown',
          package: null,
        },
      ],
    })
  })

  it("because dom0's crypttab is another one now", async () => {
    await writeFile(root.pathOf('/etc/crypttab'), CRYPTTAB.replace('discard', 'no-read-workqueue'))
    const { result } = await reproduce(base)
    await writeFile(root.pathOf('/etc/crypttab'), CRYPTTAB)
    expect(result).toMatchObject({
      state: 'different',
      differences: [{ path: 'etc/crypttab', change: 'content', origin: 'settings' }],
    })
  })

  it('because it was made with umask 077: the modes differ, no content does', async () => {
    const image = await make(['--force', file, root.release], 0o077)
    const { result } = await reproduce(image)
    if (result.state !== 'different') throw new Error(result.state)
    expect(result.total).toBeGreaterThan(10)
    expect([...new Set(result.differences.map(({ change }) => change))]).toEqual(['mode'])
  })
})

describe('a form that dracut does not write', () => {
  it('is named, and dracut is not run', async () => {
    const { head, main } = split(base)
    const packed = base.subarray(head.length)
    const evil = entry('usr/bin/bash', 'EVIL', { mode: 0o100755 })
    const odd: readonly (readonly [Buffer, string])[] = [
      [Buffer.concat([base, gzipSync(archive(evil))]), 'a second archive (gzip) behind the packed one'],
      [join(head, withEntries(main, evil)), '"usr/bin/bash" twice'],
      [withBootConfig(base), 'a boot configuration (bootconfig) behind it'],
      [Buffer.concat([head, withExtraField(packed)]), 'a gzip header with an extra field'],
      [
        join(head, withEntries(main, entry('usr/lib/../bin/bash', 'EVIL'))),
        'a name with .. in it, "usr/lib/../bin/bash"',
      ],
    ]
    for (const [image, form] of odd) {
      const { result, said } = await reproduce(image)
      expect(result).toEqual({ state: 'odd-form', form })
      expect(said).toEqual(['reading the initramfs'])
    }
  })
})
