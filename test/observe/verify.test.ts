/* Long: a table of what may be wrong with the copy of one device, and what several devices do to each other. */

import { describe, expect, it } from 'vitest'
import { unknown } from '../../src/host/host.ts'
import {
  here,
  inDom0,
  OWN,
  onDevice,
  plain,
  SELECTED,
  STICK,
  type Story,
  sealedFiles,
  verify,
} from './verify-world.ts'

/** The checks of each device's own copy, on a dom0 that knows only what it is told. */

const own = (name: string) => `${onDevice(OWN)}/${name}`
const kept = (name: string) => `${inDom0('aem')}/${name}`
const THERE = { ...here(), 19: '9'.repeat(64) }
const policyRefusal = {
  exit: 1,
  stderr: 'ERROR: Esys_Unseal(0x99D) - tpm:session(1):a policy check failed\n',
}

describe('a device whose copy AEM sealed to this boot', () => {
  it.each(['2.0', '1.2'] as const)('is right in each check, with TPM %s', async (version) => {
    const { found } = await verify({ version })
    expect(found.map(({ device, booted, present, ok }) => [device, booted, present, ok])).toEqual([
      ['aem', true, true, true],
    ])
    expect(found[0]?.checks.map(({ id, ok }) => [id, ok])).toEqual([
      ['media-current', true],
      ['selection', true],
      ['policy', true],
      ['unseal-txt', true],
      ['unseal-fre', true],
      ['freshness', true],
      ['pcr13', true],
    ])
  })

  it.each<[string, Story, string, boolean | null, string, boolean | null]>([
    [
      'has other files than dom0',
      { files: { [own('key.priv')]: 'other' } },
      'media-current',
      false,
      'key.priv',
      false,
    ],
    [
      'has a file that cannot be read',
      { files: { [own('key.priv')]: null } },
      'media-current',
      null,
      'could not be hashed',
      null,
    ],
    [
      'has files that cannot be listed',
      { unlisted: onDevice(OWN) },
      'media-current',
      null,
      "the device's sealed files could not be read",
      null,
    ],
    [
      'cannot be compared with dom0',
      { unlisted: inDom0('aem') },
      'media-current',
      null,
      "dom0's sealed files could not be read",
      null,
    ],
    [
      'is sealed to other registers than SEAL',
      { selected: [17, 18] },
      'selection',
      false,
      'SEAL says 17,18',
      false,
    ],
    ['is sealed while SEAL is not known', { selected: null }, 'selection', null, 'SEAL', null],
    ['is bound to another boot', { sealedTo: { aem: THERE } }, 'policy', false, 'other PCR values', false],
    [
      'is bound to a boot without a register that can be read',
      { now: { ...here(), 18: undefined } as never },
      'policy',
      null,
      'could not be read',
      null,
    ],
    [
      'is refused by the TPM',
      { says: { 'tpm2-unseal': policyRefusal } },
      'unseal-txt',
      false,
      'refuses',
      false,
    ],
    [
      'is not asked of the TPM',
      { says: { 'tpm2-properties': 'unknown' } },
      'unseal-txt',
      null,
      'lockout',
      null,
    ],
    [
      'has another secret than dom0',
      { files: { [plain('aem', 'txt')]: 'x' } },
      'unseal-txt',
      false,
      'something else',
      false,
    ],
    [
      'has a secret that dom0 has not',
      { files: { [plain('aem', 'txt')]: 'absent' } },
      'unseal-txt',
      null,
      'no secret.txt',
      null,
    ],
    [
      'has a secret less than dom0',
      { files: { [own('secret.txt.sealed2')]: 'absent' } },
      'unseal-txt',
      false,
      'is missing',
      false,
    ],
    ['has no slot', { slots: [] }, 'freshness', false, 'its slot was overwritten:', false],
    [
      'has slots that cannot be read',
      { says: { 'tpm2-nv-read': { exit: 1 } } },
      'freshness',
      null,
      '0x454d',
      null,
    ],
    [
      'has another LUKS header',
      { header: 'with a new passphrase' },
      'pcr13',
      false,
      'one was changed since',
      false,
    ],
    [
      'has a LUKS header that cannot be read',
      { header: null },
      'pcr13',
      null,
      'the LUKS header of 0c6a3b14',
      null,
    ],
    [
      'has no PCR 13',
      { now: { ...here(), 13: undefined } as never },
      'pcr13',
      null,
      'PCR 13 could not be read',
      null,
    ],
  ])('and that %s', async (_, story, id, ok, detail, all) => {
    const { check, of } = await verify(story)
    expect(check('aem', id)).toMatchObject({ ok, detail: expect.stringContaining(detail) })
    expect(of('aem')?.ok).toBe(all)
  })

  it('needs no LUKS header where neither SEAL nor the copy names PCR 13', async () => {
    const without = [17, 18, 19]
    const header = 'with a new passphrase'
    const unneeded = await verify({ header, selected: without, sealedPcrs: without })
    expect(unneeded.check('aem', 'pcr13')).toMatchObject({
      ok: true,
      detail: expect.stringContaining('not seal'),
    })
    for (const story of [
      { selected: without },
      { selected: null, sealedPcrs: without },
      { sealedPcrs: without },
    ] satisfies Story[])
      expect((await verify({ header, ...story })).check('aem', 'pcr13')?.ok).toBe(false)
  })

  it('has no measured LUKS header in a boot from no AEM entry, and has where that is not known', async () => {
    const plainBoot = await verify({ bootedWithAem: false })
    expect(plainBoot.check('aem', 'pcr13')).toMatchObject({
      ok: null,
      detail: expect.stringContaining('it came from no AEM entry'),
    })
    expect(plainBoot.calls).not.toContain('luks-header')
    expect((await verify({ bootedWithAem: null })).check('aem', 'pcr13')?.ok).toBe(true)
  })
})

