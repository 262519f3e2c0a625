import { makeDirectoryStore, type SessionStore } from '../act/session-store.ts'
import type { Answer } from '../contract/schemas.ts'
import type { SelectionLook } from '../core/aem/seal-selection.ts'
import { listChangedFiles } from '../core/decide/changed-files.ts'
import {
  decideDeviceWork,
  decideSealedFor,
  isForwardSpent,
  listSharedRegisters,
} from '../core/decide/device-work.ts'
import type { Preparedness } from '../core/decide/preparedness.ts'
import { listForwardValues } from '../core/seal/forward-record.ts'
import { findSlotSharers } from '../core/seal/freshness.ts'
import type { Session } from '../core/session/checkpoint.ts'
import { findLedgerDevice, type LedgerLook } from '../core/session/device-ledger.ts'
import type { HeldNote } from '../core/session/held-note.ts'
import type { Host } from '../host/host.ts'
import { describeLedger, describeNeed, describeSealedFor, describeStranger } from '../messages/devices.ts'
import { summarizePreparedness } from '../messages/prepared.ts'
import { explainSelection } from '../messages/selection.ts'
import { describeBootCheck } from '../messages/since-approved.ts'
import { trustedKeyLines } from '../messages/trusted-keys.ts'
import { findBootedDevice } from '../observe/device/devices.ts'
import { type Dom0, observeDom0 } from '../observe/dom0/dom0.ts'
import { observeLogOf, observeProtection, type ProtectionLook } from '../observe/dom0/protection-state.ts'
import { type DeviceStatus, observeStatus, type StatusFacts } from '../observe/dom0/status.ts'
import { observePreparedness } from '../observe/launch/prepared.ts'
import { type BootCheck, observeBootCheck } from '../observe/launch/since-approved.ts'
import { observeSealOutcome } from '../observe/seal/seal-outcome.ts'
import { fold } from '../ui/fold.ts'
import { type Line, line } from '../ui/ui.ts'
import { makeUi, printJson, stateDirOf } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'
import { nextOfReason, protectionLines, SCREEN_COLUMNS, toProtectionAnswer } from './protection.ts'
import { decideNext } from './status-next.ts'
import { describeUpdates, toNoticeAnswer, toUpdatesAnswer } from './updates.ts'

/** `aem-reseal status`: one look, no change. */
export async function runStatus(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const ui = makeUi(io, options)
  const directory = stateDirOf(options)
  const { answer, facts, look } = await ui.progress('looking at the machine', () =>
    answerStatus(dom0, makeDirectoryStore(host, directory)),
  )
  if (options.json) printJson(io, 'status', answer)
  else ui.say(renderStatus(answer, facts, describeLedger(look, `${directory}/devices.json`)))
  return 0
}

/** Everything that `status` looks at, and its answer. */
export async function answerStatus(
  dom0: Dom0,
  store: SessionStore,
): Promise<{ readonly answer: StatusAnswer; readonly facts: StatusFacts; readonly look: LedgerLook }> {
  const { host } = dom0
  const session = await store.load()
  const look = await store.loadDevices()
  const [facts, seal] = await Promise.all([
    observeStatus(dom0, listForwardValues(session, look)),
    dom0.seal(),
  ])
  const held = await observeHeld(dom0, session, await store.loadHeldNote())
  const versions = await store.loadVersions()
  const isCompared = session === null && facts.machine.bootedWithAem === true
  // The one may mount a stick, the others only ask programs.
  const [prepared, boot, log] = await Promise.all([
    observePreparedness(dom0, session),
    isCompared ? observeBootCheck(dom0, look, versions, { ...facts, seal }) : null,
    observeLogOf(dom0, facts),
  ])
  const protection = await observeProtection(host, {
    status: facts,
    session,
    look,
    held,
    boot,
    seal,
    log,
    prepared,
  })
  return { answer: toStatusAnswer(facts, protection, session, held, look, boot, prepared), facts, look }
}

/** The gate's note, while it is true: of this boot, and AEM has not sealed since. */
async function observeHeld(
  dom0: Dom0,
  session: Session | null,
  note: HeldNote | null,
): Promise<HeldNote | null> {
  if (note === null) return null
  const { heldNote, outcome } = await observeSealOutcome(dom0, session, note)
  return outcome === 'held' ? heldNote : null
}

export type StatusAnswer = Answer<'status'>

