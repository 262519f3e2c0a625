import type { Reproduction } from '../core/initramfs/reproduction.ts'
import { listApprovedImages } from '../core/session/approved-boot.ts'
import type { LedgerLook } from '../core/session/device-ledger.ts'
import type { Acceptance, OpenLook, OpenQuestion } from '../core/vouch/vouched-by.ts'
import { vouchQuestion } from '../messages/vouch.ts'
import { isEntryRegenerated } from '../observe/device/regenerated-entry.ts'
import type { Dom0 } from '../observe/dom0/dom0.ts'
import { reproduceInitramfsOf } from '../observe/initramfs/of-device.ts'
import { type NextBoot, type ObservedPrediction, vouchNextBoot } from '../observe/launch/prediction.ts'
import { NO_EVIDENCE, type VouchEvidence } from '../observe/launch/vouch-evidence.ts'
import type { Ui } from '../ui/ui.ts'

export type VouchedBoot = {
  readonly found: ObservedPrediction
  /** What came of making an initramfs again, each with the path GRUB uses. */
  readonly reproductions: readonly (Reproduction & { readonly image: string })[]
  /** What a person accepted. */
  readonly accepted: readonly Acceptance[]
}

/**
 * What vouches for the next boot, with the looks that take long, and with a person's word where only a person can know. A
 * person is asked only where their yes would settle everything.
 */
export async function vouchWithPerson(
  dom0: Dom0,
  ui: Pick<Ui, 'ask' | 'progress'>,
  next: NextBoot,
  look: LedgerLook,
): Promise<VouchedBoot> {
  let evidence: VouchEvidence = { ...NO_EVIDENCE, remembered: listRemembered(look) }
  let found = await vouchNextBoot(dom0, next, evidence)
  for (const look of found.looks) evidence = await takeLook(dom0, ui, next, look, evidence)
  if (found.looks.length > 0) found = await vouchNextBoot(dom0, next, evidence)
  const reproductions = [...evidence.reproductions].map(([image, result]) => ({ ...result, image }))
  const all = found.questions.map(toAcceptance)
  if (all.length === 0) return { found, reproductions, accepted: [] }
  const settled = await vouchNextBoot(dom0, next, { ...evidence, accepted: all })
  if (settled.unvouched.length > 0) return { found, reproductions, accepted: [] }
  for (const question of found.questions)
    if ((await ui.ask(vouchQuestion(question))) === 'no') return { found, reproductions, accepted: [] }
  return { found: settled, reproductions, accepted: all }
}

/** Images of the approved boots of all devices: one that an update replaced in place still proves its command line. */
export function listRemembered(look: LedgerLook): VouchEvidence['remembered'] {
  if (look.state !== 'read') return []
  const { ledger } = look
  return ledger.devices.flatMap(({ label }) =>
    listApprovedImages(ledger, label).map(({ digests }) => digests),
  )
}

async function takeLook(
  dom0: Dom0,
  ui: Pick<Ui, 'progress'>,
  next: NextBoot,
  look: OpenLook,
  evidence: VouchEvidence,
): Promise<VouchEvidence> {
  const { host } = dom0
  if (look.kind === 'grub-config') {
    const isRegenerated = await ui.progress("asking dom0's own grub2-mkconfig what it writes", () =>
      isEntryRegenerated(host, next.place),
    )
    return { ...evidence, isRegenerated }
  }
  const result = await ui.progress(`making ${look.path} again, to compare it (up to a minute)`, () =>
    reproduceInitramfsOf(dom0, next.place, look),
  )
  return { ...evidence, reproductions: new Map([...evidence.reproductions, [look.path, result]]) }
}

function toAcceptance(question: OpenQuestion): Acceptance {
  return question.kind === 'command-line'
    ? { kind: 'command-line', path: question.path, line: question.line }
    : { kind: 'modules', path: question.path, sha256: question.sha256 }
}
