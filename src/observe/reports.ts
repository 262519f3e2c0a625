import { type KeptReport, parseReport, reportIdOf } from '../core/report/kept-report.ts'
import type { Host } from '../host/host.ts'
import { readText } from './read-text.ts'

/** A file beside the reports that is none of them, or one that cannot be read; it is kept as it is. */
export type UnreadReport = { readonly file: string; readonly why: string }

export type ReportsLook = {
  /** The newest first; null: the directory cannot be read. */
  readonly reports: readonly { readonly id: string; readonly report: KeptReport }[] | null
  readonly unread: readonly UnreadReport[]
  /** Why there are none, where the directory cannot be read. */
  readonly why: string | null
}

/** The reports that lie in a directory. @param directory the reports' own, below the state directory */
export async function observeReports(host: Host, directory: string): Promise<ReportsLook> {
  const names = await host.listDirectory(directory)
  if (names.state === 'absent') return { reports: [], unread: [], why: null }
  if (names.state === 'unknown') return { reports: null, unread: [], why: names.why }
  const foreign = names.value.filter((name) => reportIdOf(name) === null)
  const ids = [...new Set(names.value.flatMap((name) => reportIdOf(name) ?? []))].sort().reverse()
  const reports: { id: string; report: KeptReport }[] = []
  const unread: UnreadReport[] = []
  for (const id of ids) {
    const file = `${id}.json`
    const text = await readText(host, `${directory}/${file}`)
    if (text.state !== 'seen') {
      unread.push({ file, why: text.state === 'absent' ? 'it is missing' : text.why })
      continue
    }
    const read = parseReport(text.value)
    if ('report' in read) reports.push({ id, report: read.report })
    else unread.push({ file, why: `${read.problem}: ${read.detail}` })
  }
  const strangers = foreign.sort().map((file) => ({ file, why: 'it is no report of this program' }))
  return { reports, unread: [...unread, ...strangers], why: null }
}
