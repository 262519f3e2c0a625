import { describeForeignDevice, describeNeed, describeSealedFor } from '../messages/devices.ts'
import { summarizePreparedness } from '../messages/prepared.ts'
import { explainSelection } from '../messages/selection.ts'
import { describeBootCheck } from '../messages/since-approved.ts'
import { trustedKeyLines } from '../messages/trusted-keys.ts'
import type { StatusFacts } from '../observe/dom0/status.ts'
import type { BootCheck } from '../observe/launch/boot-check.ts'
import { fold } from '../ui/fold.ts'
import { type Line, line } from '../ui/ui.ts'
import { nextOfReason, protectionLines, SCREEN_COLUMNS } from './protection.ts'
import type { DeviceAnswer, StatusAnswer } from './status-answer.ts'
import { describeUpdates } from './updates.ts'

function deviceLines(device: DeviceAnswer): readonly string[] {
  const { changedFiles, label, lastVerified, sealedFor, sharesSlotWith, work } = device
  if (!device.known) return describeForeignDevice(label)
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

const LABEL_WIDTH = 18

function row(label: string, text: string, style?: Line['style']): Line {
  return { text: `${label.padEnd(LABEL_WIDTH)}${text}`, style, hang: LABEL_WIDTH }
}

function word(value: boolean | null): string {
  return value === null ? 'not known' : value ? 'yes' : 'no'
}

/**
 * Each device with its state and what it needs.
 * @param problem of the device ledger, or null
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
    ...(problem === null ? [] : [row('device ledger', problem, 'warn')]),
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

export function renderStatus(
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
