/* Long: one table for each question about an entry. */
import { describe, expect, it } from 'vitest'
import {
  type BootEntry,
  type BootFile,
  FLAVOURS,
  isModuleRole,
  joinGrubArguments,
  listMeasuredFiles,
} from '../../../src/core/launch/boot-entry.ts'
import { decideBootedEntry, listOddEntries, type RunningBoot } from '../../../src/core/launch/booted-entry.ts'
import { disk, entryOf } from './launch-world.ts'

const PLAIN = entryOf(disk())
const KERNEL_LINE = 'root=/dev/q ro aem.uuid=c5a8'
const RUNNING: RunningBoot = { kernelCommandLine: KERNEL_LINE }
const file = (role: BootFile['role'], path: string, order: number, commandLine = ''): BootFile => ({
  role,
  path,
  commandLine,
  nounzip: false,
  order,
})
const SINIT = file('module', '/SINIT.BIN', 4)

describe('the entry that booted', () => {
  const boots = (entry: BootEntry, changes: Partial<RunningBoot>) =>
    decideBootedEntry([entry], { ...RUNNING, ...changes }).entry !== null
  const withKernel = (commandLine: string): BootEntry => ({
    ...PLAIN,
    modules: [PLAIN.modules[0]!, { ...PLAIN.modules[1]!, commandLine }, PLAIN.modules[2]!],
  })
  const withXen = (commandLine: string): BootEntry => ({
    ...PLAIN,
    modules: [{ ...PLAIN.modules[0]!, commandLine }, ...PLAIN.modules.slice(1)],
  })

  it.each([
    [KERNEL_LINE, true],
    [` root=/dev/q  ro\taem.uuid=c5a8\n`, true],
    [`placeholder ${KERNEL_LINE}`, true],
    [`${KERNEL_LINE} noapic acpi=off acpi_skip_timer_override`, true],
    ['ro root=/dev/q aem.uuid=c5a8', false],
    ['root=/dev/q ro', false],
    [`x ${KERNEL_LINE}`, false],
    [`${KERNEL_LINE} single`, false],
    [`${KERNEL_LINE} xnoapic`, false],
    [`${KERNEL_LINE} noapicx`, false],
    [`${KERNEL_LINE} acpi=`, false],
    [`noapic ${KERNEL_LINE}`, false],
    ['root=/dev/q ro aem.uuid=0000', false],
    ['x y aem.uuid=c5a8', false],
    ['root=/dev/q\u00a0ro aem.uuid=c5a8', false],
    ['', false],
  ])('has the command line of its kernel: %j: %s', (kernelCommandLine, is) => {
    expect(boots(PLAIN, { kernelCommandLine })).toBe(is)
  })

  it('has blanks in its own line taken as one, and the placeholder in front alone taken away', () => {
    expect(boots(withKernel(`  placeholder  ${KERNEL_LINE} `), {})).toBe(true)
    expect(boots(withKernel(KERNEL_LINE), {})).toBe(true)
    expect(boots(withKernel(`ro placeholder`), { kernelCommandLine: 'ro placeholder' })).toBe(true)
    expect(
      boots(withKernel(`placeholder placeholder`), { kernelCommandLine: 'placeholder placeholder' }),
    ).toBe(true)
  })

  it('has a kernel', () => {
    expect(boots({ ...PLAIN, modules: [PLAIN.modules[0]!] }, { kernelCommandLine: '' })).toBe(false)
    expect(boots({ ...PLAIN, modules: [] }, { kernelCommandLine: '' })).toBe(false)
  })

  it("hands what follows the first `--` of Xen's line to the kernel", () => {
    const entry = withXen('placeholder a=1 -- quiet -- x')
    expect(boots(entry, { kernelCommandLine: `${KERNEL_LINE} quiet -- x` })).toBe(true)
    expect(boots(entry, { kernelCommandLine: KERNEL_LINE })).toBe(false)
    expect(boots(entry, { kernelCommandLine: `${KERNEL_LINE} quiet -- x`, xenCommandLine: 'a=1' })).toBe(true)
    expect(boots(entry, { kernelCommandLine: `${KERNEL_LINE} x`, xenCommandLine: 'a=1' })).toBe(false)
    expect(boots(withXen('-- quiet'), { kernelCommandLine: `${KERNEL_LINE} quiet` })).toBe(true)
  })

  it("has Xen's command line, of the launcher where that is Xen", () => {
    expect(boots(PLAIN, { xenCommandLine: 'console=none ucode=scan' })).toBe(true)
    expect(boots(PLAIN, { xenCommandLine: ' placeholder console=none  ucode=scan' })).toBe(true)
    expect(boots(PLAIN, { xenCommandLine: 'ucode=scan console=none' })).toBe(false)
    expect(boots(PLAIN, { xenCommandLine: 'console=none' })).toBe(false)
    const [xen, ...rest] = PLAIN.modules
    const slaunch: BootEntry = { ...PLAIN, flavour: 'trenchboot', launcher: xen!, modules: rest }
    expect(boots(slaunch, { xenCommandLine: 'console=none ucode=scan', xenVersion: '4.17.4' })).toBe(true)
    expect(boots(slaunch, { xenCommandLine: 'console=none' })).toBe(false)
  })

  it.each([
    ['kernelRelease', '6.6.36-1.fc37.x86_64', true],
    ['kernelRelease', '6.6.36-1.fc37', false],
    ['kernelRelease', '36-1.fc37.x86_64', false],
    ['kernelRelease', '4.17.4', false],
    ['xenVersion', '4.17.4', true],
    ['xenVersion', '4.17', false],
    ['xenVersion', '17.4', false],
    ['moduleCount', 3, true],
    ['moduleCount', 4, false],
    ['moduleCount', 0, false],
    ['kernelRelease', null, true],
    ['xenVersion', null, true],
    ['xenCommandLine', null, true],
    ['moduleCount', null, true],
  ])('%s %s: %s', (name, value, is) => {
    expect(boots(PLAIN, { [name]: value })).toBe(is)
  })

  it.each([
    [{ kernelCommandLine: 'x' }, 'has the command line this kernel was started with'],
    [{ kernelRelease: '6.9' }, 'starts the kernel of this boot (6.9)'],
    [{ xenVersion: '4.19' }, 'loads the Xen of this boot (4.19)'],
    [{ xenCommandLine: 'x' }, 'has the command line of this Xen'],
    [{ moduleCount: 9 }, 'loads the 9 modules that this boot measured'],
    [{ kernelRelease: '6.9', xenVersion: '4.19' }, 'starts the kernel of this boot (6.9)'],
  ])('is none where %j, and that is said', (changes, what) => {
    expect(decideBootedEntry([PLAIN], { ...RUNNING, ...changes })).toEqual({
      entry: null,
      why: `no entry of grub.cfg ${what}`,
    })
  })

  it('is none of no entries', () => {
    expect(decideBootedEntry([], RUNNING).why).toContain('no entry of grub.cfg has the command line')
  })

  it.each<[string, Partial<BootEntry>]>([
    ['another launcher', { launcher: { ...PLAIN.launcher!, path: '/tboot-2.gz' } }],
    ['no launcher', { launcher: null }],
    ['another initramfs', { modules: PLAIN.modules.with(2, { ...PLAIN.modules[2]!, path: '/i' }) }],
    ['a SINIT module', { sinit: [SINIT] }],
    ['another flavour', { flavour: 'trenchboot' }],
  ])('cannot be told from one with %s', (_, changes) => {
    const other: BootEntry = { ...PLAIN, ...changes, titlePath: ['Advanced', 'other'] }
    expect(decideBootedEntry([PLAIN, other], RUNNING)).toEqual({
      entry: null,
      why: 'several entries could have been booted: "AEM Qubes, with Xen hypervisor", "Advanced > other"',
    })
  })

  it('is one where several load the same, and the one without a problem goes first', () => {
    const twin: BootEntry = { ...PLAIN, title: 'twin', titlePath: ['twin'] }
    const odd: BootEntry = { ...twin, problems: ['it runs "acpi"'] }
    expect(decideBootedEntry([PLAIN, twin], RUNNING).entry).toBe(PLAIN)
    expect(decideBootedEntry([odd, PLAIN], RUNNING).entry).toBe(PLAIN)
    expect(decideBootedEntry([PLAIN, odd], RUNNING).entry).toBe(PLAIN)
    expect(decideBootedEntry([odd], RUNNING)).toEqual({ entry: null, why: '"twin": it runs "acpi"' })
  })

  it('is none that GRUB cannot start', () => {
    const dead: BootEntry = { ...PLAIN, startsNothing: true }
    expect(decideBootedEntry([dead], RUNNING).entry).toBeNull()
    expect(decideBootedEntry([{ ...PLAIN, startsNothing: false }], RUNNING).entry).not.toBeNull()
    expect(decideBootedEntry([{ ...dead, launcher: null }, PLAIN], RUNNING).entry).toBe(PLAIN)
  })
})

