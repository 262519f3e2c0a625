import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { findLoaderFault, findModuleFault, isNoSlb } from '../../../src/core/launch/launch-module.ts'
import { mleHash, mleHashes } from '../../../src/core/launch/mle-hash.ts'
import { explainTxtError, readTxtErrorCode } from '../../../src/core/launch/txt-error.ts'
import { elfWith } from './elf-writer.ts'
import { entryOf } from './launch-world.ts'
import { MLE_HEADER_BYTES, tbootWith } from './tboot-image.ts'
import { DISK } from './trenchboot-world.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('what slaunch_module loads', () => {
  it.each(['/SKL.BIN', '/skl.bin', '/A_SINIT_B.BIN', '/sinit.bin'])('may be %s', (path) => {
    expect(findModuleFault(path, [])).toBeNull()
    expect(findModuleFault(path, ['x'])).toBe('slaunch_module is given more than a file')
  })

  it.each(['/x/SKL.BIN', 'SKL.BIN', '/SKL.BIN.old', '/SKL.BINX', '/a/SINIT.BIN', '/myskl.bin', ''])(
    'may not be %j',
    (path) => {
      expect(findModuleFault(path, [])).toContain(`slaunch_module loads ${path}`)
    },
  )

  it.each(['/SKL.BIN', '/skl.bin'])('launches an AMD with %s alone', (path) => {
    const entry = (paths: string[]) => ({
      ...entryOf({ ...DISK }),
      flavour: 'trenchboot' as const,
      sinit: paths.map((one) => ({
        role: 'sinit',
        path: one,
        commandLine: '',
        nounzip: false,
        order: 0,
      })) as never,
    })
    const amd = { launch: { cpu: 'amd' } } as never
    expect(findLoaderFault(entry(['/a.bin', path]), amd)).toBeNull()
    for (const other of [`/x${path}`, `${path}x`, '/a.bin'])
      expect(findLoaderFault(entry([other]), amd)).toContain('no slaunch_module of it loads SKL.BIN')
    expect(findLoaderFault(entry([]), { launch: { cpu: 'intel' } } as never)).toBeNull()
  })

  /* TrenchBoot/grub 90ce968a5, grub-core/loader/i386/skinit.c, grub_skinit_is_slb. */
  it.each([
    ['nothing', [], true],
    ['three bytes', [0, 0, 1], true],
    ['four bytes, measured all', [0, 0, 4, 0], false],
    ['more measured than there is', [0, 0, 5, 0], true],
    ['an entry point in what is measured', [3, 0, 4, 0], false],
    ['an entry point behind it', [4, 0, 4, 0], true],
    ['nothing measured', [0, 0, 0, 0], true],
  ])('is no SLB with %s: %j %s', (_, bytes, expected) => {
    expect(isNoSlb(Buffer.from(bytes))).toBe(expected)
  })
})

describe("tboot's MLE hash", () => {
  const memoryOf = (image: Buffer) => Buffer.from(image.subarray(52 + 32))

  it('is made in each bank, with the whole command line or without its first word', () => {
    const image = tbootWith(0, 32)
    const measured = (line: string) => {
      const memory = memoryOf(image)
      memory.fill(0, MLE_HEADER_BYTES)
      memory.write(line, MLE_HEADER_BYTES)
      return memory
    }
    const both = (line: string) => ({
      sha1: createHash('sha1').update(measured(line)).digest('hex'),
      sha256: sha256(measured(line)),
    })
    expect(mleHashes(image, 'placeholder logging=x', ['sha1', 'sha256'])).toEqual({
      whole: both('placeholder logging=x'),
      'first-word-stripped': both('logging=x'),
    })
  })

  it('has nothing left of what stood in the place of the command line', () => {
    const image = tbootWith(0, 16)
    image.write('an old long one', image.length - 16)
    const wanted = memoryOf(tbootWith(0, 16))
    wanted.write('new', MLE_HEADER_BYTES)
    expect(mleHash(image, 'new', 'sha256')).toBe(sha256(wanted))
  })

  it('has no command line where there is no place for it', () => {
    const image = tbootWith(0, 0)
    expect(mleHash(image, 'a command line', 'sha256')).toBe(sha256(memoryOf(image)))
  })

  it('is refused where that place lies outside', () => {
    const image = tbootWith(0, 16)
    image.writeUInt32LE(MLE_HEADER_BYTES + 17, 52 + 32 + 48)
    expect(() => mleHash(image, '', 'sha256')).toThrow('a command line outside the image')
  })

  it('is of all segments in a row, with the zeros that memory has', () => {
    const memory = memoryOf(tbootWith(0, 0))
    const total = 32 + memory.length + 12 + 5
    memory.writeUInt32LE(total, 36)
    const file = elfWith([
      { address: 0, bytes: Buffer.alloc(20, 7), memoryBytes: 32 },
      { address: 0, bytes: memory, memoryBytes: memory.length + 12 },
      { address: 0, bytes: Buffer.from('words') },
    ])
    const whole = Buffer.concat([
      Buffer.alloc(20, 7),
      Buffer.alloc(12),
      memory,
      Buffer.alloc(12),
      Buffer.from('words'),
    ])
    expect(mleHash(file, '', 'sha256')).toBe(sha256(whole))
  })

  it.each([
    [
      'more than 64 MiB',
      [{ address: 0, bytes: Buffer.alloc(8), memoryBytes: 2 ** 26 + 1 }],
      'an impossible size',
    ],
    [
      'more than 64 MiB in all',
      [2 ** 25, 2 ** 25 + 1].map((memoryBytes) => ({ address: 0, bytes: Buffer.alloc(8), memoryBytes })),
      'an impossible size',
    ],
    [
      'a header cut short',
      [{ address: 0, bytes: memoryOf(tbootWith(0, 0)).subarray(0, -1) }],
      'it has no MLE header',
    ],
    ['no header', [{ address: 0, bytes: Buffer.alloc(100) }], 'it has no MLE header'],
  ])('is refused with %s', (_, segments, words) => {
    expect(() => mleHash(elfWith(segments), '', 'sha256')).toThrow(words)
  })

  it('may be of 64 MiB', () => {
    const segment = { address: 0, bytes: memoryOf(tbootWith(0, 0)), memoryBytes: 2 ** 26 }
    expect(mleHash(elfWith([segment]), '', 'sha256')).toBe(sha256(segment.bytes))
  })
})

describe('the error of TXT', () => {
  it.each([
    ['\tERRORCODE: 0xc0003c11\n', 0xc0003c11],
    ['x ERRORCODE: 0xc0003c11\n', null],
    ['ERRORCODE: 0xc0003c11 old\n', null],
  ])('is read from %j: %j', (text, code) => {
    expect(readTxtErrorCode(text)).toBe(code)
  })

  /* tboot 1.10, tboot/txt/errors.c, txt_has_error: class and error zero together are a success. */
  it.each([
    [0xc0000001, null],
    [0xc0000011, 'class 0x01'],
    [0xc0000401, 'error 0x01'],
  ])('%i is %j', (code, words) => {
    if (words === null) expect(explainTxtError(code)).toBeNull()
    else expect(explainTxtError(code)).toContain(words)
  })
})
