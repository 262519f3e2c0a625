import { sanitizeLine } from '../core/harmless-text.ts'
import { fold } from './fold.ts'
import { toAsciiLine } from './sanitize.ts'
import { clearing, layOutScreen, linesOfQuestion, type Size, screenLines } from './screen.ts'
import { AskedForMore, type Line, type Question, type Screen, type Ui } from './ui.ts'

export type TerminalOptions = {
  readonly write: (text: string) => void
  readonly color: boolean
  readonly ascii: boolean
  readonly isTerminal: boolean
  readonly columns: number
  /** --details: all is printed. */
  readonly isDetailed?: boolean
  /** The size of the terminal now, for screens. */
  readonly size?: () => Size
  /** The terminal knows how to clear itself. */
  readonly clears?: boolean
  /** Waits for Enter; missing: nobody sits there, and a screen is plain text. */
  readonly waitForEnter?: ((message: string) => Promise<void>) | undefined
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

/** Rows where a terminal does not tell: those of a VT100. */
const DEFAULT_ROWS = 24

/** After this time without an end, the progress line appears. */
const PROGRESS_AFTER_MS = 400

export function makeTerminalUi(options: TerminalOptions): Ui {
  const render = (line: Line): string => {
    const text = sanitizeLine(line.text)
    return options.color && line.style ? `\x1b[${SGR[line.style]}m${text}\x1b[0m` : text
  }
  const size = options.size ?? (() => ({ columns: options.columns, rows: DEFAULT_ROWS }))
  const asWritten = (line: Line): Line => (options.ascii ? toAsciiLine(line) : line)
  // The only place where a line is broken, for a file and a pipe too.
  const fit = (line: Line): readonly Line[] => fold(asWritten(line), size().columns)
  /** The progress line stands on the terminal, without an end; what is said takes its place. */
  let isProgressShown = false
  const clearProgress = (): void => {
    // Carriage return, then erase to the end of the line (ECMA-48 EL).
    if (isProgressShown) options.write('\r\x1b[K')
    isProgressShown = false
  }
  const say = (lines: readonly Line[]): void => {
    if (lines.length === 0) return
    clearProgress()
    options.write(`${lines.flatMap(fit).map(render).join('\n')}\n`)
  }
  const wait = options.yes ? undefined : options.waitForEnter
  /** @param below what stands below it: a question's lines, or the line that waits for Enter */
  const present = async (screen: Screen, below: number): Promise<void> => {
    const written = { ...screen, title: asWritten(screen.title), body: screen.body.map(asWritten) }
    const pages = layOutScreen(written, size(), below)
    if (wait === undefined) {
      const isFitting = options.isTerminal && pages.length === 1
      return say(isFitting ? [{ text: '' }, ...pages.flat()] : screenLines(screen))
    }
    for (const [at, page] of pages.entries()) {
      if (options.clears) options.write(clearing(size()))
      say(page)
      if (at < pages.length - 1) await wait('Enter for the rest')
    }
  }
  const show = async (screen: Screen): Promise<void> => {
    await present(screen, screen.below ?? 1)
    if (screen.enter !== null) await wait?.(screen.enter)
  }
  /** Puts the question below its screen; again after the rest was read. */
  const askBelow = async <V extends string>(question: Question<V>): Promise<V> => {
    for (;;) {
      if (question.screen) await present(question.screen, linesOfQuestion(question, size()))
      try {
        return await options.askTerminal(question)
      } catch (error) {
        if (!(error instanceof AskedForMore) || !question.more) throw error
        await show(question.more)
      }
    }
  }
  return {
    isDetailed: options.isDetailed === true,
    say,
    show,
    async progress(label, work) {
      if (!options.isTerminal || options.clears === false) return work()
      const timer = setTimeout(() => {
        isProgressShown = true
        options.write(render(asWritten({ text: `  … ${label}`, style: 'dim' })))
      }, PROGRESS_AFTER_MS)
      try {
        return await work()
      } finally {
        clearTimeout(timer)
        clearProgress()
      }
    },
    askSecret: async (message) => (options.yes || !options.askSecret ? null : options.askSecret(message)),
    async ask(question) {
      if (!options.yes) return askBelow(question)
      if (question.screen) say(screenLines(question.screen))
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
    isDetailed: false,
    say: () => undefined,
    show: async () => undefined,
    progress: (_label, work) => work(),
    ask: async (question) => (options.yes ? question.withYes : options.askTerminal(question)),
  }
}
