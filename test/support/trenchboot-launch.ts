import type { WrittenEvent } from '../core/launch/tcg-writer.ts'

/*
 * What a TrenchBoot launch extends and logs, written from the sources of those that do it; shares no code with the reader.
 * - SKL: TrenchBoot/secure-kernel-loader, branch slrt e4f7e32, event_log.c (event_log_init) and main.c (skl_main)
 * - SINIT: Intel TXT Software Development Guide 017, appendix F (types); what it measures differs by module and is made up
 * - GRUB: TrenchBoot/grub 90ce968a5, loader/multiboot_mbi2.c, loader/i386/txt/txt.c (texts); loader/multiboot_elfxx.c (Xen in memory)
 * - Xen: TrenchBoot/xen aem-4.17.4, arch/x86/tpm.c and slaunch.c (BIOS); arch/x86/slaunch.c of 2025 (UEFI)
 */

export type Kind = 'intel-bios' | 'amd-bios' | 'intel-uefi' | 'amd-uefi'
export const KINDS: readonly Kind[] = ['intel-bios', 'amd-bios', 'intel-uefi', 'amd-uefi']

export type Variant = 'header' | 'rounded' | 'rounded-patched'

export type Launch = {
  readonly kind: Kind
  /** Xen's ELF file; on UEFI what lies in memory is not its file. */
  readonly xen: Buffer
  readonly variant?: Variant
  readonly modules: readonly { readonly name: string; readonly options: string; readonly bytes: string }[]
  readonly xenOptions: string
  /** SINIT, or SKL's file. */
  readonly loader: Buffer
  readonly bootInfo?: string
  readonly vendorInfo?: string
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

const TWO_MIB = 2 * 1024 * 1024
const HEADER_OFFSET = 0x80

/**
 * A Xen of TrenchBoot as mkelf32 makes it: ELF-32, one loaded segment at 2 MiB, the MLE header early in it (arch/x86/boot/head.S).
 * @param memoryBytes more than the file has: .bss
 */
export function xenFile(release: string, memoryBytes = 0x5_4321, entryPoint = 0x626794): Buffer {
  const segment = Buffer.alloc(0x3000)
  Buffer.from('5aac82906f47a7740f5c55a2cb51b642', 'hex').copy(segment, HEADER_OFFSET)
  const fields = [0x34, 0x0002_0002, entryPoint, 0, 0, memoryBytes, 0x223, 0, 0]
  for (const [at, value] of fields.entries()) u32(value).copy(segment, HEADER_OFFSET + 16 + 4 * at)
  Buffer.from(`Xen ${release}`).copy(segment, 0x1200)
  const header = Buffer.alloc(0x80)
  Buffer.from('7f454c46010101', 'hex').copy(header)
  header.writeUInt16LE(2, 16) // ET_EXEC
  header.writeUInt16LE(3, 18) // EM_386
  header.writeUInt32LE(1, 20)
  header.writeUInt32LE(52, 28) // program headers
  header.writeUInt16LE(52, 40)
  header.writeUInt16LE(32, 42)
  header.writeUInt16LE(1, 44)
  const program = [1, 0x80, 0x20_0000, 0x20_0000, segment.length, memoryBytes, 7, 0x40]
  for (const [at, value] of program.entries()) u32(value).copy(header, 52 + 4 * at)
  return Buffer.concat([header, segment])
}

/** Xen in memory as this GRUB has it measured. */
function inMemory(file: Buffer, variant: Variant): Buffer {
  const memoryBytes = file.readUInt32LE(52 + 20)
  const memory = Buffer.alloc(variant === 'header' ? memoryBytes : Math.ceil(memoryBytes / TWO_MIB) * TWO_MIB)
  file.copy(memory, 0, 0x80)
  if (variant === 'rounded-patched') {
    memory.writeUInt32LE(0, HEADER_OFFSET + 28)
    memory.writeUInt32LE(memory.length, HEADER_OFFSET + 36)
  }
  return memory
}

/** The file of an SKL: its header says how much SKINIT measures. */
export function sklFile(code: string): Buffer {
  const bytes = Buffer.alloc(0x200, code)
  bytes.writeUInt16LE(0x40, 0)
  bytes.writeUInt16LE(0x180, 2)
  return bytes
}

const slaunch = (pcr: number, content: string | Uint8Array, text = ''): WrittenEvent => ({
  pcr,
  type: 0x502,
  content,
  data: Buffer.from(text),
})

function begin(launch: Launch): WrittenEvent[] {
  const xen = launch.kind.endsWith('uefi')
    ? Buffer.concat([inMemory(launch.xen, 'header'), Buffer.from('as the firmware left it')])
    : inMemory(launch.xen, launch.variant ?? 'header')
  if (launch.kind.startsWith('amd'))
    return [
      slaunch(17, launch.loader.subarray(0, launch.loader.readUInt16LE(2)), 'SKINIT'),
      slaunch(17, launch.xen.subarray(0x80 + HEADER_OFFSET + 24).subarray(0, 4), 'DLME entry offset'),
      slaunch(17, xen, 'DLME'),
    ]
  return [
    { pcr: 17, type: 0x402, content: launch.loader },
    { pcr: 17, type: 0x40b, content: 'processor' },
    { pcr: 17, type: 0x404, content: xen },
    { pcr: 17, type: 0x40f, content: u32(0x223) },
    { pcr: 18, type: 0x410, content: 'public key of SINIT' },
  ]
}

/** All events of a launch, in the order they are logged. */
export function eventsOf(launch: Launch): WrittenEvent[] {
  const { kind, modules, xenOptions } = launch
  const isIntel = kind.startsWith('intel')
  const info = launch.vendorInfo ?? 'what GRUB notes about the processor'
  const osToMle = isIntel ? [slaunch(18, 'OS to MLE', 'Measured TXT OS-MLE data')] : []
  if (kind.endsWith('bios'))
    return [
      ...begin(launch),
      slaunch(18, launch.bootInfo ?? `multiboot information of ${launch.xen.length} bytes`),
      ...(isIntel ? [slaunch(18, info)] : []),
      ...osToMle,
      ...modules.map(({ bytes }) => slaunch(17, bytes, 'Measured MB2 module')),
    ]
  return [
    ...begin(launch),
    slaunch(18, info),
    ...osToMle,
    slaunch(18, xenOptions, "Xen's command line"),
    ...modules.flatMap(({ name, options, bytes }) => [
      slaunch(18, options === '' ? name : `${name} ${options}`, 'MB module string'),
      slaunch(17, bytes, 'MB module'),
    ]),
  ]
}
