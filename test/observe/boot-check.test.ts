/* Long: each thing that is said of a boot without a session, of the built-in machine whose boot was approved. */

import { describe, expect, it } from 'vitest'
import type { DeviceLedger, LedgerLook } from '../../src/core/session/device-ledger.ts'
import { ABSENT } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, installInitramfsInput, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBootCheck, observeUnapproved } from '../../src/observe/launch/boot-check.ts'
import type { TpmFacts } from '../../src/observe/launch/pcrs.ts'
import { approvedMachine, loadLedger, NEXT_XEN, put, update } from '../support/approved-machine.ts'

/* What is said of a boot without a session, where there is one to compare it with. */

/** Approved by the program itself; made once, and copied for each look. */
let made: Promise<{ machine: SimMachine; ledger: DeviceLedger }> | null = null
async function approved() {
  made ??= approvedMachine().then(async (machine) => ({ machine, ledger: await loadLedger(machine) }))
  return structuredClone(await made)
}

type Story = {
  readonly machine?: (machine: SimMachine) => void
  readonly tpm?: (tpm: TpmFacts) => TpmFacts
  readonly ledger?: (ledger: DeviceLedger) => DeviceLedger
  readonly look?: LedgerLook
  /** Left out: those that are there. */
  readonly devices?: readonly []
  /** What AEM's journal says of the secret. */
  readonly unseal?: 'unsealed' | 'mismatch' | 'wrong-token' | null
}

async function check(story: Story = {}, of: typeof observeBootCheck | 'unapproved' = observeBootCheck) {
  const { machine, ledger } = await approved()
  story.machine?.(machine)
  const dom0 = observeDom0(makeSimulatedHost(machine))
  const look = story.look ?? { state: 'read', ledger: story.ledger?.(ledger) ?? ledger }
  const { devices } = await dom0.devices()
  const seal = await dom0.seal()
  const { unseal } = story
  const looked = {
    machine: await dom0.machine(),
    tpm: story.tpm?.(await dom0.tpm()) ?? (await dom0.tpm()),
    devices: story.devices ?? devices,
    seal: unseal === undefined ? seal : { ...seal, journal: { ...seal.journal!, unseal } },
  }
  return of === 'unapproved' ? observeUnapproved(dom0, look, looked) : of(dom0, look, ABSENT, looked)
}

const seal = (text: string) => (machine: SimMachine) =>
  void machine.dom0.set('/etc/anti-evil-maid.conf', { bytes: Buffer.from(`SEAL="${text}"\n`), mtimeMs: 0 })
const changeXen = (machine: SimMachine): void => put(machine, XEN_IMAGE, changeOneByte)
const register =
  (index: number, value: string | undefined) =>
  (tpm: TpmFacts): TpmFacts => {
    const { [index]: _old, ...rest } = tpm.pcrs.sha256!
    return { ...tpm, pcrs: { sha256: value === undefined ? rest : { ...rest, [index]: value } } }
  }

