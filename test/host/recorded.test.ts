import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import type { Host } from '../../src/host/host.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { command } from '../../src/tables/commands.ts'
import { mediaMountPoint } from '../../src/tables/paths.ts'
import { failureOf } from '../support/failure-of.ts'
import { aemDom0, RecordedDom0, STICK_UUID } from '../support/recorded-machine.ts'
import { temporaryDirectory } from '../support/temporary.ts'

async function textOf(host: Host, path: string): Promise<string> {
  const look = await host.readFile(path)
  return look.state === 'seen' ? Buffer.from(look.value).toString('utf8') : look.state
}

function empty(): RecordedDom0 {
  return new RecordedDom0()
}

describe('unknown is not absent', () => {
  it('answers unknown for what is not recorded, absent for what is known not to exist', async () => {
    const directory = empty().withFile('/etc/qubes-release', 'x').without('/sys/class/tpm/tpm0').write()
    const host = await makeRecordedHost(directory)
    expect((await host.readFile('/etc/anti-evil-maid.conf')).state).toBe('unknown')
    expect((await host.statFile('/sys/class/tpm/tpm0')).state).toBe('absent')
    expect((await host.readFile('/sys/class/tpm/tpm0/tpm_version_major')).state).toBe('absent')
    expect((await host.listDirectory('/sys/class/tpm/tpm0')).state).toBe('absent')
    // A neighbour of an absent path is only unknown.
    expect((await host.statFile('/sys/class/tpm/tpm01')).state).toBe('unknown')
  })

  it('never falls through to the machine that the program runs on', async () => {
    const host = await makeRecordedHost(empty().write())
    for (const path of [
      '/proc/cmdline',
      '/proc/stat',
      '/proc/sys/kernel/random/boot_id',
      '/boot',
      '/dev/null',
      '/etc/passwd',
    ]) {
      expect((await host.readFile(path)).state, path).toBe('unknown')
      expect((await host.statFile(path)).state, path).toBe('unknown')
      expect((await host.listDirectory(path)).state, path).toBe('unknown')
      expect((await host.digestFile(path)).state, path).toBe('unknown')
      expect((await host.readLink(path)).state, path).toBe('unknown')
    }
    expect((await host.run(command('lsblk', {}))).state).toBe('unknown')
    expect((await host.run(command('xl-info', {}))).state).toBe('unknown')
    expect((await host.openMedia({ uuid: STICK_UUID, mountPoint: null })).state).toBe('unknown')
  })

  it('takes a program for missing when its path is listed as absent', async () => {
    const host = await makeRecordedHost(empty().without('/usr/sbin/xl').write())
    expect((await host.run(command('xl-info', {}))).state).toBe('absent')
  })

  it('tells an empty directory by .keep, and does not show the .keep', async () => {
    const host = await makeRecordedHost(empty().withFile('/var/lib/anti-evil-maid/.keep', '').write())
    expect(await host.listDirectory('/var/lib/anti-evil-maid')).toEqual({ state: 'seen', value: [] })
  })
})

