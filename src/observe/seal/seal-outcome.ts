import { labelOf } from '../../core/aem/devices.ts'
import { decideSealOutcome } from '../../core/decide/seal-outcome.ts'
import { decideSealedInThisBoot } from '../../core/decide/sealed-in-this-boot.ts'
import { forwardRecordOf } from '../../core/seal/forward-of-session.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { HeldNote } from '../../core/session/held-note.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { SEAL_UNIT, type SealState } from './seal-unit.ts'
import { lookAtToken, observeSealedCopy, TOKEN } from './sealed-copy.ts'

export type ObservedSeal = {
  readonly outcome: ReturnType<typeof decideSealOutcome>
  readonly state: SealState
  readonly sealedInThisBoot: boolean | null
  /** The gate's note, when it is of this boot. */
  readonly heldNote: HeldNote | null
}

/**
 * What AEM did in this boot, with the facts behind it.
 * @param session what was recorded before; null: no session is open
 * @param note the gate's note, of whatever boot
 */
export async function observeSealOutcome(
  dom0: Dom0,
  session: Session | null,
  note: HeldNote | null = null,
): Promise<ObservedSeal> {
  const { host } = dom0
  const machine = await dom0.machine()
  const heldNote = note !== null && note.bootId !== null && note.bootId === machine.bootId ? note : null
  const state = await dom0.seal()
  const device = await dom0.booted()
  const label = device?.label ?? (state.cachedSuffix === null ? null : labelOf(state.cachedSuffix))
  const tpmId = await dom0.tpmId()
  const copy =
    tpmId === null || label === null ? null : await observeSealedCopy(host, '/var/lib', tpmId, label)
  const resealed = session?.resealed ?? null
  const sealedInThisBoot = decideSealedInThisBoot({
    token: lookAtToken(copy),
    earlierTokens: label === null ? [] : listEarlierTokens(session, label),
    resealedToken: resealed !== null && resealed.bootId === machine.bootId ? resealed.token : null,
    unit: state.unit,
    journal: state.journal,
  })
  const heldByDropIn = state.unit?.dropIns.some((path) => path.includes(`${SEAL_UNIT}.d/`)) ?? false
  const outcome = decideSealOutcome({
    journal: state.journal,
    unit: state.unit,
    sealedInThisBoot,
    heldByDropIn,
    hasHeldNote: heldNote !== null,
  })
  return { outcome, state, sealedInThisBoot, heldNote }
}

/** What dom0's sealed token was before the restart: as recorded, and as a forward seal left it. */
function listEarlierTokens(session: Session | null, label: string): readonly string[] {
  const recorded = (session?.baseline?.sealedFiles ?? []).filter(
    (file) => file.copy === 'dom0' && file.label === label && file.name === TOKEN,
  )
  const forward = forwardRecordOf(session)
  const sealed = forward?.label === label ? forward.next.filter((file) => file.name === TOKEN) : []
  return [...recorded, ...sealed].flatMap(({ sha256 }) => sha256 ?? [])
}
