// Writes the generated documents: docs/commands.md, docs/flows.md, docs/schema/*.json, and in README.md, docs/contract.md,
// docs/guide.md, docs/install.md and the manual pages what stands between marks. The same source gives the same bytes;
// test/audit/generated-docs.test.ts compares.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { loadProgram } from './load-program.mjs'
import { renderRootTable } from './render-install.mjs'
import {
  fillIn,
  renderErrorCodes,
  renderExitTable,
  renderGateCommands,
  renderManualCommands,
  renderManualExits,
  renderManualOptions,
  renderScenarioExits,
  renderTopic,
  renderVerbTable,
} from './verb-documents.mjs'

const TOP = new URL('../', import.meta.url)

const ENTRY = `
export { listCommandRows, renderCommandsDocument } from './src/tables/render-commands.ts'
export { describeFlow, mermaidOfFlow } from './src/flow/describe.ts'
export { FLOWS } from './flows/index.ts'
export { DEFAULT_VERB, GLOBAL_OPTIONS, VERBS } from './src/cli/verbs.ts'
export { EXIT, EXIT_MEANINGS } from './src/core/failure.ts'
export { FAILURES } from './src/tables/failures.ts'
export { SCENARIOS } from './src/host/simulated/scenarios.ts'
export { OUTPUT_TITLES, PUBLISHED_SCHEMAS } from './src/contract/schemas.ts'
export { commandsSchema as recordedCommandsSchema, machineSchema } from './src/host/recorded-format.ts'
export { sessionSchema } from './src/core/session/checkpoint.ts'
export { TOPICS } from './src/messages/topics/topics.ts'
export { topicMarkdown } from './src/messages/topics/forms.ts'
export { z } from 'zod'
`

/**
 * Every generated document.
 * @returns {Promise<ReadonlyMap<string, string>>} text by path below docs/
 */
export async function generateDocuments() {
  const program = await loadProgram(ENTRY)
  return new Map([
    ['commands.md', program.renderCommandsDocument()],
    ['flows.md', renderFlows(program)],
    ...renderSchemas(program),
    ...(await fillDocuments(program)),
  ])
}

/** What of a document written by hand comes from the program, by the name of its marks. */
const FILLED = {
  '../README.md': { 'exit codes': renderExitTable },
  'install.md': { 'changes as root': renderRootTable },
  'contract.md': {
    commands: renderVerbTable,
    'exit codes': renderExitTable,
    scenarios: renderScenarioExits,
    'error codes': renderErrorCodes,
  },
  'aem-reseal.1.md': {
    commands: renderManualCommands,
    options: renderManualOptions,
    'exit status': renderManualExits,
  },
  'guide.md': Object.fromEntries(
    ['alarm', 'forward-seal', 'hold', 'plain', 'devices'].map((name) => [
      `help ${name}`,
      (program) => renderTopic(program, name),
    ]),
  ),
  'aem-reseal-gate.8.md': { gate: renderGateCommands },
}

async function fillDocuments(program) {
  const filled = []
  for (const [path, parts] of Object.entries(FILLED)) {
    let text = await readFile(new URL(`docs/${path}`, TOP), 'utf8')
    for (const [name, render] of Object.entries(parts)) text = fillIn(text, name, render(program))
    filled.push([path, text])
  }
  return filled
}

function renderFlows({ describeFlow, mermaidOfFlow, FLOWS }) {
  const sections = FLOWS.flatMap((flow) => [
    `## ${flow.title}`,
    '',
    `Flow \`${flow.id}\`; \`aem-reseal plan ${flow.id}\` prints this.`,
    '',
    '```text',
    ...describeFlow(flow),
    '```',
    '',
    '```mermaid',
    mermaidOfFlow(flow).trimEnd(),
    '```',
    '',
  ])
  return [
    '# The flows',
    '',
    'Rendered from `flows/` by `npm run docs`; a test keeps it current. A step looks at something, may ask, may change',
    'something, and has outcomes; each outcome leads to a step or to an end with an exit code. In the pictures a box',
    'with double sides changes something, a box with points asks, a round box is an end.',
    '',
    ...sections,
  ].join('\n')
}

function renderSchemas(program) {
  const { OUTPUT_TITLES, PUBLISHED_SCHEMAS, machineSchema, recordedCommandsSchema, sessionSchema, z } =
    program
  const render = (schema, description, io) => {
    const json = { description, ...z.toJSONSchema(schema, { io, target: 'draft-2020-12' }) }
    return `${JSON.stringify(json, null, 2)}\n`
  }
  const outputs = Object.entries(PUBLISHED_SCHEMAS).map(([name, schema]) => [
    `schema/${name}.json`,
    render(schema, OUTPUT_TITLES[name], 'output'),
  ])
  return [
    ...outputs,
    ['schema/recorded-machine.json', render(machineSchema, 'machine.json of a recorded machine', 'input')],
    [
      'schema/recorded-commands.json',
      render(recordedCommandsSchema(), 'commands.json of a recorded machine', 'input'),
    ],
    [
      'schema/session.json',
      render(sessionSchema(), 'session.json in the state directory; its form may change', 'input'),
    ],
  ]
}

/** Names of the schema files that lie in docs/ now, to find the ones that no longer belong there. */
export async function listSchemaFiles() {
  const names = await readdir(new URL('docs/schema/', TOP)).catch(() => [])
  return names.map((name) => `schema/${name}`).sort()
}

async function writeDocuments() {
  const documents = await generateDocuments()
  await mkdir(new URL('docs/schema/', TOP), { recursive: true })
  for (const path of await listSchemaFiles()) {
    if (!documents.has(path)) await rm(new URL(`docs/${path}`, TOP))
  }
  for (const [path, text] of documents) await writeFile(new URL(`docs/${path}`, TOP), text)
  console.log(`${documents.size} documents written to docs/`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await writeDocuments()