describe('commands', () => {
  const qubes = command('running-qubes', {})

  it('answers in the order listed, then the last again', async () => {
    const machine = empty()
      .answering('running-qubes', {}, { stdout: 'one\n' })
      .answering('running-qubes', {}, { stdout: 'two\n', exit: 3 })
    const host = await makeRecordedHost(machine.write())
    const answers = [await host.run(qubes), await host.run(qubes), await host.run(qubes)]
    expect(answers).toEqual([
      { state: 'seen', value: { exit: 0, stdout: 'one\n', stderr: '' } },
      { state: 'seen', value: { exit: 3, stdout: 'two\n', stderr: '' } },
      { state: 'seen', value: { exit: 3, stdout: 'two\n', stderr: '' } },
    ])
  })

  it('takes outputs from files of the directory', async () => {
    const directory = empty()
      .answering('running-qubes', {}, { stdout: { file: 'qubes.txt' }, stderr: { file: 'said.txt' } })
      .write()
    writeFileSync(join(directory, 'qubes.txt'), 'work\n')
    writeFileSync(join(directory, 'said.txt'), 'hello\n')
    const host = await makeRecordedHost(directory)
    expect(await host.run(qubes)).toMatchObject({ value: { stdout: 'work\n', stderr: 'hello\n' } })
  })

  it('matches the whole argv, never a part or another order', async () => {
    const directory = empty().write()
    const argv = [...qubes.argv]
    const others = [argv.slice(0, -1), [...argv, ''], [argv[0], ...argv.slice(1).reverse()], [argv.join(' ')]]
    writeFileSync(
      join(directory, 'commands.json'),
      JSON.stringify(others.map((own) => ({ argv: own, stdout: 'no' }))),
    )
    const host = await makeRecordedHost(directory)
    expect((await host.run(qubes)).state).toBe('unknown')
  })

  it('knows no sudo: what is run as root is listed without it', async () => {
    const host = await makeRecordedHost(
      empty().answering('xl-info', {}, { stdout: 'xen_version            : 4.17.4\n' }).write(),
    )
    const { argv, asRoot } = command('xl-info', {})
    expect(asRoot).toBe(true)
    expect(argv[0]).toBe('/usr/sbin/xl')
    expect((await host.run(command('xl-info', {}))).state).toBe('seen')
  })

  it('runs nothing that changes something, even when an answer is recorded', async () => {
    const host = await makeRecordedHost(empty().answering('seal', {}, { stdout: '' }).write())
    const failure = await failureOf(host.run(command('seal', {})))
    expect(failure.text.code).toBe('machine-is-read-only')
  })

  it.each(['../outside.txt', '/etc/passwd', 'sub/inside.txt', '..', '.', ''])(
    'refuses an output file called %j',
    async (file) => {
      const directory = empty().answering('running-qubes', {}, { stdout: { file } }).write()
      mkdirSync(join(directory, 'sub'))
      writeFileSync(join(directory, 'sub/inside.txt'), 'inside')
      writeFileSync(join(directory, '../outside.txt'), 'outside')
      const host = await makeRecordedHost(directory)
      expect((await failureOf(host.run(qubes))).text.code).toBe('machine-invalid')
    },
  )

  it('refuses an output file that is a link out of the directory, or no file', async () => {
    for (const make of [
      (place: string) => symlinkSync('/etc/passwd', place),
      (place: string) => mkdirSync(place),
      (place: string) => execFileSync('/usr/bin/mkfifo', [place]),
    ]) {
      const directory = empty()
        .answering('running-qubes', {}, { stdout: { file: 'out.txt' } })
        .write()
      make(join(directory, 'out.txt'))
      const host = await makeRecordedHost(directory)
      expect((await failureOf(host.run(qubes))).text.code).toBe('machine-invalid')
    }
  })
})

describe('digests', () => {
  const listed = {
    sha1: 'a'.repeat(40),
    sha256: 'b'.repeat(64),
    sizeBytes: 5,
    gunzipped: { sha1: 'c'.repeat(40), sha256: 'd'.repeat(64) },
  }

  it('are taken from the table, the gunzipped ones too', async () => {
    const machine = empty()
    machine.extra.digests = {
      '/boot/initramfs-6.6.img': listed,
      [`devices/${STICK_UUID}/xen-4.17.4.gz`]: listed,
    }
    const host = await makeRecordedHost(machine.write())
    expect(await host.digestFile('/boot/initramfs-6.6.img')).toEqual({ state: 'seen', value: listed })
    expect(await host.digestFile(`${mediaMountPoint(STICK_UUID)}/xen-4.17.4.gz`)).toEqual({
      state: 'seen',
      value: listed,
    })
    // A file that is only in the table is in its directory too, and has its size.
    expect(await host.listDirectory('/boot')).toEqual({ state: 'seen', value: ['initramfs-6.6.img'] })
    expect(await host.statFile('/boot/initramfs-6.6.img')).toMatchObject({
      value: { kind: 'file', sizeBytes: 5 },
    })
  })

  it('are computed from the file where the table does not have it', async () => {
    const host = await makeRecordedHost(empty().withFile('/boot/tboot.gz', 'abc').write())
    expect(await host.digestFile('/boot/tboot.gz')).toMatchObject({
      value: { sha1: 'a9993e364706816aba3e25717850c26c9cd0d89d', sizeBytes: 3 },
    })
  })

  it('of another form make the machine invalid', async () => {
    for (const wrong of [
      { ...listed, sha1: 'A'.repeat(40) },
      { ...listed, sha256: 'b' },
      { ...listed, sizeBytes: -1 },
    ]) {
      const machine = empty()
      machine.extra.digests = { '/boot/xen.gz': wrong }
      expect((await failureOf(makeRecordedHost(machine.write()))).text.code).toBe('machine-invalid')
    }
  })
})

