import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAnswer } from './answers.ts'
import { type Ended, runToEnd } from './process.ts'
import { ROOT } from './sources.ts'

export const DIST = join(ROOT, 'dist/aem-reseal.mjs')

export type BuiltRun = Ended & { readonly text: string; readonly json: unknown }

/** Runs the built program without a terminal, with an empty standard input and an environment of its own. */
export async function runBuilt(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly cwd?: string; readonly program?: string } = {},
): Promise<BuiltRun> {
  const ended = await runToEnd(process.execPath, [options.program ?? DIST, ...args], {
    cwd: options.cwd ?? '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', HOME: '/root', ...options.env },
  })
  const text = ended.stdout.toString('utf8')
  return { ...ended, text, json: parseAnswer(args, text) }
}

/** The built file alone in a directory. @returns its path */
export function copyAlone(directory: string): string {
  const path = join(directory, 'aem-reseal.mjs')
  copyFileSync(DIST, path)
  return path
}
