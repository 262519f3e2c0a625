import { EXIT, type Failure } from '../core/failure.ts'
import { nearestWords } from '../core/nearest-words.ts'
import { topicLines } from '../messages/topics/forms.ts'
import { TOPICS } from '../messages/topics/topics.ts'
import { makeFailure } from '../tables/failures.ts'
import { type Line, line } from '../ui/ui.ts'
import { makeUi, printJson } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'
import type { HelpTexts } from './verb.ts'

/**
 * `aem-reseal help [TOPIC]`: a topic, or the help of a command, which ends with the topic of its name. Nothing of the
 * machine is looked at.
 * @param name words of a command, or a topic; empty: the list of both
 * @throws Failure unknown-topic
 */
export function runHelp(io: Io, options: GlobalOptions, texts: HelpTexts, name: string): number {
  const said = name === '' ? linesOf(texts.renderList(TOPICS)) : helpLines(texts, name)
  if (said.length === 0) throw unknownTopic(texts, name)
  if (options.json) printJson(io, 'help', { text: said.map(({ text }) => text).join('\n') })
  else makeUi(io, options).say(said)
  return EXIT.done
}

function helpLines({ verbs, renderVerb }: HelpTexts, name: string): readonly Line[] {
  const verb = verbs.find((one) => one.name === name)
  const topic = TOPICS.find((one) => one.name === name)
  return [
    ...(verb === undefined ? [] : linesOf(renderVerb(verb, topic === undefined))),
    ...(verb === undefined || topic === undefined ? [] : [line('')]),
    ...(topic === undefined ? [] : topicLines(topic)),
  ]
}

function linesOf(text: string): readonly Line[] {
  return text
    .trimEnd()
    .split('\n')
    .map((own) => line(own))
}

function unknownTopic({ verbs }: HelpTexts, name: string): Failure {
  const known = [...TOPICS, ...verbs].map((one) => one.name)
  const meant = nearestWords(name, [...new Set(known)]).map((one) => `\`aem-reseal help ${one}\``)
  return makeFailure('unknown-topic', { name, ...(meant.length > 0 ? { meant: meant.join(' or ') } : {}) })
}
