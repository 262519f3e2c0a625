import { sanitizeLine } from '../core/harmless-text.ts'
import { fold } from '../ui/fold.ts'
import { toAscii } from '../ui/sanitize.ts'
import { AskedForMore, type Choice, Interrupted, type Look, type Question } from '../ui/ui.ts'
import { askByNumber, readTypedLine, readUnseenLine } from './ask-plainly.ts'
import { input, password, select } from './prompts.ts'
import { askThroughStops } from './suspend.ts'

/** Puts a question to the person at the terminal. @throws Interrupted on Ctrl-C and at the end of input */
export async function askTerminal<V extends string>(question: Question<V>, look: Look): Promise<V> {
  const clean = cleanFor(look)
  if (look.isDumb) return askByNumber(question, (text) => void process.stdout.write(cleanLines(text, look)))
  const asking = (signal: AbortSignal): Promise<V> =>
    select<V>(
      {
        message: besideSign(clean(question.message)),
        choices: question.choices.map((choice: Choice<V>) => ({
          value: choice.value,
          name: besideSign(clean(choice.hint ? `${choice.label} (${choice.hint})` : choice.label)),
          // The line that stays behind: with the hint it would be longer than a terminal is wide.
          short: clean(choice.short ?? choice.label),
        })),
        default: question.default,
        loop: false,
        theme: themeOf(look, question.more !== undefined),
        pageSize: 12,
      },
      { signal },
    )
  return question.more === undefined ? untilEndOfInput(asking) : untilMore(asking)
}

/** Waits for Enter; what else is typed goes nowhere. @throws Interrupted as above */
export async function waitForEnter(message: string, look: Look): Promise<void> {
  if (look.isDumb) {
    process.stdout.write(cleanLines(`${message}: `, look))
    await readTypedLine()
    return
  }
  const plain = (text: string): string => text
  const theme = {
    prefix: '',
    ...(look.color ? {} : { style: { answer: plain, message: plain, error: plain } }),
  }
  await untilEndOfInput((signal) => input({ message: cleanFor(look)(message), theme }, { signal }))
}

/** The same until `?` is pressed. @throws AskedForMore then */
async function untilMore<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const more = new AbortController()
  const onKey = (text: unknown): void => {
    if (text === '?') more.abort()
  }
  process.stdin.on('keypress', onKey)
  try {
    return await untilEndOfInput((signal) => ask(AbortSignal.any([signal, more.signal])))
  } catch (error) {
    throw more.signal.aborted ? new AskedForMore() : error
  } finally {
    process.stdin.off('keypress', onKey)
  }
}

/** Asks for a password; nothing of it appears on the terminal. @throws Interrupted as above */
export async function askSecret(message: string, look: Look): Promise<Uint8Array> {
  if (look.isDumb) {
    process.stdout.write(cleanLines(`${message} `, look))
    const unseen = await readUnseenLine()
    process.stdout.write('\n')
    return Buffer.from(unseen)
  }
  const typed = await untilEndOfInput((signal) =>
    password({ message: cleanFor(look)(message), mask: false, theme: themeOf(look) }, { signal }),
  )
  return Buffer.from(typed)
}

/**
 * The prompts do not see the end of input (@inquirer/core 11.1): readline closes at Ctrl-D, nothing is left to wait for, and
 * Node.js ends with 0 in the middle of a question.
 * @throws Interrupted at the end of input and at Ctrl-C
 */
async function untilEndOfInput<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ended = new AbortController()
  const end = (): void => ended.abort()
  const onKey = (_text: unknown, key: { ctrl?: boolean; name?: string } | undefined): void => {
    if (key?.ctrl === true && key.name === 'd') end()
  }
  process.stdin.on('keypress', onKey).on('end', end)
  try {
    return await askThroughStops((signal) => ask(AbortSignal.any([ended.signal, signal])))
  } catch (error) {
    throw toInterrupted(error)
  } finally {
    process.stdin.off('keypress', onKey).off('end', end)
  }
}

/** In as many lines as it needs beside a sign and a blank: the prompts would break it in the middle of a word. */
function besideSign(text: string): string {
  const sign = '  '
  const lines = fold({ text: `${sign}${text}` }, process.stdout.columns ?? Number.POSITIVE_INFINITY)
  return lines
    .map((own) => own.text)
    .join('\n')
    .slice(sign.length)
}

/** The same for a text of several lines. */
function cleanLines(text: string, look: Look): string {
  return text.split('\n').map(cleanFor(look)).join('\n')
}

function cleanFor(look: Look): (text: string) => string {
  return (text) => (look.ascii ? toAscii(sanitizeLine(text)) : sanitizeLine(text))
}

function toInterrupted(error: unknown): unknown {
  const { name } = error as Error
  return name === 'ExitPromptError' || name === 'AbortPromptError' ? new Interrupted() : error
}

type Theme = NonNullable<Parameters<typeof select>[0]['theme']>

/** The prompts' own signs and colours, as far as the terminal may have them (@inquirer/prompts 8.7, theme). */
function themeOf({ color, ascii }: Look, hasMore = false): Theme {
  const plain = (text: string): string => text
  const keys = `${ascii ? 'arrow keys to move, Enter to take' : '↑↓ to move, ⏎ to take'}${hasMore ? ', ? for more' : ''}`
  return {
    ...(ascii ? { icon: { cursor: '>' } } : {}),
    ...(ascii || !color ? { prefix: { idle: '?', done: ascii ? '*' : '✔' } } : {}),
    style: {
      keysHelpTip: () => keys,
      ...(color
        ? {}
        : { answer: plain, message: plain, error: plain, help: plain, highlight: plain, key: plain }),
    },
  }
}
