/* Long: one look, of which each question is asked in a session and without one. */

import { describe, expect, it } from 'vitest'
import type { Baseline, Session } from '../../src/core/session/checkpoint.ts'
import { ABSENT, seen } from '../../src/host/host.ts'
import { INTERNAL, installInitramfsInput, installXen } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import {
  bootFilesOf,
  KERNEL_RELEASE,
  SELECTED_PCRS,
  type SimMachine,
  sha256,
} from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeBootDevice } from '../../src/observe/device/boot-device.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { type ExplanationContext, observeExplanation } from '../../src/observe/launch/explanation.ts'
import { aSession, machineOf } from '../support/built-in.ts'

/* A boot beside the last approved one, without a session: what came since is the update itself. On the built-in machine. */

const HOUR_MS = 3600_000
const INITRAMFS = `/initramfs-${KERNEL_RELEASE}.img`
const OTHER = 'ab'.repeat(32)

const newMicrocode = (machine: SimMachine): void =>
  installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
const newXen = (machine: SimMachine): void => installXen(machine, '4.17.4-5', machine.nowMs)

type Told = {
  readonly baseline?: Partial<Baseline>
  readonly expectation?: Partial<NonNullable<Session['expectation']>>
  readonly findings?: Session['findings']
  readonly context?: ExplanationContext
  /** null: an initramfs is not made again here. */
  readonly made?: 'same' | 'different' | null
  readonly versions?: Parameters<typeof observeExplanation>[2]
}

/** A boot was approved, then a package came, and dom0 was restarted. @param changed the package, as it is told */
async function world(install: (machine: SimMachine) => void, changed: readonly string[], restarts = true) {
  const machine = machineOf('clean-update')
  restartMachine(machine)
  const look = (): Dom0 => observeDom0(makeSimulatedHost(machine))
  const noted = (await observeBaseline(look(), SELECTED_PCRS))!
  machine.nowMs += HOUR_MS
  install(machine)
  machine.nowMs += HOUR_MS
  if (restarts) restartMachine(machine)
  const dom0 = look()
  const { files } = await observeBootDevice(dom0, await dom0.booted(), (await dom0.machine()).xen.buildId)
  // What lies there now is compared with the packages: of the approved boot nothing says what lay there.
  const bootFiles = files.map((file) => ({ ...file }))
  async function explain({ context = { isSinceApproved: true }, made = null, ...told }: Told = {}) {
    const looks: string[] = []
    const reproduce: ExplanationContext['reproduce'] = async ({ path, sha256: digest }) => {
      looks.push(path)
      const different = { state: 'different', total: 0, differences: [], fresh: null } as const
      const result = made === 'same' ? ({ state: 'same', words: '-f', sha256: digest } as const) : different
      return { result, isAccepted: false }
    }
    const then = context.isSinceApproved ? { ...noted, bootFiles } : noted
    const baseline = { ...then, ...told.baseline }
    const session = aSession({
      baseline,
      expectation: {
        ...{ bulletins: [], bulletinPcrs: [], mayChange: [18, 19], changedPackages: [...changed] },
        ...{ downgrades: [], xenBuildId: null, deviceUuid: INTERNAL.uuid },
        ...told.expectation,
      },
      findings: told.findings ?? {},
    })
    const found = await observeExplanation(dom0, session, told.versions ?? ABSENT, {
      ...context,
      reproduce: made === null ? null : reproduce,
    })
    const changeOf = (index: number) => found.pcrs.find((pcr) => pcr.index === index)?.change
    return { found, looks, codes: found.reasons.map(({ code }) => code), changeOf }
  }
  const initramfs = sha256(bootFilesOf(machine).get(INITRAMFS.slice(1))!.bytes)
  return { machine, noted, now: bootFiles, explain, initramfs }
}

const kept = (digest: string) =>
  ({
    predict: { reproductions: [{ image: INITRAMFS, state: 'same', sha256: digest }], accepted: [] },
  }) as unknown as Session['findings']

