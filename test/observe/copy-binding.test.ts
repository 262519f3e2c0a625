/* Long: sealed files of both kinds of TPM, and each boot that they may be bound to. */

import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import type { SealedCopy } from '../../src/observe/seal/sealed-copy.ts'
import { type Common, checkBinding, checkNothing } from '../../src/observe/verify/copy-binding.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { makeKeyPub, makeTpm12Blob } from './tpm-world.ts'

/** To what a device's own copy is bound, by its files on the device. */

type Values = Readonly<Record<number, string>>

const DIRECTORY = '/media/aem/tpms/x/aem'
const value = (byte: string, size: number): string => byte.repeat(size)
const valuesOf = (bytes: Readonly<Record<number, string>>, size: number): Values =>
  Object.fromEntries(Object.entries(bytes).map(([index, byte]) => [index, value(byte, size)]))
const HERE = { 13: '0d', 17: '11', 18: '12', 19: '13' }
const THERE = { ...HERE, 19: '99' }
const SELECTED = [13, 17, 18, 19]

type Story = {
  readonly version: '1.2' | '2.0'
  readonly files: Readonly<Record<string, Uint8Array | null>>
  readonly keyPcrs?: readonly number[] | null
  readonly selected?: readonly number[] | null
  readonly isBooted?: boolean
  readonly flavour?: Common['flavour']
  readonly kept?: Common['kept']
  readonly booted?: string | null
}

function bound(story: Story) {
  const { version, files, keyPcrs = SELECTED, selected = SELECTED, isBooted = true } = story
  const own: SealedCopy = {
    directory: DIRECTORY,
    files: Object.keys(files).map((name) => ({ name, sha256: 'a'.repeat(64) })),
    keyPcrs: keyPcrs === null || version === '1.2' ? null : { bank: 'sha256', pcrs: keyPcrs },
  }
  const host: Host = makeFakeHost({
    readFile: async (path) => {
      if (version === '1.2') expect(path).toMatch(/\.sealed2$/)
      const bytes = files[path.slice(DIRECTORY.length + 1)]
      if (bytes === undefined) return ABSENT
      return bytes === null ? unknown('input/output error') : seen(bytes)
    },
  })
  const bank = version === '1.2' ? 'sha1' : 'sha256'
  const common = {
    tpm: { version, bank, pcrs: { [bank]: valuesOf(HERE, version === '1.2' ? 20 : 32) } },
    selected,
    flavour: story.flavour ?? 'tboot',
    kept: story.kept ?? { forward: () => null, look: { state: 'absent' } },
    booted: story.booted === undefined ? null : { label: story.booted },
  } as unknown as Common
  return checkBinding(host, own, 'aem', isBooted, common)
}

const key = (bytes: Readonly<Record<number, string>>, pcrs: readonly number[] = SELECTED) => ({
  'key.pub': makeKeyPub(pcrs, valuesOf(bytes, 32)),
})
const blobs = (
  ...each: readonly (readonly [string, Readonly<Record<number, string>>, (readonly number[])?])[]
) =>
  Object.fromEntries(
    each.map(([name, bytes, pcrs = SELECTED]) => [
      `secret.${name}.sealed2`,
      makeTpm12Blob(pcrs, valuesOf(bytes, 20)),
    ]),
  )

describe('a copy of a TPM 2.0', () => {
  it('is bound to this boot by the registers of key.pcrs', async () => {
    expect(await bound({ version: '2.0', files: key(HERE) })).toEqual({
      selection: { id: 'selection', ok: true, detail: 'sealed to sha256:13,17,18,19' },
      policy: { id: 'policy', ok: true, detail: 'bound to the PCR values of this boot' },
      untried: null,
    })
  })

  it('is bound by its own registers, and to others than SEAL says', async () => {
    const { selection, policy } = await bound({ version: '2.0', files: key(HERE, [17]), keyPcrs: [17] })
    expect([selection.ok, policy.ok]).toEqual([false, true])
  })

  it('is bound by those of SEAL where key.pcrs cannot be read, which is said', async () => {
    const { selection, policy } = await bound({ version: '2.0', files: key(HERE), keyPcrs: null })
    expect([selection.ok, policy.ok]).toEqual([null, true])
  })

  it('is bound to another boot, and asked for all the same', async () => {
    const { policy, untried } = await bound({ version: '2.0', files: key(THERE) })
    expect([policy.ok, untried]).toEqual([false, null])
  })

  it('says nothing without key.pub', async () => {
    const unread = { id: 'policy', ok: null, detail: 'key.pub could not be read' }
    for (const files of [{}, { 'key.pub': null }, { 'key.pub': Buffer.from('short') }])
      expect((await bound({ version: '2.0', files })).policy).toEqual(unread)
  })
})

