import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Failure } from '../../src/core/failure.ts'
import { guestEnvironment } from '../../src/host/environment.ts'
import type { Host } from '../../src/host/host.ts'
import { makeRealHost } from '../../src/host/real.ts'
import { type CommandCall, command } from '../../src/tables/commands.ts'
import { failureOf } from '../support/failure-of.ts'
import { temporaryDirectory } from '../support/temporary.ts'

function hostWith(stateDir: string): Host {
  return makeRealHost({ stateDir, userDirectories: [] })
}

/** A call as the table would make it, of a program that every Linux has. */
function callOf(argv: readonly string[], changes: Partial<CommandCall> = {}): CommandCall {
  return { ...command('xl-info', {}), argv, timeoutMs: 20_000, maxOutputBytes: 64 * 1024, ...changes }
}

describe('paths', () => {
  it('that are not in the table are refused before anything is opened', async () => {
    const host = hostWith('/var/lib/aem-reseal')
    for (const path of [
      '/etc/shadow',
      '/etc/hostname',
      '/var/lib/aem-reseal/../x',
      '/run/aem-reseal/../../etc/shadow',
      'relative',
    ]) {
      await expect(host.readFile(path)).rejects.toThrow(/not in src\/tables\/paths\.ts/)
      await expect(host.statFile(path)).rejects.toThrow(/not in src\/tables\/paths\.ts/)
      await expect(host.listDirectory(path)).rejects.toThrow(/not in src\/tables\/paths\.ts/)
      await expect(host.digestFile(path)).rejects.toThrow(/not in src\/tables\/paths\.ts/)
      await expect(host.readLink(path)).rejects.toThrow(/not in src\/tables\/paths\.ts/)
      await expect(host.writeFileAtomic(path, Buffer.from('x'), 0o600)).rejects.toThrow(
        /not in src\/tables\/paths\.ts/,
      )
      await expect(host.removeFile(path)).rejects.toThrow(/not in src\/tables\/paths\.ts/)
    }
  })

  it('that may only be read are refused for writing', async () => {
    const host = hostWith('/var/lib/aem-reseal')
    await expect(host.writeFileAtomic('/boot/grub2/grub.cfg', Buffer.from('x'), 0o600)).rejects.toThrow(
      /for write/,
    )
    await expect(host.removeFile('/boot/xen-4.17.4.gz')).rejects.toThrow(/for write/)
    await expect(host.renameFile('/boot/a', '/boot/b')).rejects.toThrow(/for write/)
  })

  it('that do not exist are absent, also below a file', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'file'), '')
    const host = hostWith(directory)
    expect(await host.readFile(join(directory, 'none'))).toEqual({ state: 'absent' })
    expect(await host.readFile(join(directory, 'file/below'))).toEqual({ state: 'absent' })
    expect(await host.listDirectory(join(directory, 'none'))).toEqual({ state: 'absent' })
  })

  it('that are no files are unknown, and nothing waits for them', async () => {
    const directory = temporaryDirectory()
    execFileSync('/usr/bin/mkfifo', [join(directory, 'fifo')])
    execFileSync('/usr/bin/mknod', [join(directory, 'zero'), 'c', '1', '5'])
    mkdirSync(join(directory, 'folder'))
    const host = hostWith(directory)
    for (const name of ['fifo', 'zero', 'folder']) {
      expect((await host.readFile(join(directory, name))).state, name).toBe('unknown')
      expect((await host.digestFile(join(directory, name))).state, name).toBe('unknown')
    }
  })
})

