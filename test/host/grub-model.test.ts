import { describe, expect, it } from 'vitest'
import { bootFromGrub, type MenuChoice } from '../../src/host/simulated/grub/boot.ts'
import { writeEnvironmentBlock } from '../../src/host/simulated/grub/environment-block.ts'
import { type Booted, bootDevice, bootsWithAem } from '../../src/host/simulated/grub/hand-over.ts'
import type { GrubDisk } from '../../src/host/simulated/grub/run.ts'

/* The model of GRUB, tboot and Xen that says what the built-in machine and the stage boot; it must not hide anything. */

const UUID = '872eef09-6d9c-496f-821b-0ae9254c6b80'
const SINIT = Buffer.alloc(128)
SINIT.writeUInt16LE(2, 0)
SINIT.writeUInt32LE(0x8086, 16)
SINIT.writeUInt32LE(SINIT.length / 4, 24)

const FILES: Readonly<Record<string, Buffer>> = {
  '/tboot.gz': Buffer.from('tboot of the test'),
  '/tboot-evil.gz': Buffer.from('tboot of somebody else'),
  '/xen.gz': Buffer.from('\x7fELF xen'),
  '/vmlinuz-1': Buffer.from('MZ kernel 1\n'),
  '/initramfs-1.img': Buffer.from('initramfs 1'),
  '/sinit.bin': SINIT,
}

function diskWith(cfg: string, more: Readonly<Record<string, Buffer>> = {}): GrubDisk {
  const files: Record<string, Buffer> = {
    ...FILES,
    '/grub2/grub.cfg': Buffer.from(cfg, 'utf8'),
    '/grub2/grubenv': writeEnvironmentBlock([]),
    ...more,
  }
  const hasDirectory = (path: string): boolean => path === '/aem' || path === '/grub2'
  return { uuid: UUID, readFile: (path) => files[path] ?? null, hasDirectory }
}

const AEM_LINES = [
  'multiboot /tboot.gz placeholder logging=memory',
  'module /xen.gz placeholder smt=off',
  'module /vmlinuz-1 placeholder quiet aem.uuid=1',
  'module /initramfs-1.img',
  'module /sinit.bin',
]
const entry = (title: string, lines: readonly string[]): string =>
  `menuentry '${title}' --id '${title.toLowerCase()}' {\n${lines.join('\n')}\n}\n`

const boot = (lines: readonly string[]): Booted => bootDevice(diskWith(entry('AEM', lines)))

describe('words are what GRUB takes for one', () => {
  const argumentsOf = (text: string): string[] => {
    const { kernel } = bootFromGrub(diskWith(entry('X', [`linux /vmlinuz-1 ${text}`])))
    return Buffer.from(kernel.commandLine, 'latin1').toString('utf8').split(' ').slice(1)
  }

  it.each(['\u2003', '\u00a0', '\v', '\f', '\u3000', '\ufeff', '\u0085'])('%j separates nothing', (blank) => {
    expect(argumentsOf(`iommu=no${blank}smt=off`)).toEqual([`iommu=no${blank}smt=off`])
  })

  it('blanks, tabs and an escaped newline separate', () => {
    expect(argumentsOf('a  b\tc \\\n d')).toEqual(['a', 'b', 'c', 'd'])
  })

  it('a newline, a semicolon and a comment end the command', () => {
    expect(argumentsOf('a;echo b')).toEqual(['a'])
    expect(argumentsOf('a # b')).toEqual(['a'])
    expect(argumentsOf('a#b')).toEqual(['a#b'])
  })

  it('quotes join, an empty variable vanishes, an empty quotation stays', () => {
    expect(argumentsOf('a"b"\'c\' $nothing "" d')).toEqual(['abc', '', 'd'])
  })

  it('an unquoted variable is split, a quoted one is not', () => {
    const cfg = entry('X', ["set two='p q'", 'linux /vmlinuz-1 $two "$two" a$two'])
    expect(bootFromGrub(diskWith(cfg)).kernel.commandLine).toBe('BOOT_IMAGE=/vmlinuz-1 p q "p q" ap q')
  })
})

