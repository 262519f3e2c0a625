/* Long: one look feeds each fact of a change; the facts are tested one after the other in the same world. */

import { describe, expect, it } from 'vitest'
import { type LaterUpdate, nameUpdate } from '../../src/core/decide/since-start.ts'
import type { ExplainedPcr, Explanation } from '../../src/core/launch/explain-types.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { installKernel, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import {
  bootFilesOf,
  KERNEL_RELEASE,
  SELECTED_PCRS,
  type SimMachine,
} from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeConfirmedPackages } from '../../src/observe/dom0/confirmed-packages.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observeChange } from '../../src/observe/launch/change-of-files.ts'
import { observeBootDeviceLaunch } from '../../src/observe/launch/launch.ts'
import { put } from '../support/approved-machine.ts'
import { aSession, machineOf } from '../support/built-in.ts'

/* Which facts of files, packages and lines go into the verdict on a boot, on the built-in machine after an update. */

type Evidence = Parameters<typeof observeChange>[1]

const NEXT_KERNEL = '6.6.42-1.qubes.fc37.x86_64'
const [THIS, OTHER] = ['a1'.repeat(32), 'b2'.repeat(32)]

const row = (index: number, changes: Partial<ExplainedPcr> = {}): ExplainedPcr => ({
  ...{ index, bank: 'sha256', before: THIS, now: THIS, predicted: THIS, change: 'none', causes: [] },
  ...changes,
})
const explainedBy = (pcrs: readonly ExplainedPcr[], reasons: Explanation['reasons'] = []): Explanation => ({
  ...{ verdict: 'explained', alreadyResealed: null, pcrs, reasons, advice: [] },
})
const later = (component: LaterUpdate['component'], name: string = component): LaterUpdate => ({
  ...{ name, evr: '9', component, before: '8', isVerified: true, fault: null },
})
const expectation = (changes: Partial<NonNullable<Session['expectation']>>) => ({
  ...{ bulletins: [], bulletinPcrs: [], mayChange: [], changedPackages: [], downgrades: [] },
  ...{ xenBuildId: null, deviceUuid: null },
  ...changes,
})

/** @param change what was changed since the boot was noted */
async function world(
  change: (machine: SimMachine) => void = () => {},
  told: (own: Host) => Partial<Host> = () => ({}),
) {
  const machine = machineOf('clean-update')
  restartMachine(machine)
  const baseline = (await observeBaseline(observeDom0(makeSimulatedHost(machine)), SELECTED_PCRS))!
  change(machine)
  const own = makeSimulatedHost(machine)
  const host = { ...own, ...told(own) }
  const dom0 = observeDom0(host)
  const [facts, device] = [await dom0.machine(), await dom0.booted()]
  const launch = await observeBootDeviceLaunch(host, device, facts, await dom0.log())
  const confirmed = await observeConfirmedPackages(dom0, facts.bootTime, launch.booted.entry)
  const evidence: Evidence = {
    ...{ session: aSession({ baseline }), baseline, machine: facts, device, launch, versions: ABSENT },
    ...{ explained: explainedBy([row(17), row(18)]), packages: confirmed!.packages, later: [] },
    ...{ isVouched: () => false, hasBooted: true, approvedFiles: new Map() },
  }
  return {
    ...{ machine, baseline, evidence },
    observe: (changes: Partial<Evidence> = {}) => observeChange(dom0, { ...evidence, ...changes }),
    expecting: (changes: Partial<NonNullable<Session['expectation']>>) =>
      aSession({ baseline, expectation: expectation(changes) }),
  }
}

const append = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, Buffer.from('evil')])

it('a boot in which nothing changed has nothing to tell', async () => {
  const { observe, evidence, baseline } = await world()
  const { files, ...rest } = await observe()
  expect(files.map(({ path }) => path)).toEqual(baseline.bootFiles.map(({ path }) => path))
  for (const file of files) {
    expect(file).toMatchObject({ before: file.now, isNew: false, isGone: false, accountedBy: null })
    expect(file.now).not.toBeNull()
  }
  const { buildId } = evidence.machine.xen
  expect(rest).toEqual({
    pcrs: [17, 18].map((index) => ({ index, before: THIS, now: THIS })),
    ...{ grubFiles: [], deviceProblems: [], packages: [], isPredicted: true, downgrades: [], outdated: [] },
    ...{ olderKernel: null, commandLines: [], oddEntries: [], areVersionsUnreadable: false },
    xen: { runningBuildId: buildId, installedBuildId: buildId, confirmedBuildId: null },
  })
  expect(buildId).toMatch(/^[0-9a-f]+$/)
})

