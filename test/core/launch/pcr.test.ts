import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import {
  BANK_NAMES,
  BANKS,
  constantOf,
  emptyPcr,
  extendPcr,
  isBankComputable,
  isUnlaunched,
  isUnset,
  listConstantPcrs,
  normalizeDigest,
  parsePcrFile,
  parseSysfsTpm12Pcrs,
} from '../../../src/core/launch/pcr.ts'
import { fc } from './property.ts'

describe('extend', () => {
  it.each(BANK_NAMES.filter(isBankComputable))('is H(old || digest) in %s', (bank) => {
    const digest = '5a'.repeat(BANKS[bank].sizeBytes)
    const bytes = Buffer.concat([Buffer.alloc(BANKS[bank].sizeBytes), Buffer.from(digest, 'hex')])
    const openssl = bank === 'sm3_256' ? 'sm3' : bank
    expect(extendPcr(bank, emptyPcr(bank), digest)).toBe(createHash(openssl).update(bytes).digest('hex'))
  })

  it.each(['', '00', 'zz'.repeat(20), '00'.repeat(32)])('refuses %j as a SHA-1 value', (value) => {
    expect(() => extendPcr('sha1', emptyPcr('sha1'), value)).toThrow(Failure)
  })

  it('depends on the order', () => {
    const digest = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('hex'))
    fc.assert(
      fc.property(digest, digest, (a, b) => {
        const chain = (first: string, second: string) =>
          extendPcr('sha256', extendPcr('sha256', emptyPcr('sha256'), first), second)
        return a === b || chain(a, b) !== chain(b, a)
      }),
    )
  })
})

describe('register values', () => {
  it('tells unset from unlaunched', () => {
    expect([isUnset('00'.repeat(20)), isUnset(`${'00'.repeat(19)}01`), isUnset('')]).toEqual([
      true,
      false,
      false,
    ])
    expect([isUnlaunched('FF'.repeat(20)), isUnlaunched(`${'ff'.repeat(19)}fe`)]).toEqual([true, false])
  })

  it.each(BANK_NAMES.filter(isBankComputable))('knows the public constants of %s', (bank) => {
    const { sizeBytes } = BANKS[bank]
    const openssl = bank === 'sm3_256' ? 'sm3' : bank
    const bytes = Buffer.concat([Buffer.alloc(sizeBytes), Buffer.alloc(sizeBytes, 0xff)])
    const capped = createHash(openssl).update(bytes).digest('hex')
    expect(capped).toBe(extendPcr(bank, emptyPcr(bank), 'ff'.repeat(sizeBytes)))
    expect(constantOf(emptyPcr(bank))).toBe('unset')
    expect(constantOf('ff'.repeat(sizeBytes))).toBe('unlaunched')
    expect(constantOf(capped)).toBe('capped')
    expect(constantOf(capped.toUpperCase())).toBe('capped')
    expect(constantOf(extendPcr(bank, emptyPcr(bank), '5a'.repeat(sizeBytes)))).toBeNull()
    expect(constantOf(extendPcr(bank, capped, 'ff'.repeat(sizeBytes)))).toBeNull()
    expect(listConstantPcrs({ 13: '5a'.repeat(sizeBytes), 17: capped, 19: '00' }, [13, 17, 18, 19])).toEqual([
      17, 19,
    ])
  })

  it('reads the file of a TPM 1.2', () => {
    const text =
      'PCR-16: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \nPCR-17: 0A 1B 7E 33 5B C2 4F 0E 16 62 BB 9C 8F 74 19 6A 6A 24 CC 1C \nPCR-18: 0A\n'
    expect(parseSysfsTpm12Pcrs(text)).toEqual({
      16: '00'.repeat(20),
      17: '0a1b7e335bc24f0e1662bb9c8f74196a6a24cc1c',
    })
    expect(() => parseSysfsTpm12Pcrs('no registers')).toThrow(Failure)
  })

  it('takes no register of a TPM 1.2 from within a line', () => {
    const line = `PCR-17:${' 0A'.repeat(20)}`
    expect(parseSysfsTpm12Pcrs(`${line}\n`)).toEqual({ 17: '0a'.repeat(20) })
    for (const text of [`old ${line}\n`, `#${line}\n`, `${line} 0A\n`, `${line} # old\n`])
      expect(() => parseSysfsTpm12Pcrs(text), text).toThrow(Failure)
  })

  it('reads one file of a TPM 2.0', () => {
    expect(parsePcrFile('sha256', `${'AB'.repeat(32)}\n`)).toBe('ab'.repeat(32))
    for (const text of ['', 'AB\n', `${'AB'.repeat(20)}\n`, `0x${'AB'.repeat(32)}`])
      expect(() => parsePcrFile('sha256', text)).toThrow(Failure)
  })

  it('normalizes digests or refuses them', () => {
    expect(normalizeDigest('sha1', 'AB '.repeat(20))).toBe('ab'.repeat(20))
    expect(normalizeDigest('sha1', 'ab'.repeat(21))).toBeNull()
  })
})
