import { describePackageFault, isVerifiedPackage, listMayChange } from '../../core/decide/confirm-update.ts'
import { listDowngrades, listUnwanted } from '../../core/decide/downgrades.ts'
import { type ChangeFacts, decideChange } from '../../core/decide/explain-change.ts'
import type { Preparedness } from '../../core/decide/preparedness.ts'
import { CANCEL_AND_START } from '../../core/decide/preparedness.ts'
import { isBehindLater, type LaterUpdate, nameUpdate } from '../../core/decide/since-start.ts'
import { describeUnmade } from '../../core/initramfs/reproduction-words.ts'
import { originalPath } from '../../core/launch/efi-entry.ts'
import { explainChange } from '../../core/launch/explain.ts'
import { adviceFor, DEVICE_OUT_ADVICE } from '../../core/launch/explain-advice.ts'
import type {
  ExplanationInput,
  FileFact,
  Explanation as LaunchExplanation,
} from '../../core/launch/explain-types.ts'
import type { CommandLineRule } from '../../core/launch/module-digest.ts'
import type { XenMle } from '../../core/launch/xen-mle.ts'
import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import type { Versions } from '../../core/session/versions.ts'
import type { Host, Seen } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { type BootDeviceFacts, observeBootDevice } from '../device/boot-device.ts'
import { type AemDevice, findBootedDevice, isBootedPresent } from '../device/devices.ts'
import { type ConfirmedPackages, observeConfirmedPackages } from '../dom0/confirmed-packages.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { listBaselineVersions, listRecordedVersions } from '../dom0/earlier-versions.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { observeOwner } from '../dom0/package-owner.ts'
import { observeTrustedKeys } from '../dom0/packages.ts'
import { observeFlavour, observeInstalledXen } from '../dom0/status.ts'
import { observeSealOutcome } from '../seal/seal-outcome.ts'
import { areLinesSame, compareBootLines } from './boot-lines.ts'
import { type BootDeviceLaunch, observeBootDeviceLaunch } from './launch.ts'
import { observePrediction } from './prediction.ts'
import { nameOnDevice, observePreparedness } from './prepared.ts'
import {
  compareFiles,
  type KeptReproductions,
  listVouchedImages,
  NOTHING_KEPT,
  observeLaterUpdates,
  type Reproduce,
  reproduceLater,
} from './since-start.ts'
import type { Prediction } from './vouching.ts'

type ExplainedRegister = LaunchExplanation['pcrs'][number]

export type Explanation = Omit<LaunchExplanation, 'reasons' | 'pcrs'> & {
  readonly pcrs: readonly (Omit<ExplainedRegister, 'causes'> & {
    readonly causes: readonly (Omit<ExplainedRegister['causes'][number], 'bulletin'> & {
      /** Number of the bulletin that asked for the package. */
      readonly bulletin: number | null
    })[]
  })[]
  readonly reasons: readonly {
    readonly code: string
    readonly what: string
    readonly next: string | null
    readonly isBlocking: boolean
  }[]
  /** Before the restart: does what was prepared for still lie there; null after it, and where nothing was prepared. */
  readonly prepared: Preparedness | null
} & KeptReproductions

export type ExplanationContext = {
  /** SHA-256 of each known initramfs of the device, by path as GRUB names it (device-ledger.ts, knownFiles). */
  readonly known?: ReadonlyMap<string, string>
  /** Makes an initramfs again; null: that look is not taken here. */
  readonly reproduce?: Reproduce | null
  /** The session stands for the last approved boot: packages since then are the update itself. */
  readonly isSinceApproved?: boolean
}

/**
 * What changed since the baseline (or since the accepted state), traced register by register, and compared with the
 * boot files that were confirmed. Either kind of evidence can make the verdict `unexplained`.
 * @param versions the record of versions confirmed in earlier sessions
 */