describe('the packages behind a change', () => {
  it('are those of the update and those that came after it, each once, with what stands against it', async () => {
    const { observe, expecting, evidence } = await world()
    const packages = evidence.packages.map((one) =>
      one.name === 'tboot' ? { ...one, changedFiles: ['/boot/tboot.gz'] } : one,
    )
    const session = expecting({ changedPackages: ['xen-hypervisor', 'tboot', 'no-such-package'] })
    const came = [later('xen', 'xen-hypervisor'), later('initramfs', 'dracut')]
    const facts = await observe({ session, packages, later: came })
    expect(facts.packages).toEqual([
      { name: 'xen-hypervisor', isVerified: true, fault: null },
      { name: 'tboot', isVerified: false, fault: 'has changed files: /boot/tboot.gz' },
      { name: 'no-such-package', isVerified: null, fault: null },
      { name: 'dracut', isVerified: true, fault: null },
    ])
  })

  it('make the confirmed Xen a known one, beside the installed one, where one of them is Xen’s', async () => {
    const { observe, expecting } = await world()
    const session = expecting({ xenBuildId: 'c3'.repeat(20) })
    const confirmedBy = async (came: readonly LaterUpdate[], own = session) =>
      (await observe({ session: own, later: came })).xen.confirmedBuildId
    expect(await confirmedBy([later('xen')])).toBe('c3'.repeat(20))
    expect(await confirmedBy([later('kernel'), later('xen')])).toBe('c3'.repeat(20))
    expect(await confirmedBy([later('kernel')])).toBeNull()
    expect(await confirmedBy([])).toBeNull()
    expect(await confirmedBy([later('xen')], aSession())).toBeNull()
  })
})

describe('a grub.cfg that a later package made again, of a boot whose entry is not known', () => {
  it('is accounted for only where each register is read and as predicted', async () => {
    const { observe, evidence } = await world((machine) => put(machine, 'grub2/grub.cfg', append))
    const launch = { ...evidence.launch, booted: { entry: null, why: 'unknown' } }
    const accountedBy = async (...pcrs: readonly ExplainedPcr[]) => {
      const told = { launch, later: [later('aem')], explained: explainedBy(pcrs) }
      return (await observe(told)).files.find(({ role }) => role === 'grub.cfg')?.accountedBy
    }
    const all = nameUpdate(later('aem'))
    expect(await accountedBy(row(17), row(18))).toBe(all)
    expect(await accountedBy(row(17), row(18, { predicted: OTHER }))).toBeNull()
    expect(await accountedBy(row(17), row(18, { predicted: null }))).toBeNull()
    expect(await accountedBy(row(17), row(18, { now: null, predicted: null }))).toBeNull()
    expect(await accountedBy(row(17), row(18, { now: null }))).toBeNull()
  })
})

it('what grub.cfg reads beside itself is compared where the device can be looked at', async () => {
  const { observe, baseline } = await world((machine) =>
    bootFilesOf(machine).set('grub2/custom.cfg', { bytes: Buffer.from('# x\n'), mtimeMs: 0 }),
  )
  expect((await observe()).grubFiles).toMatchObject([{ path: '/boot/grub2/custom.cfg', isNew: true }])
  const grubFiles = [{ path: '/boot/grub2/user.cfg', sha256: OTHER }]
  const noted = { ...baseline, grubFiles }
  expect((await observe({ baseline: noted }))?.grubFiles).toMatchObject([
    { path: '/boot/grub2/user.cfg', isGone: true },
    { path: '/boot/grub2/custom.cfg', isNew: true },
  ])
  expect((await observe({ baseline: noted, device: null })).grubFiles).toEqual([])
})

