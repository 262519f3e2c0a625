import type { KeptReport } from '../core/report/kept-report.ts'
import type { UnreadReport } from '../observe/reports.ts'
import { type Line, line } from '../ui/ui.ts'

/** What `aem-reseal report` says. */

/** The reports that are kept, the newest first, and what lies beside them. */
export function reportListLines(
  reports: readonly { readonly id: string; readonly report: KeptReport }[],
  unread: readonly UnreadReport[],
): readonly Line[] {
  const [newest] = reports
  return [
    ...reports.map(({ id, report }) => {
      const { verdict } = report
      const said = verdict?.headline ?? 'its verdict stands on its page'
      const style = verdict === undefined ? undefined : verdict.mark === 'good' ? 'good' : 'warn'
      return { text: `${id}  ${said}`, style, hang: id.length + 2 } as const
    }),
    ...unread.map((one) => line(`▲ ${unreadWords(one)}; it is kept as it is`, 'warn')),
    ...(newest === undefined ? [] : [line(`next: \`aem-reseal report ${newest.id}\` shows the newest`)]),
  ]
}

export function unreadWords({ file, why }: UnreadReport): string {
  return `${file} cannot be read as a report: ${why}`
}

/** Where the other forms of a report lie. */
export function placeLines(directory: string, id: string): readonly Line[] {
  return [line(''), line(`to print: ${directory}/${id}.html; all facts: ${directory}/${id}.json`, 'dim')]
}
