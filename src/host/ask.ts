import { sanitizeLine, toAscii } from '../ui/sanitize.ts'
import { type Choice, Interrupted, type Look, type Question } from '../ui/ui.ts'
import { select } from './prompts.ts'

/** Puts a question to the person at the terminal. @throws Interrupted on Ctrl-C and at the end of input */
export async function askTerminal<V extends string>(question: Question<V>, look: Look): Promise<V> {
  const clean = (text: string): string => (look.ascii ? toAscii(sanitizeLine(text)) : sanitizeLine(text))
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
    if ((error as Error).name === 'ExitPromptError' || (error as Error).name === 'AbortPromptError')
      throw new Interrupted()
    throw error
  }
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
