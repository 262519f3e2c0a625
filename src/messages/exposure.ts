import { type ExposureRow, isExposed } from '../core/bulletin/exposure.ts'
import { type Line, line } from '../ui/ui.ts'
import type { CheckAnswer } from './bulletins.ts'

/** Device, qube, vectors, exposed: the check that QSB-103 describes. */
export function exposureLines({ exposure, check }: Pick<CheckAnswer, 'exposure' | 'check'>): readonly Line[] {
  if (exposure === null) return []
  const { rows } = exposure
  if (rows === null) {
    return [
      line(''),
      line('whether a qube is exposed is not known: `qvm-pci ls` gave no list of devices', 'warn'),
    ]
  }
  const exposed = isExposed(rows)
  const words =
    check.verdict === 'met'
      ? 'the fix is in effect; the table says which qubes could try the flaw without it'
      : check.verdict === 'nothing-asked'
        ? 'no update is asked for here; the table says which qubes have such a device'
        : EXPOSED_WORDS[`${exposed}`]
  return [
    line(''),
    line('device                qube            vectors  exposed', 'dim'),
    ...rows.map((row) => line(exposureRow(row), row.exposed === false ? undefined : 'warn')),
    line(words),
    ...(exposed === null ? [line('not everything could be seen, so nothing is ruled out', 'warn')] : []),
  ]
}

function exposureRow({ device, qube, vectors, exposed }: ExposureRow): string {
  const word = exposed === null ? 'not known' : exposed ? 'EXPOSED' : 'no'
  const name = device ?? '(others, not read)'
  return `${name.padEnd(20)}  ${(qube ?? '?').padEnd(14)}  ${String(vectors ?? '?').padEnd(7)}  ${word}`
}

const EXPOSED_WORDS: Readonly<Record<'true' | 'false' | 'null', string>> = {
  true: 'the update is wanted whatever this table says: a device can be attached tomorrow',
  false: 'no qube has a device with several MSI vectors; the update is wanted all the same',
  null: 'the update is wanted whatever this table says',
}
