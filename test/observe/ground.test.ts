/* Long: one look, and what is told from it, of the same two devices. */

import { describe, expect, it } from 'vitest'
import type { LedgerDevice } from '../../src/core/session/device-ledger.ts'
import { buildMachine, INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, KERNEL_RELEASE, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observePackageNames } from '../../src/observe/launch/booted-state.ts'
import {
  type ObservedGround,
  observeGround,
  observeGroundDifferences,
} from '../../src/observe/launch/ground.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { APPROVED_AT, approvedLook, lookWith, type ReadLook } from '../support/approved-look.ts'
import { machineOf } from '../support/built-in.ts'
import { boot } from '../support/two-devices.ts'

/* What is known of a boot from one device, where one from another device was approved. */

const NAME = `initramfs-${KERNEL_RELEASE}.img`
const STICK_LABEL = 'aem.stick'
const FAILED = makeFailure('log-unreadable', { what: 'txt-stat printed nothing', next: 'x' })

const never = async (): Promise<never> => {
  throw new Error('this was not to be asked')
}

/** Two devices that carry the same, booted from the internal one. */
function sameDevices(): SimMachine {
  const machine = buildMachine([INTERNAL, STICK], INTERNAL)
  const file = findDevice(machine, INTERNAL.uuid)!.files.get(`/${NAME}`)!
  findDevice(machine, STICK.uuid)!.files.set(`/${NAME}`, file)
  boot(machine, INTERNAL.uuid)
  return machine
}

/** A boot from the internal device that was approved, and one from the stick after it. */
async function stickBooted(
  change: (machine: SimMachine) => void = () => undefined,
): Promise<{ readonly machine: SimMachine; readonly look: ReadLook; readonly dom0: Dom0 }> {
  const machine = sameDevices()
  const look = await approvedLook(observeDom0(makeSimulatedHost(machine)))
  change(machine)
  boot(machine, STICK.uuid)
  return { machine, look, dom0: observeDom0(makeSimulatedHost(machine)) }
}

describe('a look at the ground', () => {
  it('takes what was looked at already, and asks for nothing of it again', async () => {
    const dom0 = observeDom0(makeSimulatedHost(machineOf('clean-update')))
    const looked = {
      machine: { ...(await dom0.machine()), bootId: 'boot-of-the-look' },
      tpm: await dom0.tpm(),
      devices: (await dom0.devices()).devices,
      seal: await dom0.seal(),
    }
    const blind = { ...dom0, machine: never, tpm: never, devices: never, seal: never }
    const { facts, machine, device } = await observeGround(blind, { state: 'absent' }, looked)
    expect([facts.bootId, machine.bootId]).toEqual(['boot-of-the-look', 'boot-of-the-look'])
    expect([facts.device, device?.label]).toEqual([{ label: 'aem', uuid: INTERNAL.uuid }, 'aem'])
    const own = await observeGround(dom0, { state: 'absent' })
    expect(own.facts).toEqual({ ...facts, bootId: (await dom0.machine()).bootId })
    expect(own.facts).toMatchObject({
      bank: 'sha256',
      selected: [13, 17, 18, 19],
      unseal: 'unsealed',
      look: { state: 'absent' },
      madeInitramfs: null,
    })
    expect(own.facts.registers[18]).toMatch(/^[0-9a-f]{64}$/)
  })

  it('knows the UUID that the boot names, also where that device is out', async () => {
    const dom0 = observeDom0(makeSimulatedHost(machineOf('clean-update')))
    const { facts, device } = await observeGround(
      { ...dom0, devices: async () => ({ devices: [], isComplete: true }), selectedPcrs: async () => null },
      { state: 'absent' },
    )
    expect([facts.device, device, facts.selected]).toEqual([{ label: null, uuid: INTERNAL.uuid }, null, []])
  })
})

