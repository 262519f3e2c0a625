import { Failure } from '../core/failure.ts'
import type { Host, RunResult, Seen } from '../host/host.ts'
import { ABSENT, seen, unknown } from '../host/host.ts'

export async function readText(host: Host, path: string): Promise<Seen<string>> {
  const bytes = await host.readFile(path)
  return bytes.state === 'seen' ? seen(Buffer.from(bytes.value).toString('utf8')) : bytes
}

/** Text of a file, or null where it is absent or unknown. */
export async function readTextOrNull(host: Host, path: string): Promise<string | null> {
  const text = await readText(host, path)
  return text.state === 'seen' ? text.value : null
}

/** true, false, or null where it cannot be known. */
export async function exists(host: Host, path: string): Promise<boolean | null> {
  const stat = await host.statFile(path)
  return stat.state === 'seen' ? true : stat.state === 'absent' ? false : null
}

/** A parser's result over a command's output; output of another form is unknown, never a guess. */
export function parsed<T>(
  run: Seen<RunResult>,
  parse: (result: RunResult) => T | null,
  what: string,
): Seen<T> {
  if (run.state !== 'seen') return run.state === 'absent' ? ABSENT : run
  const value = parse(run.value)
  return value === null ? unknown(`${what} answered in a form that is not known`) : seen(value)
}

/** A reader's result, or its own refusal as a value. */
export function attempt<T>(read: () => T): T | Failure {
  try {
    return read()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
}
