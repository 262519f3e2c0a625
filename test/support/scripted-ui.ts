import type { Line, Question, Ui } from '../../src/ui/ui.ts'

export type ScriptedUi = Ui & {
  readonly said: string[]
  readonly asked: string[]
  readonly questions: string[]
}

/**
 * A user who answers what the story says, by question id; `*` answers the rest the way --yes would. A question that
 * the story does not know is an error.
 */
export function makeScriptedUi(answers: Readonly<Record<string, string>>): ScriptedUi {
  const said: string[] = []
  const asked: string[] = []
  const questions: string[] = []
  return {
    said,
    asked,
    questions,
    isDetailed: true,
    say: (lines: readonly Line[]) => void said.push(...lines.map((line) => line.text)),
    show: async ({ title, body }) => void said.push(...[title, ...body].map((line) => line.text)),
    progress: (_label, work) => work(),
    async ask<V extends string>(question: Question<V>): Promise<V> {
      asked.push(question.id)
      if (question.screen)
        said.push(...[question.screen.title, ...question.screen.body].map((line) => line.text))
      questions.push(question.message)
      const answer = answers[question.id] ?? (answers['*'] === 'yes' ? question.withYes : undefined)
      const choice = question.choices.find(({ value }) => value === answer)
      if (!choice) throw new Error(`the story has no answer to ${question.id}: ${question.message}`)
      return choice.value
    },
  }
}
