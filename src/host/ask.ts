import { sanitizeLine } from '../core/harmless-text.ts'
import { toAscii } from '../ui/sanitize.ts'
import { type Choice, Interrupted, type Look, type Question } from '../ui/ui.ts'
import { password, select } from './prompts.ts'

/** Puts a question to the person at the terminal. @throws Interrupted on Ctrl-C and at the end of input */
export async function askTerminal<V extends string>(question: Question<V>, look: Look): Promise<V> {
  const clean = cleanFor(look)
  try {
    return await select<V>({
      message: clean(question.message),
      choices: question.choices.map((choice: Choice<V>) => ({
        value: choice.value,
        name: clean(choice.hint ? `${choice.label} (${choice.hint})` : choice.label),
      })),
      default: question.default,
      loop: false,
      theme: themeOf(look),
      pageSize: 12,
    })
  } catch (error) {
    throw toInterrupted(error)
  }
}

/** Asks for a password; nothing of it appears on the terminal. @throws Interrupted as above */
export async function askSecret(message: string, look: Look): Promise<Uint8Array> {
  try {
    return Buffer.from(
      await password({ message: cleanFor(look)(message), mask: false, theme: themeOf(look) }),
    )
  } catch (error) {
    throw toInterrupted(error)
  }
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
function themeOf({ color, ascii }: Look): Theme {
  const plain = (text: string): string => text
  const keys = ascii ? 'arrow keys to move, Enter to take' : '↑↓ to move, ⏎ to take'
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