describe("an AEM device's own files", () => {
  it('are never links out of the device: its owner could be anybody', async () => {
    const device = temporaryDirectory()
    mkdirSync(join(device, 'grub2'))
    symlinkSync('/etc/passwd', join(device, 'grub2/grub.cfg'))
    symlinkSync('/etc', join(device, 'grub'))
    symlinkSync('/dev/zero', join(device, 'xen-4.17.4.gz'))
    const host = hostWith('/var/lib/aem-reseal')
    const media = await host.openMedia({ uuid: 'aaaa-bbbb', mountPoint: device })
    expect(media.state).toBe('seen')
    for (const name of ['grub2/grub.cfg', 'grub/passwd', 'xen-4.17.4.gz']) {
      expect((await host.readFile(join(device, name))).state, name).toBe('unknown')
      expect((await host.digestFile(join(device, name))).state, name).toBe('unknown')
    }
    expect((await host.listDirectory(join(device, 'grub'))).state).toBe('unknown')
  })

  it('are no links at all: GRUB and the initrd would read other files than dom0', async () => {
    const device = temporaryDirectory()
    writeFileSync(join(device, 'xen-4.17.4.gz'), 'xen')
    symlinkSync('xen-4.17.4.gz', join(device, 'xen.gz'))
    const host = hostWith('/var/lib/aem-reseal')
    await host.openMedia({ uuid: 'aaaa-bbbb', mountPoint: device })
    expect((await host.readFile(join(device, 'xen.gz'))).state).toBe('unknown')
    expect((await host.readFile(join(device, 'xen-4.17.4.gz'))).state).toBe('seen')
  })

  it('are never written through a link, where a look saw a directory before', async () => {
    const [device, target] = [temporaryDirectory(), temporaryDirectory()]
    const id = '0'.repeat(40)
    const aside = join(device, 'aem/tpms', id, 'aem-reseal_aem')
    mkdirSync(join(device, 'aem'))
    symlinkSync(target, join(device, 'aem/tpms'))
    mkdirSync(join(target, id, 'aem-reseal_aem'), { recursive: true })
    writeFileSync(join(target, id, 'aem-reseal_aem/key.pub'), 'mine')
    const host = hostWith('/var/lib/aem-reseal')
    await host.openMedia({ uuid: 'aaaa-bbbb', mountPoint: device })
    for (const work of [
      () => host.writeFileAtomic(join(aside, 'key.pub'), Buffer.from('x'), 0o600),
      () => host.makePrivateDirectory(aside),
      () => host.removeFile(aside),
    ]) {
      const { text } = await failureOf(work())
      expect(text).toMatchObject({ code: 'write-failed', what: expect.stringContaining('reached by a link') })
    }
    expect(readFileSync(join(target, id, 'aem-reseal_aem/key.pub'), 'utf8')).toBe('mine')
  })

  it('that is not plugged in is absent', async () => {
    const host = hostWith('/var/lib/aem-reseal')
    expect(await host.openMedia({ uuid: 'aaaa-bbbb', mountPoint: null })).toEqual({ state: 'absent' })
  })
})

