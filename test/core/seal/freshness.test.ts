import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  checkFreshness,
  findSlotSharers,
  findSlots,
  listUsableSlots,
} from '../../../src/core/seal/freshness.ts'

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** An NV area with these tokens in these slots; the rest as resetfreshness leaves it. */
function area(slots: Readonly<Record<number, string>>): Buffer {
  const nv = Buffer.alloc(256, 0xff)
  for (const [slot, token] of Object.entries(slots)) nv.write(digest(token), Number(slot) * 32, 'hex')
  return nv
}

const all = listUsableSlots('1.2')

const owners = [
  { label: 'aem', slot: 0 },
  { label: 'aem.stick', slot: 1 },
]

describe('checkFreshness', () => {
  it('is true in its own slot', () => {
    expect(checkFreshness(digest('a'), area({ 0: 'a' }), 'aem', owners, all).ok).toBe(true)
  })

  it('tells an overwritten slot from another device’s', () => {
    const gone = checkFreshness(digest('a'), area({ 0: 'b' }), 'aem', owners, all)
    expect(gone).toMatchObject({ ok: false, detail: expect.stringContaining('overwritten') })
    const others = checkFreshness(digest('a'), area({ 1: 'a' }), 'aem', owners, all)
    expect(others).toMatchObject({ ok: false, detail: expect.stringContaining('of aem.stick') })
  })

  it('names who shares the slot', () => {
    const shared = [owners[0]!, { label: 'aem.stick', slot: 0 }]
    expect(checkFreshness(digest('a'), area({ 0: 'a' }), 'aem', shared, all).detail).toContain(
      'aem.stick uses the same',
    )
    expect(checkFreshness(digest('a'), area({ 0: 'b' }), 'aem', shared, all).detail).toContain(
      'which aem.stick uses too',
    )
    expect(findSlotSharers('aem', shared)).toEqual(['aem.stick'])
    expect(findSlotSharers('aem', owners)).toEqual([])
  })

  it('is false in a slot that AEM does not read with TPM 2.0: the device would show no secret', () => {
    const first = listUsableSlots('2.0')
    for (const known of [owners, [{ label: 'aem.stick', slot: null }]])
      expect(checkFreshness(digest('a'), area({ 1: 'a' }), 'aem.stick', known, first)).toMatchObject({
        ok: false,
        detail: expect.stringContaining("AEM's initrd reads slot 0 alone"),
      })
    expect(checkFreshness(digest('a'), area({ 0: 'a' }), 'aem', owners, first).ok).toBe(true)
  })

  it('is null without a token or without the slots', () => {
    expect(checkFreshness(null, area({}), 'aem', owners, all).ok).toBeNull()
    expect(checkFreshness(digest('a'), null, 'aem', owners, all).ok).toBeNull()
  })

  it('does not find what lies across two slots, or beyond the end', () => {
    const nv = area({})
    nv.write(digest('a'), 16, 'hex')
    expect(findSlots(nv, digest('a'))).toEqual([])
    expect(findSlots(Buffer.alloc(0), digest('a'))).toEqual([])
  })
})
