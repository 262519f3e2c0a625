import {
  archive,
  directory,
  early,
  earlyEntries,
  entry,
  genuineEntries,
  imageWith,
  pack,
  withBootConfig,
  withExtraField,
} from './image-writer.ts'

const main = (): Buffer => pack(archive(...genuineEntries()))
const genuine = (): Buffer => Buffer.concat([early(), main()])
const evil = (name = 'usr/bin/bash', options = {}): Buffer => entry(name, 'EVIL', options)
/** The genuine entries with one replaced by others. */
const instead = (at: number, ...entries: readonly Buffer[]): Buffer =>
  Buffer.concat([early(), pack(archive(...genuineEntries().toSpliced(at, 1, ...entries)))])
const BASH = 7

/**
 * Every odd form, with what is said of it. The letter is that of the image tried with a kernel (Linux 6.1): those marked
 * EVIL brought a file of the attacker in, or kept one back, where zlib and `gzip -dc` show the genuine archive alone.
 */
export const DAMAGES: readonly {
  readonly name: string
  readonly image: () => Buffer
  readonly form: RegExp
}[] = [
  {
    name: 'b, EVIL: a second gzip member',
    image: () => Buffer.concat([genuine(), pack(archive(evil()))]),
    form: /^a second archive \(gzip\) behind the packed one$/,
  },
  {
    name: 'c, EVIL: a plain archive behind',
    image: () => Buffer.concat([genuine(), Buffer.alloc((4 - (genuine().length % 4)) % 4), archive(evil())]),
    form: /^a second, plain archive behind the packed one$/,
  },
  {
    name: 'd, EVIL: a second archive in the stream',
    image: () =>
      Buffer.concat([early(), pack(Buffer.concat([archive(...genuineEntries()), archive(evil())]))]),
    form: /^a second archive in the packed one$/,
  },
  {
    name: 'e, EVIL: a file in the early archive',
    image: () => Buffer.concat([archive(...earlyEntries(), directory('early'), evil('early/added')), main()]),
    form: /^"early" in the early archive/,
  },
  {
    name: 'two early archives',
    image: () => Buffer.concat([early(), archive(directory('.'), directory('usr')), main()]),
    form: /^a second archive before the main one$/,
  },
  { name: 'f, EVIL: a name twice', image: () => imageWith(evil()), form: /^"usr\/bin\/bash" twice$/ },
  {
    name: 'g, EVIL: ..',
    image: () => imageWith(evil('usr/lib/../bin/bash')),
    form: /^a name with \.\. in it/,
  },
  {
    name: 'a name with . in it',
    image: () => imageWith(evil('usr/./bin/bash')),
    form: /^a name with an empty part or \. in it/,
  },
  {
    name: 'a name with an empty part',
    image: () => imageWith(evil('usr//bin/bash')),
    form: /^a name with an empty part or \. in it/,
  },
  {
    name: 'h, EVIL: an absolute name',
    image: () => imageWith(evil('/usr/bin/bash')),
    form: /^an absolute name/,
  },
  {
    name: 'i, EVIL: through a link',
    image: () => imageWith(evil('bin/bash')),
    form: /^"bin\/bash" through a link$/,
  },
  {
    name: 'below a file',
    image: () => imageWith(evil('usr/bin/bash/x')),
    form: /below what is no directory$/,
  },
  {
    name: 'j, EVIL: a zero byte in a name',
    image: () => imageWith(evil('usr/bin/bash\0hidden')),
    form: /^a name with a zero byte in it/,
  },
  {
    name: 'a name without its zero byte',
    image: () => imageWith(entry('usr/x', 'x', { fields: { 11: 5 } })),
    form: /^a name with a zero byte in it, or without one/,
  },
  {
    name: 'k: other bytes behind',
    image: () => Buffer.concat([genuine(), Buffer.from('garbage!')]),
    form: /^other bytes behind the packed archive$/,
  },
  {
    name: 'l: without its directory',
    image: () => imageWith(evil('nowhere/file')),
    form: /without its directory before it$/,
  },
  {
    name: 'm, EVIL: a hard link with a body of its own',
    image: () =>
      instead(
        BASH,
        entry('usr/bin/bash', 'the shell', { inode: 9, linkCount: 2 }),
        evil('usr/bin/zz', { inode: 9, linkCount: 2 }),
      ),
    form: /^hard link .* with a body at another than its last name$/,
  },
  {
    name: 'a hard link without its other names',
    image: () => imageWith(evil('usr/bin/zz', { inode: 9, linkCount: 2 })),
    form: /with 1 of 2 names$/,
  },
  {
    name: 'a hard link with other rights',
    image: () =>
      imageWith(
        entry('usr/bin/y', '', { inode: 9, linkCount: 2, mode: 0o104755 }),
        entry('usr/bin/z', 'x', { inode: 9, linkCount: 2 }),
      ),
    form: /with other rights than/,
  },
  {
    name: 'n, EVIL: the form with checksums',
    image: () => imageWith(evil('usr/bin/bash', { magic: '070702', fields: { 12: 0x127 } })),
    form: /^an entry of the form with checksums \(070702\)$/,
  },
  {
    name: 'o, EVIL: 0x in a header',
    image: () => imageWith(evil('usr/bin/bash', { fields: { 1: '0x0081a4' } })),
    form: /^a header field that begins with 0x$/,
  },
  {
    name: 'no digits in a header',
    image: () => imageWith(evil('usr/bin/bash', { fields: { 1: '   081a4' } })),
    form: /^a header field that is no hexadecimal number$/,
  },
  {
    name: 'p: a boot configuration',
    image: () => withBootConfig(genuine()),
    form: /^a boot configuration \(bootconfig\) behind it$/,
  },
  {
    name: 'q, EVIL: a gzip header with an extra field',
    image: () => Buffer.concat([early(), withExtraField(main())]),
    form: /^a gzip header with an extra field$/,
  },
  {
    name: 'a gzip header with a name',
    image: () => {
      const packed = main()
      packed[3] = 8
      return Buffer.concat([early(), packed.subarray(0, 10), Buffer.from('x\0'), packed.subarray(10)])
    },
    form: /^a gzip header with a name$/,
  },
  {
    name: 'r: data on a directory',
    image: () => imageWith(entry('usr/x', 'hidden', { mode: 0o40755 })),
    form: /^data on "usr\/x", which is a directory$/,
  },
  {
    name: 'data on a device node',
    image: () => imageWith(entry('usr/x', 'hidden', { mode: 0o20600 })),
    form: /which is a device node$/,
  },
  {
    name: 's: zeros behind',
    image: () => Buffer.concat([genuine(), Buffer.alloc(512)]),
    form: /^zeros behind the packed archive$/,
  },
  {
    name: 'zeros in the stream',
    image: () =>
      Buffer.concat([early(), pack(Buffer.concat([archive(...genuineEntries()), Buffer.alloc(512)]))]),
    form: /^zeros behind the end of the archive$/,
  },
  {
    name: 'zeros between the archives',
    image: () => Buffer.concat([early(), Buffer.alloc(512), main()]),
    form: /^archive 1: zeros behind the archive$/,
  },
  {
    name: 'other bytes in the stream',
    image: () =>
      Buffer.concat([early(), pack(Buffer.concat([archive(...genuineEntries()), Buffer.from('junk')]))]),
    form: /^bytes behind the end of the archive$/,
  },
  {
    name: 'no end mark',
    image: () => Buffer.concat([early(), pack(Buffer.concat(genuineEntries()))]),
    form: /^an archive without its end mark$/,
  },
  {
    name: 'an end mark with data',
    image: () =>
      Buffer.concat([early(), pack(Buffer.concat([...genuineEntries(), entry('TRAILER!!!', 'x')]))]),
    form: /^an end mark that carries data$/,
  },
  {
    name: 'not filled up',
    image: () => Buffer.concat([early(), pack(archive(...genuineEntries()).subarray(0, -1))]),
    form: /^an archive that is not filled up to 512 bytes$/,
  },
  {
    name: 'an early archive not filled up',
    image: () => Buffer.concat([archive(...earlyEntries()).subarray(0, -4), main()]),
    form: /^archive 1: an archive that is not filled up/,
  },
  {
    name: 'filled up with something',
    image: () => imageWith(entry('usr/x', 'x', { filler: 1 })),
    form: /^padding that is not zero$/,
  },
  {
    name: 'a checksum in a form that has none',
    image: () => imageWith(entry('usr/x', 'x', { fields: { 12: 1 } })),
    form: /^a checksum in a form that has none$/,
  },
  {
    name: 'a pipe',
    image: () => imageWith(entry('usr/x', '', { mode: 0o10666 })),
    form: /of a kind that dracut does not write$/,
  },
  {
    name: 'a mode with further bits',
    image: () => imageWith(entry('usr/x', '', { mode: 0o1100644 })),
    form: /of a kind that dracut does not write$/,
  },
  {
    name: 'a link without a target',
    image: () => imageWith(entry('usr/x', '', { mode: 0o120777 })),
    form: /a link with an odd target$/,
  },
  {
    name: 'a link with a zero byte in its target',
    image: () => imageWith(entry('usr/x', 'a\0b', { mode: 0o120777 })),
    form: /a link with an odd target$/,
  },
  {
    name: 'a name of no length',
    image: () => imageWith(entry('usr/x', '', { fields: { 11: 1 } })),
    form: /^a name of 1 bytes$/,
  },
  {
    name: 'a name too long',
    image: () => imageWith(entry('usr/x', '', { fields: { 11: 5000 } })),
    form: /^a name of 5000 bytes$/,
  },
  {
    name: 'cut short',
    image: () => genuine().subarray(0, -40),
    form: /^gzip data that are damaged or cut short$/,
  },
  {
    name: 'cut short in the checksum',
    image: () => genuine().subarray(0, -4),
    form: /^gzip data that are cut short$/,
  },
  {
    name: 'a wrong checksum',
    image: () => {
      const image = genuine()
      image[image.length - 8]! ^= 1
      return image
    },
    form: /^gzip data with a wrong checksum$/,
  },
  {
    name: 'a wrong length',
    image: () => {
      const image = genuine()
      image[image.length - 1]! ^= 1
      return image
    },
    form: /^gzip data with a wrong checksum$/,
  },
  {
    name: 'the early archive alone',
    image: () => archive(...earlyEntries(), evil('x')).subarray(0, 900),
    form: /^archive 1: an archive without its end mark$/,
  },
  {
    name: 'unknown bytes behind the early archive',
    image: () => Buffer.concat([early(), Buffer.from('BZh91AY&SY')]),
    form: /^bytes of no known form behind its first archive$/,
  },
  {
    name: 'no archive',
    image: () => Buffer.from('MZ an EFI program'),
    form: /^no archive at its beginning$/,
  },
  { name: 'nothing', image: () => Buffer.alloc(0), form: /^no bytes$/ },
]
