import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { observeSlots } from '../../src/observe/device/freshness-slots.ts'
import type { Dom0 } from '../../src/observe/dom0/dom0.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { INTERNAL_UUID, STICK_UUID } from '../support/recorded-machine.ts'

/** The freshness slot of each device, and whose token the TPM holds in one that two have. */

const OK = seen({ exit: 0, stdout: '', stderr: '' })
const AEM = { label: 'aem', uuid: INTERNAL_UUID, slot: 0, isForeign: false }
const STICK = { label: 'aem.stick', uuid: STICK_UUID, slot: 1, isForeign: false }

/** The NV area with the digest of a text in some of its eight slots (anti-evil-maid-lib). */
function nvOf(algorithm: 'sha1' | 'sha256', tokens: Readonly<Record<number, string>>): Buffer {
  const size = algorithm === 'sha1' ? 20 : 32
  const nv = Buffer.alloc(8 * size, 0xff)
  for (const [slot, token] of Object.entries(tokens))
    createHash(algorithm)
      .update(token)
      .digest()
      .copy(nv, Number(slot) * size)
  return nv
}

type Told = {
  readonly devices?: readonly object[]
  readonly version?: '1.2' | '2.0' | null
  readonly nv?: Buffer
  /** dom0's copy of each token; what is not named is not there. */
  readonly tokens?: Readonly<Record<string, string>>
  readonly host?: Partial<Host>
  readonly isComplete?: boolean
}

async function look({ devices = [AEM, STICK], version = '2.0', nv, tokens = {}, ...told }: Told) {
  const asked: string[] = []
  let open = 0
  const host = makeFakeHost({
    async makeWorkDirectory() {
      open += 1
      const close = async () => {
        open -= 1
      }
      return { root: '/run/work', close }
    },
    async run(call) {
      asked.push(call.id)
      if (call.id === 'tpm2-properties')
        return seen({
          exit: 0,
          stdout:
            'TPM2_PT_PERMANENT:\n  inLockout:                 0\nTPM2_PT_LOCKOUT_COUNTER: 0x0\nTPM2_PT_MAX_AUTH_FAIL: 0x20\n',
          stderr: '',
        })
      return call.id === 'tpm2-nv-read'
        ? seen({ exit: 0, stdout: nv?.toString('latin1') ?? '', stderr: '' })
        : OK
    },
    async readFile(path) {
      if (path === '/run/work/slots') return nv === undefined ? ABSENT : seen(nv)
      const label = /^\/var\/lib\/anti-evil-maid\/([^/]+)\/secret\.fre$/.exec(path)?.[1]
      const token = label === undefined ? undefined : tokens[label]
      return token === undefined ? ABSENT : seen(Buffer.from(token))
    },
    ...told.host,
  })
  const dom0 = {
    host,
    machine: async () => ({ aemUuid: STICK_UUID }),
    devices: async () => ({ devices: devices as AemDevice[], isComplete: told.isComplete ?? true }),
    tpm: async () => ({ version }),
  } as unknown as Dom0
  const found = await observeSlots(dom0)
  expect(open, 'nothing is left in /run').toBe(0)
  return { ...found, asked }
}

const SHARED = [AEM, { ...STICK, slot: 0 }]
const heldBy = async (told: Told) =>
  (await look({ devices: SHARED, ...told })).devices.map(({ label, holdsToken }) => [label, holdsToken])