export async function observeExplanation(
  dom0: Dom0,
  session: Session,
  versions: Seen<Versions>,
  context: ExplanationContext = {},
): Promise<Explanation> {
  const { host } = dom0
  const { known = new Map<string, string>(), reproduce = null, isSinceApproved = false } = context
  const machine = await dom0.machine()
  const { sealedInThisBoot } = await observeSealOutcome(dom0, session)
  const { baseline } = session
  const tpm = await dom0.tpm()
  if (baseline === null) {
    const selected = [...new Set(Object.keys(tpm.pcrs[tpm.bank ?? 'sha256'] ?? {}).map(Number))]
    const explained = explainChange({
      ...EMPTY,
      pcrsNow: tpm.pcrs,
      bank: tpm.bank ?? 'sha256',
      selected,
      alreadyResealed: sealedInThisBoot,
    })
    return { ...explained, pcrs: numberBulletins(explained), prepared: null, ...NOTHING_KEPT }
  }
  if (!isSinceApproved && machine.bootId !== null && baseline.bootId === machine.bootId)
    return explainUnbooted(dom0, session, baseline, tpm.pcrs, sealedInThisBoot)
  const all = await dom0.devices()
  const device = findBootedDevice(all.devices, machine.aemUuid)
  const place = chooseBefore(session, baseline, machine)
  const log = await dom0.log()
  const launch = await observeBootDeviceLaunch(host, device, machine, log)
  const confirmed = await observeConfirmedPackages(dom0, machine.bootTime, launch.booted.entry)
  const later = isSinceApproved ? [] : await observeLaterUpdates(dom0, baseline, confirmed)
  const isKnown = (path: string, sha256: string, now: KeptReproductions): boolean =>
    listVouchedImages(session, now).get(path) === sha256 || known.get(path) === sha256
  const isMeasured = (path: string, sha256: string): boolean =>
    isKnown(path, sha256, NOTHING_KEPT) || isRecorded(baseline, path, sha256)
  const kept = await reproduceLater(launch, session, later, isMeasured, reproduce)
  const isVouched = (path: string, sha256: string): boolean => isKnown(path, sha256, kept)
  const explained = explainChange({
    before: { pcrs: { [baseline.bank]: place.pcrs }, components: place.components },
    pcrsNow: tpm.pcrs,
    log,
    booted: launch.booted.entry,
    rule: await observeRule(dom0, session, baseline),
    bank: baseline.bank,
    selected: baseline.selectedPcrs,
    prediction: place.prediction,
    files: await observeFiles(dom0, launch, session, isVouched),
    expectedPcrs: await extendMayChange(host, place, later),
    alreadyResealed: sealedInThisBoot,
    previousBootTime: place.previousBootTime,
    areLinesSame: areLinesSame(baseline, machine),
    acceptedLuks: place.acceptedLuks,
  })
  const facts = await observeChange(dom0, {
    session,
    baseline,
    machine,
    explained,
    device,
    launch,
    versions,
    packages: confirmed?.packages ?? [],
    later,
    isVouched,
  })
  const explanation = combine(explained, facts, {
    bulletinPcrs: session.expectation?.bulletinPcrs ?? [],
    later,
    kept,
  })
  const isDeviceOut = isBootedPresent(all, machine.aemUuid) === false
  return isDeviceOut && explanation.verdict === 'unexplained'
    ? { ...explanation, advice: [DEVICE_OUT_ADVICE, ...explanation.advice] }
    : explanation
}

/** Was the same initramfs there at `start`? Then this boot is judged as ever. */
function isRecorded({ bootFiles }: Baseline, path: string, sha256: string): boolean {
  return bootFiles.some((file) => nameOnDevice(file.path) === path && file.digests?.sha256 === sha256)
}

/** Packages that came after `start` may change what a package may change; once a state was accepted, nothing may. */
async function extendMayChange(
  host: Host,
  place: Before,
  later: readonly LaterUpdate[],
): Promise<readonly number[]> {
  if (later.length === 0 || place.isAccepted) return place.mayChange
  return listMayChange(later, place.mayChange, await observeFlavour(host))
}