describe('a file of the device that is not that of the installed package', () => {
  const XEN_WORDS = `/boot/${XEN_IMAGE} (xen) is not current (RPM database)`

  it.each<[string, (machine: SimMachine) => void, ((own: Host) => Partial<Host>) | undefined, string]>([
    ['has other bytes', (machine) => put(machine, XEN_IMAGE, append), undefined, XEN_WORDS],
    [
      'is not there',
      ({ devices }) => void devices[0]!.files.delete('/tboot.gz'),
      undefined,
      '/boot/tboot.gz (tboot) is not there (RPM database)',
    ],
    [
      'cannot be read',
      () => undefined,
      (own) => ({
        digestFile: async (path) =>
          path.endsWith('/tboot.gz') ? unknown('input/output error') : own.digestFile(path),
      }),
      '/boot/tboot.gz (tboot) could not be checked (RPM database)',
    ],
  ])('is told, and no other one, where it %s', async (_, change, told, words) => {
    const { observe } = await world(change, told)
    expect((await observe()).deviceProblems).toEqual([words])
  })

  it('is none where a package of its kind came since, and the file is as it was then', async () => {
    // Xen's package is another one, which did not reach the device.
    const { observe, baseline } = await world((machine) => {
      machine.packages = machine.packages.map((one) =>
        one.name === 'xen-hypervisor' ? { ...one, files: new Map([[`/boot/${XEN_IMAGE}`, OTHER]]) } : one,
      )
    })
    const problems = async (told: Partial<Evidence>) => (await observe(told)).deviceProblems
    expect(await problems({})).toEqual([XEN_WORDS])
    expect(await problems({ later: [later('kernel')] })).toEqual([XEN_WORDS])
    expect(await problems({ later: [later('xen')] })).toEqual([])
    const bootFiles = baseline.bootFiles.map((file) =>
      file.role === 'xen' ? { ...file, digests: { ...file.digests!, sha256: OTHER } } : file,
    )
    const others = { ...baseline, bootFiles }
    expect(await problems({ later: [later('xen')], baseline: others })).toEqual([XEN_WORDS])
    const without = { ...baseline, bootFiles: baseline.bootFiles.filter(({ role }) => role !== 'xen') }
    expect(await problems({ later: [later('xen')], baseline: without })).toEqual([XEN_WORDS])
  })

  it('is one that never was there, or that is there no more: the second is told', async () => {
    const name = `vmlinuz-${NEXT_KERNEL}`
    const { observe, baseline } = await world((machine) => {
      machine.nowMs += 3600_000
      installKernel(machine, NEXT_KERNEL)
      for (const { files } of machine.devices)
        for (const path of [`/${name}`, `/initramfs-${NEXT_KERNEL}.img`]) files.delete(path)
    })
    const told = { later: [later('kernel')] }
    expect((await observe()).deviceProblems).toContainEqual(expect.stringContaining(`${name} (kernel)`))
    expect((await observe(told)).deviceProblems).toEqual([])
    const [one] = baseline.bootFiles.filter(({ role }) => role === 'kernel')
    const bootFiles = [...baseline.bootFiles, { ...one!, path: `/boot/${name}` }]
    expect((await observe({ ...told, baseline: { ...baseline, bootFiles } })).deviceProblems).toEqual([
      `/boot/${name} (kernel) is not there (RPM database)`,
    ])
  })

  it('is none before the restart where the approved boot came from that very file', async () => {
    const { observe } = await world((machine) => put(machine, XEN_IMAGE, append))
    const now = (await observe()).files.find(({ role }) => role === 'xen')?.now ?? ''
    const problems = async (told: Partial<Evidence>) => (await observe(told)).deviceProblems
    const approvedFiles = new Map([[`/${XEN_IMAGE}`, now]])
    expect(await problems({ hasBooted: false, approvedFiles })).toEqual([])
    expect(await problems({ hasBooted: true, approvedFiles })).toEqual([XEN_WORDS])
    expect(await problems({ hasBooted: false })).toEqual([XEN_WORDS])
    for (const other of [
      [`/${XEN_IMAGE}`, OTHER],
      ['/xen-4.17.3.gz', now],
    ] as const)
      expect(await problems({ hasBooted: false, approvedFiles: new Map([other]) })).toEqual([XEN_WORDS])
  })
})

describe('a change that was predicted', () => {
  const moved = (index: number, changes: Partial<ExplainedPcr> = {}) =>
    row(index, { before: OTHER, change: 'expected', ...changes })
  const reason = (code: 'luks-header-accepted' | 'luks-header-changed', pcr: number) => ({
    ...{ code, pcr, what: '', next: '', isBlocking: false },
  })
  const ACCEPTED = [reason('luks-header-changed', 18), reason('luks-header-accepted', 13)]

  it('is that of each register that moved, or of a header that a person called the own', async () => {
    const { observe } = await world()
    const isPredicted = async (pcrs: readonly ExplainedPcr[], reasons: Explanation['reasons'] = []) =>
      (await observe({ explained: explainedBy(pcrs, reasons) })).isPredicted
    const own = moved(13, { predicted: null })
    expect(await isPredicted([row(17, { predicted: null }), moved(18)])).toBe(true)
    expect(await isPredicted([row(17), own], ACCEPTED)).toBe(true)
    expect(await isPredicted([row(17), moved(18, { predicted: OTHER })])).toBe(false)
    expect(await isPredicted([row(17), moved(18, { predicted: null })])).toBe(false)
    expect(await isPredicted([moved(18, { now: null, predicted: null, change: 'unexpected' })])).toBe(false)
    expect(await isPredicted([row(17), own])).toBe(false)
    // Of that register alone.
    expect(await isPredicted([own, moved(18, { predicted: null })], ACCEPTED)).toBe(false)
    expect(await isPredicted([own], [reason('luks-header-changed', 13)])).toBe(false)
  })
})