describe('without a slot that two devices have', () => {
  it('they are told as dom0 notes them, and the TPM is asked nothing', async () => {
    const { devices, asked, isComplete, usable } = await look({ tokens: { aem: 'a', 'aem.stick': 's' } })
    expect(devices).toEqual([
      { label: 'aem', slot: 0, isBooted: false, holdsToken: null },
      { label: 'aem.stick', slot: 1, isBooted: true, holdsToken: null },
    ])
    expect([asked, isComplete, usable]).toEqual([[], true, [0]])
    expect((await look({ isComplete: false })).isComplete).toBe(false)
  })

  it('AEM finds a token in each of eight with TPM 1.2, else in the first alone', async () => {
    expect((await look({ version: '1.2' })).usable).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect((await look({ version: null })).usable).toEqual([0])
  })

  it('two devices that have none share none', async () => {
    const devices = [AEM, { ...STICK, slot: null }, { ...STICK, label: 'aem.b', slot: null }]
    const found = await look({ devices })
    expect([found.asked, found.devices.map(({ slot }) => slot)]).toEqual([[], [0, null, null]])
  })

  it('a foreign device has none, and two sticks with one label are one: dom0 has one file for it', async () => {
    const evil = { label: 'aem.evil', uuid: 'eeee-0000', slot: null, isForeign: true }
    const twin = { ...STICK, uuid: '1234-abcd' }
    const found = await look({ devices: [evil, AEM, STICK, twin] })
    expect([found.asked, found.devices.map(({ label }) => label)]).toEqual([[], ['aem', 'aem.stick']])
    // A foreign copy of the UUID does not hide which device booted.
    const copy = { ...evil, uuid: STICK_UUID }
    expect((await look({ devices: [copy, AEM, STICK] })).devices.map(({ isBooted }) => isBooted)).toEqual([
      false,
      true,
    ])
  })
})

describe('a slot that two devices have', () => {
  it.each([
    ['2.0', 'sha256', ['tpm2-nv-read']],
    ['1.2', 'sha1', ['tpm12-nv-read']],
  ] as const)('holds the token of one: TPM %s has its %s', async (version, algorithm, calls) => {
    const nv = nvOf(algorithm, { 0: 'token of the stick' })
    const told = { version, nv, tokens: { aem: 'another', 'aem.stick': 'token of the stick' } }
    expect(await heldBy(told)).toEqual([
      ['aem', false],
      ['aem.stick', true],
    ])
    const { asked } = await look({ devices: SHARED, ...told })
    expect(asked.filter((id) => id.endsWith('-nv-read') && !id.includes('policy'))).toEqual(calls)
  })

  it('says nothing of another slot that holds it, and nothing of a device without one', async () => {
    const nv = nvOf('sha256', { 1: 'a', 2: 's', 3: 'b' })
    const devices = [AEM, { ...STICK, slot: 0 }, { ...STICK, label: 'aem.b', uuid: 'b', slot: 3 }]
    const tokens = { aem: 'a', 'aem.stick': 's', 'aem.b': 'b', 'aem.none': 'a' }
    const none = { ...STICK, label: 'aem.none', uuid: 'c', slot: null }
    expect(await heldBy({ devices: [...devices, none], nv, tokens })).toEqual([
      ['aem', false],
      ['aem.stick', false],
      ['aem.b', true],
      ['aem.none', null],
    ])
  })

  it('says nothing of a token that is not there, or cannot be read', async () => {
    const nv = nvOf('sha256', { 0: 'a' })
    expect(await heldBy({ nv, tokens: { aem: 'a' } })).toEqual([
      ['aem', true],
      ['aem.stick', null],
    ])
    const host = { readFile: async () => unknown('input/output error') }
    expect(await heldBy({ nv, host })).toEqual([
      ['aem', null],
      ['aem.stick', null],
    ])
  })

  it.each<[string, Told]>([
    ['only looks', { host: { writable: false } }],
    ['is not answered by a TPM 2.0', { host: { run: async () => unknown('no answer') } }],
    ['is not answered by a TPM 1.2', { version: '1.2', host: { run: async () => unknown('no answer') } }],
    ['cannot read the slots of a TPM 1.2', { version: '1.2' }],
  ])('is not known to hold a token where the program %s', async (_, told) => {
    expect(await heldBy({ ...told, tokens: { aem: 'a', 'aem.stick': 's' } })).toEqual([
      ['aem', null],
      ['aem.stick', null],
    ])
  })
})
