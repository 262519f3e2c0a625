/* The program under test, as its RPM package brings it, and the node that runs it. */

import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { must } from '../../stage/process.ts'
import { nodeOf } from '../../support/nodes.ts'

export const NODE_VERSION = '20.19.0'
const TOP = path.join(import.meta.dirname, '../../..')

/** What of the package counts for the guest: the digests of its files and its scriptlets, not the commit it is built from. */
export type Program = { readonly rpm: string; readonly parts: (string | Buffer)[]; dispose(): Promise<void> }

/** Builds the package of this work tree. */
export async function buildProgram(): Promise<Program> {
  const folder = await mkdtemp(path.join(tmpdir(), 'aem-reseal-lab-package-'))
  await mkdir(folder, { recursive: true })
  const out = path.join(folder, 'out')
  await must([process.execPath, 'tools/package.mjs', '--out', out], { cwd: TOP, env: environment() })
  const names = await readdir(out)
  const one = (end: string): string => {
    const name = names.find((each) => each.endsWith(end))
    if (name === undefined) throw new Error(`the package build left no *${end}`)
    return path.join(out, name)
  }
  const scripts = await Promise.all(
    (await readdir(path.join(TOP, 'packaging/scriptlets'))).map((name) =>
      readFile(path.join(TOP, 'packaging/scriptlets', name)),
    ),
  )
  return {
    rpm: one('.noarch.rpm'),
    parts: [await readFile(one('.files.sha256')), ...scripts, NODE_VERSION],
    dispose: () => rm(folder, { recursive: true, force: true }),
  }
}

export function nodeBinary(): Promise<string> {
  return nodeOf(NODE_VERSION)
}

/** git wants a HOME, rpmbuild a PATH; nothing of the caller's settings goes into the package. */
function environment(): Record<string, string> {
  return { ...(process.env as Record<string, string>), LC_ALL: 'C' }
}
