// Bundles the program into one file that needs no node_modules.
import { chmod, readFile } from 'node:fs/promises'
import { build } from 'esbuild'

const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
const outfile = new URL('../dist/aem-reseal.mjs', import.meta.url).pathname

await build({
  entryPoints: [new URL('../src/bin.ts', import.meta.url).pathname],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20.17',
  format: 'esm',
  legalComments: 'eof',
  charset: 'utf8',
  define: { AEM_RESEAL_VERSION: JSON.stringify(version) },
  // Bundled CommonJS packages call require() of node's own modules; ESM output has none.
  banner: {
    js: '#!/usr/bin/node\nimport { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
})
await chmod(outfile, 0o755)
