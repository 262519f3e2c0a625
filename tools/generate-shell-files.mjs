// Writes what a shell and man(1) want of the program into dist/shell/: completions for bash, zsh and fish, and the manual pages,
// all from the table of verbs (src/cli/verbs.ts) and docs/. The same source gives the same bytes.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { loadProgram } from './load-program.mjs'
import { renderBash } from './shell/bash.mjs'
import { makeCompletionTable } from './shell/completion-table.mjs'
import { renderFish } from './shell/fish.mjs'
import { renderManual } from './shell/manual.mjs'
import { renderZsh } from './shell/zsh.mjs'

const TOP = new URL('../', import.meta.url)

const ENTRY = `
export { GLOBAL_OPTIONS, VERBS } from './src/cli/verbs.ts'
export { CATALOGUE } from './src/core/bulletin/catalogue-data.ts'
export { SCENARIOS } from './src/host/simulated/scenarios.ts'
export { DEFAULT_STATE_DIR } from './src/tables/paths.ts'
export { FLOWS } from './flows/index.ts'
export { TOPICS } from './src/messages/topics/topics.ts'
`

/** The manual pages, by the names of their sources in docs/. */
const MANUALS = { 'aem-reseal.1': 'aem-reseal.1.md', 'aem-reseal-gate.8': 'aem-reseal-gate.8.md' }

/**
 * Every file, with the place below /usr/share that a package puts it to.
 * @param {{ devices?: string, state?: string }} [places] directories that completions look into; tests bring their own
 * @param {readonly object[]} [verbs] further verbs, for a test
 * @returns {Promise<ReadonlyMap<string, string>>} text by path
 */
export async function generateShellFiles(places = {}, verbs = []) {
  const program = await loadProgram(ENTRY)
  const table = makeCompletionTable({ ...program, VERBS: [...program.VERBS, ...verbs] }, places)
  const release = await readRelease()
  const manuals = Object.entries(MANUALS).map(async ([name, source]) => [
    `man/man${name.at(-1)}/${name}`,
    renderManual(await readFile(new URL(`docs/${source}`, TOP), 'utf8'), release),
  ])
  return new Map([
    ['bash-completion/completions/aem-reseal', renderBash(table)],
    ['zsh/site-functions/_aem-reseal', renderZsh(table)],
    ['fish/vendor_completions.d/aem-reseal.fish', renderFish(table)],
    ...(await Promise.all(manuals)),
  ])
}

/** Version of the package; the day of the commit it is built from, where the builder names it (SOURCE_DATE_EPOCH). */
async function readRelease() {
  const { version } = JSON.parse(await readFile(new URL('package.json', TOP), 'utf8'))
  const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? 0)
  return { version, date: epoch > 0 ? new Date(epoch * 1000).toISOString().slice(0, 10) : '""' }
}

async function writeShellFiles() {
  const out = new URL('dist/shell/', TOP)
  await rm(out, { recursive: true, force: true })
  const files = await generateShellFiles()
  for (const [path, text] of files) {
    const file = new URL(path, out)
    await mkdir(dirname(fileURLToPath(file)), { recursive: true })
    await writeFile(file, text)
  }
  console.log(`${files.size} files written to dist/shell/`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await writeShellFiles()