describe('a package that is older', () => {
  const evrOf = (machine: SimMachine, name: string) => machine.packages.find((one) => one.name === name)!.evr
  const NEWER = '2001:4.99.9-1.fc37'
  const recorded = (...packages: readonly { name: string; evr: string }[]) =>
    seen({ packages: packages.map((one) => ({ ...one, at: '2024-07-01T00:00:00.000Z' })) } as never)

  it('than one that was confirmed or noted before is told, unless it is wanted or waits for a restart', async () => {
    const { observe, expecting, baseline, machine } = await world()
    const to = evrOf(machine, 'xen-hypervisor')
    const older = { name: 'xen-hypervisor', from: NEWER, to }
    const versions = recorded({ name: 'xen-hypervisor', evr: NEWER })
    expect((await observe({ versions })).downgrades).toEqual([older])
    const [one] = baseline.packages.filter(({ name }) => name === 'xen-hypervisor')
    const noted = { ...baseline, packages: [...baseline.packages, { ...one!, evr: NEWER }] }
    expect((await observe({ baseline: noted })).downgrades).toEqual([older])
    const session = expecting({ downgrades: [older] })
    expect((await observe({ versions, session })).downgrades).toEqual([])
    expect((await observe({ versions, hasBooted: false })).downgrades).toEqual([])
  })

  const OUTDATED = '1000:6.6.40-1.qubes.fc37'
  /** Two kernels are installed; the one that booted is another one, and older than the newer of them. */
  async function withKernels() {
    const found = await world((machine) => installKernel(machine, NEXT_KERNEL))
    const kernel = found.evidence.packages.find(({ name }) => name === 'kernel')!
    const others = found.evidence.packages.filter(({ name }) => name !== 'kernel')
    const newest = evrOf(found.machine, 'kernel').replace('6.6.36', '6.6.42')
    const packages = [...others, { ...kernel, evr: OUTDATED }]
    return { ...found, packages, kernel, told: { name: 'kernel', from: newest, to: OUTDATED } }
  }

  it('than an installed one of its name is told where it came since', async () => {
    const { observe, expecting, packages, baseline, kernel, told } = await withKernels()
    const outdated = async (changes: Partial<Evidence>) => (await observe({ packages, ...changes })).outdated
    expect(await outdated({})).toEqual([told])
    expect(await outdated({ hasBooted: false })).toEqual([told])
    expect(await outdated({ session: expecting({ downgrades: [told] }) })).toEqual([])
    // What was there before changed nothing; a package of another name, or in another version, is another one.
    const noted = (name: string, evr: string) => ({
      baseline: {
        ...baseline,
        packages: [
          ...baseline.packages,
          { name, evr, arch: 'x86_64', installedAt: '2024-07-01T00:00:00Z', signatureKeyId: null },
        ],
      },
    })
    expect(await outdated(noted('kernel', OUTDATED))).toEqual([])
    expect(await outdated(noted('kernel-latest', OUTDATED))).toEqual([told])
    expect(await outdated(noted('kernel', '1000:6.6.39-1.qubes.fc37'))).toEqual([told])
    expect(await outdated({ packages: [{ ...kernel, name: 'no-such-package' }] })).toEqual([])
  })

  it('in both ways is told once', async () => {
    const { observe, packages } = await withKernels()
    const versions = recorded({ name: 'kernel', evr: '1000:6.7.1-1.qubes.fc37' })
    const both = await observe({ packages, versions })
    expect([both.downgrades, both.outdated]).toMatchObject([[{ name: 'kernel', to: OUTDATED }], []])
    const beside = await observe({ packages, versions: recorded({ name: 'xen-hypervisor', evr: NEWER }) })
    expect([beside.downgrades, beside.outdated]).toMatchObject([
      [{ name: 'xen-hypervisor' }],
      [{ name: 'kernel' }],
    ])
  })
})

