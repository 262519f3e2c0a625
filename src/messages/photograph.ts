import { isStateExpected, listExpectedRegisters } from '../core/decide/approved-state.ts'
import type { Session } from '../core/session/checkpoint.ts'
import { type Line, line, type Screen } from '../ui/ui.ts'

/*
 * The screen that is photographed before the restart: a photograph of what the next boot must show cannot be changed by that
 * boot. Nothing else stands on it.
 */

const WARNING = 'type nothing, and power off.'

/**
 * @param device label of the device that boots next
 * @param now by the clock of this machine
 * @param isDetailed whole digits, and how to check the device elsewhere
 */
export function photographScreen(
  session: Session,
  { device, now, isDetailed }: { device: string | null; now: Date; isDetailed: boolean },
): Screen {
  const when = now.toISOString().slice(0, 16).replace('T', ' ')
  return {
    title: line('PHOTOGRAPH THIS: what the next boot must show', 'bold'),
    body: [
      line(`${when} UTC, device ${device ?? 'not known'}`),
      line(''),
      line('Choose the AEM entry in the GRUB menu.'),
      ...NEXT_BOOT[session.protection ?? 'plain'](session),
      line('Then boot another AEM device, or check this one elsewhere.'),
      ...(isDetailed ? CHECK_OFFLINE.map((text) => line(text)) : []),
      line(''),
      ...registerLines(session, isDetailed),
    ],
    enter: 'Enter when photographed',
  }
}

const CHECK_OFFLINE = [
  'Elsewhere: start a live system and hash xen, kernel and initramfs of the',
  'boot device against the packages.',
] as const

const NEXT_BOOT: {
  readonly [P in NonNullable<Session['protection']>]: (session: Session) => readonly Line[]
} = {
  'forward-seal': () => [
    line('Your own sentence MUST appear before you type the passphrase.', 'bold'),
    line(`If it does not: ${WARNING}`, 'bad'),
  ],
  hold: (session) => [
    ...noSecret(session),
    line("AEM's own seal is held until all is as below, or you accept it."),
    line(`If anything else looks wrong: ${WARNING}`, 'bad'),
  ],
  plain: (session) => [
    ...noSecret(session),
    line('AEM then seals by itself to whatever booted.'),
    line(`If anything else looks wrong: ${WARNING}`, 'bad'),
  ],
}

/** What becomes of a secret that is sealed to this boot: by the prediction where it tells, else by the update. */
function noSecret(session: Session): readonly Line[] {
  const { baseline, expectation } = session
  const registers = listExpectedRegisters(session) ?? []
  const now = baseline?.pcrs[baseline.bank] ?? {}
  const moved = registers.filter(({ index, value }) => value !== null && value !== now[index])
  const names = (indices: readonly number[]): string => `PCR ${indices.join(' and ')}`
  const same = line("An attacker's Xen would show the same: you type the passphrase blind.")
  if (moved.length > 0) {
    const which = names(moved.map(({ index }) => index))
    return [line(`Your sentence will NOT appear this once: ${which} will differ.`, 'bold'), same]
  }
  if (isStateExpected(registers))
    return [line('No register is to change: your own sentence MUST appear.', 'bold')]
  const mayChange = expectation?.mayChange ?? []
  const why = mayChange.length > 0 ? `${names(mayChange)} may differ` : 'what will differ is not known'
  return [line(`Your sentence may NOT appear this once: ${why}.`, 'bold'), same]
}

/** Digits at each end: enough to compare by eye, and short enough to be photographed. The report has all of them. */
const DIGITS = 8

function registerLines(session: Session, isDetailed: boolean): readonly Line[] {
  const registers = listExpectedRegisters(session)
  if (registers === null) return [line('The registers of the next boot could not be predicted.')]
  return [
    line(
      `Predicted registers (${session.baseline?.bank})${isDetailed ? '' : `, first and last ${DIGITS} digits`}:`,
    ),
    ...registers.map(({ index, value }) =>
      line(`  PCR ${String(index).padStart(2)}  ${isDetailed ? (value ?? 'not predicted') : shorten(value)}`),
    ),
  ]
}

function shorten(value: string | null): string {
  return value === null ? 'not predicted' : `${value.slice(0, DIGITS)} ... ${value.slice(-DIGITS)}`
}