describe('writing', () => {
  it('leaves a file of mode 0600 in a directory of mode 0700, and nothing else', async () => {
    const state = join(temporaryDirectory(), 'a/b')
    const host = hostWith(state)
    await host.makePrivateDirectory(state)
    await host.writeFileAtomic(join(state, 'session.json'), Buffer.from('one'), 0o600)
    await host.writeFileAtomic(join(state, 'session.json'), Buffer.from('two'), 0o600)
    expect(readFileSync(join(state, 'session.json'), 'utf8')).toBe('two')
    expect(statSync(join(state, 'session.json')).mode & 0o777).toBe(0o600)
    expect(statSync(state).mode & 0o777).toBe(0o700)
    expect(readdirSync(state)).toEqual(['session.json'])
  })

  it('leaves the mode of a directory that is there as it is', async () => {
    const state = temporaryDirectory()
    chmodSync(state, 0o755)
    const host = hostWith(state)
    await host.makePrivateDirectory(state)
    await host.writeFileAtomic(join(state, 'session.json'), Buffer.from('x'), 0o600)
    expect(statSync(state).mode & 0o7777).toBe(0o755)
    expect(statSync(join(state, 'session.json')).mode & 0o777).toBe(0o600)
  })

  it('replaces what a crash left, also when it is a link to elsewhere', async () => {
    const state = temporaryDirectory()
    const target = join(temporaryDirectory(), 'target')
    writeFileSync(target, 'untouched')
    writeFileSync(join(state, 'session.json'), 'old')
    symlinkSync(target, join(state, '.session.json.new'))
    await hostWith(state).writeFileAtomic(join(state, 'session.json'), Buffer.from('new'), 0o600)
    expect(readFileSync(join(state, 'session.json'), 'utf8')).toBe('new')
    expect(readFileSync(target, 'utf8')).toBe('untouched')
    expect(readdirSync(state)).toEqual(['session.json'])
  })

  it('replaces a link in the place of the file, and writes nothing through it', async () => {
    const state = temporaryDirectory()
    const target = join(temporaryDirectory(), 'target')
    writeFileSync(target, 'untouched')
    symlinkSync(target, join(state, 'session.json'))
    await hostWith(state).writeFileAtomic(join(state, 'session.json'), Buffer.from('new'), 0o600)
    expect(readFileSync(target, 'utf8')).toBe('untouched')
    expect(readFileSync(join(state, 'session.json'), 'utf8')).toBe('new')
  })

  it('keeps the old file whole when the program dies before the rename', async () => {
    const state = temporaryDirectory()
    writeFileSync(join(state, 'session.json'), 'old')
    vi.resetModules()
    vi.doMock('node:fs/promises', async (importOriginal) => {
      const original = await importOriginal<typeof import('node:fs/promises')>()
      const rename = async (): Promise<never> => {
        throw new Error('died')
      }
      return { ...original, rename, default: { ...original, rename } }
    })
    onTestFinished(() => vi.doUnmock('node:fs/promises'))
    const { makeRealHost: makeDyingHost } = await import('../../src/host/real.ts')
    const dying = makeDyingHost({ stateDir: state, userDirectories: [] })
    await expect(
      dying.writeFileAtomic(join(state, 'session.json'), Buffer.from('new'), 0o600),
    ).rejects.toThrow()
    expect(readFileSync(join(state, 'session.json'), 'utf8')).toBe('old')
  })

  it('on a full disk says so, keeps the old file and leaves no rubbish', async () => {
    const state = temporaryDirectory()
    execFileSync('/usr/bin/mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', state])
    onTestFinished(() => void execFileSync('/usr/bin/umount', [state]))
    const host = hostWith(state)
    const path = join(state, 'session.json')
    await host.writeFileAtomic(path, Buffer.from('old'), 0o600)
    const failure = await failureOf(host.writeFileAtomic(path, Buffer.alloc(1024 * 1024, 'x'), 0o600))
    expect(failure.text).toMatchObject({ code: 'disk-full', what: expect.stringContaining(path) })
    expect(failure.text.next).toMatch(/space/)
    expect(failure.exit).toBe(1)
    expect(readFileSync(path, 'utf8')).toBe('old')
    expect(readdirSync(state)).toEqual(['session.json'])
  })

  it('on a read-only file system says so, and loses nothing', async () => {
    const state = temporaryDirectory()
    execFileSync('/usr/bin/mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', state])
    onTestFinished(() => void execFileSync('/usr/bin/umount', [state]))
    writeFileSync(join(state, 'session.json'), 'old')
    execFileSync('/usr/bin/mount', ['-o', 'remount,ro', state])
    const host = hostWith(state)
    for (const work of [
      () => host.writeFileAtomic(join(state, 'session.json'), Buffer.from('new'), 0o600),
      () => host.makePrivateDirectory(join(state, 'reports')),
      () => host.removeFile(join(state, 'session.json')),
    ]) {
      const failure = await failureOf(work())
      expect(failure.text.code).toBe('write-failed')
      expect(failure.text.what).toContain(state)
    }
    expect(readFileSync(join(state, 'session.json'), 'utf8')).toBe('old')
  })

  it('copies a file in one rename, and only what it was told it is', async () => {
    const [device, directory] = [temporaryDirectory(), temporaryDirectory()]
    const content = Buffer.alloc(3 * 1024 * 1024 + 7, 'xen')
    const sha256 = createHash('sha256').update(content).digest('hex')
    writeFileSync(join(directory, 'source'), content)
    writeFileSync(join(device, 'xen-4.17.4.gz'), 'old')
    symlinkSync('/etc/passwd', join(device, '.xen-4.17.4.gz.new'))
    const host = makeRealHost({ stateDir: '/var/lib/aem-reseal', userDirectories: [directory] })
    await host.openMedia({ uuid: 'aaaa-bbbb', mountPoint: device, write: true })
    const [from, to] = [join(directory, 'source'), join(device, 'xen-4.17.4.gz')]
    const failure = await failureOf(host.copyFile(from, to, 'f'.repeat(64)))
    expect(failure.text.what).toMatch(/not the file that was to be copied/)
    expect(readFileSync(to, 'utf8')).toBe('old')
    await host.copyFile(from, to, sha256)
    expect(readFileSync(to).equals(content)).toBe(true)
    expect(readdirSync(device)).toEqual(['xen-4.17.4.gz'])
    await expect(host.copyFile(from, join(device, 'grub2/themes'), sha256)).rejects.toThrow(/for write/)
    await expect(host.copyFile('/etc/shadow', to, sha256)).rejects.toThrow(/for read/)
  })

  it('copies nothing through a link in the place of the source', async () => {
    const device = temporaryDirectory()
    symlinkSync('/etc/passwd', join(device, 'xen-1.gz'))
    const host = hostWith('/var/lib/aem-reseal')
    await host.openMedia({ uuid: 'aaaa-bbbb', mountPoint: device, write: true })
    const sha256 = createHash('sha256').update(readFileSync('/etc/passwd')).digest('hex')
    await failureOf(host.copyFile(join(device, 'xen-1.gz'), join(device, 'xen-2.gz'), sha256))
    expect(existsSync(join(device, 'xen-2.gz'))).toBe(false)
  })

  it('removes what is there, and does not mind what is not', async () => {
    const state = temporaryDirectory()
    const host = hostWith(state)
    writeFileSync(join(state, 'session.json'), '')
    await host.removeFile(join(state, 'session.json'))
    await host.removeFile(join(state, 'session.json'))
    expect(existsSync(join(state, 'session.json'))).toBe(false)
  })
})

