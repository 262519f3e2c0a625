import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'
import { SESSION_FORMAT, SESSION_VERSION } from '../session/checkpoint.ts'
import { type FileProblem, parseVersionedFile } from '../session/versioned-file.ts'

/** What of a report's JSON is read again; the rest is handed out as it is. Older ones have no verdict in it. */
const schema = onFirstUse(() =>
  z.looseObject({
    closedAt: z.iso.datetime(),
    id: z.uuid(),
    verdict: z.optional(z.looseObject({ mark: z.enum(['good', 'attention']), headline: z.string() })),
  }),
)

export type KeptReport = z.infer<ReturnType<typeof schema>>

/** `2024-07-17T08-00-00-3f0d4a52`: the time in UTC at which a session was closed, and its beginning of an id. */
const REPORT_ID = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-[0-9a-f]{8}$/
const REPORT_FILE = /^(.+)\.(?:json|md|html|svg)$/

/** The report that a file of the reports' directory belongs to; null: none, it is foreign. */
export function reportIdOf(fileName: string): string | null {
  const id = REPORT_FILE.exec(fileName)?.[1] ?? ''
  return REPORT_ID.test(id) ? id : null
}

/** Reads a report's JSON. @returns the report, or why it is none */
export function parseReport(
  text: string,
): { readonly report: KeptReport } | { readonly problem: FileProblem; readonly detail: string } {
  const own = { format: SESSION_FORMAT, version: SESSION_VERSION, schema: schema() }
  const parsed = parseVersionedFile(text, own)
  return 'value' in parsed ? { report: parsed.value } : parsed
}
