import { chown, lstat, readlink, rm, symlink } from 'node:fs/promises'
import { describe, expect, inject, it } from 'vitest'
import { renderDropIn } from '../../src/core/hold/drop-in.ts'
import { command } from '../../src/tables/commands.ts'
import { COMPILE_CACHE, HOLD_DROP_IN, PROGRAM_PLACES } from '../../src/tables/paths.ts'
import { dependencies, makeRpmRoot, type RpmRoot, rpmIn, stub } from './rpm-root.ts'

const { one, two } = inject('packages')
const [first, second] = await Promise.all([rpmIn(one), rpmIn(two)])
const DROP_IN = renderDropIn(command('gate-asked', { program: PROGRAM_PLACES[0] ?? '' }).argv)
const SESSION = '/var/lib/aem-reseal/session.json'
/** Below /usr/share; the shells' own packages have them. */
const SHELL_DIRECTORIES = [
  '/bash-completion',
  '/bash-completion/completions',
  '/fish',
  '/fish/vendor_completions.d',
  '/zsh',
  '/zsh/site-functions',
]

async function installed(): Promise<RpmRoot> {
  const root = await makeRpmRoot()
  const done = await root.rpm('-i', ...(await dependencies()), first)
  expect(done).toMatchObject({ exit: 0 })
  return root
}

/** A program in the root that is run by a scriptlet: this machine's shell is not there, so nothing can be. */
const remove = (root: RpmRoot) => root.rpm('-e', 'aem-reseal')

describe('what it requires', () => {
  it.each(['1:18.20.4-1.fc41', '1:20.16.0-1.fc41', '22.11.0-1.fc41'])('refuses nodejs-%s', async (evr) => {
    const root = await makeRpmRoot()
    const done = await root.rpm('-i', ...(await dependencies(evr)), first)
    expect(done.exit).not.toBe(0)
    expect(done.stderr).toContain('nodejs >= 1:20.17 is needed by aem-reseal')
    expect((await root.rpm('-q', 'aem-reseal')).exit).toBe(1)
  })

  it('takes nodejs-1:22 and tpm2-tools, and asks for nothing else but what rpm itself can do', async () => {
    const root = await installed()
    const { stdout } = await root.rpm('-q', '--requires', 'aem-reseal')
    const own = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('rpmlib('))
    expect(own).toEqual(['nodejs >= 1:20.17', 'tpm2-tools'])
  })

  it('refuses without tpm2-tools', async () => {
    const root = await makeRpmRoot()
    const done = await root.rpm('-i', await stub('nodejs', '1:22.11.0-1.fc41'), first)
    expect(done.exit).not.toBe(0)
    expect(done.stderr).toContain('tpm2-tools is needed by aem-reseal')
  })
})

