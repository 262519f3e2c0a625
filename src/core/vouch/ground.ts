/* Long: what is known of a boot, what is answered, and the one decision between them. */
import type { AemJournal } from '../aem/seal-outcome.ts'
import type { Digests } from '../launch/launch-log.ts'
import type { ApprovedBoot } from '../session/approved-boot.ts'
import {
  type DeviceLedger,
  findKnownState,
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
  /** Digests, as loaded, of the initramfs on the device, where this program made it; asked for where no boot from it was approved. */
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
    const own = held.isOwn ? [] : facts.selected.filter((index) => held.wanted[index] === undefined)
    if (own.length > 0 && !isSameBoot(facts, held.model, own)) return not('device-not-approved', since, own)
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
  /** The approved boot of another device, where none from this one was approved; null: nothing whole is kept of it. */
  readonly model: { readonly boot: ApprovedBoot; readonly uuid: string } | null
}

/**
 * The approved state to compare this boot with; of a device without one, the registers that all devices share, and the approved boot
 * from which its own ones are computed.
 */
function findHeldState(ledger: DeviceLedger, facts: GroundFacts): Held | null {
  const label = labelOf(ledger, facts)
  const known = label === null ? null : findKnownState(ledger, label)
  const { approved } = ledger
  const isNow = (bootId: string | null): boolean => bootId !== null && bootId === facts.bootId
  if (approved !== null && isNow(approved.bootId))
    return {
      since: approved.at,
      bank: approved.bank,
      wanted: approved.registers,
      isOwn: true,
      isOfThisBoot: true,
      isBelieved: false,
      model: null,
    }
  if (known !== null) return heldOf(known)
  if (approved === null || approved.bank === null) return null
  const shared = Object.fromEntries(
    approved.shared.flatMap((index) => {
      const value = approved.registers[index]
      return value === undefined ? [] : [[String(index), value]]
    }),
  )
  return {
    since: approved.at,
    bank: approved.bank,
    wanted: shared,
    isOwn: false,
    isOfThisBoot: false,
    isBelieved: false,
    model: findModel(ledger, approved.label),
  }
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

function heldOf({ at, bank, registers, how }: KnownState): Held {
  const isBelieved = how === 'believed'
  return { since: at, bank, wanted: registers, isOwn: true, isOfThisBoot: false, isBelieved, model: null }
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