describe('a copy of a TPM 1.2', () => {
  it('is bound to this boot by each of its files', async () => {
    const files = { ...blobs(['fre', HERE], ['txt', HERE]), 'key.pub': Buffer.from('of an older AEM') }
    expect(await bound({ version: '1.2', files })).toEqual({
      selection: { id: 'selection', ok: true, detail: 'sealed to sha1:13,17,18,19' },
      policy: { id: 'policy', ok: true, detail: 'bound to the PCR values of this boot' },
      untried: null,
    })
  })

  it('is bound to another boot where one file is', async () => {
    const { policy } = await bound({ version: '1.2', files: blobs(['fre', HERE], ['txt', THERE]) })
    expect(policy.ok).toBe(false)
  })

  it('is sealed to other registers where one file is, which is named', async () => {
    const { selection } = await bound({ version: '1.2', files: blobs(['fre', HERE], ['txt', HERE, [17]]) })
    expect(selection).toMatchObject({ ok: false, detail: expect.stringContaining('secret.txt.sealed2') })
  })

  it.each<[string, Story['files']]>([
    ['a file that cannot be read', { ...blobs(['fre', HERE]), 'secret.txt.sealed2': null }],
    ['a file of another form', { ...blobs(['fre', HERE]), 'secret.txt.sealed2': Buffer.from('x') }],
    ['no sealed file', {}],
  ])('says nothing with %s', async (_, files) => {
    const detail = "the device's sealed files could not be read"
    const { selection, policy } = await bound({ version: '1.2', files })
    expect([selection.ok, policy]).toEqual([null, { id: 'policy', ok: null, detail }])
  })
})

describe('a copy that was sealed forward', () => {
  const look = { state: 'absent' } as const
  const of = (forward: Common['kept']['forward'], isBooted = true) =>
    bound({ version: '2.0', files: key(THERE), kept: { forward, look }, isBooted })

  it('is bound to the next boot, and not asked for in this one', async () => {
    const labels: string[] = []
    const { policy, untried } = await of((label) => {
      labels.push(label)
      return valuesOf(THERE, 32)
    })
    expect(policy).toMatchObject({ ok: null, detail: expect.stringContaining('the predicted PCR values') })
    expect(untried).toContain('only after the restart')
    expect(labels).toEqual(['aem'])
    expect((await of(() => valuesOf(HERE, 32))).policy.ok).toBe(false)
  })

  it('may be one where the session cannot be read: it is not called bad, and not asked for', async () => {
    const { policy, untried } = await of('unknown')
    expect(policy).toMatchObject({ ok: null, detail: expect.stringContaining('it may be sealed forward') })
    expect(untried).toContain('the session cannot be read')
  })
})

describe('a copy of a device that this boot did not come from', () => {
  const ledger = (registers: Values) =>
    ({
      state: 'read',
      ledger: {
        approved: null,
        devices: [
          {
            label: 'aem',
            approved: null,
            verified: { at: '2024-07-17T09:00:00.000Z', registers },
            forward: null,
          },
        ],
      },
    }) as unknown as Common['kept']['look']
  const of = (story: Partial<Story>) =>
    bound({ version: '2.0', files: key(THERE), isBooted: false, booted: 'aem.stick', ...story })

  it('is judged by its own boots, with this boot’s device named', async () => {
    const unknownBoot = await of({})
    expect(unknownBoot.policy).toMatchObject({
      ok: null,
      detail: expect.stringContaining('which came from aem.stick; of its own boot nothing is known'),
    })
    expect(unknownBoot.untried).toBe('only a boot from aem can release it')
    const verified = await of({ kept: { forward: () => null, look: ledger(valuesOf(THERE, 32)) } })
    expect(verified.policy).toMatchObject({
      ok: null,
      detail: expect.stringContaining('its own boot of 2024-07-17T09:00:00.000Z, which was never approved'),
    })
  })

  it('is not right for being bound to this boot: with tboot PCR 19 is its own, with TrenchBoot 17 and 18 are', async () => {
    const bootOf = (pcrs: readonly number[], flavour: Common['flavour']) =>
      of({ files: key(HERE, pcrs), keyPcrs: pcrs, flavour })
    expect((await bootOf([13, 17, 18, 19], 'tboot')).policy.ok).toBeNull()
    expect((await bootOf([13, 17, 18], 'tboot')).policy.ok).toBe(true)
    expect((await bootOf([13, 17, 18], 'trenchboot')).policy.ok).toBeNull()
    expect((await bootOf([13], 'trenchboot')).policy.ok).toBe(true)
  })
})

it('a device that is not looked at is neither right nor wrong', () => {
  const why = 'aem is not plugged in'
  expect(checkNothing(why)).toEqual({
    selection: { id: 'selection', ok: null, detail: why },
    policy: { id: 'policy', ok: null, detail: why },
    untried: null,
  })
})
