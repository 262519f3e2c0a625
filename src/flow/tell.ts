import type { Message } from '../ui/message.ts'
import { renderMessage } from '../ui/render-message.ts'
import { line, type Ui } from '../ui/ui.ts'

/*
 * What the runner prints of a step: one line where it is good. Its title stands above where it asks or says something itself, or
 * where something is not good. With --details title and message are printed of each.
 */

export type Teller = {
  /** The user interface of the step. */
  readonly ui: Ui
  /** @param goesOn another step follows: a screen waits to be read */
  tell(message: Message, goesOn: boolean): Promise<void>
}

/**
 * @param title of the step that begins
 * @param below lines that follow where the run ends with it
 */
export function tellStep(ui: Ui, title: string, below = 1): Teller {
  let isTitled = false
  const sayTitle = (): void => {
    if (isTitled) return
    isTitled = true
    ui.say([line(''), line(title, 'bold')])
  }
  if (ui.isDetailed) sayTitle()
  const own: Ui = {
    ...ui,
    say(lines) {
      sayTitle()
      ui.say(lines)
    },
    show(screen) {
      // A screen has a title of its own.
      isTitled = true
      return ui.show(screen)
    },
    ask(question) {
      if (question.screen) isTitled = true
      else sayTitle()
      return ui.ask(question)
    },
  }
  return {
    ui: own,
    async tell(message, goesOn) {
      const isGood = message.tone === 'good' || message.tone === 'info'
      const { screen } = message
      if (screen && !ui.isDetailed)
        return ui.show({
          ...screen,
          enter: screen.enter ?? (goesOn ? 'Enter to go on' : null),
          ...(goesOn ? {} : { below }),
        })
      if (!isGood) sayTitle()
      const lines = renderMessage(message, ui.isDetailed ? 'detailed' : 'step')
      if (lines.length > 0) ui.say(lines)
    },
  }
}
