// The spec file, from packaging/aem-reseal.spec.in and packaging/scriptlets.
import { readdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { DIRECTORIES, LINKS } from './files.mjs'

/** What the scriptlets take from the program, so that each fact has one place. */
const ENTRY = `
export { command } from './src/tables/commands.ts'
export { renderDropIn } from './src/core/hold/drop-in.ts'
export * from './src/core/mark/update-mark.ts'
export { COMPILE_CACHE, DEFAULT_STATE_DIR, HOLD_DROP_IN, PROGRAM_PLACES, UPDATE_MARK } from './src/tables/paths.ts'
`

/** Where the triggers find what they run. */
export const MARK_LUA = '/usr/lib/aem-reseal/update-mark.lua'

/** Of the transaction that installs or upgrades this package, see packaging/scriptlets/pretrans.lua. */
const STAMP = '/run/aem-reseal-transaction'

async function loadFacts(top) {
  const bundled = await build({
    stdin: { contents: ENTRY, resolveDir: fileURLToPath(top), loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  })
  const code = Buffer.from(bundled.outputFiles[0].contents).toString('base64')
  return import(`data:text/javascript;base64,${code}`)
}

/**
 * Every text of the drop-in that a package's program has written, oldest first: a removal takes each of them for its own.
 * @throws when the program now writes another one than the newest file
 */
export async function listDropInTexts(top, current) {
  const folder = new URL('packaging/drop-ins/', top)
  const names = (await readdir(folder)).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
  const texts = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')))
  if (texts.at(-1) !== current)
    throw new Error(
      `the drop-in that \`gate install\` writes is not packaging/drop-ins/${names.at(-1)}: add the new text as the next number and keep the old ones`,
    )
  return texts
}

/**
 * The spec, the Lua file that its triggers run, and the launcher.
 *
 * @param {URL} top the repository
 * @param {{ version: string, release: string, license: string, epoch: number, files: readonly { destination: string, mode: number, mark?: string }[] }} package_
 */
export async function renderSpec(top, { version, release, license, epoch, files }) {
  const facts = await loadFacts(top)
  const [program] = facts.PROGRAM_PLACES
  const dropIn = facts.renderDropIn(facts.command('gate-asked', { program }).argv)
  const texts = await listDropInTexts(top, dropIn)
  const values = {
    STAMP,
    STATE_DIR: facts.DEFAULT_STATE_DIR,
    DROP_IN: facts.HOLD_DROP_IN,
    DROP_IN_DIRECTORY: facts.HOLD_DROP_IN.slice(0, facts.HOLD_DROP_IN.lastIndexOf('/')),
    DROP_IN_TEXTS: texts.map((text) => `      ${toLua(text)},`).join('\n'),
    PROGRAM: program,
    PREFIX_LIST: facts.UPDATE_PREFIXES.map(toLua).join(', '),
    MAX_PATHS: facts.MAX_PATHS_OF_TRANSACTION,
    MAX_LINES: facts.MAX_MARK_LINES,
    UPDATE_MARK: facts.UPDATE_MARK,
    CACHE: facts.COMPILE_CACHE,
    TITLE: facts.UPDATE_MARK_TITLE,
  }
  const read = async (name) => fill(await readFile(new URL(`packaging/${name}`, top), 'utf8'), values)
  const scriptlet = async (name) => escapeMacros((await read(`scriptlets/${name}.lua`)).trimEnd())
  const spec = fill(await readFile(new URL('packaging/aem-reseal.spec.in', top), 'utf8'), {
    VERSION: version,
    RELEASE: release,
    LICENSE: license,
    DATE: renderDate(epoch),
    MARK_LUA,
    // The package's own directory too: packaging/scriptlets/update-mark.lua.
    DIRECTORIES: [...facts.listTriggerDirectories(facts.UPDATE_PREFIXES), `${dirname(program)}/`].join(' '),
    PRETRANS: await scriptlet('pretrans'),
    PREUN: await scriptlet('preun'),
    TRIGGERS_POSTUN: facts.UPDATE_PREFIXES.map(renderPostun).join('\n'),
    FILES: listFiles(files, facts).join('\n'),
  })
  return { spec, markLua: await read('scriptlets/update-mark.lua'), launcher: await read('launch.cjs') }
}

/**
 * A trigger of its own for each prefix: rpm 4.18 does not run one of several prefixes where the first of them, in the order
 * of the alphabet, matches nothing that was removed (seen with two prefixes).
 */
function renderPostun(prefix) {
  return [
    `%transfiletriggerpostun -p <lua> -- ${prefix}`,
    `pcall(function() dofile("${MARK_LUA}").note_removed() end)`,
    '',
  ].join('\n')
}

function listFiles(files, { UPDATE_MARK, COMPILE_CACHE }) {
  const mode = (value) => value.toString(8).padStart(4, '0')
  return [
    ...DIRECTORIES.map((path) => `%dir %attr(0755,root,root) ${path}`),
    ...files.map((file) =>
      [file.mark, `%attr(${mode(file.mode)},root,root)`, file.destination].filter(Boolean).join(' '),
    ),
    ...LINKS.map(({ destination }) => destination),
    // Written by the file triggers, gone with the package.
    `%ghost %attr(0644,root,root) ${UPDATE_MARK}`,
    // Made by Node when root starts the program; its content is taken away by %preun.
    `%ghost %dir %attr(0755,root,root) ${COMPILE_CACHE}`,
  ]
}

/** @throws when the text names a value that is not there */
function fill(text, values) {
  return text.replace(/@([A-Z_]+)@/g, (_, name) => {
    if (values[name] === undefined) throw new Error(`no value for @${name}@`)
    return String(values[name])
  })
}

/** rpmbuild expands macros in scriptlets too. */
function escapeMacros(text) {
  return text.replaceAll('%', '%%')
}

/** As a changelog has it, `Sun Nov 29 2026`. @param {number} epoch seconds since 1970 */
function renderDate(epoch) {
  const [day, date, month, year] = new Date(epoch * 1000).toUTCString().replace(',', '').split(' ')
  return `${day} ${month} ${date} ${year}`
}

/** A Lua string with the same bytes (Lua 5.3 and newer, reference manual 3.1). */
function toLua(text) {
  const escaped = text.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))
  if (/[^\x20-\x7e]/.test(escaped)) throw new Error('not plain ASCII')
  return `"${escaped}"`
}