it('a device that is, or may be, sealed forward is not asked of the TPM, and is neither right nor wrong', async () => {
  for (const forward of [() => THERE, 'unknown'] as const) {
    const story: Story = { sealedTo: { aem: THERE }, kept: { forward, look: { state: 'absent' } } }
    const { check, of, calls } = await verify(story)
    expect([check('aem', 'policy')?.ok, check('aem', 'unseal-fre')?.ok, of('aem')?.ok]).toEqual([
      null,
      null,
      null,
    ])
    expect(check('aem', 'unseal-txt')?.detail).toContain('sealed forward')
    expect(calls).not.toContain('tpm2-load')
  }
})

describe('a device that cannot be looked at', () => {
  const CHECKS = ['media-current', 'selection', 'policy', 'unseal-txt', 'unseal-fre']

  it.each<[string, Story, string, boolean | null]>([
    ['is not plugged in', { devices: [{ ...OWN, present: false }] }, 'aem is not plugged in', false],
    [
      'cannot be opened',
      { media: unknown('input/output error') },
      'it could not be looked at: input/output error',
      true,
    ],
    [
      'has no UUID that is known',
      { devices: [{ ...OWN, uuid: null, present: null }] },
      'it could not be looked at: the UUID of aem is not known',
      null,
    ],
  ])(
    'is told as one that %s in each check of it, and is neither right nor wrong',
    async (_, story, detail, present) => {
      const { check, of, calls } = await verify(story)
      for (const id of CHECKS) expect(check('aem', id)).toMatchObject({ ok: null, detail })
      expect(check('aem', 'freshness')).toMatchObject({ ok: null, detail: 'the token was not unsealed' })
      // The headers lie on dom0's own disk.
      expect(check('aem', 'pcr13')?.ok).toBe(true)
      expect(of('aem')).toMatchObject({ ok: null, present })
      expect(calls).not.toContain('tpm2-load')
    },
  )

  it('is looked at where it is not known to be there and its UUID is', async () => {
    expect((await verify({ devices: [{ ...OWN, present: null }] })).of('aem')).toMatchObject({
      present: null,
      ok: true,
    })
  })

  it('is not opened where the TPM in use is not known: nothing says which of its files are meant', async () => {
    const { check, of, opened, calls } = await verify({ tpmId: null })
    expect([of('aem')?.ok, opened]).toEqual([null, 0])
    const unread = "the device's sealed files could not be read"
    expect(check('aem', 'media-current')).toMatchObject({ ok: null, detail: unread })
    expect(check('aem', 'unseal-txt')).toMatchObject({ ok: null, detail: unread })
    expect(calls).not.toContain('tpm2-load')
  })
})

