/* Long: words: the screens of the three commands on bulletins, which share their rows. */

import type { Restart } from '../core/bulletin/bulletin.ts'
import type { CheckAnswer } from '../core/bulletin/check-answer.ts'
import type { BulletinCheck, BulletinList, BulletinState } from '../core/bulletin/decide-bulletins.ts'
import { errataOf } from '../core/bulletin/errata.ts'
import type { FoundBulletin } from '../core/bulletin/given-bulletin.ts'
import { QUBES_MASTER_FINGERPRINT } from '../core/bulletin/gpg-certifications.ts'
import type { LoweredDemand } from '../core/bulletin/revision.ts'
import type { BulletinSignature } from '../core/bulletin/signatures.ts'
import { UPDATE_COMMANDS } from '../core/bulletin/update-commands.ts'
import { type Line, line } from '../ui/ui.ts'
import {
  installWords,
  isWithoutDom0,
  listIds,
  perhapsNote,
  qsb,
  stateWords,
  styleOf,
  throughNote,
  UNCLEAR_NEXT,
  unclearNext,
} from './bulletin-state.ts'

/** What the `bulletin` commands say. */

/** One bulletin in full; a signature that does not verify stands on top. */
export function bulletinLines({ bulletin, signatures, approval, file }: FoundBulletin): readonly Line[] {
  const { xsas, reseal, dom0 } = bulletin
  return [
    ...approvalLines(approval, signatures ?? []),
    ...misnamedLines(bulletin.id, file),
    line(`${qsb(bulletin.id)}  ${bulletin.date}  ${bulletin.title ?? '(no title)'}`, 'bold'),
    ...(signatures ?? []).map((item) =>
      line(
        item.status === 'missing'
          ? '  signature missing: one more is expected'
          : `  signature ${item.status}: ${item.signer ?? 'unknown signer'} ${item.fingerprint ?? ''}`,
        item.status === 'good' ? 'dim' : 'bad',
      ),
    ),
    ...(signatures === null
      ? [line('  from the built-in catalogue; its signatures were checked when it was made', 'dim')]
      : []),
    ...(signatures?.some((item) => item.status === 'good')
      ? [
          line(
            `  the keys of good signatures are certified by the Qubes Master Signing Key ${QUBES_MASTER_FINGERPRINT}`,
            'dim',
          ),
        ]
      : []),
    line(`  Xen Security Advisories: ${xsas.map((id) => `XSA-${id}`).join(', ') || 'none'}`),
    ...dom0.flatMap(({ release, packages }) => [
      line(`  Qubes ${release}, dom0:${packages.length === 0 ? ' nothing' : ''}`),
      ...packages.map((item) => line(`    ${item.name} ${item.version}`)),
    ]),
    ...errataOf(bulletin).map(({ printed, meant }) => line(`  ${printed} is a misprint of ${meant}`, 'warn')),
    line(`  to restart afterwards: ${RESTART_WORDS[bulletin.restart]}`),
    line(
      reseal === null
        ? '  Anti Evil Maid: no notice'
        : `  Anti Evil Maid: PCR ${reseal.pcrs.join(', ')} may change (${reseal.causes.join(', ')})`,
    ),
  ]
}

const RESTART_WORDS: Readonly<Record<Restart, string>> = {
  dom0: 'dom0, that is the machine',
  'dom0-session': 'the session in dom0 (log out and in again)',
  'dom0-session+vms': 'the session in dom0 and the qubes',
  vms: 'qubes',
  xscreensaver: 'the screen locker',
  'reinstall-templates': 'nothing; templates have to be installed again',
  none: 'nothing',
  unstated: 'the bulletin says nothing of it',
}

/** What the signatures of a file are worth, before anything in it. */
function approvalLines(
  approval: FoundBulletin['approval'],
  signatures: readonly BulletinSignature[],
): readonly Line[] {
  if (approval === 'single') return [line('▲ one of the expected signatures is missing', 'warn')]
  if (approval !== 'refused') return []
  const isOnlyOld =
    signatures.length > 0 && signatures.every(({ status }) => /^(?:good|weak-digest)$/.test(status))
  return isOnlyOld
    ? [line('▲ signed with SHA-1, as was usual until 2014, which can be forged: it approves nothing', 'warn')]
    : [line('✖ NOT VERIFIED: nothing below may be believed; it approves nothing', 'bad')]
}

