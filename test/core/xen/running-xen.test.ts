import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findBuildId, startBuildIdSearch } from '../../../src/core/xen/build-id.ts'
import { parseHypervisorBuildId, parseXlInfo } from '../../../src/core/xen/running-xen.ts'

const ID = '151b373fd64b321593bf987fd923cd10dabadac4'

/** An ELF note as the linker writes it: namesz, descsz, type, name, description. */
function note(
  description: Uint8Array,
  changes: { nameSize?: number; type?: number; name?: string } = {},
): Buffer {
  const { nameSize = 4, type = 3, name = 'GNU\0' } = changes
  const head = Buffer.alloc(12)
  head.writeUInt32LE(nameSize, 0)
  head.writeUInt32LE(description.length, 4)
  head.writeUInt32LE(type, 8)
  return Buffer.concat([head, Buffer.from(name, 'latin1'), description])
}

describe('findBuildId', () => {
  const id = Buffer.from(ID, 'hex')

  it.each([0, 1, 7, 4096])('finds the note after %i bytes', (before) => {
    expect(findBuildId(Buffer.concat([Buffer.alloc(before, 'x'), note(id), Buffer.from('rest')]))).toBe(ID)
  })

  it('takes one that stands there twice for one, and two different ones for none', () => {
    expect(findBuildId(Buffer.concat([note(id), note(id)]))).toBe(ID)
    expect(findBuildId(Buffer.concat([note(id), note(Buffer.alloc(20, 1))]))).toBeNull()
  })

  it('takes no other note, and none that is cut off', () => {
    expect(findBuildId(note(id, { type: 1 }))).toBeNull()
    expect(findBuildId(note(id, { nameSize: 5 }))).toBeNull()
    expect(findBuildId(note(id, { name: 'Xen\0' }))).toBeNull()
    expect(findBuildId(note(Buffer.alloc(19, 1)))).toBeNull()
    expect(findBuildId(note(id).subarray(0, -1))).toBeNull()
    expect(findBuildId(Buffer.from('GNU\0'))).toBeNull()
  })

  it('does not depend on how the image is cut', () => {
    const ids = [id, Buffer.alloc(32, 7), Buffer.alloc(16, 1)].map((one) => note(one))
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 60 }), ...ids.map((one) => fc.constant(one)))
    fc.assert(
      fc.property(fc.array(bytes), fc.array(fc.nat({ max: 70 })), (parts, sizes) => {
        const image = Buffer.concat(parts)
        const search = startBuildIdSearch()
        let at = 0
        for (const size of sizes) {
          search.update(image.subarray(at, at + size))
          at += size
        }
        search.update(image.subarray(at))
        expect(search.end()).toBe(findBuildId(image))
      }),
      { numRuns: 1000 },
    )
  })

  it('never fails', () => {
    const pieces = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constant(Buffer.from('GNU\0')),
      fc.constant(note(id)),
    )
    fc.assert(
      fc.property(fc.array(pieces), (parts) => {
        expect(findBuildId(Buffer.concat(parts)) ?? ID).toMatch(/^[0-9a-f]+$/)
      }),
    )
  })
})

describe('parseHypervisorBuildId', () => {
  it('reads text and raw bytes', () => {
    expect(parseHypervisorBuildId(Buffer.from(`${ID}\n`))).toBe(ID)
    expect(parseHypervisorBuildId(Buffer.from(ID.toUpperCase()))).toBe(ID)
    expect(parseHypervisorBuildId(Buffer.from(ID, 'hex'))).toBe(ID)
  })

  it.each(['', '\n', 'unknown', 'abc', 'xyz'.repeat(20)])('of %j knows nothing', (text) => {
    expect(parseHypervisorBuildId(Buffer.from(text))).toBeNull()
  })
})

describe('parseXlInfo', () => {
  it('reads what xl prints (xl 4.17)', () => {
    const text = [
      'host                   : dom0',
      'release                : 6.6.36-1.qubes.fc37.x86_64',
      'xen_version            : 4.17.4',
      'xen_commandline        : placeholder console=none: dom0_mem=min:1024M',
      'cc_compile_date        : Tue Jul 16 10:00:00 UTC 2024',
      '',
    ].join('\n')
    expect(parseXlInfo(text)).toEqual({
      version: '4.17.4',
      commandLine: 'placeholder console=none: dom0_mem=min:1024M',
      compileDate: 'Tue Jul 16 10:00:00 UTC 2024',
    })
  })

  it('knows nothing of what is not there', () => {
    expect(parseXlInfo('libxl: error')).toEqual({ version: null, commandLine: null, compileDate: null })
  })
})
