/** A small generator with a fixed seed (mulberry32), so that a failing case can be repeated. */
let state = 0x5eed
export function random(): number {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

export function randomFrom(limit: number): number {
  return Math.floor(random() * limit)
}

export function randomBytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => randomFrom(256)))
}

export function randomHex(sizeBytes: number): string {
  return randomBytes(sizeBytes).toString('hex')
}

/** The bytes in pieces, as a file would be read. */
export async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
