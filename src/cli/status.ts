import type { SelectionLook } from '../core/aem/seal-selection.ts'
import {
  decideDeviceWork,
  decideSealedFor,
  isForwardSpent,
  listSharedRegisters,
} from '../core/decide/device-work.ts'
import { CLOSED, groupConstants } from '../core/launch/pcr.ts'
import { listForwardValues } from '../core/seal/forward-record.ts'
import { findSlotSharers } from '../core/seal/freshness.ts'
import type { Session } from '../core/session/checkpoint.ts'
import { findLedgerDevice, type LedgerLook } from '../core/session/device-ledger.ts'
import type { HeldNote } from '../core/session/held-note.ts'
import { makeDirectoryStore } from '../flow/store.ts'
import type { Host } from '../host/host.ts'
import { describeLedger, describeNeed, describeSealedFor, describeStranger } from '../messages/devices.ts'
import { explainSelection, SELECTION_NEXT } from '../messages/selection.ts'
import { trustedKeyLines } from '../messages/trusted-keys.ts'
import { findBootedDevice } from '../observe/devices.ts'
import { observeSealOutcome } from '../observe/seal-outcome.ts'
import { type DeviceStatus, observeStatus, type StatusFacts } from '../observe/status.ts'
import { wrap } from '../ui/render-message.ts'
import { type Line, line } from '../ui/ui.ts'
import type { GlobalOptions, Io } from './io.ts'
import { makeUi, printJson, stateDirOf } from './world.ts'

/** `aem-reseal status`: one look, no change. */
export async function runStatus(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const ui = makeUi(io, options)
  const directory = stateDirOf(options)
  const store = makeDirectoryStore(host, directory)
  const session = await store.load()
  const look = await store.loadDevices()
  const facts = await ui.progress('looking at the machine', () =>
    observeStatus(host, listForwardValues(session, look)),
  )
  const held = await observeHeld(host, session, await store.loadHeldNote())
  const answer = toStatusAnswer(facts, session, held, look)
  if (options.json) printJson(io, answer)
  else ui.say(renderStatus(answer, facts, describeLedger(look, `${directory}/devices.json`)))
  return 0
}

/** The gate's note, while it is true: of this boot, and AEM has not sealed since. */
async function observeHeld(
  host: Host,
  session: Session | null,
  note: HeldNote | null,
): Promise<HeldNote | null> {
  if (note === null) return null
  const { heldNote, outcome } = await observeSealOutcome(host, session, note)
  return outcome === 'held' ? heldNote : null
}

export type StatusAnswer = ReturnType<typeof toStatusAnswer>

/** The contract's JSON of `status`. */
export function toStatusAnswer(
  facts: StatusFacts,
  session: Session | null,
  held: HeldNote | null = null,
  look: LedgerLook = { state: 'absent' },
) {
  const { machine, tpm, aem, devices, installedXen } = facts
  return {
    qubes: { release: machine.release },
    aem: {
      installed: aem.installed,
      version: aem.version,
      flavour: aem.flavour,
      tpm: tpm.version,
      selectedPcrs: aem.selectedPcrs ?? [],
      selection: toSelectionAnswer(aem.selection),
      badPcrs: facts.badPcrs,
      bootedWithAem: machine.bootedWithAem,
      measured: facts.measured,
      devices: devices.map((device) => toDeviceAnswer(device, facts, look)),
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
          },
    held: held === null ? null : { at: held.at, why: held.why },
    deviceList: {
      state: look.state,
      detail: 'detail' in look ? look.detail : null,
      approvedAt: look.state === 'read' ? (look.ledger.approved?.at ?? null) : null,
    },
    malformedTrustedKeys: facts.malformedTrustedKeys,
    trustedKeysUnread: facts.trustedKeysUnread,
    next: decideNext(facts, session, held, look),
  }
}

function toSelectionAnswer(look: SelectionLook) {
  return {
    state: look.state,
    line: 'line' in look ? look.line : null,
    text: 'text' in look ? look.text : null,
    reason: 'reason' in look ? look.reason : null,
  }
}

