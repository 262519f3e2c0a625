import { lstat, rm } from 'node:fs/promises'
import { describe, expect, inject, it } from 'vitest'
import { MAX_PATHS_OF_TRANSACTION, parseUpdateMark } from '../../src/core/mark/update-mark.ts'
import { UPDATE_MARK } from '../../src/tables/paths.ts'
import { dependencies, makeRpmRoot, type RpmRoot, rpmIn, stub } from './rpm-root.ts'

const { one, two } = inject('packages')
const [first, second] = await Promise.all([rpmIn(one), rpmIn(two)])
const XEN = (release: string) =>
  stub('xen-hypervisor', `2001:4.19.3-${release}.fc41`, [`/boot/xen-4.19.3-${release}.gz`])

async function withXen(): Promise<RpmRoot> {
  const root = await makeRpmRoot()
  await must(root, '-i', ...(await dependencies()), await XEN('1'))
  return root
}

async function installed(): Promise<RpmRoot> {
  const root = await withXen()
  await must(root, '-i', first)
  return root
}

async function must(root: RpmRoot, ...args: readonly string[]): Promise<void> {
  const done = await root.rpm(...args)
  expect(done).toMatchObject({ exit: 0 })
  expect(done.stderr).not.toMatch(/lua|scriptlet/i)
}

async function markOf(root: RpmRoot) {
  const text = await root.read(UPDATE_MARK).catch(() => null)
  if (text === null) return null
  const files = parseUpdateMark(text)
  if (files === null) throw new Error(`not a mark: ${text}`)
  return files
}

const pathsOf = async (root: RpmRoot) => (await markOf(root))?.map(({ path }) => path) ?? null

describe('the mark of the file triggers', () => {
  it('is not left by the first installation, whatever is in /boot', async () => {
    const root = await installed()
    expect(await markOf(root)).toBe(null)
    expect((await root.list()).filter((file) => file.startsWith('/run'))).toEqual(['/run'])
  })

  it('is not left by an upgrade of the package', async () => {
    const root = await installed()
    await must(root, '-U', second)
    expect(await markOf(root)).toBe(null)
  })

  it('names what an update of Xen installed, root’s alone to write and read by all', async () => {
    const root = await installed()
    const before = Math.floor(Date.now() / 1000)
    await must(root, '-U', await XEN('2'))
    const files = await markOf(root)
    expect(files?.map(({ path }) => path)).toEqual(['/boot/xen-4.19.3-2.gz'])
    expect(files?.[0]?.time).toBeGreaterThanOrEqual(before)
    // This root has no /proc.
    expect(files?.[0]?.bootId).toBe(null)
    const { mode, uid } = await lstat(root.path(UPDATE_MARK))
    expect([mode & 0o7777, uid]).toEqual([0o644, 0])
    expect((await root.list()).filter((file) => file.endsWith('.new'))).toEqual([])
  })

  it('names Xen where one transaction updates the package too, and nothing that was there before', async () => {
    const root = await installed()
    await must(root, '-i', await stub('kernel', '1000:6.12.39-1.fc41', ['/boot/vmlinuz-6.12.39-1.qubes']))
    await must(root, '-e', 'kernel')
    await must(root, '-i', await stub('tboot', '1:1.11.0-1.fc41', ['/boot/tboot.gz']))
    const text = await root.read(UPDATE_MARK)
    expect(text).toContain('/boot/tboot.gz')
    await must(root, '-U', second, await XEN('2'))
    expect((await pathsOf(root))?.filter((path) => path.includes('xen'))).toEqual(['/boot/xen-4.19.3-2.gz'])
  })

  it('is left for the kernel, initramfs, tboot, dracut, microcode and firmware, and for nothing else', async () => {
    const root = await installed()
    const measured = [
      '/boot/vmlinuz-6.12.39-1.qubes.fc41.x86_64',
      '/boot/initramfs-6.12.39-1.qubes.fc41.x86_64.img',
      '/boot/tboot.gz',
      '/usr/lib/dracut/modules.d/90anti-evil-maid/module-setup.sh',
      '/etc/dracut.conf.d/aem.conf',
      '/usr/lib/firmware/intel-ucode/06-55-04',
      '/lib/firmware/amd-ucode/microcode_amd.bin',
      '/usr/share/microcode_ctl/README',
    ]
    const others = [
      '/boot/grub2/themes/x',
      '/boot/config-6.12',
      '/usr/lib/modules/6.12/vmlinuz',
      '/usr/bin/xl',
      '/usr/share/doc/xen/x',
    ]
    for (const [at, path] of [...measured, ...others].entries()) {
      await must(root, '-i', await stub(`other${at}`, '1-1', [path]))
      expect([path, await pathsOf(root)]).toEqual([path, measured.includes(path) ? [path] : null])
      await rm(root.path(UPDATE_MARK), { force: true })
    }
  })

  it('says of a removal that something was removed', async () => {
    const root = await installed()
    await must(root, '-e', 'xen-hypervisor')
    expect(await pathsOf(root)).toEqual(['-'])
  })

  it('tells a path once, keeps what earlier transactions left, and counts what is too much', async () => {
    const root = await installed()
    await must(root, '-U', await XEN('2'))
    await must(root, '-U', '--replacepkgs', await XEN('2'))
    const many = Array.from(
      { length: MAX_PATHS_OF_TRANSACTION + 8 },
      (_, at) => `/usr/lib/firmware/${100 + at}`,
    )
    await must(root, '-i', await stub('linux-firmware', '20260101-1', many))
    expect(await pathsOf(root)).toEqual([
      '/boot/xen-4.19.3-2.gz',
      ...many.slice(0, MAX_PATHS_OF_TRANSACTION),
      '+8',
    ])
  })

  it('is written again where it is of another form, and never stops an update', async () => {
    const root = await installed()
    await root.write(UPDATE_MARK, 'something else\n\0')
    await must(root, '-U', await XEN('2'))
    expect(await pathsOf(root)).toEqual(['/boot/xen-4.19.3-2.gz'])
    const other = await installed()
    await other.write(`${UPDATE_MARK}.new/x`, '')
    await must(other, '-U', await XEN('2'))
    expect((await other.rpm('-q', 'xen-hypervisor')).stdout).toContain('4.19.3-2')
  })

  it('goes with the package', async () => {
    const root = await installed()
    await must(root, '-U', await XEN('2'))
    await must(root, '-e', 'aem-reseal')
    expect((await root.list()).filter((file) => file.includes('spool/'))).toEqual([])
  })
})
