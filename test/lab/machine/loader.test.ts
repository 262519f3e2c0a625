import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { type BootDisk, KERNEL, makeBootDisk, UUID } from './boot-disk.ts'
import { readBootFile } from './boot-partition.ts'
import { loadBootEntry, readEnvironment } from './loader.ts'

async function diskWith(...parts: Parameters<typeof makeBootDisk>): Promise<BootDisk> {
  const disk = await makeBootDisk(...parts)
  onTestFinished(disk.remove)
  return disk
}

const PLAIN = 'Qubes, with Xen hypervisor'

test("AEM's entry boots by default, its words as GRUB hands them over", async () => {
  const { partition } = await diskWith(
    { 'xen-4.17.4.gz': gzipSync('Xen') },
    { xenOptions: ' console=com1  dom0_mem=max:512M', kernelOptions: 'quiet "a b" ' },
  )
  const choice = await loadBootEntry(partition)
  expect(choice.title).toBe('AEM Qubes, with Xen hypervisor')
  expect(choice.tboot?.commandLine).toBe('placeholder logging=memory,serial')
  expect(choice.sinit?.path).toBe('/SINIT.BIN')
  expect(choice.modules.map(({ path, commandLine, image }) => [path, commandLine, image.toString()])).toEqual(
    [
      ['/xen-4.17.4.gz', 'placeholder console=com1 dom0_mem=max:512M', 'Xen'],
      [
        `/vmlinuz-${KERNEL}`,
        `placeholder root=/dev/mapper/qubes_dom0-root ro quiet "a b" aem.uuid=${UUID} rd.luks.key=/tmp/aem-keyfile rd.luks.crypttab=no`,
        'kernel',
      ],
      [`/initramfs-${KERNEL}.img`, '', 'initramfs'],
    ],
  )
})

test('the saved entry boots, through its submenus', async () => {
  const saved = `gnulinux-advanced-${UUID}>xen-hypervisor-4.17.4-${UUID}>xen-gnulinux-${KERNEL}-advanced-${UUID}`
  const { partition } = await diskWith({}, {}, { saved_entry: saved })
  expect((await loadBootEntry(partition)).title).toBe(`AEM Qubes boot, with Xen 4.17.4 and Linux ${KERNEL}`)
})

test('an entry for one boot comes first, and GRUB forgets it on the disk', async () => {
  const { partition } = await diskWith({}, {}, { saved_entry: '0', next_entry: PLAIN })
  const choice = await loadBootEntry(partition)
  expect(choice.title).toBe(PLAIN)
  expect(choice.tboot).toBeNull()
  const environment = readEnvironment(await readBootFile(partition, '/grub2/grubenv'))
  expect(environment.get('next_entry')).toBe('')
  expect(environment.get('saved_entry')).toBe('0')
  expect((await loadBootEntry(partition)).title).toBe('AEM Qubes, with Xen hypervisor')
})

test('a default that names nothing is the first entry; a title that the user picks must be there', async () => {
  const { partition } = await diskWith({}, {}, { saved_entry: 'gone' })
  expect((await loadBootEntry(partition)).title).toBe('AEM Qubes, with Xen hypervisor')
  expect((await loadBootEntry(partition, [PLAIN])).title).toBe(PLAIN)
  await expect(loadBootEntry(partition, ['gone'])).rejects.toThrow('no entry gone')
})

test('a default that is a submenu would wait for the user', async () => {
  const { partition } = await diskWith({}, {}, { saved_entry: '1' })
  await expect(loadBootEntry(partition)).rejects.toThrow('would wait in the submenu')
})

test('what the loader does not know is refused, not guessed', async () => {
  for (const [line, words] of [
    ['chainloader /efi', 'command that is not known here: chainloader'],
    ['if [ a -ot b ]; then true; fi', 'a test that is not known here: a -ot b'],
    ['multiboot (hd1,msdos1)/tboot.gz', 'not on the boot partition'],
    ['linux /vmlinuz', 'command that is not known here: linux'],
    ['echo a | b', '| outside quotes'],
  ] as const) {
    const { partition } = await diskWith({ 'grub2/grub.cfg': `menuentry 'x' {\n${line}\n}\n` })
    await expect(loadBootEntry(partition)).rejects.toThrow(words)
  }
})

test('another disk does not become the root', async () => {
  const { partition } = await diskWith({
    'grub2/grub.cfg':
      "menuentry 'x' {\nset root=hd1\nsearch --no-floppy --fs-uuid --set=root 1234\nmultiboot /tboot.gz\n}\n",
  })
  await expect(loadBootEntry(partition)).rejects.toThrow('is on hd1')
})