describe('the kernel that booted', () => {
  const components = (...files: readonly (readonly [string, string])[]) =>
    files.map(([role, path]) => ({ role, path, commandLine: null, pcr: 19, digests: {} }))
  const kernel = (release: string) => ['kernel', `/vmlinuz-${release}`] as const
  const INITRAMFS = ['initramfs', '/initramfs-6.9.9-1.qubes.fc37.x86_64.img'] as const
  const OLDER = '6.6.30-1.qubes.fc37.x86_64'

  it('is an older one beside the one that was predicted, else beside the one that ran before', async () => {
    const { observe, baseline, evidence } = await world()
    type Files = readonly (readonly [string, string])[]
    const olderThan = async (predicted: Files | null, before: Files | null, booted: string | null) => {
      const pcrs = [
        { index: 18, bank: 'sha256', predicted: THIS },
        { index: 19, bank: 'sha256', predicted: THIS, components: components(...(predicted ?? [])) },
      ]
      const prediction = predicted === null ? null : ({ calibrated: true, pcrs } as never)
      const noted = { ...baseline, components: before === null ? null : (components(...before) as never) }
      const machine = { ...evidence.machine, kernelRelease: booted }
      const session = aSession({ baseline: noted, prediction })
      return (await observe({ baseline: noted, session, machine })).olderKernel
    }
    const older = { booted: OLDER, before: KERNEL_RELEASE }
    expect(await olderThan(null, [INITRAMFS, kernel(KERNEL_RELEASE)], OLDER)).toEqual(older)
    expect(await olderThan([INITRAMFS, kernel(KERNEL_RELEASE)], null, OLDER)).toEqual(older)
    expect(await olderThan([kernel(KERNEL_RELEASE)], [kernel(OLDER)], OLDER)).toEqual(older)
    expect(await olderThan([kernel(OLDER)], [kernel(KERNEL_RELEASE)], OLDER)).toBeNull()
    expect(await olderThan([INITRAMFS], [kernel(KERNEL_RELEASE)], OLDER)).toEqual(older)
    expect(await olderThan(null, [kernel(KERNEL_RELEASE)], KERNEL_RELEASE)).toBeNull()
    expect(await olderThan(null, [kernel(OLDER)], KERNEL_RELEASE)).toBeNull()
    expect(await olderThan(null, [kernel(KERNEL_RELEASE)], null)).toBeNull()
    expect(await olderThan(null, null, OLDER)).toBeNull()
    expect(await olderThan([INITRAMFS], null, OLDER)).toBeNull()
    expect(await olderThan(null, [['kernel', '/vmlinuz']], OLDER)).toBeNull()
  })
})

it('a command line that nobody noted may hide something only where a register moved, nobody knows by what', async () => {
  const { observe, baseline } = await world()
  const changed = explainedBy([row(17), row(18, { change: 'expected' })])
  const linesOf = async (components: typeof baseline.components, explained = changed) => {
    const noted = { ...baseline, kernelCommandLine: null, components }
    return (await observe({ baseline: noted, session: aSession({ baseline: noted }), explained }))
      .commandLines
  }
  expect(await linesOf(null)).toEqual([
    'the command line of the dom0 kernel could not be compared: nothing says what it was before',
  ])
  expect(await linesOf(null, explainedBy([row(17), row(18)]))).toEqual([])
  expect(await linesOf(baseline.components)).toEqual([])
})

it('a record of versions that cannot be read is told, where it is not that of a recording', async () => {
  const unread = unknown('permission denied')
  const [real, recorded] = [await world(), await world(undefined, () => ({ kind: 'recorded' }))]
  expect((await real.observe({ versions: unread })).areVersionsUnreadable).toBe(true)
  expect((await recorded.observe({ versions: unread })).areVersionsUnreadable).toBe(false)
  expect((await real.observe({ versions: seen({ packages: [] } as never) })).areVersionsUnreadable).toBe(
    false,
  )
})

it('entries that this boot may have come from are told as they were found', async () => {
  const { observe, evidence } = await world()
  const { odd: _, ...launch } = evidence.launch
  expect((await observe({ launch })).oddEntries).toEqual([])
  expect((await observe({ launch: { ...launch, odd: ['"once"'] } })).oddEntries).toEqual(['"once"'])
})
