import { sanitizeLine } from '../ui/sanitize.ts'
import { type Choice, Interrupted, type Question } from '../ui/ui.ts'
import { select } from './prompts.ts'

/** Puts a question to the person at the terminal. @throws Interrupted on Ctrl-C and at the end of input */
export async function askTerminal<V extends string>(question: Question<V>): Promise<V> {
  try {
    return await select<V>({
      message: sanitizeLine(question.message),
      choices: question.choices.map((choice: Choice<V>) => ({
        value: choice.value,
        name: sanitizeLine(choice.hint ? `${choice.label} (${choice.hint})` : choice.label),
      })),
      default: question.default,
      loop: false,
      pageSize: 12,
    })
  } catch (error) {
    if ((error as Error).name === 'ExitPromptError' || (error as Error).name === 'AbortPromptError')
      throw new Interrupted()
    throw error
  }
}