describe('a state directory', () => {
  const NOBODY = 65534

  /** What is believed there, and what would be written there, answered by a host. */
  async function lookAt(state: string) {
    const host = hostWith(state)
    const session = await host.readFile(join(state, 'session.json'))
    const versions = await host.readFile(join(state, 'versions.json'))
    const failure = await host.writeFileAtomic(join(state, 'held.json'), Buffer.from('x'), 0o600).then(
      () => null,
      (error: Failure) => error.text,
    )
    return { session, versions, failure }
  }

  function filledDirectory(): string {
    const state = join(temporaryDirectory(), 'state')
    mkdirSync(state, { mode: 0o700 })
    writeFileSync(join(state, 'session.json'), 'session', { mode: 0o600 })
    return state
  }

  it('of the user who runs this is believed', async () => {
    expect(await lookAt(filledDirectory())).toMatchObject({
      session: { state: 'seen' },
      versions: { state: 'absent' },
      failure: null,
    })
  })

  it.each([
    ['belongs to somebody else', (state: string) => chownSync(state, NOBODY, NOBODY)],
    ['others can write to', (state: string) => chmodSync(state, 0o777)],
    ['a group can write to', (state: string) => chmodSync(state, 0o770)],
    ['others can write to, though sticky', (state: string) => chmodSync(state, 0o1777)],
    ['lies where others can rename it', (state: string) => chmodSync(join(state, '..'), 0o777)],
    ['lies where somebody else is at home', (state: string) => chownSync(join(state, '..'), NOBODY, NOBODY)],
  ])('that %s is not: nothing is read, nothing is absent, nothing is written', async (_why, spoil) => {
    const state = filledDirectory()
    spoil(state)
    const { session, versions, failure } = await lookAt(state)
    expect(session).toMatchObject({ state: 'unknown', why: expect.stringMatching(/belongs to|can write to/) })
    expect(versions).toMatchObject({ state: 'unknown' })
    expect(failure).toMatchObject({ code: 'write-failed' })
    expect(existsSync(join(state, 'held.json'))).toBe(false)
  })

  it.each([
    ['belongs to somebody else', (file: string) => chownSync(file, NOBODY, NOBODY)],
    ['others can write to', (file: string) => chmodSync(file, 0o666)],
  ])('is believed but for a file that %s', async (_why, spoil) => {
    const state = filledDirectory()
    spoil(join(state, 'session.json'))
    const { session, versions } = await lookAt(state)
    expect(session).toMatchObject({ state: 'unknown', why: expect.stringContaining('session.json') })
    expect(versions).toEqual({ state: 'absent' })
  })

  it('is not believed through a link that somebody else put on the way', async () => {
    const [place, state] = [temporaryDirectory(), filledDirectory()]
    symlinkSync(state, join(place, 'own'))
    symlinkSync(state, join(place, 'foreign'))
    lchownSync(join(place, 'foreign'), NOBODY, NOBODY)
    expect(await lookAt(join(place, 'own'))).toMatchObject({ session: { state: 'seen' }, failure: null })
    expect(await lookAt(join(place, 'foreign'))).toMatchObject({ session: { state: 'unknown' } })
  })
})

