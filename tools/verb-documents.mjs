// What the documents say of the verbs, rendered from the table in src/cli/verbs.ts. tools/generate-docs.mjs puts each text
// between the marks of its name.

/** A document is broken at this width, as the text around it is. */
const WIDTH = 120

/** @param {string} text one word in lower case at its beginning, as the table has it */
function sentence(text) {
  const begun = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.?!]$/.test(begun) ? begun : `${begun}.`
}

/** `[--bulletin ID|FILE] [--keys PATH...]`, each part by the functions given. */
function usage({ name, argument, options = [] }, literal, place) {
  const more = (isMany) => (isMany ? '...' : '')
  const optional = (text, isRequired) => (isRequired ? text : `[${text}]`)
  return [
    literal(name),
    ...(argument
      ? [
          argument.isMany
            ? `${optional(place(argument.name), argument.isRequired)}...`
            : optional(place(argument.name), argument.isRequired),
        ]
      : []),
    ...options.map(({ flag, value, isMany, isRequired }) =>
      optional(`${literal(flag)}${value ? ` ${place(value)}${more(isMany)}` : ''}`, isRequired),
    ),
  ].join(' ')
}

const ROOT = { needed: 'yes', 'not-needed': 'no', own: 'no, see below' }

/** The contract's table of commands. */
export function renderVerbTable({ VERBS, DEFAULT_VERB }) {
  const plain = (text) => text
  const rows = VERBS.filter(({ run }) => run !== null).map((verb) => {
    const words = usage(verb, plain, plain).replaceAll('|', '\\|')
    return `| \`${words}\` | ${verb.help}${verb.isChoice ? ' (**choice**)' : ''} | ${ROOT[verb.root]} |`
  })
  return [
    '| command | does | root |',
    '|---|---|---|',
    `| (none) | the same as \`${DEFAULT_VERB}\` (**choice**) | yes |`,
    ...rows,
  ].join('\n')
}

/** The contract's list of how each scenario ends. */
export function renderScenarioExits({ SCENARIOS }) {
  const ends = SCENARIOS.map(({ name, exit }) => `${name} ${exit}`).join('; ')
  return wrap(`Scenarios of \`rehearse\`: ${ends}.`, WIDTH, '')
}

/** The contract's list of error codes. */
export function renderErrorCodes({ FAILURES }) {
  const codes = Object.keys(FAILURES)
    .sort()
    .map((code) => `\`${code}\``)
  return wrap(`Error codes: ${codes.join(', ')}.`, WIDTH, '')
}

/** The contract's table of exit codes. */
export function renderExitTable({ EXIT, EXIT_MEANINGS }) {
  const rows = Object.entries(EXIT).map(([name, code]) => `| ${code} | ${EXIT_MEANINGS[name]} |`)
  return ['| code | meaning |', '|---|---|', ...rows].join('\n')
}

const bold = (text) => `**${text}**`
const italic = (text) => `*${text}*`

/** Text of the table as the manual page has it: code is bold, names of values are italic. */
function manualText(text, names) {
  const marked = text.replaceAll(/`([^`]*)`/g, '**$1**')
  return names.reduce(
    (done, name) => done.replaceAll(new RegExp(`\\b${name}\\b(?!\\*)`, 'g'), italic(name)),
    marked,
  )
}

function definition(term, texts, names = []) {
  const body = texts
    .filter(Boolean)
    .map((text) => manualText(sentence(text), names))
    .join(' ')
  return `${term}\n${wrap(`: ${body}`, WIDTH, '  ')}`
}

/** A topic of `aem-reseal help`, for the guide. */
export function renderTopic({ TOPICS, topicMarkdown }, name) {
  const topic = TOPICS.find((one) => one.name === name)
  return topicMarkdown(topic, (text, indent) => wrap(text, WIDTH, indent))
}

/** COMMANDS of the manual page. */
export function renderManualCommands(program) {
  return manualVerbs(program, () => true)
}

/** COMMANDS of aem-reseal-gate(8). */
export function renderGateCommands(program) {
  return manualVerbs(program, ({ name }) => /^gate\b/.test(name))
}

function manualVerbs({ VERBS, FLOWS, TOPICS }, isWanted) {
  const flows = (verb) =>
    verb.argument?.values === 'flows'
      ? `FLOW is one of ${FLOWS.map(({ id }) => `\`${id}\``).join(', ')}.`
      : null
  const topics = (verb) =>
    verb.argument?.values === 'topics'
      ? `TOPIC is one of ${TOPICS.map(({ name }) => `\`${name}\``).join(', ')}, or a command.`
      : null
  return VERBS.filter((verb) => verb.run !== null && isWanted(verb))
    .map((verb) => {
      const names = (verb.options ?? []).flatMap(({ value }) =>
        value && !value.includes('|') ? [value] : [],
      )
      return definition(usage(verb, bold, italic), [verb.help, verb.more, flows(verb), topics(verb)], names)
    })
    .join('\n\n')
}

/** OPTIONS of the manual page. */
export function renderManualOptions({ GLOBAL_OPTIONS }) {
  return [
    ...GLOBAL_OPTIONS.map(({ flag, value, help, more }) =>
      definition(`${bold(flag)}${value ? ` ${italic(value)}` : ''}`, [help, more]),
    ),
    definition(['--version', '-h', '--help'].map(bold).join(', '), ['print and end']),
  ].join('\n\n')
}

/** EXIT STATUS of the manual page. */
export function renderManualExits({ EXIT, EXIT_MEANINGS }) {
  return Object.entries(EXIT)
    .map(([name, code]) => definition(String(code), [EXIT_MEANINGS[name]]))
    .join('\n\n')
}

function wrap(text, width, indent) {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    const longer = last === '' ? word : `${last} ${word}`
    if (longer.length <= width || last.trim() === '') lines[lines.length - 1] = longer
    else lines.push(`${indent}${word}`)
  }
  return lines.join('\n')
}

/**
 * Puts a text between the marks of its name.
 * @throws where the document has no such marks
 */
export function fillIn(document, name, text) {
  const [begin, end] = [`<!-- ${name}: written by \`npm run docs\` -->`, `<!-- end of ${name} -->`]
  const [from, to] = [document.indexOf(begin), document.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`no marks for ${name}: ${begin} and ${end}`)
  return `${document.slice(0, from + begin.length)}\n\n${text}\n\n${document.slice(to)}`
}
