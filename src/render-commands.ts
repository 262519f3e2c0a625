import { COMMANDS, type CommandId } from './commands.ts'
import { PATHS } from './paths.ts'

export type CommandRow = {
  readonly id: string
  readonly argv: readonly string[]
  readonly effect: 'read' | 'write'
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
    const { program, args, effect, asRoot, timeoutMs, maxOutputBytes, why, source, sample } = COMMANDS[id]
    return { id, argv: [program, ...args], effect, asRoot, timeoutMs, maxOutputBytes, why, source, sample }
  })
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
    `- ${row.effect === 'write' ? '**changes the machine**' : 'reads only'}; ${row.asRoot ? 'as root' : 'as any user'}; at most ${row.timeoutMs / 1000} s and ${row.maxOutputBytes / 1024} KiB of output`,
    `- source: ${row.source}`,
    `- sample: \`${row.sample}\``,
    '',
  ])
  const paths = PATHS.map(
    (row) =>
      `| \`${row.pattern}\` | ${row.access}${row.secret ? ', contents never recorded' : ''} | ${row.why} |`,
  )
  return [
    '# Every program and every file',
    '',
    'Rendered from `src/commands.ts` and `src/paths.ts` by `npm run docs`; a test keeps it current. Programs run',
    'without a shell, by absolute path, with no standard input, in an environment of `PATH`, `LC_ALL=C`, `HOME` and `TZ`.',
    'The argv are part of the contract: a recorded machine answers them as they stand here, with `{name}` filled in.',
    'Two rows run this program itself once more or ask for nothing new: `sudo -n` (see docs/contract.md, root).',
    '',
    ...rows,
    '# Files',
    '',
    '| path | access | why |',
    '|---|---|---|',
    ...paths,
    '',
  ].join('\n')
}
