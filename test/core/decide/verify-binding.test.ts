import { describe, expect, it } from 'vitest'
import { findOwnBoot, type OwnBoot } from '../../../src/core/decide/own-boot.ts'
import {
  type BindingFacts,
  bindingOfBlobs,
  bindingOfKey,
  judgeBinding,
} from '../../../src/core/decide/verify-binding.ts'
import { computePolicyPcr } from '../../../src/core/decide/verify-copies.ts'
import { computeTpm12Composite } from '../../../src/core/seal/tpm12-blob.ts'
import { emptyDeviceLedger, putLedgerDevice } from '../../../src/core/session/device-ledger.ts'

type Values = Record<number, string>

const SELECTED = [13, 17, 18, 19]
const value = (digit: string): string => digit.repeat(64)
const HERE: Values = { 13: value('1'), 17: value('2'), 18: value('3'), 19: value('4') }
/** The boot of another device in the same state: with tboot PCR 19 alone is another. */
const THERE: Values = { ...HERE, 19: value('5') }
const AT = '2026-05-01T10:00:00.000Z'

/** key.pub as readPolicyDigest takes it: a head, the policy, a tail (test/core/seal/policy.test.ts has real vectors). */
function keyFor(values: Values, pcrs = SELECTED): Buffer {
  return Buffer.concat([
    Buffer.alloc(12),
    Buffer.from(computePolicyPcr(pcrs, values) ?? '', 'hex'),
    Buffer.alloc(36),
  ])
}

const NOTHING: OwnBoot = { approved: null, verified: null }
const approved = (registers: Values, isCurrent: boolean | null): OwnBoot => ({
  approved: { at: AT, registers, isCurrent },
  verified: null,
})

function judge(sealedTo: Values, facts: Partial<BindingFacts>, pcrs = SELECTED) {
  const sealed = bindingOfKey(keyFor(sealedTo, pcrs), pcrs)
  if (sealed === null) throw new Error('no policy in the key of this test')
  return judgeBinding(sealed, {
    label: 'aem.stick',
    isBooted: false,
    bootedLabel: 'aem',
    present: HERE,
    forward: null,
    own: NOTHING,
    shared: [13, 17, 18],
    ...facts,
  })
}

describe('the binding of the device that this boot came from', () => {
  it('is right for this boot alone, and then the TPM is asked', () => {
    expect(judge(HERE, { isBooted: true })).toMatchObject({ check: { ok: true }, untried: null })
    expect(judge(THERE, { isBooted: true })).toMatchObject({ check: { ok: false }, untried: null })
    // What was approved before is no excuse: this boot is its own.
    expect(judge(THERE, { isBooted: true, own: approved(THERE, true) }).check.ok).toBe(false)
  })

  it('is open where it was sealed forward, and the TPM is not asked before the restart', () => {
    const { check, untried } = judge(THERE, { isBooted: true, forward: THERE })
    expect(check.ok).toBeNull()
    expect(untried).toContain('only after the restart')
  })

  it.each(['0', 'f'])('protects nothing where a register holds the constant %s', (digit) => {
    const present = { ...HERE, 18: value(digit) }
    const { check } = judge(present, { isBooted: true, present })
    expect(check).toMatchObject({ ok: false, detail: expect.stringContaining('PCR 18') })
  })

  it('protects nothing where it names no register', () => {
    expect(judge(HERE, { isBooted: true }, []).check).toMatchObject({
      ok: false,
      detail: expect.stringContaining('no PCR at all'),
    })
  })

  it('is compared with the registers it was sealed to, also after SEAL names others', () => {
    expect(judge(HERE, { isBooted: true }, [17, 18]).check.ok).toBe(true)
  })

  it('is open where a register could not be read', () => {
    const { 19: _, ...rest } = HERE
    expect(judge(HERE, { isBooted: true, present: rest }).check.ok).toBeNull()
  })
})

