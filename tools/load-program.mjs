import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/**
 * What the tools take from the program, bundled in memory: node runs no TypeScript before version 22.
 * @param {string} entry lines of `export ... from './src/...'`
 * @returns {Promise<object>} the module
 */
export async function loadProgram(entry) {
  const bundled = await build({
    stdin: { contents: entry, resolveDir: fileURLToPath(new URL('../', import.meta.url)), loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  })
  const code = Buffer.from(bundled.outputFiles[0].contents).toString('base64')
  return import(`data:text/javascript;base64,${code}`)
}