function toDeviceAnswer(device: DeviceStatus, facts: StatusFacts, look: LedgerLook) {
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

/** What to run next, and why. */
export function decideNext(
  facts: StatusFacts,
  session: Session | null,
  held: HeldNote | null = null,
  look: LedgerLook = { state: 'absent' },
): { command: string | null; why: string } {
  if (session !== null) {
    const isSameBoot = session.baseline?.bootId != null && session.baseline.bootId === facts.machine.bootId
    return {
      command: 'aem-reseal resume',
      why: isSameBoot
        ? `a session is open at the step ${session.step}; dom0 has not been restarted since`
        : `a session is open at the step ${session.step}, and dom0 was restarted`,
    }
  }
  if (held !== null) {
    return {
      command: null,
      why: "AEM's automatic seal was held, and no session is open that could explain the change: decide by hand; `sudo anti-evil-maid-seal` seals",
    }
  }
  if (facts.aem.installed === false) {
    return {
      command: 'aem-reseal rehearse',
      why: 'Anti Evil Maid is not installed here; the rehearsal shows the job',
    }
  }
  if (facts.aem.installed === null)
    return { command: null, why: 'it could not be found out whether AEM is installed' }
  if (facts.machine.bootedWithAem === false) {
    return { command: null, why: 'this boot is not an AEM boot: restart and choose the AEM entry' }
  }
  const unfit = decideUnfit(facts)
  if (unfit !== null) return { command: null, why: unfit }
  if (facts.pendingRestart)
    return { command: 'aem-reseal start', why: 'another Xen is installed than the one that runs' }
  const [stale] = facts.devices.filter((device) => device.bootFiles === 'stale' && !device.isStranger)
  if (stale !== undefined) {
    return {
      command: `aem-reseal devices refresh ${stale.label}`,
      why: `${stale.label} carries other boot files than the installed packages`,
    }
  }
  const [shared] = facts.devices.filter(({ label }) => findSlotSharers(label, facts.devices).length > 0)
  // On TPM 2.0 no repair helps: the row of the device says what its slot means.
  if (shared !== undefined && facts.tpm.version === '1.2') {
    return {
      command: 'aem-reseal devices repair-slots',
      why: `${shared.label} and ${findSlotSharers(shared.label, facts.devices).join(', ')} have the same freshness slot`,
    }
  }
  const left = facts.devices.filter(
    (device) => !device.isStranger && decideDeviceWork(look, device)?.state === 'to-do',
  )
  if (left.length > 0) {
    return {
      command: null,
      why: `still to do, as said above: ${left.map((device) => device.label).join(', ')}`,
    }
  }
  if (facts.pendingRestart === null)
    return { command: 'aem-reseal start', why: 'whether a restart is due is not known' }
  return { command: null, why: 'nothing to do: the running Xen is the installed one' }
}

/** Why nothing that AEM seals in this boot protects anything, or can be told to. */
function decideUnfit({ aem, tpm, measured, badPcrs }: StatusFacts): string | null {
  if (measured === false && tpm.version !== 'none')
    return 'PCR 17 holds a public constant: this boot was not measured, and nothing may be sealed to it; `aem-reseal start` says what to look at'
  if (badPcrs.length > 0)
    return `PCR ${badPcrs.join(', ')} is selected (SEAL) and was ${groupConstants(
      tpm.pcrs[tpm.bank ?? 'sha256'] ?? {},
      badPcrs,
    )
      .map(({ words }) => words)
      .join(
        ' or ',
      )}: a seal to it protects nothing, and AEM may refuse it. \`aem-reseal start\` says what can be done`
  const why = aem.selectedPcrs === null ? explainSelection(aem.selection) : null
  return why === null ? null : `which PCRs AEM seals to is not known: ${why}. Next: ${SELECTION_NEXT}`
}

function deviceLines(device: DeviceAnswer): readonly string[] {
  const { label, lastVerified, sealedFor, sharesSlotWith, work } = device
  if (!device.known) return describeStranger(label)
  const verified =
    lastVerified === null
      ? 'never verified here'
      : `last verified ${lastVerified.at}${lastVerified.inThisBoot ? ', in this boot' : ''}`
  return [
    `${describeSealedFor(sealedFor)}; ${verified}`,
    ...(sharesSlotWith.length > 0
      ? [`same freshness slot as ${sharesSlotWith.join(', ')}: each seal of one makes the other invalid`]
      : []),
    ...(work?.state === 'to-do' ? [`to do: ${work.why}`, describeNeed(work.needs, label)] : []),
  ]
}

type DeviceAnswer = StatusAnswer['aem']['devices'][number]

const LABEL_WIDTH = 18
const TEXT_WIDTH = 58

function row(label: string, text: string, style?: Line['style']): Line {
  return line(`${label.padEnd(LABEL_WIDTH)}${text}`, style)
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
  const said = problem === null ? [] : wrap(problem, TEXT_WIDTH)
  return [
    ...devices.flatMap((device) => {
      const parts = [
        device.present === null ? 'presence not known' : device.present ? 'plugged in' : 'not plugged in',
        `boot files ${device.bootFiles ?? 'not known'}`,
        `sealed: ${word(device.sealed)}`,
        `slot ${device.slot ?? '?'}`,
      ]
      const needsCare = !device.known || device.bootFiles === 'stale' || device.sharesSlotWith.length > 0
      const style = needsCare || device.work?.state === 'to-do' ? 'warn' : undefined
      const more = deviceLines(device).flatMap((text) => wrap(text, TEXT_WIDTH))
      return [
        row(`device ${device.label}`, parts.join(', '), style),
        ...more.map((text) => row('', text, style)),
      ]
    }),
    ...(devices.length === 0
      ? [row('devices', areKnown ? 'none found' : 'not known: lsblk did not answer')]
      : []),
    ...said.map((text, at) => row(at === 0 ? 'device list' : '', text, 'warn')),
  ]
}

function selectionRows({ aem }: StatusFacts): readonly Line[] {
  const why = explainSelection(aem.selection)
  if (why === null) return [row('sealed to PCRs', aem.selectedPcrs?.join(', ') ?? 'not known')]
  const style = aem.installed === true ? 'warn' : undefined
  return wrap(`not known: ${why}`, TEXT_WIDTH).map((text, at) =>
    row(at === 0 ? 'sealed to PCRs' : '', text, style),
  )
}

function renderStatus(
  answer: StatusAnswer,
  facts: StatusFacts,
  ledgerProblem: string | null,
): readonly Line[] {
  const { aem, xen, session, next } = answer
  return [
    row('Qubes OS', answer.qubes.release ?? 'not known'),
    row(
      'Anti Evil Maid',
      aem.installed ? `${aem.version ?? ''} (${aem.flavour ?? 'flavour not known'})` : word(aem.installed),
    ),
    row('TPM', aem.tpm ?? 'not known'),
    ...selectionRows(facts),
    row('booted with AEM', word(aem.bootedWithAem), aem.bootedWithAem === false ? 'warn' : undefined),
    row('measured launch', word(aem.measured), aem.measured === false ? 'warn' : undefined),
    ...groupConstants(facts.tpm.pcrs[facts.tpm.bank ?? 'sha256'] ?? {}, facts.badPcrs).map(
      ({ words, pcrs }) =>
        row(words === CLOSED ? 'failed launch' : words, `PCR ${pcrs.join(', ')}: protects nothing`, 'bad'),
    ),
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
    ...(answer.held === null
      ? []
      : wrap(`AEM's automatic seal was held: ${answer.held.why}`, 58).map((text, at) =>
          row(at === 0 ? 'held' : '', text, 'warn'),
        )),
    ...trustedKeyLines(answer.malformedTrustedKeys, answer.trustedKeysUnread),
    row('session', session ? `open since ${session.since}, step ${session.step}` : 'none'),
    line(''),
    line(next.command ? `next: ${next.command}` : 'next: nothing to run', 'bold'),
    ...wrap(next.why, 70).map((text) => line(`      ${text}`)),
  ]
}