describe('the binding of another device', () => {
  it('is right where it is that of its own approved boot, in the approved state', () => {
    const { check, untried } = judge(THERE, { own: approved(THERE, true) })
    expect(check).toMatchObject({ ok: true, detail: expect.stringContaining(`approved at ${AT}`) })
    expect(untried).toBe('only a boot from aem.stick can release it')
  })

  it('is open where another state was approved since, or that is not known', () => {
    expect(judge(THERE, { own: approved(THERE, false) }).check).toMatchObject({
      ok: null,
      detail: expect.stringContaining('another state was approved since'),
    })
    expect(judge(THERE, { own: approved(THERE, null) }).check.ok).toBeNull()
  })

  it('is never right by a boot that nobody approved: AEM seals to any boot', () => {
    const verified = { at: AT, registers: THERE }
    expect(judge(THERE, { own: { approved: null, verified } }).check).toMatchObject({
      ok: null,
      detail: expect.stringContaining('never approved'),
    })
  })

  it('is open, not bad, where nothing is known of its own boot, and says which device booted', () => {
    const { check } = judge(THERE, {})
    expect(check.ok).toBeNull()
    expect(check.detail).toContain('which came from aem; of its own boot nothing is known')
    expect(judge(THERE, { own: approved({ ...THERE, 19: value('6') }, true) }).check.ok).toBeNull()
  })

  it('is open where it was sealed forward', () => {
    expect(judge(THERE, { forward: THERE })).toMatchObject({
      check: { ok: null, detail: expect.stringContaining('sealed forward') },
      untried: expect.stringContaining('only after the restart'),
    })
  })

  it('is bad where it was sealed to this boot, and its own boot is known to have another register', () => {
    const { check, untried } = judge(HERE, { own: approved(THERE, true) })
    expect(check).toMatchObject({ ok: false, detail: expect.stringContaining('PCR 19') })
    expect(untried).toBeNull()
    expect(judge(HERE, {}).check.ok).toBeNull()
  })

  it('is right where it was sealed to registers that all devices share', () => {
    expect(judge(HERE, { shared: SELECTED }).check.ok).toBe(true)
  })

  it('protects nothing by an approved state whose register is a constant', () => {
    const values = { ...THERE, 18: value('0') }
    expect(judge(values, { own: approved(values, true) }).check.ok).toBe(false)
  })
})

describe('what sealed files name themselves', () => {
  const sha1 = (digit: string): string => digit.repeat(40)
  const now: Values = { 17: sha1('a'), 18: sha1('b') }
  const blob = (pcrs: readonly number[], values: Values) => ({
    pcrs,
    digestAtRelease: computeTpm12Composite(pcrs, values) ?? '',
  })

  it('TPM 1.2: all blobs, or none', () => {
    expect(bindingOfBlobs([blob([17, 18], now), blob([17], now)])).toMatchObject({ pcrs: [17, 18] })
    expect(bindingOfBlobs([blob([17, 18], now), blob([17], now)])?.isBoundTo(now)).toBe(true)
    const mixed = bindingOfBlobs([blob([17, 18], now), blob([17, 18], { ...now, 18: sha1('c') })])
    expect(mixed?.isBoundTo(now)).toBe(false)
    expect(bindingOfBlobs([])).toBeNull()
    expect(bindingOfBlobs([blob([17], now), null])).toBeNull()
  })

  it('TPM 2.0: a policy, in a key that holds one', () => {
    expect(bindingOfKey(null, SELECTED)).toBeNull()
    expect(bindingOfKey(keyFor(HERE).subarray(0, 40), SELECTED)).toBeNull()
    expect(bindingOfKey(keyFor(HERE), null)).toBeNull()
    expect(bindingOfKey(keyFor(HERE), [19, 18, 17, 13])).toMatchObject({ pcrs: SELECTED })
  })
})

describe('what is known of a device from its own boots', () => {
  const text = (values: Values): Record<string, string> => Object.fromEntries(Object.entries(values))
  const state = (registers: Values, label: string | null, at = AT) => ({
    ...{ at, bootId: null, label, bank: 'sha256' as const, registers: text(registers) },
    ...{ shared: [13, 17, 18], packages: null },
  })

  function ledgerWith(own: Values, common: Values | null) {
    const ledger = { ...emptyDeviceLedger(AT), approved: common && state(common, 'aem') }
    const forward = { at: AT, bank: 'sha256' as const, registers: text(own), tokens: {} }
    const device = { label: 'aem.stick', uuid: null, verified: null, approved: null, knownFiles: [] }
    return {
      state: 'read' as const,
      ledger: putLedgerDevice(ledger, { ...device, forward, leftSince: null }),
    }
  }

  it('is current by the shared registers of the last approved state', () => {
    const find = (own: Values, common: Values | null) =>
      findOwnBoot(ledgerWith(own, common), 'aem.stick', [13, 17, 18], HERE).approved
    expect(find(THERE, HERE)).toMatchObject({ at: AT, isCurrent: true })
    expect(find(THERE, { ...HERE, 18: value('9') })?.isCurrent).toBe(false)
    expect(find(THERE, null)?.isCurrent).toBe(true)
    expect(find({ 19: value('5') }, HERE)?.isCurrent).toBeNull()
  })

  it('is not known where devices share no register, or the list says nothing', () => {
    expect(findOwnBoot(ledgerWith(THERE, HERE), 'aem.stick', [], HERE).approved?.isCurrent).toBeNull()
    expect(findOwnBoot(ledgerWith(THERE, HERE), 'aem', [13], HERE).approved).toMatchObject({ at: AT })
    expect(findOwnBoot(ledgerWith(THERE, HERE), 'aem.other', [13], HERE)).toEqual(NOTHING)
    expect(findOwnBoot({ state: 'damaged', detail: '' }, 'aem', [13], HERE)).toEqual(NOTHING)
  })
})
