import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { HOLD_DROP_IN, UPDATE_MARK } from '../../src/tables/paths.ts'
import { createStage } from '../stage/kept-stage.ts'
import { signerFingerprint } from '../stage/rpm.ts'
import type { Stage } from '../stage/stage.ts'
import { ARROW_DOWN, ENTER, photograph } from '../stage/terminal.ts'
import { addUser, logIn, lookAtLogin, notificationsOf, openShell } from './login.ts'
import { dependencies, rpmIn } from './rpm-root.ts'

/*
 * What a Qubes user sees of the package, from its installation to its removal, in a dom0 of Qubes 4.3 (Fedora 41) with real
 * rpm, sudo, D-Bus, notify-send and a software TPM.
 */

const { one, two } = inject('packages')
const SESSION = '/var/lib/aem-reseal/session.json'

/** What shells and man find of the package. */
const SHELL_FILES = [
  '/usr/share/bash-completion/completions/aem-reseal',
  '/usr/share/zsh/site-functions/_aem-reseal',
  '/usr/share/fish/vendor_completions.d/aem-reseal.fish',
  '/usr/share/man/man1/aem-reseal.1',
  '/usr/share/man/man8/aem-reseal-gate.8',
]

/** The two directories around a file. */
const listDirectories = (file: string): string[] => [path.dirname(file), path.dirname(path.dirname(file))]

let stage: Stage

beforeAll(async () => {
  stage = await createStage({ tpm: '2.0', releaseDist: 'fc41', product: false })
  await stage.powerOn()
  await stage.powerOff()
  expect((await stage.powerOn()).secretShown).toBe(true)
  await mkdir(stage.pathOf('/run/systemd/system'), { recursive: true })
  await addUser(stage)
})
afterAll(() => stage?.destroy())

async function rpm(...args: readonly string[]) {
  const files: string[] = []
  for (const arg of args) {
    if (!arg.endsWith('.rpm')) files.push(arg)
    else {
      await copyFile(arg, stage.pathOf(`/run/${path.basename(arg)}`))
      files.push(`/run/${path.basename(arg)}`)
    }
  }
  const done = await stage.run(['rpm', ...files])
  expect(done).toMatchObject({ exit: 0 })
  return done
}

