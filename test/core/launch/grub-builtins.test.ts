/* Long: one table for each command of GRUB. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
import { describe, expect, it } from 'vitest'
import { MAX_SOURCED_LENGTH } from '../../../src/core/launch/grub-builtins.ts'
import { searchedDevice } from '../../../src/core/launch/grub-device.ts'
import { BOOT_DEVICE } from '../../../src/core/launch/grub-state.ts'
import { QUBES_GRUB, writeGrubEnvironment } from '../../support/grub/qubes-grub-writer.ts'
import { type DeviceFacts, runScript } from './grub-world.ts'

/* The commands that change what later ones do: GRUB 2.06, grub-core/kern/corecmd.c, commands/{loadenv,search,search_wrap,configfile}.c. */

const UUID = QUBES_GRUB.uuid
/** `$x` is a device that only GRUB knows, so its value is not known here. */
const UNKNOWN = 'search --set=x --label boot\n'
const variableAfter = (script: string, name = 'v', facts: DeviceFacts = {}) =>
  runScript(script, facts).variables.get(name)
const problemsOf = (script: string, facts: DeviceFacts = {}) => runScript(script, facts).problems
/** Whether the script is true, false or neither known. */
const truthOf = (script: string, facts: DeviceFacts = {}) => runScript(script, facts).value

describe('true and false', () => {
  it('are what they say', () => {
    expect([truthOf('true'), truthOf('false')]).toEqual([true, false])
  })
})

describe('set', () => {
  it.each([
    ['set v=a', 'a'],
    ['set v=', ''],
    ['set v=a=b', 'a=b'],
    ['set v=a w=b', 'a'],
    ['set v="a b"', 'a b'],
  ])('%s gives a value', (script, value) => {
    const state = runScript(script)
    expect([state.value, state.variables.get('v'), state.problems]).toEqual([true, value, []])
  })

  it('takes the first argument alone', () => {
    expect(variableAfter('set v=a w=b', 'w')).toBeUndefined()
  })

  it.each(['set', 'set v', 'set v w=b'])('%s sets nothing', (script) => {
    const state = runScript(`v=old\n${script}`)
    expect(state.value).not.toBe(true)
    expect([state.variables.get('v'), state.variables.get('w'), state.problems]).toEqual([
      'old',
      undefined,
      [],
    ])
  })

  it('of a value that is not known makes it not known', () => {
    expect(variableAfter(`${UNKNOWN}set v=a$x`)).toBeNull()
    expect(variableAfter(`${UNKNOWN}v=a$x`)).toBeNull()
  })

  it('of a name that is not known is a problem', () => {
    expect(problemsOf(`${UNKNOWN}set $x`)).toEqual(['set of a variable whose name is not known'])
  })
})

describe('unset', () => {
  it('empties the first variable', () => {
    const state = runScript('set v=a\nset w=b\nunset v w')
    expect([state.value, state.variables.get('v'), state.variables.get('w')]).toEqual([true, '', 'b'])
    expect(variableAfter(`${UNKNOWN}unset x`, 'x')).toBe('')
  })

  it('of nothing changes nothing', () => {
    const before = runScript('true')
    const state = runScript('unset')
    expect(state.value).not.toBe(false)
    expect([...state.variables]).toEqual([...before.variables])
  })

  it('of a name that is not known is a problem', () => {
    expect(problemsOf(`${UNKNOWN}unset $x`)).toEqual(['unset of a variable whose name is not known'])
    expect(truthOf(`${UNKNOWN}unset $x`)).toBeNull()
  })
})

describe('export', () => {
  it('gives every name to submenus too', () => {
    const state = runScript('export v w')
    expect([state.value, state.exported.has('v'), state.exported.has('w')]).toEqual([true, true, true])
    expect(state.problems).toEqual([])
    expect(runScript('true').exported.has('v')).toBe(false)
  })

  it('of a name that is not known is a problem', () => {
    const state = runScript(`${UNKNOWN}export $x`)
    expect([state.value, state.problems]).toEqual([null, ['export of a variable whose name is not known']])
  })
})

