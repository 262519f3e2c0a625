import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import {
  type BootLines,
  compareWords,
  describeWordChange,
  exchangeAemUuid,
  isLineOfBoot,
} from '../../core/vouch/command-line.ts'
import type { AemDevice } from '../device/devices.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import type { Prediction } from './vouch-evidence.ts'

const SOURCES = { kernel: '/proc/cmdline', xen: '`xl info`' } as const

/**
 * What this boot says of its command lines, compared with what the session expects: the lines that were vouched for before
 * the restart, else those of the boot before. It counts whatever the registers say.
 *
 * @param device the AEM device this boot came from; its UUID stands in the kernel's line
 * @param isTraced no register changed, or what each extend was is known from before: then an unknown line hides nothing
 * @returns what differs, in words; empty where nothing does
 */
export function compareBootLines(
  session: Session,
  baseline: Baseline,
  machine: MachineFacts,
  device: AemDevice | null,
  isTraced: boolean,
): readonly string[] {
  const boot: BootLines = { kernel: machine.kernelCommandLine, xen: machine.xen.commandLine, tboot: null }
  return (['kernel', 'xen'] as const).flatMap((role) => {
    const wanted = expectedLine(session, baseline, role)
    const name = `the command line of ${role === 'xen' ? 'Xen' : 'the dom0 kernel'}`
    if (wanted === null)
      return isTraced ? [] : [`${name} could not be compared: nothing says what it was before`]
    const line = role === 'kernel' ? ofDevice(wanted, device) : wanted
    const now = boot[role]
    const isSame = isLineOfBoot(role, line, boot)
    if (isSame === true) return []
    if (isSame === null || now === null)
      return [`${name} could not be compared: ${SOURCES[role]} cannot be read`]
    const words = describeWordChange(compareWords(line, now))
    return [`${name} (${SOURCES[role]}) is not the one that was expected: ${words}`]
  })
}

function expectedLine({ prediction }: Session, baseline: Baseline, role: 'kernel' | 'xen'): string | null {
  // A session may keep a register without its components (core/session/kept-answers.ts).
  const pcrs: readonly Partial<Prediction['pcrs'][number]>[] = (prediction as Prediction | null)?.pcrs ?? []
  const components = pcrs.flatMap((pcr) => pcr.components ?? [])
  const vouched = components.find((one) => one.role === role && one.vouchedBy?.rule)
  return (
    vouched?.commandLine ?? (role === 'kernel' ? baseline.kernelCommandLine : baseline.xenCommandLine) ?? null
  )
}

/** A boot from another AEM device of this machine names that one. */
function ofDevice(line: string, device: AemDevice | null): string {
  const uuid = / ?\baem\.uuid=([0-9A-Za-z-]+)/.exec(line)?.[1]
  return uuid === undefined || !device?.uuid ? line : exchangeAemUuid(line, uuid, device.uuid)
}

/**
 * Are the command lines that dom0 shows those from before the restart, which leave out what Xen hands on to the kernel (` -- `)?
 * null where one of them is not known.
 */
export function areLinesSame(
  baseline: Pick<Baseline, 'kernelCommandLine' | 'xenCommandLine'>,
  machine: MachineFacts,
): boolean | null {
  const pairs = [
    [baseline.kernelCommandLine, machine.kernelCommandLine],
    [baseline.xenCommandLine, machine.xen.commandLine],
  ]
  if (pairs.some(([before, now]) => before === null || now === null)) return null
  return pairs.every(([before, now]) => before === now)
}
