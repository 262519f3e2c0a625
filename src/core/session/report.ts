import { renderJson, sanitizeLine } from '../harmless-text.ts'
import type { Session } from './checkpoint.ts'

/** What no report holds, also where the program saw it. */
export const REPORT_LEFT_OUT: readonly string[] = ['secrets and passwords', 'names of qubes']

/**
 * The report of a session as Markdown: what was found, decided, run and measured, with times. It holds digests and
 * register values, never a secret. Names of files and labels come from media that somebody else can have written: they
 * stand as code, without line ends, control or bidirectional characters.
 * @param picture name of the drawing beside the report; null where no launch log could be read
 */
export function renderReport(session: Session, closedAt: string, picture: string | null): string {
  return [
    '# Report of aem-reseal',
    '',
    `Session ${session.id}, begun ${session.since}, closed ${closedAt}.`,
    '',
    'This program ran on the Xen that it judged. It finds mistakes and simple attacks; only a secret that the TPM',
    'released before the passphrase was typed vouches for a boot.',
    '',
    `Left out: ${REPORT_LEFT_OUT.join('; ')}.`,
    '',
    ...renderUpdate(session),
    ...renderRegisters(session),
    ...renderPicture(picture),
    ...renderBootFiles(session),
    ...renderSteps(session),
    ...renderFindings(session),
  ]
    .join('\n')
    .split('\n')
    .map(sanitizeLine)
    .join('\n')
}

function renderUpdate({
  approved,
  expectation,
  protection,
  restart,
  devicesLeft,
}: Session): readonly string[] {
  return [
    '## What was decided',
    '',
    `- bulletins: ${expectation?.bulletins.map((id) => `QSB-${String(id).padStart(3, '0')}`).join(', ') || 'none named'}`,
    `- changed packages: ${expectation?.changedPackages.map(inline).join(', ') || 'none'}`,
    `- registers that might change: ${expectation?.mayChange.join(', ') || 'none'}`,
    `- way through the restart: ${protection ?? 'not chosen'}; restart: ${restart === null ? 'not planned' : inline(restart)}`,
    ...(approved?.proof === 'not-proven'
      ? [
          '- **accepted, not proven**: what Xen measured in this boot could not be computed; a person accepted it',
        ]
      : []),
    `- devices still to do: ${devicesLeft === null ? 'not known' : devicesLeft.map(inline).join(', ') || 'none'}`,
    '',
  ]
}

function renderRegisters({ baseline, approved }: Session): readonly string[] {
  if (baseline === null) return []
  const before = baseline.pcrs[baseline.bank] ?? {}
  const row = (index: number): string => {
    const [old, accepted] = [before[index] ?? '?', approved?.pcrs[index] ?? 'not accepted']
    return `| ${index} | \`${old}\` | \`${accepted}\` | ${old === accepted ? 'same' : 'changed'} |`
  }
  return [
    `## Registers (${baseline.bank})`,
    '',
    `Recorded ${baseline.takenAt} in boot ${inline(baseline.bootId ?? 'not known')}; accepted${approved?.proof === 'not-proven' ? ', not proven,' : ''} ${approved?.at ?? 'never'} in boot ${inline(approved?.bootId ?? '-')}.`,
    '',
    '| PCR | before | accepted | |',
    '|---|---|---|---|',
    ...baseline.selectedPcrs.map(row),
    '',
  ]
}

function renderPicture(picture: string | null): readonly string[] {
  const text =
    picture === null
      ? 'There is no picture of what went into each register: the launch log of this boot could not be read.'
      : `![What went into each register, and what changed](${picture})`
  return [text, '']
}

function renderBootFiles({ baseline }: Session): readonly string[] {
  if (baseline === null) return []
  return [
    '## Boot files as they were confirmed (SHA-256)',
    '',
    ...baseline.bootFiles.map(
      (file) => `- ${inline(file.path)} (${file.role}): ${file.digests?.sha256 ?? 'not read'}`,
    ),
    '',
  ]
}

function renderSteps({ history }: Session): readonly string[] {
  return [
    '## Steps',
    '',
    ...history.map((entry) => `- ${entry.at} ${inline(entry.step)}: ${inline(entry.outcome)}`),
    '',
  ]
}

function renderFindings({ findings }: Session): readonly string[] {
  return [
    '## Findings',
    '',
    ...Object.entries(findings).flatMap(([step, facts]) => [
      `### ${step}`,
      '',
      '```json',
      // JSON escapes line ends, so no text in it can end the block.
      renderJson(facts ?? null).trimEnd(),
      '```',
      '',
    ]),
  ]
}

function inline(text: string): string {
  return `\`${sanitizeLine(text).replaceAll('`', "'")}\``
}