async function statusOf() {
  const { stdout, stderr } = await stage.run(['/usr/bin/aem-reseal', 'status', '--json'])
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

/** Names of everything on the system but what programs keep for themselves. */
async function everything(): Promise<readonly string[]> {
  const places = ['/etc', '/usr', '/var', '/boot', '/root', '/opt', '/srv']
  const { stdout } = await stage.run(['find', ...places, '-xdev', '-not', '-path', '/var/lib/rpm/*'])
  return stdout.split('\n').filter((file) => file !== '' && !file.startsWith('/var/log/'))
}

/** AEM's own files: programs, units, configuration, secrets, sealed files, GRUB's scripts and boot files. */
async function aemFiles(): Promise<string> {
  const script = `find /etc/anti-evil-maid.conf /etc/grub.d /usr/sbin/anti-evil-maid* /usr/lib/systemd/system/anti-evil-maid* \
    /etc/systemd/system /var/lib/anti-evil-maid /var/lib/tpms /boot -type f 2>/dev/null | sort | xargs sha256sum
    systemctl show --property=LoadState,DropInPaths,ExecCondition anti-evil-maid-seal.service`
  const { stdout } = await stage.run(['sh', '-c', script])
  expect(stdout.split('\n').length).toBeGreaterThan(20)
  return stdout
}

/** Another byte in Xen's image, as an evil maid would leave it. @returns puts the file back */
async function changeXen(): Promise<() => Promise<void>> {
  const [name = ''] = (await readdir(stage.pathOf('/boot'))).filter((file) => /^xen-.*\.gz$/.test(file))
  const own = readFileSync(stage.pathOf(`/boot/${name}`))
  const image = gunzipSync(own)
  image[image.length - 1] = (image.at(-1) ?? 0) ^ 1
  await stage.replaceBootFile(name, gzipSync(image))
  return () => stage.replaceBootFile(name, own)
}

const digestOf = (file: string): string =>
  createHash('sha256')
    .update(readFileSync(stage.pathOf(file)))
    .digest('hex')

describe('the package in dom0', () => {
  let before: ReadonlySet<string>

  test('is installed, leaves AEM as it was, and says nothing at login', async () => {
    const aem = await aemFiles()
    before = new Set(await everything())
    await rpm('-i', ...(await dependencies()), await rpmIn(one))
    expect(await aemFiles()).toBe(aem)
    expect(existsSync(stage.pathOf(UPDATE_MARK))).toBe(false)
    expect(await lookAtLogin(stage)).toEqual([])
    expect(await openShell(stage)).toBe('')
    for (const file of SHELL_FILES) expect([file, existsSync(stage.pathOf(file))]).toEqual([file, true])
    expect((await statusOf()).notice).toBe(null)
    // The packagers' key of the test, as a user makes one known.
    await writeFile(stage.pathOf('/etc/aem-reseal/trusted-keys'), `${await signerFingerprint()} test key\n`)
  })

  test('leaves a mark when rpm updates Xen, of this boot, and shells say so', async () => {
    await stage.updateXen()
    const text = readFileSync(stage.pathOf(UPDATE_MARK), 'utf8')
    const boot = readFileSync(stage.holder.outside('proc/boot_id'), 'utf8').trim()
    expect(text).toMatch(new RegExp(`^[^\\n]*\\n(${boot} [0-9]+ /boot/xen-4\\.19\\.3\\.(gz|config)\\n){2}$`))
    for (const shell of ['bash', 'dash'])
      expect(await openShell(stage, shell)).toBe(
        'aem-reseal: files that AEM measures were updated. Before the restart: aem-reseal start',
      )
    const { updates, notice, next } = await statusOf()
    expect(updates).toMatchObject({
      state: 'marked',
      packages: [{ name: 'xen-hypervisor', evr: '2001:4.19.3-2.fc41' }],
    })
    expect([notice.code, next.command]).toEqual(['start', 'aem-reseal start'])
    expect((await stage.run(['/usr/bin/aem-reseal', '--ascii'])).stdout).toMatch(
      /^updated +xen-hypervisor 4\.19\.3-2\.fc41, in this boot$/m,
    )
  })

  test.each([
    [
      'its owner is somebody else',
      async (file: string) => chown(file, 4242, 4242),
      async (file: string) => chown(file, 0, 0),
    ],
    [
      'others may write it',
      async (file: string) => chmod(file, 0o666),
      async (file: string) => chmod(file, 0o644),
    ],
  ])('ignores the mark and says so where %s', async (_why, spoil, restore) => {
    const file = stage.pathOf(UPDATE_MARK)
    await spoil(file)
    expect((await statusOf()).updates).toMatchObject({
      state: 'ignored',
      why: expect.stringContaining(UPDATE_MARK),
      files: [],
    })
    expect(await openShell(stage)).toBe(
      `aem-reseal: ${UPDATE_MARK} is ignored: others than root could have written it`,
    )
    await restore(file)
    expect((await statusOf()).updates.state).toBe('marked')
  })

  test('says nothing where the switch is set', async () => {
    const off = stage.pathOf('/etc/aem-reseal/no-notices')
    await writeFile(off, '')
    expect(await lookAtLogin(stage)).toEqual([])
    expect(await openShell(stage)).toBe('')
    await stage.run(['rm', '/etc/aem-reseal/no-notices'])
  })

  test('shows one notification at login, and the wizard runs from it in a terminal', async () => {
    const login = await logIn(stage, 'run')
    await login.waitFor('Which bulletin is this update for?', 120_000)
    expect(notificationsOf(stage)).toEqual([
      {
        app: 'aem-reseal',
        icon: 'dialog-warning',
        summary: 'Before you restart: aem-reseal start',
        body: expect.stringContaining('Updated: xen-hypervisor 4.19.3-2.fc41.'),
        actions: ['run', 'aem-reseal start'],
        urgency: 2,
      },
    ])
    login.type(ENTER)
    await login.waitFor('Forward seal, hold, or plain?', 120_000)
    login.type(ENTER)
    await photograph(login)
    await login.waitFor('When is dom0 restarted?', 120_000)
    login.type(ENTER)
    await login.waitFor('Press Enter to close this window.', 120_000)
    login.type(ENTER)
    expect(await login.finished).toBe(0)
    expect((await statusOf()).session).toMatchObject({ protection: 'forward-seal' })
    // What is left is the restart.
    expect(await lookAtLogin(stage)).toEqual([])
  })

  test('says at login that what was prepared no longer fits, as long as it does not', async () => {
    const putBack = await changeXen()
    expect((await lookAtLogin(stage)).map(({ summary, actions }) => [summary, actions[1]])).toEqual([
      ['Do not restart: what was prepared no longer fits', 'aem-reseal cancel'],
    ])
    await putBack()
    expect(await lookAtLogin(stage)).toEqual([])
  })

  test('keeps the open session when a newer build is installed', async () => {
    const session = digestOf(SESSION)
    const aem = await aemFiles()
    const { stderr } = await rpm('-U', await rpmIn(two))
    expect(stderr).not.toContain('aem-reseal:')
    expect(digestOf(SESSION)).toBe(session)
    expect(await aemFiles()).toBe(aem)
    expect((await statusOf()).session).toMatchObject({ prepared: { state: 'fits' } })
  })

  test('after the restart the shells and the login offer resume, which runs from there', async () => {
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(true)
    await mkdir(stage.pathOf('/run/systemd/system'), { recursive: true })
    expect(await openShell(stage)).toBe(
      'aem-reseal: this boot follows an update of files that AEM measures. Next: aem-reseal resume',
    )
    const login = await logIn(stage, 'run')
    await login.waitFor('Did your own secret appear', 120_000)
    expect(notificationsOf(stage).map(({ actions }) => actions)).toEqual([['run', 'aem-reseal resume']])
    login.type(ARROW_DOWN)
    login.type(ENTER)
    await login.waitFor('Press Enter to close this window.', 120_000)
    login.type(ENTER)
    expect(await login.finished).toBe(0)
    expect((await statusOf()).session).toBe(null)
  })

  test('then all is quiet, and the mark is gone', async () => {
    expect(existsSync(stage.pathOf(UPDATE_MARK))).toBe(false)
    expect(await lookAtLogin(stage)).toEqual([])
    expect(await openShell(stage)).toBe('')
    expect((await statusOf()).protection.state).toBe('protected')
  })

  test('says at login that a boot is not explained, though no session is open', async () => {
    const putBack = await changeXen()
    await stage.powerOff()
    expect((await stage.powerOn()).secretShown).toBe(false)
    await mkdir(stage.pathOf('/run/systemd/system'), { recursive: true })
    expect((await lookAtLogin(stage)).map(({ summary, actions }) => [summary, actions[1]])).toEqual([
      ['A change that AEM measures is not explained', 'aem-reseal explain'],
    ])
    await putBack()
  })

  test('is removed with its own drop-in, which systemd forgets, and leaves nothing but what the documents name', async () => {
    const aem = await aemFiles()
    const install = stage.aemResealPty(['gate', 'install'])
    await install.waitFor('no (nothing is changed)')
    install.type(ARROW_DOWN)
    await install.waitFor(/❯ yes/)
    install.type(ENTER)
    expect(await install.finished).toBe(0)
    expect((await aemFiles()) === aem).toBe(false)
    const { stderr } = await rpm('-e', 'aem-reseal')
    expect(stderr).toContain(`removed ${HOLD_DROP_IN}`)
    expect(await aemFiles()).toBe(aem)
    for (const file of SHELL_FILES) expect([file, existsSync(stage.pathOf(file))]).toEqual([file, false])
    const left = (await everything()).filter((file) => !before.has(file))
    const state = left.filter((file) => file.startsWith('/var/lib/aem-reseal'))
    expect(state.map((file) => path.extname(file)).sort()).toEqual(expect.arrayContaining(['.md', '.svg']))
    // Fedora's package filesystem owns these; Debian has some of them.
    const shared = ['/usr/share/licenses', ...SHELL_FILES.flatMap(listDirectories)]
    expect(left.filter((file) => !state.includes(file) && !shared.includes(file))).toEqual([
      '/etc/aem-reseal',
      '/etc/aem-reseal/trusted-keys',
    ])
    const documented = readFileSync(new URL('../../docs/install.md', import.meta.url), 'utf8')
    for (const place of ['/var/lib/aem-reseal', '/etc/aem-reseal'])
      expect(documented).toContain(`\`${place}\``)
  })
})