/** A good text under the name of another bulletin: an old one may be given out as the newest. */
function misnamedLines(id: number, file: string | null): readonly Line[] {
  const named = file === null ? null : /^qsb-0*(\d{1,4})\b/i.exec(file)?.[1]
  return named && Number(named) !== id
    ? [line(`▲ the file is named ${file}, but this is the text of ${qsb(id)}`, 'warn')]
    : []
}

/** All bulletins for this release as a table, newest first. */
export function listLines(list: BulletinList): readonly Line[] {
  const { bulletins } = list
  const notes = [throughNote(bulletins), perhapsNote(bulletins), releaseNote(list)].filter(
    (note) => note !== null,
  )
  return [
    line(`Bulletins for dom0 of Qubes ${list.release} that concern what Anti Evil Maid measures`, 'bold'),
    line(catalogueWords(list), 'dim'),
    line(''),
    line('id       date        state', 'dim'),
    ...list.bulletins.map((item) =>
      line(`${qsb(item.id)}  ${item.date}  ${stateWords(item)}`, styleOf(item)),
    ),
    ...(list.bulletins.length === 0 ? [line('none')] : []),
    ...notes.flatMap((note) => [line(''), line(note, 'warn')]),
  ]
}

export function catalogueWords({ catalogue }: Pick<BulletinList, 'catalogue'>): string {
  return `The built-in catalogue ends with ${qsb(catalogue.newest)} of ${catalogue.date}, and leaves out what changes nothing that Anti Evil Maid measures. For any other bulletin: \`aem-reseal bulletin check FILE\`.`
}

/** Where Qubes says which releases get updates. */
const SUPPORTED_RELEASES = 'https://www.qubes-os.org/doc/supported-releases/'

/** What the bulletins do not say about this release; null where they go on naming it. */
function releaseNote({ release, releaseKnown, laterReleasesOnly }: BulletinList): string | null {
  if (!releaseKnown) {
    return `No bulletin of the catalogue names Qubes ${release}, so it is not known what this release needs.`
  }
  if (laterReleasesOnly.length === 0) return null
  return `Later bulletins (${listIds(laterReleasesOnly)}) do not name Qubes ${release}: either they do not concern it, or it is no longer supported and gets no more fixes. See ${SUPPORTED_RELEASES}`
}

/** What has to be said about a bulletin before it is used; empty for one of the catalogue. */
export function givenLines(
  found: Pick<FoundBulletin, 'bulletin' | 'approval' | 'file'> | null,
  lowered: readonly LoweredDemand[],
): readonly Line[] {
  if (found === null) return []
  const single = `Only one valid signature of ${qsb(found.bulletin.id)} is here, and there should be two. Copy the bulletin with both .sig files (qubes-secpack, directory QSBs) to be sure.`
  const less = `This text of ${qsb(found.bulletin.id)} asks for less than the built-in catalogue; the higher demand stays in force:`
  return [
    ...misnamedLines(found.bulletin.id, found.file),
    ...(found.approval === 'single' ? [line(`▲ ${single}`, 'warn')] : []),
    ...(lowered.length === 0
      ? []
      : [
          line(`▲ ${less}`, 'warn'),
          ...lowered.map(({ name, catalogue, file }) =>
            line(`    ${name}: the file ${file ?? 'does not ask for it'}, the catalogue ${catalogue}`),
          ),
        ]),
  ]
}

const VERDICTS: Readonly<
  Record<BulletinCheck['verdict'], { text: string; next: string; style: Line['style'] }>
