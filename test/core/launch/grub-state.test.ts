/* Long: one table for each small module of the reader. */
import { describe, expect, it } from 'vitest'
import {
  findFile,
  hasDeviceMark,
  isBootDevice,
  searchedDevice,
  uuidOfDevice,
} from '../../../src/core/launch/grub-device.ts'
import { parseGrubEnvironment } from '../../../src/core/launch/grub-environment.ts'
import { expandWords } from '../../../src/core/launch/grub-expand.ts'
import { parseGrubScript } from '../../../src/core/launch/grub-parse.ts'
import {
  BOOT_DEVICE,
  lookUp,
  MAX_VARIABLES,
  nestedState,
  newGrubState,
  setVariable,
} from '../../../src/core/launch/grub-state.ts'
import { deviceWith } from './grub-world.ts'

/* GRUB 2.06, grub-core/kern/main.c, normal/{main,menu,context}.c. */

const PREFIX = `(${BOOT_DEVICE})/grub2`
const fresh = (platform: 'pc' | 'efi' = 'pc') => newGrubState(deviceWith({ platform }))

describe('the variables of GRUB itself', () => {
  it.each([
    ['grub_platform', 'pc', 'efi'],
    ['grub_cpu', 'i386', 'x86_64'],
    ['root', BOOT_DEVICE, BOOT_DEVICE],
    ['prefix', PREFIX, PREFIX],
    ['config_directory', PREFIX, PREFIX],
    ['config_file', `${PREFIX}/grub.cfg`, `${PREFIX}/grub.cfg`],
    ...[
      ...['chainloader_bpb', 'ntldr', 'platform_search_hint', 'default_font_path', 'all_video_module'],
      ...['menuentry_id', 'menuentry_options', '200_final', 'nativedisk_cmd', 'timeout_style'],
    ].map((name): [string, string, string] => [`feature_${name}`, 'y', 'y']),
  ])('%s', (name, onBios, onEfi) => {
    expect([lookUp(fresh().variables, name), lookUp(fresh('efi').variables, name)]).toEqual([onBios, onEfi])
    for (const kind of ['entry', 'submenu'] as const)
      if (!name.startsWith('config_')) expect(lookUp(nestedState(fresh(), kind).variables, name)).toBe(onBios)
  })

  it.each([
    ...['cmdpath', 'fw_path', 'lang', 'chosen', 'color_normal', 'color_highlight', 'pager', 'debug'],
    ...['net_default_ip', 'pxe_default_server', 'efi_x', 'slaunch_psp', 'smbios_x', 'tpm_x', 'shim_lock'],
    ...['feature_new', '?', '#', '*', '@', '1', '12', '"..."'],
  ])('%s cannot be known, in an entry and a submenu too', (name) => {
    expect(lookUp(fresh().variables, name)).toBeNull()
    for (const kind of ['entry', 'submenu'] as const)
      expect(lookUp(nestedState(fresh(), kind).variables, name)).toBeNull()
  })

  it.each(['nobody', 'my_net_x', 'x1', 'saved_entry', 'default'])(
    '%s is empty until something sets it',
    (name) => {
      expect(lookUp(fresh().variables, name)).toBe('')
    },
  )
})

describe('an entry and a submenu', () => {
  it('begin with copies, an entry of all variables and a submenu of those that are exported', () => {
    const state = fresh()
    setVariable(state, 'mine', 'a')
    setVariable(state, 'shared', 'b')
    state.exported.add('shared')
    state.insmods.add('ext2')
    for (const list of [state.problems, state.foreign]) list.push('x')
    state.loads.push({ command: 'module', args: [], unknown: [], root: null })
    const [entry, submenu] = [nestedState(state, 'entry'), nestedState(state, 'submenu')]
    expect([entry, submenu].map(({ variables }) => [variables.get('mine'), variables.get('shared')])).toEqual(
      [
        ['a', 'b'],
        [undefined, 'b'],
      ],
    )
    for (const nested of [entry, submenu]) {
      expect(nested).toMatchObject({ place: 'item', menu: [], loads: [], problems: [], foreign: [] })
      expect([...nested.insmods]).toEqual(['ext2'])
      expect(lookUp(nested.variables, 'config_directory')).toBeNull()
      expect(lookUp(nested.variables, 'config_file')).toBeNull()
      setVariable(nested, 'shared', 'c')
      nested.exported.add('c')
      nested.insmods.add('c')
      nested.functions.set('c', [])
    }
    expect(state.variables.get('shared')).toBe('b')
    expect([state.exported.has('c'), state.insmods.has('c'), state.functions.has('c')]).toEqual([
      false,
      false,
      false,
    ])
  })
})