/** dom0 was not restarted: nothing has booted that could be explained. Only the registers are compared, with themselves. */
async function explainUnbooted(
  dom0: Dom0,
  session: Session,
  baseline: Baseline,
  pcrsNow: ExplanationInput['pcrsNow'],
  alreadyResealed: boolean | null,
): Promise<Explanation> {
  const explained = explainChange({
    ...EMPTY,
    before: { pcrs: { [baseline.bank]: toNumbers(baseline.pcrs[baseline.bank] ?? {}) }, components: null },
    log: await dom0.log(),
    pcrsNow,
    bank: baseline.bank,
    selected: baseline.selectedPcrs,
    alreadyResealed,
  })
  const prepared = await observePreparedness(dom0, session)
  const what = 'dom0 has not been restarted since `start`: nothing has booted yet that could be explained'
  return {
    ...explained,
    pcrs: numberBulletins(explained),
    reasons: [
      ...explained.reasons,
      { code: 'not-restarted', what, next: null, isBlocking: false },
      ...(prepared?.changes ?? []).map((change) => ({
        code: 'changed-before-restart',
        what: change.what,
        next: CANCEL_AND_START,
        isBlocking: false,
      })),
    ],
    prepared,
    ...NOTHING_KEPT,
  }
}

const EMPTY: Omit<ExplanationInput, 'pcrsNow' | 'bank' | 'selected' | 'alreadyResealed'> = {
  before: null,
  log: null,
  booted: null,
  rule: null,
  prediction: null,
  files: [],
  expectedPcrs: null,
}

type Before = {
  readonly pcrs: Record<number, string>
  readonly components: NonNullable<ExplanationInput['before']>['components']
  readonly prediction: Prediction['pcrs'] | null
  readonly mayChange: readonly number[]
  readonly previousBootTime: string | null
  readonly acceptedLuks: string | null
  readonly isAccepted: boolean
}

/** Once a change was accepted, later boots are compared with the accepted state and may change nothing. */
function chooseBefore(session: Session, baseline: Baseline, machine: MachineFacts): Before {
  const { approved } = session
  if (approved !== null && approved.bootId !== machine.bootId) {
    return {
      pcrs: toNumbers(approved.pcrs),
      components: null,
      prediction: null,
      mayChange: [],
      previousBootTime: null,
      acceptedLuks: null,
      isAccepted: true,
    }
  }
  return {
    pcrs: toNumbers(baseline.pcrs[baseline.bank] ?? {}),
    components: baseline.components,
    // What nobody vouched for before the restart is no prediction to lean on.
    prediction: (session.prediction as Prediction | null)?.pcrs.filter((pcr) => pcr.vouched) ?? null,
    mayChange: session.expectation?.mayChange ?? [],
    previousBootTime: baseline.bootTime,
    acceptedLuks: acceptedLuksOf(session),
    isAccepted: false,
  }
}

/** PCR 13 of the headers that `start` asked about and a person called their own. */
function acceptedLuksOf({ findings }: Session): string | null {
  const facts = findings.predict as { luksHeaderAccepted?: unknown; luksHeaderValue?: unknown } | undefined
  return facts?.luksHeaderAccepted === true && typeof facts.luksHeaderValue === 'string'
    ? facts.luksHeaderValue
    : null
}

function toNumbers(values: Readonly<Record<string, string>>): Record<number, string> {
  return Object.fromEntries(Object.entries(values).map(([index, value]) => [Number(index), value]))
}

/** How this machine's tboot hashes command lines: calibrated before the restart, else from this boot. */
async function observeRule(
  dom0: Dom0,
  session: Session,
  baseline: Baseline,
): Promise<CommandLineRule | null> {
  const kept = (session.prediction as Prediction | null)?.variant?.commandLine
  if (kept) return kept
  const { prediction } = await observePrediction(dom0, baseline.selectedPcrs)
  return prediction.variant?.commandLine ?? null
}