describe('insmod', () => {
  it.each(['part_gpt', 'gfxterm', 'all_video', 'relocator', 'multiboot2', 'A-1'])(
    '%s is a module of GRUB, which may be missing',
    (name) => {
      const state = runScript(`insmod ${name}`)
      expect([state.value, [...state.insmods], state.problems]).toEqual([null, [name], []])
    },
  )

  it.each(['/evil.mod', '(hd1)/evil.mod', 'evil.mod', './evil', 'evil/', "''"])(
    '%s could be any program',
    (name) => {
      expect(problemsOf(`insmod ${name}`)).toEqual(['insmod loads a file that is no module of GRUB'])
      expect(problemsOf(`insmod ext2 ${name}`)).toHaveLength(1)
    },
  )

  it('of a value that is not known could load any program', () => {
    expect(problemsOf(`${UNKNOWN}insmod ext2$x`)).toEqual(['insmod loads a file that is no module of GRUB'])
  })
})

describe('increment and decrement', () => {
  it.each([
    ['0', '1', '-1'],
    ['1', '2', '0'],
    ['-1', '0', '-2'],
    ['9', '10', '8'],
    ['999999999', '1000000000', '999999998'],
  ])('of %s', (before, up, down) => {
    const counted = (command: string) => runScript(`set v=${before}\n${command} v`)
    expect(counted('increment').variables.get('v')).toBe(up)
    expect(counted('decrement').variables.get('v')).toBe(down)
    expect(counted('decrement').value).toBe(true)
  })

  it.each(['01', '0x1', '1a', 'a1', ' 1', '+1', '--1', '1234567890'])('of %j is not followed', (before) => {
    const state = runScript(`set v="${before}"\nincrement v`)
    expect([state.value, state.variables.get('v')]).toEqual([true, null])
  })

  it('of a value that is not known gives none', () => {
    expect(variableAfter(`${UNKNOWN}increment x`, 'x')).toBeNull()
  })

  it.each(['decrement v', 'set v=\ndecrement v'])('of no value changes nothing: %j', (script) => {
    const state = runScript(script)
    expect(state.value).toBeNull()
    expect(state.variables.get('v') ?? '').toBe('')
  })

  it.each(['decrement', 'decrement v w'])('with other than one name fails: %s', (command) => {
    const state = runScript(`set v=1\nset w=1\n${command}`)
    expect([state.value, state.variables.get('v'), state.variables.get('w')]).toEqual([null, '1', '1'])
  })
})

describe('load_env', () => {
  const ENVIRONMENT = writeGrubEnvironment({ saved_entry: 'AEM', boot_success: '1' })
  const loaded = (script: string, facts: DeviceFacts = { grubenv: ENVIRONMENT }) => {
    const state = runScript(script, facts)
    return [state.value, state.variables.get('saved_entry'), state.variables.get('boot_success')]
  }

  it('sets what grubenv holds', () => {
    expect(loaded('load_env')).toEqual([true, 'AEM', '1'])
  })

  it('sets the names that it is given, and no other', () => {
    expect(loaded('load_env boot_success')).toEqual([true, undefined, '1'])
    expect(loaded('load_env other')).toEqual([true, undefined, undefined])
    expect(loaded('load_env boot-success')).toEqual([true, undefined, undefined])
  })

  it.each(['-f', '--file'])('takes another file after %s', (option) => {
    const facts = { grubenv: 'absent', custom: ENVIRONMENT }
    expect(loaded(`load_env ${option} $prefix/custom.cfg`, facts)).toEqual([true, 'AEM', '1'])
    expect(loaded(`load_env ${option} $prefix/custom.cfg saved_entry`, facts)).toEqual([
      true,
      'AEM',
      undefined,
    ])
  })

  it.each([
    ['no file', 'absent'],
    ['no environment block', 'saved_entry=AEM\n'],
  ])('is false where there is %s', (_, grubenv) => {
    expect(loaded('load_env', { grubenv })).toEqual([false, undefined, undefined])
    expect(problemsOf('load_env', { grubenv })).toEqual([])
  })

  it.each([
    ['load_env -s', 'load_env is written as no script writes it'],
    ['load_env --skip-sig saved_entry', 'load_env is written as no script writes it'],
    [`${UNKNOWN}load_env saved_entry$x`, 'load_env is written as no script writes it'],
    ['load_env -f', ' may set any variable of GRUB and is not known: it is no path'],
    ['load_env -f /evil\u00e4', 'evil? may set any variable of GRUB and is not known: nobody looked for it'],
    ['load_env -f (hd1)/grubenv', 'grubenv may set any variable of GRUB and is not known: it lies elsewhere'],
  ])('%j is a problem', (script, problem) => {
    const state = runScript(script, { grubenv: ENVIRONMENT })
    expect([state.value, state.problems, state.variables.get('saved_entry')]).toEqual([
      null,
      [problem],
      undefined,
    ])
  })

  it('that cannot be read is a problem', () => {
    expect(problemsOf('load_env', { grubenv: 'unreadable' })[0]).toContain('input/output error')
  })
})

