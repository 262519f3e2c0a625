import { lstat, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import * as z from '../core/form.ts'
import { onFirstUse } from '../core/on-first-use.ts'
import { makeFailure } from '../tables/failures.ts'
import { FILE_KINDS, type FileDigests, type FileStat } from './host.ts'

/** Longest JSON file and recorded output that is read. */
const MAX_JSON_BYTES = 64 * 1024 * 1024

const hex = (digits: number) => z.string().check(z.regex(new RegExp(`^[0-9a-f]{${digits}}$`)))
const digests = onFirstUse(() => {
  const pair = z.object({ sha1: hex(40), sha256: hex(64) })
  return z.extend(pair, {
    sizeBytes: z.int().check(z.nonnegative()),
    gunzipped: z.optional(pair),
    buildId: z.optional(z.string().check(z.regex(/^[0-9a-f]{8,128}$/))),
  })
})
const fileStat = onFirstUse(() =>
  z.object({
    kind: z.enum(FILE_KINDS),
    sizeBytes: z.int().check(z.nonnegative()),
    mtimeMs: z.number(),
    mode: z.int().check(z.nonnegative()),
    ownerUid: z.optional(z.int().check(z.nonnegative())),
  }),
)

/** machine.json (docs/contract.md, recorded machine); `stats` and `leftOut` are additions of this program. */
export const machineSchema = z.object({
  format: z.literal(1),
  description: z._default(z.string(), ''),
  time: z.optional(z.iso.datetime({ offset: true })),
  uid: z._default(z.nullable(z.int().check(z.nonnegative())), 0),
  absent: z._default(z.array(z.string()), []),
  digests: z._default(z.record(z.string(), z.lazy(digests)), {}),
  stats: z._default(z.record(z.string(), z.lazy(fileStat)), {}),
  leftOut: z._default(z.array(z.string()), []),
})

const answerSchema = onFirstUse(() => {
  const output = z._default(z.union([z.string(), z.object({ file: z.string() })]), '')
  return z.object({
    argv: z.array(z.string()).check(z.minLength(1)),
    exit: z._default(z.int(), 0),
    stdout: output,
    stderr: output,
  })
})

/** commands.json; it is read answer by answer (`readCommands`). */
export const commandsSchema = onFirstUse(() => z.array(answerSchema()))

export type RecordedAnswer = {
  readonly exit: number
  /** @param isBinary one character a byte, also of a file, as for a row of the table that is marked so */
  stdout(isBinary: boolean): Promise<string>
  stderr(): Promise<string>
}

export type RecordedMachine = {
  readonly directory: string
  readonly description: string
  /** Milliseconds since 1970. */
  readonly time: number | null
  readonly uid: number | null
  readonly absent: ReadonlySet<string>
  readonly digests: Readonly<Record<string, FileDigests>>
  readonly stats: Readonly<Record<string, FileStat>>
  /** The paths that either knows of, ascending. */
  readonly keys: readonly string[]
  /** Key: JSON of argv. */
  readonly commands: ReadonlyMap<string, readonly RecordedAnswer[]>
}

/**
 * Reads machine.json and commands.json.
 * @throws Failure when either is missing or not of format 1
 */
export async function loadRecordedMachine(directory: string): Promise<RecordedMachine> {
  const machine = machineSchema.safeParse(await readJson(directory, 'machine.json', null))
  if (!machine.success) throw invalid(directory, 'machine.json', machine.error.issues)
  const commands = await readCommands(directory, await readJson(directory, 'commands.json', []))
  const { description, uid, absent, digests: digestTable, stats, time } = machine.data
  return {
    directory,
    description,
    time: time === undefined ? null : Date.parse(time),
    uid,
    absent: new Set(absent.map(withoutEndingSlashes)),
    digests: digestTable,
    stats,
    keys: [...new Set([...Object.keys(digestTable), ...Object.keys(stats)])].sort(),
    commands,
  }
}

/** By hand: `/\/+$/` looks at a long row of slashes once for each of them. */
function withoutEndingSlashes(path: string): string {
  let end = path.length
  while (path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}

/** Answers between two looks for a signal: the file comes from strangers, and holds millions where they want it to. */
const ANSWERS_AT_ONCE = 2048

async function readCommands(directory: string, listed: unknown): Promise<Map<string, RecordedAnswer[]>> {
  if (!Array.isArray(listed)) {
    const wrong = commandsSchema().safeParse(listed)
    throw invalid(directory, 'commands.json', wrong.error?.issues ?? [])
  }
  const commands = new Map<string, RecordedAnswer[]>()
  for (const [at, entry] of listed.entries()) {
    if (at % ANSWERS_AT_ONCE === 0) await setImmediate()
    const parsed = answerSchema().safeParse(entry)
    if (!parsed.success) throw invalid(directory, 'commands.json', parsed.error.issues, [at])
    const { argv, exit, stdout, stderr } = parsed.data
    const key = JSON.stringify(argv)
    const answer = {
      exit,
      stdout: (isBinary: boolean) => readOutput(directory, stdout, isBinary ? 'latin1' : 'utf8'),
      stderr: () => readOutput(directory, stderr, 'utf8'),
    }
    const known = commands.get(key)
    if (known === undefined) commands.set(key, [answer])
    else known.push(answer)
  }
  return commands
}

async function readOutput(
  directory: string,
  text: string | { file: string },
  encoding: 'utf8' | 'latin1',
): Promise<string> {
  if (typeof text === 'string') return text
  if (basename(text.file) !== text.file || text.file === '..' || text.file === '.') {
    throw makeFailure('machine-invalid', {
      directory,
      file: text.file,
      reason: 'the name leaves the directory',
    })
  }
  const bytes = await readBounded(join(directory, text.file))
  if (!bytes)
    throw makeFailure('machine-invalid', { directory, file: text.file, reason: 'it cannot be read' })
  return bytes.toString(encoding)
}

async function readJson(directory: string, name: string, fallback: unknown): Promise<unknown> {
  const bytes = await readBounded(join(directory, name))
  if (!bytes) {
    const isMissing = (await lstat(join(directory, name)).catch(() => null)) === null
    if (isMissing && fallback !== null) return fallback
    throw makeFailure('machine-invalid', { directory, file: name, reason: 'it is missing or cannot be read' })
  }
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw makeFailure('machine-invalid', { directory, file: name, reason: (error as Error).message })
  }
}

/** Null for what is missing, too large, or a link out of the directory's own files. */
async function readBounded(path: string): Promise<Buffer | null> {
  const own = await lstat(path).catch(() => null)
  if (!own?.isFile()) return null
  return own.size > MAX_JSON_BYTES ? null : readFile(path)
}

function invalid(
  directory: string,
  file: string,
  [issue]: readonly z.FormIssue[],
  place: readonly number[] = [],
) {
  const path = [...place, ...(issue?.path ?? [])].join('.')
  const reason = issue ? `${path || 'top level'}: ${issue.message}` : 'not of format 1'
  return makeFailure('machine-invalid', { directory, file, reason })
}
