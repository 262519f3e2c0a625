import { describe, expect, it } from 'vitest'
import { CANCEL_AND_START } from '../../src/core/decide/preparedness.ts'
import type { LaterUpdate } from '../../src/core/decide/since-start.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import type { Versions } from '../../src/core/session/versions.ts'
import { ABSENT, type Host, type Seen, seen } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { installKernel, installXen, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import {
  bootFilesOf,
  KERNEL_RELEASE,
  SELECTED_PCRS,
  type SimMachine,
} from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { type ExplanationContext, observeExplanation } from '../../src/observe/launch/explanation.ts'
import { observeBootDeviceLaunch } from '../../src/observe/launch/launch.ts'
import { NOTHING_KEPT, reproduceLater } from '../../src/observe/launch/since-start.ts'
import { aSession, machineOf } from '../support/built-in.ts'
import { started } from '../support/started.ts'

/** What `explain` is fed with before the restart, and where more came after `start`, on the built-in machine. */

const NEXT_KERNEL = '6.6.42-1.qubes.fc37.x86_64'
const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`

type Told = {
  readonly versions?: Seen<Versions>
  readonly host?: (own: Host) => Partial<Host>
  readonly context?: ExplanationContext
}

function explain(
  machine: SimMachine,
  session: Session,
  { versions = ABSENT, host, context = {} }: Told = {},
) {
  const own = makeSimulatedHost(machine)
  return observeExplanation(observeDom0({ ...own, ...host?.(own) }), session, versions, context)
}

type Explained = Awaited<ReturnType<typeof explain>>
const codesOf = ({ reasons }: Explained) => reasons.map(({ code }) => code)
const reasonOf = ({ reasons }: Explained, code: string) => reasons.find((one) => one.code === code)
const rowOf = ({ pcrs }: Explained, index: number) => pcrs.find((pcr) => pcr.index === index)

function append(machine: SimMachine, name: string): void {
  const file = bootFilesOf(machine).get(name)!
  bootFilesOf(machine).set(name, { ...file, bytes: Buffer.concat([file.bytes, Buffer.from('evil')]) })
}

function changeXen(machine: SimMachine): void {
  const file = bootFilesOf(machine).get(XEN_IMAGE)!
  bootFilesOf(machine).set(XEN_IMAGE, { ...file, bytes: changeOneByte(file.bytes) })
}

function later(machine: SimMachine, install: (machine: SimMachine) => void): void {
  machine.nowMs += 3600_000
  install(machine)
  machine.nowMs += 3600_000
}

describe('before the restart', () => {
  it('nothing has booted: each register is compared with itself, and that is no alarm', async () => {
    const { machine, session } = await started()
    const found = await explain(machine, session)
    expect(found).toMatchObject({ verdict: 'unchanged', prepared: { state: 'fits' } })
    expect(found.reasons).toEqual([
      {
        code: 'not-restarted',
        what: 'dom0 has not been restarted since `start`: nothing has booted yet that could be explained',
        next: null,
        isBlocking: false,
      },
    ])
    expect(found.pcrs.map(({ index, change }) => [index, change])).toEqual(
      [13, 17, 18, 19].map((index) => [index, 'none']),
    )
  })

  it('what changed since `start` is named with the way on, and is no alarm', async () => {
    const { machine, session } = await started()
    append(machine, INITRAMFS)
    const { reasons, verdict } = await explain(machine, session)
    expect(verdict).toBe('unchanged')
    expect(reasons.slice(1)).toEqual([
      {
        code: 'changed-before-restart',
        what: expect.stringContaining(INITRAMFS),
        next: CANCEL_AND_START,
        isBlocking: false,
      },
    ])
  })

  it('a register that is another one all the same is told', async () => {
    const { machine, session } = await started()
    machine.pcrs = { sha256: { ...machine.pcrs.sha256, 19: '00'.repeat(32) } }
    const found = await explain(machine, session)
    expect(rowOf(found, 19)?.change).not.toBe('none')
    expect(found.reasons.length).toBeGreaterThan(1)
    expect(codesOf(found)).toContain('not-restarted')
  })

  it('a boot that has no identity is not taken for the one before', async () => {
    const { machine, session } = await started()
    const nameless = (own: Host): Partial<Host> => ({
      readFile: async (path) => (path.endsWith('/boot_id') ? ABSENT : own.readFile(path)),
    })
    const baseline = { ...session.baseline!, bootId: null }
    const found = await explain(machine, { ...session, baseline }, { host: nameless })
    expect(codesOf(found)).not.toContain('not-restarted')
  })
})

it('without a baseline the registers are listed, and nothing is said of them', async () => {
  const { machine, session } = await started()
  const { verdict, pcrs, prepared } = await explain(machine, { ...session, baseline: null })
  expect([verdict, prepared]).toEqual(['no-baseline', null])
  expect(pcrs.map(({ index }) => index)).toEqual(Object.keys(machine.pcrs.sha256!).map(Number))
})

it('without a baseline the registers of a TPM 1.2 are those of its one bank', async () => {
  const { machine, session } = await started()
  // As the kernel prints them (Linux 6.1, drivers/char/tpm/tpm-sysfs.c, pcrs_show).
  const text = Array.from(
    { length: 24 },
    (_, at) => `PCR-${String(at).padStart(2, '0')}:${' A1'.repeat(20)}\n`,
  ).join('')
  const host = (own: Host): Partial<Host> => ({
    async readFile(path) {
      if (path === '/sys/class/tpm/tpm0/tpm_version_major') return seen(Buffer.from('1\n'))
      return path === '/sys/class/tpm/tpm0/pcrs' ? seen(Buffer.from(text)) : own.readFile(path)
    },
  })
  const { pcrs } = await explain(machine, { ...session, baseline: null }, { host })
  expect(pcrs).toHaveLength(24)
  expect(pcrs.map(({ now }) => now)).toEqual(Array.from({ length: 24 }, () => 'a1'.repeat(20)))
})

describe('after the restart, without a prediction', () => {
  async function booted(change: (machine: SimMachine) => void, session: Partial<Session> = {}) {
    const all = await started()
    change(all.machine)
    restartMachine(all.machine)
    return explain(all.machine, { ...all.session, prediction: null, ...session })
  }

  it('a Xen that is not the file of its package explains nothing', async () => {
    const found = await booted(changeXen)
    expect(rowOf(found, 18)?.change).toBe('unexpected')
    expect(found.verdict).toBe('unexplained')
  })

  it('a package that is installed no more is named', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const expectation = { ...session.expectation!, changedPackages: ['xen-hypervisor', 'no-such-package'] }
    const found = await explain(machine, { ...session, expectation })
    expect(reasonOf(found, 'package-not-verified')?.what).toContain('no-such-package')
  })

  it('a bulletin is the cause only of what its packages moved', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const bulletinsWith = async (changedPackages: string[]) => {
      const expectation = { ...session.expectation!, bulletins: [103], changedPackages }
      return rowOf(await explain(machine, { ...session, expectation }), 18)?.causes.map(
        ({ bulletin }) => bulletin,
      )
    }
    expect(await bulletinsWith(['xen-hypervisor'])).toEqual([103])
    expect(await bulletinsWith(['dracut'])).toEqual([null])
  })

  it('a bulletin of an update that changed nothing is not mentioned', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const { bootId } = await observeMachine(makeSimulatedHost(machine))
    const approved = { at: '2024-07-17T09:00:00.000Z', bootId, pcrs: { ...machine.pcrs.sha256 } }
    restartMachine(machine)
    const expectation = { ...session.expectation!, bulletins: [103], bulletinPcrs: [18, 19] }
    const found = await explain(machine, { ...session, approved, expectation })
    expect([found.verdict, codesOf(found)]).toEqual(['unchanged', []])
  })

  it.each<[string, Seen<Versions>]>([
    ['the versions at `start`', ABSENT],
    [
      'the record of earlier sessions',
      {
        state: 'seen',
        value: {
          schema: 1,
          packages: [{ name: 'xen-hypervisor', evr: '2001:4.17.9-1.fc37', at: '' }],
        } as never,
      },
    ],
  ])('a package that is older than in %s is named', async (_, versions) => {
    const { machine, session } = await started()
    restartMachine(machine)
    if (versions.state !== 'seen')
      machine.packages = machine.packages.map((item) =>
        item.name === 'xen-hypervisor' ? { ...item, evr: '2001:4.16.1-1.fc37' } : item,
      )
    const baseline = versions.state === 'seen' ? { ...session.baseline!, packages: [] } : session.baseline
    const found = await explain(machine, { ...session, baseline } as Session, { versions })
    expect(reasonOf(found, 'package-downgraded')?.what).toContain('xen-hypervisor is OLDER than before')
  })
})

describe('command lines that nobody noted before', () => {
  /** A boot, and one later one, of which nothing but the registers is known; the later one may have another kernel. */
  async function story(change: (machine: SimMachine) => void, isTraced: boolean) {
    const machine = machineOf('clean-update')
    restartMachine(machine)
    const taken = (await observeBaseline(observeDom0(makeSimulatedHost(machine)), SELECTED_PCRS))!
    const baseline = {
      ...taken,
      kernelCommandLine: null,
      xenCommandLine: null,
      components: isTraced ? taken.components : null,
    }
    change(machine)
    restartMachine(machine)
    const found = await explain(machine, aSession({ baseline }))
    return found.reasons.filter(({ what }) => what.includes('nothing says what it was before'))
  }
  const changed = (machine: SimMachine) => append(machine, INITRAMFS)

  it('hide nothing where no register changed, or each extend is known', async () => {
    expect(await story(() => undefined, false)).toEqual([])
    expect(await story(changed, true)).toEqual([])
  })

  it('may hide something where a register changed, and nothing says by what', async () => {
    expect(await story(changed, false)).not.toEqual([])
  })
})

describe('a kernel that came after `start`', () => {
  async function booted(told: Told & { change?: (machine: SimMachine) => void; isSigned?: boolean } = {}) {
    const { machine, session } = await started()
    later(machine, (own) => installKernel(own, NEXT_KERNEL))
    if (told.isSigned === false)
      machine.packages = machine.packages.map((item) =>
        item.name === 'kernel' && item.evr.includes('6.6.42') ? { ...item, keyId: 'feedfacefeedface' } : item,
      )
    told.change?.(machine)
    restartMachine(machine)
    return { machine, found: await explain(machine, session, told) }
  }
  const looks: string[] = []
  const made = (state: 'same' | 'different', isAccepted = false): ExplanationContext => ({
    reproduce: async ({ path, sha256 }) => {
      looks.push(path)
      const result =
        state === 'same'
          ? ({ state, words: '-f', sha256 } as const)
          : ({ state, total: 0, differences: [], fresh: null } as const)
      return { result, isAccepted }
    },
  })

  it('may change what a kernel changes: its initramfs is made again, and the boot is explained', async () => {
    looks.length = 0
    const { found } = await booted({ context: made('same') })
    expect(looks).toEqual([`/initramfs-${NEXT_KERNEL}.img`])
    expect(found.verdict).toBe('explained')
    expect(rowOf(found, 19)).toMatchObject({ change: 'expected' })
    expect(found.reproductions).toMatchObject([{ state: 'same', image: `/initramfs-${NEXT_KERNEL}.img` }])
    const note = reasonOf(found, 'changed-after-start')
    expect(note).toMatchObject({ next: null, isBlocking: false })
    expect(note?.what).toMatch(
      /^after `start` came kernel 1000:6\.6\.42-1\.qubes\.fc37.*: what was confirmed and predicted was made before; accounted for by it: /,
    )
    for (const name of [`vmlinuz-${NEXT_KERNEL}`, `initramfs-${NEXT_KERNEL}.img`, 'grub.cfg'])
      expect(note?.what).toContain(name)
    expect(note?.what).not.toContain('xen-')
  })

  it('is not asked about an initramfs that is remembered', async () => {
    looks.length = 0
    const { machine, session } = await started()
    later(machine, (own) => installKernel(own, NEXT_KERNEL))
    restartMachine(machine)
    const own = makeSimulatedHost(machine)
    const path = `/initramfs-${NEXT_KERNEL}.img`
    const digest = await own.digestFile(`/boot${path}`)
    const sha256 = digest.state === 'seen' ? digest.value.sha256 : ''
    const known = new Map([[path, sha256]])
    const found = await explain(machine, session, { context: { ...made('different'), known } })
    expect([looks, found.verdict]).toEqual([[], 'explained'])
    const other = new Map([[path, '0'.repeat(64)]])
    await explain(machine, session, { context: { ...made('different'), known: other } })
    expect(looks).toEqual([path])
  })

  it('with an initramfs that dom0 does not make is an alarm that names it, whatever was accepted', async () => {
    const { found } = await booted({ context: made('different') })
    expect(found.verdict).toBe('unexplained')
    expect(reasonOf(found, 'initramfs-not-made-again')).toMatchObject({ isBlocking: true })
    const { found: accepted } = await booted({ context: made('different', true) })
    expect(codesOf(accepted)).toContain('initramfs-not-made-again')
  })

  it('of an unknown signer explains nothing, and is named', async () => {
    const { found } = await booted({ context: made('same'), isSigned: false })
    expect(found.verdict).toBe('unexplained')
    const unverified = found.reasons.filter(({ code }) => code === 'package-not-verified')
    expect(unverified.map(({ what }) => what).join()).toMatch(/^kernel .*feedfacefeedface/)
  })

  it('does not explain another Xen beside it', async () => {
    const { found } = await booted({
      context: made('same'),
      change: changeXen,
    })
    expect(found.verdict).toBe('unexplained')
    expect(found.reasons.map(({ what }) => what).join()).toContain(`${XEN_IMAGE} (xen) is not current`)
  })

  it('after a boot that was accepted is explained as well', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const { bootId } = await observeMachine(makeSimulatedHost(machine))
    const approved = { at: '2024-07-17T09:00:00.000Z', bootId, pcrs: { ...machine.pcrs.sha256 } }
    later(machine, (own) => installKernel(own, NEXT_KERNEL))
    restartMachine(machine)
    const found = await explain(machine, { ...session, approved }, { context: made('same') })
    expect(rowOf(found, 19)?.change).toBe('expected')
    const other = await explain(machine, { ...session, approved }, { context: made('different') })
    expect(rowOf(other, 19)?.change).toBe('unexpected')
  })
})

describe('what came after `start`', () => {
  it('asks for no initramfs that was recorded then', async () => {
    const { machine, session } = await started()
    later(machine, (own) => installXen(own, '4.17.4-5', own.nowMs))
    restartMachine(machine)
    const looks: string[] = []
    const reproduce: ExplanationContext['reproduce'] = async ({ path, sha256 }) => {
      looks.push(path)
      return { result: { state: 'same', words: '-f', sha256 }, isAccepted: false }
    }
    await explain(machine, session, { context: { reproduce } })
    expect(looks).toEqual([])
    // Of other bytes than were recorded it is another one.
    const bootFiles = session.baseline!.bootFiles.map((file) =>
      file.role === 'initramfs' && file.digests
        ? { ...file, digests: { ...file.digests, sha256: '0'.repeat(64) } }
        : file,
    )
    await explain(
      machine,
      { ...session, baseline: { ...session.baseline!, bootFiles } },
      { context: { reproduce } },
    )
    expect(looks).toEqual([`/${INITRAMFS}`])
    // The same bytes under another name are not that file.
    const renamed = session.baseline!.bootFiles.map((file) =>
      file.role === 'initramfs' ? { ...file, path: '/boot/initramfs-other.img' } : file,
    )
    await explain(
      machine,
      { ...session, baseline: { ...session.baseline!, bootFiles: renamed } },
      { context: { reproduce } },
    )
    expect(looks).toEqual([`/${INITRAMFS}`, `/${INITRAMFS}`])
  })

  it('may change registers that the update of `start` may not', async () => {
    const { machine, session } = await started()
    const expectation = { ...session.expectation!, mayChange: [18] }
    const context: ExplanationContext = {
      reproduce: async ({ sha256 }) => ({
        result: { state: 'same', words: '-f', sha256 },
        isAccepted: false,
      }),
    }
    later(machine, (own) => installKernel(own, NEXT_KERNEL))
    restartMachine(machine)
    const found = await explain(machine, { ...session, expectation, prediction: null }, { context })
    expect(rowOf(found, 19)?.change).toBe('expected')
  })

  it('is named alone where it changed no boot file', async () => {
    const { machine, session } = await started()
    later(machine, (own) => {
      own.packages = own.packages.map((item) =>
        item.name === 'anti-evil-maid' ? { ...item, evr: '0:4.9.9-1.fc37', installedAtMs: own.nowMs } : item,
      )
    })
    restartMachine(machine)
    const note = reasonOf(await explain(machine, session), 'changed-after-start')
    expect(note?.what).toMatch(/anti-evil-maid .*: what was confirmed and predicted was made before$/)
  })

  it('makes both the running and the installed Xen known, whatever came beside it', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    later(machine, (own) => {
      installXen(own, '4.17.4-5', own.nowMs)
      installKernel(own, NEXT_KERNEL)
    })
    expect(codesOf(await explain(machine, session))).not.toContain('xen-not-installed-one')
  })
})

it('another Xen on the disk than the one that runs is named, where none came after `start`', async () => {
  const other = machineOf('clean-update')
  installXen(other, '4.17.4-5', other.nowMs)
  const { machine, session } = await started()
  restartMachine(machine)
  bootFilesOf(machine).set(XEN_IMAGE, bootFilesOf(other).get(XEN_IMAGE)!)
  expect(codesOf(await explain(machine, session))).toContain('xen-not-installed-one')
})

describe('a Xen that came after `start`', () => {
  it('that booted is the installed one, and the confirmed one is no more', async () => {
    const { machine, session } = await started()
    later(machine, (own) => installXen(own, '4.17.4-5', own.nowMs))
    restartMachine(machine)
    const found = await explain(machine, session)
    expect(codesOf(found)).not.toContain('xen-not-installed-one')
    expect(found.verdict).toBe('explained')
  })

  it('that was installed after the boot leaves the confirmed one running, which is the one of this boot', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    later(machine, (own) => installXen(own, '4.17.4-5', own.nowMs))
    const found = await explain(machine, session)
    expect(codesOf(found)).not.toContain('xen-not-installed-one')
    // No other package's update makes that Xen the expected one.
    const without = { ...session, expectation: { ...session.expectation!, xenBuildId: '0'.repeat(40) } }
    expect(codesOf(await explain(machine, without))).toContain('xen-not-installed-one')
  })
})

it('an initramfs is made again only where the entry of this boot names the release of its kernel', async () => {
  const { machine, session } = await started()
  const dom0 = observeDom0(makeSimulatedHost(machine))
  const launch = await observeBootDeviceLaunch(
    dom0.host,
    await dom0.booted(),
    await dom0.machine(),
    await dom0.log(),
  )
  const entry = launch.booted.entry!
  const later = [{ name: 'kernel', isVerified: true }] as unknown as readonly LaterUpdate[]
  const looks: (string | null)[] = []
  const reproduce: ExplanationContext['reproduce'] = async ({ kernelRelease, sha256 }) => {
    looks.push(kernelRelease)
    return { result: { state: 'same', words: '-f', sha256 }, isAccepted: false }
  }
  const looked = async (change: (path: string) => string): Promise<typeof looks> => {
    looks.length = 0
    const modules = entry.modules.map((one) =>
      one.role === 'kernel' ? { ...one, path: change(one.path) } : one,
    )
    const changed = { ...launch, booted: { entry: { ...entry, modules }, why: null } }
    await reproduceLater(changed, session, later, () => false, reproduce)
    return [...looks]
  }
  expect(await looked((path) => path)).toEqual([KERNEL_RELEASE])
  expect(await looked(() => '/vmlinuz')).toEqual([])
  // \`status\` makes none: it takes too long.
  expect(await reproduceLater(launch, session, later, () => false, null)).toEqual(NOTHING_KEPT)
})