describe('programs', () => {
  const host = hostWith('/var/lib/aem-reseal')

  it('run with an environment built from nothing', async () => {
    vi.stubEnv('NODE_OPTIONS', '--max-old-space-size=100')
    vi.stubEnv('LD_PRELOAD_X', 'x')
    vi.stubEnv('TPM2TOOLS_TCTI', 'swtpm')
    vi.stubEnv('TSS2_LOG', 'all+trace')
    vi.stubEnv('GNUPGHOME', '/tmp/x')
    vi.stubEnv('TZ', 'Europe/Berlin')
    onTestFinished(() => vi.unstubAllEnvs() as unknown as undefined)
    const run = await host.run(callOf(['/usr/bin/env']))
    const names =
      run.state === 'seen'
        ? run.value.stdout
            .trim()
            .split('\n')
            .map((line) => line.split('=')[0])
        : []
    expect(names.sort()).toEqual(['HOME', 'LC_ALL', 'PATH', 'TZ'])
    expect(guestEnvironment({ PATH: '/tmp/evil', LC_ALL: 'de_DE', HOME: '/root' })).toEqual({
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C',
      HOME: '/root',
    })
  })

  it('get no shell, no standard input and the root directory', async () => {
    const echo = await host.run(callOf(['/usr/bin/echo', '$HOME', ';', 'id', '*']))
    expect(echo).toMatchObject({ value: { stdout: '$HOME ; id *\n' } })
    expect(await host.run(callOf(['/usr/bin/cat']))).toMatchObject({ value: { exit: 0, stdout: '' } })
    expect(await host.run(callOf(['/usr/bin/pwd']))).toMatchObject({ value: { stdout: '/\n' } })
  })

  it('answer with exit code and both outputs, whatever the exit code is', async () => {
    expect(await host.run(callOf(['/usr/bin/ls', '/proc/nonexistent']))).toMatchObject({
      state: 'seen',
      value: { exit: 2, stdout: '', stderr: expect.stringContaining('/proc/nonexistent') },
    })
  })

  it('that are missing are absent', async () => {
    expect(await host.run(callOf(['/usr/bin/there-is-no-such-program']))).toEqual({ state: 'absent' })
  })

  it('that do not end in time are ended, and the answer is unknown', async () => {
    const answer = await host.run(callOf(['/usr/bin/sleep', '3600'], { timeoutMs: 200 }))
    expect(answer).toEqual({ state: 'unknown', why: expect.stringContaining('did not end within') })
  })

  it('that print without end are ended, and the answer is unknown', async () => {
    const answer = await host.run(callOf(['/usr/bin/yes'], { maxOutputBytes: 1000 }))
    expect(answer).toEqual({ state: 'unknown', why: expect.stringContaining('more than 1000 bytes') })
  })

  it('that die by a signal are unknown', async () => {
    const answer = await host.run(callOf(['/usr/bin/python3', '-c', 'import os; os.kill(os.getpid(), 9)']))
    expect(answer.state).toBe('unknown')
  })

  it('that cannot be executed are unknown or absent, never an error', async () => {
    const file = join(temporaryDirectory(), 'text')
    writeFileSync(file, 'no program')
    for (const path of [file, '/etc']) {
      expect(['unknown', 'absent']).toContain((await host.run(callOf([path]))).state)
    }
  })

  it('must have an absolute path', async () => {
    await expect(host.run(callOf(['echo', 'x']))).rejects.toThrow(/absolute/)
  })

  it('that change something come to their end before the host is closed', async () => {
    const state = temporaryDirectory()
    const own = hostWith(state)
    const mark = join(state, 'mark')
    const script = `import time; time.sleep(0.5); open(${JSON.stringify(mark)}, "w")`
    const running = own.run(callOf(['/usr/bin/python3', '-c', script], { effect: 'write' }))
    await own.close()
    expect(existsSync(mark)).toBe(true)
    await running
  })
})