/** Every file the booted entry loads, with the package that vouches for exactly the bytes that were hashed. */
async function observeFiles(
  dom0: Dom0,
  launch: BootDeviceLaunch,
  session: Session,
  isVouched: (path: string, sha256: string) => boolean,
): Promise<readonly FileFact[]> {
  const trusted = await observeTrustedKeys(dom0)
  const files: FileFact[] = []
  for (const [path, image] of Object.entries(launch.images)) {
    const owner = await observeOwner(dom0, `/boot${originalPath(path)}`, trusted)
    const own = image.storedDigests.sha256
    const isChanged = session.expectation?.changedPackages.includes(owner?.name ?? '') === true
    const [bulletin] = isChanged ? (session.expectation?.bulletins ?? []) : []
    files.push({
      path,
      image,
      reproduced: own !== undefined && isVouched(path, own),
      xen: xenOf(launch, path),
      package:
        owner === null
          ? null
          : {
              name: owner.name,
              evr: owner.evr,
              signer: owner.signer,
              signerKnown: owner.signerKnown,
              signatureFault: owner.signatureFault,
              installTime: owner.installedAt,
              unmodified: own === undefined ? null : own === owner.sha256,
            },
      bulletin: bulletin === undefined ? null : String(bulletin),
    })
  }
  return files
}

function xenOf({ booted, next, xen }: BootDeviceLaunch, path: string): XenMle | null {
  if (booted.entry?.launcher?.path === path) return xen.booted
  return next.entry?.launcher?.path === path ? xen.next : null
}

type Evidence = {
  readonly session: Session
  readonly baseline: Baseline
  readonly machine: MachineFacts
  readonly explained: LaunchExplanation
  readonly device: AemDevice | null
  readonly launch: BootDeviceLaunch
  readonly versions: Seen<Versions>
  readonly packages: ConfirmedPackages['packages']
  readonly later: readonly LaterUpdate[]
  readonly isVouched: (path: string, sha256: string) => boolean
}

/** After the restart it does not matter whether another file is an older one. */
const STATE_WORDS = {
  current: 'is current',
  stale: 'is not current',
  changed: 'is not current',
  absent: 'is not there',
  unknown: 'could not be checked',
} as const

async function observeChange(dom0: Dom0, evidence: Evidence): Promise<ChangeFacts> {
  const { host } = dom0
  const { session, baseline, machine, explained, device, versions, packages, later } = evidence
  const boot = await observeBootDevice(dom0, device, machine.xen.buildId)
  const names = [
    ...new Set([...(session.expectation?.changedPackages ?? []), ...later.map(({ name }) => name)]),
  ]
  const earlier = [...listRecordedVersions(valueOrNull(versions)), ...listBaselineVersions(baseline)]
  const { installedXen } = await observeInstalledXen(dom0)
  return {
    pcrs: explained.pcrs.map(({ index, before, now }) => ({ index, before, now })),
    files: await compareFiles(dom0, baseline, boot.files, {
      ...evidence,
      isPredicted: explained.pcrs.every(({ now, predicted }) => now !== null && now === predicted),
      kernelRelease: machine.kernelRelease,
    }),
    deviceProblems: boot.checks
      .filter(
        (check) =>
          check.state !== 'current' && !isBehindLater(toRecorded(baseline, boot.files, check), later),
      )
      .map(({ path, role, state, against }) => `${path} (${role}) ${STATE_WORDS[state]} (${against})`),
    packages: names.map((name) => {
      const found = packages.find((item) => item.name === name)
      return {
        name,
        isVerified: found ? isVerifiedPackage(found) : null,
        fault: found ? describePackageFault(found) : null,
      }
    }),
    downgrades: listUnwanted(listDowngrades(packages, earlier), session.expectation?.downgrades ?? []),
    commandLines: compareBootLines(session, baseline, machine, device),
    // A recorded machine need not hold the record; on the machine itself one that cannot be read hides something.
    areVersionsUnreadable: versions.state === 'unknown' && host.kind !== 'recorded',
    xen: {
      runningBuildId: machine.xen.buildId,
      installedBuildId: installedXen.buildId,
      confirmedBuildId: later.some(({ component }) => component === 'xen')
        ? (session.expectation?.xenBuildId ?? null)
        : null,
    },
  }
}

