import { wrap } from '../ui/render-message.ts'
import type { Argument, Option, Verb } from './verb.ts'
import { DEFAULT_VERB, GLOBAL_OPTIONS, VERBS } from './verbs.ts'

const WIDTH = 80

/** `[--bulletin ID|FILE] [--keys PATH...]`: what may stand behind the words of a verb. */
export function usageOf({ argument, options = [] }: Verb): readonly string[] {
  return [...(argument ? [placeOf(argument)] : []), ...options.map(optionUsage)]
}

function placeOf({ name, isRequired, isMany }: Argument): string {
  return `${isRequired ? name : `[${name}]`}${isMany ? '...' : ''}`
}

function optionUsage(option: Option): string {
  return option.isRequired ? wordsOf(option) : `[${wordsOf(option)}]`
}

/** An option with its value, as `--keys PATH...`. */
function wordsOf({ flag, value, isMany }: Option): string {
  return `${flag}${value === undefined ? '' : ` ${value}${isMany ? '...' : ''}`}`
}

/** An option stays in one line with its value. */
const unbroken = (text: string): string => text.replaceAll(' ', '\u00a0')
const broken = (text: string): string => text.replaceAll('\u00a0', ' ')

/** Rows of a name and a line of text, which is broken where the screen ends. */
function rows(list: readonly (readonly [name: string, text: string])[]): readonly string[] {
  const width = Math.max(...list.map(([name]) => name.length)) + 2
  return list.flatMap(([name, text]) =>
    wrap(text, WIDTH - width - 2).map((part, at) => `  ${(at === 0 ? name : '').padEnd(width)}${part}`),
  )
}

/** `--help` of the program: it fits a terminal of 24 lines, together with the prompt that follows. */
export function renderProgramHelp(): string {
  const outputs = GLOBAL_OPTIONS.filter(({ isAboutOutput }) => isAboutOutput)
  const words = VERBS.filter(({ name }) => !name.includes(' '))
  return lines([
    'Usage: aem-reseal [options] [command] [arguments]',
    ...rows(
      GLOBAL_OPTIONS.filter((option) => !outputs.includes(option)).map(
        (option) => [wordsOf(option), option.help] as const,
      ),
    ),
    `  ${[...outputs.map(({ flag }) => flag), '--version', '-h', '--help'].join(', ')}`,
    '',
    `Commands: (without one: ${DEFAULT_VERB})`,
    ...rows(words.map(({ name, help }) => [name, help] as const)),
  ])
}

/** `aem-reseal help`: what there is help on. */
export function renderHelpList(topics: readonly { readonly name: string; readonly help: string }[]): string {
  const words = VERBS.filter(({ name }) => !name.includes(' '))
  return lines([
    'Topics: (aem-reseal help TOPIC)',
    ...rows(topics.map(({ name, help }) => [name, help] as const)),
    'Commands: (aem-reseal help COMMAND)',
    ...rows(words.map(({ name, help }) => [name, help] as const)),
  ])
}

/** `--help` of one verb, with its acts where it has some, and the names of topics that say more. */
export function renderVerbHelp(verb: Verb, namesTopics = true): string {
  const { name, help, more, options = [], topics = [] } = verb
  const acts = VERBS.filter((other) => other.name.startsWith(`${name} `))
  const use = [...(acts.length > 0 ? [verb.run === null ? 'COMMAND' : '[COMMAND]'] : []), ...usageOf(verb)]
  return lines([
    ...wrap(`Usage: aem-reseal ${[name, ...use.map(unbroken)].join(' ')}`, WIDTH).map(broken),
    '',
    ...wrap(`${help.charAt(0).toUpperCase()}${help.slice(1)}${/[.?]$/.test(help) ? '' : '.'}`, WIDTH),
    ...(more === undefined ? [] : wrap(more.replaceAll('`', ''), WIDTH)),
    '',
    'Options:',
    ...rows([
      ...options.map((option) => [wordsOf(option), option.help] as const),
      ['-h, --help', 'print and end'],
    ]),
    '  and those of aem-reseal --help',
    ...(acts.length === 0
      ? []
      : ['', 'Commands:', ...rows(acts.map((act) => [act.name.slice(name.length + 1), act.help] as const))]),
    ...(namesTopics ? topics.map((topic) => `More: aem-reseal help ${topic}`) : []),
  ])
}

function lines(list: readonly string[]): string {
  return `${list.join('\n')}\n`
}