describe('a token that lies in no slot', () => {
  const damaged = "the token is not the one of dom0's copy, so it is damaged or old:"
  const open = 'its slot was overwritten, or the token is damaged or old:'
  const overwritten = 'its slot was overwritten:'
  const noPlain = { [plain('aem', 'fre')]: 'absent' }

  it.each<[string, Story, string]>([
    ['is what dom0 keeps in plain', {}, overwritten],
    [
      'is what dom0 keeps in plain, whatever else differs',
      { files: { [own('key.priv')]: 'x' } },
      overwritten,
    ],
    ['is not what dom0 keeps in plain', { files: { [plain('aem', 'fre')]: 'x' } }, damaged],
    ["is that of dom0's copy where dom0 keeps none in plain", { files: noPlain }, overwritten],
    [
      "is that of dom0's copy where the plain one cannot be read",
      { files: { [plain('aem', 'fre')]: null } },
      overwritten,
    ],
    ["is not that of dom0's copy", { files: { ...noPlain, [own('key.priv')]: 'x' } }, damaged],
    [
      "may be that of dom0's copy, of which a file cannot be read",
      { files: { ...noPlain, [kept('key.priv')]: null } },
      open,
    ],
    ["may be that of dom0's copy, which cannot be listed", { files: noPlain, unlisted: inDom0('aem') }, open],
  ])('%s', async (_, story, detail) => {
    const { check } = await verify({ slots: [], ...story })
    expect(check('aem', 'freshness')).toMatchObject({ ok: false, detail: expect.stringContaining(detail) })
    expect(check('aem', 'freshness')?.detail.startsWith(detail)).toBe(true)
  })
})

