/* Long: one step with its three questions, which are asked of one look at packages and bulletins. */

import { addToCatalogue, type Catalogue, evidenceOf } from '../../core/bulletin/catalogue.ts'
import {
  type BulletinList,
  type BulletinState,
  pcrsThatMayChange,
} from '../../core/bulletin/decide-bulletins.ts'
import type { GivenBulletin } from '../../core/bulletin/given-bulletin.ts'
import { type LoweredDemand, listLowered } from '../../core/bulletin/revision.ts'
import {
  type ConfirmedPackage,
  decideUpdate,
  listChangedPackages,
  listMayChange,
  type UpdateFacts,
} from '../../core/decide/confirm-update.ts'
import { type Downgrade, listDowngrades } from '../../core/decide/downgrades.ts'
import { recordVersions } from '../../core/session/versions.ts'
import { valueOrNull } from '../../host/host.ts'
import { describeUpdate, downgradeWords } from '../../messages/before-restart.ts'
import { qsb } from '../../messages/bulletin-state.ts'
import { givenLines, otherBulletinLines } from '../../messages/bulletins.ts'
import { trustedKeyLines } from '../../messages/trusted-keys.ts'
import { observeBulletins } from '../../observe/bulletin/bulletins.ts'
import { findBootedDevice } from '../../observe/device/devices.ts'
import { observeConfirmedPackages } from '../../observe/dom0/confirmed-packages.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { listRecordedVersions, listRunningVersions } from '../../observe/dom0/earlier-versions.ts'
import { observeStatus, type StatusFacts } from '../../observe/dom0/status.ts'
import { observeEntries } from '../../observe/launch/launch.ts'
import { observeNextDifference } from '../../observe/launch/next-difference.ts'
import { observeSealOutcome } from '../../observe/seal/seal-outcome.ts'
import type { Step, StepContext } from '../step.ts'

/** Questions with more bulletins than fit a screen help nobody; older ones can be named by number. */
const MAX_OFFERED = 6

export const confirmUpdate: Step<'confirm-update'> = async (context) => {
  const { dom0, host, ui, options, store } = context
  const status = await observeStatus(dom0)
  const rpm = await ui.progress('verifying packages and their signatures', () =>
    observeNextPackages(dom0, status),
  )
  const packages = rpm?.packages ?? []
  const catalogue = await dom0.catalogue()
  const list = await ui.progress('comparing with the bulletins', () => observeList(context, catalogue))
  const states = list?.bulletins ?? []
  const named = options.bulletin !== null
  const chosen = named
    ? stateOf(options.bulletin, states)
    : options.canAsk
      ? await askBulletin(context, states)
      : null
  const versions = await store.loadVersions()
  const downgrades = listDowngrades(packages, [
    ...listRunningVersions(status.machine, packages),
    ...listRecordedVersions(valueOrNull(versions)),
  ])
  const facts: Omit<UpdateFacts, 'isDowngradeWanted'> = {
    areVersionsKnown: versions.state !== 'unknown',
    downgrades,
    packages,
    rpmKnown: rpm !== null,
    unasked: rpm?.unasked ?? [],
    pendingXen: status.pendingRestart,
    demandMet: chosen?.met ?? null,
    bulletinNamed: named || chosen !== null,
    bulletinVerified: options.bulletin?.approval !== 'refused',
  }
  // Asked only where it is all that stands in the way.
  const isDowngradeWanted =
    decideUpdate({ ...facts, isDowngradeWanted: false }) === 'downgrade' &&
    options.canAsk &&
    (await askDowngrade(context, downgrades))
  const decided = decideUpdate({ ...facts, isDowngradeWanted })
  // What no package brought boots all the same.
  const nextBoot =
    decided === 'nothing-pending'
      ? await ui.progress('hashing what the next boot measures', () => observeNextDifference(dom0))
      : []
  const outcome = nextBoot !== null && nextBoot.length > 0 ? 'files-changed' : decided
  const wanted = isDowngradeWanted ? downgrades : []
  if (decided === 'confirmed' || decided === 'downgrade-wanted' || decided === 'nothing-pending') {
    const at = host.now().toISOString()
    await store.saveVersions(recordVersions(valueOrNull(versions), packages, wanted, at))
  }
  const answered = listAnswered(states, chosen)
  const moved = listMoved(status, packages)
  const bulletinPcrs = pcrsOf(catalogue, answered, options.bulletin)
  const mayChange = listMayChange(moved, bulletinPcrs, status.aem.flavour)
  return {
    outcome,
    facts: {
      bulletin: chosen,
      given: options.bulletin && {
        id: options.bulletin.bulletin.id,
        approval: options.bulletin.approval,
        file: options.bulletin.file,
      },
      answers: answered.map((state) => state.id),
      packages,
      xen: { running: status.machine.xen, installed: status.installedXen },
      pendingRestart: status.pendingRestart,
      downgrades,
      mayChange,
      nextBoot,
    },
    message: describeUpdate(outcome, {
      packages,
      unasked: rpm?.unasked ?? [],
      downgrades,
      areVersionsKnown: versions.state !== 'unknown',
      bulletin:
        answered.length > 0
          ? answered.map((state) => qsb(state.id)).join(', ')
          : chosen
            ? qsb(chosen.id)
            : null,
      chosen,
      bulletinVerified: options.bulletin?.approval !== 'refused',
      silent: named && chosen === null && list !== null ? { id: options.bulletin.bulletin.id, list } : null,
      pendingXen: status.pendingRestart,
      mayChange,
      nextBoot,
      isSealHeld: outcome === 'nothing-pending' && (await isSealHeld(context, status)),
      notes: [
        ...givenLines(options.bulletin, listLoweredHere(catalogue, options.bulletin, list)),
        ...trustedKeyLines(status.malformedTrustedKeys, status.trustedKeysUnread),
      ],
    }),
    session: {
      expectation: {
        bulletins: answered.map((state) => state.id),
        bulletinPcrs: [...bulletinPcrs],
        mayChange: [...mayChange],
        downgrades: wanted.map((item) => ({ ...item })),
        changedPackages: [...new Set(moved.map((item) => item.name))],
        xenBuildId: status.installedXen.buildId,
        deviceUuid: status.machine.aemUuid,
        deviceLabel: findBootedDevice(status.devices, status.machine.aemUuid)?.label ?? null,
      },
    },
  }
}

