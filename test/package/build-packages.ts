import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { ROOT } from '../support/sources.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folders of what `npm run package` makes: the package of this tree, and a newer build of it. */
    packages: { readonly one: string; readonly two: string }
  }
}

/** Builds the package twice, with two release numbers, before the tests that install it. */
export function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'aem-reseal-packages-'))
  const build = (release: string): string => {
    const out = join(folder, release)
    execFileSync(process.execPath, ['tools/package.mjs', '--release', release, '--out', out], { cwd: ROOT })
    return out
  }
  project.provide('packages', { one: build('1'), two: build('2') })
  return () => rmSync(folder, { recursive: true, force: true })
}
