import { describe, expect, it } from 'vitest'
import type { CpioEntry } from '../../../src/core/initramfs/cpio-header.ts'
import { makeTree } from '../../../src/core/initramfs/tree.ts'

/* What the kernel makes of an archive: Linux 6.1, init/initramfs.c. What dracut's holds: GNU cpio 2.13, src/copyout.c. */
const entry = (name: string, mode: number, more: Partial<CpioEntry> = {}): CpioEntry => ({
  name,
  mode,
  uid: 0,
  gid: 0,
  inode: 7,
  linkCount: 1,
  sizeBytes: 0,
  device: '8:1',
  nodeDevice: '1:3',
  sha256: `of ${name}`,
  content: null,
  ...more,
})
const [FILE, DIRECTORY, LINK, CHARACTER, BLOCK, FIFO] = [
  0o100644, 0o40755, 0o120777, 0o20660, 0o60660, 0o10644,
]
const file = (name: string, more: Partial<CpioEntry> = {}) => entry(name, FILE, { sizeBytes: 1, ...more })
const directory = (name: string) => entry(name, DIRECTORY)
const link = (name: string, target: string | null, sizeBytes = target?.length ?? 0) =>
  entry(name, LINK, { sizeBytes, content: target === null ? null : Buffer.from(target, 'latin1') })

function read(...entries: CpioEntry[]) {
  const odd: string[] = []
  const tree = makeTree([directory('.'), ...entries], (form) => odd.push(form))
  return { odd, tree }
}

describe('an entry', () => {
  it('has its kind, its rights, and the device where it is one', () => {
    const { odd, tree } = read(
      file('file', { uid: 1, gid: 2, mode: 0o104755, content: Buffer.from('x') }),
      directory('directory'),
      link('link', 'file'),
      entry('character', CHARACTER),
      entry('block', BLOCK),
    )
    expect(odd).toEqual([])
    expect([...tree].map(([name, { kind, nodeDevice }]) => [name, kind, nodeDevice])).toEqual([
      ['.', 'directory', null],
      ['file', 'file', null],
      ['directory', 'directory', null],
      ['link', 'link', null],
      ['character', 'character', '1:3'],
      ['block', 'block', '1:3'],
    ])
    expect(tree.get('file')).toEqual({
      kind: 'file',
      mode: 0o4755,
      uid: 1,
      gid: 2,
      sha256: 'of file',
      content: Buffer.from('x'),
      nodeDevice: null,
    })
  })

  it.each([
    ['a FIFO', [entry('x', FIFO)], ['"x" of a kind that dracut does not write']],
    ['no kind', [entry('x', 0o644)], ['"x" of a kind that dracut does not write']],
    ['bits beyond its kind', [entry('x', 0o200000 | FILE)], ['"x" of a kind that dracut does not write']],
    ['all bits of kind and rights', [entry('x', 0o177777)], ['"x" of a kind that dracut does not write']],
    ['data in a directory', [entry('x', DIRECTORY, { sizeBytes: 1 })], ['data on "x", which is a directory']],
    ['data in a device', [entry('x', BLOCK, { sizeBytes: 1 })], ['data on "x", which is a device node']],
    ['a target of nothing', [link('x', '')], ['"x", a link with an odd target']],
    ['a target with a zero', [link('x', 'a\0b')], ['"x", a link with an odd target']],
    ['a target of 4096 bytes', [link('x', null, 4096)], ['"x", a link with an odd target']],
    ['an absolute name', [file('/x')], ['an absolute name, "/x"', '"/x" without its directory before it']],
    [
      'a name that goes up',
      [file('../x')],
      ['a name with .. in it, "../x"', '"../x" without its directory before it'],
    ],
    ['a name that ends upwards', [directory('a'), file('a/..')], ['a name with .. in it, "a/.."']],
    [
      'an empty part',
      [directory('a'), directory('a/'), file('a//x')],
      ['a name with an empty part or . in it, "a/"', 'a name with an empty part or . in it, "a//x"'],
    ],
    ['a dot as a part', [directory('a'), file('a/.')], ['a name with an empty part or . in it, "a/."']],
    ['a dot before it', [file('./x')], ['a name with an empty part or . in it, "./x"']],
    ['no name', [file('')], ['a name with an empty part or . in it, ""']],
    ['a name that was there', [file('x'), file('x')], ['"x" twice']],
    ['no directory', [file('a/x')], ['"a/x" without its directory before it']],
    ['its directory behind it', [file('a/x'), directory('a')], ['"a/x" without its directory before it']],
    ['no directory of its own', [directory('a'), file('a/b/x')], ['"a/b/x" without its directory before it']],
    ['a link for its directory', [link('a', 'b'), file('a/x')], ['"a/x" through a link']],
    ['a file for its directory', [file('a'), file('a/x')], ['"a/x" below what is no directory']],
  ])('with %s is odd', (_, entries, odd) => {
    expect(read(...entries).odd).toEqual(odd)
  })

  it.each([
    ['a name with dots in it', [file('..x'), file('a..b'), file('...')]],
    ['directories below one another', [directory('a'), directory('a/b'), file('a/b/x')]],
    ['a target of 4095 bytes', [link('x', null, 4095)]],
    ['a target of one byte', [link('x', 'a')]],
    ['no data in a file', [file('x', { sizeBytes: 0 })]],
  ])('with %s is none', (_, entries) => {
    expect(read(...entries).odd).toEqual([])
  })

  it('is odd where the first directory is missing', () => {
    const odd: string[] = []
    makeTree([file('x')], (form) => odd.push(form))
    expect(odd).toEqual(['"x" without its directory before it'])
  })
})

