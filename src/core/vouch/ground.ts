/* Long: what is known of a boot, what is answered, and the one decision between them. */
import type { AemJournal } from '../aem/seal-outcome.ts'
import type { Digests } from '../launch/launch-log.ts'
import type { ApprovedBoot } from '../session/approved-boot.ts'
import {
  type ApprovedState,
  type DeviceLedger,
  findComparedState,
  findLedgerDevice,
  type KnownState,
  type LedgerLook,
} from '../session/device-ledger.ts'
import { deriveRegisters } from './other-device.ts'

/*
 * The ground of a forward seal: this boot itself. What is predicted from it, its command lines and its launch log are worth
 * what this boot is worth, so this is decided before anything is predicted.
 */

/** What is known of this boot. */
export type GroundFacts = {
  readonly bootId: string | null
  /** The device it came from, by aem.uuid of the kernel command line; null: not known. */
  readonly device: { readonly label: string | null; readonly uuid: string | null }
  readonly bank: string | null
  /** Of that bank, lower-case hex by index. */
  readonly registers: Readonly<Record<number, string>>
  /** Registers that AEM seals to now. */
  readonly selected: readonly number[]
  /** What AEM's initrd said in this boot; null: the journal does not say. */
  readonly unseal: AemJournal['unseal']
  readonly look: LedgerLook
  /** Digests, as loaded, of the initramfs on the device, where this program made it or an approved boot measured it; asked for where no boot from it was approved. */
  readonly madeInitramfs?: Digests | null
}

/** The person's own word whether their sentence appeared; null: nobody was asked. */
export type Word = 'yes' | 'no' | null

export type GroundProblem =
  | 'list-unreadable'
  | 'other-bank'
  | 'registers-unreadable'
  | 'registers-differ'
  | 'registers-unknown'
  | 'device-not-approved'
  | 'secret-refused'
  | 'secret-invalid'
  | 'secret-not-seen'
  | 'secret-unknown'

export type Ground =
  | {
      readonly state: 'vouched'
      /**
       * - accepted: a person accepted this boot in `resume`
       * - approved-state: the secret was released, under the registers that were approved last, or those that the same boot
       *   has from this device
       * - believed-state: the same as in the boot that `start` believed on the first use, which nobody approved
       * - released-secret: it was released, and nothing was approved before: it vouches for what AEM sealed last, unseen
       */
      readonly by: 'accepted' | 'approved-state' | 'believed-state' | 'released-secret'
      readonly since: string | null
    }
  /** AEM's journal is silent: only the person knows whether the secret appeared. */
  | { readonly state: 'ask' }
  | {
      readonly state: 'not-vouched'
      readonly why: GroundProblem
      /** Registers that are not the approved ones. */
      readonly registers: readonly number[]
      /** When the state that it was compared with was approved; null: none was. */
      readonly since: string | null
      /** That state was believed by `start` on the first use, and approved by nobody. */
      readonly isBelieved?: true
    }

/**
 * Does anything vouch for this boot? Registers that are not the approved ones speak against it whatever AEM says: after a
 * boot that AEM sealed by itself the next one shows the secret, of an attacker's making too.
 *
 * @param word where `ask` was the answer before
 */
export function decideGround(facts: GroundFacts, word: Word = null): Ground {
  const { look } = facts
  if (look.state !== 'read' && look.state !== 'absent') return not('list-unreadable', null)
  const held = look.state === 'read' ? findHeldState(look.ledger, facts) : null
  const ground = decideOn(facts, held, word)
  return ground.state === 'not-vouched' && held?.isBelieved === true
    ? { ...ground, isBelieved: true }
    : ground
}

function decideOn(facts: GroundFacts, held: Held | null, word: Word): Ground {
  const since = held?.since ?? null
  if (held !== null) {
    if (held.bank !== null && facts.bank !== held.bank) return not('other-bank', since)
    const { unread, others, unknown } = compare(facts, held)
    if (others.length > 0) return not('registers-differ', since, others)
    if (unread.length > 0) return not('registers-unreadable', since, unread)
    if (unknown.length > 0) return not('registers-unknown', since, unknown)
    if (held.isOfThisBoot) return { state: 'vouched', by: 'accepted', since }
    const { derived } = held
    if (derived.length > 0 && !isSameBoot(facts, held.model, derived))
      return not('device-not-approved', since, derived)
  }
  if (facts.unseal === 'mismatch') return not('secret-refused', since)
  if (facts.unseal === 'wrong-token') return not('secret-invalid', since)
  if (facts.unseal === null && word === null) return { state: 'ask' }
  if (word === 'no') return not('secret-not-seen', since)
  if (held === null) return { state: 'vouched', by: 'released-secret', since }
  return { state: 'vouched', by: held.isBelieved ? 'believed-state' : 'approved-state', since }
}

/** Where nobody can be asked, silence vouches for nothing. */
export function groundUnasked(facts: GroundFacts): Ground {
  const ground = decideGround(facts)
  return ground.state === 'ask' ? not('secret-unknown', null) : ground
}

function not(why: GroundProblem, since: string | null, registers: readonly number[] = []): Ground {
  return { state: 'not-vouched', why, since, registers }
}

