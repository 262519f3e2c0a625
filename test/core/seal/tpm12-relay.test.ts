import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rewriteAnswer, splitMessage } from '../../../src/core/seal/tpm12-relay.ts'

/* Bytes as tcsd (trousers 0.3.15) and swtpm 0.7.1 exchanged them. */
const readPcr = (index: number): Buffer =>
  Buffer.from(`00c10000000e00000015${index.toString(16).padStart(8, '0')}`, 'hex')
const answer = (digest: string): Buffer => Buffer.from(`00c40000001e00000000${digest}`, 'hex')
const [OLD, NEW] = ['11'.repeat(20), '22'.repeat(20)]
const VALUES = { 18: NEW }

describe('rewriteAnswer', () => {
  it('replaces the digest of a predicted register, and nothing around it', () => {
    expect(rewriteAnswer(readPcr(18), answer(OLD), VALUES)).toEqual(answer(NEW))
  })

  it.each([
    ['another register', readPcr(17), answer(OLD)],
    ['a refusal of the TPM', readPcr(18), Buffer.from('00c40000000a00000002', 'hex')],
    [
      'an extend, whose answer looks the same',
      Buffer.from(`00c1000000220000001400000012${OLD}`, 'hex'),
      answer(OLD),
    ],
    ['an authorised command', Buffer.from('00c20000000e0000001500000012', 'hex'), answer(OLD)],
    ['an answer of another size', readPcr(18), Buffer.from(`00c40000001f00000000${OLD}00`, 'hex')],
  ])('passes on %s', (_, request, given) => {
    expect(rewriteAnswer(request, given, VALUES)).toBe(given)
  })

  it('passes everything on that is no TPM_PCRRead', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 64 }), (request, given) => {
        const [asked, said] = [Buffer.from(request), Buffer.from(given)]
        return rewriteAnswer(asked, said, VALUES) === said
      }),
    )
  })
})

describe('splitMessage', () => {
  it('waits for a whole message and keeps what follows', () => {
    const both = Buffer.concat([readPcr(18), readPcr(19)])
    expect(splitMessage(both.subarray(0, 9))).toBeNull()
    expect(splitMessage(both.subarray(0, 13))).toBeNull()
    const split = splitMessage(both)
    expect(split?.message).toEqual(readPcr(18))
    expect(split?.rest).toEqual(readPcr(19))
  })

  it('takes a message to its last byte as whole, with nothing behind it', () => {
    expect(splitMessage(readPcr(18))).toEqual({ message: readPcr(18), rest: Buffer.alloc(0) })
  })

  it('refuses a size that cannot be', () => {
    expect(() => splitMessage(Buffer.from('00c10000000000000015', 'hex'))).toThrow(RangeError)
    expect(() => splitMessage(Buffer.from('00c1ffffffff00000015', 'hex'))).toThrow(RangeError)
  })
})