describe('an odd entry beside that of AEM', () => {
  const ODD: BootEntry = { ...PLAIN, title: 'b', titlePath: ['a', 'b'], problems: ['it runs "acpi"', 'more'] }
  const odd = (entry: Partial<BootEntry>, kernelCommandLine = KERNEL_LINE) =>
    listOddEntries([{ ...ODD, ...entry }], { kernelCommandLine })
  const TOLD = ['"a > b": it runs "acpi"']
  const otherKernel = PLAIN.modules.map((one) => ({ ...one, commandLine: 'x' }))

  it.each<[string, Partial<BootEntry>, readonly string[]]>([
    ['the same kernel', {}, TOLD],
    ['of a file beside grub.cfg', { file: 'custom.cfg' }, ['"a > b" of custom.cfg: it runs "acpi"']],
    ['no problem', { problems: [] }, []],
    [
      'no problem, and none of AEM’s kinds',
      { problems: [], flavour: 'other' },
      ['"a > b": it is not written as AEM writes its own'],
    ],
    ['that starts nothing', { startsNothing: true }, []],
    ['that seems to start nothing', { startsNothing: false }, []],
    ['another kernel', { modules: otherKernel }, []],
    ['the kernel as the launcher', { modules: [], launcher: file('xen', '/k', 0, KERNEL_LINE) }, TOLD],
    [
      'the kernel as another module',
      { modules: [...otherKernel, file('module', '/k', 9, KERNEL_LINE)] },
      TOLD,
    ],
    ['no launcher', { launcher: null }, TOLD],
    ['no launcher and another kernel', { launcher: null, modules: otherKernel }, []],
    ['no files', { launcher: null, modules: [] }, []],
    ['known in part', { modules: otherKernel, isPartial: true }, TOLD],
    ['of the UEFI form, its files not known', { modules: [], form: 'uefi' }, TOLD],
    ['of the UEFI form, with another kernel', { modules: otherKernel, form: 'uefi' }, []],
    [
      "with the end of the kernel's line behind Xen's",
      {
        launcher: null,
        modules: [
          { ...PLAIN.modules[0]!, commandLine: 'a -- aem.uuid=c5a8' },
          { ...PLAIN.modules[1]!, commandLine: 'root=/dev/q ro' },
        ],
      },
      TOLD,
    ],
  ])('%s', (_, entry, told) => {
    expect(odd(entry)).toEqual(told)
  })

  it('is told for a boot of AEM alone', () => {
    for (const line of ['root=/dev/q ro', 'root=/dev/q ro x.aem.uuid=c5a8', ''])
      expect(odd({ isPartial: true }, line)).toEqual([])
    expect(odd({ isPartial: true }, 'aem.uuid=1')).toEqual(TOLD)
  })
})

