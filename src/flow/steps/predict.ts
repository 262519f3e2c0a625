import type { Outcomes } from '../../core/decide/outcomes.ts'
import { originalPath } from '../../core/launch/efi-entry.ts'
import { isAemEntry } from '../../core/launch/grub-cfg.ts'
import { describePrediction } from '../../messages/predict.ts'
import { luksHeaderQuestion } from '../../messages/vouch.ts'
import { observeOtherTarget } from '../../observe/device/session-device.ts'
import { type NextBoot, observeNextBoot } from '../../observe/launch/prediction.ts'
import type { Step } from '../step.ts'
import { type VouchedBoot, vouchWithPerson } from '../vouch-with-person.ts'

export const predict: Step<'predict'> = async ({ dom0, ui, session, store }) => {
  const selected = session.baseline?.selectedPcrs ?? (await dom0.selectedPcrs()) ?? []
  const look = await store.loadDevices()
  const target = await observeOtherTarget(dom0, session, look)
  const next = await ui.progress('hashing what the next boot measures', () =>
    observeNextBoot(dom0, selected, target),
  )
  const vouched = await vouchWithPerson(dom0, ui, next, look)
  const { reproductions, accepted } = vouched
  const stop = decideStop(next, vouched)
  const isAsked = stop === null && next.luksChanged !== null
  const isOwnChange =
    isAsked && (await ui.ask<'yes' | 'no'>(luksHeaderQuestion(next.luksChanged?.uuids ?? []))) === 'yes'
  const { prediction, unvouched, outcome: found } = vouched.found
  const outcome = stop ?? (isAsked && !isOwnChange ? 'luks-header-changed' : found)
  return {
    outcome,
    facts: {
      ...prediction,
      unvouched,
      reproductions,
      accepted,
      luksHeaderAccepted: isAsked ? isOwnChange : null,
      // PCR 13 of those headers: after the restart it is compared with what was accepted, not with the question.
      luksHeaderValue: isOwnChange ? (next.luksChanged?.value ?? null) : null,
    },
    message: describePrediction(outcome, prediction, unvouched, {
      device: session.device,
      reproductions,
      aemEntry: next.place.launch.booted.entry?.titlePath.join('>') ?? null,
    }),
    session: { prediction },
  }
}

/** What the next boot may not be started with, whatever is predicted of it; null where nothing is. */
function decideStop(next: NextBoot, { found, reproductions }: VouchedBoot): Outcomes['predict'] | null {
  const { launch } = next.place
  if (launch.next.entry !== null && !isAemEntry(launch.next.entry)) return 'not-aem-entry'
  if (found.outcome === 'unvouched') {
    // A copy on the EFI system partition is made by AEM's script from the one in /boot.
    const fresh = reproductions.find(
      (one) => 'fresh' in one && one.fresh !== null && one.image === originalPath(one.image),
    )
    // The fresh image is offered where it would settle everything: nothing else is wrong.
    return fresh !== undefined && found.unvouched.length === 1 ? 'initramfs-differs' : 'unvouched'
  }
  return launch.sinitUnchanged === false ? 'sinit-changed' : null
}
