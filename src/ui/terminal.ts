import { sanitizeLine } from '../core/harmless-text.ts'
import { wrap } from './render-message.ts'
import { toAscii } from './sanitize.ts'
import type { Line, Question, Ui } from './ui.ts'

export type TerminalOptions = {
  readonly write: (text: string) => void
  readonly color: boolean
  readonly ascii: boolean
  readonly isTerminal: boolean
  readonly columns: number
  readonly askTerminal: <V extends string>(question: Question<V>) => Promise<V>
  readonly askSecret?: ((message: string) => Promise<Uint8Array>) | undefined
  /** Takes the answers of --yes instead of asking. */
  readonly yes: boolean
}

const SGR: Readonly<Record<NonNullable<Line['style']>, string>> = {
  bold: '1',
  dim: '2',
  good: '32',
  warn: '33',
  bad: '1;31',
}

/** After this time without an end, the progress line appears. */
const PROGRESS_AFTER_MS = 400

/** Narrower than this, lines are left to the terminal to break. */
const MIN_COLUMNS = 20

export function makeTerminalUi(options: TerminalOptions): Ui {
  const render = (line: Line): string => {
    const clean = sanitizeLine(line.text)
    const text = options.ascii ? toAscii(clean) : clean
    return options.color && line.style ? `\x1b[${SGR[line.style]}m${text}\x1b[0m` : text
  }
  // Into a file or a pipe a line stays whole: who reads it there looks for words in it.
  const fit = (line: Line): readonly Line[] => (options.isTerminal ? fold(line, options.columns) : [line])
  const say = (lines: readonly Line[]): void => {
    if (lines.length > 0) options.write(`${lines.flatMap(fit).map(render).join('\n')}\n`)
  }
  return {
    say,
    async progress(label, work) {
      if (!options.isTerminal) return work()
      let isShown = false
      const timer = setTimeout(() => {
        isShown = true
        options.write(render({ text: `  … ${label}`, style: 'dim' }))
      }, PROGRESS_AFTER_MS)
      try {
        return await work()
      } finally {
        clearTimeout(timer)
        // Carriage return, then erase to the end of the line (ECMA-48 EL).
        if (isShown) options.write('\r\x1b[K')
      }
    },
    askSecret: async (message) => (options.yes || !options.askSecret ? null : options.askSecret(message)),
    async ask(question) {
      if (!options.yes) return options.askTerminal(question)
      const taken = question.choices.find((choice) => choice.value === question.withYes)
      say([
        { text: `? ${question.message}` },
        { text: `  --yes: ${taken?.label ?? question.withYes}`, style: 'dim' },
      ])
      return question.withYes
    },
  }
}

/** For --json: says nothing; answers only what --yes answers. */
export function makeQuietUi(options: Pick<TerminalOptions, 'yes' | 'askTerminal'>): Ui {
  return {
    say: () => undefined,
    progress: (_label, work) => work(),
    ask: async (question) => (options.yes ? question.withYes : options.askTerminal(question)),
  }
}

/** A line in as many as it needs, the later ones indented like its first word after marks such as `✖`. */
export function fold(line: Line, columns: number): readonly Line[] {
  const text = sanitizeLine(line.text)
  if (text.length <= columns || columns < MIN_COLUMNS) return [line]
  const indent = line.hang ?? /^ *(?:[^\p{L}\p{N}\s/"'`(-]+ )?/u.exec(text)?.[0].length ?? 0
  const head = text.slice(0, indent)
  return wrap(text.slice(indent), columns - indent)
    .flatMap((part) => cutAtSlashes(part, columns - indent))
    .map((part, index) => ({ ...line, text: `${index === 0 ? head : ' '.repeat(indent)}${part}` }))
}

/** A path that is longer than the terminal is wide goes on in the next line, after a slash where there is one. */
function cutAtSlashes(word: string, width: number): readonly string[] {
  const parts: string[] = []
  let rest = word
  while (rest.length > width) {
    const slash = rest.lastIndexOf('/', width - 1)
    const end = slash > 0 ? slash + 1 : width
    parts.push(rest.slice(0, end))
    rest = rest.slice(end)
  }
  return [...parts, rest]
}
