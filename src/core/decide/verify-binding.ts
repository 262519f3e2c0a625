import { listConstantPcrs } from '../launch/pcr.ts'
import { readPolicyDigest } from '../seal/key-public.ts'
import { computeTpm12Composite, type Tpm12Binding } from '../seal/tpm12-blob.ts'
import type { OwnBoot } from './own-boot.ts'
import { type Check, computePolicyPcr } from './verify-copies.ts'

type Values = Readonly<Record<number, string>>

/** What sealed files name themselves: their registers, and whether these are the values. */
export type SealedBinding = {
  /** All registers that one of them is bound to, ascending. */
  readonly pcrs: readonly number[]
  /** Are all of them bound to exactly these values (lower-case hex)? */
  isBoundTo(values: Values): boolean
}

/**
 * TPM 2.0: the policy digest of key.pub over the registers of key.pcrs.
 * @returns null where it holds no policy
 */
export function bindingOfKey(
  keyPub: Uint8Array | null,
  pcrs: readonly number[] | null,
): SealedBinding | null {
  const found = keyPub === null ? null : readPolicyDigest(keyPub)
  if (found === null || pcrs === null) return null
  return {
    pcrs: [...pcrs].sort((a, b) => a - b),
    isBoundTo: (values) => computePolicyPcr(pcrs, values) === found,
  }
}

/** TPM 1.2: each blob names its registers and their digest. @returns null where one of them does not, or none is there */
export function bindingOfBlobs(blobs: readonly (Tpm12Binding | null)[]): SealedBinding | null {
  const bound = blobs.flatMap((blob) => (blob === null ? [] : [blob]))
  if (bound.length === 0 || bound.length < blobs.length) return null
  return {
    pcrs: [...new Set(bound.flatMap(({ pcrs }) => pcrs))].sort((a, b) => a - b),
    isBoundTo: (values) =>
      bound.every(({ pcrs, digestAtRelease }) => computeTpm12Composite(pcrs, values) === digestAtRelease),
  }
}

export type BindingFacts = {
  readonly label: string
  /** This boot came from this very device. */
  readonly isBooted: boolean
  /** Label of the device that this boot came from; null: not known, or no AEM boot. */
  readonly bootedLabel: string | null
  /** Lower-case hex, in the bank that AEM seals to. */
  readonly present: Values
  /** What a forward seal of this device was made for; null: there is none; unknown: the session cannot be read. */
  readonly forward: Values | 'unknown' | null
  readonly own: OwnBoot
  /** Those of the sealed registers that hold the same whichever device is booted. */
  readonly shared: readonly number[]
}

export type BindingVerdict = {
  readonly check: Check
  /** Why the TPM is not asked for the secrets in this boot; null: it is asked. */
  readonly untried: string | null
}

const AFTER_RESTART = 'sealed forward: the TPM releases it only after the restart'

/**
 * Are the sealed files bound to the registers of the boot that they are for? Of the device that this boot came from that
 * is this boot. Of another one it is its own boot, whose PCR 19 (tboot) or 17 and 18 (TrenchBoot) are others: what is known
 * of that boot decides, and what is not known stays open.
 */
export function judgeBinding(sealed: SealedBinding, facts: BindingFacts): BindingVerdict {
  const { isBooted, present, forward } = facts
  const { pcrs } = sealed
  if (pcrs.some((index) => present[index] === undefined)) {
    const detail = 'a PCR that it is sealed to could not be read'
    return { check: { id: 'policy', ok: null, detail }, untried: null }
  }
  if (sealed.isBoundTo(present))
    return isBooted ? { check: judgeBound(pcrs, present), untried: null } : judgePresent(pcrs, facts)
  if (forward !== null && forward !== 'unknown' && sealed.isBoundTo(forward))
    return open('sealed forward: bound to the predicted PCR values of the next boot', AFTER_RESTART)
  if (!isBooted) return judgeOwnBoot(sealed, facts)
  if (forward === 'unknown')
    return open(
      'bound to other PCR values than those of this boot; it may be sealed forward, which only the session tells',
      'whether it is sealed forward is not known: the session cannot be read',
    )
  return {
    check: { id: 'policy', ok: false, detail: 'bound to other PCR values than those of this boot' },
    untried: null,
  }
}

/** A seal to a public constant opens in any boot that measures nothing: it is bound, and protects nothing. */
function judgeBound(pcrs: readonly number[], values: Values): Check {
  const constant = listConstantPcrs(values, pcrs)
  if (pcrs.length === 0)
    return { id: 'policy', ok: false, detail: 'bound to no PCR at all: it opens in every boot' }
  return {
    id: 'policy',
    ok: constant.length === 0,
    detail:
      constant.length === 0
        ? 'bound to the PCR values of this boot'
        : `bound to the PCR values of this boot, but PCR ${constant.join(', ')} holds a public constant (never measured) and protects nothing`,
  }
}

/** Sealed to a boot that came from elsewhere: right only where its own boot has the same values. */
function judgePresent(pcrs: readonly number[], facts: BindingFacts): BindingVerdict {
  const { shared, present, own } = facts
  const others = pcrs.filter((index) => !shared.includes(index))
  const before = own.approved?.registers ?? null
  const isSame = others.every((index) => before?.[index] === present[index])
  if (isSame) return { check: judgeBound(pcrs, present), untried: null }
  const detail = `bound to the PCR values of this boot, which ${cameFrom(facts)}`
  const differs = others.filter((index) => before?.[index] !== undefined && before[index] !== present[index])
  if (before !== null && differs.length > 0)
    return {
      check: {
        id: 'policy',
        ok: false,
        detail: `${detail}; its own boot of ${own.approved?.at} had another PCR ${differs.join(', ')}`,
      },
      untried: null,
    }
  return {
    check: { id: 'policy', ok: null, detail: `${detail}; the values of its own boot are not known` },
    untried: null,
  }
}

function judgeOwnBoot({ pcrs, isBoundTo }: SealedBinding, facts: BindingFacts): BindingVerdict {
  const { label, own } = facts
  const { approved, verified } = own
  const released = `only a boot from ${label} can release it`
  if (approved !== null && isBoundTo(approved.registers)) {
    const detail = `bound to the PCR values of its own boot, approved at ${approved.at}`
    const bound = judgeBound(pcrs, approved.registers)
    if (bound.ok !== true) return { check: bound, untried: released }
    if (approved.isCurrent === true) return { check: { id: 'policy', ok: true, detail }, untried: released }
    return open(
      approved.isCurrent === null
        ? `${detail}; whether that is the state of today is not known`
        : `${detail}, but another state was approved since: its boot files may be old`,
      released,
    )
  }
  if (verified !== null && isBoundTo(verified.registers))
    return open(
      `bound to the PCR values of its own boot of ${verified.at}, which was never approved`,
      released,
    )
  const known = approved === null ? 'of its own boot nothing is known' : 'nor those of its own approved boot'
  return open(`not bound to the PCR values of this boot, which ${cameFrom(facts)}; ${known}`, released)
}

function cameFrom({ bootedLabel }: BindingFacts): string {
  return bootedLabel === null ? 'came from another device, or from no AEM entry' : `came from ${bootedLabel}`
}

function open(detail: string, untried: string): BindingVerdict {
  return { check: { id: 'policy', ok: null, detail }, untried }
}