describe('the files that a launch measures', () => {
  const [xen, kernel, initramfs] = PLAIN.modules as [BootFile, BootFile, BootFile]
  const policy = file('module', '/policy', 5)
  const paths = (entry: BootEntry, kinds: Parameters<typeof listMeasuredFiles>[1] = {}) =>
    listMeasuredFiles(entry, kinds).map(({ path }) => path)
  const names = [xen, kernel, initramfs].map(({ path }) => path)
  const entry: BootEntry = { ...PLAIN, sinit: [SINIT] }

  it('under tboot are the modules, without SINIT modules and policies', () => {
    expect(paths(entry)).toEqual(names)
    expect(paths(entry, { '/SINIT.BIN': { kind: 'acm' } })).toEqual(names)
    expect(paths(entry, { '/SINIT.BIN': { kind: 'raw' } })).toEqual([...names, '/SINIT.BIN'])
    const more: BootEntry = { ...entry, modules: [...entry.modules, policy] }
    expect(paths(more)).toEqual([...names, '/policy'])
    expect(paths(more, { '/policy': { kind: 'policy-data' } })).toEqual(names)
    expect(paths(more, { '/policy': { kind: 'acm' } })).toEqual(names)
  })

  it('keep the first one whatever it is, and the order of the lines', () => {
    const first: BootEntry = { ...PLAIN, sinit: [{ ...SINIT, order: 0 }] }
    expect(paths(first)).toEqual(['/SINIT.BIN', ...names])
    expect(paths({ ...PLAIN, sinit: [{ ...SINIT, order: 2.5 }] }, { '/SINIT.BIN': { kind: 'raw' } })).toEqual(
      names.toSpliced(2, 0, '/SINIT.BIN'),
    )
    expect(paths(PLAIN, { [xen.path]: { kind: 'acm' } })).toEqual(names)
  })

  it('by TrenchBoot are the modules as they stand', () => {
    const kinds = { [kernel.path]: { kind: 'acm' }, '/SINIT.BIN': { kind: 'raw' } } as const
    expect(paths({ ...entry, flavour: 'trenchboot' }, kinds)).toEqual(names)
    expect(paths({ ...entry, flavour: 'other' }, kinds)).toEqual(names)
  })
})

describe('the words of an entry', () => {
  it('are its roles and flavours', () => {
    expect(['mle', 'xen', 'kernel', 'initramfs', 'module'].every(isModuleRole)).toBe(true)
    expect(['', 'sinit', 'Xen', 'constructor'].some(isModuleRole)).toBe(false)
    expect([...FLAVOURS]).toEqual(['tboot', 'trenchboot'])
  })

  it.each([
    [[], ''],
    [['a', '', 'b'], 'a  b'],
    [['a b'], '"a b"'],
    [['a\tb'], 'a\tb'],
    [['a"b c\'d\\'], '"a\\"b c\\\'d\\\\"'],
  ])('%j are handed over as %j', (args, line) => {
    expect(joinGrubArguments(args)).toBe(line)
  })
})
