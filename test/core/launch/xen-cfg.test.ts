import { describe, expect, it } from 'vitest'
import { parseXenSection } from '../../../src/core/launch/xen-cfg.ts'

/* Xen 4.17, xen/common/efi/boot.c, pre_parse and get_value; what AEM writes: 19_linux_xen_trenchboot, 303-314. */
const VALUES = {
  options: 'placeholder console=none',
  kernel: 'aem-vmlinuz-6.6 placeholder root=/dev/q ro',
  ramdisk: 'aem-initramfs-6.6.img',
}
const lines = (values: Readonly<Record<string, string>> = VALUES, name = 'a'): string =>
  [`[${name}]`, ...Object.entries(values).map(([key, value]) => `${key}=${value}`), ''].join('\n')
const problemsOf = (text: string) => parseXenSection(text, 'a')?.problems
const OTHER = { options: 'x', kernel: 'y', ramdisk: 'z' }

describe('a section', () => {
  it('has the values of its own lines', () => {
    expect(parseXenSection(lines(), 'a')).toEqual({ ...VALUES, isFirst: true, problems: [] })
    const text = lines(OTHER, 'b') + lines() + lines(OTHER, 'c')
    expect(parseXenSection(text, 'a')).toEqual({ ...VALUES, isFirst: false, problems: [] })
    expect(parseXenSection(text, 'b')).toEqual({ ...OTHER, isFirst: true, problems: [] })
  })

  it('is none where no line begins with its name', () => {
    for (const text of ['', lines({}, 'ab'), lines({}, 'A'), `x[a]\n`, `kernel=[a]\nkernel=b\n`])
      expect(parseXenSection(text, 'a'), text).toBeNull()
  })

  it('begins with its name, whatever stands before and behind', () => {
    for (const head of ['[a]', '   [a]', '[a] more', '[a]# more'])
      expect(parseXenSection(`${head}\nkernel=k\n`, 'a')).toMatchObject({ kernel: 'k', problems: [] })
  })

  it('is the first of its name', () => {
    expect(parseXenSection(lines({ kernel: 'k' }) + lines(OTHER), 'a')).toMatchObject({
      options: null,
      kernel: 'k',
      ramdisk: null,
    })
  })

  it('ends at the next bracket that begins a line', () => {
    expect(parseXenSection('[a]\nkernel=k [x]\noptions=o\n[\nramdisk=r\n', 'a')).toMatchObject({
      kernel: 'k [x]',
      options: 'o',
      ramdisk: null,
    })
  })

  it.each([
    ['  kernel=k', 'k'],
    ['kernel=  k  ', 'k  '],
    ['kernel=k a=b', 'k a=b'],
    ['kernel=', ''],
    ['kernel=k # b', 'k '],
    ['kernel=k ; b', 'k ; b'],
    ['# kernel=k', null],
    ['; kernel=k', null],
    ['  ; kernel=k', null],
    ['kernel =k', null],
    ['kernels=k', null],
    ['xkernel=k', null],
    ['\tkernel=k', 'k'],
    ['kernel=k\tb', 'k'],
    ['kernel=k\rb', 'k'],
    ['kernel=k\x7fb', 'k'],
    ['\n\n\nkernel=k', 'k'],
  ])('has of the line %j the kernel %j', (line, kernel) => {
    expect(parseXenSection(`[a]\n${line}\n`, 'a')?.kernel).toBe(kernel)
  })

  it('has the first of several values, and says so', () => {
    const found = parseXenSection('[a]\nkernel=k\nkernel=l\n', 'a')
    expect(found).toMatchObject({ kernel: 'k', problems: ['sets a value twice'] })
  })

  it('has no value of a line that does not end', () => {
    const found = parseXenSection('[a]\noptions=o\nkernel=k', 'a')
    expect(found).toMatchObject({ options: 'o', kernel: null })
    expect(found?.problems).toEqual(['ends without a line end, so that Xen leaves out its last line'])
  })
})

describe('a Xen that is told no section', () => {
  it.each(['options', 'kernel', 'ramdisk'] as const)('finds another %s before', (key) => {
    expect(parseXenSection(lines({ [key]: 'x' }, 'b') + lines(), 'a')?.isFirst).toBe(false)
    expect(parseXenSection(lines({ [key]: VALUES[key] }, 'b') + lines(), 'a')?.isFirst).toBe(true)
    const { [key]: _, ...rest } = VALUES
    expect(parseXenSection(lines(rest) + lines({ [key]: 'x' }, 'b'), 'a')?.isFirst).toBe(false)
  })

  it('finds the same values where the section comes first', () => {
    expect(parseXenSection(lines() + lines(OTHER, 'b'), 'a')?.isFirst).toBe(true)
  })

  it('may be told another one by a section "global"', () => {
    for (const text of [lines() + lines({ default: 'b' }, 'global'), lines({}, 'global') + lines()])
      expect(parseXenSection(text, 'a')).toMatchObject({
        isFirst: false,
        problems: ['has a section "global", which AEM\'s script does not write'],
      })
  })
})

describe('what no script of AEM writes', () => {
  it.each([
    ['a value of another name', '[a]\nxsm=policy\n', 'sets "xsm", which AEM\'s script does not write'],
    ['a line without a value', '[a]\nwords\n', 'sets "", which AEM\'s script does not write'],
    [
      'a value of another name with two signs',
      '[a]\nucode=a=b\n',
      'sets "ucode", which AEM\'s script does not write',
    ],
    ['a tabulator', '[a]\n\tkernel=k\n', 'holds a character that is not printable ASCII'],
    ['a letter beyond ASCII', '[a]\nkernel=\xe9\n', 'holds a character that is not printable ASCII'],
    ['a delete character', '[a]\nkernel=\x7f\n', 'holds a character that is not printable ASCII'],
  ])('%s is said', (_, text, words) => {
    expect(problemsOf(text)).toEqual([words])
  })

  it('is not said of another section', () => {
    expect(problemsOf(`${lines()}[b]\nxsm=policy\nxsm=policy\n`)).toEqual([])
    expect(problemsOf('[a]\nkernel=k a=b\n')).toEqual([])
  })

  it('is more than 256 KiB, of which no more is read', () => {
    const filler = (bytes: number) => `${'#'.repeat(bytes - 1)}\n`
    const whole = lines() + filler(256 * 1024 - lines().length)
    expect(parseXenSection(whole, 'a')).toEqual({ ...VALUES, isFirst: true, problems: [] })
    expect(problemsOf(`${whole}\n`)).toEqual(['has 262145 bytes'])
    expect(parseXenSection(filler(256 * 1024) + lines(), 'a')).toBeNull()
  })
})
