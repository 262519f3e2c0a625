import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DIST } from '../support/built.ts'
import { NODES, nodeOf } from '../support/nodes.ts'
import { runToEnd } from '../support/process.ts'

/*
 * The program as the README installs it, `/usr/local/bin/aem-reseal`, started by a user whose sudo is Fedora's: it resets the
 * environment and has a secure_path (sudo.spec, sudoers: `Defaults env_reset`, `secure_path = /usr/local/sbin:...`); dom0 asks for no
 * password (qubes-core-dom0-linux, qubes.sudoers). Real sudo, in a mount namespace of its own.
 */
const NOBODY = '65534'

async function asUser(node: string, name: string, sudoers: string, args: readonly string[]) {
  const place = mkdtempSync(join(tmpdir(), 'aem-reseal-sudo-'))
  chmodSync(place, 0o755)
  mkdirSync(join(place, 'bin'))
  copyFileSync(DIST, join(place, 'bin', name))
  chmodSync(join(place, 'bin', name), 0o755)
  copyFileSync(await nodeOf(node), join(place, 'node'))
  chmodSync(join(place, 'node'), 0o755)
  const log = join(place, 'sudo.log')
  writeFileSync(join(place, 'sudoers'), `${sudoers}Defaults logfile=${log}\nDefaults loglinelen=0\n`, {
    mode: 0o440,
  })
  const script = [
    'set -e',
    'mount --make-rprivate /',
    `mount --bind ${join(place, 'sudoers')} /etc/sudoers`,
    `mount --bind ${join(place, 'bin')} /usr/local/bin`,
    'cd /',
    `exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups env -i PATH=/usr/bin:/bin HOME=/nonexistent "$@"`,
  ].join('\n')
  const own = [join(place, 'node'), `/usr/local/bin/${name}`, ...args]
  const ended = await runToEnd('unshare', ['--mount', 'bash', '-c', script, 'bash', ...own])
  return { ...ended, log: existsSync(log) ? readFileSync(log, 'utf8') : '' }
}

const FEDORA = `Defaults env_reset
Defaults secure_path = /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
`

describe.each(NODES)('run once more by sudo, without an ending of its name, on Node %s', (node) => {
  it('starts as root and answers', async () => {
    const sudoers = `${FEDORA}nobody ALL=(ALL) NOPASSWD: ALL\n`
    const ended = await asUser(node, 'aem-reseal', sudoers, ['--json', 'status'])
    expect(ended.stderr).toBe('')
    expect(JSON.parse(ended.stdout.toString('utf8'))).toHaveProperty('aem')
    expect(ended.code).toBe(0)
    expect(ended.log).toMatch(/USER=root ; COMMAND=\S*\/node \/usr\/local\/bin\/aem-reseal --json status/)
  })
})

it('says so where sudo refuses, and answers nothing', async () => {
  const ended = await asUser(NODES[0], 'aem-reseal', FEDORA, ['status'])
  expect(ended.code).not.toBe(0)
  expect(ended.stderr).toContain('sudo')
  expect(ended.stdout.toString('utf8')).toBe('')
})
