const SIGNATURE = '# GRUB Environment Block\n'
export const BLOCK_BYTES = 1024

/** Variables of a GRUB environment block in file order (GRUB 2.06, lib/envblk.c); null where GRUB refuses the block. */
export function readEnvironmentBlock(bytes: Uint8Array): readonly (readonly [string, string])[] | null {
  const text = Buffer.from(bytes).toString('latin1')
  if (!text.startsWith(SIGNATURE)) return null
  const pairs: [string, string][] = []
  let at = SIGNATURE.length
  while (at < text.length) {
    if (text[at] !== '#') {
      const equals = text.indexOf('=', at)
      if (equals < 0) return pairs
      let end = equals + 1
      while (end < text.length && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
      if (end >= text.length) return pairs
      pairs.push([text.slice(at, equals), text.slice(equals + 1, end).replace(/\\([\s\S])/g, '$1')])
      at = end
    }
    const newline = text.indexOf('\n', at)
    if (newline < 0) return pairs
    at = newline + 1
  }
  return pairs
}

/** An environment block with these variables, padded as GRUB keeps it. */
export function writeEnvironmentBlock(pairs: readonly (readonly [string, string])[]): Buffer {
  const lines = pairs.map(([name, value]) => `${name}=${value.replace(/[\\\n]/g, '\\$&')}\n`)
  return Buffer.from(`${SIGNATURE}${lines.join('')}`.padEnd(BLOCK_BYTES, '#'), 'latin1')
}
