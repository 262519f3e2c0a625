import type { UnsealAnswer } from '../../core/aem/seal-outcome.ts'
import type { BootState } from '../../core/decide/protection-state.ts'
import type { LedgerLook } from '../../core/session/device-ledger.ts'
import type { Versions } from '../../core/session/versions.ts'
import { decideGround } from '../../core/vouch/ground.ts'
import type { Seen } from '../../host/host.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeExplanation } from './explanation.ts'
import { type Looked, observeGround } from './ground.ts'
import { filesOf, knownOf, makeSession, observeSinceApproved } from './since-approved.ts'

/** What `status` and `verify` say of this boot without a session; the tracing runs only where something differs. */
export type BootCheck = {
  /** The device of this boot. */
  readonly label: string
  /** When the boot that this one is compared with was approved; null: none was, and its own entry speaks against this one. */
  readonly at: string | null
  /** That boot was believed by `start` on the first use, and approved by nobody. */
  readonly isBelieved: boolean
  readonly state: BootState
  readonly registers: readonly number[]
  /** What AEM's journal says of the secret. */
  readonly unseal: UnsealAnswer | null
  /** What stands against the change, or why nothing is known; empty where nothing does. */
  readonly what: readonly string[]
}

/**
 * A boot from a device that none was approved from since one from another device was: the same but for the device, or not known.
 * @returns null where none was approved at all, or nothing says whether the secret was released
 */
export async function observeUnapproved(
  dom0: Dom0,
  look: LedgerLook,
  looked: Looked | null = null,
): Promise<BootCheck | null> {
  const { facts, device } = await observeGround(dom0, look, looked)
  const ground = decideGround(facts)
  if (ground.state === 'ask' || ground.since === null) return null
  const { since } = ground
  const base = {
    label: device?.label ?? 'the device of this boot',
    at: since,
    isBelieved: false,
    unseal: facts.unseal,
  }
  // What AEM's own seal did comes after the registers: those are the approved ones then.
  if (ground.state === 'vouched' || ground.why === 'secret-refused' || ground.why === 'secret-invalid')
    return { ...base, state: 'same', registers: [], what: [] }
  const { why, registers, isBelieved = false } = ground
  const [is, has] = registers.length === 1 ? ['is', 'has'] : ['are', 'have']
  const whats: { readonly [W in typeof why]?: string } = {
    'registers-differ': `${is} not as approved on another one, which all devices share`,
    'device-not-approved': `${is} not shown to be what the approved boot of another one has from it`,
    'registers-unknown': `${has} no approved value`,
    'registers-unreadable': 'cannot be read',
  }
  const what = whats[why]
  if (what === undefined) return null
  return {
    ...base,
    isBelieved,
    state: 'not-known',
    registers,
    what: [
      `no boot from this device was approved in the present state, and PCR ${registers.join(', ')} ${what}`,
    ],
  }
}

/** @returns null where no boot was approved that this one could be compared with */
export async function observeBootCheck(
  dom0: Dom0,
  look: LedgerLook,
  versions: Seen<Versions>,
  looked: Looked | null = null,
): Promise<BootCheck | null> {
  const since = await observeSinceApproved(dom0, look, looked)
  if (since === null) return observeUnapproved(dom0, look, looked)
  const { ground, observed, at, isBelieved } = since
  const { unseal } = observed.facts
  const base = {
    label: since.label,
    at,
    isBelieved,
    unseal,
    registers: ground?.state === 'not-vouched' ? ground.registers : [],
  }
  if (ground === null || ground.state === 'vouched') return { ...base, state: 'same', what: [] }
  if (ground.why === 'registers-unknown')
    return {
      ...base,
      state: 'not-known',
      what: [
        `AEM seals to PCR ${ground.registers.join(', ')} since, and nothing says what was approved of it: run \`aem-reseal start\` and \`aem-reseal resume\` at the next update`,
      ],
    }
  if (ground.why === 'registers-unreadable' || ground.why === 'other-bank')
    return { ...base, state: 'not-known', what: [`the registers could not be compared (${ground.why})`] }
  // The token was refused, or is an old one, and the registers are the approved ones.
  if (ground.why !== 'registers-differ') return { ...base, state: 'same', what: [] }
  const session = await makeSession(dom0, observed, since.known)
  const known = await knownOf(dom0, look, since.label)
  const { verdict, reasons } = await observeExplanation(dom0, session, versions, {
    known,
    isSinceApproved: true,
    approvedFiles: filesOf(since.known),
  })
  const found = reasons.filter(({ isBlocking }) => isBlocking)
  const blocking = found.map(({ what }) => what)
  const isUnmade = found.length > 0 && found.every(({ code }) => code === 'initramfs-not-compared')
  // The device of this boot is out, what it measured cannot be computed here, or dracut has to run first.
  if (verdict === 'no-baseline' || verdict === 'not-computable' || isUnmade)
    return { ...base, state: 'not-known', what: blocking }
  return { ...base, state: verdict === 'explained' ? 'explained' : 'unexplained', what: blocking }
}
