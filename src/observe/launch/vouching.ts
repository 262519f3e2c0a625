import { Failure } from '../../core/failure.ts'
import { listMeasuredFiles } from '../../core/launch/boot-entry.ts'
import { originalPath } from '../../core/launch/efi-entry.ts'
import type { LaunchPrediction, PredictedComponent } from '../../core/launch/prediction.ts'
import { type BootLines, exchangeAemUuid, proveCommandLine } from '../../core/vouch/command-line.ts'
import { kernelReleaseOf } from '../../core/vouch/roles.ts'
import {
  type FileOwner,
  findContradictions,
  type Vouched,
  type VouchFacts,
  vouchCommandLine,
  vouchComponent,
} from '../../core/vouch/vouch.ts'
import type { OpenLook, OpenQuestion } from '../../core/vouch/vouched-by.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeOwner } from '../dom0/package-owner.ts'
import { observeNewest, observeTrustedKeys } from '../dom0/packages.ts'
import { isOfLines, listUnaccounted, listUnpredicted, type Unpredicted } from './unpredicted.ts'
import type { Place, VouchEvidence, VouchedComponent, VouchedPrediction } from './vouch-evidence.ts'

/** Names the package behind each component of a prediction, and says what vouches for it. */
export async function vouchPrediction(
  dom0: Dom0,
  raw: LaunchPrediction,
  place: Place,
  evidence: VouchEvidence,
): Promise<VouchedPrediction> {
  const owners = await observeOwners(dom0, raw, place)
  const faults = new Set<string>()
  const questions = new Map<string, OpenQuestion>()
  const looks = new Map<string, OpenLook>()
  const take = (found: Vouched): void => {
    for (const fault of found.faults) faults.add(fault)
    for (const one of found.questions) questions.set(JSON.stringify(one), one)
    for (const one of found.looks) looks.set(JSON.stringify(one), one)
  }
  const pcrs = raw.pcrs.map((pcr) => {
    const components = pcr.components.map((component): VouchedComponent => {
      const owner = owners.get(component.path ?? '') ?? null
      const facts = factsOf(component, owner, raw, place, evidence)
      const found = isOfLines(place, pcr.index) ? vouchCommandLine(facts) : vouchComponent(facts)
      if (pcr.predicted !== null) take(found)
      const named = owner === null ? null : { name: owner.name, evr: owner.evr, signer: owner.signer }
      return { ...component, package: named, vouchedBy: found.vouchedBy }
    })
    return { ...pcr, vouched: components.every(({ vouchedBy }) => vouchedBy.rule !== null), components }
  })
  for (const fault of listUnaccounted(raw, place, pcrs)) faults.add(fault)
  // Where nothing is predicted, nothing is sealed; else what could not be looked at is vouched for by nothing.
  const isSealable = raw.pcrs.some(({ predicted }) => predicted !== null)
  for (const component of listUnpredicted(raw, place)) {
    const facts = factsOf(component, owners.get(component.path ?? '') ?? null, raw, place, evidence)
    if (facts.changed === null && !isSealable)
      for (const fault of findContradictions(facts)) faults.add(fault)
    else take(vouchComponent(facts))
  }
  return {
    prediction: { ...raw, pcrs },
    unvouched: [...faults],
    questions: [...questions.values()],
    looks: [...looks.values()],
  }
}

function factsOf(
  component: PredictedComponent | Unpredicted,
  owner: FileOwner | null,
  raw: LaunchPrediction,
  place: Place,
  evidence: VouchEvidence,
): VouchFacts {
  const { role, path, changed } = component
  const commandLine = component.commandLine ?? ''
  const { launch, machine, known, log } = place
  const isRead = !(log instanceof Failure)
  const isTboot = isRead && log.kind === 'tboot'
  const file = path ?? ''
  const sha256 = (launch.nextImages ?? launch.images)[file]?.storedDigests.sha256
  const kernel = launch.next.entry?.modules.find((one) => one.role === 'kernel')
  const isComputed = role !== 'mle' && (isTboot || role !== 'xen') ? true : place.isMleComputed
  return {
    role,
    path: path ?? role,
    commandLine,
    changed: isComputed ? changed : null,
    isLineMeasured: isTboot && raw.variant?.commandLine === 'whole',
    line: proveCommandLine({
      role,
      line: asOfThisBoot(commandLine, place),
      kernelLine: kernel === undefined ? null : asOfThisBoot(kernel.commandLine, place),
      logged: loggedModule(component, place),
      rule: raw.variant?.commandLine ?? null,
      banks: [...new Set(raw.pcrs.map(({ bank }) => bank))],
      images: [...Object.values(launch.images).map(({ digests }) => digests), ...evidence.remembered],
      boot: bootLines(place),
    }),
    isRegenerated: evidence.isRegenerated,
    sha256: sha256 ?? null,
    owner,
    kernelRelease: kernelReleaseOf(kernel?.path ?? null),
    running: {
      kernelRelease: machine.kernelRelease,
      xen: machine.xen.version,
      tboot: isTboot ? log.version : null,
    },
    reproduction: evidence.reproductions.get(file) ?? null,
    isRemembered: sha256 !== undefined && [known?.get(file), evidence.madeBefore.get(file)].includes(sha256),
    accepted: evidence.accepted,
  }
}

function bootLines({ machine, log }: Place): BootLines {
  return {
    kernel: machine.kernelCommandLine,
    xen: machine.xen.commandLine,
    tboot: log instanceof Failure ? null : (log.launcherCommandLine ?? null),
  }
}

/** On another device the kernel's line names that device; all else must be as in this boot. */
function asOfThisBoot(line: string, { known, device, booted }: Place): string {
  return known !== null && device?.uuid && booted?.uuid
    ? exchangeAemUuid(line, device.uuid, booted.uuid)
    : line
}

/** What this boot measured in the place of a module of the next one. */
function loggedModule({ role, path }: PredictedComponent | Unpredicted, { launch, log }: Place) {
  const { entry } = launch.next
  if (entry === null || log instanceof Failure) return null
  const files = listMeasuredFiles(entry, launch.nextImages ?? launch.images)
  return log.modules[files.findIndex((file) => file.role === role && file.path === path)] ?? null
}

async function observeOwners(
  dom0: Dom0,
  raw: LaunchPrediction,
  place: Place,
): Promise<ReadonlyMap<string, FileOwner>> {
  const trusted = await observeTrustedKeys(dom0)
  const owners = new Map<string, FileOwner>()
  const paths = [...raw.pcrs.flatMap((pcr) => pcr.components), ...listUnpredicted(raw, place)].map(
    ({ path }) => path,
  )
  for (const path of new Set(paths)) {
    if (path === null) continue
    const owner = await observeOwner(dom0, `/boot${originalPath(path)}`, trusted)
    if (owner === null) continue
    const newest = (await observeNewest(dom0, owner.name))?.evr ?? null
    owners.set(path, { ...owner, newest })
  }
  return owners
}
