export const MLE_HEADER_BYTES = 52

/**
 * An ELF-32 file with one PT_LOAD (System V ABI, chapters 4 and 5) that begins with an MLE header (TXT Software Development
 * Guide 017, section 2.1; tboot 1.10.5, include/mle.h) and ends with the place of the command line.
 */
export function tbootWith(capabilities: number, commandLineBytes = 0): Buffer {
  const memory = Buffer.alloc(MLE_HEADER_BYTES + commandLineBytes)
  Buffer.from('5aac82906f47a7740f5c55a2cb51b642', 'hex').copy(memory)
  memory.writeUInt32LE(memory.length, 36) // mle_end
  memory.writeUInt32LE(capabilities >>> 0, 40)
  memory.writeUInt32LE(MLE_HEADER_BYTES, 44) // cmdline_start
  memory.writeUInt32LE(memory.length, 48) // cmdline_end
  const elf = Buffer.alloc(52 + 32)
  Buffer.from('7f454c460101', 'hex').copy(elf)
  elf.writeUInt32LE(52, 28) // e_phoff
  elf.writeUInt16LE(32, 42) // e_phentsize
  elf.writeUInt16LE(1, 44) // e_phnum
  elf.writeUInt32LE(1, 52) // PT_LOAD
  elf.writeUInt32LE(elf.length, 52 + 4)
  elf.writeUInt32LE(memory.length, 52 + 16)
  elf.writeUInt32LE(memory.length, 52 + 20)
  return Buffer.concat([elf, memory])
}