describe('its files', () => {
  it('has the program where the gate looks, the link in PATH, and all of it root’s and as packaged', async () => {
    const root = await installed()
    expect(await readlink(root.path('/usr/bin/aem-reseal'))).toBe('../lib/aem-reseal/launch.cjs')
    expect((await lstat(root.path(PROGRAM_PLACES[0] ?? ''))).mode & 0o7777).toBe(0o755)
    for (const file of ['/var/spool/aem-reseal', '/etc/aem-reseal'])
      expect((await lstat(root.path(file))).mode & 0o7777).toBe(0o755)
    const { stdout } = await root.rpm(
      '-q',
      '--qf',
      '[%{FILENAMES} %{FILEUSERNAME} %{FILEMODES:octal}\n]',
      'aem-reseal',
    )
    const lines = stdout.trim().split('\n')
    expect(lines.length).toBeGreaterThan(20)
    for (const line of lines) {
      const [, user, mode] = line.split(' ')
      expect([line, user]).toEqual([line, 'root'])
      // Links have all bits set; nothing else may be written by others.
      if (!mode?.startsWith('120')) expect([line, Number.parseInt(mode ?? '', 8) & 0o022]).toEqual([line, 0])
    }
    expect(await root.rpm('-V', '--nodeps', 'aem-reseal')).toMatchObject({ exit: 0, stdout: '' })
  })

  it('touches nothing outside its own places, and leaves nothing behind', async () => {
    const root = await makeRpmRoot()
    expect((await root.rpm('-i', ...(await dependencies()))).exit).toBe(0)
    await root.write('/etc/anti-evil-maid.conf', 'SEAL="--pcr 13"\n')
    const before = await root.list()
    expect((await root.rpm('-i', first)).exit).toBe(0)
    const added = (await root.list()).filter((file) => !before.includes(file))
    const places = /^\/(etc\/(aem-reseal|xdg|profile\.d)|usr|var\/spool\/aem-reseal)(\/|$)/
    expect(added.filter((file) => !places.test(file))).toEqual([])
    expect(added.some((file) => file.startsWith('/boot') || file.startsWith('/etc/grub.d'))).toBe(false)
    expect((await root.rpm('-U', second)).exit).toBe(0)
    expect((await remove(root)).exit).toBe(0)
    // Directories that distributions own; the tree of this test has no package that does.
    const shared = [
      '/etc/profile.d',
      '/etc/xdg',
      '/etc/xdg/autostart',
      '/usr',
      '/usr/bin',
      '/usr/lib',
      '/usr/libexec',
    ]
    const share = ['', '/doc', '/licenses', ...SHELL_DIRECTORIES, '/man', '/man/man1', '/man/man8']
    const left = (await root.list()).filter((file) => !before.includes(file))
    expect(left).toEqual([...shared, ...share.map((name) => `/usr/share${name}`)].sort())
  })
})

describe('completions and manual pages', () => {
  it('are where the shells and man look, dated as the package', async () => {
    const root = await installed()
    for (const file of [
      'bash-completion/completions/aem-reseal',
      'zsh/site-functions/_aem-reseal',
      'fish/vendor_completions.d/aem-reseal.fish',
      'man/man1/aem-reseal.1',
      'man/man8/aem-reseal-gate.8',
    ])
      expect([file, (await root.read(`/usr/share/${file}`)).length > 500]).toEqual([file, true])
    const built = await root.rpm('-q', '--qf', '%{BUILDTIME}', 'aem-reseal')
    const day = new Date(Number(built.stdout) * 1000).toISOString().slice(0, 10)
    expect(await root.read('/usr/share/man/man1/aem-reseal.1')).toContain(day)
  })
})

describe('the compile cache', () => {
  const ENTRY = `${COMPILE_CACHE}/v22.11.0-x64`

  it('is gone with the package, and stays over an upgrade', async () => {
    const root = await installed()
    await root.write(ENTRY, 'compiled\n')
    expect(await root.rpm('-V', '--nodeps', 'aem-reseal')).toMatchObject({ exit: 0, stdout: '' })
    expect((await root.rpm('-U', second)).exit).toBe(0)
    expect(await root.read(ENTRY)).toBe('compiled\n')
    expect((await root.rpm('-q', '-f', COMPILE_CACHE)).stdout).toMatch(/^aem-reseal-/)
    expect((await remove(root)).exit).toBe(0)
    expect((await root.list()).filter((file) => file.startsWith(COMPILE_CACHE))).toEqual([])
  })

  it('is left where somebody else could lead the removal elsewhere, and a link in it is not followed', async () => {
    const foreign = await installed()
    await foreign.write(ENTRY, 'compiled\n')
    await chown(foreign.path(COMPILE_CACHE), 4242, 4242)
    expect((await remove(foreign)).exit).toBe(0)
    expect(await foreign.read(ENTRY)).toBe('compiled\n')
    const linked = await installed()
    await linked.write('/etc/precious', 'kept\n')
    await linked.write(ENTRY, 'compiled\n')
    await symlink('/etc', linked.path(`${COMPILE_CACHE}/link`))
    expect((await remove(linked)).exit).toBe(0)
    expect(await linked.read('/etc/precious')).toBe('kept\n')
    expect((await linked.list()).filter((file) => file.startsWith(COMPILE_CACHE))).toEqual([])
  })
})