> = {
  met: { text: 'met: the packages are installed and in effect', next: 'nothing', style: 'good' },
  'nothing-asked': { text: 'nothing is asked of dom0 in this release', next: 'nothing', style: 'good' },
  unmet: { text: 'not met: packages are missing', next: installWords([]), style: 'bad' },
  unknown: { text: 'not known', next: UNCLEAR_NEXT['not-looked-up'], style: 'warn' },
  'restart-due': {
    text: 'met, but dom0 has not been restarted since',
    next: '`aem-reseal start`',
    style: 'warn',
  },
  'restart-perhaps-due': {
    text: 'met; whether dom0 was restarted since could not be determined',
    next: '`aem-reseal start`',
    style: 'warn',
  },
}

/** Where no bulletin speaks of the release, another look at the packages would not help. */
function verdictWords({ list, asked, check }: CheckAnswer): (typeof VERDICTS)[BulletinCheck['verdict']] {
  const states = list.bulletins.filter(({ id }) => check.because.includes(id))
  if (check.verdict === 'restart-perhaps-due' && isWithoutDom0(states)) {
    const text = 'met; what was started before the update still runs without it'
    return { ...VERDICTS[check.verdict], text, next: 'restart what is named above, if you have not since' }
  }
  if (check.verdict === 'unmet') return { ...VERDICTS.unmet, next: installWords(states) }
  if (check.verdict !== 'unknown') return VERDICTS[check.verdict]
  if (check.because.length > 0) {
    const text = asked === null ? 'not known whether all are met' : 'not known whether it is met'
    return { ...VERDICTS.unknown, text, next: unclearNext(states) }
  }
  if (list.releaseKnown && asked !== null) {
    return {
      text: `not known: ${qsb(asked)} names later releases than Qubes ${list.release} only`,
      next: 'see whether your release is still supported, and update to one that is',
      style: 'warn',
    }
  }
  const what = asked === null ? 'no bulletin of the catalogue' : `neither ${qsb(asked)} nor the catalogue`
  return {
    text: `not known: ${what} names Qubes ${list.release}`,
    next: 'install a newer aem-reseal, or give the file of a bulletin for this release: `aem-reseal bulletin check FILE`; the bulletins are at https://www.qubes-os.org/security/qsb/',
    style: 'warn',
  }
}

/** The one answer, then what it rests on. */
export function checkLines(answer: CheckAnswer): readonly Line[] {
  const { list, asked, check } = answer
  const { text, next, style } = verdictWords(answer)
  const because = list.bulletins.filter(
    (item) => check.because.includes(item.id) && (check.verdict !== 'met' || item.metThrough.length > 0),
  )
  // Later bulletins say nothing against one that is met.
  const isAboutRelease = asked === null || (check.verdict === 'unknown' && check.because.length === 0)
  const note = list.releaseKnown && isAboutRelease ? releaseNote(list) : null
  const isGood = style === 'good' && note === null
  return [
    line(`${isGood ? '✔' : '▲'} ${text}`, isGood || style !== 'good' ? style : 'warn'),
    ...because.map((item) => line(`  ${qsb(item.id)}  ${item.date}  ${stateWords(item)}`)),
    ...[throughNote(because), note].filter((own) => own !== null).map((own) => line(`  ${own}`, 'warn')),
    line(`  ${catalogueWords(list)}`, 'dim'),
    line(`  next: ${next}`),
  ]
}

/**
 * In the wizard: bulletins that this update does not cover. Nothing is wrong with the update because of them; it is the
 * user who decides whether to restart once or twice.
 */
export function otherBulletinLines(states: readonly BulletinState[]): readonly Line[] {
  const idsOf = (met: boolean | null) => states.filter((state) => state.met === met).map(({ id }) => id)
  const [unmet, unknown] = [idsOf(false), idsOf(null)]
  const told: string[] = []
  if (unmet.length > 0) {
    told.push(
      `Left for a later update: ${listIds(unmet)}. This update is complete without them: go on. To take them along and save a restart, stop here with Ctrl-C (nothing has been changed), run \`${UPDATE_COMMANDS.stable}\`, then \`aem-reseal start\` again.`,
    )
  }
  if (unknown.length > 0) {
    told.push(`Not known whether met: ${listIds(unknown)}. \`aem-reseal bulletin list\` tells why.`)
  }
  return told.map((text) => line(`  • ${text}`, 'dim'))
}