describe('several devices', () => {
  const both = { devices: [STICK, OWN], sealedTo: { 'aem.stick': THERE } } satisfies Story
  const taken = /slot 0, its own, holds the token of aem: no secret appears at its next boot/

  it('come out in their order, the one of this boot looked at first', async () => {
    const { found, check } = await verify(both)
    expect(found.map(({ device, booted }) => [device, booted])).toEqual([
      ['aem.stick', false],
      ['aem', true],
    ])
    expect(check('aem.stick', 'freshness')).toMatchObject({ ok: false, detail: expect.stringMatching(taken) })
    expect(check('aem.stick', 'unseal-txt')).toMatchObject({
      ok: null,
      detail: 'only a boot from aem.stick can release it',
    })
    expect(check('aem.stick', 'policy')?.detail).toContain('which came from aem;')
  })

  it('are asked about one by one: the token of this boot’s device says all the same whose slot it is', async () => {
    const { found, check } = await verify({ ...both, suffix: '.stick' })
    expect(found.map(({ device }) => device)).toEqual(['aem.stick'])
    expect(check('aem.stick', 'freshness')?.ok).toBe(false)
    expect((await verify({ ...both, suffix: '' })).found.map(({ device }) => device)).toEqual(['aem'])
  })

  it('are none where no device has that suffix, and the TPM is asked for nothing', async () => {
    const { found, calls, opened } = await verify({ ...both, suffix: '.x' })
    expect([found, opened]).toEqual([[], 0])
    expect(calls).not.toContain('tpm2-load')
  })

  it('take no slot from each other with slots of their own, on TPM 1.2', async () => {
    const version = '1.2'
    const there = { ...here(version), 19: '9'.repeat(40) }
    const story: Story = { version, devices: [{ ...STICK, slot: 1 }, OWN], sealedTo: { 'aem.stick': there } }
    const { check, of } = await verify({ ...story, slots: ['aem', 'aem.stick'] })
    expect(check('aem.stick', 'freshness')).toMatchObject({ ok: null, detail: 'the token was not unsealed' })
    expect(of('aem')?.ok).toBe(true)
  })

  it('take no slot from each other where the slots of the TPM cannot be read', async () => {
    const { check } = await verify({ ...both, says: { 'tpm2-nv-read': { exit: 1 } } })
    expect(check('aem.stick', 'freshness')).toMatchObject({ ok: null, detail: 'the token was not unsealed' })
  })

  it('that hold one and the same token do not rename the slot of the first one', async () => {
    const third = { ...STICK, suffix: '.x', label: 'aem.x', uuid: '0f0f0f0f-0000-4000-8000-000000000001' }
    // A copy of the token of aem, sealed to this boot.
    const copied = sealedFiles('aem', here(), SELECTED, '2.0')
    const files = Object.fromEntries(
      Object.entries(copied).map(([name, bytes]) => [`${onDevice(STICK)}/${name}`, bytes]),
    )
    const { check } = await verify({
      devices: [OWN, STICK, third],
      files,
      sealedTo: { 'aem.x': THERE },
    })
    expect(check('aem.x', 'freshness')).toMatchObject({ ok: false, detail: expect.stringMatching(taken) })
  })

  it('with the same UUID may each be the one of this boot: none has lost its slot to the other', async () => {
    const twin = { ...STICK, uuid: OWN.uuid }
    const { found, check } = await verify({
      devices: [OWN, twin],
      sealedTo: { 'aem.stick': THERE },
      files: { [`${onDevice(twin)}/secret.fre.sealed2`]: null },
    })
    expect(found.map(({ booted }) => booted)).toEqual([true, true])
    // Of another device it would be open: its own boot is another one.
    expect(check('aem.stick', 'policy')?.ok).toBe(false)
    expect(check('aem', 'freshness')?.ok).toBe(true)
    expect(check('aem.stick', 'freshness')).toMatchObject({ ok: null, detail: 'the token was not unsealed' })
  })

  it('are none of this boot where it came from no AEM entry, also one whose UUID is not known', async () => {
    const { found } = await verify({ devices: [{ ...OWN, uuid: null }, STICK], aemUuid: null })
    expect(found.map(({ device, booted }) => [device, booted])).toEqual([
      ['aem', false],
      ['aem.stick', false],
    ])
  })
})

describe('an unknown device with an AEM label', () => {
  const foreign = { ...STICK, isForeign: true, slot: null }

  it('is not opened, and is neither right nor wrong', async () => {
    const { of, opened } = await verify({ devices: [OWN, foreign] })
    expect(of('aem.stick')).toEqual({
      device: 'aem.stick',
      booted: false,
      present: true,
      ok: null,
      checks: [
        {
          id: 'media-current',
          ok: null,
          detail: expect.stringContaining('an unknown device with the AEM label aem.stick: not opened'),
        },
      ],
    })
    expect([of('aem')?.ok, opened]).toEqual([true, 1])
  })

  it("under the label of dom0's own device leaves that one's answer alone", async () => {
    const shadow = { ...foreign, suffix: '', label: 'aem' }
    for (const devices of [
      [shadow, OWN],
      [OWN, shadow],
    ]) {
      const { found } = await verify({ devices })
      expect(found.map(({ device, ok }) => [device, ok])).toEqual([['aem', true]])
    }
  })

  it('is told of each of two that share a label', async () => {
    const second = { ...foreign, uuid: '0f0f0f0f-0000-4000-8000-000000000001' }
    const { found } = await verify({ devices: [OWN, foreign, second] })
    expect(found.map(({ device, ok }) => [device, ok])).toEqual([
      ['aem', true],
      ['aem.stick', null],
      ['aem.stick', null],
    ])
  })
})