describe('its drop-in', () => {
  it('is taken away with the last removal when its bytes are the program’s own', async () => {
    const root = await installed()
    await root.write(HOLD_DROP_IN, DROP_IN)
    const done = await remove(root)
    expect(done).toMatchObject({ exit: 0 })
    expect(done.stderr).toContain(`removed ${HOLD_DROP_IN}`)
    expect(done.stderr).not.toContain('session')
    expect((await root.list()).filter((file) => file.includes('systemd/system/'))).toEqual([])
  })

  it('stays where somebody changed it, and is named', async () => {
    const root = await installed()
    await root.write(HOLD_DROP_IN, `${DROP_IN}TimeoutStartSec=10\n`)
    const done = await remove(root)
    expect(done).toMatchObject({ exit: 0 })
    expect(done.stderr).toContain(`${HOLD_DROP_IN} is not as this program wrote it, and is left`)
    expect(await root.read(HOLD_DROP_IN)).toBe(`${DROP_IN}TimeoutStartSec=10\n`)
  })

  it('stays where it names the program that lies in /usr/local by hand', async () => {
    const root = await installed()
    const other = renderDropIn(command('gate-asked', { program: PROGRAM_PLACES[1] ?? '' }).argv)
    await root.write(HOLD_DROP_IN, other)
    expect((await remove(root)).exit).toBe(0)
    expect(await root.read(HOLD_DROP_IN)).toBe(other)
  })

  it('stays over an upgrade, and nothing is said of it', async () => {
    const root = await installed()
    await root.write(HOLD_DROP_IN, DROP_IN)
    await root.write(SESSION, '{}\n', 0o600)
    const done = await root.rpm('-U', second)
    expect(done).toMatchObject({ exit: 0 })
    expect(done.stderr).not.toContain('aem-reseal:')
    expect(await root.read(HOLD_DROP_IN)).toBe(DROP_IN)
    expect(await root.read(SESSION)).toBe('{}\n')
    expect((await root.rpm('-q', 'aem-reseal')).stdout).toMatch(/^aem-reseal-[0-9.]+-2\.noarch\n$/)
  })

  it('never stops a removal: no directory, a folder or a dangling link in its place', async () => {
    const root = await installed()
    expect(await remove(root)).toMatchObject({ exit: 0, stderr: expect.not.stringContaining('aem-reseal:') })
    for (const place of ['directory', 'link']) {
      const other = await installed()
      await other.write(`${HOLD_DROP_IN}/x`, '')
      if (place === 'link') {
        await rm(other.path(HOLD_DROP_IN), { recursive: true })
        await symlink('/nowhere', other.path(HOLD_DROP_IN))
      }
      const done = await remove(other)
      expect(done).toMatchObject({ exit: 0 })
      expect(done.stderr).toContain('could not be read and is left')
    }
  })
})

describe('an open session', () => {
  it('is named on removal and kept, with its reports, and AEM’s seal is said not to be held', async () => {
    const root = await installed()
    await root.write(SESSION, '{}\n', 0o600)
    await root.write('/var/lib/aem-reseal/reports/a.md', 'report\n', 0o600)
    await root.write(HOLD_DROP_IN, DROP_IN)
    const done = await remove(root)
    expect(done).toMatchObject({ exit: 0 })
    expect(done.stderr).toContain('a session is open; it is kept in /var/lib/aem-reseal')
    expect(done.stderr).toContain("AEM's next automatic seal is not held")
    expect(await root.read(SESSION)).toBe('{}\n')
    expect(await root.read('/var/lib/aem-reseal/reports/a.md')).toBe('report\n')
  })
})
