import { type Line, line } from '../ui/ui.ts'

type Checked = { readonly id: string; readonly ok: boolean | null; readonly detail: string }

/** One check in a row: passed, failed, or (`?`) not determined. */
export function checkWords({ id, ok, detail }: Checked): string {
  return `${ok === true ? '✔' : ok === false ? '✖' : '?'} ${id}: ${detail}`
}

/** A condition of what comes next: what is not known stands in its way as what is not met does. */
export function checkLine(check: Checked): Line {
  return line(checkWords(check), check.ok === true ? 'dim' : 'bad')
}