describe('search', () => {
  const FOUND = searchedDevice(UUID)
  const searched = (options: string, name = 'root') => {
    const state = runScript(`set root=hd9\nset dev=hd8\nsearch ${options}`)
    return [state.value, state.variables.get(name), state.problems.length]
  }

  it.each([
    [`--no-floppy --fs-uuid --set=root ${UUID}`, 'root'],
    [
      `--no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 --hint-efi=hd0,msdos1 --hint-baremetal=ahci0,msdos1 --hint='hd0,msdos1'  ${UUID}`,
      'root',
    ],
    [`--fs-uuid --hint-bios=--set=dev --set=root ${UUID}`, 'root'],
    [`--fs-uuid --set=dev ${UUID}`, 'dev'],
    [`--fs-uuid --set=esp_dev ${UUID}`, 'esp_dev'],
  ])('%s finds the device of that file system', (options, name) => {
    expect(searched(options, name)).toEqual([null, FOUND, 0])
  })

  it('sets the variable that it is told, and no other', () => {
    expect(searched(`--fs-uuid --set=dev ${UUID}`, 'root')).toEqual([null, 'hd9', 0])
  })

  it('without --set sets nothing', () => {
    expect(searched(`--fs-uuid ${UUID}`)).toEqual([null, 'hd9', 0])
  })

  it.each([
    ['--no-floppy --label --set=root boot'],
    ['--file --set=root /aem'],
    [`--root-dev-only --fs-uuid --set=root ${UUID}`],
    ['--fs-uuid --set=root not-a-uuid'],
    ['--fs-uuid --set=root abcdx'],
    ['--fs-uuid --set=root xabcd'],
    [`--fs-uuid --set=root ${UUID}$cmdpath`],
  ])('%s finds a device that cannot be told', (options) => {
    expect(searched(options)).toEqual([null, null, 0])
  })

  it.each([
    [`-u -s root ${UUID}`],
    // GRUB asks for the label first, takes the last --set, and a value may stand behind a blank.
    [`--label --fs-uuid --set=root ${UUID}`],
    ['--label --set=evil'],
    [`--fs-uuid --set=dev --set=root ${UUID}`],
    [`--fs-uuid --set ${UUID}`],
    [`--fs-uuid --set dev ${UUID}`],
    [`--fs-uuid --set=root --hint hd1 ${UUID}`],
    [`--set=root ${UUID}`],
    ['--fs-uuid --set=root'],
    [`--fs-uuid --set=root ${UUID} hd0`],
    [`--fs-uuid --set=root --hint-uboot=hd1 ${UUID}`],
    [`--fs-uuid --set=root --evil ${UUID}`],
    [`--evil --fs-uuid --set=root ${UUID}`],
    [`--fs-uuid --set=root --labels ${UUID}`],
    [`--fs-uuid --set=root x--label=evil -x--label ${UUID}`],
    [`--fs-uuid --set=r00t ${UUID}`],
    [`--fs-uuid --set= ${UUID}`],
    [`--fs-uuid --setx=root ${UUID}`],
    [`--fs-uuid=x --set=root ${UUID}`],
  ])('%s is written as no script writes it', (options) => {
    expect(searched(options)).toEqual([null, 'hd9', 1])
  })
})

describe('search.fs_uuid, search.fs_label and search.file', () => {
  const searched = (line: string, name = 'root') => {
    const state = runScript(`set root=hd9\n${line}`)
    return [state.value, state.variables.get(name), state.problems]
  }

  it('set the variable behind what they search for', () => {
    expect(searched(`search.fs_uuid ${UUID} root hd0,gpt2`)).toEqual([null, searchedDevice(UUID), []])
    expect(searched(`search.fs_uuid ${UUID} dev`, 'dev')).toEqual([null, searchedDevice(UUID), []])
    expect(searched(`search.fs_uuid ${UUID} dev`)).toEqual([null, 'hd9', []])
  })

  it.each([`search.fs_uuid ${UUID}`, 'search.fs_label boot', 'search.file /aem'])(
    '%s only prints',
    (line) => {
      expect(searched(line)).toEqual([null, 'hd9', []])
    },
  )

  it.each(['search.fs_label boot root', 'search.file /aem root'])(
    '%s finds a device that cannot be told',
    (line) => {
      expect(searched(line)).toEqual([null, null, []])
    },
  )

  it.each(['search.fs_uuid', 'search.fs_label', 'search.file'])(
    '%s for what is not known is a problem',
    (name) => {
      expect(searched(`${name} $cmdpath root`)).toEqual([null, 'hd9', ['search for what is not known']])
    },
  )
})

