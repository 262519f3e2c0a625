import type { ReportInput } from './input.ts'
import { readKeptFacts } from './kept-facts.ts'
import {
  type Block,
  code,
  dim,
  formatTime,
  type ReportPage,
  type Section,
  type Span,
  said,
  words,
} from './page.ts'
import { listReportedRegisters, registerTable } from './registers.ts'
import {
  answerTable,
  bootFileTable,
  bulletinText,
  componentTable,
  lastSteps,
  packageTable,
  stepBlocks,
} from './sections.ts'
import { makeVerdict } from './verdict.ts'

/** What no report holds, also where the program saw it. */
export const REPORT_LEFT_OUT: readonly string[] = ['secrets and passwords', 'names of qubes']

/**
 * The report of a session as one page: what was found, decided, run and measured, with times. It holds digests and register
 * values, never a secret.
 */
export function makeReportPage(input: ReportInput): ReportPage {
  const { session, closedAt } = input
  const facts = readKeptFacts(session)
  const registers = listReportedRegisters(input)
  return {
    title: 'Report of aem-reseal',
    about: [
      ...placeSpans(facts),
      words(`Begun ${formatTime(session.since)}, closed ${formatTime(closedAt)}.`),
    ],
    verdict: makeVerdict(session, facts, registers),
    sections: [
      ...registerSection(input, registerTable(registers)),
      { title: 'What went into each register', blocks: [pictureBlock(input)] },
      { title: 'Bulletin', blocks: [bulletinText(session, facts)] },
      { title: 'Packages and their signers', blocks: [packageTable(facts)] },
      {
        title: 'What vouched for the next boot, before the restart',
        blocks: [componentTable(facts)],
        only: 'html',
      },
      { title: 'Boot files as they were confirmed', blocks: [bootFileTable(session)], only: 'html' },
      { title: 'What was asked, and who answered', blocks: [answerTable(session)], only: 'html' },
      { title: 'What was run', blocks: [waySpans(session), ...stepBlocks(session)], only: 'html' },
      { title: 'What was run', blocks: [waySpans(session), lastSteps(session)], only: 'markdown' },
    ],
    limits: [
      [
        words(
          'This program ran on the Xen that it judged. It finds mistakes and simple attacks; only a secret that the TPM released before the passphrase was typed vouches for a boot.',
        ),
      ],
      [
        words(`Left out: ${REPORT_LEFT_OUT.join('; ')}. Session `),
        code(session.id),
        words('; all facts of its steps are in the JSON beside this.'),
      ],
    ],
  }
}

function placeSpans({ place, machine }: ReturnType<typeof readKeptFacts>): readonly Span[] {
  return [
    ...(place?.device ? [words('AEM device '), code(place.device), words('. ')] : []),
    ...(machine?.tpm ? [words('TPM '), said(machine.tpm), words('. ')] : []),
    ...(machine?.flavour ? [words('Launched by '), said(machine.flavour), words('. ')] : []),
  ]
}

function registerSection({ session }: ReportInput, table: Block): readonly Section[] {
  const { baseline, approved } = session
  if (baseline === null) return []
  const boots: Block = {
    kind: 'text',
    spans: [
      dim(`Recorded ${formatTime(baseline.takenAt)} in boot `),
      code(baseline.bootId ?? 'not known'),
      ...(approved === null
        ? [dim('; nothing was accepted.')]
        : [
            dim(`; accepted ${formatTime(approved.at)} in boot `),
            code(approved.bootId ?? 'not known'),
            dim('.'),
          ]),
    ],
  }
  return [{ title: `Registers (${baseline.bank})`, blocks: [table, boots] }]
}

function pictureBlock({ chain }: ReportInput): Block {
  if (chain !== null) return { kind: 'picture' }
  return {
    kind: 'text',
    spans: [words('There is no picture: the launch log of this boot could not be read.')],
  }
}

const WAYS: Readonly<Record<NonNullable<ReportInput['session']['protection']>, string>> = {
  'forward-seal': 'a forward seal',
  hold: "AEM's seal held",
  plain: 'plain, one boot without the secret',
}

function waySpans({ protection, restart }: ReportInput['session']): Block {
  const way = protection === null ? 'not chosen' : WAYS[protection]
  return {
    kind: 'text',
    spans: [
      words(`Way through the restart: ${way}. Restart: `),
      restart === null ? words('not planned') : code(restart),
      words('.'),
    ],
  }
}
