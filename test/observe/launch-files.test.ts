import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { ABSENT, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { parseGrubText } from '../../src/observe/device/grub.ts'
import { observeNextEntry } from '../../src/observe/device/next-entry.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observeChain } from '../../src/observe/launch/chain.ts'
import { observePreparedness } from '../../src/observe/launch/prepared.ts'
import { compareFiles, observeLaterUpdates, reproduceLater } from '../../src/observe/launch/since-start.ts'
import { observeSinit } from '../../src/observe/launch/sinit.ts'
import { observeSkl, observeXen } from '../../src/observe/launch/xen-image.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { aSession, machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { started } from '../support/started.ts'
import { sklFile, xenFile } from '../support/trenchboot-launch.ts'

/** Single files that a launch reads, and what is made of each answer. */

const unreadable = unknown('input/output error')
const sha = (hash: string, bytes: Uint8Array) => createHash(hash).update(bytes).digest('hex')
const reading = (answer: Seen<Uint8Array>) => makeFakeHost({ readFile: async () => answer as Seen<Buffer> })

describe("Xen's own launch hashes", () => {
  const XEN = xenFile('4.17.4-3')
  const entry = (changes: object = {}) =>
    ({
      flavour: 'trenchboot',
      form: 'bios',
      launcher: { path: '/xen.gz', nounzip: false },
      ...changes,
    }) as never
  const look = (bytes: Uint8Array, of = entry(), hashed: Uint8Array = bytes) =>
    observeXen(reading(seen(bytes)), '/boot', of, {
      '/xen.gz': { storedDigests: { sha256: sha('sha256', hashed) } } as never,
    })

  it('are the same of the file, packed or not', async () => {
    const plain = await look(XEN)
    expect(plain?.digests.header.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(await look(gzipSync(XEN))).toEqual(plain)
  })

  it('are none of a packed file that GRUB does not unpack, and of what is no Xen', async () => {
    expect(await look(gzipSync(XEN), entry({ launcher: { path: '/xen.gz', nounzip: true } }))).toBeNull()
    expect(await look(Buffer.from('no Xen'))).toBeNull()
  })

  it('are none of other bytes than those that were hashed', async () => {
    expect(await look(XEN, entry(), Buffer.from('another'))).toBeNull()
    expect(await observeXen(reading(seen(XEN)), '/boot', entry(), {})).toBeNull()
    const hashed = { '/xen.gz': { storedDigests: { sha256: sha('sha256', XEN) } } as never }
    expect(await observeXen(reading(unreadable), '/boot', entry(), hashed)).toBeNull()
  })

  it.each([
    ['with tboot', { flavour: 'tboot' }],
    ['on UEFI', { form: 'uefi' }],
    ['that loads none', { launcher: null }],
  ])('are asked of no entry %s', async (_, changes) => {
    expect(await look(XEN, entry(changes))).toBeNull()
    expect(await look(XEN, null as never)).toBeNull()
  })
})

describe('the SKL of an entry', () => {
  const SKL = sklFile('SKL')
  const logOf = (cpu: string, measured: Uint8Array) =>
    ({
      launch: { cpu },
      events: [{ pcr: 17, digests: { sha1: sha('sha1', measured), sha256: sha('sha256', measured) } }],
    }) as never
  const entry = (path: string) => ({ sinit: [{ path }] }) as never
  const measured = SKL.subarray(0, SKL.readUInt16LE(2))
  const look = (bytes: Seen<Uint8Array>, log = logOf('amd', measured), path = '/SKL.BIN') =>
    observeSkl(reading(bytes), '/boot', entry(path), log)

  it('is the measured one, or is not', async () => {
    expect(await look(seen(SKL))).toBe(true)
    const other = Buffer.from(SKL)
    other.writeUInt8(other.readUInt8(0x20) ^ 1, 0x20)
    expect(await look(seen(other))).toBe(false)
    // What lies behind the measured part does not count.
    expect(await look(seen(Buffer.concat([SKL, Buffer.from('more')])))).toBe(true)
  })

  it('is not known of a launch by Intel, without a log, and of a file that is none', async () => {
    expect(await look(seen(SKL), logOf('intel', measured))).toBeNull()
    for (const log of [null, makeFailure('forward-seal-failed', { what: 'x' })])
      expect(await observeSkl(reading(seen(SKL)), '/boot', entry('/SKL.BIN'), log)).toBeNull()
    expect(await look(unreadable)).toBeNull()
    expect(await look(seen(SKL.subarray(0, 3)))).toBeNull()
    expect(await look(seen(SKL.subarray(0, SKL.readUInt16LE(2) - 1)))).toBeNull()
  })

  it('is held against what SKINIT logged first for PCR 17, wherever that stands in the log', async () => {
    const event = (pcr: number, bytes: Uint8Array) => ({ pcr, digests: { sha256: sha('sha256', bytes) } })
    const [skl, other] = [event(17, measured), event(17, Buffer.from('DLME'))]
    const lookIn = (events: readonly object[]) => look(seen(SKL), { launch: { cpu: 'amd' }, events } as never)
    expect(await lookIn([event(18, Buffer.from('x')), skl, other])).toBe(true)
    expect(await lookIn([event(18, measured), other, skl])).toBe(false)
    expect(await lookIn([event(18, measured)])).toBeNull()
    expect(await lookIn([])).toBeNull()
  })

  it('is another one where one bank of the log has another digest, and never the same where none can be compared', async () => {
    const lookAt = (digests: object) =>
      look(seen(SKL), { launch: { cpu: 'amd' }, events: [{ pcr: 17, digests }] } as never)
    const own = { sha1: sha('sha1', measured), sha256: sha('sha256', measured) }
    expect(await lookAt({ sha256: own.sha256 })).toBe(true)
    expect(await lookAt({ ...own, sha256: 'a'.repeat(64) })).toBe(false)
    expect(await lookAt({ ...own, sha1: 'a'.repeat(40) })).toBe(false)
    expect(await lookAt({ sha384: 'a'.repeat(96) })).not.toBe(true)
  })

  it('is not known without an entry', async () => {
    expect(await observeSkl(reading(seen(SKL)), '/boot', null, logOf('amd', measured))).toBeNull()
  })

  it('is read from where it stands in a larger buffer', async () => {
    const larger = Buffer.concat([Buffer.from('before it'), SKL, Buffer.from('behind it')])
    expect(await look(seen(larger.subarray(9, 9 + SKL.length)))).toBe(true)
  })
})

describe('the files that an entry hands to a launch by AMD', () => {
  const measured = (skl: Buffer) => skl.subarray(0, skl.readUInt16LE(2))
  const [SKL, EVIL] = [sklFile('SKL'), sklFile('an evil SKL')]
  const sinit = Buffer.alloc(128, 'SINIT')
  sinit.writeUInt16LE(2, 0) // type of an authenticated code module (Intel TXT Software Development Guide 017, appendix A.1)
  sinit.writeUInt16LE(0, 2)
  const look = (files: Readonly<Record<string, Uint8Array>>) =>
    observeSkl(
      makeFakeHost({ readFile: async (path) => seen(Buffer.from(files[path.slice('/boot'.length)]!)) }),
      '/boot',
      { sinit: Object.keys(files).map((path) => ({ path })) } as never,
      {
        launch: { cpu: 'amd' },
        events: [{ pcr: 17, digests: { sha256: sha('sha256', measured(SKL)) } }],
      } as never,
    )

  it('are the measured one, whatever GRUB refuses beside it, and whatever it is called', async () => {
    expect(await look({ '/SKL.BIN': SKL, '/A_SINIT.BIN': sinit })).toBe(true)
    expect(await look({ '/A_SINIT.BIN': sinit, '/SKL.BIN': SKL })).toBe(true)
    expect(await look({ '/A_SINIT.BIN': SKL })).toBe(true)
  })

  it.each([
    ['behind it', { '/SKL.BIN': SKL, '/X_SINIT.BIN': EVIL }],
    ['before it', { '/X_SINIT.BIN': EVIL, '/SKL.BIN': SKL }],
    ['of nearly the same name', { '/SKL.BIN': SKL, '/skl.bin': EVIL }],
    ['in its place', { '/X_SINIT.BIN': EVIL }],
  ])('are not, with another one %s', async (_where, files) => {
    expect(await look(files)).toBe(false)
  })

  it('are not known where none can be one', async () => {
    expect(await look({ '/A_SINIT.BIN': sinit })).toBeNull()
    expect(await look({})).toBeNull()
  })
})

describe('the SINIT modules of an entry', () => {
  const BOOT = '2024-07-16T07:00:00.000Z'
  const at = (ms: number) =>
    seen({ kind: 'file', sizeBytes: 1, mtimeMs: Date.parse(BOOT) + ms, mode: 0o644 } as const)
  const DIGEST = 'a'.repeat(64)
  const look = (
    stick: Awaited<ReturnType<Host['statFile']>>,
    own: Awaited<ReturnType<Host['statFile']>> = ABSENT,
    digest = DIGEST,
    bootTime: string | null = BOOT,
  ) =>
    observeSinit(
      makeFakeHost({
        statFile: async (path) => (path.startsWith('/boot/') ? own : stick),
        digestFile: async () => seen({ sizeBytes: 1, sha1: '', sha256: digest } as never),
      }),
      '/media',
      [{ sinit: [{ path: '/SINIT.BIN' }] } as never],
      { '/SINIT.BIN': { storedDigests: { sha256: DIGEST } } as never },
      bootTime,
    )

  it('are those of this boot where they are as old as it, to the millisecond', async () => {
    expect(await look(at(0))).toBe(true)
    expect(await look(at(1))).toBe(false)
  })

  it("are, written since, where they are copies of what lay in dom0's /boot before", async () => {
    expect(await look(at(1), at(0))).toBe(true)
    expect(await look(at(1), at(0), 'b'.repeat(64))).toBe(false)
    expect(await look(at(1), at(1))).toBe(false)
    expect(await look(at(1), unreadable)).toBe(false)
  })

  it('are not known without a time', async () => {
    expect(await look(unreadable)).toBeNull()
    expect(await look(at(0), ABSENT, DIGEST, null)).toBeNull()
  })
})

describe('a file beside grub.cfg', () => {
  const TEXT = [
    'source $',
    '{config_directory}/custom.cfg\nload_env -f $',
    '{config_directory}/grubenv\n',
  ].join('')
  async function look(told: Partial<Host> & { names?: Seen<string[]> }) {
    const asked: string[] = []
    const host = makeFakeHost({
      listDirectory: async () => told.names ?? seen(['grub.cfg', 'custom.cfg', 'grubenv']),
      statFile: async (path) => {
        asked.push(path)
        return seen({ kind: 'file', sizeBytes: 3, mtimeMs: 0, mode: 0o644 })
      },
      readFile: async () => seen(Buffer.from('# x\n')),
      ...told,
    })
    const stat = host.statFile
    const config = await parseGrubText(
      {
        ...host,
        statFile: async (path) => (path.startsWith('/sys/') ? ABSENT : stat(path)),
      },
      '/boot',
      TEXT,
    )
    expect(config).not.toBeInstanceOf(Failure)
    return asked.filter((path) => path.startsWith('/boot/'))
  }

  it('that the directory does not name is not there: nobody is asked for it', async () => {
    expect(await look({})).toEqual(['/boot/grub2/custom.cfg', '/boot/grub2/grubenv'])
    expect(await look({ names: seen(['grub.cfg']) })).toEqual([])
    expect(await look({ names: unreadable })).toEqual(['/boot/grub2/custom.cfg', '/boot/grub2/grubenv'])
  })

  it('that can be read counts: its menu entries are among those of the device', async () => {
    const config = await parseGrubText(
      makeFakeHost({
        listDirectory: async () => seen(['grub.cfg', 'custom.cfg', 'grubenv']),
        statFile: async (path) =>
          path.startsWith('/sys/') ? ABSENT : seen({ kind: 'file', sizeBytes: 3, mtimeMs: 0, mode: 0o644 }),
        readFile: async (path) =>
          seen(Buffer.from(path.endsWith('/custom.cfg') ? 'menuentry own {\n  linux /own\n}\n' : '# x\n')),
      }),
      '/boot',
      TEXT,
    )
    expect(config instanceof Failure ? null : config.entries.map(({ title }) => title)).toEqual(['own'])
  })

  it('of a recording is asked for where it comes with the package: a recording without it is not whole', async () => {
    expect(await look({ kind: 'recorded', names: seen(['grub.cfg']) })).toEqual(['/boot/grub2/grubenv'])
  })
})

it('the next entry of a grub.cfg that cannot be read is not known, with the reason', async () => {
  const next = async (answer: Seen<Buffer>, kind: Host['kind'] = 'simulated') =>
    observeNextEntry(
      observeDom0(makeFakeHost({ kind, readFile: async () => answer, statFile: async () => ABSENT })),
      '/boot',
      null,
    )
  expect(await next(ABSENT)).toEqual({ kind: 'unknown', why: 'its grub.cfg could not be read' })
  expect(await next(seen(Buffer.from('if true')))).toEqual({
    kind: 'unknown',
    why: expect.stringMatching(/\S/),
  })
  expect(await next(unreadable, 'real')).toEqual({
    kind: 'unknown',
    why: expect.stringContaining('input/output'),
  })
})

describe('what a session keeps', () => {
  it('are the registers of both banks where the kernel has both', async () => {
    const own = makeSimulatedHost(machineOf('clean-update'))
    const host: Host = {
      ...own,
      readFile: async (path) =>
        path.includes('/pcr-sha1/') ? seen(Buffer.from(`${'17'.repeat(20)}\n`)) : own.readFile(path),
    }
    const baseline = await observeBaseline(observeDom0(host), [17])
    expect(Object.keys(baseline?.pcrs ?? {}).sort()).toEqual(['sha1', 'sha256'])
    expect(baseline?.pcrs.sha1?.[17]).toBe('17'.repeat(20))
  })

  it('is nothing where one selected register cannot be read', async () => {
    const machine = machineOf('clean-update')
    const dom0 = () => observeDom0(makeSimulatedHost(machine))
    expect(await observeBaseline(dom0(), [17, 18])).not.toBeNull()
    const { 18: _unread, ...sha256 } = machine.pcrs.sha256!
    machine.pcrs = { sha256 }
    expect(await observeBaseline(dom0(), [17, 18])).toBeNull()
    expect(await observeBaseline(dom0(), [])).toBeNull()
  })

  it('is compared with a grub.cfg in either of its places', async () => {
    const { machine, session } = await started()
    const state = async (own: SimMachine) =>
      (await observePreparedness(observeDom0(makeSimulatedHost(own)), session))?.state
    expect(await state(machine)).toBe('fits')
    const file = bootFilesOf(machine).get('grub2/grub.cfg')!
    for (const { files } of machine.devices) files.delete('/grub2/grub.cfg')
    expect(await state(machine)).not.toBe('fits')
    bootFilesOf(machine).set('grub/grub.cfg', file)
    expect(await state(machine)).toBe('fits')
  })

  it('is compared with no packages where rpm answers of none, and is no more asked for after a restart', async () => {
    const { machine, session } = await started()
    const own = makeSimulatedHost(machine)
    const silent: Host = {
      ...own,
      run: async (call, input) => (call.id === 'rpm-query' ? unreadable : own.run(call, input)),
    }
    const found = await observePreparedness(observeDom0(silent), session)
    expect(found?.changes).toEqual([])
    expect(found?.notCompared).not.toEqual([])
    restartMachine(machine)
    expect(await observePreparedness(observeDom0(makeSimulatedHost(machine)), session)).toBeNull()
  })
})

describe('what came after `start`', () => {
  it('is taken from what was confirmed by its very version, else asked for by itself', async () => {
    const machine = machineOf('clean-update')
    const dom0 = observeDom0(makeSimulatedHost(machine))
    const packages = machine.packages.map(({ name, evr }) => ({ name, evr }))
    const baseline = { packages: packages.filter(({ name }) => name !== 'tboot') } as never
    const evr = packages.find(({ name }) => name === 'tboot')!.evr
    const confirmed = (version: string) =>
      ({
        packages: [{ name: 'tboot', evr: version, signature: 'bad', signer: null, changedFiles: [] }],
      }) as never
    const faultOf = async (version: string | null) =>
      (await observeLaterUpdates(dom0, baseline, version === null ? null : confirmed(version)))[0]
    expect(await faultOf(null)).toMatchObject({ name: 'tboot', evr, isVerified: true, fault: null })
    expect(await faultOf('0:1-1')).toMatchObject({ isVerified: true, fault: null })
    expect(await faultOf(evr)).toMatchObject({ isVerified: false, fault: expect.any(String) })
  })

  describe('a file that is gone', () => {
    const entry = {
      launcher: { path: '/tboot.gz' },
      modules: [{ role: 'xen', path: '/xen-4.17.4.gz' }],
      sinit: [],
      problems: [],
    }
    const later = [
      { name: 'xen-hypervisor', evr: '5', before: '4', component: 'xen', isVerified: true, fault: null },
    ]
    const accountedBy = async (name: string) => {
      const baseline = { bootFiles: [{ path: `/boot${name}`, role: 'xen', digests: { sha256: 'a' } }] }
      const facts = { launch: { booted: { entry }, images: {} }, later, isVouched: () => false }
      const found = await compareFiles(
        observeDom0(makeSimulatedHost(machineOf('clean-update'))),
        baseline as never,
        [],
        {
          ...facts,
          isPredicted: false,
          kernelRelease: null,
        } as never,
      )
      return found[0]?.accountedBy
    }

    it('is accounted for by a later package unless this boot loaded it', async () => {
      expect(await accountedBy('/xen-4.17.3.gz')).toBe('xen-hypervisor 5 (before: 4)')
      expect(await accountedBy('/xen-4.17.4.gz')).toBeNull()
    })
  })

  it('a later package that cannot be asked about is not verified', async () => {
    const { machine, session } = await started()
    machine.packages = machine.packages.map((item) =>
      item.name === 'dracut' ? { ...item, evr: '0:999-1.fc37', installedAtMs: machine.nowMs } : item,
    )
    const own = makeSimulatedHost(machine)
    const silent: Host = {
      ...own,
      run: async (call, input) =>
        call.id.startsWith('rpm') &&
        call.argv.some((word) => word.includes('dracut')) &&
        call.id !== 'rpm-query'
          ? unreadable
          : own.run(call, input),
    }
    const found = await observeLaterUpdates(observeDom0(silent), session.baseline!, null)
    expect(found).toMatchObject([{ name: 'dracut', isVerified: false, fault: expect.any(String) }])
  })

  describe('an initramfs', () => {
    const [PATH, DIGEST] = ['/initramfs-6.6.36-1.img', 'a'.repeat(64)]
    const launch = {
      booted: {
        entry: {
          modules: [
            { role: 'kernel', path: '/vmlinuz-6.6.36-1' },
            { role: 'initramfs', path: PATH },
          ],
        },
      },
      images: { [PATH]: { storedDigests: { sha256: DIGEST } } },
    } as never
    const earlier = { image: '/other.img', state: 'same', words: '', sha256: 'c'.repeat(64) }
    const was = { image: PATH, state: 'different' }
    const session = { findings: { explain: { reproductions: [earlier, was], accepted: [] } } } as never
    const update = (isVerified: boolean) => ({ name: 'x', evr: '1', isVerified }) as never

    async function make(later: readonly never[], isVouched = false, isAccepted = false) {
      const looks: unknown[] = []
      const kept = await reproduceLater(
        launch,
        session,
        later,
        () => isVouched,
        async (look) => {
          looks.push(look)
          return { result: { state: 'same', words: '', sha256: DIGEST }, isAccepted }
        },
      )
      return { kept, looks }
    }

    it('is made again where one verified package came, and that takes the place of what was kept of it', async () => {
      for (const later of [[update(true)], [update(false), update(true)]]) {
        const { kept, looks } = await make(later)
        expect(looks).toEqual([{ kind: 'initramfs', path: PATH, kernelRelease: '6.6.36-1', sha256: DIGEST }])
        expect(kept.reproductions).toEqual([
          earlier,
          { image: PATH, state: 'same', words: '', sha256: DIGEST },
        ])
        expect(kept.accepted).toEqual([])
      }
      expect((await make([update(true)], false, true)).kept.accepted).toEqual([
        { kind: 'modules', path: PATH, sha256: DIGEST },
      ])
    })

    it('is not where none came, none is verified, or it is vouched for', async () => {
      for (const [later, isVouched] of [
        [[], false],
        [[update(false)], false],
        [[update(true)], true],
      ] as const) {
        const { kept, looks } = await make([...later], isVouched)
        expect([looks, kept.reproductions]).toEqual([[], [earlier, was]])
      }
    })
  })
})

it('what this boot extended is listed where there is a log of it, and something to compare it with', async () => {
  const machine = machineOf('clean-update')
  const look = () => observeDom0(makeSimulatedHost(machine))
  const baseline = await observeBaseline(look(), [17, 18, 19])
  expect(baseline?.components?.map(({ role }) => role)).toEqual(
    expect.arrayContaining(['mle', 'xen', 'kernel']),
  )
  const rows = (session: Partial<Session>) => observeChain(look(), aSession(session))
  expect((await rows({ baseline }))?.map(({ index }) => index)).toEqual(expect.arrayContaining([17, 18, 19]))
  expect(await rows({ baseline: null })).toBeNull()
  const own = makeSimulatedHost(machine)
  const run: Host['run'] = async (call, input) =>
    call.id === 'launch-log' ? unreadable : own.run(call, input)
  expect(await observeChain(observeDom0({ ...own, run }), aSession({ baseline }))).toBeNull()
})
