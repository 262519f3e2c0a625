import { EXIT } from '../core/failure.ts'
import type { KeptReport } from '../core/report/kept-report.ts'
import type { Host } from '../host/host.ts'
import { placeLines, reportListLines, unreadWords } from '../messages/reports.ts'
import { readText } from '../observe/read-text.ts'
import { observeReports, type ReportsLook } from '../observe/reports.ts'
import { makeFailure } from '../tables/failures.ts'
import { line } from '../ui/ui.ts'
import { makeUi, printJson, stateDirOf } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

/**
 * `aem-reseal report [ID]`: the reports that are kept, or one of them.
 * @param wanted the name of its files without their ending, or a beginning that no other one has; null: the list
 * @throws Failure unknown-report
 */
export async function runReport(
  io: Io,
  options: GlobalOptions,
  host: Host,
  wanted: string | null,
): Promise<number> {
  const directory = `${stateDirOf(options)}/reports`
  const look = await observeReports(host, directory)
  if (wanted !== null)
    return showReport(io, options, host, directory, findReport(host, look, directory, wanted))
  const { reports, unread } = look
  if (reports === null || reports.length === 0) throw noReport(host, look, directory)
  if (options.json)
    printJson(io, 'report', {
      reports: reports.map(({ id, report }) => ({
        id,
        at: report.closedAt,
        verdict: report.verdict?.headline ?? null,
      })),
      unread,
    })
  else makeUi(io, options).say(reportListLines(reports, unread))
  return EXIT.done
}

type Found = { readonly id: string; readonly report: KeptReport }

function findReport(host: Host, look: ReportsLook, directory: string, wanted: string): Found {
  const { reports, unread } = look
  if (reports === null) throw noReport(host, look, directory)
  const fitting = reports.filter(({ id }) => id.startsWith(wanted))
  const damaged = unread.filter(({ file }) => file.startsWith(wanted))
  const [only] = fitting
  if (only !== undefined && fitting.length + damaged.length === 1) return only
  const names = [...fitting.map(({ id }) => id), ...damaged.map(({ file }) => file)]
  if (names.length > 1)
    throw makeFailure('unknown-report', { what: `${wanted} begins several: ${names.join(', ')}` })
  const [unreadable] = damaged
  if (unreadable !== undefined)
    throw makeFailure('unknown-report', { what: `${unreadWords(unreadable)}; it is kept as it is` })
  throw reports.length === 0
    ? noReport(host, look, directory)
    : makeFailure('unknown-report', { what: `no report begins with ${wanted}` })
}

function noReport(host: Host, { reports, unread, why }: ReportsLook, directory: string) {
  if (reports === null)
    return makeFailure('reports-unreadable', {
      directory,
      ...(why === null ? {} : { reason: why }),
      ...(host.kind === 'recorded' ? { isRecorded: 'yes' } : {}),
    })
  const strangers = unread.map(unreadWords).join('; ')
  return makeFailure('unknown-report', {
    what: strangers === '' ? `no report is kept in ${directory}` : `no report in ${directory}: ${strangers}`,
    isEmpty: 'yes',
  })
}

async function showReport(
  io: Io,
  options: GlobalOptions,
  host: Host,
  directory: string,
  { id, report }: Found,
): Promise<number> {
  if (options.json) {
    printJson(io, 'report', report)
    return EXIT.done
  }
  const page = await readText(host, `${directory}/${id}.md`)
  if (page.state !== 'seen') {
    const why = page.state === 'absent' ? 'it is missing' : page.why
    throw makeFailure('unknown-report', {
      what: `${unreadWords({ file: `${id}.md`, why })}; ${id}.json is there`,
    })
  }
  const text = page.value.trimEnd().split('\n')
  makeUi(io, options).say([...text.map((own) => line(own)), ...placeLines(directory, id)])
  return EXIT.done
}
