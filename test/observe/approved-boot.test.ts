/* Long: each fact that is kept of an approved boot, proven and not. */

import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import type { LaunchLog } from '../../src/core/launch/launch-log.ts'
import { mleHashes } from '../../src/core/launch/mle-hash.ts'
import { replayValues } from '../../src/core/launch/replay.ts'
import { ABSENT, type Host, unknown } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { installXen, NEW_XEN, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import {
  bootFilesOf,
  KERNEL_RELEASE,
  type SimMachine,
  sha256,
  TPM_ID,
} from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import type { MachineFacts } from '../../src/observe/dom0/machine.ts'
import { observeBootContents } from '../../src/observe/launch/approved-boot.ts'
import type { TpmFacts } from '../../src/observe/launch/pcrs.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { tbootWith } from '../core/launch/tboot-image.ts'
import { put } from '../support/approved-machine.ts'
import { editEntries } from '../support/attack.ts'
import { machineOf } from '../support/built-in.ts'

/* What is kept of a boot when it is approved: only what it proves itself. */

const FAILED = makeFailure('log-unreadable', { what: 'x', next: 'y' })
const unreadable = unknown('input/output error')

/** What is installed is what runs. */
function booted(): SimMachine {
  const machine = machineOf('clean-update')
  restartMachine(machine)
  return machine
}

type Told = {
  readonly host?: (own: Host) => Partial<Host>
  readonly dom0?: (own: Dom0) => Partial<Dom0>
  readonly machine?: Partial<MachineFacts>
  readonly tpm?: (own: TpmFacts) => Partial<TpmFacts>
}

async function contents(change: (machine: SimMachine) => void = () => undefined, told: Told = {}) {
  const machine = booted()
  change(machine)
  const host = makeSimulatedHost(machine)
  const dom0 = observeDom0({ ...host, ...told.host?.(host) })
  const [facts, tpm, device] = [await dom0.machine(), await dom0.tpm(), (await dom0.booted())!]
  return observeBootContents(
    { ...dom0, ...told.dom0?.(dom0) },
    device,
    { ...facts, ...told.machine },
    { ...tpm, ...told.tpm?.(tpm) },
  )
}
const nothing = () => undefined
const fileOf = ({ files }: Awaited<ReturnType<typeof contents>>, role: string) =>
  files.find((file) => file.role === role)

/** The log with other digests, or of another kind. */
const logWith = (change: (log: LaunchLog) => Partial<LaunchLog>) => (own: Dom0) => ({
  async log() {
    const log = await own.log()
    if (log instanceof Failure) throw log
    return { ...log, ...change(log) }
  },
})

describe('the command lines', () => {
  it('are proven by the log, whatever else tells them', async () => {
    const silent = (
      await contents(nothing, { machine: { xen: { version: null, buildId: null, commandLine: null } } })
    ).commandLines
    expect(silent.xen).toMatch(/^placeholder console=none .*smt=off$/)
    expect(silent.kernel).toMatch(/^placeholder root=\S+ .* aem\.uuid=\S+/)
    const lies = { version: '4.17.4', buildId: null, commandLine: 'placeholder what xl says' }
    const told = { xen: lies, kernelCommandLine: 'placeholder what the kernel says' }
    expect((await contents(nothing, { machine: told })).commandLines).toEqual(silent)
  })

  it.each<[string, (machine: SimMachine) => void, Told]>([
    [
      'the images were overwritten since',
      (machine) => {
        put(machine, XEN_IMAGE, changeOneByte)
        put(machine, `vmlinuz-${KERNEL_RELEASE}`, () => Buffer.from('MZ another kernel'))
      },
      {},
    ],
    ['there is no log', nothing, { dom0: () => ({ log: async () => FAILED }) }],
    ['the registers are not known', nothing, { tpm: () => ({ bank: null }) }],
    [
      'the registers are others',
      nothing,
      { tpm: () => ({ pcrs: { sha256: { 17: 'aa', 18: 'bb', 19: 'cc' } } }) },
    ],
  ])('are those that Xen and the kernel tell where %s', async (_, change, told) => {
    const machine = {
      kernelCommandLine: 'placeholder of the kernel',
      xen: { version: null, buildId: null, commandLine: 'placeholder of xl' },
    }
    expect((await contents(change, { ...told, machine })).commandLines).toEqual({
      mle: null,
      xen: 'placeholder of xl',
      kernel: 'placeholder of the kernel',
    })
  })
})

describe("tboot's command line", () => {
  /** SINIT measured this tboot with the line of its entry, and it lies there still. */
  async function line(
    told: {
      readonly rule?: 'whole' | 'first-word-stripped'
      readonly change?: (machine: SimMachine) => void
    } & Told = {},
  ) {
    const tboot = tbootWith(0x02, 256)
    const entryLine = 'placeholder logging=memory,serial'
    const own = mleHashes(tboot, entryLine, ['sha1', 'sha256'])[told.rule ?? 'whole']
    const measured = logWith(({ events }) => ({
      events: events.map((event) =>
        event.origin.kind === 'mle' ? { ...event, digests: { sha256: own.sha256! } } : event,
      ),
    }))
    const dom0 = (real: Dom0) => {
      const launched = { ...real, ...measured(real) }
      return { ...launched, ...told.dom0?.(launched) }
    }
    const found = await contents(
      (machine) => {
        bootFilesOf(machine).set('tboot.gz', { bytes: tboot, mtimeMs: 0 })
        put(machine, 'grub2/grub.cfg', (old) =>
          Buffer.from(
            Buffer.from(old)
              .toString()
              .replaceAll(/(multiboot\s+\/tboot\.gz ).*/g, `$1${entryLine}`),
          ),
        )
        told.change?.(machine)
      },
      { ...told, dom0 },
    )
    return [found.commandLines.mle, fileOf(found, 'mle')?.isMeasured]
  }

  it('is proven by either rule that tboot may hash it by', async () => {
    for (const rule of ['whole', 'first-word-stripped'] as const)
      expect(await line({ rule })).toEqual(['placeholder logging=memory,serial', true])
  })

  it.each<[string, Parameters<typeof line>[0]]>([
    ['under TrenchBoot', { dom0: logWith(() => ({ kind: 'trenchboot' })) }],
    ['without a log', { dom0: () => ({ log: async () => FAILED }) }],
    ['of a log that names none', { dom0: logWith(() => ({ events: [] })) }],
    [
      'where another tboot lies there',
      { change: (machine) => put(machine, 'tboot.gz', () => tbootWith(0x42, 256)) },
    ],
    [
      'where another line stands there',
      {
        change: (machine) =>
          put(machine, 'grub2/grub.cfg', (old) =>
            Buffer.from(Buffer.from(old).toString().replaceAll('memory,serial', 'memory')),
          ),
      },
    ],
  ])('is not proven %s', async (_, told) => {
    expect(await line(told)).toEqual([null, false])
  })

  it('is not proven where its file cannot be read, or the entry of this boot is not known', async () => {
    const isTboot = (path: string): boolean => path.endsWith('/tboot.gz')
    const host = (own: Host): Partial<Host> => ({
      readFile: async (path) => (isTboot(path) ? unreadable : own.readFile(path)),
    })
    expect(await line({ host })).toEqual([null, false])
    expect(await line({ machine: { kernelCommandLine: null } })).toEqual([null, undefined])
  })
})

describe('the files', () => {
  it('are all that the entry loads, with their digests as stored and as loaded, and their packages', async () => {
    const machine = booted()
    const { files } = await contents()
    const stored = (name: string) => sha256(bootFilesOf(machine).get(name)!.bytes)
    const hex = {
      sha1: expect.stringMatching(/^[0-9a-f]{40}$/),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    }
    expect(files).toEqual([
      {
        role: 'mle',
        path: '/tboot.gz',
        sha256: stored('tboot.gz'),
        digests: hex,
        isMeasured: false,
        package: { name: 'tboot', evr: expect.any(String) },
      },
      {
        role: 'xen',
        path: `/${XEN_IMAGE}`,
        sha256: stored(XEN_IMAGE),
        digests: hex,
        isMeasured: true,
        package: { name: 'xen-hypervisor', evr: `2001:${NEW_XEN}.fc37` },
      },
      {
        role: 'kernel',
        path: `/vmlinuz-${KERNEL_RELEASE}`,
        sha256: stored(`vmlinuz-${KERNEL_RELEASE}`),
        digests: hex,
        isMeasured: true,
        package: { name: 'kernel', evr: expect.any(String) },
      },
      {
        role: 'initramfs',
        path: `/initramfs-${KERNEL_RELEASE}.img`,
        sha256: stored(`initramfs-${KERNEL_RELEASE}.img`),
        digests: hex,
        isMeasured: true,
        package: null,
      },
      {
        role: 'sinit',
        path: '/SINIT.BIN',
        sha256: stored('SINIT.BIN'),
        digests: hex,
        isMeasured: false,
        package: null,
      },
    ])
    const xen = files.find(({ role }) => role === 'xen')!
    // Xen is packed: GRUB loads other bytes than are stored.
    expect(xen.digests.sha256).not.toBe(xen.sha256)
  })

  it('are not what the boot measured where they were overwritten since, by their package or by nobody', async () => {
    const updated = await contents((machine) => installXen(machine, '4.17.4-9', machine.nowMs))
    expect(fileOf(updated, 'xen')).toMatchObject({
      isMeasured: false,
      package: { name: 'xen-hypervisor', evr: '2001:4.17.4-9.fc37' },
    })
    expect(fileOf(updated, 'kernel')?.isMeasured).toBe(true)
    expect(fileOf(await contents((machine) => put(machine, XEN_IMAGE, changeOneByte)), 'xen')).toMatchObject({
      isMeasured: false,
      package: null,
    })
  })

  it('of which one cannot be read are the others', async () => {
    const isXen = (path: string): boolean => path.endsWith(`/${XEN_IMAGE}`)
    const host = (own: Host): Partial<Host> => ({
      openFile: async (path) => (isXen(path) ? unreadable : own.openFile(path)),
      digestFile: async (path) => (isXen(path) ? unreadable : own.digestFile(path)),
      readFile: async (path) => (isXen(path) ? unreadable : own.readFile(path)),
    })
    const { files } = await contents(nothing, { host })
    expect(files.map(({ role }) => role)).toEqual(['mle', 'kernel', 'initramfs', 'sinit'])
  })

  it('of which one cannot be told as it is loaded is kept as it is stored', async () => {
    const withXz = (machine: SimMachine) =>
      editEntries(machine, (entry) => entry.replace('\tinsmod ext2', '\tinsmod ext2\n\tinsmod xzio'))
    const found = await contents(withXz, { host: () => ({ openFile: async () => unreadable }) })
    expect(fileOf(found, 'kernel')).toStrictEqual({
      ...{ role: 'kernel', path: `/vmlinuz-${KERNEL_RELEASE}`, digests: {}, isMeasured: false },
      sha256: sha256(bootFilesOf(booted()).get(`vmlinuz-${KERNEL_RELEASE}`)!.bytes),
      package: { name: 'kernel', evr: expect.any(String) },
    })
  })

  it('are none where the entry of this boot is not known', async () => {
    const found = await contents((machine) => put(machine, 'grub2/grub.cfg', () => Buffer.from('if true')))
    expect(found.files).toEqual([])
    expect(found.commandLines.xen).toMatch(/smt=off$/)
  })
})

describe('what was measured, one extend after the other', () => {
  it('is kept with the digests of the log that leads to the registers', async () => {
    const { components } = await contents()
    expect(components?.map(({ role }) => role)).toEqual(
      expect.arrayContaining(['platform', 'mle', 'xen', 'kernel', 'initramfs']),
    )
    for (const { digests } of components!) expect(digests.sha256).toMatch(/^[0-9a-f]{64}$/)
  })

  it('is kept in the bank that AEM seals to', async () => {
    const machine = booted()
    const log = await observeDom0(makeSimulatedHost(machine)).log()
    if (log instanceof Failure) throw log
    const inSha1 = <T extends { digests: { sha256?: string } }>(one: T) => ({
      ...one,
      digests: { sha1: one.digests.sha256!.slice(0, 40) },
    })
    const own = { ...log, events: log.events.map(inSha1), modules: log.modules.map(inSha1) } as LaunchLog
    const sha1 = Object.fromEntries(
      [17, 18, 19].map((index) => [index, replayValues(own, 'sha1', index).at(-1)!]),
    )
    const dom0 = () => ({ log: async () => own })
    const tpm12 = { version: '1.2', bank: 'sha1', pcrs: { sha1 } } as const
    expect((await contents(nothing, { dom0, tpm: () => tpm12 })).components?.length).toBe(log.events.length)
    expect((await contents(nothing, { dom0, tpm: () => ({ pcrs: { sha1 } }) })).components).toBeNull()
  })

  it.each<[string, Told]>([
    ['without a log', { dom0: () => ({ log: async () => FAILED }) }],
    [
      'where a register is another one',
      { tpm: ({ pcrs }) => ({ pcrs: { sha256: { ...pcrs.sha256, 18: 'aa' } } }) },
    ],
    ['where no register can be read', { tpm: () => ({ pcrs: {} }) }],
    ['where the bank is not known', { tpm: () => ({ bank: null, pcrs: {} }) }],
  ])('is not kept %s', async (_, told) => {
    expect((await contents(nothing, told)).components).toBeNull()
  })
})

describe("the policy of dom0's sealed copy", () => {
  it('is that of the device of this boot', async () => {
    const { policy } = await contents()
    expect(policy).toMatch(/^[0-9a-f]{64}$/)
    expect(
      (await contents(({ dom0 }) => void dom0.delete(`/var/lib/tpms/${TPM_ID}/aem/key.pub`))).policy,
    ).toBeNull()
    expect(
      (await contents(({ dom0 }) => void dom0.delete(`/var/lib/tpms/${TPM_ID}/other/key.pub`))).policy,
    ).toBe(policy)
  })

  it('is not known where the copy cannot be found', async () => {
    expect((await contents(nothing, { dom0: () => ({ tpmId: async () => null }) })).policy).toBeNull()
    const host = (own: Host): Partial<Host> => ({
      listDirectory: async (path) =>
        path.startsWith('/var/lib/tpms/') ? unreadable : own.listDirectory(path),
    })
    expect((await contents(nothing, { host })).policy).toBeNull()
  })
})

describe('the packages', () => {
  const installedAt = (at: (machine: SimMachine) => number) => (machine: SimMachine) => {
    const installedAtMs = at(machine)
    machine.packages = machine.packages.map((item) =>
      item.name === 'tboot' ? { ...item, installedAtMs } : item,
    )
  }
  const names = async (change?: (machine: SimMachine) => void, told?: Told) =>
    (await contents(change, told)).packages?.map(({ name }) => name) ?? null

  it('are those that were there when the boot began, of each version', async () => {
    expect(await names()).toEqual(expect.arrayContaining(['xen-hypervisor', 'kernel', 'dracut', 'tboot']))
    expect(await names(installedAt(({ bootTimeMs }) => bootTimeMs))).toContain('tboot')
    const since = await names((machine) => {
      installedAt(({ bootTimeMs }) => bootTimeMs + 1000)(machine)
      machine.nowMs += 3600_000
    })
    expect(since).not.toContain('tboot')
    expect(since).toContain('xen-hypervisor')
  })

  it('count as there where the clock cannot tell', async () => {
    expect(await names(installedAt(({ nowMs }) => nowMs + 3600_000))).toContain('tboot')
  })

  it('are not known where the start of this boot is not, or rpm does not answer', async () => {
    expect(await names(nothing, { machine: { bootTime: null } })).toBeNull()
    const silent = (own: Dom0) => ({ rpm: { ...own.rpm, packages: async () => ABSENT } })
    expect(await names(nothing, { dom0: silent })).toBeNull()
  })
})
