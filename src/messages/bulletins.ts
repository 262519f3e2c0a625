import type { FoundBulletin } from '../cli/bulletin.ts'
import type { BulletinCheck, BulletinList, BulletinState } from '../core/bulletin/decide-bulletins.ts'
import { type ExposureRow, isExposed } from '../core/bulletin/exposure.ts'
import { QUBES_MASTER_FINGERPRINT } from '../core/bulletin/gpg-certifications.ts'
import { UPDATE_COMMANDS } from '../core/bulletin/update-commands.ts'
import { wrap } from '../ui/render-message.ts'
import { type Line, line } from '../ui/ui.ts'

/** What the `bulletin` commands say. */

export function qsb(id: number): string {
  return `QSB-${String(id).padStart(3, '0')}`
}

/** One bulletin in full; a signature that does not verify stands on top. */
export function bulletinLines({ bulletin, signatures, approval }: FoundBulletin): readonly Line[] {
  const { xsas, reseal, dom0 } = bulletin
  return [
    ...(approval === 'refused'
      ? [line('✖ NOT VERIFIED: nothing below may be believed; it approves nothing', 'bad')]
      : approval === 'single'
        ? [line('▲ one of the expected signatures is missing', 'warn')]
        : []),
    line(`${qsb(bulletin.id)}  ${bulletin.date}  ${bulletin.title ?? '(no title)'}`, 'bold'),
    ...(signatures ?? []).map((item) =>
      line(
        `  signature ${item.status}: ${item.signer ?? 'unknown signer'} ${item.fingerprint ?? ''}`,
        item.status === 'good' ? 'dim' : 'bad',
      ),
    ),
    ...(signatures === null
      ? [line('  from the built-in catalogue; its signatures were checked when it was made', 'dim')]
      : []),
    ...(signatures?.some((item) => item.status === 'good')
      ? [
          line(
            `  their keys are certified by the Qubes Master Signing Key ${QUBES_MASTER_FINGERPRINT}`,
            'dim',
          ),
        ]
      : []),
    line(`  Xen Security Advisories: ${xsas.map((id) => `XSA-${id}`).join(', ') || 'none'}`),
    ...dom0.flatMap(({ release, packages }) => [
      line(`  Qubes ${release}, dom0: ${packages.length === 0 ? 'nothing' : ''}`),
      ...packages.map((item) => line(`    ${item.name} ${item.version}`)),
    ]),
    line(`  restart: ${bulletin.restart}`),
    line(
      reseal === null
        ? '  Anti Evil Maid: no notice'
        : `  Anti Evil Maid: PCR ${reseal.pcrs.join(', ')} may change (${reseal.causes.join(', ')})`,
    ),
  ]
}

/** All bulletins for this release as a table, newest first. */
export function listLines(list: BulletinList): readonly Line[] {
  return [
    line(`Bulletins that ask something of dom0 in Qubes ${list.release}`, 'bold'),
    line(catalogueWords(list), 'dim'),
    line(''),
    line('id       date        state', 'dim'),
    ...list.bulletins.map((item) =>
      line(`${qsb(item.id)}  ${item.date}  ${stateWords(item)}`, styleOf(item)),
    ),
    ...(list.bulletins.length === 0 ? [line('none')] : []),
  ]
}

export function catalogueWords({ catalogue }: BulletinList): string {
  return `The built-in catalogue ends with ${qsb(catalogue.newest)} of ${catalogue.date}; for a newer one give its file.`
}

export function stateWords(state: BulletinState): string {
  if (state.met === false) {
    const [first, ...more] = state.missing
    const rest = more.length > 0 ? ` and ${more.length} more` : ''
    return first
      ? `NOT MET: ${first.name} ${first.wanted} wanted, ${first.installed ?? 'none'} here${rest}`
      : 'NOT MET'
  }
  if (state.met === null) return 'not known: packages could not be looked up'
  if (state.restartDue === true) return 'met, restart of dom0 due'
  return state.restartDue === null ? 'met, whether a restart is due is not known' : 'met'
}

function styleOf(state: BulletinState): Line['style'] {
  if (state.met === false) return 'bad'
  return state.met === null || state.restartDue !== false ? 'warn' : undefined
}

const VERDICTS: Readonly<
  Record<BulletinCheck['verdict'], { text: string; next: string; style: Line['style'] }>
> = {
  met: { text: 'met: the packages are installed and in effect', next: 'nothing', style: 'good' },
  'nothing-asked': { text: 'nothing is asked of dom0 in this release', next: 'nothing', style: 'good' },
  unmet: {
    text: 'not met: packages are missing',
    next: `\`${UPDATE_COMMANDS.stable}\`; while they are still in testing: \`${UPDATE_COMMANDS.securityTesting}\``,
    style: 'bad',
  },
  unknown: {
    text: 'not known: the packages could not be looked up',
    next: 'run it in dom0, as root',
    style: 'warn',
  },
  'restart-due': {
    text: 'met, but dom0 has not been restarted since',
    next: '`aem-reseal start`',
    style: 'warn',
  },
  'restart-perhaps-due': {
    text: 'met; whether dom0 was restarted since could not be found out',
    next: '`aem-reseal start`',
    style: 'warn',
  },
}

/** The one answer, then what it rests on. */
export function checkLines(list: BulletinList, check: BulletinCheck): readonly Line[] {
  const { text, next, style } = VERDICTS[check.verdict]
  const because = list.bulletins.filter((item) => check.because.includes(item.id) && check.verdict !== 'met')
  return [
    line(`${check.verdict === 'met' || check.verdict === 'nothing-asked' ? '✔' : '▲'} ${text}`, style),
    ...because.map((item) => line(`  ${qsb(item.id)}  ${item.date}  ${stateWords(item)}`)),
    ...wrap(catalogueWords(list), 76).map((own) => line(`  ${own}`, 'dim')),
    ...wrap(`next: ${next}`, 76).map((own) => line(`  ${own}`)),
  ]
}

/** Device, qube, vectors, exposed: the check that QSB-103 describes. */
export function exposureLines(rows: readonly ExposureRow[] | null): readonly Line[] {
  if (rows === null) return []
  const word = (value: boolean | null): string => (value === null ? 'not known' : value ? 'EXPOSED' : 'no')
  const exposed = isExposed(rows)
  return [
    line(''),
    line('device                qube            vectors  exposed', 'dim'),
    ...rows.map((row) =>
      line(
        `${row.device.padEnd(20)}  ${row.qube.padEnd(14)}  ${String(row.vectors ?? '?').padEnd(7)}  ${word(row.exposed)}`,
        row.exposed ? 'bad' : undefined,
      ),
    ),
    line(
      exposed === false
        ? 'no qube has a device with several MSI vectors; the update is wanted all the same'
        : 'the update is wanted whatever this table says: a device can be attached tomorrow',
    ),
  ]
}
