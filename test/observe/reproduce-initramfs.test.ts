import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { replaceInitramfs } from '../../src/act/replace-initramfs.ts'
import type { Reproduction } from '../../src/core/initramfs/reproduction.ts'
import type { Host } from '../../src/host/host.ts'
import { seen, unknown } from '../../src/host/host.ts'
import {
  buildMachine,
  INTERNAL,
  installInitramfsInput,
  makeBootInitramfs,
} from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { LOADED_MODULES } from '../../src/host/simulated/initramfs.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { observeDevices } from '../../src/observe/device/devices.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { disposeFresh, reproduceInitramfs } from '../../src/observe/initramfs/reproduction.ts'
import type { CommandCall } from '../../src/tables/commands.ts'
import {
  archive,
  directory,
  early,
  entry,
  imageWith,
  pack,
  withBootConfig,
} from '../core/initramfs/image-writer.ts'

const FILE = `initramfs-${KERNEL_RELEASE}.img`
const dom0 = (): SimMachine => buildMachine([INTERNAL], INTERNAL)
const imageOf = (machine: SimMachine): Buffer => Buffer.from(bootFilesOf(machine).get(FILE)?.bytes ?? [])
const putImage = (machine: SimMachine, bytes: Uint8Array): void =>
  bootFilesOf(machine).set(FILE, { bytes, mtimeMs: machine.nowMs })

/** Its main archive with one string exchanged for another of the same length. */
function tamper(image: Buffer, from: string, to: string): Buffer {
  const at = image.indexOf(Buffer.from([0x1f, 0x8b]))
  const main = gunzipSync(image.subarray(at))
  const found = main.indexOf(from)
  if (found === -1 || from.length !== to.length) throw new Error(`cannot tamper ${from}`)
  main.write(to, found, 'latin1')
  return Buffer.concat([image.subarray(0, at), gzipSync(main)])
}

type Watched = { readonly calls: CommandCall[]; readonly said: string[] }

async function reproduce(
  machine: SimMachine,
  change: Partial<Parameters<typeof reproduceInitramfs>[1]> = {},
  told: (host: Host) => Partial<Host> = () => ({}),
): Promise<{ result: Reproduction; host: Host } & Watched> {
  const real = makeSimulatedHost(machine)
  const calls: CommandCall[] = []
  const base: Host = {
    ...real,
    run: (call, input) => {
      calls.push(call)
      return real.run(call, input)
    },
  }
  const host = { ...base, ...told(base) }
  const said: string[] = []
  const request = {
    path: `/boot/${FILE}`,
    name: `/${FILE}`,
    kernelRelease: KERNEL_RELEASE,
    sha256: sha256(imageOf(machine)),
    ...change,
  }
  return {
    result: await reproduceInitramfs(observeDom0(host), request, (what) => said.push(what)),
    host,
    calls,
    said,
  }
}

const dracutCalls = (calls: readonly CommandCall[]) =>
  calls.filter(({ argv }) => argv[0] === '/usr/bin/dracut')
const workFiles = (machine: SimMachine) =>
  [...machine.dom0.keys()].filter((path) => path.startsWith('/run/aem-reseal/'))