describe('setting a variable', () => {
  it('that is the directory of modules is a problem', () => {
    const state = fresh()
    setVariable(state, 'prefix', '(hd1)/grub2')
    expect(state.problems).toEqual([expect.stringContaining('("prefix")')])
    expect(state.variables.get('prefix')).toBe('(hd1)/grub2')
    setVariable(state, 'prefix2', 'x')
    expect(state.problems).toHaveLength(1)
  })

  it.each(['0', '1', '12', '1a', '#', '*', '@'])('that is a parameter does not set it: %s', (name) => {
    const state = fresh()
    setVariable(state, name, 'x')
    expect([state.foreign, state.problems, state.variables.has(name)]).toEqual([
      [`sets "${name}"`],
      [],
      false,
    ])
  })

  it.each(['a1', 'a#', '#a', 'x*', '?'])('that is none does: %s', (name) => {
    const state = fresh()
    setVariable(state, name, 'x')
    expect([state.foreign, state.variables.get(name)]).toEqual([[], 'x'])
  })

  it('is followed for as many as the limit says, and then for those that are there', () => {
    const state = fresh()
    for (let i = state.variables.size; i < MAX_VARIABLES; i++) setVariable(state, `v${i}`, 'x')
    expect([state.variables.size, state.problems]).toEqual([MAX_VARIABLES, []])
    setVariable(state, `v${MAX_VARIABLES - 1}`, 'y')
    expect([state.variables.get(`v${MAX_VARIABLES - 1}`), state.problems]).toEqual(['y', []])
    setVariable(state, 'more', 'x')
    expect([state.variables.has('more'), state.problems]).toEqual([
      false,
      ['grub.cfg sets too many variables'],
    ])
  })
})

describe('the words of a command', () => {
  const expanded = (script: string, values: Record<string, string | null> = {}) => {
    const [command] = parseGrubScript(script)
    const words = command?.kind === 'simple' ? command.words : []
    return expandWords(words, new Map(Object.entries(values)))
  }

  it.each([
    ['a $v b', 'x', ['a', 'x', 'b']],
    ['$v a', '', ['a']],
    ['a $v', '', ['a']],
    ['$v $v a', '', ['a']],
    ['a $v b', '', ['a', 'b']],
    ['"$v" a', '', ['', 'a']],
    ['a "$v" b', '', ['a', '', 'b']],
    ["'' a", '', ['', 'a']],
    ['$v', ' x \n\r\ty ', ['x', 'y']],
    ['a$v', ' x y', ['ax', 'y']],
    ['$v$v', 'x y', ['x', 'yx', 'y']],
    ['"$v"', ' x  y', [' x  y']],
    ['$v', 'x\u00a0y', ['x\u00a0y']],
  ])('%s with %j', (script, value, args) => {
    const found = expanded(script, { v: value })
    expect(found.args).toEqual(args)
    expect(found.unknown).toEqual([])
  })

  it.each([
    ['a*', {}, ['a pattern of file names']],
    ['a?', {}, ['a pattern of file names']],
    ['$v', { v: '*' }, ['a pattern of file names']],
    ['"$v" \'*\' \\*', { v: '*' }, []],
    ['$v "$v"', { v: null }, ['$v', '$v']],
  ])('%s may be more than is known', (script, values: Record<string, string | null>, unknown) => {
    expect(expanded(script, values).unknown).toEqual(unknown)
  })

  it('are as long as a command line can be, and no longer', () => {
    const of = (length: number) => expanded('a$v', { v: 'x'.repeat(length - 1) })
    expect(of(8192).args[0]).toHaveLength(8192)
    expect(() => of(8193)).toThrow('a command of more than 8192 bytes')
  })
})

