/* Long: one look at a boot, and each part of what is made of it. */

import { describe, expect, it } from 'vitest'
import type { KnownState, LedgerDevice } from '../../src/core/session/device-ledger.ts'
import { ABSENT } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, SELECTED_PCRS, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observePackageNames } from '../../src/observe/launch/booted-state.ts'
import { observeGround } from '../../src/observe/launch/ground.ts'
import {
  explainSinceApproved,
  filesOf,
  knownOf,
  makeSession,
  observeSinceApproved,
} from '../../src/observe/launch/since-approved.ts'
import { makeApprovedBoot } from '../support/approved-boot.ts'
import { APPROVED_AT, approvedLook, lookWith, type ReadLook } from '../support/approved-look.ts'
import { put } from '../support/approved-machine.ts'
import { machineOf } from '../support/built-in.ts'

/* This boot, compared with the last approved one from its device, without a session. */

const look = (machine: SimMachine): Dom0 => observeDom0(makeSimulatedHost(machine))

/** A boot that was approved, and the next one, before which something is changed. */
async function nextBoot(change: (machine: SimMachine) => void = () => undefined) {
  const machine = machineOf('clean-update')
  // The update boots first: what is installed is what runs.
  restartMachine(machine)
  restartMachine(machine)
  const approved = await approvedLook(look(machine))
  change(machine)
  restartMachine(machine)
  return { machine, dom0: look(machine), approved }
}

/** The approved state was only believed, on the first use. */
function believed(own: ReadLook): ReadLook {
  const { bank, registers, bootId, shared, packages } = own.ledger.approved!
  const [device] = own.ledger.devices
  const state = { at: APPROVED_AT, bootId, bank: bank!, registers, shared, packages: packages! }
  const change: Partial<LedgerDevice> = { approved: null, believed: state }
  const { ledger } = lookWith(own, device!.label, change)
  return { state: 'read', ledger: { ...ledger, approved: null } }
}

describe('this boot', () => {
  it('is the approved one itself, or in the approved state', async () => {
    const { machine, approved } = await nextBoot()
    const found = await observeSinceApproved(look(machine), approved)
    expect(found).toMatchObject({
      ...{ label: 'aem', at: APPROVED_AT, isBelieved: false },
      ground: { state: 'vouched', by: 'approved-state' },
      known: { how: 'accepted', bank: 'sha256' },
    })
    const same = machineOf('clean-update')
    expect((await observeSinceApproved(look(same), await approvedLook(look(same))))?.ground).toMatchObject({
      state: 'vouched',
      by: 'accepted',
    })
  })

  it('is in the approved state as far as its registers say, where the journal is silent', async () => {
    const { dom0, approved } = await nextBoot()
    const silent = { ...dom0, seal: async () => ({ ...(await dom0.seal()), journal: null }) }
    expect(await observeSinceApproved(silent, approved)).toMatchObject({ label: 'aem', ground: null })
  })

  it('is not, where a register is another one', async () => {
    const { dom0, approved } = await nextBoot((machine) => put(machine, XEN_IMAGE, changeOneByte))
    expect(await observeSinceApproved(dom0, approved)).toMatchObject({
      ground: { state: 'not-vouched', why: 'registers-differ', registers: [18] },
    })
  })

  it('is compared with a state that was only believed, as such', async () => {
    const { dom0, approved } = await nextBoot()
    expect(await observeSinceApproved(dom0, believed(approved))).toMatchObject({
      isBelieved: true,
      ground: { state: 'vouched', by: 'believed-state' },
    })
  })

  it('is known by its UUID where its device is out', async () => {
    const { dom0, approved } = await nextBoot()
    const devices = async () => ({ devices: [], isComplete: true })
    expect((await observeSinceApproved({ ...dom0, devices }, approved))?.label).toBe('aem')
  })

  it.each<[string, (own: ReadLook) => Parameters<typeof observeSinceApproved>[1], Partial<Dom0>?]>([
    ['no list', () => ({ state: 'absent' })],
    ['a list that cannot be read', () => ({ state: 'damaged', detail: 'x' })],
    [
      'no state of its device',
      (own) => ({ state: 'read', ledger: { ...own.ledger, approved: null, devices: [] } }),
    ],
    [
      'no device',
      (own) => ({ state: 'read', ledger: { ...own.ledger, devices: [] } }),
      { devices: async () => ({ devices: [], isComplete: true }) },
    ],
  ])('is compared with nothing where there is %s', async (_, change, told = {}) => {
    const { dom0, approved } = await nextBoot()
    const own = change(approved)
    expect(await observeSinceApproved({ ...dom0, ...told }, own)).toBeNull()
    expect(await explainSinceApproved({ ...dom0, ...told }, own, ABSENT)).toBeNull()
  })

  it('is compared with nothing of its own where a register beside those it was sealed forward to is not computed', async () => {
    const { dom0, approved } = await nextBoot()
    const { registers } = approved.ledger.approved!
    const { 19: _beside, ...selected } = registers
    const forward = {
      at: '2024-07-16T09:00:00.000Z',
      bank: 'sha256' as const,
      registers: selected,
      tokens: {},
    }
    const sealed = lookWith(approved, 'aem', { forward, approved: null })
    const ledger = {
      ...sealed.ledger,
      approved: { ...approved.ledger.approved!, bootId: null, label: 'aem.stick' },
    }
    const less = { ...dom0, selectedPcrs: async () => [13, 17, 18] }
    expect(await observeSinceApproved(less, { state: 'read', ledger })).toBeNull()
    // All that it was sealed forward to is as then.
    const whole = lookWith({ state: 'read', ledger }, 'aem', { forward: { ...forward, registers } })
    expect(await observeSinceApproved(dom0, whole)).toMatchObject({ known: { how: 'forward-sealed' } })
  })
})