describe('digestFile', () => {
  it('hashes a large file in pieces', async () => {
    const state = temporaryDirectory()
    const bytes = Buffer.alloc(5 * 1024 * 1024 + 17, 'abc')
    writeFileSync(join(state, 'large'), bytes)
    const digests = await hostWith(state).digestFile(join(state, 'large'))
    expect(digests).toMatchObject({
      value: {
        sizeBytes: bytes.length,
        sha1: createHash('sha1').update(bytes).digest('hex'),
        sha256: createHash('sha256').update(bytes).digest('hex'),
      },
    })
  })
})

it('hashes no file that has no end: a stick can carry a sparse one', async () => {
  const state = temporaryDirectory()
  const path = join(state, 'sparse')
  writeFileSync(path, '')
  truncateSync(path, 2 ** 40)
  const host = hostWith(state)
  const large = { state: 'unknown', why: expect.stringContaining('1099511627776 bytes') }
  expect(await host.digestFile(path)).toEqual(large)
  expect(await host.openFile(path)).toEqual(large)
})

describe('freeBytes and work directories', () => {
  it('tells the free space of a file system', async () => {
    const state = temporaryDirectory()
    execFileSync('/usr/bin/mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', state])
    onTestFinished(() => void execFileSync('/usr/bin/umount', [state]))
    expect(await hostWith(state).freeBytes(state)).toEqual({ state: 'seen', value: 64 * 1024 })
  })

  it('makes none in a directory that somebody else made before', async () => {
    const run = temporaryDirectory()
    const root = join(run, 'aem-reseal-1234')
    mkdirSync(root)
    chownSync(root, 65534, 65534)
    vi.stubEnv('XDG_RUNTIME_DIR', run)
    vi.spyOn(process, 'getuid').mockReturnValue(1234)
    onTestFinished(() => void vi.unstubAllEnvs())
    onTestFinished(() => void vi.restoreAllMocks())
    const { text } = await failureOf(hostWith('/var/lib/aem-reseal').makeWorkDirectory())
    expect(text).toMatchObject({ code: 'write-failed', what: expect.stringContaining(root) })
    expect(readdirSync(root)).toEqual([])
  })

  it('makes a private directory that is gone when the host is closed', async () => {
    const host = hostWith('/var/lib/aem-reseal')
    const { root } = await host.makeWorkDirectory()
    onTestFinished(() => rmSync(root, { recursive: true, force: true }))
    expect(statSync(root).mode & 0o777).toBe(0o700)
    await host.writeFileAtomic(join(root, 'file'), Buffer.from('x'), 0o600)
    await host.close()
    expect(existsSync(root)).toBe(false)
  })
})