describe('the initramfs that lies on a device that no boot was approved from', () => {
  type Known = LedgerDevice['knownFiles'][number]

  async function made(
    list: (own: Known, packages: readonly string[]) => readonly Known[],
    change: (look: ReadLook) => ReadLook = (look) => look,
    told: Partial<Dom0> = {},
  ) {
    const { machine, look, dom0 } = await stickBooted()
    const own = { name: NAME, sha256: sha256(findDevice(machine, STICK.uuid)!.files.get(`/${NAME}`)!.bytes) }
    const packages = (await observePackageNames(dom0))!
    const knownFiles = [...list({ ...own, origin: { madeIn: 'a boot', packages: [...packages] } }, packages)]
    const { facts } = await observeGround(
      { ...dom0, ...told },
      change(lookWith(look, STICK_LABEL, { uuid: STICK.uuid, knownFiles })),
    )
    return facts.madeInitramfs ?? null
  }
  const DIGESTS = { sha1: expect.stringMatching(/^[0-9a-f]{40}$/), sha256: expect.any(String) }
  const unasked = { log: never }

  it('is known where this program made it of what is installed', async () => {
    expect(await made((own) => [own])).toEqual(DIGESTS)
    expect(await made((own) => [{ ...own, name: 'other.img' }, own])).toEqual(DIGESTS)
  })

  it.each([
    ['an approved boot measured it', null],
    ['this program made it', 'a boot'],
  ])('is known where %s and nothing that it is made of was updated', async (_, madeIn) => {
    const measured = (
      change: (packages: readonly string[]) => readonly string[],
      approved: (look: ReadLook) => ReadLook = (look) => look,
    ) => made((own, packages) => [{ ...own, origin: { madeIn, packages: [...change(packages)] } }], approved)
    const updating = (name: string) => (packages: readonly string[]) => {
      const other = packages.map((one) => (one.startsWith(`${name} `) ? `${name} 0:0-0` : one))
      expect(other).not.toEqual(packages)
      return other
    }
    expect(await measured((packages) => packages)).toEqual(DIGESTS)
    for (const name of ['xen-hypervisor', 'tboot']) expect(await measured(updating(name))).toEqual(DIGESTS)
    for (const name of ['dracut', 'kernel', 'anti-evil-maid'])
      expect(await measured(updating(name))).toBeNull()
    // An update waits: what the approved boot had is what this one is to have.
    const before = ({ ledger }: ReadLook): ReadLook => {
      const approved = ledger.approved!
      return {
        state: 'read',
        ledger: {
          ...ledger,
          approved: { ...approved, packages: [...updating('dracut')(approved.packages!)] },
        },
      }
    }
    expect(await measured(updating('dracut'), before)).toEqual(DIGESTS)
  })

  it.each<[string, (own: Known) => readonly Known[]]>([
    ['other bytes lie there', (own) => [{ ...own, sha256: 'f'.repeat(64) }]],
    ['it is another file of these bytes that is known', (own) => [{ ...own, name: 'initramfs-other.img' }]],
    [
      'its name and its bytes are known of two files',
      (own) => [
        { ...own, sha256: 'f'.repeat(64) },
        { ...own, name: 'initramfs-other.img' },
      ],
    ],
  ])('is not known where %s', async (_, list) => {
    expect(await made(list)).toBeNull()
  })

  it('is not known, and not looked at, where nothing is known of how it came about', async () => {
    expect(await made(() => [], undefined, unasked)).toBeNull()
    expect(await made(({ name, sha256: own }) => [{ name, sha256: own }], undefined, unasked)).toBeNull()
  })

  it('is not asked for where nothing was approved, or the device is out', async () => {
    const withoutApproved = ({ ledger }: ReadLook): ReadLook => ({
      state: 'read',
      ledger: { ...ledger, approved: null },
    })
    expect(await made((own) => [own], withoutApproved, unasked)).toBeNull()
    const devices = async () => ({ devices: [], isComplete: true })
    expect(await made((own) => [own], undefined, { ...unasked, devices })).toBeNull()
  })

  it('is asked for where the device was sealed forward, and not where a boot from it was approved', async () => {
    const { facts } = await observeGround((await stickBooted()).dom0, { state: 'absent' })
    const registers = Object.fromEntries(Object.entries(facts.registers))
    const at = '2024-07-16T09:00:00.000Z'
    const forward = { at, bank: 'sha256' as const, registers, tokens: {} }
    expect(
      await made(
        (own) => [own],
        (look) => lookWith(look, STICK_LABEL, { forward }),
      ),
    ).toEqual(DIGESTS)
    const approved = (look: ReadLook) =>
      lookWith(look, STICK_LABEL, {
        approved: { ...look.ledger.devices.find(({ label }) => label === 'aem')!.approved!, at },
      })
    expect(await made((own) => [own], approved, unasked)).toBeNull()
  })
})