describe('what changed since is explained', () => {
  it('as nothing in the same state, with the time and whether it was only believed', async () => {
    const { dom0, approved } = await nextBoot()
    expect(await explainSinceApproved(dom0, approved, ABSENT)).toMatchObject({
      verdict: 'unchanged',
      since: { at: APPROVED_AT, isBelieved: false },
    })
    expect((await explainSinceApproved(dom0, believed(approved), ABSENT))?.since).toEqual({
      at: APPROVED_AT,
      isBelieved: true,
    })
  })

  it('and not by a Xen that no package brought', async () => {
    const { dom0, approved } = await nextBoot((machine) => put(machine, XEN_IMAGE, changeOneByte))
    expect((await explainSinceApproved(dom0, approved, ABSENT))?.verdict).toBe('unexplained')
  })
})

describe('an initramfs that is known of a device', () => {
  it('accounts for a change only where it was made of what is installed now', async () => {
    const dom0 = look(machineOf('clean-update'))
    const packages = [...(await observePackageNames(dom0))!]
    const file = (name: string, own: readonly string[] | null, madeIn: string | null = null) => ({
      name,
      sha256: name.repeat(64).slice(0, 64),
      ...(own === null ? {} : { origin: { madeIn, packages: [...own] } }),
    })
    const knownFiles = [
      file('a', packages),
      file('b', packages, 'a boot'),
      file('c', packages.slice(1)),
      file('d', []),
      file('e', null),
    ]
    const own = lookWith(await approvedLook(dom0), 'aem', { knownFiles })
    expect([...(await knownOf(dom0, own, 'aem'))]).toEqual([
      ['/a', 'a'.repeat(64)],
      ['/b', 'b'.repeat(64)],
    ])
    expect((await knownOf(dom0, own, 'aem.stick')).size).toBe(0)
    expect((await knownOf(dom0, { state: 'absent' }, 'aem')).size).toBe(0)
    const silent = { ...dom0, rpm: { ...dom0.rpm, packages: async () => ABSENT } }
    expect((await knownOf(silent, own, 'aem')).size).toBe(0)
  })
})

