import { describe, expect, it } from 'vitest'
import { findConfigObstacle, sortDropIns } from '../../../src/core/initramfs/dracut-config.ts'
import { describeTrailing, findPacking, hasBootConfig } from '../../../src/core/initramfs/packing.ts'
import { isHint } from '../../../src/core/initramfs/read-image.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

describe('how an archive is packed', () => {
  it.each([
    ['1f8b08000000', 'gzip'],
    ['fd377a585a00', 'xz'],
    ['28b52ffd0458', 'zstd'],
    ['02214c180000', 'lz4'],
    ['303730373031', 'none'],
    ['1f8b', 'gzip'],
    ['1f', null],
    ['', null],
    ['303730373032', null],
    ['fd377a585a01', null],
    ['00001f8b0800', null],
  ])('is told by its first bytes: %s %s', (head, packing) => {
    expect(findPacking(hex(head))).toBe(packing)
  })

  it.each([
    ['00', 'zeros behind the packed archive'],
    ['00001f8b', 'a second archive (gzip) behind the packed one'],
    ['28b52ffd', 'a second archive (zstd) behind the packed one'],
    ['303730373031', 'a second, plain archive behind the packed one'],
    ['0078', 'other bytes behind the packed archive'],
  ])('%s behind it is said', (trailing, words) => {
    expect(describeTrailing(hex(trailing))).toBe(words)
  })

  it('a boot configuration ends a file', () => {
    expect(hasBootConfig(Buffer.from('x#BOOTCONFIG\n'))).toBe(true)
    for (const text of ['', '#BOOTCONFIG', '#BOOTCONFIG\nx', '#bootconfig\n'])
      expect(hasBootConfig(Buffer.from(text)), text).toBe(false)
  })
})

it.each([
  ['usr/lib/dracut/build-parameter.txt', true],
  ['lib/dracut/build-parameter.txt', true],
  ['usr/lib/initrd-release', true],
  ['lib/initrd-release', true],
  ['etc/lib/initrd-release', false],
  ['usr/lib/initrd-release.d', false],
  ['usr/lib/dracut/build-parameterXtxt', false],
  ['etc/initrd-release', false],
])('dracut says something of the image in %s: %s', (name, expected) => {
  expect(isHint(name)).toBe(expected)
})

describe("dracut's configuration", () => {
  const obstacle = (text: string, more = 'reproducible="yes"\n') =>
    findConfigObstacle([
      { path: '/first', text: more },
      { path: '/second', text },
    ])

  it.each([
    'add_dracutmodules+=" lvm squash "',
    'force_add_dracutmodules+=" squash"',
    'dracutmodules="squash lvm"',
    '\tadd_dracutmodules+=squash\nmore="x"',
  ])('adds squash by %j', (text) => {
    expect(obstacle(text)).toMatch(/^\/second adds the module squash/)
  })

  it.each([
    '# add_dracutmodules+=" squash "',
    'omit_dracutmodules+=" squash "',
    'add_dracutmodules+=" squashed "',
    'add_dracutmodules+=" lvm "\n# squash',
    '',
  ])('does not by %j', (text) => {
    expect(obstacle(text)).toBeNull()
  })

  it('is what stands last', () => {
    expect(obstacle('reproducible=no\n')).toMatch(/^\/second has reproducible="no"/)
    expect(obstacle("reproducible='yes'\n", 'reproducible=no\n')).toBeNull()
    expect(obstacle('uefi="yes"\n')).toMatch(/^\/second has uefi="yes"/)
    expect(obstacle('uefi=no\n', 'uefi=yes\nreproducible=yes\n')).toBeNull()
    expect(obstacle('x', 'y')).toMatch(/^reproducible="yes" is in no file/)
    expect(findConfigObstacle([])).toBeNull()
  })

  it('is read from files that end in .conf, by name, of /etc before /usr', () => {
    const found = sortDropIns(
      ['10-b.conf', '02-a.conf', 'z.conf.rpmnew', 'README'],
      ['10-b.conf', '9-c.conf', 'x.conf~', 'conf'],
    )
    expect(found).toEqual([
      '/etc/dracut.conf.d/02-a.conf',
      '/usr/lib/dracut/dracut.conf.d/9-c.conf',
      '/etc/dracut.conf.d/10-b.conf',
    ])
  })
})
