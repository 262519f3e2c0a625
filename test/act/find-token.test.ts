import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { findToken } from '../../src/act/forward-seal/find-token.ts'
import { ABSENT, type Host, seen } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { sha256 } from '../../src/host/simulated/model.ts'
import { type AemDevice, observeDevices } from '../../src/observe/device/devices.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/* Whose freshness token a forward seal takes, on the built-in machine with dom0's own device (booted) and a stick. */

const pathOf = (label: string): string => `/var/lib/anti-evil-maid/${label}/secret.fre`
const TOKENS: Readonly<Record<string, Buffer>> = {
  aem: Buffer.from('the token of dom0'),
  'aem.stick': Buffer.from('the token of the stick'),
}

type Story = {
  /** Slot of each label's token. */
  readonly slots: Readonly<Record<string, number>>
  readonly device?: string | null
  readonly isBootedOut?: boolean
  readonly withoutToken?: string
  readonly version?: '1.2' | '2.0'
}

async function find({ slots, device = 'aem.stick', isBootedOut, withoutToken, version = '2.0' }: Story) {
  const machine = machineOf('two-devices')
  machine.slots.clear()
  for (const [label, slot] of Object.entries(slots)) machine.slots.set(slot, sha256(TOKENS[label]!))
  const own = makeSimulatedHost(machine)
  const closed: string[] = []
  const host: Host = {
    ...own,
    async readFile(path) {
      const label = Object.keys(TOKENS).find((name) => path === pathOf(name))
      if (label !== undefined) return label === withoutToken ? ABSENT : seen(TOKENS[label]!)
      return path.endsWith('/slots') ? seen(sha1Slots(slots)) : own.readFile(path)
    },
    async run(call, input) {
      const isTpm12 = ['unit-show', 'tcsd-start', 'tcsd-stop', 'tpm12-nv-read'].includes(call.id)
      return isTpm12 ? seen({ exit: 0, stdout: '', stderr: '' }) : own.run(call, input)
    },
    async makeWorkDirectory() {
      const work = await own.makeWorkDirectory()
      const close = async () => {
        closed.push(work.root)
        await work.close()
      }
      return { root: work.root, close }
    },
  }
  const devices = await observeDevices(host, await observeMachine(host))
  const deviceOf = (label: string | null) => devices.find((one) => one.label === label) ?? null
  const found = await findToken(host, deviceOf(device), isBootedOut ? null : deviceOf('aem'), version)
  expect(closed).toHaveLength(1)
  return found
}

/** TPM 1.2: 8 slots of a sha1 each (anti-evil-maid-lib, TPM_FRESHNESS_SLOTS). */
function sha1Slots(slots: Readonly<Record<string, number>>): Buffer {
  const nv = Buffer.alloc(160, 0xff)
  for (const [label, slot] of Object.entries(slots))
    createHash('sha1')
      .update(TOKENS[label]!)
      .digest()
      .copy(nv, slot * 20)
  return nv
}

describe('the token of a forward seal on TPM 2.0', () => {
  it("is the device's own where AEM reads its slot", async () => {
    expect(await find({ slots: { 'aem.stick': 0, aem: 1 } })).toEqual({
      label: 'aem.stick',
      check: { id: 'freshness', ok: true, detail: 'slot 0 holds the token that is sealed again' },
    })
  })

  it.each([
    ['is in no slot', { aem: 0 }],
    ['is in one that AEM does not read', { 'aem.stick': 3, aem: 0 }],
  ])("is the booted device's where its own %s", async (_, slots) => {
    expect(await find({ slots })).toMatchObject({
      label: 'aem',
      check: {
        ok: true,
        detail: expect.stringContaining('the token of aem is sealed, as it lies in slot 0'),
      },
    })
  })

  it.each<[string, Story, string]>([
    [
      'both are in slots that AEM does not read',
      { slots: { 'aem.stick': 3, aem: 4 } },
      'lies in slot 3, but',
    ],
    ['neither is in a slot', { slots: {} }, 'no slot of the TPM holds this token'],
    ["the booted device's is gone", { slots: { aem: 0 }, withoutToken: 'aem' }, 'no slot of the TPM holds'],
    ['the booted device is out', { slots: { aem: 0 }, isBootedOut: true }, 'no slot of the TPM holds'],
    [
      'it is for the booted device, whose token is lost',
      { slots: { 'aem.stick': 0 }, device: 'aem' },
      'no slot',
    ],
  ])('is none where %s', async (_, story, words) => {
    expect(await find(story)).toEqual({
      label: null,
      check: { id: 'freshness', ok: false, detail: expect.stringContaining(words) },
    })
  })

  it.each<[string, Story]>([
    ['the token cannot be read', { slots: { 'aem.stick': 0, aem: 0 }, withoutToken: 'aem.stick' }],
    ['the device is out', { slots: { aem: 0 }, device: null }],
  ])('is not called lost where %s', async (_, story) => {
    expect(await find(story)).toEqual({
      label: null,
      check: { id: 'freshness', ok: null, detail: 'the freshness token or its slots could not be read' },
    })
  })
})

describe('the token of a forward seal of which nothing is said', () => {
  const UNTOLD = { label: null, check: { id: 'freshness', ok: null } }
  const device = { label: 'aem' } as AemDevice

  it('is one of a machine that only is looked at', async () => {
    const host = makeFakeHost({ writable: false })
    for (const version of ['2.0', '1.2', null])
      expect(await findToken(host, device, device, version)).toMatchObject({
        ...UNTOLD,
        check: { ...UNTOLD.check, detail: expect.stringContaining('only looks here') },
      })
  })

  /** A TPM 2.0 that answers whether it is in lockout, and no more. */
  const silentTpm = (read: string[]) =>
    makeFakeHost({
      async readFile(path) {
        read.push(path)
        return path === pathOf('aem') ? seen(TOKENS.aem!) : ABSENT
      },
      makeWorkDirectory: async () => ({ root: '/run/aem-reseal/1-1/work-0', close: async () => undefined }),
      run: async ({ id }) =>
        seen({
          exit: ['tpm2-properties', 'flush-transient'].includes(id) ? 0 : 1,
          stdout: 'inLockout: 0\nTPM2_PT_LOCKOUT_COUNTER: 0x0\nTPM2_PT_MAX_AUTH_FAIL: 0x20\n',
          stderr: '',
        }),
    })

  it('is one whose slots cannot be read', async () => {
    expect(await findToken(silentTpm([]), device, device, '2.0')).toMatchObject({
      ...UNTOLD,
      check: { ...UNTOLD.check, detail: 'the freshness token or its slots could not be read' },
    })
  })

  it('is one of no device: no file is read for it', async () => {
    const read: string[] = []
    expect(await findToken(silentTpm(read), null, null, '2.0')).toMatchObject(UNTOLD)
    expect(read.filter((path) => path.endsWith('/secret.fre'))).toEqual([])
  })
})

describe('the token of a forward seal on TPM 1.2', () => {
  it("is the device's own in any slot", async () => {
    expect(await find({ version: '1.2', slots: { 'aem.stick': 5, aem: 0 } })).toMatchObject({
      label: 'aem.stick',
      check: { ok: true, detail: 'slot 5 holds the token that is sealed again' },
    })
  })

  it('is never that of another device: AEM reads all slots there', async () => {
    expect(await find({ version: '1.2', slots: { aem: 0 } })).toMatchObject({
      label: null,
      check: { ok: false, detail: expect.stringContaining('no slot of the TPM holds this token') },
    })
  })
})