describe('what a boot measured otherwise than the approved one', () => {
  type Facts = Partial<ObservedGround['facts']>

  async function differences(
    { look, dom0 }: { readonly look: ReadLook; readonly dom0: Dom0 },
    change: (look: ReadLook) => ReadLook = (own) => own,
    facts: Facts = {},
  ) {
    const observed = await observeGround(dom0, change(look))
    return observeGroundDifferences(dom0, { ...observed, facts: { ...observed.facts, ...facts } })
  }
  const onInternal = async () => {
    const machine = sameDevices()
    const dom0 = observeDom0(makeSimulatedHost(machine))
    return { machine, dom0, look: await approvedLook(dom0) }
  }
  const bootOf = ({ ledger }: ReadLook) => ledger.devices.find(({ label }) => label === 'aem')!.approved!
  const bootWith = (change: Partial<ReturnType<typeof bootOf>>) => (look: ReadLook) =>
    lookWith(look, 'aem', { approved: { ...bootOf(look), ...change } })

  it('is nothing in that very boot, whatever else of it is kept', async () => {
    expect(await differences(await onInternal())).toEqual({ differences: [], untraced: null })
    // Without its files nothing could be computed for another device.
    expect(await differences(await onInternal(), bootWith({ files: [] }))).toEqual({
      differences: [],
      untraced: null,
    })
  })

  it('is nothing in the same boot from another device, of which nothing is approved', async () => {
    expect(await differences(await stickBooted())).toEqual({ differences: [], untraced: null })
  })

  it('is named, also by what would be measured from another device', async () => {
    const evil = (machine: SimMachine) => {
      for (const { files } of machine.devices)
        files.set(`/${NAME}`, { bytes: Buffer.from('an evil initramfs'), mtimeMs: machine.nowMs })
    }
    const expected = {
      differences: [{ pcr: 19, role: 'initramfs', path: `/${NAME}`, kind: 'contents', commandLine: null }],
      untraced: null,
    }
    expect(await differences(await stickBooted(evil))).toEqual(expected)
    const { machine, look } = await onInternal()
    evil(machine)
    boot(machine, INTERNAL.uuid)
    expect(await differences({ look, dom0: observeDom0(makeSimulatedHost(machine)) })).toEqual(expected)
  })

  it.each<[string, (look: ReadLook) => ReadLook, Facts, string]>([
    ['no list', (look) => look, { look: { state: 'absent' } }, 'nothing is kept of what an approved boot'],
    [
      'a list that cannot be read',
      (look) => look,
      { look: { state: 'damaged', detail: 'x' } },
      'nothing is kept of what an approved boot',
    ],
    [
      'a state whose boot was not kept',
      (look) => lookWith(look, 'aem', { approved: null }),
      {},
      'nothing is kept of what an approved boot',
    ],
    [
      'an approved boot without a log',
      bootWith({ components: null }),
      {},
      'had no launch log that could be read',
    ],
    ['another bank', (look) => look, { bank: 'sha1' }, 'this TPM is of another kind'],
    [
      'other registers',
      (look) => look,
      { registers: { 17: 'aa', 18: 'bb' } },
      'does not lead to its registers',
    ],
  ])('is not known with %s', async (_, change, facts, words) => {
    expect(await differences(await onInternal(), change, facts)).toEqual({
      differences: null,
      untraced: expect.stringContaining(words),
    })
  })

  it('is not known of a device that is not known itself', async () => {
    const device = { label: null, uuid: null }
    const stick = await stickBooted()
    expect(await differences(stick, (look) => look, { device })).toEqual({
      differences: null,
      untraced: 'what the approved boot would measure from this device cannot be computed here',
    })
    const { look, dom0 } = await onInternal()
    const withoutModel = { state: 'read', ledger: { ...look.ledger, approved: null } } as const
    expect((await differences({ look, dom0 }, () => withoutModel, { device })).untraced).toMatch(
      /^nothing is kept/,
    )
  })

  it('is not known from another device where that cannot be computed', async () => {
    const stick = await stickBooted()
    expect((await differences(stick, bootWith({ files: [] }))).untraced).toMatch(
      /would measure from this device cannot be computed here/,
    )
    expect((await differences(stick, bootWith({ components: null }))).untraced).toMatch(
      /had no launch log that could be read/,
    )
  })

  it('is not known without a log of this boot, with the reason', async () => {
    const { look, dom0 } = await onInternal()
    const observed = await observeGround(dom0, look)
    expect(await observeGroundDifferences({ ...dom0, log: async () => FAILED }, observed)).toEqual({
      differences: null,
      untraced: 'txt-stat printed nothing',
    })
  })

  it('is told by its own boot where that is newer than the last state, and not by another', async () => {
    const { look, dom0 } = await stickBooted()
    const observed = await observeGround(dom0, look)
    const own = await approvedLook(dom0)
    const approved = own.ledger.devices.find(({ label }) => label === STICK_LABEL)!.approved!
    const both = lookWith(look, STICK_LABEL, { uuid: STICK.uuid, approved: { ...approved, at: APPROVED_AT } })
    const facts = { ...observed.facts, look: both }
    expect(await observeGroundDifferences(dom0, { ...observed, facts })).toEqual({
      differences: [],
      untraced: null,
    })
  })
})