describe('devices that are not mounted', () => {
  it('are found by their UUID', async () => {
    const host = await makeRecordedHost(aemDom0().withStick().write())
    const media = await host.openMedia({ uuid: STICK_UUID, mountPoint: null })
    expect(media).toMatchObject({ state: 'seen', value: { root: mediaMountPoint(STICK_UUID) } })
    expect(await host.listDirectory(mediaMountPoint(STICK_UUID))).toMatchObject({
      value: ['aem', 'vmlinuz-6.6.36-1.qubes.fc37.x86_64', 'xen-4.17.4.gz'],
    })
  })

  it('keep their absolute links inside their own tree', async () => {
    const machine = empty()
      .withFile('/etc/secret', "dom0's")
      .withFile(`devices/${STICK_UUID}/etc/secret`, "the stick's")
      .withLink(`devices/${STICK_UUID}/link`, '/etc/secret')
    const host = await makeRecordedHost(machine.write())
    expect(await textOf(host, `${mediaMountPoint(STICK_UUID)}/link`)).toBe("the stick's")
  })

  it("are not absent because a file of dom0's is", async () => {
    const machine = empty()
      .without('/xen.gz')
      .withFile(`devices/${STICK_UUID}/xen.gz`, 'there')
      .withLink(`devices/${STICK_UUID}/link`, '/xen.gz')
    const host = await makeRecordedHost(machine.write())
    expect(await textOf(host, `${mediaMountPoint(STICK_UUID)}/link`)).toBe('there')
  })
})