describe('a hard link', () => {
  const name = (text: string, more: Partial<CpioEntry> = {}) =>
    file(text, { linkCount: 2, sizeBytes: 0, sha256: 'of nothing', ...more })
  const last = (text: string, more: Partial<CpioEntry> = {}) =>
    name(text, { sizeBytes: 4, sha256: 'of the body', content: Buffer.from('body'), ...more })

  it('has the body of its last name under all of them', () => {
    const { odd, tree } = read(name('a'), file('between'), last('b'))
    expect(odd).toEqual([])
    for (const path of ['a', 'b']) {
      expect(tree.get(path)?.sha256).toBe('of the body')
      expect(tree.get(path)?.content?.toString()).toBe('body')
    }
    expect(tree.get('between')?.sha256).toBe('of between')
  })

  it.each([
    ['another inode', { inode: 8 }],
    ['another device', { device: '8:2' }],
  ])('is another one with %s', (_, more) => {
    const { odd, tree } = read(
      name('a'),
      last('b'),
      name('c', more),
      last('d', { ...more, sha256: 'of the other' }),
    )
    expect(odd).toEqual([])
    expect(['a', 'b', 'c', 'd'].map((path) => tree.get(path)?.sha256)).toEqual([
      'of the body',
      'of the body',
      'of the other',
      'of the other',
    ])
  })

  it('is none of a directory, whatever its count', () => {
    const { odd } = read(entry('a', DIRECTORY, { linkCount: 2 }), entry('b', DIRECTORY, { linkCount: 3 }))
    expect(odd).toEqual([])
  })

  it.each([
    [
      'its body at the first name',
      [last('a'), name('b')],
      'hard link "b" with a body at another than its last name',
    ],
    [
      'a body at both names',
      [last('a'), last('b')],
      'hard link "b" with a body at another than its last name',
    ],
    ['a name missing', [last('a')], 'hard link "a" with 1 of 2 names'],
    ['a name too many', [name('a'), name('b'), last('c')], 'hard link "c" with 3 of 2 names'],
    [
      'other permissions',
      [name('a', { mode: 0o100755 }), last('b')],
      'hard link "a" with other rights than "b"',
    ],
    ['another owner', [name('a', { uid: 1 }), last('b')], 'hard link "a" with other rights than "b"'],
    ['another group', [name('a', { gid: 1 }), last('b')], 'hard link "a" with other rights than "b"'],
  ])('with %s is odd', (_, entries, form) => {
    expect(read(...entries).odd).toEqual([form])
  })

  it('may have no body at all', () => {
    expect(read(name('a'), name('b')).odd).toEqual([])
  })
})
