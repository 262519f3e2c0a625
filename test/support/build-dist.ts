import { execFileSync } from 'node:child_process'
import { ROOT } from './sources.ts'

/** Builds dist/ once before the tests that run it, so that none of them sees an older one. */
export function setup(): void {
  execFileSync(process.execPath, ['tools/build.mjs'], { cwd: ROOT, stdio: 'inherit' })
}