describe('a boot that was approved from its device', () => {
  const SAME = { label: 'aem', state: 'same', registers: [], what: [] }

  it('is the same as it was approved, whatever became of the secret', async () => {
    const { ledger } = await approved()
    const at = ledger.devices.find(({ label }) => label === 'aem')?.approved?.at
    expect(at).toMatch(/^2024-/)
    for (const unseal of ['unsealed', 'mismatch', 'wrong-token', null] as const)
      expect(await check({ unseal, machine: restartMachine })).toEqual({
        ...SAME,
        at,
        isBelieved: false,
        unseal,
      })
  })

  it('is the same by its own word, in the boot that was accepted itself', async () => {
    expect(await check()).toMatchObject({ ...SAME, isBelieved: false })
  })

  it.each<readonly [string, (tpm: TpmFacts) => TpmFacts, string, readonly number[]]>([
    ['none of which can be read', (tpm) => ({ ...tpm, pcrs: {} }), 'registers-unreadable', [13, 17, 18, 19]],
    ['one of which cannot be read', register(18, undefined), 'registers-unreadable', [18]],
    ['of another bank', (tpm) => ({ ...tpm, bank: 'sha1' }), 'other-bank', []],
  ])('with registers %s is not known, and never the same', async (_, tpm, why, registers) => {
    expect(await check({ tpm })).toMatchObject({
      state: 'not-known',
      registers,
      what: [`the registers could not be compared (${why})`],
    })
  })

  it('is not known where AEM seals to a register beside, of which nothing was approved', async () => {
    expect(await check({ machine: seal('--pcr 13 --pcr 14 --pcr 17 --pcr 18 --pcr 19') })).toMatchObject({
      state: 'not-known',
      registers: [14],
      what: [expect.stringMatching(/^AEM seals to PCR 14 since, and nothing says what was approved of it/)],
    })
  })

  it('that `start` believed is told as that', async () => {
    const ledger = (own: DeviceLedger): DeviceLedger => ({
      ...own,
      approved: null,
      devices: own.devices.map(({ approved: boot, ...one }) => ({
        ...one,
        approved: null,
        forward: null,
        believed: {
          ...{ at: boot!.at, bootId: boot!.bootId, bank: boot!.bank, registers: boot!.registers },
          ...{ shared: [], packages: [] },
        },
      })),
    })
    expect(await check({ ledger, machine: restartMachine })).toMatchObject({ ...SAME, isBelieved: true })
  })
})

describe('a boot whose registers are not the approved ones', () => {
  const thenBooted = (change: (machine: SimMachine) => void): Story => ({
    machine: (machine) => {
      change(machine)
      restartMachine(machine)
    },
  })
  const updateXen = (machine: SimMachine): void => update(machine, NEXT_XEN)
  const updateMicrocode = (machine: SimMachine): void => {
    machine.nowMs += 3_600_000
    installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
    machine.nowMs += 3_600_000
  }

  it('is explained by an honest update, though AEM could not show the secret', async () => {
    expect(await check(thenBooted(updateXen))).toMatchObject({
      ...{ label: 'aem', state: 'explained', registers: [18], unseal: 'mismatch', what: [] },
    })
  })

  it('is not explained by what no package brought, which is named', async () => {
    expect(await check(thenBooted(changeXen))).toMatchObject({
      state: 'unexplained',
      registers: [18],
      what: expect.arrayContaining([expect.stringContaining(XEN_IMAGE)]),
    })
  })

  it('is not known where its device is out', async () => {
    const out = thenBooted(updateXen)
    const found = await check({
      machine: (machine) => {
        out.machine?.(machine)
        machine.devices.find(({ uuid }) => uuid === INTERNAL.uuid)!.isPresent = false
      },
    })
    expect(found).toMatchObject({ state: 'not-known', what: [expect.stringMatching(/\S/)] })
  })

  it('is not known where its initramfs has to be made again first, and nothing else is open', async () => {
    expect(await check(thenBooted(updateMicrocode))).toMatchObject({ state: 'not-known', registers: [19] })
    const both = thenBooted((machine) => {
      updateMicrocode(machine)
      changeXen(machine)
    })
    expect(await check(both)).toMatchObject({ state: 'unexplained', registers: [18, 19] })
  })
})

