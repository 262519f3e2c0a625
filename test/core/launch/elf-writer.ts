export type WrittenSegment = {
  readonly address: number
  readonly bytes: Uint8Array
  readonly memoryBytes?: number
  readonly type?: number
}

/**
 * An ELF-32 file (System V ABI, chapters 4 and 5): header, what each segment has in the file, then the program headers.
 * @param entryBytes of a program header, at least 32
 */
export function elfWith(segments: readonly WrittenSegment[], entryBytes = 32): Buffer {
  const header = Buffer.alloc(52)
  Buffer.from('7f454c460101', 'hex').copy(header)
  const table = segments.map(({ address, bytes, memoryBytes, type }, at) => {
    const entry = Buffer.alloc(entryBytes)
    const before = segments.slice(0, at).reduce((sum, one) => sum + one.bytes.length, 0)
    const fields = [
      type ?? 1,
      header.length + before,
      address,
      address,
      bytes.length,
      memoryBytes ?? bytes.length,
    ]
    for (const [index, value] of fields.entries()) entry.writeUInt32LE(value, 4 * index)
    return entry
  })
  const body = Buffer.concat(segments.map(({ bytes }) => bytes))
  header.writeUInt32LE(header.length + body.length, 28) // e_phoff
  header.writeUInt16LE(entryBytes, 42) // e_phentsize
  header.writeUInt16LE(segments.length, 44) // e_phnum
  return Buffer.concat([header, body, ...table])
}
