import { listMayChange } from '../../core/decide/confirm-update.ts'
import { type Session, startSession } from '../../core/session/checkpoint.ts'
import {
  findComparedState,
  findLedgerDevice,
  type KnownState,
  type LedgerLook,
} from '../../core/session/device-ledger.ts'
import type { Versions } from '../../core/session/versions.ts'
import { decideGround, type Ground, labelOf } from '../../core/vouch/ground.ts'
import type { Seen } from '../../host/host.ts'
import { observeBootDevice } from '../device/boot-device.ts'
import { observeConfirmedPackages } from '../dom0/confirmed-packages.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeFlavour, observeInstalledXen } from '../dom0/status.ts'
import { observePackageNames } from './booted-state.ts'
import { observeExplanation } from './explanation.ts'
import { type Looked, type ObservedGround, observeGround } from './ground.ts'
import type { Reproduce } from './since-start.ts'
import type { Explanation } from './verdict.ts'

/** This boot, compared with the last approved one from its device, while no session is open. */
export type SinceApproved = {
  readonly label: string
  readonly at: string
  /** It was believed by `start` on the first use, and approved by nobody. */
  readonly isBelieved: boolean
  /** null where the journal is silent, and the registers are the approved ones. */
  readonly ground: Extract<Ground, { state: 'vouched' | 'not-vouched' }> | null
}

/** @returns null where no boot from the device of this boot was approved */
export async function observeSinceApproved(
  dom0: Dom0,
  look: LedgerLook,
  looked: Looked | null = null,
): Promise<(SinceApproved & { readonly observed: ObservedGround; readonly known: KnownState }) | null> {
  const observed = await observeGround(dom0, look, looked)
  const ledger = look.state === 'read' ? look.ledger : null
  const label = ledger === null ? null : labelOf(ledger, observed.facts)
  const known = ledger === null || label === null ? null : findComparedState(ledger, label)
  if (label === null || known === null) return null
  const ground = decideGround(observed.facts)
  // What it was sealed forward to says nothing of a register beside: that is compared with the other device's boot (observeUnapproved).
  if (ground.state === 'not-vouched' && ground.why === 'device-not-approved') return null
  const isBelieved = known.how === 'believed'
  return { label, at: known.at, isBelieved, ground: ground.state === 'ask' ? null : ground, observed, known }
}

/**
 * What changed since the last approved boot, traced as after a guided update: each changed file must come from a signed
 * package that was not installed then.
 *
 * @returns null where no boot from the device of this boot was approved
 */
export async function explainSinceApproved(
  dom0: Dom0,
  look: LedgerLook,
  versions: Seen<Versions>,
  reproduce: Reproduce | null = null,
): Promise<(Explanation & { readonly since: Pick<SinceApproved, 'at' | 'isBelieved'> }) | null> {
  const since = await observeSinceApproved(dom0, look)
  if (since === null) return null
  const session = await makeSession(dom0, since.observed, since.known)
  return {
    ...(await observeExplanation(dom0, session, versions, {
      known: await knownOf(dom0, look, since.label),
      isSinceApproved: true,
      approvedFiles: filesOf(since.known),
      reproduce,
    })),
    since: { at: since.at, isBelieved: since.isBelieved },
  }
}

/** Each known initramfs that was made of what is installed now: an older one accounts for no change. */
export async function knownOf(
  dom0: Dom0,
  look: LedgerLook,
  label: string,
): Promise<ReadonlyMap<string, string>> {
  const files = look.state === 'read' ? findLedgerDevice(look.ledger, label).knownFiles : []
  const packages = (await observePackageNames(dom0))?.join('\n')
  return new Map(
    files
      .filter(({ origin }) => packages !== undefined && origin?.packages.join('\n') === packages)
      .map(({ name, sha256 }) => [`/${name}`, sha256]),
  )
}

export function filesOf({ boot }: KnownState): ReadonlyMap<string, string> {
  return new Map(
    (boot?.files ?? []).flatMap(({ path, sha256 }) => (sha256 === null ? [] : [[path, sha256] as const])),
  )
}

/** RFC 9562, section 5.9: the nil UUID. */
const KEPT_NOWHERE = '00000000-0000-0000-0000-000000000000'

/** A session as `start` would have left it in the approved boot; it is kept nowhere. */
export async function makeSession(
  dom0: Dom0,
  { machine, device }: ObservedGround,
  known: KnownState,
): Promise<Session> {
  const { host } = dom0
  const { boot } = known
  const all = (await observeConfirmedPackages(dom0, machine.bootTime))?.packages ?? []
  // Where it is not known what was installed then, no package accounts for anything.
  const before = known.packages
  const changed = before === null ? [] : all.filter(({ name, evr }) => !before.includes(`${name} ${evr}`))
  const files = (await observeBootDevice(dom0, device, machine.xen.buildId)).files
  const { installedXen } = await observeInstalledXen(dom0)
  return {
    ...startSession({ id: KEPT_NOWHERE, now: host.now(), bootId: known.bootId, flow: 'resume' }),
    baseline: {
      takenAt: known.at,
      bootId: known.bootId,
      bootTime: boot?.bootTime ?? null,
      bank: known.bank,
      selectedPcrs: [
        ...new Set([...Object.keys(known.registers).map(Number), ...((await dom0.selectedPcrs()) ?? [])]),
      ].sort((a, b) => a - b),
      pcrs: { [known.bank]: { ...known.registers } },
      kernelCommandLine: boot?.commandLines.kernel ?? null,
      xenCommandLine: boot?.commandLines.xen ?? null,
      runningXen: { version: null, buildId: null },
      // What lies there now is compared with the packages; what lay there then was an earlier package's.
      bootFiles: files.map(({ path, role, digests }) => ({ path, role, digests })),
      packages: (before ?? []).map((words) => ({
        name: words.split(' ')[0] ?? words,
        evr: words.split(' ')[1] ?? '',
        arch: '',
        installedAt: known.at,
        signatureKeyId: null,
      })),
      sealedFiles: [],
      launchLog: null,
      components: boot?.components ?? null,
    },
    expectation: {
      bulletins: [],
      bulletinPcrs: [],
      mayChange: [...listMayChange(changed, [], await observeFlavour(host))],
      changedPackages: changed.map(({ name }) => name),
      downgrades: [],
      xenBuildId: installedXen.buildId,
      deviceUuid: machine.aemUuid,
    },
  }
}
