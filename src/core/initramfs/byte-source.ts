/** Bytes in order, of which some can be looked at before they are taken. */
export type ByteSource = {
  /** The next bytes without taking them, fewer than asked for only at the end. */
  peek(sizeBytes: number): Promise<Uint8Array>
  /** The next bytes, as many as are at hand; empty at the end alone. */
  peekChunk(): Promise<Uint8Array>
  /** Takes bytes that were looked at. */
  skip(sizeBytes: number): void
  /** Takes zeros. @returns how many */
  skipZeros(): Promise<number>
  /** How many bytes were taken. */
  position(): number
  /** All further bytes. */
  rest(): AsyncIterable<Uint8Array>
  /** Reads to the end. */
  drain(): Promise<void>
}

/** @param onRead is given each chunk once, as it is read */
export function openBytes(
  chunks: AsyncIterable<Uint8Array>,
  onRead: (chunk: Uint8Array) => void,
): ByteSource {
  const input = chunks[Symbol.asyncIterator]()
  let held: Uint8Array = new Uint8Array(0)
  let position = 0
  const pull = async (): Promise<Uint8Array | null> => {
    const next = await input.next()
    if (next.done) return null
    onRead(next.value)
    return next.value
  }
  const source: ByteSource = {
    async peek(sizeBytes) {
      while (held.length < sizeBytes) {
        const chunk = await pull()
        if (chunk === null) break
        held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      }
      return held.subarray(0, sizeBytes)
    },
    async peekChunk() {
      await source.peek(1)
      return held
    },
    skip(sizeBytes) {
      held = held.subarray(sizeBytes)
      position += sizeBytes
    },
    async skipZeros() {
      let zeros = 0
      for (;;) {
        const chunk = await source.peekChunk()
        const other = chunk.findIndex((byte) => byte !== 0)
        const here = other === -1 ? chunk.length : other
        source.skip(here)
        zeros += here
        if (chunk.length === 0 || other !== -1) return zeros
      }
    },
    position: () => position,
    async *rest() {
      for (;;) {
        const chunk = await source.peekChunk()
        if (chunk.length === 0) return
        source.skip(chunk.length)
        yield chunk
      }
    },
    async drain() {
      for await (const _ of source.rest());
    },
  }
  return source
}