describe('the environment block', () => {
  const HEAD = '# GRUB Environment Block\n'

  it.each([
    ['a=b\n', [['a', 'b']]],
    [
      'a=b\nc=d\n####',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['a=\n', [['a', '']]],
    ['a=b=c\n', [['a', 'b=c']]],
    ['#a=b\nc=d\n', [['c', 'd']]],
    ['###', []],
    ['a=b', []],
    ['a=b\nc=d', [['a', 'b']]],
    ['a', []],
    ['a\nb=c\n', [['a\nb', 'c']]],
    [
      'a=b\\\nc\nd=e\n',
      [
        ['a', 'b\nc'],
        ['d', 'e'],
      ],
    ],
    [
      'a=b\\\\\nd=e\n',
      [
        ['a', 'b\\'],
        ['d', 'e'],
      ],
    ],
    ['a=b\\xc\n', [['a', 'bxc']]],
    ['a=b\\', []],
    ['a=b\\\n', []],
    ['a\0x=b\0c\n', [['a', 'b']]],
    ['a\n=b\n', [['a\n', 'b']]],
    ['\\\na=b\n', [['\\\na', 'b']]],
  ])('%j', (text, pairs) => {
    expect(parseGrubEnvironment(HEAD + text)).toEqual(pairs)
  })

  it.each([
    '',
    HEAD,
    HEAD.slice(0, -1),
    'a=b\n',
    `x${HEAD}a=b\n`,
    '# GRUB environment block\na=b\n',
    `${HEAD.trimEnd()} \na=b\n`,
  ])('%j is none', (text) => {
    expect(parseGrubEnvironment(text)).toBeNull()
  })
})

describe('a device', () => {
  it.each([
    [BOOT_DEVICE, 'ab', true],
    [BOOT_DEVICE, null, true],
    [searchedDevice('aB'), 'Ab', true],
    [searchedDevice('ab'), 'cd', null],
    [searchedDevice('ab'), null, null],
    ['hd0', 'ab', null],
    ['ab', 'ab', null],
    [null, 'ab', null],
  ])('%j where the file system has the UUID %j', (device, uuid, wanted) => {
    expect(isBootDevice(device, uuid)).toBe(wanted)
  })

  it('is told by its name where GRUB found it', () => {
    expect(uuidOfDevice(searchedDevice('ab'))).toBe('ab')
    for (const other of ['ab', BOOT_DEVICE, `x${searchedDevice('ab')}`])
      expect(uuidOfDevice(other)).toBeNull()
    for (const text of [BOOT_DEVICE, `a${searchedDevice('b')}`]) expect(hasDeviceMark(text)).toBe(true)
    expect(hasDeviceMark('hd0,gpt2')).toBe(false)
  })

  const find = (name: string, root?: string | null) => {
    const state = newGrubState(deviceWith({ custom: 'x', uuid: 'ab' }))
    if (root !== undefined) state.variables.set('root', root)
    const found = findFile(state, name)
    return [found.state === 'unknown' ? found.why : found.state, [...state.wanted]]
  }

  it.each([
    ['/grub2/custom.cfg', 'file', []],
    ['//grub2///custom.cfg', 'file', []],
    [`(${BOOT_DEVICE})/grub2/custom.cfg`, 'file', []],
    [`(${searchedDevice('AB')})/grub2/custom.cfg`, 'file', []],
    ['/aem/', 'directory', []],
    ['/grub2/user.cfg', 'absent', []],
    ['/grub2/other.cfg', 'nobody looked for it', ['/grub2/other.cfg']],
    ['/other', 'nobody looked for it', ['/other']],
    ['/other/', 'nobody looked for it', ['/other']],
    ['/a/b', 'nobody looked for it', []],
    ['/x/grub2/other.cfg', 'nobody looked for it', []],
    ['/grub2/a/b', 'nobody looked for it', []],
    ['/grub2/.x', 'nobody looked for it', []],
    ['/', 'nobody looked for it', []],
    [`/${'a'.repeat(100)}`, 'nobody looked for it', [`/${'a'.repeat(100)}`]],
    [`/${'a'.repeat(101)}`, 'nobody looked for it', []],
    ['(hd1)/grub2/custom.cfg', 'it lies elsewhere', []],
    [`(${searchedDevice('cd')})/aem`, 'it lies elsewhere', []],
    ['grub2/custom.cfg', 'it is no path', []],
    ['x(hd0)/aem', 'it is no path', []],
    ['(hd0', 'it is no path', []],
    ['', 'it is no path', []],
  ])('%j', (name, state, wanted) => {
    expect(find(name)).toEqual([state, wanted])
  })

  it('that is not named is the root', () => {
    expect(find('/aem', 'hd1')[0]).toBe('it lies elsewhere')
    expect(find('/aem', null)[0]).toBe('it lies elsewhere')
    expect(find(`(${BOOT_DEVICE})/aem`, 'hd1')[0]).toBe('directory')
  })
})
