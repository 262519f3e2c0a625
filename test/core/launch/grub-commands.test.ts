import { describe, expect, it } from 'vitest'
import { FUNCTIONS, isHarmless, LOADERS, READERS } from '../../../src/core/launch/grub-commands.ts'

describe('the commands of GRUB that the program knows', () => {
  it.each([
    ...[
      'multiboot',
      'multiboot2',
      'module',
      'module2',
      'slaunch',
      'slaunch_module',
      'slaunch_state',
      'skl_module',
    ],
    ...['linux', 'linux16', 'linuxefi', 'initrd', 'initrd16', 'initrdefi', 'chainloader', 'xen_hypervisor'],
    ...['xen_module', 'devicetree', 'kfreebsd', 'knetbsd', 'kopenbsd', 'ntldr', 'freedos', 'pxechain'],
  ])('%s loads', (name) => {
    expect([LOADERS.has(name), READERS.has(name), isHarmless(name, 'file')]).toEqual([true, false, false])
  })

  it.each([
    ...[
      'configfile',
      'normal',
      'blscfg',
      'blsuki',
      'legacy_configfile',
      'legacy_source',
      'eval',
      'syslinux_source',
    ],
    ...['syslinux_configfile', 'extract_entries_source', 'extract_entries_configfile', 'efi-load-env'],
  ])('%s reads', (name) => {
    expect([LOADERS.has(name), READERS.has(name), isHarmless(name, 'file')]).toEqual([false, true, false])
  })

  it.each(['echo', 'insmod', 'save_env', 'export', 'unset'])('%s may stand anywhere', (name) => {
    expect([isHarmless(name, 'file'), isHarmless(name, 'item')]).toEqual([true, true])
  })

  it.each([
    ...[
      'terminal_output',
      'terminal_input',
      'loadfont',
      'serial',
      'background_image',
      'background_color',
      'play',
    ],
    ...['password', 'password_pbkdf2', 'sleep', 'cmostest', 'cmosclean', 'clear', 'keystatus', 'videoinfo'],
  ])('%s may stand at the top of the file', (name) => {
    expect([isHarmless(name, 'file'), isHarmless(name, 'item')]).toEqual([true, false])
  })

  it.each([
    'acpi',
    'boot',
    'halt',
    'reboot',
    'exit',
    'write_dword',
    'cutmem',
    'badram',
    'cryptomount',
    'loopback',
  ])('%s may stand nowhere', (name) => {
    expect([LOADERS, READERS, FUNCTIONS].some((kind) => kind.has(name))).toBe(false)
    expect([isHarmless(name, 'file'), isHarmless(name, 'item')]).toEqual([false, false])
  })

  it('has the functions that scripts define', () => {
    expect([...FUNCTIONS].sort()).toEqual(['gfxmode', 'load_video', 'recordfail', 'savedefault'])
  })
})