describe('a boot from a device that none was approved from', () => {
  /** The same machine, had its boot been approved from another device. */
  const ofOther = (ledger: DeviceLedger): DeviceLedger => ({
    ...ledger,
    approved: { ...ledger.approved!, label: 'aem.stick', shared: [13, 17, 18] },
    devices: ledger.devices.map((one) => ({ ...one, label: 'aem.stick', uuid: STICK.uuid })),
  })
  const base = { label: 'aem', isBelieved: false, unseal: 'unsealed' }
  const NOT_KNOWN = { ...base, state: 'not-known' }

  it.each([observeBootCheck, 'unapproved'] as const)('is compared with the one from another', async (of) => {
    const { ledger } = await approved()
    expect(await check({ ledger: ofOther, machine: restartMachine }, of)).toEqual({
      ...NOT_KNOWN,
      at: ledger.approved?.at,
      registers: [19],
      what: [
        'no boot from this device was approved in the present state, and PCR 19 is not shown to be what the approved boot of another one has from it',
      ],
    })
  })

  it.each<readonly [string, Story, readonly number[], string]>([
    [
      'one register that all devices share is another one',
      { tpm: register(18, '18'.repeat(32)) },
      [18],
      'PCR 18 is not as approved on another one, which all devices share',
    ],
    [
      'two of them are',
      { tpm: (tpm) => register(17, '17'.repeat(32))(register(18, '18'.repeat(32))(tpm)) },
      [17, 18],
      'PCR 17, 18 are not as approved on another one, which all devices share',
    ],
    ['one cannot be read', { tpm: register(18, undefined) }, [18], 'PCR 18 cannot be read'],
  ])('is not known where %s', async (_what, story, registers, words) => {
    expect(await check({ ledger: ofOther, machine: restartMachine, ...story }, 'unapproved')).toMatchObject({
      ...{ ...NOT_KNOWN, registers },
      what: [`no boot from this device was approved in the present state, and ${words}`],
    })
  })

  it('is the same where nothing of it is of the device alone, whatever became of the secret', async () => {
    const allShared = (ledger: DeviceLedger): DeviceLedger => {
      const other = ofOther(ledger)
      return { ...other, approved: { ...other.approved!, shared: [13, 17, 18, 19] } }
    }
    for (const unseal of ['unsealed', 'mismatch', 'wrong-token'] as const)
      expect(await check({ ledger: allShared, machine: restartMachine, unseal }, 'unapproved')).toMatchObject(
        {
          ...{ ...base, unseal, state: 'same', registers: [], what: [] },
        },
      )
  })

  it.each([
    ['--pcr 14', [14], 'PCR 14 has'],
    ['--pcr 14 --pcr 15', [14, 15], 'PCR 14, 15 have'],
  ] as const)(
    'is not known where AEM seals to %s since it was approved itself',
    async (more, registers, words) => {
      const ledger = (own: DeviceLedger): DeviceLedger => ({ ...ofOther(own), devices: [] })
      const machine = seal(`--pcr 13 ${more} --pcr 17 --pcr 18 --pcr 19`)
      expect(await check({ ledger, machine }, 'unapproved')).toMatchObject({
        ...{ state: 'not-known', registers },
        what: [`no boot from this device was approved in the present state, and ${words} no approved value`],
      })
    },
  )

  it.each<readonly [string, Story]>([
    ['AEM says nothing of the secret', { unseal: null, look: { state: 'absent' } }],
    ['nothing was approved at all', { look: { state: 'absent' } }],
    ['the list cannot be read', { look: { state: 'damaged', detail: 'x' } }],
    ['it was approved in another bank', { ledger: ofOther, tpm: (tpm) => ({ ...tpm, bank: 'sha1' }) }],
  ])('has nothing to be compared with where %s', async (_what, story) => {
    expect(await check({ machine: restartMachine, ...story }, 'unapproved')).toBeNull()
    expect(await check({ machine: restartMachine, ...story })).toBeNull()
  })

  it('is of a device without a name where that one is out', async () => {
    const machine = (own: SimMachine): void => {
      restartMachine(own)
      own.devices.find(({ uuid }) => uuid === INTERNAL.uuid)!.isPresent = false
    }
    const tpm = register(18, '18'.repeat(32))
    const ledger = (own: DeviceLedger): DeviceLedger => ({ ...ofOther(own), devices: [] })
    expect((await check({ ledger, machine, tpm, devices: [] }, 'unapproved'))?.label).toBe(
      'the device of this boot',
    )
  })
})
