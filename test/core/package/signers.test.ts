import { describe, expect, it } from 'vitest'
import { findSigner, KNOWN_SIGNERS, parseTrustedKeys } from '../../../src/core/package/signers.ts'

const FINGERPRINT = 'ABCD EF01 2345 6789 ABCD  EF01 2345 6789 ABCD EF01'

describe('signers', () => {
  it('are known by full fingerprints', () => {
    for (const fingerprint of Object.keys(KNOWN_SIGNERS)) expect(fingerprint).toMatch(/^[0-9a-f]{40}$/)
    const ids = Object.keys(KNOWN_SIGNERS).map((fingerprint) => fingerprint.slice(-16))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('are found by the 64-bit id that rpm prints, in any case', () => {
    expect(findSigner('e022e58f8e34d89f', [])?.name).toBe('Qubes OS Release 4.2 Signing Key')
    expect(findSigner('E022E58F8E34D89F', [])?.source).toBe('built-in')
  })

  it('are not found by a 32-bit id, which anybody can forge, nor by none', () => {
    for (const id of ['8e34d89f', '', 'f', null, '0123456789abcdef']) expect(findSigner(id, [])).toBeNull()
  })

  it('may be added by full fingerprint, blanks allowed, with a comment', () => {
    const { signers, malformed } = parseTrustedKeys(`# mine\n\n${FINGERPRINT} My builds # at home\n`)
    expect(malformed).toEqual([])
    expect(signers).toEqual([
      {
        fingerprint: FINGERPRINT.replaceAll(' ', '').toLowerCase(),
        name: 'My builds',
        source: 'trusted-keys',
      },
    ])
    expect(findSigner('23456789abcdef01', signers)?.name).toBe('My builds')
  })

  it.each([
    'deadbeef',
    'ABCDEF0123456789',
    'not a key',
    FINGERPRINT.slice(0, -1),
    `${FINGERPRINT}0`,
    `${FINGERPRINT} ABCD`.replaceAll(' ', ''),
    // The name must not complete what is too short.
    `${FINGERPRINT.replaceAll(' ', '').slice(0, -1)} f my key`,
    `${FINGERPRINT.replaceAll(' ', '').slice(0, -1)} Dave`,
    `0x${FINGERPRINT.replaceAll(' ', '')}`,
    FINGERPRINT.replace('ABCD', 'ABCG'),
  ])('a line that says %j trusts nobody', (line) => {
    const { signers, malformed } = parseTrustedKeys(`# first\n${line}\n`)
    expect(signers).toEqual([])
    expect(malformed).toEqual([
      { line: 2, text: line, reason: 'it does not begin with a fingerprint of 40 hex digits' },
    ])
  })

  it('a malformed line takes nothing from the others', () => {
    const { signers, malformed } = parseTrustedKeys(`deadbeef\r\n${FINGERPRINT} Dave and Ada\r\n`)
    expect(signers.map(({ name }) => name)).toEqual(['Dave and Ada'])
    expect(malformed.map(({ line, text }) => [line, text])).toEqual([[1, 'deadbeef']])
  })
})
