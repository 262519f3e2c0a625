import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  checkFreshness,
  checkTakenSlot,
  findSlotSharers,
  findSlots,
  listUsableSlots,
} from '../../../src/core/seal/freshness.ts'
import { describeVerification } from '../../../src/messages/verify.ts'

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

  it("says that a token in another slot is still found, where AEM's initrd looks through all of them", () => {
    const inOther = (usable: readonly number[]) =>
      checkFreshness(digest('a'), area({ 1: 'a' }), 'aem', owners, usable)
    expect(inOther(all)).toMatchObject({ ok: false, stillUnseals: true })
    expect(inOther(listUsableSlots('2.0'))).toMatchObject({ ok: false })
    expect(inOther(listUsableSlots('2.0'))).not.toHaveProperty('stillUnseals')
    const check = inOther(all)
    const result = { device: 'aem', booted: true, present: true, ok: false, checks: [check] }
    expect(describeVerification('failed', [result]).what).toBe('aem: its sealed copy is not as it must be')
    const gone = checkFreshness(digest('a'), area({ 0: 'b' }), 'aem', owners, all)
    expect(describeVerification('failed', [{ ...result, checks: [gone] }]).what).toContain(
      'no secret would appear',
    )
  })

  it('says that a token in several slots is still found where one of them is read', () => {
    const stick = { label: 'aem.stick', slot: 5 }
    const inSlots = (slots: Readonly<Record<number, string>>) =>
      checkFreshness(digest('a'), area(slots), 'aem.stick', [stick], listUsableSlots('2.0'))
    expect(inSlots({ 0: 'a', 3: 'a' })).toMatchObject({ ok: false, stillUnseals: true })
    expect(inSlots({ 3: 'a', 4: 'a' })).not.toHaveProperty('stillUnseals')
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

it('tells a damaged or old token from an overwritten slot', () => {
  const gone = (isWhole: boolean | null) =>
    checkFreshness(digest('a'), area({ 0: 'b' }), 'aem', owners, all, isWhole)
  expect(gone(true)).toMatchObject({
    ok: false,
    detail: expect.stringContaining('its slot was overwritten: '),
  })
  expect(gone(false)).toMatchObject({
    ok: false,
    detail: expect.stringContaining('so it is damaged or old: '),
  })
  expect(gone(false).detail).not.toContain('overwritten')
  expect(gone(null).detail).toContain('overwritten, or the token is damaged')
})

describe('checkTakenSlot, of a token that was not unsealed', () => {
  const shared = [
    { label: 'aem', slot: 0 },
    { label: 'aem.stick', slot: 0 },
  ]
  const first = listUsableSlots('2.0')

  it('is false where another device has its slot, and says why', () => {
    const check = checkTakenSlot('aem.stick', shared, new Map([[0, 'aem']]), first)
    expect(check).toMatchObject({ ok: false, detail: expect.stringContaining('the token of aem') })
    expect(check.detail).toContain('on TPM 2.0')
    expect(checkTakenSlot('aem.stick', shared, new Map([[0, 'aem']]), all).detail).toContain('both use it')
  })

  it('is open where the slot is its own, another, or not known', () => {
    expect(checkTakenSlot('aem.stick', shared, new Map([[0, 'aem.stick']]), first).ok).toBeNull()
    expect(checkTakenSlot('aem.stick', shared, new Map(), first).ok).toBeNull()
    expect(checkTakenSlot('aem.stick', owners, new Map([[0, 'aem']]), all).ok).toBeNull()
    expect(checkTakenSlot('aem.stick', [{ label: 'aem', slot: 0 }], new Map([[0, 'aem']]), all).ok).toBeNull()
  })
})