describe('names and links never leave the directory', () => {
  /** A directory with a secret beside the machine, which no look may show. */
  function machineBesideSecret(): string {
    const top = temporaryDirectory()
    writeFileSync(join(top, 'secret'), 'SECRET')
    mkdirSync(join(top, 'private'))
    writeFileSync(join(top, 'private/secret'), 'SECRET')
    return empty().withFile('/etc/inside', 'inside').write(join(top, 'machine'))
  }

  async function expectNothingLeaks(directory: string, paths: readonly string[]): Promise<void> {
    const host = await makeRecordedHost(directory)
    for (const path of paths) {
      expect(await textOf(host, path), path).not.toContain('SECRET')
      const list = await host.listDirectory(path)
      expect(list.state === 'seen' ? list.value : [], path).not.toContain('secret')
      const digest = await host.digestFile(path)
      expect(digest.state, path).not.toBe('seen')
    }
  }

  it('by ..', async () => {
    const directory = machineBesideSecret()
    await expectNothingLeaks(directory, [
      '/../../secret',
      '/etc/../../../secret',
      '/../private/secret',
      `${mediaMountPoint('..')}/secret`,
    ])
  })

  it('by a link of any kind', async () => {
    const directory = machineBesideSecret()
    const at = (name: string): string => join(directory, 'root', name)
    symlinkSync(join(directory, '../secret'), at('absolute'))
    symlinkSync('../../secret', at('relative'))
    symlinkSync('../../../../../../../../../../../../etc/passwd', at('far'))
    symlinkSync(join(directory, '..'), at('folder'))
    symlinkSync('../../private', at('folder2'))
    symlinkSync('/proc/self/root', at('proc'))
    symlinkSync('folder', at('chained'))
    await expectNothingLeaks(directory, [
      '/absolute',
      '/relative',
      '/folder/secret',
      '/folder2/secret',
      '/chained/secret',
      '/folder',
      '/folder2',
    ])
    const host = await makeRecordedHost(directory)
    expect((await host.readFile('/far')).state).toBe('unknown')
    expect((await host.readFile('/proc/etc/passwd')).state).toBe('unknown')
  })

  it('by a link in the place of its own folders', async () => {
    for (const [name, target, path] of [
      ['root', '../private', '/secret'],
      ['devices', '../private', `${mediaMountPoint('..')}/secret`],
    ] as const) {
      const top = temporaryDirectory()
      mkdirSync(join(top, 'private', STICK_UUID), { recursive: true })
      writeFileSync(join(top, 'private/secret'), 'SECRET')
      writeFileSync(join(top, 'private', STICK_UUID, 'secret'), 'SECRET')
      const directory = join(top, 'machine')
      mkdirSync(directory)
      writeFileSync(join(directory, 'machine.json'), '{"format": 1}')
      symlinkSync(target, join(directory, name))
      await expectNothingLeaks(directory, [
        path,
        `${mediaMountPoint(STICK_UUID)}/secret`,
        '/',
        mediaMountPoint(STICK_UUID),
      ])
    }
  })

  it("by a link in the place of a device's folder", async () => {
    const directory = machineBesideSecret()
    mkdirSync(join(directory, 'devices'))
    symlinkSync('../../private', join(directory, 'devices', STICK_UUID))
    await expectNothingLeaks(directory, [
      `${mediaMountPoint(STICK_UUID)}/secret`,
      mediaMountPoint(STICK_UUID),
    ])
    const host = await makeRecordedHost(directory)
    expect((await host.openMedia({ uuid: STICK_UUID, mountPoint: null })).state).toBe('unknown')
  })

  it.each(['machine.json', 'commands.json'])('by a link in the place of %s', async (name) => {
    const directory = machineBesideSecret()
    const elsewhere = join(directory, '..', name)
    writeFileSync(elsewhere, name === 'machine.json' ? '{"format": 1}' : '[]')
    execFileSync('/bin/rm', ['-f', join(directory, name)])
    symlinkSync(elsewhere, join(directory, name))
    expect((await failureOf(makeRecordedHost(directory))).text.code).toBe('machine-invalid')
  })

  it('follows links that stay inside, absolute ones from the top of the tree', async () => {
    const machine = empty()
      .withFile('/a/b/file', 'found')
      .withLink('/absolute', '/a/b/file')
      .withLink('/a/b/nested', '/a/b/file')
      .withLink('/a/up', '../a/b')
      .withLink('/folder', 'a')
    const host = await makeRecordedHost(machine.write())
    for (const path of ['/absolute', '/a/b/nested', '/a/up/file', '/folder/b/file', '/folder/up/file']) {
      expect(await textOf(host, path), path).toBe('found')
    }
    expect(await host.readLink('/absolute')).toEqual({ state: 'seen', value: '/a/b/file' })
  })

  it('ends at links in a ring', async () => {
    const machine = empty().withLink('/a', 'b').withLink('/b', 'a').withLink('/self', 'self/deeper')
    const host = await makeRecordedHost(machine.write())
    for (const path of ['/a', '/b/x', '/self', '/self/x']) {
      expect((await host.readFile(path)).state, path).toBe('unknown')
      expect((await host.listDirectory(path)).state, path).toBe('unknown')
    }
  })

  it('whatever path is asked for', async () => {
    const directory = machineBesideSecret()
    symlinkSync('../../private', join(directory, 'root/out'))
    const host = await makeRecordedHost(directory)
    const segment = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '',
        'out',
        'etc',
        'inside',
        'secret',
        'private',
        'run',
        'aem-reseal',
        'media',
      ),
      fc.string({ maxLength: 6 }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(segment, { maxLength: 9 }), async (segments) => {
        const path = `/${segments.join('/')}`
        expect(await textOf(host, path)).not.toContain('SECRET')
        for (const look of [
          await host.statFile(path),
          await host.listDirectory(path),
          await host.readLink(path),
        ]) {
          expect(['seen', 'absent', 'unknown']).toContain(look.state)
        }
      }),
    )
  })
})