/** The contract's JSON of `status`. */
export function toStatusAnswer(
  facts: StatusFacts,
  protectionLook: ProtectionLook,
  session: Session | null,
  held: HeldNote | null,
  look: LedgerLook,
  boot: BootCheck | null,
  prepared: Preparedness | null = null,
): StatusAnswer {
  const { machine, tpm, aem, installedXen } = facts
  const protection = toProtectionAnswer(protectionLook, facts, { session, held, boot })
  return {
    qubes: { release: machine.release },
    protection,
    aem: {
      installed: aem.installed,
      version: aem.version,
      flavour: aem.flavour,
      tpm: tpm.version,
      selectedPcrs: aem.selectedPcrs ?? [],
      selection: toSelectionAnswer(aem.selection),
      badPcrs: facts.badPcrs,
      bootedWithAem: machine.bootedWithAem,
      measured: protectionLook.measured,
      devices: toDeviceAnswers(facts, look),
    },
    xen: {
      running: { version: machine.xen.version, buildId: machine.xen.buildId },
      installed: { evr: installedXen.evr, buildId: installedXen.buildId },
      pendingRestart: facts.pendingRestart,
    },
    session:
      session === null
        ? null
        : {
            id: session.id,
            flow: session.flow,
            step: session.step,
            since: session.since,
            protection: session.protection,
            // Only until the restart, and where something was prepared.
            ...(prepared === null ? {} : { prepared }),
          },
    held: held === null ? null : { at: held.at, why: held.why },
    deviceList: toDeviceListAnswer(look),
    sinceApproved: boot,
    malformedTrustedKeys: facts.malformedTrustedKeys,
    trustedKeysUnread: facts.trustedKeysUnread,
    updates: toUpdatesAnswer(facts.updates, machine.bootId),
    notice: toNoticeAnswer(facts.updates, {
      bootId: machine.bootId,
      session,
      isOutdated: prepared?.state === 'outdated',
      reasons: protectionLook.reasons,
    }),
    next: decideNext(facts, protection, session, look),
  }
}

function toSelectionAnswer(look: SelectionLook): StatusAnswer['aem']['selection'] {
  return {
    state: look.state,
    line: 'line' in look ? look.line : null,
    text: 'text' in look ? look.text : null,
    reason: 'reason' in look ? look.reason : null,
  }
}

/** The contract's elements of `devices`. */
export function toDeviceAnswers(facts: StatusFacts, look: LedgerLook): readonly DeviceAnswer[] {
  return facts.devices.map((device) => toDeviceAnswer(device, facts, look))
}

/** The contract's `deviceList`. */
export function toDeviceListAnswer(look: LedgerLook): StatusAnswer['deviceList'] {
  return {
    state: look.state,
    detail: 'detail' in look ? look.detail : null,
    approvedAt: look.state === 'read' ? (look.ledger.approved?.at ?? null) : null,
  }
}

function toDeviceAnswer(device: DeviceStatus, facts: StatusFacts, look: LedgerLook): DeviceAnswer {
  const { suffix, label, uuid, slot, present, bootFiles, sealed, binding, tokenSha256 } = device
  const known = device.isStranger !== true
  const { machine, tpm, aem, devices } = facts
  const verified = look.state === 'read' ? findLedgerDevice(look.ledger, label).verified : null
  return {
    suffix,
    label,
    uuid,
    known,
    slot,
    present,
    bootFiles,
    changedFiles: listChangedFiles(device.otherFiles, look, label),
    sealed,
    sealedFor: decideSealedFor({
      sealed,
      binding,
      isBooted: findBootedDevice(devices, machine.aemUuid)?.label === label,
      tokenSha256,
      verified,
      present: tpm.bank === null ? {} : (tpm.pcrs[tpm.bank] ?? {}),
      shared: listSharedRegisters(aem.selectedPcrs ?? [], aem.flavour),
    }),
    lastVerified: verified && {
      at: verified.at,
      bootId: verified.bootId,
      inThisBoot: verified.bootId === null ? null : verified.bootId === machine.bootId,
    },
    sharesSlotWith: findSlotSharers(label, devices),
    work: known
      ? decideDeviceWork(look, {
          label,
          present,
          bootFiles,
          isForwardSpent: isForwardSpent(look, label, devices, tpm.version),
        })
      : null,
  }
}

function deviceLines(device: DeviceAnswer): readonly string[] {
  const { changedFiles, label, lastVerified, sealedFor, sharesSlotWith, work } = device
  if (!device.known) return describeStranger(label)
  const verified =
    lastVerified === null
      ? 'never verified here'
      : `last verified ${lastVerified.at}${lastVerified.inThisBoot ? ', in this boot' : ''}`
  return [
    ...changedFiles.map(({ path, why }) => `${path} is ${why}: do not boot from it`),
    `${describeSealedFor(sealedFor)}; ${verified}`,
    ...(sharesSlotWith.length > 0
      ? [`same freshness slot as ${sharesSlotWith.join(', ')}: each seal of one makes the other invalid`]
      : []),
    ...(work?.state === 'to-do' ? [`to do: ${work.why}`, describeNeed(work.needs, label)] : []),
  ]
}

type DeviceAnswer = StatusAnswer['aem']['devices'][number]

const LABEL_WIDTH = 18

function row(label: string, text: string, style?: Line['style']): Line {
  return { text: `${label.padEnd(LABEL_WIDTH)}${text}`, style, hang: LABEL_WIDTH }
}

function word(value: boolean | null): string {
  return value === null ? 'not known' : value ? 'yes' : 'no'
}

/**
 * Each device with its state and what it needs.
 * @param problem of the list of devices, or null
 * @param areKnown could the devices be listed at all
 */