describe('the entry that boots', () => {
  const titleOf = (
    cfg: string,
    block: readonly (readonly [string, string])[] = [],
    choice: MenuChoice = null,
  ): string => bootFromGrub(diskWith(cfg, { '/grub2/grubenv': writeEnvironmentBlock(block) }), choice).title
  const two = `load_env\nset default="\${saved_entry}"\n${entry('One', AEM_LINES)}${entry('Two', AEM_LINES)}`

  it('is the first without a default', () => expect(titleOf(two)).toBe('One'))
  it.each(['1', 'Two', 'two'])('is the saved one, by number, title or id: %s', (saved) => {
    expect(titleOf(two, [['saved_entry', saved]])).toBe('Two')
  })
  it('is what somebody takes in the menu', () => expect(titleOf(two, [], ['Two'])).toBe('Two'))
  it('is the first where the saved one is not there', () =>
    expect(titleOf(two, [['saved_entry', 'Three']])).toBe('One'))

  it('may lie in submenus, and next_entry holds once', () => {
    const cfg = `load_env
if [ "\${next_entry}" ] ; then
  set default="\${next_entry}"
  set next_entry=
  save_env next_entry
fi
${entry('One', AEM_LINES)}submenu 'More' --id more {
${entry('Two', AEM_LINES)}${entry('Three', AEM_LINES)}}
`
    const block = writeEnvironmentBlock([['next_entry', 'more>three']])
    const first = bootFromGrub(diskWith(cfg, { '/grub2/grubenv': block }))
    expect(first.title).toBe('Three')
    const [after] = first.written.values()
    expect(bootFromGrub(diskWith(cfg, { '/grub2/grubenv': after ?? Buffer.alloc(0) })).title).toBe('One')
  })

  it('may be one of custom.cfg, and what is broken is left out with its line', () => {
    const custom = { '/grub2/custom.cfg': Buffer.from(`set default=Evil\n${entry('Evil', AEM_LINES)}`) }
    const cfg = `${two}source \${config_directory}/custom.cfg\n`
    expect(bootFromGrub(diskWith(cfg, custom)).title).toBe('Evil')
    const broken = `${entry('One', AEM_LINES)}if [ a ]; then\n||\nfi\nset default=Two\n${entry('Two', AEM_LINES)}`
    expect(titleOf(broken)).toBe('Two')
  })

  it('is hidden where a condition does not hold', () => {
    const cfg = `if [ -d /nowhere/ ]; then\n${entry('One', AEM_LINES)}\nfi\n${entry('Two', AEM_LINES)}`
    expect(titleOf(cfg)).toBe('Two')
  })
})

describe('what is loaded is measured, whatever it is', () => {
  const pathsOf = (booted: Booted): string[] => booted.modules.map(({ path }) => path)

  it('in order, without SINIT, which is found by its content', () => {
    const booted = boot([
      ...AEM_LINES.slice(0, 4),
      'module /sinit.bin called=otherwise',
      'module /tboot.gz extra',
    ])
    expect(pathsOf(booted)).toEqual(['/xen.gz', '/vmlinuz-1', '/initramfs-1.img', '/tboot.gz'])
    expect(booted.sinit?.path).toBe('/sinit.bin')
  })

  it("with the kernel in Xen's place no Xen runs, and its line is the kernel's", () => {
    const booted = boot([
      AEM_LINES[0]!,
      'module /vmlinuz-1 init=/evil aem.uuid=1',
      'module /initramfs-1.img',
      'module /sinit.bin',
    ])
    expect(booted.xen).toBeNull()
    expect(booted.kernel.commandLine).toBe('init=/evil aem.uuid=1')
    expect(pathsOf(booted)).toEqual(['/vmlinuz-1', '/initramfs-1.img'])
  })

  it('another tboot starts too, and an entry with `linux` has no launch', () => {
    expect(boot(['multiboot /tboot-evil.gz', ...AEM_LINES.slice(1)]).tboot?.path).toBe('/tboot-evil.gz')
    const booted = boot(['linux /vmlinuz-1 a', 'initrd /initramfs-1.img'])
    expect(booted).toMatchObject({
      tboot: null,
      xen: null,
      kernel: { commandLine: 'BOOT_IMAGE=/vmlinuz-1 a' },
    })
  })

  it('what else the entry does to the machine is kept', () => {
    const booted = boot(['acpi /evil.aml', 'write_dword 0x1 0x2', ...AEM_LINES])
    expect(booted.touched.map(([name]) => name)).toEqual(['acpi', 'write_dword'])
  })

  it('an entry whose last module is missing does not boot', () => {
    expect(() => boot([...AEM_LINES, 'module /nowhere'])).toThrow(/ends with an error/)
  })
})

describe("Xen's line", () => {
  const linesOf = (xen: string): readonly (string | undefined)[] => {
    const booted = boot([AEM_LINES[0]!, `module /xen.gz ${xen}`, ...AEM_LINES.slice(2)])
    return [booted.xen?.commandLine, booted.kernel.commandLine, booted.modules[0]?.commandLine]
  }

  it.each([
    ['a b', 'a b', 'placeholder quiet aem.uuid=1'],
    ['a -- init=/bin/sh', 'a', 'placeholder quiet aem.uuid=1 init=/bin/sh'],
    ['a -- b -- c', 'a', 'placeholder quiet aem.uuid=1 b -- c'],
    ['a --b', 'a --b', 'placeholder quiet aem.uuid=1'],
  ])('%s', (line, xen, kernel) => {
    expect(linesOf(line)).toEqual([xen, kernel, line])
  })

  it('AEM runs by a word of the kernel line, whose words end at ASCII blanks', () => {
    expect(bootsWithAem('a aem.uuid=1')).toBe(true)
    expect(bootsWithAem('a\u00a0aem.uuid=1')).toBe(false)
    expect(bootsWithAem('xaem.uuid=1')).toBe(false)
  })
})
