// Bundles the program into one file that needs no node_modules.
import { chmod, readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const TOP = new URL('../', import.meta.url)

/** What takes Node long to load. All others are cheap, or are themselves a class or an object that functions need as `this`. */
const SLOW = new Set(['child_process', 'crypto', 'fs/promises', 'os', 'timers/promises', 'tty', 'v8', 'zlib'])

/**
 * A module of Node, loaded where the first name is taken from it: its importers are loaded by commands that never use it.
 * esbuild makes an object whose prototype is that of the module, and asks it for
 * `__esModule` where the importer is CommonJS.
 */
function renderLazy(id) {
  return `let loaded
const take = (_target, name) => name === '__esModule' ? undefined : (loaded ??= process.getBuiltinModule(${id}))[name]
module.exports = Object.create(new Proxy({}, { get: take }))`
}

/**
 * Node's own modules, loaded where they are first used: imports would load all of them at every start, whether the command
 * needs them or not (process.getBuiltinModule: Node 20.16).
 */
const lazyBuiltins = {
  name: 'lazy-builtins',
  setup({ onResolve, onLoad }) {
    const names = new Set(builtinModules)
    onResolve({ filter: /^(node:)?[a-z0-9_/]+$/ }, ({ path }) => {
      const name = path.replace(/^node:/, '')
      return names.has(name) ? { path: name, namespace: 'builtin' } : undefined
    })
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: SLOW.has(path)
        ? renderLazy(JSON.stringify(`node:${path}`))
        : `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${path}`)})`,
      loader: 'js',
    }))
  },
}

/**
 * @param {string} outfile
 * @returns {Promise<import('esbuild').Metafile>} which files went into it
 */
export async function buildProgram(outfile) {
  const { version } = JSON.parse(await readFile(new URL('package.json', TOP), 'utf8'))
  const { metafile } = await build({
    // Names of files stand in the output: they are told from here, wherever this runs.
    absWorkingDir: fileURLToPath(TOP),
    entryPoints: ['src/bin.ts'],
    outfile,
    metafile: true,
    bundle: true,
    platform: 'node',
    target: 'node20.17',
    // A script that is neither: it starts under any file name, as a module and as CommonJS (docs/contract.md, Nodes).
    format: 'iife',
    plugins: [lazyBuiltins],
    legalComments: 'eof',
    // Pure ASCII is read and compiled faster than UTF-8.
    charset: 'ascii',
    define: { AEM_RESEAL_VERSION: JSON.stringify(version) },
    banner: { js: '#!/usr/bin/node' },
  })
  const text = await readFile(outfile, 'utf8')
  // esbuild leaves literals of regular expressions as they are written.
  const foreign = /^.*[^\0-\x7f].*$/m.exec(text)
  if (foreign !== null)
    throw new Error(`the bundle is not pure ASCII, write it as an escape: ${foreign[0].slice(0, 200)}`)
  // A module that is left to `require` ends the program where it is first used, which a start alone does not show.
  const left = /__require\("[^"]*"\)/.exec(text)
  if (left !== null) throw new Error(`the bundle still has ${left[0]}`)
  await chmod(outfile, 0o755)
  return metafile
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await buildProgram(fileURLToPath(new URL('dist/aem-reseal.mjs', TOP)))