describe('the same bytes', () => {
  it.each([
    ['-f', ' -f\n', ['-f', '{file}', KERNEL_RELEASE]],
    ['--force', ' --force\n', ['--force', '{file}', KERNEL_RELEASE]],
    [
      `-f --kver '${KERNEL_RELEASE}'`,
      ` -f --kver '${KERNEL_RELEASE}'\n`,
      ['-f', '--kver', KERNEL_RELEASE, '{file}'],
    ],
    [
      `--kver '${KERNEL_RELEASE}' --force`,
      ` --kver '${KERNEL_RELEASE}' --force\n`,
      ['--kver', KERNEL_RELEASE, '--force', '{file}'],
    ],
  ])('with the words %s, said again as they were said', async (words, stored, argv) => {
    const machine = dom0()
    makeBootInitramfs(machine, stored)
    const { result, calls } = await reproduce(machine)
    expect(result).toEqual({ state: 'same', words, sha256: sha256(imageOf(machine)) })
    const [call, ...more] = dracutCalls(calls)
    expect(more).toEqual([])
    const file = call?.params.file ?? ''
    expect(file).toMatch(/^\/run\/aem-reseal\//)
    expect(call?.argv.slice(1)).toEqual(argv.map((word) => (word === '{file}' ? file : word)))
    expect([call?.umask, call?.effect]).toEqual([0o022, 'read'])
    expect(workFiles(machine)).toEqual([])
  })

  it.each([
    ['microcode_ctl', '2:2.1-58.qubes1.fc37'],
    ['linux-firmware', '0:20240709-1.fc37'],
  ] as const)('after an update of %s, which makes a new image', async (name, evr) => {
    const machine = dom0()
    const before = imageOf(machine)
    installInitramfsInput(machine, name, evr)
    expect(imageOf(machine).equals(before)).toBe(false)
    expect((await reproduce(machine)).result.state).toBe('same')
  })

  it('after an update of dracut, once something makes a new image', async () => {
    const machine = dom0()
    installInitramfsInput(machine, 'dracut', '0:059-5.fc37')
    expect((await reproduce(machine)).result.state).toBe('different')
    makeBootInitramfs(machine)
    expect((await reproduce(machine)).result.state).toBe('same')
  })
})

it('room that cannot be read is not called too little', async () => {
  const { result } = await reproduce(dom0(), {}, () => ({ freeBytes: async () => unknown('I/O error') }))
  expect(result.state).toBe('same')
})

describe('other modules were loaded when it was made', () => {
  it('is the same with its own modules, named both ways', async () => {
    const machine = dom0()
    machine.loadedModules = ['dm-crypt', 'usb-storage']
    makeBootInitramfs(machine)
    machine.loadedModules = LOADED_MODULES
    const { result, calls, said } = await reproduce(machine)
    expect(result).toMatchObject({
      state: 'same-with-modules',
      modules: { onlyInImage: ['usb_storage'], onlyLoadedNow: ['ext4', 'nvme', 'xen_blkback'] },
    })
    expect(dracutCalls(calls)).toHaveLength(2)
    expect(said).toHaveLength(3)
    expect(workFiles(machine)).toEqual([])
  })

  it('gives dracut a list of bare names', async () => {
    const machine = dom0()
    machine.loadedModules = ['dm-crypt', 'usb-storage']
    makeBootInitramfs(machine)
    machine.loadedModules = LOADED_MODULES
    const lists: string[] = []
    await reproduce(machine, {}, (host) => ({
      writeFileAtomic: async (path, bytes, mode) => {
        lists.push(Buffer.from(bytes).toString())
        await host.writeFileAtomic(path, bytes, mode)
      },
    }))
    expect(lists).toEqual(['dm_crypt\nusb_storage\n'])
  })

  it('is no way in for a file beside them', async () => {
    const machine = dom0()
    machine.loadedModules = ['dm-crypt']
    makeBootInitramfs(machine)
    putImage(machine, tamper(imageOf(machine), 'the shell of', 'evil shell o'))
    machine.loadedModules = LOADED_MODULES
    const { result } = await reproduce(machine)
    expect(result).toMatchObject({ state: 'different' })
    expect(JSON.stringify(result)).toContain('usr/bin/bash')
  })

  it('nor for a changed module', async () => {
    const machine = dom0()
    putImage(machine, tamper(imageOf(machine), 'module dm-crypt', 'module dm_crypt'))
    const { result, calls } = await reproduce(machine)
    expect(result).toMatchObject({ state: 'different', total: 1 })
    expect(dracutCalls(calls)).toHaveLength(2)
    // The second image is of no use any more; the first may be put in place.
    expect(workFiles(machine).filter((path) => path.endsWith('.img'))).toEqual([
      'fresh' in result && result.fresh?.path,
    ])
  })

  it('nor for a module that dom0 does not have: dracut is not asked again', async () => {
    const machine = dom0()
    machine.loadedModules = [...LOADED_MODULES, 'evil']
    makeBootInitramfs(machine)
    machine.loadedModules = LOADED_MODULES
    const { result, calls } = await reproduce(machine)
    expect(result).toMatchObject({ state: 'different' })
    expect(dracutCalls(calls)).toHaveLength(1)
  })
})

describe('a difference', () => {
  it('is told by path and origin, and the fresh image can be had', async () => {
    const machine = dom0()
    putImage(machine, tamper(imageOf(machine), 'luks-', 'evil-'))
    const { result, host } = await reproduce(machine)
    expect(result).toMatchObject({
      state: 'different',
      total: 1,
      differences: [{ path: 'etc/crypttab', change: 'content', origin: 'settings', package: null }],
    })
    if (result.state !== 'different' || result.fresh === null) throw new Error('no fresh image')
    const { path, sha256: digest } = result.fresh
    const look = await host.digestFile(path)
    expect(look.state === 'seen' ? look.value.sha256 : null).toBe(digest)
    await disposeFresh(host, result)
    expect(await host.digestFile(path)).toEqual({ state: 'absent' })
    // Nothing to remove where there is none.
    await disposeFresh(host, { ...result, fresh: null })
    for (const none of [
      { state: 'same', words: '', sha256: '' },
      { state: 'odd-form', form: '' },
    ] as const)
      await disposeFresh(host, none)
  })

  it('can be put in place, and then there is none', async () => {
    const machine = dom0()
    putImage(machine, tamper(imageOf(machine), 'luks-', 'evil-'))
    const { result, host } = await reproduce(machine)
    if (result.state !== 'different' || result.fresh === null) throw new Error('no fresh image')
    const [device] = await observeDevices(host, await observeMachine(host))
    await replaceInitramfs(host, device!, `/${FILE}`, result.fresh)
    expect((await reproduce(machine)).result.state).toBe('same')
    // Another file than was made is not put in place.
    const forged = { ...result.fresh, sha256: 'a'.repeat(64) }
    await expect(replaceInitramfs(host, device!, `/${FILE}`, forged)).rejects.toThrow()
  })

  it('of an entry that was added is of unknown origin, and told first', async () => {
    const machine = dom0()
    machine.packages = machine.packages.map((item) =>
      item.name === 'linux-firmware' ? { ...item, evr: '0:20250101-1.fc37' } : item,
    )
    putImage(machine, imageWith())
    const { result } = await reproduce(machine)
    if (result.state !== 'different') throw new Error(result.state)
    expect(result.differences[0]?.origin).toBe('unknown')
    expect(result.differences.map(({ path, change }) => `${change} ${path}`)).toContain('added usr/bin/gawk')
    expect(result.differences.length).toBeLessThanOrEqual(20)
    expect(result.total).toBeGreaterThanOrEqual(result.differences.length)
  })

  it('of microcode is one of the early archive', async () => {
    const machine = dom0()
    machine.packages = machine.packages.map((item) =>
      item.name === 'microcode_ctl' ? { ...item, evr: '2:9-9' } : item,
    )
    const { result } = await reproduce(machine)
    expect(result).toMatchObject({
      differences: [
        { path: 'early:kernel/x86/microcode/GenuineIntel.bin', change: 'content', origin: 'generated' },
      ],
    })
  })
})

/** Zstandard Compression (RFC 8878), 3.1.1: magic number, a single segment of five bytes, one raw block, the last one. */
const ZSTD = Buffer.concat([Buffer.from('28b52ffd2005290000', 'hex'), Buffer.from('hello')])
const noUnpacker: Partial<Host> = {
  async *unpack(_call, _packed, onMissing) {
    onMissing('/usr/bin/zstd')
    yield* []
  },
}

describe('before dracut runs', () => {
  it('an image whose unpacker is not installed names it, and is not called odd', async () => {
    const machine = dom0()
    putImage(machine, ZSTD)
    const { result, calls } = await reproduce(machine, {}, () => noUnpacker)
    expect(result).toMatchObject({
      state: 'impossible',
      code: 'unpacker-missing',
      why: expect.stringContaining('/usr/bin/zstd'),
    })
    expect(dracutCalls(calls)).toEqual([])
  })

  it.each([
    [
      'a boot configuration',
      (image: Buffer) => withBootConfig(image),
      'a boot configuration (bootconfig) behind it',
    ],
    [
      'a second archive',
      (image: Buffer) => Buffer.concat([image, gzipSync('x')]),
      'a second archive (gzip) behind the packed one',
    ],
    ['no archive at all', () => Buffer.from('an initramfs of somebody else'), 'no archive at its beginning'],
  ])('an image with %s is of odd form', async (_, change, form) => {
    const machine = dom0()
    putImage(machine, change(imageOf(machine)))
    const { result, calls } = await reproduce(machine)
    expect(result).toEqual({ state: 'odd-form', form })
    expect(dracutCalls(calls)).toEqual([])
  })

  const none = async () => ({})
  it.each<
    [
      string,
      (machine: SimMachine) => unknown,
      Parameters<typeof reproduce>[1],
      ((host: Host) => Partial<Host>) | undefined,
      string,
    ]
  >([
    ['another file than was predicted', none, { sha256: 'a'.repeat(64) }, undefined, 'not-the-predicted'],
    ['another kernel than its name says', none, { kernelRelease: '6.1.0-1' }, undefined, 'name'],
    [
      'a kernel with a strange name',
      none,
      { kernelRelease: '../../x', name: '/initramfs-../../x.img' },
      undefined,
      'name',
    ],
    [
      'a file that is not there',
      (machine) => bootFilesOf(machine).set(FILE, { bytes: new Uint8Array(), mtimeMs: 0 }),
      { path: '/boot/none' },
      undefined,
      'unreadable',
    ],
    [
      'words of nobody',
      (machine) => makeBootInitramfs(machine, " --include '/evil' '/'\n"),
      {},
      undefined,
      'words-unknown',
    ],
    [
      'words for another kernel',
      (machine) => makeBootInitramfs(machine, " -f --kver '6.1.0-1'\n"),
      {},
      undefined,
      'words-unknown',
    ],
    [
      'words with more behind',
      (machine) => makeBootInitramfs(machine, ' -f\n\n'),
      {},
      undefined,
      'words-unknown',
    ],
    [
      'no modules of the kernel',
      (machine) => machine.dom0.delete(`/lib/modules/${KERNEL_RELEASE}/modules.dep`),
      {},
      undefined,
      'kernel-missing',
    ],
    ['no room', none, {}, () => ({ freeBytes: async () => seen(1000) }), 'no-space'],
    [
      'more than 1 GiB',
      none,
      {},
      () => ({ statFile: async () => seen({ kind: 'file', sizeBytes: 2 ** 30 + 1, mtimeMs: 0, mode: 0 }) }),
      'too-large',
    ],
    ['a recorded machine', none, {}, () => ({ writable: false }), 'read-only-machine'],
  ])('%s cannot be told', async (_, change, request, told, code) => {
    const machine = dom0()
    change(machine)
    const { result, calls } = await reproduce(machine, request, told)
    expect(result).toMatchObject({ state: 'impossible', code, fresh: null })
    expect(dracutCalls(calls)).toEqual([])
    expect(workFiles(machine)).toEqual([])
  })
})

describe('what dracut makes of trouble', () => {
  const dracutSays = (answer: Awaited<ReturnType<Host['run']>>) => (host: Host) => ({
    run: async (call: CommandCall) => (call.argv[0] === '/usr/bin/dracut' ? answer : host.run(call)),
  })

  it.each<[string, Awaited<ReturnType<Host['run']>>, string, RegExp]>([
    [
      'fails',
      seen({ exit: 1, stdout: '', stderr: 'dracut: installation of xyz failed\n' }),
      'dracut-failed',
      /installation of xyz failed/,
    ],
    [
      'says much: its last three lines are told',
      seen({ exit: 1, stdout: '', stderr: 'one\ntwo\nthree\nfour\n' }),
      'dracut-failed',
      /: two; three; four$/,
    ],
    ['is not there', { state: 'absent' }, 'dracut-failed', /not installed/],
    ['does not end', unknown('/usr/bin/dracut did not end within 900 s'), 'dracut-failed', /900 s/],
    ['leaves nothing', seen({ exit: 0, stdout: '', stderr: '' }), 'dracut-failed', /no image/],
    [
      'has no room',
      seen({ exit: 1, stdout: '', stderr: 'cp: error writing: No space left on device\n' }),
      'no-space',
      /No space/,
    ],
  ])('one that %s', async (_, answer, code, why) => {
    const machine = dom0()
    const { result } = await reproduce(machine, {}, dracutSays(answer))
    expect(result).toMatchObject({ state: 'impossible', code, why: expect.stringMatching(why) })
    expect(workFiles(machine)).toEqual([])
  })

  const writes = (make: (fresh: Buffer) => Uint8Array) => (host: Host) => ({
    run: async (call: CommandCall) => {
      const answer = await host.run(call)
      const file = call.params.file
      if (call.argv[0] !== '/usr/bin/dracut' || file === undefined) return answer
      const bytes = await host.readFile(file)
      if (bytes.state === 'seen') await host.writeFileAtomic(file, make(Buffer.from(bytes.value)), 0o600)
      return answer
    },
  })

  it('says a long line: no more than 500 signs of it are told', async () => {
    const stderr = `${'x'.repeat(600)}\n`
    const { result } = await reproduce(dom0(), {}, dracutSays(seen({ exit: 1, stdout: '', stderr })))
    expect('why' in result ? result.why : '').toMatch(/: x{500}$/)
  })

  it('an image of its own that cannot be read is told as that', async () => {
    const { result } = await reproduce(dom0(), {}, (host) => ({
      ...writes((image) => Buffer.concat([image, Buffer.from('x')]))(host),
      openFile: async (path) => (path.startsWith('/run/') ? unknown('I/O error') : host.openFile(path)),
    }))
    expect(result).toMatchObject({
      state: 'impossible',
      code: 'unreadable',
      why: expect.stringContaining('I/O error'),
    })
  })

  it('an image of its own whose unpacker is not installed names it', async () => {
    const { result } = await reproduce(dom0(), {}, (host) => ({ ...writes(() => ZSTD)(host), ...noUnpacker }))
    expect(result).toMatchObject({
      state: 'impossible',
      code: 'unpacker-missing',
      why: expect.stringContaining('/usr/bin/zstd'),
    })
  })

  it('an image of odd form of its own is told as that', async () => {
    const { result } = await reproduce(
      dom0(),
      {},
      writes((image) => withBootConfig(image)),
    )
    expect(result).toMatchObject({ state: 'impossible', code: 'own-result-odd' })
  })

  // dracut 059, modules.d/99squash/module-setup.sh: squash-root.img; dracut-ng, modules.d/95squash-squashfs: squashfs-root.img.
  it.each(['squash-root.img', 'squashfs-root.img'])(
    'an image of its own with %s is not compared',
    async (name) => {
      const { result } = await reproduce(
        dom0(),
        {},
        writes(() => imageWith(entry(name, 'made at another time'))),
      )
      expect(result).toMatchObject({
        state: 'impossible',
        code: 'not-reproducible',
        why: expect.stringContaining('squash'),
      })
    },
  )

  it.each([
    ['reproducible="no"', 'reproducible="no"\n', /reproducible="no"/],
    ['nothing of it', '# empty\n', /in no file/],
    ['uefi', 'reproducible="yes"\nuefi="yes"\n', /EFI program/],
    ['squash', 'reproducible="yes"\nadd_dracutmodules+=" nfs squash "\n', /squash/],
  ])(
    'a configuration with %s is told as that, with the fresh image to put in place',
    async (_, text, why) => {
      const machine = dom0()
      machine.dom0.set('/usr/lib/dracut/dracut.conf.d/01-dist.conf', { bytes: Buffer.from(text), mtimeMs: 0 })
      putImage(machine, tamper(imageOf(machine), 'the shell of', 'evil shell o'))
      const { result } = await reproduce(machine)
      expect(result).toMatchObject({
        state: 'impossible',
        code: 'not-reproducible',
        why: expect.stringMatching(why),
      })
      expect('fresh' in result && result.fresh?.path).toMatch(/^\/run\//)
    },
  )

  it('a setting of /etc counts before one of /usr', async () => {
    const machine = dom0()
    machine.dom0.set('/etc/dracut.conf.d/90-own.conf', {
      bytes: Buffer.from("reproducible='no'\n"),
      mtimeMs: 0,
    })
    putImage(machine, tamper(imageOf(machine), 'luks-', 'evil-'))
    expect((await reproduce(machine)).result).toMatchObject({
      code: 'not-reproducible',
      why: expect.stringContaining('90-own.conf'),
    })
  })
})

describe('dracut is asked no more often than it can help', () => {
  it('once where no module differs', async () => {
    const machine = dom0()
    putImage(machine, tamper(imageOf(machine), 'luks-', 'evil-'))
    const { calls, said } = await reproduce(machine)
    expect(dracutCalls(calls)).toHaveLength(1)
    expect(said.join()).not.toContain('once more')
  })

  it('and its second failure is told as one', async () => {
    const machine = dom0()
    machine.loadedModules = ['dm-crypt', 'usb-storage']
    makeBootInitramfs(machine)
    machine.loadedModules = LOADED_MODULES
    let asked = 0
    const { result } = await reproduce(machine, {}, (host) => ({
      run: async (call: CommandCall) => {
        if (call.argv[0] !== '/usr/bin/dracut' || ++asked < 2) return host.run(call)
        return seen({ exit: 7, stdout: '', stderr: '' })
      },
    }))
    expect([asked, result]).toMatchObject([
      2,
      { state: 'impossible', why: expect.stringContaining('ended with 7') },
    ])
  })
})

describe('the room for it', () => {
  const MIB = 1024 * 1024

  it.each([
    ['/run/', 2],
    ['/var/tmp', 4],
  ])('in %s is %i times the image and 16 MiB, to the byte', async (place, factor) => {
    const needed = factor * imageOf(dom0()).length + 16 * MIB
    const stateWith = async (freeBytes: number) => {
      const { result } = await reproduce(dom0(), {}, (host) => ({
        freeBytes: async (path) => (path.startsWith(place) ? seen(freeBytes) : host.freeBytes(path)),
      }))
      return result
    }
    expect((await stateWith(needed)).state).toBe('same')
    expect(await stateWith(needed - 1)).toMatchObject({
      state: 'impossible',
      code: 'no-space',
      why: expect.stringContaining(`${Math.ceil(needed / MIB)} are needed`),
    })
  })

  it('is not that of an image of more than 1 GiB', async () => {
    const stateWith = async (sizeBytes: number) => {
      const { result } = await reproduce(dom0(), {}, (host) => ({
        statFile: async (path) => {
          const stat = await host.statFile(path)
          return path.endsWith(FILE) && stat.state === 'seen' ? seen({ ...stat.value, sizeBytes }) : stat
        },
      }))
      return 'code' in result ? result.code : result.state
    }
    expect([await stateWith(1024 * MIB), await stateWith(1024 * MIB + 1)]).toEqual(['same', 'too-large'])
  })
})

describe('what is left behind', () => {
  const closes = (host: Host) => {
    const works = { opened: 0, closed: 0 }
    const makeWorkDirectory: Host['makeWorkDirectory'] = async () => {
      const work = await host.makeWorkDirectory()
      works.opened += 1
      const close = async () => {
        works.closed += 1
        await work.close()
      }
      return { root: work.root, close }
    }
    return { works, makeWorkDirectory }
  }

  it.each<[string, (host: Host) => Partial<Host>]>([
    ['there is no room', () => ({ freeBytes: async () => seen(0) })],
    [
      'dracut leaves an empty image',
      (host) => ({
        digestFile: async (path) => {
          const found = await host.digestFile(path)
          return path.startsWith('/run/') && found.state === 'seen'
            ? seen({ ...found.value, sizeBytes: 0 })
            : found
        },
      }),
    ],
    [
      'its own image cannot be read',
      (host) => ({
        digestFile: async (path) => {
          const found = await host.digestFile(path)
          return path.startsWith('/run/') && found.state === 'seen'
            ? seen({ ...found.value, sha256: 'b'.repeat(64) })
            : found
        },
        openFile: async (path) => (path.startsWith('/run/') ? unknown('I/O error') : host.openFile(path)),
      }),
    ],
  ])('is nothing where %s', async (_, told) => {
    let works = { opened: 0, closed: 0 }
    const { result } = await reproduce(dom0(), {}, (host) => {
      const watched = closes(host)
      works = watched.works
      return { ...told(host), makeWorkDirectory: watched.makeWorkDirectory }
    })
    expect(result.state).toBe('impossible')
    expect(works).toEqual({ opened: 1, closed: 1 })
  })

  it('is nothing where the program itself fails, and that is told as it is', async () => {
    let works = { opened: 0, closed: 0 }
    const failing = reproduce(dom0(), {}, (host) => {
      const watched = closes(host)
      works = watched.works
      const run: Host['run'] = async (call) => {
        if (call.argv[0] === '/usr/bin/dracut') throw new RangeError('a fault of the program')
        return host.run(call)
      }
      return { run, makeWorkDirectory: watched.makeWorkDirectory }
    })
    await expect(failing).rejects.toThrow('a fault of the program')
    expect(works).toEqual({ opened: 1, closed: 1 })
  })
})

describe('the words that dracut was called with', () => {
  const whyWith = async (words: string) => {
    const machine = dom0()
    makeBootInitramfs(machine, words)
    const { result } = await reproduce(machine)
    return result
  }

  it('are told where they are none of dom0, without the blanks around them and no longer than 200 signs', async () => {
    expect(await whyWith(' --no-hostonly \n')).toMatchObject({
      code: 'words-unknown',
      why: expect.stringContaining('"--no-hostonly"'),
    })
    const long = await whyWith(` --add ${'x'.repeat(300)}\n`)
    expect(long).toMatchObject({ code: 'words-unknown' })
    expect('why' in long ? long.why : '').toContain(`"--add ${'x'.repeat(194)}"`)
  })

  it('are read from the place where dracut writes them, and from no other', async () => {
    const machine = dom0()
    const directories = ['.', 'opt', 'opt/lib', 'opt/lib/dracut'].map(directory)
    const words = entry('opt/lib/dracut/build-parameter.txt', ' --force\n')
    putImage(machine, Buffer.concat([early(), pack(archive(...directories, words))]))
    expect((await reproduce(machine)).result).toMatchObject({
      code: 'words-unknown',
      why: expect.stringContaining('build-parameter.txt is not in it'),
    })
  })

  it('are not looked for in files whose names only begin or end alike', async () => {
    const machine = dom0()
    const names = ['opt/usr/lib/dracut/build-parameter.txt', 'usr/lib/dracut/build-parameter.txt.old']
    const directories = ['.', 'opt', 'opt/usr', 'opt/usr/lib', 'opt/usr/lib/dracut', 'usr', 'usr/lib']
    const entries = [
      ...[...directories, 'usr/lib/dracut'].map(directory),
      ...names.map((name) => entry(name, ' --no-hostonly\n')),
      entry('usr/lib/dracut/build-parameter.txt', ' --force\n'),
    ]
    putImage(machine, Buffer.concat([early(), pack(archive(...entries))]))
    const { result, calls } = await reproduce(machine)
    expect(result.state).toBe('different')
    expect(dracutCalls(calls)[0]?.argv).toContain('--force')
  })
})