describe('an initramfs that a package brought since the approved boot', () => {
  const since = { isSinceApproved: true }

  it('is told as what is still to be made where that is not done here', async () => {
    const { explain } = await world(newMicrocode, ['microcode_ctl'])
    const { found, codes, changeOf } = await explain()
    expect([found.verdict, changeOf(18), changeOf(19)]).toEqual(['unexplained', 'none', 'unexpected'])
    expect(codes).toEqual(['initramfs-not-compared'])
    // In a session that is no question: nothing vouches for it.
    const { codes: ofSession } = await explain({ context: {} })
    expect(ofSession).toContain('changed-after-start')
    expect(ofSession).not.toContain('initramfs-not-compared')
  })

  it('is explained where it is made again, or known by its very bytes', async () => {
    const { explain, initramfs } = await world(newMicrocode, ['microcode_ctl'])
    const made = await explain({ made: 'same' })
    expect([made.looks, made.found.verdict, made.codes]).toEqual([[INITRAMFS], 'explained', []])
    expect(made.found.reproductions).toMatchObject([{ image: INITRAMFS, state: 'same' }])
    const other = await explain({ made: 'different' })
    expect(other.codes).toEqual(expect.arrayContaining(['no-package', 'initramfs-not-made-again']))
    expect(other.codes).not.toContain('initramfs-not-compared')
    for (const told of [
      { context: { ...since, known: new Map([[INITRAMFS, initramfs]]) } },
      { findings: kept(initramfs) },
    ]) {
      const known = await explain({ ...told, made: 'different' })
      expect([known.looks, known.found.verdict]).toEqual([[], 'explained'])
    }
    for (const told of [
      { context: { ...since, known: new Map([[INITRAMFS, OTHER]]) } },
      { context: { ...since, known: new Map([['/initramfs-other.img', initramfs]]) } },
      { findings: kept(OTHER) },
    ])
      expect((await explain({ ...told, made: 'different' })).looks).toEqual([INITRAMFS])
  })

  it('is not made where the approved boot had that very one, whatever lies there now', async () => {
    const { explain, initramfs, now } = await world(newMicrocode, ['microcode_ctl'])
    const looksBy = async (path: string, digest: string) => {
      const context = { ...since, approvedFiles: new Map([[path, digest]]) }
      return (await explain({ context, made: 'same' })).looks
    }
    expect(await looksBy(INITRAMFS, initramfs)).toEqual([])
    expect(await looksBy(INITRAMFS, OTHER)).toEqual([INITRAMFS])
    expect(await looksBy('/initramfs-other.img', initramfs)).toEqual([INITRAMFS])
    // In a session it is what lay there at `start`.
    const inSession = { context: { approvedFiles: new Map([[INITRAMFS, initramfs]]) }, made: 'same' } as const
    expect((await explain(inSession)).looks).toEqual([INITRAMFS])
    expect((await explain({ ...inSession, baseline: { bootFiles: now } })).looks).toEqual([])
  })

  it.each<[string, (machine: SimMachine) => void, readonly string[]]>([
    ['none came', () => undefined, []],
    ['none that came goes into one', () => undefined, ['xen-hypervisor', 'tboot']],
    [
      'that one is signed by an unknown key',
      (machine) => {
        machine.packages = machine.packages.map((one) =>
          one.name === 'microcode_ctl' ? { ...one, keyId: 'feedfacefeedface' } : one,
        )
      },
      ['microcode_ctl', 'xen-hypervisor'],
    ],
  ])('is of no package where %s: it is not made, and no question', async (_, change, changed) => {
    const { explain } = await world((machine) => {
      newMicrocode(machine)
      change(machine)
    }, changed)
    const { looks } = await explain({ made: 'same' })
    expect(looks).toEqual([])
    const { codes } = await explain()
    expect(codes).toContain('no-package')
    expect(codes).not.toContain('initramfs-not-compared')
  })

  it('is, where one of those that came is signed by a known key', async () => {
    const { explain } = await world(
      (machine) => {
        newMicrocode(machine)
        machine.packages = machine.packages.map((one) =>
          one.name === 'dracut' ? { ...one, keyId: 'feedfacefeedface' } : one,
        )
      },
      ['dracut', 'microcode_ctl'],
    )
    expect((await explain({ made: 'same' })).looks).toEqual([INITRAMFS])
    expect((await explain()).codes).toContain('initramfs-not-compared')
  })
})

