import { AskedForMore, Interrupted, type Question } from '../ui/ui.ts'

/*
 * Questions on a terminal that cannot move its cursor (TERM=dumb): the choices with their numbers, and a line that is typed. The
 * terminal itself edits the line, and Ctrl-C and Ctrl-Z are its signals.
 */

/** Puts a question by numbers; an empty line takes the default, other words ask again. @throws Interrupted, AskedForMore */
export async function askByNumber<V extends string>(
  question: Question<V>,
  write: (text: string) => void,
): Promise<V> {
  const { choices, message, more } = question
  const safe = choices.findIndex(({ value }) => value === question.default) + 1
  const rows = choices.map(({ label, hint }, at) => `  ${at + 1}. ${hint ? `${label} (${hint})` : label}\n`)
  write(`? ${message}\n${rows.join('')}`)
  for (;;) {
    write(`  a number, Enter for ${safe}${more ? ', ? for more' : ''}: `)
    const typed = (await readTypedLine()).trim()
    if (typed === '?' && more) throw new AskedForMore()
    const chosen = choices[(typed === '' ? safe : Number(typed)) - 1]
    if (chosen !== undefined) return chosen.value
  }
}

/** One line from the terminal. @throws Interrupted at the end of input */
export async function readTypedLine(): Promise<string> {
  const { createInterface } = await import('node:readline')
  const lines = createInterface({ input: process.stdin, terminal: false })
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve).once('close', () => reject(new Interrupted()))
    })
  } finally {
    lines.close()
  }
}

/** One line that the terminal does not show. @throws Interrupted at the end of input and at Ctrl-C */
export async function readUnseenLine(): Promise<string> {
  const { stdin } = process
  stdin.setRawMode(true)
  try {
    return await new Promise<string>((resolve, reject) => {
      let typed = ''
      const onData = (bytes: Buffer): void => {
        for (const character of bytes.toString('utf8')) {
          if (character === '\u0003' || character === '\u0004') {
            end(() => reject(new Interrupted()))
            return
          }
          if (character === '\r' || character === '\n') {
            end(() => resolve(typed))
            return
          }
          const isErasing = character === '\u007f' || character === '\b'
          typed = isErasing ? [...typed].slice(0, -1).join('') : `${typed}${character}`
        }
      }
      const end = (settle: () => void): void => {
        stdin.off('data', onData)
        stdin.pause()
        settle()
      }
      stdin.on('data', onData)
      stdin.resume()
    })
  } finally {
    stdin.setRawMode(false)
  }
}