/** Is a checked file as it was when the update was confirmed? One that was not there then, and is not now, is. */
function toRecorded(
  { bootFiles }: Baseline,
  files: BootDeviceFacts['files'],
  { path, role }: BootDeviceFacts['checks'][number],
): { role: string; isUnchanged: boolean } {
  const digestIn = (list: Baseline['bootFiles'] | BootDeviceFacts['files']) =>
    list.find((file) => nameOnDevice(file.path) === nameOnDevice(path))?.digests?.sha256
  return { role, isUnchanged: digestIn(bootFiles) === digestIn(files) }
}

/** The worse of both verdicts, with every finding of both. */
function combine(
  explained: LaunchExplanation,
  facts: ChangeFacts,
  told: {
    readonly bulletinPcrs: readonly number[]
    readonly later: readonly LaterUpdate[]
    readonly kept: KeptReproductions
  },
): Explanation {
  const { bulletinPcrs, later, kept } = told
  const byFiles = decideChange(facts)
  const own: Explanation['reasons'] = [
    ...byFiles.reasons
      // The launch explanation says the same of a register, with its cause.
      .filter((reason) => reason.code !== 'pcr-unreadable')
      .map((reason) => ({ ...reason, next: null, isBlocking: true })),
    ...listUnmade(kept),
  ]
  const verdict = own.length > 0 ? 'unexplained' : explained.verdict
  const notes = verdict === 'explained' ? noteUnmoved(explained, bulletinPcrs) : []
  const reasons = [...explained.reasons, ...own, ...noteLater(later, facts.files), ...notes]
  return {
    ...explained,
    pcrs: numberBulletins(explained),
    verdict,
    reasons,
    advice: adviceFor(verdict, explained.alreadyResealed, reasons),
    prepared: null,
    ...kept,
  }
}

/** An initramfs that dom0 does not make again is named as what it is: what is blocked by it is said of its register. */
function listUnmade({ reproductions, accepted }: KeptReproductions) {
  return reproductions.flatMap((one) => {
    const isVouched = one.state === 'same' || accepted.some(({ path }) => path === one.image)
    if (isVouched) return []
    return [{ code: 'initramfs-not-made-again', ...describeUnmade(one), isBlocking: true }]
  })
}

/** What came between `start` and this boot, or since, and what it accounts for. */
function noteLater(later: readonly LaterUpdate[], files: ChangeFacts['files']): Explanation['reasons'] {
  if (later.length === 0) return []
  const changed = files.filter(({ accountedBy }) => accountedBy != null).map(({ path }) => path)
  const what = [
    `after \`start\` came ${later.map(nameUpdate).join(', ')}: what was confirmed and predicted was made before`,
    ...(changed.length > 0 ? [`accounted for by it: ${changed.join(', ')}`] : []),
  ].join('; ')
  return [{ code: 'changed-after-start', what, next: null, isBlocking: false }]
}

/** Bulletins say 18 and 19 for every Xen update; by tboot's legacy map Xen alone moves only 18. */
function noteUnmoved(explained: LaunchExplanation, bulletinPcrs: readonly number[]): Explanation['reasons'] {
  const unmoved = explained.pcrs.filter((pcr) => bulletinPcrs.includes(pcr.index) && pcr.change === 'none')
  if (unmoved.length === 0) return []
  const list = unmoved.map((pcr) => pcr.index).join(' and ')
  const what = `the bulletin says PCR ${bulletinPcrs.join(' and ')} change; PCR ${list} did not: nothing measured into it changed, which is fine`
  return [{ code: 'bulletin-names-more', what, next: null, isBlocking: false }]
}

function numberBulletins({ pcrs }: LaunchExplanation): Explanation['pcrs'] {
  return pcrs.map((pcr) => ({
    ...pcr,
    causes: pcr.causes.map((cause) => ({
      ...cause,
      bulletin: cause.bulletin === null ? null : Number(cause.bulletin),
    })),
  }))
}
