import { createHash } from 'node:crypto'

/** Writes TrenchBoot event logs and computes the registers on its own, sharing no code with the reader under test. */
export type Algorithm = { name: string; id: number; sizeBytes: number; openssl: string; bank: string }

export const ALGORITHMS: readonly Algorithm[] = [
  { name: 'SHA-1', id: 0x04, sizeBytes: 20, openssl: 'sha1', bank: 'sha1' },
  { name: 'SHA-256', id: 0x0b, sizeBytes: 32, openssl: 'sha256', bank: 'sha256' },
  { name: 'SHA-384', id: 0x0c, sizeBytes: 48, openssl: 'sha384', bank: 'sha384' },
  { name: 'SHA-512', id: 0x0d, sizeBytes: 64, openssl: 'sha512', bank: 'sha512' },
]
export const SM3: Algorithm = { name: 'SM3', id: 0x12, sizeBytes: 32, openssl: 'sm3', bank: 'sm3_256' }

export type WrittenEvent = { pcr: number; type: number; content: string | Uint8Array; data?: Uint8Array }

const u8 = (value: number) => Buffer.from([value])
const u16 = (value: number) => Buffer.from([value & 255, value >> 8])
export const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

export function digestOf(algorithm: Algorithm, ...parts: (Uint8Array | string)[]): Buffer {
  const hash = createHash(algorithm.openssl)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function agileEvent(event: WrittenEvent, algorithms: readonly Algorithm[]): Buffer {
  const digests = algorithms.map((one) => Buffer.concat([u16(one.id), digestOf(one, event.content)]))
  const data = Buffer.from(event.data ?? [])
  return Buffer.concat([
    u32(event.pcr),
    u32(event.type),
    u32(algorithms.length),
    ...digests,
    u32(data.length),
    data,
  ])
}

function specIdEvent(signature: string, versionMinor: number, versionMajor: number, rest: Buffer): Buffer {
  const fixed = [Buffer.from(`${signature}\0`), u32(0), u8(versionMinor), u8(versionMajor), u8(0), u8(2)]
  const data = Buffer.concat([...fixed, rest])
  return Buffer.concat([u32(0), u32(3), Buffer.alloc(20), u32(data.length), data])
}

/** @param tailBytes zeros after the events, as in a log buffer; null: the loader's log pointer names the end instead */
export function writeAgileLog(
  events: readonly WrittenEvent[],
  algorithms: readonly Algorithm[],
  tailBytes: number | null = 64,
): Buffer {
  const body = Buffer.concat(events.map((event) => agileEvent(event, algorithms)))
  const sizes = Buffer.concat(algorithms.map((one) => Buffer.concat([u16(one.id), u16(one.sizeBytes)])))
  const headerBytes = 32 + 16 + 8 + 4 + sizes.length + 1
  const end = headerBytes + 20 + body.length
  const pointer = Buffer.concat([Buffer.alloc(8), u32(0x8000), u32(0), u32(end)])
  const vendor = tailBytes === null ? Buffer.concat([u8(pointer.length), pointer]) : u8(0)
  const header = specIdEvent('Spec ID Event03', 0, 2, Buffer.concat([u32(algorithms.length), sizes, vendor]))
  return Buffer.concat([header, body, Buffer.alloc(tailBytes ?? 300)])
}

/** @param wrapped with the TCG header before it that the AMD loader writes */
export function writeTxtContainer(
  events: readonly WrittenEvent[],
  wrapped: boolean,
  sizeBytes = 2048,
): Buffer {
  const sha1 = ALGORITHMS[0]!
  const body = Buffer.concat(
    events.map((event) => {
      const data = Buffer.from(event.data ?? [])
      return Buffer.concat([
        u32(event.pcr),
        u32(event.type),
        digestOf(sha1, event.content),
        u32(data.length),
        data,
      ])
    }),
  )
  const prefix = wrapped ? specIdEvent('Spec ID Event02', 2, 1, u8(48)) : Buffer.alloc(0)
  const size = sizeBytes - (wrapped ? 0 : prefix.length)
  const header = Buffer.concat([
    Buffer.from('TXT Event Container\0'),
    Buffer.alloc(12),
    ...[1, 0, 1, 0].map(u8),
    u32(size),
    u32(48),
    u32(48 + body.length),
  ])
  const filled = Buffer.concat([prefix, header, body])
  return Buffer.concat([filled, Buffer.alloc(sizeBytes - filled.length)])
}

export function registersOf(
  events: readonly WrittenEvent[],
  algorithms: readonly Algorithm[],
): Record<string, Record<number, string>> {
  return Object.fromEntries(
    algorithms.map((algorithm) => {
      const values: Record<number, Buffer> = {}
      for (let index = 0; index < 24; index++) values[index] = Buffer.alloc(algorithm.sizeBytes)
      for (const event of events)
        if (event.type !== 3 && event.pcr < 24)
          values[event.pcr] = digestOf(algorithm, values[event.pcr]!, digestOf(algorithm, event.content))
      return [
        algorithm.bank,
        Object.fromEntries(Object.entries(values).map(([i, v]) => [i, v.toString('hex')])),
      ]
    }),
  )
}
