import type { Effect } from './commands/row.ts'
import { COMMANDS, type CommandId, commandRow } from './commands.ts'
import { COMPILE_CACHE, PATHS } from './paths.ts'

export type CommandRow = {
  readonly id: string
  readonly argv: readonly string[]
  readonly effect: Effect
  readonly asRoot: boolean
  readonly timeoutMs: number
  readonly maxOutputBytes: number
  readonly why: string
  readonly source: string
  readonly sample: string
}

/** The table of programs as values, for `aem-reseal commands` and docs/commands.md. */
export function listCommandRows(): readonly CommandRow[] {
  return (Object.keys(COMMANDS) as CommandId[]).map((id) => {
    const { program, args, effect, asRoot, timeoutMs, maxOutputBytes, why, source, sample } = commandRow(id)
    return { id, argv: [program, ...args], effect, asRoot, timeoutMs, maxOutputBytes, why, source, sample }
  })
}

function environmentOf(id: string): readonly string[] {
  return Object.entries(commandRow(id as CommandId).environment ?? {}).map(
    ([name, value]) => `${name}=${value}`,
  )
}

function umaskOf(id: string): readonly string[] {
  const { umask } = commandRow(id as CommandId)
  return umask === undefined ? [] : [umask.toString(8).padStart(3, '0')]
}

/** docs/commands.md. */
export function renderCommandsDocument(): string {
  const rows = listCommandRows().flatMap((row) => [
    `## ${row.id}`,
    '',
    `${row.why[0]?.toUpperCase()}${row.why.slice(1)}.`,
    '',
    '```json',
    JSON.stringify(row.argv),
    '```',
    '',
    `- ${row.effect === 'write' ? '**changes the machine**' : 'changes nothing that stays'}; ${row.asRoot ? 'as root' : 'as any user'}; at most ${row.timeoutMs / 1000} s and ${row.maxOutputBytes / 1024} KiB of output`,
    ...environmentOf(row.id).map((variable) => `- in its environment too: \`${variable}\``),
    ...umaskOf(row.id).map((umask) => `- with umask ${umask}`),
    `- source: ${row.source}`,
    '- sample:',
    '',
    '```text',
    // Some samples are of several lines, some write line ends and tabs as rpm formats do.
    ...row.sample.replaceAll('\\n', '\n').replaceAll('\\t', '\t').split('\n'),
    '```',
    '',
  ])
  const paths = PATHS.map(
    (row) =>
      `| \`${row.pattern}\` | ${row.access}${row.secret ? ', contents never recorded' : ''} | ${row.why} |`,
  )
  return [
    '# Every program and every file',
    '',
    'Rendered from `src/tables/commands/` and `src/tables/paths.ts` by `npm run docs`; a test keeps it current. Programs run',
    'without a shell, by absolute path, in an environment of `PATH`, `LC_ALL=C`, `HOME` and `TZ`. Standard input is empty,',
    'or holds a secret that must stand on no command line (an SRK password, a key to be sealed).',
    'The argv are part of the contract: a recorded machine answers them as they stand here, with `{name}` filled in.',
    '`become-root` and `gate-asked` run this program itself once more, as root (docs/contract.md, root and gate).',
    'What "changes nothing that stays" may still mount, load into the TPM or write below `/run` for the time of a look.',
    '',
    ...rows,
    '# Files',
    '',
    '| path | access | why |',
    '|---|---|---|',
    ...paths,
    '',
    `Where root runs the package, its launcher \`/usr/lib/aem-reseal/launch.cjs\` keeps what Node compiled in \`${COMPILE_CACHE}\``,
    "(root's, 0755). The program opens nothing there.",
    '',
  ].join('\n')
}
