/* Long: one dom0 that is ready for a seal, and a table for each check of what it lacks. */

import { describe, expect, it } from 'vitest'
import { type ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import type { TpmFacts } from '../../src/observe/launch/pcrs.ts'
import { checkAemIdle, observeSealReadiness } from '../../src/observe/seal/seal-readiness.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { type Answer, hostOf, TPM2, TPM12 } from './tpm-world.ts'

/** What every reseal needs, on a dom0 that knows only what it is told. */

const unreadable = unknown('input/output error')
const value = (digit: string) => digit.repeat(64)
const GOOD = { 13: value('1'), 17: value('2'), 18: value('3'), 19: value('4') }
const SELECTED = [13, 17, 18, 19]

const OWN: AemDevice = {
  suffix: '',
  label: 'aem',
  uuid: '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11',
  slot: 0,
  present: true,
  mountPoint: '/boot',
  isReadOnly: false,
  isRemovable: false,
}
const STICK: AemDevice = {
  ...OWN,
  suffix: '.stick',
  label: 'aem.stick',
  uuid: 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2',
  mountPoint: null,
}

type Story = {
  readonly devices?: readonly AemDevice[]
  readonly aemUuid?: string | null
  readonly other?: AemDevice
  readonly version?: TpmFacts['version']
  readonly pcrs?: Readonly<Record<number, string>>
  readonly selected?: readonly number[] | null
  readonly mounts?: Awaited<ReturnType<Host['readFile']>> | string
  readonly media?: typeof ABSENT | typeof unreadable
  readonly free?: number | null
  readonly suffix?: string | null
  readonly unit?: { activeState: string } | null
  readonly tpmId?: string | null
  readonly password?: string | null
  readonly says?: Readonly<Record<string, Answer>>
}

async function look(story: Story = {}) {
  const { devices = [OWN, STICK], aemUuid = OWN.uuid, version = '2.0', free = 2 ** 30 } = story
  const { mounts = '/dev/nvme0n1p2 /boot ext4 rw,relatime 0 0\n', suffix = '', tpmId = 'x' } = story
  const tpmHost = hostOf(version === '1.2' ? TPM12 : TPM2, {
    password: story.password === undefined ? 'srk' : story.password,
    says: story.says ?? {},
  })
  const places: string[] = []
  let open = 0
  const host = makeFakeHost({
    run: async (call, input) => {
      if (call.argv[0] === '/usr/bin/tpm_unsealdata') places.push(call.argv.at(-1) ?? '')
      return tpmHost.host.run(call, input)
    },
    makeWorkDirectory: tpmHost.host.makeWorkDirectory,
    readFile: async (path) => {
      if (path !== '/proc/mounts') return tpmHost.host.readFile(path)
      return typeof mounts === 'string' ? seen(Buffer.from(mounts)) : mounts
    },
    openMedia: async ({ uuid }) => {
      if (story.media !== undefined) return story.media
      open += 1
      const close = async (): Promise<void> => {
        open -= 1
      }
      return seen({ root: `/media/${uuid}`, close })
    },
    freeBytes: async (path) => {
      expect([OWN, STICK].map(({ uuid }) => `/media/${uuid}`)).toContain(path)
      return free === null ? unreadable : seen(free)
    },
  })
  const facts = {
    machine: async () => ({ aemUuid }),
    devices: async () => ({ devices }),
    seal: async () => ({
      cachedSuffix: suffix,
      unit: story.unit === undefined ? { activeState: 'inactive' } : story.unit,
    }),
    tpmId: async () => tpmId,
  }
  const dom0 = { ...observeDom0(host), ...facts } as unknown as Dom0
  const bank = version === '1.2' ? 'sha1' : 'sha256'
  const tpm = {
    version,
    bank: version === 'none' ? null : bank,
    pcrs: { [bank]: story.pcrs ?? GOOD },
  } as TpmFacts
  const { selected = SELECTED } = story
  const { device, checks } = await observeSealReadiness(dom0, tpm, selected, story.other)
  expect([open, tpmHost.open()]).toEqual([0, 0])
  const ok = (id: string) => checks.find((one) => one.id === id)?.ok
  const detail = (id: string) => checks.find((one) => one.id === id)?.detail
  return { device, checks, ok, detail, places, calls: tpmHost.calls }
}

describe('a reseal', () => {
  it('may be made where all is well: each check is true, in this order', async () => {
    const { checks, device } = await look()
    expect(device).toBe(OWN)
    expect(checks.map(({ id, ok }) => [id, ok])).toEqual([
      ['device-present', true],
      ['device-unique', true],
      ['device-writable', true],
      ['device-label', true],
      ['device-space', true],
      ['pcrs-sane', true],
      ['tpm-not-locked', true],
      ['aem-not-waiting', true],
    ])
  })

  it('is for the device of this boot, or for the one that is named', async () => {
    expect((await look({ aemUuid: STICK.uuid, suffix: '.stick' })).device).toBe(STICK)
    const named = await look({ other: STICK })
    expect(named.device).toBe(STICK)
    // What the initrd of this boot saw says nothing of another device.
    expect(named.ok('device-label')).toBeUndefined()
    expect(named.ok('device-present')).toBe(true)
    expect(named.detail('device-space')).toContain('on aem.stick')
  })

  it('has no device where none is of this boot', async () => {
    for (const story of [{ aemUuid: null }, { devices: [STICK] }] satisfies Story[]) {
      const { device, ok, detail } = await look(story)
      expect([device, ok('device-present'), ok('device-label'), ok('device-space')]).toEqual([
        null,
        false,
        null,
        null,
      ])
      expect(detail('device-space')).toBe('the device could not be looked at')
    }
  })

  it('is for a device that has its label alone, and the one that the initrd saw', async () => {
    const twin = { ...STICK, suffix: '', label: 'aem' }
    expect((await look({ devices: [OWN, twin] })).ok('device-unique')).toBe(false)
    expect((await look({ devices: [OWN, STICK] })).ok('device-unique')).toBe(true)
    expect((await look({ suffix: '.stick' })).ok('device-label')).toBe(false)
    expect((await look({ suffix: null })).ok('device-label')).toBeUndefined()
  })
})

describe('whether a device can be written', () => {
  it.each<[string, Story, boolean | null]>([
    ['its file system is', { mounts: '/dev/nvme0n1p2 /boot ext4 rw,relatime 0 0\n' }, true],
    ['it is mounted read-only', { mounts: '/dev/nvme0n1p2 /boot ext4 ro,relatime 0 0\n' }, false],
    ['another place is mounted read-only', { mounts: '/dev/sr0 /mnt iso9660 ro 0 0\n' }, true],
    ['it is not mounted', { devices: [{ ...OWN, mountPoint: null }], mounts: 'x / ext4 ro 0 0\n' }, true],
    ['its switch is on', { devices: [{ ...OWN, isReadOnly: true }] }, false],
    ['it does not say', { devices: [{ ...OWN, isReadOnly: null }] }, null],
  ])('%s', async (_, story, expected) => {
    expect((await look(story)).ok('device-writable')).toBe(expected)
  })

  it('it is not called read-only where its mounts cannot be read', async () => {
    expect((await look({ mounts: unreadable })).ok('device-writable')).not.toBe(false)
  })
})

describe('the room on a device', () => {
  it.each<[string, Story, boolean | null, string]>([
    ['is enough', { free: 512 * 1024 }, true, '512 KiB free on aem'],
    ['is too little', { free: 512 * 1024 - 1 }, false, 'only 511 KiB free on aem'],
    ['is not told', { free: null }, null, 'free space on aem could not be read'],
    ['is not known', { media: unreadable }, null, 'could not be looked at: input/output error'],
    ['is not there', { devices: [{ ...OWN, present: false }] }, null, 'the device could not be looked at'],
  ])('%s', async (_, story, ok, detail) => {
    const found = await look(story)
    expect([found.ok('device-space'), found.detail('device-space')]).toEqual([
      ok,
      expect.stringMatching(new RegExp(`${detail}`)),
    ])
    if (story.media === undefined) expect(found.detail('device-space')).not.toMatch(/looked at:/)
  })
})

describe('the registers of a reseal', () => {
  it.each<[string, Story, boolean | null, string]>([
    ['hold what was measured', {}, true, 'no selected PCR'],
    ['hold a public constant', { pcrs: { ...GOOD, 18: '0'.repeat(64) } }, false, 'never measured: PCR 18'],
    ['hold one beside the selected', { pcrs: { ...GOOD, 20: '0'.repeat(64) } }, true, 'no selected PCR'],
    ['cannot be read', { pcrs: { 17: value('2'), 18: value('3') } }, null, 'read: PCR 13, 19'],
    ['are not known', { selected: null }, null, 'SEAL'],
    ['are none', { selected: [] }, null, 'SEAL'],
    [
      'show no launch',
      { pcrs: { ...GOOD, 17: 'f'.repeat(64) }, selected: [13, 18, 19] },
      false,
      'no measured launch',
    ],
    ['need no launch', { pcrs: { ...GOOD, 17: 'f'.repeat(64) }, selected: [13] }, true, 'no selected PCR'],
    ['are of no TPM', { version: 'none' }, false, 'no measured launch'],
  ])('%s', async (_, story, ok, detail) => {
    const found = await look(story)
    expect(found.checks.filter(({ id }) => id === 'pcrs-sane')).toHaveLength(1)
    expect([found.ok('pcrs-sane'), found.detail('pcrs-sane')]).toEqual([ok, expect.stringContaining(detail)])
  })
})

describe('whether the TPM is in lockout', () => {
  const locked = {
    exit: 0,
    stdout: '  inLockout: 1\nTPM2_PT_LOCKOUT_COUNTER: 0x20\nTPM2_PT_MAX_AUTH_FAIL: 0x20\n',
  }
  it.each<[string, Story, boolean | undefined, string]>([
    ['is told by a TPM 2.0: it is not', {}, true, 'the TPM is not in lockout'],
    ['is told by a TPM 2.0: it is', { says: { 'tpm2-properties': locked } }, false, 'after 32 wrong'],
    [
      'is not known of one that is silent',
      { says: { 'tpm2-properties': 'unknown' } },
      false,
      'did not answer',
    ],
    ['is no question without a TPM', { version: 'none' }, undefined, ''],
    ['is no question with a TPM of a kind that is not known', { version: null }, undefined, ''],
    ['is tried with a TPM 1.2: it is not', { version: '1.2' }, true, 'the TPM is not in lockout'],
    [
      'is tried with a TPM 1.2: it is',
      { version: '1.2', says: { 'tpm12-unseal': { exit: 3 } } },
      false,
      'answers no password',
    ],
    [
      'is tried with a TPM 1.2, and a wrong password is as bad',
      { version: '1.2', says: { 'tpm12-unseal': { exit: 1 } } },
      false,
      'the SRK password at hand is wrong',
    ],
    [
      'is tried with a TPM 1.2: what the file is bound to does not matter',
      { version: '1.2', says: { 'tpm12-unseal': { exit: 24 } } },
      true,
      'the TPM is not in lockout',
    ],
    [
      'cannot be tried with a TPM 1.2 without tcsd',
      { version: '1.2', says: { 'tcsd-start': { exit: 1 } } },
      false,
      'tcsd could not be started',
    ],
    [
      'cannot be tried with a TPM 1.2 whose directory is not known',
      { version: '1.2', tpmId: null },
      false,
      'no sealed file to try',
    ],
    [
      'cannot be tried with a TPM 1.2 without a device',
      { version: '1.2', aemUuid: null },
      false,
      'no sealed file to try',
    ],
    ['is not tried with a TPM 1.2 without a password', { version: '1.2', password: null }, undefined, ''],
  ])('%s', async (_, story, ok, detail) => {
    const found = await look(story)
    expect(found.ok('tpm-not-locked')).toBe(ok)
    if (ok !== undefined) expect(found.detail('tpm-not-locked')).toContain(detail)
    else expect(found.calls.filter((id) => id.startsWith('tpm'))).toEqual([])
  })

  it("is tried once with dom0's own token of the device, and tcsd is as it was found", async () => {
    const { places, calls } = await look({ version: '1.2' })
    expect(places).toEqual(['/var/lib/tpms/x/aem/secret.fre.sealed2'])
    expect(calls.filter((id) => id.startsWith('tcsd'))).toEqual(['tcsd-start', 'tcsd-stop'])
  })
})

it.each([
  ['inactive', true],
  ['active', true],
  ['failed', true],
  ['activating', false],
  [null, null],
] as const)('AEM is idle where its seal unit is %s: %s', async (activeState, ok) => {
  const unit = activeState === null ? null : { activeState }
  const dom0 = { ...observeDom0(makeFakeHost({})), seal: async () => ({ unit }) } as unknown as Dom0
  const check = await checkAemIdle(dom0)
  expect(check).toMatchObject({ id: 'aem-not-waiting', ok })
  expect(check.detail.includes('AEM is still sealing')).toBe(ok === false)
  expect(check.detail.includes('did not say')).toBe(ok === null)
  expect((await look({ unit })).ok('aem-not-waiting')).toBe(ok)
})
