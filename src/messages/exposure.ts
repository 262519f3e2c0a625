import type { CheckAnswer } from '../core/bulletin/check-answer.ts'
import { type ExposureRow, isExposed } from '../core/bulletin/exposure.ts'
import { type Line, line } from '../ui/ui.ts'

type Verdict = CheckAnswer['check']['verdict']

/** Device, qube, vectors, exposed: the check that QSB-103 describes. */
export function exposureLines({ exposure, check }: Pick<CheckAnswer, 'exposure' | 'check'>): readonly Line[] {
  if (exposure === null) return []
  const { rows } = exposure
  const wanted = wantedWords(check.verdict)
  if (rows === null) {
    const also = wanted === null ? '' : `; ${wanted} all the same`
    return [
      line(''),
      line(`whether a qube is exposed is not known: \`qvm-pci ls\` gave no list of devices${also}`, 'warn'),
    ]
  }
  const exposed = isExposed(rows)
  const width = Math.max(...rows.map((row) => deviceName(row).length), 'device'.length)
  const qubeWidth = Math.max(...rows.map(({ qube }) => qube?.length ?? 1), 'qube'.length)
  const row = (device: string, qube: string, vectors: string, last: string): string =>
    `${device.padEnd(width)}  ${qube.padEnd(qubeWidth)}  ${vectors.padEnd(7)}  ${last}`
  return [
    line(''),
    line(
      row('device', 'qube', 'vectors', wanted === null ? 'could try it without the fix' : 'exposed'),
      'dim',
    ),
    ...rows.map((own) =>
      line(
        row(deviceName(own), own.qube ?? '?', String(own.vectors ?? '?'), exposedWord(own, wanted !== null)),
        own.exposed === false ? undefined : 'warn',
      ),
    ),
    ...(rows.length === 0 ? [line('(no qube has a PCI device)')] : []),
    ...conclusion(check.verdict, exposed, wanted).map((text) => line(text)),
    ...(exposed === null ? [line('not everything could be seen, so nothing is ruled out', 'warn')] : []),
  ]
}

function deviceName({ device }: ExposureRow): string {
  return device ?? '(others, not read)'
}

function exposedWord({ exposed }: ExposureRow, isWanted: boolean): string {
  if (exposed === null) return 'not known'
  if (!exposed) return 'no'
  return isWanted ? 'EXPOSED' : 'yes'
}

/** What is still to be done for the bulletin; null where nothing is. */
function wantedWords(verdict: Verdict): string | null {
  if (verdict === 'met' || verdict === 'nothing-asked') return null
  return verdict === 'restart-due' || verdict === 'restart-perhaps-due'
    ? 'the restart is wanted'
    : 'the update is wanted'
}

/** Whatever the table says, it is no reason to leave the update out. */
function conclusion(verdict: Verdict, exposed: boolean | null, wanted: string | null): readonly string[] {
  if (verdict === 'met') return ['the fix is in effect']
  if (wanted === null) return ['no update is asked for in this release']
  return exposed === false
    ? [`no qube has a device with several MSI vectors; ${wanted} all the same`]
    : [`${wanted} whatever this table says: a device can be attached tomorrow`]
}
