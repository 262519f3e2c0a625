import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { ABSENT, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import { INTERNAL, installXen, NEW_XEN } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeLuksPcr } from '../../src/observe/device/luks-headers.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeBootFacts } from '../../src/observe/launch/boot-facts.ts'
import { observeBootedState, observePackageNames } from '../../src/observe/launch/booted-state.ts'
import { observeLaunchTraces } from '../../src/observe/launch/launch-traces.ts'
import { observeSealState } from '../../src/observe/seal/seal-unit.ts'
import { observeSrkPassword, rememberSrkPassword } from '../../src/observe/seal/srk-password.ts'
import { aBaseline } from '../support/a-baseline.ts'
import { aSession, machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { txtRegisters } from '../support/protected-dom0.ts'

/** What is read of this boot, each fact by itself. */

const unreadable = unknown('input/output error')

function hostOf(machine: SimMachine, told: (own: Host) => Partial<Host> = () => ({})): Host {
  const own = makeSimulatedHost(machine)
  return { ...own, ...told(own) }
}

/** The built-in machine with other answers for some files and programs. */
function answering(
  files: Readonly<Record<string, Seen<Buffer>>>,
  exits: Readonly<Record<string, number>> = {},
): Host {
  return hostOf(machineOf('clean-update'), (own) => ({
    readFile: async (path) => files[path] ?? own.readFile(path),
    run: async (call, input) => {
      const answer = await own.run(call, input)
      const exit = exits[call.id]
      return exit === undefined || answer.state !== 'seen' ? answer : seen({ ...answer.value, exit })
    },
  }))
}
const text = (words: string) => seen(Buffer.from(words))

describe('this boot', () => {
  it('began when the line of its own in /proc/stat says', async () => {
    const at = async (stat: Seen<Buffer>) =>
      (await observeMachine(answering({ '/proc/stat': stat }))).bootTime
    expect(await at(text('cpu 1 2\nxbtime 5\nbtime 1721113200\nprocesses 9\n'))).toBe(
      '2024-07-16T07:00:00.000Z',
    )
    expect(await at(text('btime 1721113200x\n'))).toBeNull()
    expect(await at(ABSENT)).toBeNull()
  })

  it('has an identity, or none where the file is empty or cannot be read', async () => {
    const path = '/proc/sys/kernel/random/boot_id'
    const idOf = async (answer: Seen<Buffer>) => (await observeMachine(answering({ [path]: answer }))).bootId
    expect(await idOf(text('abc\n'))).toBe('abc')
    expect(await idOf(text('\n'))).toBeNull()
    expect(await idOf(unreadable)).toBeNull()
  })

  it('was started by the very bytes of the command line, and from a device where it names exactly one', async () => {
    const found = async (line: string) => {
      const { kernelCommandLine, aemUuid, bootedWithAem } = await observeMachine(
        answering({ '/proc/cmdline': text(line) }),
      )
      return [kernelCommandLine, aemUuid, bootedWithAem]
    }
    expect(await found('ro aem.uuid=a \n')).toEqual(['ro aem.uuid=a ', 'a', true])
    expect(await found('ro aem.uuid=a aem.uuid=a\n')).toEqual(['ro aem.uuid=a aem.uuid=a', 'a', true])
    expect(await found('ro aem.uuid=a aem.uuid=b\n')).toEqual(['ro aem.uuid=a aem.uuid=b', null, null])
    expect(await found('ro\n')).toEqual(['ro', null, false])
    const unread = await observeMachine(answering({ '/proc/cmdline': unreadable }))
    expect([unread.kernelCommandLine, unread.aemUuid, unread.bootedWithAem]).toEqual([null, null, null])
  })

  it('runs the Xen that xl tells, else that of sysfs without its command line', async () => {
    const files = {
      '/sys/hypervisor/version/major': text('4\n'),
      '/sys/hypervisor/version/minor': text('17\n'),
      '/sys/hypervisor/version/extra': text('.9\n'),
    }
    const { xen } = await observeMachine(answering(files, { 'xl-info': 1 }))
    expect([xen.version, xen.commandLine]).toEqual(['4.17.9', null])
    const own = await observeMachine(answering(files))
    expect([own.xen.version, own.xen.commandLine]).toEqual(['4.17.4', expect.any(String)])
    const none = await observeMachine(
      answering({ ...files, '/sys/hypervisor/version/minor': ABSENT }, { 'xl-info': 1 }),
    )
    expect(none.xen.version).toBeNull()
  })
})

describe('traces of a launch beside the TPM', () => {
  const traces = (
    says: Readonly<Record<string, { exit: number; stdout: string } | null>>,
    log: Seen<Buffer> = ABSENT,
  ) =>
    observeLaunchTraces(
      hostOf(machineOf('clean-update'), (own) => ({
        readFile: async (path) => (path.includes('hypervisor') ? log : own.readFile(path)),
        run: async (call, input) => {
          const said = says[call.id]
          return said === undefined
            ? own.run(call, input)
            : said === null
              ? ABSENT
              : seen({ ...said, stderr: '' })
        },
      })),
    )
  const quiet = { exit: 0, stdout: '(XEN) Xen version 4.17.4\n' }
  const launched = { exit: 0, stdout: '(XEN) SLAUNCH: reserving event log (0x1000 - 0x2000)\n' }

  it("are in Xen's console, are not, or are not known where no console can be read", async () => {
    expect((await traces({ 'xl-dmesg': launched })).xen).toBe(true)
    expect((await traces({ 'xl-dmesg': quiet })).xen).toBe(false)
    expect((await traces({ 'xl-dmesg': null })).xen).toBeNull()
    expect((await traces({ 'xl-dmesg': { ...launched, exit: 1 } })).xen).toBeNull()
    // The ring may have lost the line that xenconsoled's log of this boot keeps.
    const kept = text(`(XEN) Xen version 4.17.4\n${launched.stdout}`)
    expect((await traces({ 'xl-dmesg': quiet }, kept)).xen).toBe(true)
    expect((await traces({ 'xl-dmesg': null }, kept)).xen).toBe(true)
  })

  it('are what txt-stat says, or nothing', async () => {
    const said = (stdout: string) => traces({ 'xl-dmesg': quiet, 'launch-log': { exit: 0, stdout } })
    expect((await said('\tTXT measured launch: TRUE\n')).txt).toBe(true)
    expect((await said('\tTXT measured launch: FALSE\n')).txt).toBe(false)
    expect((await said('no TXT measured launch: TRUE\n')).txt).toBeNull()
    expect((await said('\tTXT measured launch: TRUE or not\n')).txt).toBeNull()
    expect(await traces({ 'xl-dmesg': quiet, 'launch-log': null })).toEqual({
      xen: false,
      txt: null,
      txtError: null,
    })
  })

  it.each([
    ['0xc0003c11', expect.stringContaining('the SINIT module refused: class 0x01')],
    ['0x80000005', expect.stringContaining('wrong memory type')],
    // A module's success, and a register that says nothing.
    ['0xc0000001', null],
    ['0x00000000', null],
  ])("are in TXT's register of errors: %s", async (code, words) => {
    const stdout = txtRegisters(code)
    const { txt, txtError } = await traces({ 'xl-dmesg': quiet, 'launch-log': { exit: 0, stdout } })
    expect([txt, txtError]).toEqual([false, words === null ? null : { code, words }])
  })

  it('are those of the last boot in the log that xenconsoled keeps, and of no boot before it', async () => {
    const before = `(XEN) Xen version 4.17.3\n${launched.stdout}`
    expect((await traces({ 'xl-dmesg': null }, text(before + quiet.stdout))).xen).toBe(false)
    expect((await traces({ 'xl-dmesg': launched }, text(before + quiet.stdout))).xen).toBe(true)
    expect((await traces({ 'xl-dmesg': null }, unreadable)).xen).toBeNull()
  })
})

describe('this boot beside the one that was planned', () => {
  const RUNNING = 'aa'.repeat(20)

  /** The built-in machine whose running Xen has this build id; null: that of the Xen that is installed. */
  async function look(session: Partial<Session>, running: string | null = RUNNING) {
    const machine = machineOf('clean-update')
    restartMachine(machine)
    const own = makeSimulatedHost(machine)
    const dom0 = observeDom0({
      ...own,
      readFile: async (path) =>
        running !== null && path.endsWith('/buildid') ? text(`${running}\n`) : own.readFile(path),
    })
    return { facts: await observeBootFacts(dom0, aSession(session)), machine: await dom0.machine() }
  }
  const packagesOf = (...left: readonly string[]) =>
    machineOf('clean-update')
      .packages.filter(({ name }) => !left.includes(name))
      .map(({ name, evr }) => ({ name, evr }) as never)
  const expected = (xenBuildId: string | null) =>
    ({ xenBuildId, deviceUuid: 'the planned device' }) as Session['expectation']

  it('is told by what the session recorded, and by what is there now', async () => {
    const { facts, machine } = await look({
      baseline: aBaseline({ bootId: 'boot-7', packages: packagesOf() }),
      expectation: expected('bb'),
    })
    expect(facts).toEqual({
      recordedBootId: 'boot-7',
      bootId: machine.bootId,
      bootedWithAem: true,
      measured: true,
      isLaunchSealed: false,
      runningBuildId: RUNNING,
      expectedBuildId: 'bb',
      deviceUuid: INTERNAL.uuid,
      expectedDeviceUuid: 'the planned device',
    })
    expect(machine.bootId).toMatch(/\S/)
    expect((await look({})).facts).toMatchObject({
      recordedBootId: null,
      isLaunchSealed: true,
      expectedBuildId: null,
      expectedDeviceUuid: null,
    })
  })

  it.each([17, 18, 19])('has a launch to show where AEM seals to PCR %i', async (index) => {
    const { facts } = await look({ baseline: aBaseline({ selectedPcrs: [13, index] }) })
    expect(facts.isLaunchSealed).toBe(true)
  })

  describe('expects the Xen that was confirmed', () => {
    it.each<readonly [string, Partial<Session>]>([
      ['where no package came after it', { baseline: aBaseline({ packages: packagesOf() }) }],
      ['where a package of another part came', { baseline: aBaseline({ packages: packagesOf('tboot') }) }],
      ['where nothing is known of the packages before', { baseline: null }],
    ])('%s', async (_what, session) => {
      for (const running of [null, RUNNING])
        expect((await look({ ...session, expectation: expected('bb') }, running)).facts.expectedBuildId).toBe(
          'bb',
        )
    })

    it('or the one that a package brought since, where that one runs', async () => {
      const session = {
        baseline: aBaseline({ packages: packagesOf('xen-hypervisor', 'tboot') }),
        expectation: expected('bb'),
      }
      const { facts } = await look(session, null)
      expect(facts.runningBuildId).toMatch(/^[0-9a-f]{40}$/)
      expect(facts.expectedBuildId).toBe(facts.runningBuildId)
      expect((await look(session)).facts.expectedBuildId).toBe('bb')
    })

    it('which may be the one that runs, whatever is installed', async () => {
      const baseline = aBaseline({ packages: packagesOf('xen-hypervisor') })
      expect((await look({ baseline, expectation: expected(RUNNING) })).facts.expectedBuildId).toBe(RUNNING)
    })
  })
})

describe('the seal unit of AEM', () => {
  it('has a journal where journalctl ends well', async () => {
    expect((await observeSealState(answering({}))).journal).not.toBeNull()
    expect((await observeSealState(answering({}, { 'aem-journal': 1 }))).journal).toBeNull()
  })
})

describe('the SRK password of this boot', () => {
  const cached = (answer: Seen<Buffer>) => observeSrkPassword(makeFakeHost({ readFile: async () => answer }))

  it('is what was cached, without line ends behind it; one that cannot be read is not missing', async () => {
    const known = (word: string) => ({ state: 'known', bytes: Buffer.from(word), isTyped: false })
    expect(await cached(text('word\n\n'))).toEqual(known('word'))
    expect(await cached(text('\nwo\nrd'))).toEqual(known('\nwo\nrd'))
    expect(await cached(text('\n'))).toEqual(known(''))
    expect(await cached(ABSENT)).toEqual({ state: 'missing' })
    expect(await cached(unreadable)).toEqual({ state: 'unreadable' })
  })

  it('is the one that was typed in this run, on this host alone', async () => {
    const host = makeFakeHost({ readFile: async () => ABSENT })
    rememberSrkPassword(host, Buffer.from('typed'))
    expect(await observeSrkPassword(host)).toEqual({
      state: 'known',
      bytes: Buffer.from('typed'),
      isTyped: true,
    })
    expect(await cached(ABSENT)).toEqual({ state: 'missing' })
  })
})

describe('PCR 13 of the LUKS headers', () => {
  const A = '0c6a3b14-9df2-4a35-8e0a-7a1f0f9c5b21'
  const B = '1d6a3b14-9df2-4a35-8e0a-7a1f0f9c5b21'
  const digestOf = (path: string) => createHash('sha256').update(path.slice(-36)).digest()

  async function pcr13(
    line: string | null,
    story: Partial<{ exit: number; isGone: boolean; isUnrun: boolean; writable: boolean }> = {},
  ) {
    const left: string[] = []
    let open = 0
    const host = makeFakeHost({
      writable: story.writable ?? true,
      makeWorkDirectory: async () => {
        open += 1
        const close = async () => {
          open -= 1
        }
        return { root: '/run/work', close }
      },
      run: async (call) => {
        left.push(call.argv.join(' '))
        if (story.isUnrun) return unreadable
        return seen({ exit: story.exit ?? 0, stdout: '', stderr: '' })
      },
      digestFile: async (path) =>
        story.isGone
          ? ABSENT
          : seen({ sizeBytes: 1, sha1: '00'.repeat(20), sha256: digestOf(path).toString('hex') } as never),
      removeFile: async () => void left.pop(),
    })
    const found = await observeLuksPcr(host, line, 'sha256')
    expect([left, open], 'no copy of a header is left').toEqual([[], 0])
    return found
  }
  const extend = (value: Buffer, more: Buffer) =>
    createHash('sha256')
      .update(Buffer.concat([value, more]))
      .digest()

  it('is extended with each header in the order of the UUIDs, from zero', async () => {
    const value = [A, B]
      .map((uuid) => digestOf(uuid))
      .reduce(extend, Buffer.alloc(32))
      .toString('hex')
    const line = `ro rd.luks.uuid=luks-${B} rd.luks.uuid=luks-${A}`
    expect(await pcr13(line)).toEqual({ value })
  })

  it.each([
    ['a line that names no device', 'ro quiet', {}, 'names no LUKS device'],
    ['no line', null, {}, 'names no LUKS device'],
    ['what is no UUID', 'rd.luks.uuid=luks-../../x', {}, 'not a UUID on the kernel command line'],
    [
      'a backup that fails',
      `rd.luks.uuid=luks-${A}`,
      { exit: 1 },
      `the LUKS header of ${A} could not be read`,
    ],
    ['a backup that could not be run', `rd.luks.uuid=luks-${A}`, { isUnrun: true }, 'could not be read'],
    ['a backup that leaves no file', `rd.luks.uuid=luks-${A}`, { isGone: true }, 'could not be read'],
    ['a machine that is only looked at', `rd.luks.uuid=luks-${A}`, { writable: false }, 'only looks here'],
  ])('is not known with %s', async (_, line, story, words) => {
    expect(await pcr13(line, story)).toEqual({ why: expect.stringContaining(words) })
  })
})

describe('whether this boot ran what the device carries, and what is installed', () => {
  /** The built-in machine after an honest update and a restart. */
  function booted(): SimMachine {
    const machine = machineOf('clean-update')
    restartMachine(machine)
    machine.nowMs += 1000
    return machine
  }
  async function stateOf(machine: SimMachine, told: (own: Host) => Partial<Host> = () => ({})) {
    // The look comes after what happened.
    machine.nowMs += 10_000
    const dom0 = observeDom0(hostOf(machine, told))
    const device = (await dom0.booted())!
    return observeBootedState(dom0, device, await dom0.machine())
  }

  it('is so after an update and its restart', async () => {
    expect(await stateOf(booted())).toEqual({ isCurrent: true, why: null })
  })

  it('is not where a package or a file came since, and the last one is named', async () => {
    const machine = booted()
    const touched = (name: string, ms: number) => {
      const file = bootFilesOf(machine).get(name)!
      bootFilesOf(machine).set(name, { ...file, mtimeMs: machine.nowMs + ms })
    }
    touched(`vmlinuz-${KERNEL_RELEASE}`, 2000)
    touched('tboot.gz', 1000)
    expect(await stateOf(machine)).toEqual({
      isCurrent: false,
      why: `vmlinuz-${KERNEL_RELEASE} changed after it was booted: the next boot measures another`,
    })
    const updated = booted()
    updated.packages = updated.packages.map((item) =>
      item.name === 'tboot' ? { ...item, installedAtMs: updated.nowMs + 5000 } : item,
    )
    expect((await stateOf(updated)).why).toContain('the package tboot changed after it was booted')
  })

  it('is not where Xen was updated and not booted', async () => {
    const machine = booted()
    installXen(machine, `${NEW_XEN.slice(0, -1)}9`, machine.nowMs)
    expect((await stateOf(machine)).isCurrent).toBe(false)
  })

  it.each([
    ['another kernel', '5.0.0'],
    ['a kernel whose name begins alike', KERNEL_RELEASE.slice(0, -1)],
  ])('is not where %s runs', async (_, release) => {
    const found = await stateOf(booted(), (own) => ({
      readFile: async (path) =>
        path === '/proc/sys/kernel/osrelease' ? text(`${release}\n`) : own.readFile(path),
    }))
    expect(found).toEqual({ isCurrent: false, why: `an older kernel was booted (${release})` })
  })

  it.each([
    ['the start of this boot', '/proc/stat'],
    ['the running kernel', '/proc/sys/kernel/osrelease'],
  ])('is not known without %s', async (_, wanted) => {
    const found = await stateOf(booted(), (own) => ({
      readFile: async (path) => (path === wanted ? unreadable : own.readFile(path)),
    }))
    expect(found.isCurrent).toBeNull()
  })

  it('is not known where a boot file cannot be checked, or the device is out: that is no change', async () => {
    const unread = await stateOf(booted(), (own) => ({
      digestFile: async (path) => (path.endsWith('/tboot.gz') ? unreadable : own.digestFile(path)),
    }))
    expect(unread).toEqual({ isCurrent: null, why: 'its boot files could not all be checked (unknown)' })
    const dom0 = observeDom0(hostOf(booted()))
    const device = { ...(await dom0.booted())!, present: false }
    expect(await observeBootedState(dom0, device, await dom0.machine())).toEqual({
      isCurrent: null,
      why: 'its boot files could not all be checked (absent)',
    })
  })

  it('is not known where a file has no time', async () => {
    const found = await stateOf(booted(), (own) => ({
      statFile: async (path) => (path.endsWith('/tboot.gz') ? unreadable : own.statFile(path)),
    }))
    expect(found.isCurrent).toBeNull()
  })

  /** A file whose time lies after the present: the clock of this boot, or that of an earlier one, was wrong. */
  function withLaterFile(): SimMachine {
    const machine = booted()
    const file = bootFilesOf(machine).get('tboot.gz')!
    bootFilesOf(machine).set('tboot.gz', { ...file, mtimeMs: machine.nowMs + 86_400_000 })
    return machine
  }

  it('is told by the bytes where the clock is behind the time of a file', async () => {
    expect(await stateOf(withLaterFile())).toEqual({ isCurrent: true, why: null })
  })

  it('is not known where the clock is behind, and no log says what this boot measured', async () => {
    const found = await stateOf(withLaterFile(), (own) => ({
      run: async (call, input) => (call.id === 'launch-log' ? unreadable : own.run(call, input)),
    }))
    expect(found).toEqual({
      isCurrent: null,
      why: expect.stringContaining('the clock is behind the times of the boot files'),
    })
  })

  it('names the file where a package came at the very time', async () => {
    const machine = booted()
    const at = machine.nowMs + 5000
    bootFilesOf(machine).set('tboot.gz', { ...bootFilesOf(machine).get('tboot.gz')!, mtimeMs: at })
    machine.packages = machine.packages.map((item) =>
      item.name === 'tboot' ? { ...item, installedAtMs: at } : item,
    )
    expect((await stateOf(machine)).why).toMatch(/^tboot\.gz changed/)
  })

  it('counts the microcode of AMD', async () => {
    const machine = booted()
    const intel = machine.packages.find(({ name }) => name === 'microcode_ctl')!
    machine.packages.push({ ...intel, name: 'amd-ucode-firmware', evr: '0:20240709-1.fc37' })
    const names = await observePackageNames(observeDom0(makeSimulatedHost(machine)))
    expect(names).toContain('amd-ucode-firmware 0:20240709-1.fc37')
  })

  it('is kept with the newest of each package, or with none where rpm does not answer', async () => {
    const names = await observePackageNames(observeDom0(makeSimulatedHost(booted())))
    expect(names).toContain(`xen-hypervisor 2001:${NEW_XEN}.fc37`)
    const silent = hostOf(booted(), (own) => ({
      run: async (call, input) => (call.id === 'rpm-query' ? unreadable : own.run(call, input)),
    }))
    expect(await observePackageNames(observeDom0(silent))).toBeNull()
  })
})