describe('a Xen that came since the approved boot', () => {
  it('is explained by its package, unless that was there then', async () => {
    const { explain, noted, machine } = await world(newXen, ['xen-hypervisor'])
    const { found, changeOf } = await explain()
    expect([found.verdict, changeOf(18)]).toEqual(['explained', 'expected'])
    const { evr } = machine.packages.find(({ name }) => name === 'xen-hypervisor')!
    const packages = noted.packages.map((one) => (one.name === 'xen-hypervisor' ? { ...one, evr } : one))
    // No clock is asked: the boot before may have begun at any time.
    const before = { packages, bootTime: null }
    expect((await explain({ baseline: before })).codes).toContain('package-older-than-last-boot')
    // In a session the time of the boot before tells.
    expect((await explain({ baseline: before, context: {} })).codes).not.toContain(
      'package-older-than-last-boot',
    )
  })

  it('is no package that came after `start`', async () => {
    const { explain } = await world(newXen, ['xen-hypervisor'])
    expect((await explain()).codes).not.toContain('changed-after-start')
    expect((await explain({ context: {} })).codes).toContain('changed-after-start')
    // Only what was told to be the update may change a register then.
    const only = { expectation: { mayChange: [19] } }
    expect((await explain(only)).codes).toContain('pcr-not-expected')
    expect((await explain({ ...only, context: {} })).codes).not.toContain('pcr-not-expected')
  })

  it('that is older than what was confirmed before is told once it booted', async () => {
    const versions = seen({
      packages: [{ name: 'xen-hypervisor', evr: '2001:4.99.9-1.fc37', at: '2024-07-01T00:00:00.000Z' }],
    } as never)
    const { explain } = await world(newXen, ['xen-hypervisor'])
    expect((await explain({ versions })).codes).toContain('package-downgraded')
    const waiting = await world(newXen, ['xen-hypervisor'], false)
    expect((await waiting.explain({ versions })).codes).not.toContain('package-downgraded')
    // In a session each boot after `start` is one of the update.
    const booted = await world(() => undefined, [])
    expect((await booted.explain({ versions, context: {} })).codes).toContain('package-downgraded')
  })
})

describe('a boot that measured what the approved one did', () => {
  const nothing = () => undefined

  it('changed nothing, also where it is that very boot', async () => {
    for (const restarts of [true, false]) {
      const { explain } = await world(nothing, [], restarts)
      const { found, codes } = await explain()
      expect([found.verdict, codes]).toEqual(['unchanged', []])
    }
    const { explain } = await world(nothing, [], false)
    expect((await explain({ context: {} })).codes).toContain('not-restarted')
  })

  it('is compared wherever it came from; in a session one from another device is not', async () => {
    const { explain } = await world(nothing, [])
    const other = { expectation: { deviceUuid: '99999999-2222-4333-8444-555555555555' } }
    expect((await explain(other)).found.verdict).toBe('unchanged')
    const ofSession = await explain({ ...other, context: {} })
    expect([ofSession.found.verdict, ofSession.codes]).toEqual(['no-baseline', ['other-device']])
  })

  it('is no answer for a register that AEM seals to since; in a session that is one that was not read', async () => {
    const { explain, noted } = await world(nothing, [])
    const { 18: _unknown, ...sha } = noted.pcrs.sha256!
    const baseline = { pcrs: { sha256: sha } }
    const found = await explain({ baseline })
    expect(found.codes).toContain('pcr-not-approved')
    expect(found.codes).not.toContain('pcr-unreadable')
    expect(SELECTED_PCRS.map(found.changeOf)).toEqual(['none', 'none', 'not-computable', 'none'])
    const ofSession = await explain({ baseline, context: {} })
    expect(ofSession.changeOf(18)).toBe('unexpected')
    expect(ofSession.codes).toContain('pcr-unreadable')
    expect(ofSession.codes).not.toContain('pcr-not-approved')
  })
})
