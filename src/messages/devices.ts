import type { DeviceNeed, DeviceWork } from '../core/decide/device-need.ts'
import type { SealedFor } from '../core/decide/device-work.ts'
import type { LedgerLook } from '../core/session/device-ledger.ts'
import { type Line, line } from '../ui/ui.ts'
import { refreshByHand } from './refresh.ts'

/** What is said of AEM devices: for which state each is sealed, when it was verified, what is left to do. */

const NEEDS: { readonly [N in DeviceNeed]: (label: string) => string } = {
  changed: () =>
    'do not boot from it and do not refresh it before you know who changed it; of the device of this boot `aem-reseal explain` says more',
  'plug-in': () => 'plug it in and run `aem-reseal status`, which looks at its boot files',
  refresh: (label) =>
    `its own boot files are old. Plug it in, then \`aem-reseal devices refresh ${label}\`; or by hand: ${refreshByHand(label)}. Then boot it once with its AEM entry: that boot shows no secret yet; run \`aem-reseal verify\` in it`,
  'forward-boot': () =>
    'it is sealed forward: at its next boot with the AEM entry your secret must appear before you type the passphrase. If it does not, type nothing and power off. Then run `aem-reseal verify` in that boot',
  'own-boot': (label) =>
    `before you boot from it: \`aem-reseal devices refresh ${label}\`, then \`aem-reseal devices forward-seal ${label}\`: its next boot then shows your secret. Without that: restart from it with its AEM entry; that boot shows no secret yet and AEM seals to it by itself; run \`aem-reseal verify\` in it. The boot after that must show your secret`,
  resume: () => 'this boot came from it, and a session is open: `aem-reseal resume` goes on with it',
  start: () =>
    'this boot came from it, and its next boot may measure something else: `aem-reseal start`, before you restart',
  verify: (label) => `this boot came from it: \`aem-reseal verify\`, with ${label} plugged in`,
  accept: () =>
    'nobody accepted what this boot from it measured: `aem-reseal explain` shows it, and the next `aem-reseal start` asks whether you go on. It is sealed for this boot: at its next boot your secret must appear before you type the passphrase',
  look: () => 'plug it in and run `aem-reseal status`: what it carries, or whether it is there, is not known',
}

export function describeNeed(needs: DeviceNeed, label: string): string {
  return NEEDS[needs](label)
}

/** The to-do of one device in full, for the end of a session and for status. */
export function workLines(label: string, work: DeviceWork | null): readonly Line[] {
  if (work === null || work.state === 'done') return []
  const since = work.since === null ? '' : ` since ${work.since.slice(0, 10)}`
  return [line(`${label}, to do${since}: ${work.why}`, 'warn'), line(`  ${describeNeed(work.needs, label)}`)]
}

const SEALED_FOR: { readonly [S in NonNullable<SealedFor>]: string } = {
  present: 'sealed for the PCRs of this boot',
  'own-boot': 'sealed for its own boot, last verified there',
  forward: 'sealed forward, for the predicted PCRs of the next boot',
  other: 'sealed for other PCRs than the current ones',
  'not-sealed': 'not sealed',
}

export function describeSealedFor(sealedFor: SealedFor): string {
  return sealedFor === null ? 'for which PCRs it is sealed is not known' : SEALED_FOR[sealedFor]
}

/** Why there is no device ledger to believe; null where there is one, or none was written yet. */
export function describeLedger(look: LedgerLook, path: string): string | null {
  if (look.state === 'read' || look.state === 'absent') return null
  const what = {
    damaged: 'is damaged',
    foreign: 'is not one of aem-reseal',
    newer: 'was written by a newer aem-reseal',
    unreadable: 'cannot be read',
  }[look.state]
  return `the device ledger ${path} ${what} (${look.detail}). It is kept as it is, and nothing is remembered of the devices; look at it, then move it away: \`sudo mv ${path} ${path}.old\``
}

/** What is said of a device that is none of this dom0's. */
export function describeForeignDevice(label: string): readonly string[] {
  return [
    `an unknown device with an AEM label, not opened: dom0 keeps no /var/lib/anti-evil-maid/${label} for it, or another plugged-in device has the same label`,
    'unplug it, and do not boot from it, unless you know whose it is; of two sticks of yours with one label leave one in',
  ]
}
