import type { Failure } from '../failure.ts'

/** ELF-32: identification, program header table, PT_LOAD (System V ABI, chapters 4 and 5). */
const ELF = { magic: '7f454c4601', phoff: 28, phentsize: 42, phnum: 44, headerBytes: 52, load: 1 } as const
const PROGRAM_HEADER = { type: 0, offset: 4, paddr: 12, filesz: 16, memsz: 20, size: 32 } as const

/** What of an ELF file is loaded, and where; in memory it may be longer than in the file, with zeros behind. */
export type Segment = { readonly address: number; readonly memoryBytes: number; readonly bytes: Buffer }

/**
 * The loaded segments of an ELF-32 file, in the order of its program headers; nothing in it is trusted.
 * @param unreadable makes the failure to throw from what is wrong with the file
 * @throws what `unreadable` makes
 */
export function listSegments(file: Buffer, unreadable: (why: string) => Failure): Segment[] {
  if (file.length < ELF.headerBytes || file.toString('hex', 0, 5) !== ELF.magic)
    throw unreadable('it is no 32-bit ELF file')
  const table = file.readUInt32LE(ELF.phoff)
  const entryBytes = file.readUInt16LE(ELF.phentsize)
  const count = file.readUInt16LE(ELF.phnum)
  if (entryBytes < PROGRAM_HEADER.size || table + count * entryBytes > file.length)
    throw unreadable('its program headers lie outside of it')
  return Array.from({ length: count }, (_, index) => table + index * entryBytes)
    .filter((at) => file.readUInt32LE(at + PROGRAM_HEADER.type) === ELF.load)
    .map((at) => {
      const field = (offset: number): number => file.readUInt32LE(at + offset)
      const [offset, fileBytes] = [field(PROGRAM_HEADER.offset), field(PROGRAM_HEADER.filesz)]
      const memoryBytes = field(PROGRAM_HEADER.memsz)
      if (offset + fileBytes > file.length || fileBytes > memoryBytes)
        throw unreadable('a segment has an impossible size')
      return {
        address: field(PROGRAM_HEADER.paddr),
        memoryBytes,
        bytes: file.subarray(offset, offset + fileBytes),
      }
    })
}