export function renderDevices(
  devices: readonly DeviceAnswer[],
  problem: string | null,
  areKnown: boolean,
): readonly Line[] {
  return [
    ...devices.flatMap((device) => {
      const parts = [
        device.present === null ? 'presence not known' : device.present ? 'plugged in' : 'not plugged in',
        `boot files ${device.changedFiles.length > 0 ? 'CHANGED' : (device.bootFiles ?? 'not known')}`,
        `sealed: ${word(device.sealed)}`,
        `slot ${device.slot ?? '?'}`,
      ]
      const needsCare = !device.known || device.bootFiles === 'stale' || device.sharesSlotWith.length > 0
      const style = needsCare || device.work?.state === 'to-do' ? 'warn' : undefined
      const more = deviceLines(device)
      return [
        row(`device ${device.label}`, parts.join(', '), style),
        ...more.map((text) => row('', text, style)),
      ]
    }),
    ...(devices.length === 0
      ? [row('devices', areKnown ? 'none found' : 'not known: lsblk did not answer')]
      : []),
    ...(problem === null ? [] : [row('device list', problem, 'warn')]),
  ]
}

function selectionRow({ aem }: StatusFacts): Line {
  const isKnown = explainSelection(aem.selection) === null && aem.selectedPcrs !== null
  if (isKnown) return row('sealed to PCRs', aem.selectedPcrs?.join(', ') ?? '')
  return row('sealed to PCRs', 'not known', aem.installed === true ? 'warn' : undefined)
}

function bootLines(boot: BootCheck): readonly Line[] {
  const { text, isBad } = describeBootCheck(boot)
  if (text === null) return []
  return [row('this boot', text, isBad ? 'bad' : 'warn')]
}

/** What the next boot was prepared for, where it does not fit any more or is not known to. */
function preparedRows({ session }: StatusAnswer): readonly Line[] {
  const text = summarizePreparedness(session?.prepared ?? null, session?.protection ?? null)
  if (text === null) return []
  const style = session?.prepared?.state === 'outdated' ? 'bad' : 'warn'
  return [row('next boot', text, style)]
}

/** What was updated, where nothing accounts for it yet. */
function updateRows({ updates, machine }: StatusFacts): readonly Line[] {
  const text = describeUpdates(updates, machine.bootId)
  if (text === null) return []
  return [row('updated', text, 'warn')]
}

function renderStatus(
  answer: StatusAnswer,
  facts: StatusFacts,
  ledgerProblem: string | null,
): readonly Line[] {
  const { aem, xen, session } = answer
  const says = (code: string): boolean => answer.protection.reasons.some((reason) => reason.code === code)
  const above = [
    row('Qubes OS', answer.qubes.release ?? 'not known'),
    row(
      'Anti Evil Maid',
      aem.installed ? `${aem.version ?? ''} (${aem.flavour ?? 'flavour not known'})` : word(aem.installed),
    ),
    row('TPM', aem.tpm ?? 'not known'),
    selectionRow(facts),
    row('booted with AEM', word(aem.bootedWithAem), aem.bootedWithAem === false ? 'warn' : undefined),
    row('measured launch', word(aem.measured), aem.measured === false ? 'warn' : undefined),
    ...renderDevices(aem.devices, ledgerProblem, facts.areDevicesKnown),
    row(
      'Xen running',
      `${xen.running.version ?? 'not known'}  build ${xen.running.buildId?.slice(0, 16) ?? 'not known'}`,
    ),
    row(
      'Xen installed',
      `${xen.installed.evr ?? 'not known'}  build ${xen.installed.buildId?.slice(0, 16) ?? 'not known'}`,
    ),
    row('restart pending', word(xen.pendingRestart), xen.pendingRestart ? 'warn' : undefined),
    ...(answer.held === null || says('seal-held')
      ? []
      : [row('held', `AEM's automatic seal was held: ${answer.held.why}`, 'warn')]),
    ...trustedKeyLines(answer.malformedTrustedKeys, answer.trustedKeysUnread),
    ...(answer.sinceApproved === null || says('boot-unexplained') ? [] : bootLines(answer.sinceApproved)),
    ...preparedRows(answer),
    ...updateRows(facts),
    row('session', session ? `open since ${session.since}, step ${session.step}` : 'none'),
  ]
  const below = [line(''), ...nextLines(answer)]
  const others = [...above, ...below].flatMap((own) => fold(own, SCREEN_COLUMNS)).length
  return [...above, ...protectionLines(answer.protection, others), ...below]
}

/** A command in one line with what it does; else what to do by hand, or nothing where AEM protects. */
function nextLines({ next, protection }: StatusAnswer): readonly Line[] {
  const said = protection.reasons.find((reason) => nextOfReason(reason).why === next.why)
  const text = said?.next ?? next.why
  if (next.command === null && protection.state !== 'protected')
    return [{ text: `next: ${text}`, style: 'bold', hang: 6 }]
  return [
    line(next.command === null ? 'next: nothing to run' : `next: ${next.command}`, 'bold'),
    line(`      ${text}`),
  ]
}
