import { chmodSync, copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DIST } from '../support/built.ts'
import { NODES, nodeOf } from '../support/nodes.ts'
import { runToEnd } from '../support/process.ts'
import { aemDom0 } from '../support/recorded-machine.ts'
import { ROOT } from '../support/sources.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const { version, engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

/** As the README installs it: no `.mjs`, and no package.json in any directory above. */
function install(): string {
  const path = join(temporaryDirectory(), 'aem-reseal')
  copyFileSync(DIST, path)
  chmodSync(path, 0o755)
  return path
}

describe.each(NODES)('under the name /usr/local/bin has for it, on Node %s', (node) => {
  it('starts, and looks at a machine', { timeout: 300_000 }, async () => {
    const [binary, program] = [await nodeOf(node), install()]
    const run = (args: readonly string[]) =>
      runToEnd(binary, [program, ...args], { cwd: '/', env: { PATH: '/usr/bin:/bin', HOME: '/root' } })
    const told = await run(['--version'])
    expect(told.stderr).toBe('')
    expect(told.stdout.toString('utf8').trim()).toBe(version)
    const status = await run(['--machine', aemDom0().write(), '--json', 'status'])
    expect(JSON.parse(status.stdout.toString('utf8'))).toMatchObject({ aem: { tpm: '2.0' } })
    expect(status.code).toBe(0)
  })
})

it('claims those that have process.getBuiltinModule, and no other', () => {
  expect(engines.node).toBe('^20.17 || >=22.3')
})
