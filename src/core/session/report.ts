import type { Session } from './checkpoint.ts'

/**
 * The report of a session as Markdown: what was found, decided, run and measured, with times. It holds digests and
 * register values, never a secret.
 */
export function renderReport(session: Session, closedAt: string): string {
  return [
    '# Report of aem-reseal',
    '',
    `Session ${session.id}, begun ${session.since}, closed ${closedAt}.`,
    '',
    'This program ran on the Xen that it judged. It finds mistakes and simple attacks; only a secret that the TPM',
    'released before the passphrase was typed vouches for a boot.',
    '',
    ...renderUpdate(session),
    ...renderRegisters(session),
    ...renderBootFiles(session),
    ...renderSteps(session),
    ...renderFindings(session),
  ].join('\n')
}

function renderUpdate({ expectation, protection, restart, devicesLeft }: Session): readonly string[] {
  return [
    '## What was decided',
    '',
    `- bulletins: ${expectation?.bulletins.map((id) => `QSB-${String(id).padStart(3, '0')}`).join(', ') || 'none named'}`,
    `- changed packages: ${expectation?.changedPackages.join(', ') || 'none'}`,
    `- registers that might change: ${expectation?.mayChange.join(', ') || 'none'}`,
    `- way through the restart: ${protection ?? 'not chosen'}; restart: ${restart ?? 'not planned'}`,
    `- devices still to do: ${devicesLeft.join(', ') || 'none'}`,
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
    `Recorded ${baseline.takenAt} in boot ${baseline.bootId}; accepted ${approved?.at ?? 'never'} in boot ${approved?.bootId ?? '-'}.`,
    '',
    '| PCR | before | accepted | |',
    '|---|---|---|---|',
    ...baseline.selectedPcrs.map(row),
    '',
  ]
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
  return ['## Steps', '', ...history.map((entry) => `- ${entry.at} ${entry.step}: ${entry.outcome}`), '']
}

function renderFindings({ findings }: Session): readonly string[] {
  return [
    '## Findings',
    '',
    ...Object.entries(findings).flatMap(([step, facts]) => [
      `### ${step}`,
      '',
      '```json',
      JSON.stringify(facts, null, 2).replaceAll('```', "'''"),
      '```',
      '',
    ]),
  ]
}

function inline(text: string): string {
  return `\`${text.replaceAll('`', "'")}\``
}