type Held = {
  readonly since: string
  /** null: of the bank that is in use. */
  readonly bank: string | null
  readonly wanted: Readonly<Record<string, string>>
  /** All registers that AEM seals to, as approved on this very device. */
  readonly isOwn: boolean
  readonly isOfThisBoot: boolean
  readonly isBelieved: boolean
  /** Registers without a value of this device's own: what the same boot would have from it is computed. */
  readonly derived: readonly number[]
  /** The approved boot of another device that they are computed from; null: nothing whole is kept of it. */
  readonly model: { readonly boot: ApprovedBoot; readonly uuid: string } | null
}

/**
 * The approved state to compare this boot with; of a device without one, or with one that is older than the last, the registers that all
 * devices share, and the approved boot from which its own ones are computed.
 */
function findHeldState(ledger: DeviceLedger, facts: GroundFacts): Held | null {
  const label = labelOf(ledger, facts)
  const known = label === null ? null : findComparedState(ledger, label)
  const { approved } = ledger
  if (approved !== null && approved.bootId !== null && approved.bootId === facts.bootId)
    return { ...heldOf({ ...approved, how: 'accepted' }), bank: approved.bank, isOfThisBoot: true }
  if (known !== null) {
    // It was sealed forward to those that AEM seals to; what the launch fills beside is as on the device it was sealed from.
    const beside =
      known.how === 'forward-sealed'
        ? listBeside(approved, [...Object.keys(known.registers).map(Number), ...facts.selected])
        : []
    return { ...heldOf(known), derived: beside, model: findModel(ledger, approved?.label ?? null) }
  }
  if (approved === null) return findBelievedElsewhere(ledger, facts)
  if (approved.bank === null) return null
  const wanted = pickShared(approved)
  return {
    ...heldOf({ ...approved, bank: approved.bank, how: 'accepted' }),
    wanted,
    isOwn: false,
    derived: [...facts.selected, ...listBeside(approved, facts.selected)].filter(
      (index) => wanted[index] === undefined,
    ),
    model: findModel(ledger, approved.label),
  }
}

/** Where nothing was approved at all, and `start` believed a boot of another device: only what all devices share can be as there. */
function findBelievedElsewhere(ledger: DeviceLedger, { selected }: GroundFacts): Held | null {
  const believed = ledger.devices.find((one) => one.believed !== undefined)?.believed
  if (believed === undefined) return null
  const wanted = pickShared(believed)
  const derived = [...selected, ...listBeside(believed, selected)].filter(
    (index) => wanted[index] === undefined,
  )
  return { ...heldOf({ ...believed, how: 'believed' }), wanted, isOwn: false, derived }
}

/** The approved boot of a device, with the UUID that its kernel's command line names; null: nothing whole is kept. */
export function findModel(ledger: DeviceLedger, label: string | null): Held['model'] {
  if (label === null) return null
  const { approved: boot, uuid } = findLedgerDevice(ledger, label)
  const values = ledger.approved?.registers ?? {}
  // An older boot than the state that was approved last is none to go by.
  const isLast = Object.keys(values).every((index) => boot?.registers[index] === values[index])
  return boot === null || uuid === null || !isLast ? null : { boot, uuid }
}

/** Are the registers that a device has for itself those of the approved boot, had it come from this device? */
function isSameBoot(facts: GroundFacts, model: Held['model'], own: readonly number[]): boolean {
  const { device, registers, madeInitramfs = null } = facts
  if (model === null || device.uuid === null) return false
  const { uuid } = device
  return [null, ...(madeInitramfs === null ? [] : [madeInitramfs])].some((initramfs) => {
    const values = deriveRegisters(model.boot, model.uuid, uuid, initramfs)
    return own.every((index) => values?.[index] !== undefined && values[index] === registers[index])
  })
}

function heldOf(state: Pick<KnownState, 'at' | 'registers' | 'how'> & Pick<Held, 'bank'>): Held {
  return {
    since: state.at,
    bank: state.bank,
    wanted: state.registers,
    isOwn: true,
    isOfThisBoot: false,
    isBelieved: state.how === 'believed',
    derived: [],
    model: null,
  }
}

function pickShared({ shared, registers }: Pick<ApprovedState, 'shared' | 'registers'>): Held['wanted'] {
  return Object.fromEntries(
    shared.flatMap((index) => {
      const value = registers[index]
      return value === undefined ? [] : [[String(index), value]]
    }),
  )
}

/** Registers of the last approved state beside those that are spoken for. */
function listBeside(
  approved: Pick<ApprovedState, 'registers'> | null,
  spokenFor: readonly number[],
): readonly number[] {
  return Object.keys(approved?.registers ?? {})
    .map(Number)
    .filter((index) => !spokenFor.includes(index))
}

/** The device in the ledger: by its UUID where that is known there, as a stick may be out; else by its label. */
export function labelOf(ledger: DeviceLedger, { device }: Pick<GroundFacts, 'device'>): string | null {
  const byUuid = ledger.devices.find(({ uuid }) => uuid !== null && uuid === device.uuid)
  return byUuid?.label ?? device.label
}

/** A register that SEAL took in since has no approved value: nothing says what it should be. */
function compare({ registers, selected }: GroundFacts, { wanted, isOwn }: Held) {
  const indices = Object.keys(wanted).map(Number)
  return {
    unread: indices.filter((index) => registers[index] === undefined),
    unknown: isOwn ? selected.filter((index) => wanted[index] === undefined) : [],
    others: indices.filter((index) => registers[index] !== undefined && registers[index] !== wanted[index]),
  }
}