describe('things that are no files', () => {
  it('do not block and do not fail: they are unknown', async () => {
    const directory = empty().withFile('/etc/x', '').write()
    const at = (name: string): string => join(directory, 'root/etc', name)
    execFileSync('/usr/bin/mkfifo', [at('fifo')])
    execFileSync('/usr/bin/mknod', [at('zero'), 'c', '1', '5'])
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(at('socket'), resolve))
    mkdirSync(at('folder'))
    writeFileSync(at('huge'), '')
    truncateSync(at('huge'), 100 * 1024 ** 3)
    const host = await makeRecordedHost(directory)
    for (const name of ['fifo', 'zero', 'socket', 'folder', 'huge']) {
      expect((await host.readFile(`/etc/${name}`)).state, name).toBe('unknown')
      expect((await host.digestFile(`/etc/${name}`)).state, name).toBe('unknown')
    }
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('a directory that is no recorded machine', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['format 2', '{"format": 2}'],
    ['no format', '{}'],
    ['broken JSON', '{"format": 1'],
    ['an array', '[]'],
    ['null', 'null'],
    ['nothing', ''],
    ['a time that is none', '{"format": 1, "time": "yesterday"}'],
    ['absent that is no list', '{"format": 1, "absent": "x"}'],
    ['JSON nested without end', '['.repeat(100_000)],
  ]
  it.each(cases)('%s gets a clear error', async (_what, text) => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'machine.json'), text)
    const failure = await failureOf(makeRecordedHost(directory))
    expect(failure.text.code).toBe('machine-invalid')
    expect(failure.text.what).toContain('machine.json')
    expect(failure.exit).toBe(1)
  })

  it('without machine.json, or not there at all, gets a clear error', async () => {
    for (const directory of [temporaryDirectory(), '/nonexistent/machine']) {
      expect((await failureOf(makeRecordedHost(directory))).text.what).toContain('machine.json')
    }
  })

  it.each(['[{"argv": []}]', '[{"argv": "ls"}]', '{"a": 1}', '[{"argv": ["/x"], "exit": "0"}]', 'oops'])(
    'commands.json that says %j gets a clear error',
    async (text) => {
      const directory = empty().write()
      writeFileSync(join(directory, 'commands.json'), text)
      expect((await failureOf(makeRecordedHost(directory))).text.what).toContain('commands.json')
    },
  )

  it('is never anything but a failure, whatever machine.json holds', async () => {
    const directory = temporaryDirectory()
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (text) => {
        writeFileSync(join(directory, 'machine.json'), text)
        const error = await makeRecordedHost(directory).then(
          () => null,
          (caught: unknown) => caught,
        )
        expect(error === null || error instanceof Failure).toBe(true)
      }),
    )
  })
})

describe('read-only', () => {
  it('refuses every write with a clear error, and leaves the directory as it was', async () => {
    const directory = aemDom0().write()
    const before = readFileSync(join(directory, 'machine.json'), 'utf8')
    const host = await makeRecordedHost(directory)
    expect(host.writable).toBe(false)
    for (const work of [
      host.writeFileAtomic('/var/lib/aem-reseal/session.json', Buffer.from('x'), 0o600),
      host.makePrivateDirectory('/var/lib/aem-reseal'),
      host.removeFile('/boot/xen-4.17.4.gz'),
      host.renameFile('/boot/a', '/boot/b'),
    ]) {
      const failure = await failureOf(work)
      expect(failure.text.code).toBe('machine-is-read-only')
      expect(failure.exit).toBe(1)
    }
    expect(readFileSync(join(directory, 'machine.json'), 'utf8')).toBe(before)
  })

  it('has the time and the user of the record, not the current ones', async () => {
    const host = await makeRecordedHost(aemDom0().write())
    expect(host.now().toISOString()).toBe('2024-07-17T09:00:00.000Z')
    expect(await host.uid()).toBe(0)
  })

  it('reads the session from the record, or from the state directory that is named', async () => {
    const directory = empty().withFile('/var/lib/aem-reseal/session.json', 'recorded').write()
    const state = temporaryDirectory()
    writeFileSync(join(state, 'session.json'), 'own')
    expect(await textOf(await makeRecordedHost(directory), '/var/lib/aem-reseal/session.json')).toBe(
      'recorded',
    )
    expect(await textOf(await makeRecordedHost(directory, state), `${state}/session.json`)).toBe('own')
    expect(await textOf(await makeRecordedHost(directory, state), `${state}/other.json`)).toBe('absent')
  })
})

it('a session beside a recorded machine that is a pipe keeps nobody waiting, and is not absent', async () => {
  const [machine, state] = [temporaryDirectory(), temporaryDirectory()]
  writeFileSync(join(machine, 'machine.json'), '{"format": 1}')
  execFileSync('/usr/bin/mkfifo', [join(state, 'session.json')])
  const host = await makeRecordedHost(machine, state)
  expect(await host.readFile(join(state, 'session.json'))).toMatchObject({ state: 'unknown' })
  expect(await host.readFile(join(state, 'held.json'))).toEqual({ state: 'absent' })
})
