import { Command, type CommanderError } from 'commander'
import type { Failure } from '../core/failure.ts'
import { nearestWords } from '../core/nearest-words.ts'
import { makeFailure } from '../tables/failures.ts'
import { renderProgramHelp, renderVerbHelp } from './help.ts'
import type { GlobalOptions } from './io.ts'
import type { Option, Verb } from './verb.ts'
import { DEFAULT_VERB, GLOBAL_OPTIONS, VERBS } from './verbs.ts'

declare const AEM_RESEAL_VERSION: string

/** One command line, taken apart. */
export type Given = {
  readonly verb: Verb
  readonly options: GlobalOptions
  /** Own options of the verb, by name without dashes. */
  readonly own: Readonly<Record<string, unknown>>
  readonly args: readonly string[]
}

/**
 * The command line as commander knows it, made from the table of verbs.
 * @param run gets the command line, once it is known to be a right one
 * @param writeOut gets the text of `--help` and `--version`
 * @param verbs those of the table that the words can name; all, where the words are not known yet
 */
export function makeProgram(
  run: (given: Given) => Promise<void>,
  writeOut: (text: string) => void,
  verbs: readonly Verb[] = VERBS,
): Command {
  const quiet = (command: Command): Command =>
    command.exitOverride().configureOutput({ writeOut, writeErr: () => undefined })
  const program = quiet(new Command('aem-reseal'))
    .configureHelp({ formatHelp: renderProgramHelp })
    .version(AEM_RESEAL_VERSION, '--version')
  for (const option of GLOBAL_OPTIONS) program.option(flagsOf(option))
  const start = (verb: Verb, own: Record<string, unknown>, args: readonly string[]): Promise<void> =>
    run({ verb, options: toGlobalOptions(program.opts()), own, args })

  const made = new Map<string, Command>()
  for (const verb of verbs) {
    const words = verb.name.split(' ')
    const parent = words.length === 1 ? program : made.get(words[0] ?? '')
    if (parent === undefined) throw new Error(`${verb.name} stands before its first word`)
    const command = addVerb(parent, verb, start)
    made.set(verb.name, quiet(command).exitOverride(retell(verb)))
  }
  program.exitOverride(retell(null)).helpCommand(false)
  program.allowExcessArguments(true).action(async () => {
    const [word] = program.args
    if (word !== undefined) throw unknownWord(`there is no command ${word}`, word, null)
    await start(verbOf(DEFAULT_VERB), {}, [])
  })
  return program
}

/** The verbs whose first word stands among these: the parser of all of them takes longer to make than a command line to read. */
export function listNamed(words: readonly string[]): readonly Verb[] {
  return VERBS.filter(({ name }) => words.includes(name.split(' ')[0] ?? ''))
}

function addVerb(
  parent: Command,
  verb: Verb,
  start: (verb: Verb, own: Record<string, unknown>, args: readonly string[]) => Promise<void>,
): Command {
  const acts = listActs(verb)
  const word = verb.name.split(' ').at(-1) ?? ''
  const command = parent.command(verb.argument ? `${word} ${placeOf(verb.argument)}` : word)
  command.configureHelp({ formatHelp: () => renderVerbHelp(verb) })
  for (const option of verb.options ?? []) {
    if (option.isRequired) command.requiredOption(flagsOf(option))
    else command.option(flagsOf(option))
  }
  // A word that is none of its acts comes to the verb itself; an act has this setting from its verb otherwise.
  command.helpCommand(false).allowExcessArguments(acts.length > 0)
  return command.action(async () => {
    const args = command.args
    if (acts.length > 0 && (args.length > 0 || verb.run === null)) {
      const [word] = args
      const takes = `${verb.name} takes ${inWords(acts)}`
      throw word === undefined
        ? makeFailure('usage', { reason: takes, help: helpOf(verb) })
        : unknownWord(`${takes}, not ${word}`, word, verb)
    }
    await start(verb, command.opts(), args)
  })
}

/** Second words of a verb that has acts. */
export function listActs({ name }: Verb): readonly string[] {
  return VERBS.filter((other) => other.name.startsWith(`${name} `)).map((other) =>
    other.name.slice(name.length + 1),
  )
}

function verbOf(name: string): Verb {
  const found = VERBS.find((verb) => verb.name === name)
  if (found === undefined) throw new Error(`the table has no verb ${name}`)
  return found
}

/** How the help of a verb is asked for; null: the program's. */
export function helpOf(verb: Verb | null): string {
  return ['aem-reseal', ...(verb === null ? [] : [verb.name]), '--help'].join(' ')
}

/** @param verb what the word stands behind; null: the program itself */
function unknownWord(reason: string, word: string, verb: Verb | null): Failure {
  const known =
    verb === null ? VERBS.flatMap(({ name }) => (name.includes(' ') ? [] : [name])) : listActs(verb)
  const start = ['aem-reseal', ...(verb === null ? [] : [verb.name])].join(' ')
  const meant = nearestWords(word, known).map((one) => `\`${start} ${one}\``)
  return makeFailure('usage', {
    reason,
    help: helpOf(verb),
    ...(meant.length > 0 ? { meant: meant.join(' or ') } : {}),
  })
}

/** The parser's errors as failures that point to the help of their own verb, which may have its own words for arguments. */
function retell(verb: Verb | null): (error: CommanderError) => never {
  return (error) => {
    if (error.exitCode === 0) throw error
    const isAboutArguments = ['commander.missingArgument', 'commander.excessArguments'].includes(error.code)
    // The last line is commander's own suggestion (14.0, suggestSimilar): `(Did you mean --protect?)`.
    const [said = '', suggestion = ''] = error.message.replace(/^error: /, '').split('\n')
    const meant = /^\(Did you mean (?:one of )?(.+)\?\)$/.exec(suggestion)?.[1]
    const isMissing = error.code === 'commander.missingArgument' && verb?.argument !== undefined
    const own = isMissing ? `${verb.name} needs ${verb.argument.name}` : said
    throw makeFailure('usage', {
      reason: (isAboutArguments ? verb?.wrongArguments : undefined) ?? own,
      help: helpOf(verb),
      ...(meant === undefined ? {} : { meant }),
    })
  }
}

function inWords(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

/** `ID|FILE` as commander writes it: `<id-or-file>`. */
function placeOf({
  name,
  isRequired,
  isMany,
}: {
  readonly name: string
  readonly isRequired: boolean
  readonly isMany?: true
}): string {
  const text = `${name.toLowerCase().replace('|', '-or-')}${isMany ? '...' : ''}`
  return isRequired ? `<${text}>` : `[${text}]`
}

function flagsOf({ flag, value, isMany }: Option): string {
  return value === undefined
    ? flag
    : `${flag} ${placeOf({ name: value, isRequired: true, ...(isMany ? { isMany } : {}) })}`
}

function toGlobalOptions(raw: Readonly<Record<string, unknown>>): GlobalOptions {
  return {
    json: raw.json === true,
    machine: textOf(raw.machine),
    stateDir: toAbsolute(textOf(raw.stateDir)),
    yes: raw.yes === true,
    color: raw.color !== false,
    ascii: raw.ascii === true,
    verbose: raw.verbose === true,
    details: raw.details === true,
  }
}

/** @returns null where an option was not given, or is a switch */
export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function toAbsolute(path: string | null): string | null {
  return path === null || path.startsWith('/') ? path : `${process.cwd()}/${path}`
}
