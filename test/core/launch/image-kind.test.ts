import { describe, expect, it } from 'vitest'
import { detectImageKind, HEAD_BYTES } from '../../../src/core/launch/image-kind.ts'

const padded = (hex: string): Buffer => Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(40)])

describe('a file is told by its first bytes', () => {
  it.each([
    ['1f8b', 'gzip'],
    ['1f9e', 'gzip'],
    ['fd377a585a00', 'xz'],
    ['894c5a4f000d0a1a0a', 'lzop'],
  ])('%s begins %s, and a changed byte of it none', (magic, kind) => {
    expect(detectImageKind(Buffer.from(magic, 'hex'), null)).toBe(kind)
    expect(detectImageKind(padded(magic), null)).toBe(kind)
    const bytes = Buffer.from(magic, 'hex')
    for (let at = 0; at < bytes.length; at++) {
      const changed = padded(magic)
      changed[at]! ^= 0x40
      expect(detectImageKind(changed, null), `byte ${at}`).toBe('raw')
      const short = Buffer.concat([bytes.subarray(0, at), Buffer.from([0x77])])
      expect(detectImageKind(short, null), `${at} bytes`).toBe('raw')
    }
    expect(detectImageKind(Buffer.concat([Buffer.from([0]), padded(magic)]), null)).toBe('raw')
  })

  it.each(['', '1f', '89', 'fd377a585a', '7f454c46', '303730373031'])('%j is none of them', (hex) => {
    expect(detectImageKind(Buffer.from(hex, 'hex'), null)).toBe('raw')
  })

  it('a launch policy begins with its signature', () => {
    const signature = Buffer.from('Intel(R) TXT LCP_POLICY_DATA')
    expect(detectImageKind(signature, null)).toBe('policy-data')
    expect(detectImageKind(Buffer.concat([signature, Buffer.alloc(4)]), 9)).toBe('policy-data')
    expect(detectImageKind(Buffer.concat([Buffer.from(' '), signature]), null)).toBe('raw')
    expect(detectImageKind(signature.subarray(0, -1), null)).toBe('raw')
  })
})

/* ACM header: TXT Software Development Guide 017, appendix A, of a module with 100 words. */
describe('a SINIT module', () => {
  const acm = (bytes = HEAD_BYTES) => {
    const head = Buffer.alloc(bytes)
    head.writeUInt16LE(2, 0)
    head.writeUInt32LE(0x8086, 16)
    head.writeUInt32LE(100, 24)
    return head
  }

  it.each([HEAD_BYTES - 4, HEAD_BYTES - 3, HEAD_BYTES, 400])('is told from %i bytes of it', (bytes) => {
    expect(detectImageKind(acm(bytes), 400)).toBe('acm')
    expect(detectImageKind(acm(bytes), null)).toBe('acm')
  })

  it.each([0, 2, 16, 20, 24, 27])('is not told from %i bytes', (length) => {
    expect(detectImageKind(acm().subarray(0, length), null)).toBe('raw')
  })

  it.each([
    ['another type of module', 0, 1],
    ['another vendor', 16, 0x1022],
  ])('is none of %s', (_, at, value) => {
    const head = acm()
    head.writeUInt16LE(value, at)
    for (const size of [400, null]) expect(detectImageKind(head, size)).toBe('raw')
  })

  it('names the size of its file', () => {
    for (const size of [0, 100, 396, 404]) expect(detectImageKind(acm(), size)).toBe('raw')
  })
})