it('the files of an approved boot are those whose bytes were read', () => {
  const file = (path: string, sha256: string | null) => ({
    ...{ role: 'xen' as const, path, sha256, digests: {}, isMeasured: true, package: null },
  })
  const boot = makeApprovedBoot({ files: [file('/xen.gz', 'aa'), file('/xen-unread.gz', null)] })
  const known = { boot } as unknown as KnownState
  expect([...filesOf(known)]).toEqual([['/xen.gz', 'aa']])
  expect(filesOf({ ...known, boot: null }).size).toBe(0)
})

describe('the session as `start` would have left it in the approved boot', () => {
  async function made(change: Partial<KnownState> = {}, told: (dom0: Dom0) => Partial<Dom0> = () => ({})) {
    const machine = machineOf('clean-update')
    const own = look(machine)
    const { ledger } = await approvedLook(own)
    const { approved } = ledger.devices[0]!
    const packages = (await observePackageNames(own))!
    const known = { ...approved!, packages: [...packages], boot: approved, ...change }
    const dom0 = { ...own, ...told(own) }
    const observed = await observeGround(dom0, { state: 'absent' })
    return { approved: approved!, packages, session: await makeSession(dom0, observed, known) }
  }

  it('has registers, lines and components as they were kept, and the files as they lie there now', async () => {
    const { approved, packages, session } = await made()
    const { baseline, expectation } = session
    expect(baseline).toMatchObject({
      ...{ takenAt: APPROVED_AT, bootId: approved.bootId, bootTime: approved.bootTime, bank: 'sha256' },
      selectedPcrs: [...SELECTED_PCRS],
      pcrs: { sha256: approved.registers },
      kernelCommandLine: approved.commandLines.kernel,
      xenCommandLine: approved.commandLines.xen,
      components: approved.components,
    })
    expect(baseline?.bootFiles.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        `/boot/${XEN_IMAGE}`,
        `/boot/vmlinuz-${KERNEL_RELEASE}`,
        '/boot/grub2/grub.cfg',
      ]),
    )
    expect(baseline?.packages.map(({ name, evr }) => `${name} ${evr}`)).toEqual(packages)
    expect(expectation).toMatchObject({
      ...{ mayChange: [], changedPackages: [], deviceUuid: INTERNAL.uuid },
      xenBuildId: expect.stringMatching(/^[0-9a-f]{40}$/),
    })
  })

  it('expects of the packages that came since what they may change, and of no other', async () => {
    const { packages } = await made()
    const before = packages.map((one) =>
      one.startsWith('xen-hypervisor ') ? 'xen-hypervisor 2001:4.17.4-3.fc37' : one,
    )
    expect((await made({ packages: before })).session.expectation).toMatchObject({
      changedPackages: ['xen-hypervisor'],
      mayChange: [18, 19],
    })
    // A package that is gone accounts for nothing.
    expect((await made({ packages: [...packages, 'gone 0:1-1'] })).session.expectation).toMatchObject({
      changedPackages: [],
      mayChange: [],
    })
  })

  it('expects nothing where it is not known what was installed then, or is now', async () => {
    const unknownThen = (await made({ packages: null })).session
    expect(unknownThen.expectation).toMatchObject({ changedPackages: [], mayChange: [] })
    expect(unknownThen.baseline?.packages).toEqual([])
    const silent = ({ rpm }: Dom0) => ({ rpm: { ...rpm, packages: async () => ABSENT } })
    expect((await made({ packages: [] }, silent)).session.expectation).toMatchObject({ changedPackages: [] })
  })

  it('compares the registers that were kept and those that AEM seals to now, in their order', async () => {
    const registers = { 9: 'aa', 19: 'bb', 17: 'cc' }
    expect((await made({ registers })).session.baseline?.selectedPcrs).toEqual([9, 13, 17, 18, 19])
    const unread = () => ({ selectedPcrs: async () => null })
    expect((await made({ registers }, unread)).session.baseline?.selectedPcrs).toEqual([9, 17, 19])
  })

  it('has no lines and no components of a boot that was not kept', async () => {
    expect((await made({ boot: null })).session.baseline).toMatchObject({
      ...{ bootTime: null, kernelCommandLine: null, xenCommandLine: null, components: null },
    })
  })
})
