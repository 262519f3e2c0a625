// Runs a TypeScript file of this repository as it is: node before version 22 loads none. Each file is stripped of its types by
// esbuild when it is loaded, so that `import.meta` stays what it is.
//
//   node tools/run-typescript.mjs FILE [ARGUMENT...]
import { readFile } from 'node:fs/promises'
import { register } from 'node:module'
import { resolve as resolvePath } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isMainThread } from 'node:worker_threads'

/** A hook of node:module. @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context)
  const { transform } = await import('esbuild')
  const file = fileURLToPath(url)
  const { code } = await transform(await readFile(file, 'utf8'), {
    loader: 'ts',
    format: 'esm',
    sourcefile: file,
  })
  return { format: 'module', shortCircuit: true, source: code }
}

const [, self, file] = process.argv
if (isMainThread && self === fileURLToPath(import.meta.url)) {
  if (file === undefined) throw new Error('usage: run-typescript.mjs FILE [ARGUMENT...]')
  register(import.meta.url)
  process.argv.splice(1, 2, resolvePath(file))
  await import(pathToFileURL(resolvePath(file)).href)
}
