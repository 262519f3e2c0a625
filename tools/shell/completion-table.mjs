// What the three shells complete, made of the table of verbs (src/cli/verbs.ts).

/**
 * @typedef {{ flag: string, kind: string | null, isMany: boolean, help: string }} CompletedOption
 * kind: which values it takes, by a name in `lists`, or `files`, `directories`, `devices`, `reports`; null: a switch
 * @typedef {{ name: string, help: string, acts: { word: string, name: string, help: string }[], options: CompletedOption[],
 *   argument: { kind: string, isMany: boolean } | null }} CompletedVerb
 */

/** Labels of AEM devices, as a regular expression of all three shells: LABEL_SUFFIX_CHARS of anti-evil-maid-install. */
export const DEVICE_NAME = '^aem[0-9a-zA-Z=.-]*$'

/**
 * @param {object} program what the bundled program exports, see ENTRY in generate-shell-files.mjs
 * @param {{ devices?: string, state?: string }} [places] directories that are looked into; a test brings its own
 */
export function makeCompletionTable(program, places = {}) {
  const { VERBS, GLOBAL_OPTIONS, SCENARIOS, FLOWS, TOPICS, CATALOGUE, DEFAULT_STATE_DIR } = program
  const lists = {
    bulletins: CATALOGUE.bulletins.map(({ id }) => String(id)),
    flows: FLOWS.map(({ id }) => id),
    topics: [
      ...new Set([...TOPICS, ...VERBS.filter(({ name }) => !name.includes(' '))].map(({ name }) => name)),
    ],
    scenarios: SCENARIOS.map(({ name }) => name),
  }
  const kindOf = (values, name, label) => {
    if (Array.isArray(values)) lists[name] = values
    if (Array.isArray(values)) return name
    return values === 'files' && label === 'DIR' ? 'directories' : values
  }
  const toOption = ({ flag, value, values = 'files', isMany = false, help }) => ({
    flag,
    kind: value === undefined ? null : kindOf(values, flag.replace(/^--/, ''), value),
    isMany,
    help,
  })
  const actsOf = (name) =>
    VERBS.filter((verb) => (name === '' ? !verb.name.includes(' ') : verb.name.startsWith(`${name} `))).map(
      (verb) => ({ word: verb.name.split(' ').at(-1), name: verb.name, help: verb.help }),
    )
  const help = { flag: '--help', kind: null, isMany: false, help: 'print and end' }
  const root = {
    name: '',
    help: '',
    acts: actsOf(''),
    options: [{ ...help, flag: '--version' }],
    argument: null,
  }
  const verbs = VERBS.map(({ name, help: text, argument, options = [] }) => ({
    name,
    help: text,
    acts: actsOf(name),
    options: options.map(toOption),
    argument: argument
      ? { kind: kindOf(argument.values ?? 'files', argument.name, ''), isMany: argument.isMany === true }
      : null,
  }))
  const used = new Set(
    [root, ...verbs].flatMap(({ options, argument }) => [...options.map(({ kind }) => kind), argument?.kind]),
  )
  return {
    global: [...GLOBAL_OPTIONS.map(toOption), help],
    verbs: [root, ...verbs],
    lists,
    used,
    devices: places.devices ?? '/var/lib/anti-evil-maid',
    reports: `${places.state ?? DEFAULT_STATE_DIR}/reports`,
  }
}

export const MADE_BY =
  'Made by tools/generate-shell-files.mjs from src/cli/verbs.ts. It runs nothing and asks for no password: what this user\n# cannot read is not offered.'
