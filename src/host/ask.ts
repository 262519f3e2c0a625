import { sanitizeLine } from '../ui/sanitize.ts'
import { type Choice, Interrupted, type Question } from '../ui/ui.ts'
import { password, select } from './prompts.ts'

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
    })
  } catch (error) {
    throw toInterrupted(error)
  }
}

/** Asks for a password; nothing of it appears on the terminal. @throws Interrupted as above */
export async function askSecret(message: string): Promise<Uint8Array> {
  try {
    return Buffer.from(await password({ message: sanitizeLine(message), mask: false }))
  } catch (error) {
    throw toInterrupted(error)
  }
}

function toInterrupted(error: unknown): unknown {
  const { name } = error as Error
  return name === 'ExitPromptError' || name === 'AbortPromptError' ? new Interrupted() : error
}
