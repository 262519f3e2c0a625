import { z } from 'zod'
import { DEFAULT_VERB, GLOBAL_OPTIONS, VERBS } from '../../src/cli/verbs.ts'
import { makeOutputSchemas, type OutputName } from '../../src/contract/schemas.ts'

/** The contract's answers, closed: a field that no schema has fails. */
export const ANSWERS = makeOutputSchemas(z.strictObject)

/** Which answer each verb gives. */
const ANSWER_OF: Readonly<Record<string, OutputName>> = {
  start: 'run',
  resume: 'run',
  rehearse: 'run',
  status: 'status',
  predict: 'predict',
  explain: 'explain',
  verify: 'verify',
  'bulletin list': 'bulletin-list',
  'bulletin show': 'bulletin-show',
  'bulletin check': 'bulletin-list',
  devices: 'devices',
  'devices refresh': 'run',
  'devices forward-seal': 'run',
  'devices repair-slots': 'run',
  gate: 'gate',
  'gate install': 'gate-drop-in',
  'gate show': 'gate-drop-in',
  'gate remove': 'gate-drop-in',
  cancel: 'cancel',
  record: 'record',
  commands: 'commands',
  plan: 'plan',
  help: 'help',
  report: 'report',
}

const WITH_VALUE = GLOBAL_OPTIONS.flatMap(({ flag, value }) => (value === undefined ? [] : [flag]))

function nameAnswer(argv: readonly string[]): OutputName {
  if (argv.includes('--list')) return 'scenarios'
  const words = argv.filter((word, at) => !word.startsWith('-') && !WITH_VALUE.includes(argv[at - 1] ?? ''))
  const verb = [words.slice(0, 2).join(' '), words[0] ?? DEFAULT_VERB].find((name) =>
    VERBS.some((one) => one.name === name),
  )
  const name = ANSWER_OF[verb ?? '']
  if (name === undefined)
    throw new Error(`no schema for ${argv.join(' ')}: add one to src/contract/schemas.ts, and name it here`)
  return name
}

/**
 * What the program printed, as JSON, after it was compared with the strict schema of its command; null where it is none.
 * @throws where the answer has another form than the contract's
 */
export function parseAnswer(argv: readonly string[], printed: string): unknown {
  const json = parseOrNull(printed)
  if (json === null || !argv.includes('--json')) return json
  const isError = typeof json === 'object' && 'error' in json
  const name = isError ? 'error' : nameAnswer(argv)
  const parsed = ANSWERS[name].safeParse(json)
  if (parsed.success) return json
  const reason = z.prettifyError(parsed.error)
  throw new Error(
    `${argv.join(' ')} does not answer as the schema ${name} says (src/contract/schemas.ts; then \`npm run docs\`):\n${reason}`,
  )
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
