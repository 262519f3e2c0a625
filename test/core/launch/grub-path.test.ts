import { describe, expect, it } from 'vitest'
import { searchedDevice } from '../../../src/core/launch/grub-device.ts'
import { readGrubPath } from '../../../src/core/launch/grub-path.ts'
import { BOOT_DEVICE } from '../../../src/core/launch/grub-state.ts'
import { deviceWith } from './grub-world.ts'

/* GRUB 2.06, grub-core/kern/file.c, grub_file_open; grub-core/fs/fshelp.c, find_file. */

const read = (name: string | undefined, root: string | null = BOOT_DEVICE, uuid: string | null = 'ab') =>
  readGrubPath({ command: 'module', args: [], unknown: [], root }, name, deviceWith({ uuid }))
const problemOf = (...args: Parameters<typeof read>) => {
  const found = read(...args)
  return 'problem' in found ? found.problem : found
}

describe('the file that a line names', () => {
  it.each([
    ['/vmlinuz', '/vmlinuz'],
    ['//a///vmlinuz', '/a/vmlinuz'],
    [`(${BOOT_DEVICE})/vmlinuz`, '/vmlinuz'],
    [`(${searchedDevice('AB')})//vmlinuz`, '/vmlinuz'],
    ['/a b~!(hd1)', '/a b~!(hd1)'],
    ['/..a/...', '/..a/...'],
    ['/efi2/x', '/efi2/x'],
    ['/x/efi', '/x/efi'],
    [`/${'a'.repeat(255)}`, `/${'a'.repeat(255)}`],
    [`/${'a/'.repeat(511)}b`, `/${'a/'.repeat(511)}b`],
  ])('%j', (name, path) => {
    expect(read(name)).toEqual({ path })
  })

  it('is on the root where it names no device', () => {
    expect(read('/x', searchedDevice('Ab'))).toEqual({ path: '/x' })
    expect(read(`(${BOOT_DEVICE})/x`, 'hd1')).toEqual({ path: '/x' })
    expect(read(`(${searchedDevice('ab')})/x`, null)).toEqual({ path: '/x' })
  })

  it('is on the device that GRUB searched for where the UUID of it is not known here', () => {
    expect(read('/x', searchedDevice('cd'), null)).toEqual({ path: '/x' })
    expect(problemOf('/x', 'hd1', null)).toContain('the GRUB device (hd1)')
  })

  it.each([
    [undefined, 'module names no file'],
    ['', 'module names no file'],
    ['/x/../y', 'module loads "/x/../y", which leads through "." or ".."'],
    ['/./y', 'module loads "/./y", which leads through "." or ".."'],
    ['/x/.', 'module loads "/x/.", which leads through "." or ".."'],
    ['x/y', 'module loads "x/y", which does not begin with a slash'],
    ['x(hd1)/y', 'module loads "x(hd1)/y", which does not begin with a slash'],
    [`(${BOOT_DEVICE})`, 'module loads "", which does not begin with a slash'],
    ['/', 'module loads "/", which is a directory'],
    ['/x/', 'module loads "/x/", which is a directory'],
    ['/efi/x', 'module loads "/efi/x", which dom0 cannot see'],
    ['/efi', 'module loads "/efi", which dom0 cannot see'],
    ['/a\u0001', 'module loads "/a?", which holds a control character'],
    ['/a\u007f', 'module loads "/a?", which holds a control character'],
    ['/a\u00e4', 'module loads "/a?", which holds a character that is not printable ASCII'],
    [`/${'a'.repeat(256)}`, `module loads "/${'a'.repeat(79)}...", which is longer than a file name can be`],
    [`/${'a'.repeat(256)}/b`, 'which is longer than a file name can be'],
    [`/${'a/'.repeat(512)}`, 'which is a directory'],
    [`/${'a/'.repeat(511)}bc`, 'which is longer than a file name can be'],
  ])('cannot be told by %j', (name, problem) => {
    expect(problemOf(name)).toContain(problem)
  })

  it.each([
    [
      '(hd1,gpt2)/x',
      BOOT_DEVICE,
      'module loads /x from the GRUB device (hd1,gpt2), and it is not known whether',
    ],
    ['()/x', BOOT_DEVICE, 'module loads /x from the GRUB device (), and'],
    ['/x', 'hd\u00e4', 'module loads /x from the GRUB device (hd?), and'],
    ['/x', '', 'module loads /x from the GRUB device (), and'],
    ['/x', null, 'module loads /x from a GRUB device that is not known, and'],
    [
      '/x',
      searchedDevice('cd'),
      'module loads /x from the file system cd, which is not that of the AEM device',
    ],
    [`(${searchedDevice('cd')})/x`, BOOT_DEVICE, 'the file system cd, which is not that of the AEM device'],
  ])('%j with the root %j may be on another device', (name, root, problem) => {
    expect(problemOf(name, root)).toContain(problem)
  })

  it('is shown whole up to eighty characters', () => {
    expect(problemOf(`(hd1)/${'a'.repeat(79)}`)).toContain(`/${'a'.repeat(79)} from`)
    expect(problemOf(`(hd1)/${'a'.repeat(80)}`)).toContain(`/${'a'.repeat(79)}... from`)
  })
})