describe('source', () => {
  it.each(['source', '.'])('%s runs the commands of a file as if they stood here', (name) => {
    const state = runScript(`${name} $prefix/custom.cfg`, { custom: "set v=a\nmenuentry 'x' { true }\n" })
    expect([state.value, state.variables.get('v'), state.problems]).toEqual([true, 'a', []])
    expect(state.menu).toMatchObject([{ title: 'x', file: 'custom.cfg' }])
    expect([state.file, state.sources]).toEqual(['grub.cfg', 0])
  })

  it('is true whatever the file says, also where there is none', () => {
    expect(truthOf('source $prefix/custom.cfg', { custom: 'false\n' })).toBe(true)
    expect(truthOf('source $prefix/custom.cfg')).toBe(true)
    expect(truthOf('source /aem')).toBe(true)
    expect(problemsOf('source $prefix/custom.cfg')).toEqual([])
  })

  it.each([
    ['source', 'source reads from elsewhere'],
    ['source $prefix/custom.cfg x', 'source reads from elsewhere'],
    ['source $prefix/custom.cfg$cmdpath', 'source reads from elsewhere'],
    ['source custom.cfg', 'custom.cfg is read by grub.cfg, and it is no path'],
    ['source (hd1)/a/custom.cfg', 'custom.cfg is read by grub.cfg, and it lies elsewhere'],
    ['source $prefix/evil.cfg', 'evil.cfg is read by grub.cfg, and nobody looked for it'],
  ])('%s cannot be followed', (script, problem) => {
    const state = runScript(script, { custom: 'set v=a\n' })
    expect([state.value, state.problems, state.variables.has('v')]).toEqual([null, [problem], false])
  })

  it('in an entry is none of what AEM writes there', () => {
    const facts = { custom: 'set v=a\n' }
    expect(runScript('source $prefix/custom.cfg', facts, 'entry').foreign).toEqual(['source'])
    expect(runScript('source $prefix/custom.cfg', facts).foreign).toEqual([])
  })

  it('takes a file of the longest length, and none that is longer', () => {
    const ofLength = (length: number) => `set v=a\n`.padEnd(length, '#')
    const at = (length: number) => runScript('source $prefix/custom.cfg', { custom: ofLength(length) })
    expect([at(MAX_SOURCED_LENGTH).problems, at(MAX_SOURCED_LENGTH).variables.get('v')]).toEqual([[], 'a'])
    const longer = at(MAX_SOURCED_LENGTH + 1)
    expect(longer.problems[0]).toMatch(/^custom\.cfg is longer/)
    expect([longer.value, longer.variables.has('v')]).toEqual([null, false])
  })

  it('follows files within files eight deep', () => {
    // Each reads the next one as long as the counter says so.
    const custom = 'decrement n\nif [ $n -gt 0 ]; then\nsource $prefix/custom.cfg\nfi\n'
    const nested = (depth: number) => runScript(`set n=${depth}\nsource $prefix/custom.cfg`, { custom })
    expect(nested(8).problems).toEqual([])
    expect(nested(9).problems).toEqual([
      expect.stringMatching(/^custom\.cfg is longer, or read within more files/),
    ])
    expect(nested(9).sources).toBe(0)
  })

  it('of a file that GRUB cannot read is a problem that names the file, and grub.cfg runs on', () => {
    const state = runScript('source $prefix/custom.cfg\nset w=b', { custom: "set v='a\n" })
    expect(state.problems).toEqual([expect.stringMatching(/^custom\.cfg line 1: /)])
    expect([state.file, state.sources, state.variables.get('w')]).toEqual(['grub.cfg', 0, 'b'])
  })
})

describe('a command that reads what lies elsewhere', () => {
  it.each([
    ...['configfile', 'normal', 'blscfg', 'blsuki', 'legacy_configfile', 'legacy_source', 'eval'],
    ...[
      'syslinux_source',
      'syslinux_configfile',
      'extract_entries_source',
      'extract_entries_configfile',
      'efi-load-env',
    ],
  ])('%s', (name) => {
    const state = runScript(`${name} $prefix/custom.cfg`, { custom: 'true\n' })
    expect([state.value, state.problems]).toEqual([null, [`${name} reads from elsewhere`]])
  })
})

it('the device of grub.cfg is the root until something else is said', () => {
  expect(variableAfter('true', 'root')).toBe(BOOT_DEVICE)
})
