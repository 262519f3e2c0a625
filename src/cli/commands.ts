import { listCommandRows } from '../tables/render-commands.ts'
import { line } from '../ui/ui.ts'
import { makeUi, printJson } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

/** `aem-reseal commands`: every program that may ever run. */
export function runCommands(io: Io, options: GlobalOptions): number {
  const rows = listCommandRows()
  if (options.json) printJson(io, 'commands', rows)
  else {
    makeUi(io, options).say(
      rows.flatMap((row) => [
        line(row.argv.join(' '), row.effect === 'write' ? 'warn' : 'bold'),
        line(
          `  ${row.effect}, ${row.asRoot ? 'as root' : 'as anybody'}, at most ${row.timeoutMs / 1000} s: ${row.why}`,
        ),
      ]),
    )
  }
  return 0
}