/** The unit stays held also where somebody sealed by hand since: then the copies are for this boot. */
async function isSealHeld({ dom0, store }: StepContext, { devices, machine }: StatusFacts): Promise<boolean> {
  const { outcome } = await observeSealOutcome(dom0, null, await store.loadHeldNote())
  return outcome === 'held' && findBootedDevice(devices, machine.aemUuid)?.binding !== 'present'
}

/** What the entry that boots next loads, where it is known; GRUB goes by its own rule. */
async function observeNextPackages(dom0: Dom0, { machine, devices }: StatusFacts) {
  const { host } = dom0
  const { next } = await observeEntries(host, findBootedDevice(devices, machine.aemUuid), machine)
  return observeConfirmedPackages(dom0, machine.bootTime, next)
}

/** A person may want an older package, --yes never does. */
async function askDowngrade({ ui }: StepContext, downgrades: readonly Downgrade[]): Promise<boolean> {
  const answer = await ui.ask<'yes' | 'no'>({
    id: 'downgrade',
    message: `OLDER than before: ${downgrades.map(downgradeWords).join('; ')}. Did you install the older version on purpose?`,
    choices: [
      { value: 'no', label: 'no', hint: 'stop here; older versions have holes that newer ones fix' },
      { value: 'yes', label: 'yes', hint: 'go on with it; the report says so' },
    ],
    default: 'no',
    withYes: 'no',
  })
  return answer === 'yes'
}

/** A bulletin that does not verify is not even looked at. */
async function observeList({ dom0, options }: StepContext, known: Catalogue): Promise<BulletinList | null> {
  const given = options.bulletin
  if (given === null || given.approval === 'refused') return observeBulletins(dom0, known)
  const catalogue = addToCatalogue(known, given.bulletin)
  return observeBulletins(dom0, catalogue, evidenceOf(known, given.bulletin, given.approval))
}

function listLoweredHere(
  catalogue: Catalogue,
  given: GivenBulletin | null,
  list: BulletinList | null,
): readonly LoweredDemand[] {
  const catalogued = catalogue.bulletins.find((bulletin) => bulletin.id === given?.bulletin.id)
  if (given === null || given.approval === 'refused' || !catalogued || list === null) return []
  return listLowered(given.bulletin, catalogued, list.release)
}

function stateOf(given: GivenBulletin | null, states: readonly BulletinState[]): BulletinState | null {
  return states.find((state) => state.id === given?.bulletin.id) ?? null
}

/** Bulletins whose packages are installed and wait for this restart, then those that are not met. */
async function askBulletin(
  { ui }: StepContext,
  states: readonly BulletinState[],
): Promise<BulletinState | null> {
  const due = states.filter((state) => state.met === true && state.restartDue === true)
  const unmet = states.filter((state) => state.met === false)
  const offered = [...due, ...unmet].slice(0, MAX_OFFERED)
  if (offered.length === 0) return null
  const notes = otherBulletinLines(states)
  if (notes.length > 0) ui.say(notes)
  const [first] = due
  const none = { value: 'none', label: 'none of them', hint: 'work from what changed since this boot' }
  const answer = await ui.ask<string>({
    id: 'bulletin',
    message: 'Which bulletin is this update for?',
    choices: [
      ...offered.map((state) => ({
        value: String(state.id),
        label: qsb(state.id),
        hint: `${state.date}, ${state.met ? 'installed, waits for the restart' : 'its packages are not installed yet'}`,
      })),
      none,
    ],
    default: first ? String(first.id) : 'none',
    withYes: first ? String(first.id) : 'none',
  })
  return offered.find((state) => String(state.id) === answer) ?? null
}

/** Every bulletin that this restart puts into effect: the chosen one and all that are met and wait for it. */
function listAnswered(
  states: readonly BulletinState[],
  chosen: BulletinState | null,
): readonly BulletinState[] {
  return states.filter(
    (state) => state.met === true && (state.restartDue === true || state.id === chosen?.id),
  )
}

/** What the next boot will measure differently; a Xen that was replaced without a newer package counts too. */
function listMoved(status: StatusFacts, packages: readonly ConfirmedPackage[]): readonly ConfirmedPackage[] {
  const changed = listChangedPackages(packages)
  if (status.pendingRestart !== true) return changed
  return [...changed, ...packages.filter((item) => item.component === 'xen' && !changed.includes(item))]
}

/** Which registers may change is taken from the catalogue and from a fully signed file only. */
function pcrsOf(
  catalogue: Catalogue,
  answered: readonly BulletinState[],
  given: GivenBulletin | null,
): readonly number[] {
  const all = [...catalogue.bulletins, ...(given?.approval === 'approved' ? [given.bulletin] : [])]
  const ids = answered.map((state) => state.id)
  const pcrs = all
    .filter((bulletin) => ids.includes(bulletin.id))
    .flatMap((bulletin) => pcrsThatMayChange(bulletin) ?? [])
  return [...new Set(pcrs)].sort((a, b) => a - b)
}
