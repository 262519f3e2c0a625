/* Long: one dom0 of answers, and each condition of a forward seal with the one answer that it hangs on. */

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { observeForwardReadiness } from '../../src/act/forward-seal/plan.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { emptyDeviceLedger, type LedgerLook } from '../../src/core/session/device-ledger.ts'
import { ABSENT, type FileStat, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import type { TpmFacts } from '../../src/observe/launch/pcrs.ts'
import { rememberSrkPassword } from '../../src/observe/seal/srk-password.ts'
import { aSession } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

const TPM_ID = '4b8f0c2d6a5e9137f2b4c6d8e0a1c3e5f7091b2d'
const RUNNING = '6.6.36-1.qubes.fc37.x86_64'
const SELECTED = [13, 17, 18]
const VALUES: Readonly<Record<number, string>> = {
  13: '13'.repeat(32),
  17: '17'.repeat(32),
  18: '18'.repeat(32),
}
const [SHA1, SHA384] = [20, 48].map((size) =>
  Object.fromEntries(SELECTED.map((index) => [index, String(index).repeat(size)])),
) as [typeof VALUES, typeof VALUES]
const AEM: AemDevice = {
  ...{ suffix: '', label: 'aem', uuid: '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11', slot: 0, present: true },
  ...{ mountPoint: '/boot', isReadOnly: false, isRemovable: false },
}
const STICK: AemDevice = {
  ...{ suffix: '.stick', label: 'aem.stick', uuid: 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2', slot: 0 },
  ...{ present: true, mountPoint: null, isReadOnly: false, isRemovable: true },
}
const MEDIA = '/run/aem-reseal/media'
const CACHE = '/run/anti-evil-maid/srk-password'

/** Of `predict`; the kernel is the one that runs unless another is named. */
function predicted(
  kernel: { path: string; package: { name: string; evr: string } | null } | null = null,
  bank = 'sha256',
  values = VALUES,
) {
  const components = [{ role: 'kernel', ...(kernel ?? { path: `/vmlinuz-${RUNNING}`, package: null }) }]
  const pcrs = SELECTED.map((index) => ({
    ...{ index, bank, predicted: values[index], vouched: true },
    components: index === 18 ? components : [],
  }))
  const entry = { title: 'AEM Qubes' }
  return { calibrated: true, refusal: null, entry, pcrs } as unknown as Session['prediction']
}

type Story = {
  /** The device that the session names. */
  readonly about?: string
  readonly prediction?: Session['prediction']
  readonly ledger?: LedgerLook
  readonly devices?: readonly AemDevice[]
  readonly aemUuid?: string | null
  readonly tpm?: Partial<TpmFacts>
  readonly tpmId?: string | null
  readonly selected?: readonly number[] | null
  /** Installed versions of each kernel package, the oldest first. */
  readonly kernels?: Readonly<Record<string, readonly string[]>>
  /** Files by path that are other than usual; null: not there. */
  readonly files?: Readonly<Record<string, string | null>>
  readonly unlistable?: string
  readonly links?: readonly string[]
  readonly freeBytes?: Seen<number>
  /** How many wrong passwords the TPM has counted, of the 32 that it takes. */
  readonly failed?: number
  /** A person typed one. */
  readonly typed?: string
  readonly isReadOnly?: boolean
  readonly exits?: Readonly<Record<string, number>>
}

const tokenOf = ({ label }: AemDevice): string => `the token of ${label}`
const homesOf = (device: AemDevice): readonly string[] => [
  `/var/lib/tpms/${TPM_ID}/${device.label}`,
  `${device.mountPoint ?? `${MEDIA}/${device.uuid}`}/aem/tpms/${TPM_ID}/${device.label}`,
]

/** Both devices are sealed, and dom0 keeps the token and one secret of each. */
function usualFiles(): Map<string, string> {
  const files = new Map([
    [CACHE, 'srk\n'],
    ['/etc/grub.d/19_linux_xen_tboot', '#! /bin/sh\n'],
    ['/proc/mounts', '/dev/nvme0n1p2 /boot ext4 rw,relatime 0 0\n'],
  ])
  for (const device of [AEM, STICK]) {
    files.set(`/var/lib/anti-evil-maid/${device.label}/secret.fre`, tokenOf(device))
    files.set(`/var/lib/anti-evil-maid/${device.label}/secret.txt`, `the secret of ${device.label}`)
    for (const home of homesOf(device)) files.set(`${home}/secret.fre.sealed2`, `sealed for ${device.label}`)
  }
  return files
}

/** The first of the eight freshness slots holds the token of dom0's own device (anti-evil-maid-lib, TPM_FRESHNESS_SLOTS). */
function slots(version: TpmFacts['version']): Buffer {
  const digest = createHash(version === '1.2' ? 'sha1' : 'sha256')
    .update(tokenOf(AEM))
    .digest()
  return Buffer.concat([digest, Buffer.alloc(7 * digest.length, 0xff)])
}

function hostOf(story: Story, version: TpmFacts['version']) {
  const files = usualFiles()
  for (const [path, text] of Object.entries(story.files ?? {}))
    if (text === null) files.delete(path)
    else files.set(path, text)
  const ran: string[] = []
  const open = { media: 0, works: 0 }
  const stat = (kind: FileStat['kind']) => seen({ kind, sizeBytes: 1, mtimeMs: 0, mode: 0o700 })
  const isDirectory = (path: string) => [...files.keys()].some((file) => file.startsWith(`${path}/`))
  const tries = `  inLockout: 0\nTPM2_PT_LOCKOUT_COUNTER: 0x${(story.failed ?? 0).toString(16)}\nTPM2_PT_MAX_AUTH_FAIL: 0x20\n`
  const says: Readonly<Record<string, string>> = {
    'tpm2-properties': tries,
    'tpm2-nv-read': slots(version).toString('latin1'),
    'unit-show': 'LoadState=loaded\nActiveState=active\n',
  }
  const told: Partial<Host> = {
    async readFile(path) {
      const text = files.get(path)
      if (path === `${MEDIA}/work/slots`) return seen(slots(version))
      return text === undefined ? ABSENT : seen(Buffer.from(text))
    },
    async statFile(path) {
      if (story.links?.includes(path)) return stat('link')
      if (files.has(path)) return stat('file')
      return isDirectory(path) ? stat('directory') : ABSENT
    },
    async listDirectory(path) {
      if (path === story.unlistable) return unknown('I/O error')
      const names = [...files.keys()].filter((file) => file.startsWith(`${path}/`))
      return names.length === 0 ? ABSENT : seen(names.map((file) => file.slice(path.length + 1)))
    },
    async digestFile(path) {
      return files.has(path) ? seen({ sha1: '', sha256: path, sizeBytes: 1 }) : ABSENT
    },
    freeBytes: async (path) =>
      path === '/var/lib/tpms' ? (story.freeBytes ?? seen(2 ** 30)) : seen(2 ** 30),
    async openMedia({ uuid, mountPoint }) {
      open.media += 1
      const close = async () => {
        open.media -= 1
      }
      return seen({ root: mountPoint ?? `${MEDIA}/${uuid}`, close })
    },
    async makeWorkDirectory() {
      open.works += 1
      const close = async () => {
        open.works -= 1
      }
      return { root: `${MEDIA}/work`, close }
    },
    async run({ id, params }) {
      ran.push(
        params.publicFile === undefined && params.blob === undefined
          ? id
          : `${id} ${params.publicFile ?? params.blob}`,
      )
      return seen({ exit: story.exits?.[id] ?? 0, stdout: says[id] ?? '', stderr: '' })
    },
  }
  return { host: makeFakeHost({ ...told, writable: !story.isReadOnly }), ran, open }
}

async function look(story: Story = {}) {
  const tpm: TpmFacts = { version: '2.0', bank: 'sha256', pcrs: { sha256: { ...VALUES } }, ...story.tpm }
  const { host, ran, open } = hostOf(story, tpm.version)
  if (story.typed !== undefined) rememberSrkPassword(host, Buffer.from(story.typed))
  const devices = story.devices ?? [AEM, STICK]
  const aemUuid = story.aemUuid === undefined ? AEM.uuid : story.aemUuid
  const answers: Partial<Dom0> = {
    machine: async () => ({ aemUuid, kernelRelease: RUNNING }) as Awaited<ReturnType<Dom0['machine']>>,
    tpm: async () => tpm,
    tpmId: async () => (story.tpmId === undefined ? TPM_ID : story.tpmId),
    selectedPcrs: async () => (story.selected === undefined ? SELECTED : story.selected),
    devices: async () => ({ devices, isComplete: true }),
    booted: async () => devices.find(({ uuid }) => uuid !== null && uuid === aemUuid) ?? null,
    seal: async () => ({ cachedSuffix: '', unit: null }) as Awaited<ReturnType<Dom0['seal']>>,
  }
  const own = observeDom0(host)
  const packages = async (name: string) =>
    seen(
      (story.kernels?.[name] ?? []).map((evr) => ({
        ...{ name, evr, arch: 'x86_64', installedAt: '2024-07-17T09:00:00Z', signatureKeyId: null },
      })),
    )
  const dom0: Dom0 = { ...own, ...answers, rpm: { ...own.rpm, packages } }
  const session = aSession({
    device: story.about ?? null,
    prediction: story.prediction === undefined ? predicted() : story.prediction,
  })
  const { checks, plan } = await observeForwardReadiness(dom0, session, story.ledger ?? { state: 'absent' })
  expect(open).toEqual({ media: 0, works: 0 })
  const check = (id: string) => checks.find((one) => one.id === id)
  return { ids: checks.map(({ id }) => id), check, plan, ran }
}

describe('the device of this boot', () => {
  it('is asked all of it, and there is the plan', async () => {
    const { ids, check, plan } = await look()
    expect(ids).toEqual([
      ...['device-present', 'device-unique', 'device-writable', 'device-label', 'device-space'],
      ...['pcrs-sane', 'tpm-not-locked', 'aem-not-waiting', 'prediction', 'kernel', 'secrets-in-dom0'],
      ...['device-sealed', 'dom0-sealed', 'dom0-space', 'srk-password', 'tpm-tries-left', 'freshness'],
    ])
    expect(ids.filter((id) => check(id)?.ok !== true)).toEqual(['aem-not-waiting'])
    expect(check('prediction')?.detail).toBe('predicted: PCR 13, 17, 18')
    expect(plan).toEqual({
      ...{ device: AEM, tokenLabel: 'aem', uuid: AEM.uuid, tpmId: TPM_ID, tpmVersion: '2.0' },
      ...{ bank: 'sha256', selected: SELECTED, values: VALUES },
    })
  })

  it('is sealed for in the one bank of TPM 1.2', async () => {
    const tpm = { version: '1.2', bank: 'sha1', pcrs: { sha1: SHA1 } } as const
    const { ids, plan } = await look({ tpm, prediction: predicted(null, 'sha1', SHA1) })
    expect(plan).toMatchObject({ tpmVersion: '1.2', bank: 'sha1', tokenLabel: 'aem', values: SHA1 })
    expect(ids).not.toContain('tpm-tries-left')
  })

  it('needs the token and a secret of its own, and nothing of the stick', async () => {
    const { check, plan } = await look({
      devices: [AEM],
      files: Object.fromEntries(
        [...usualFiles().keys()].filter((path) => path.includes('stick')).map((path) => [path, null]),
      ),
    })
    expect([plan?.device.label, check('secrets-in-dom0')?.ok]).toEqual(['aem', true])
  })
})

describe('another device', () => {
  it('that is not listed any more is not sealed for, nor is the one of this boot in its place', async () => {
    const { ids, plan, check } = await look({ about: 'aem.gone' })
    expect([ids, plan]).toEqual([['device-known'], null])
    expect(check('device-known')).toMatchObject({ ok: false, detail: 'there is no device aem.gone' })
  })

  it('is the one that the session names, with the token of the booted one, which lies in the slot', async () => {
    const { ids, plan, check } = await look({ about: 'aem.stick' })
    expect(plan).toMatchObject({ device: STICK, uuid: STICK.uuid, tokenLabel: 'aem' })
    expect(ids).not.toContain('device-label')
    expect(check('device-present')?.detail).toContain(STICK.uuid)
    expect(check('device-known')).toMatchObject({ ok: true })
    expect(check('approved-state')).toMatchObject({ ok: null })
  })

  it('of another UUID than was seen before is another one', async () => {
    const at = '2024-07-17T09:00:00.000Z'
    const seenAs = (uuid: string): LedgerLook => {
      const stick = { label: 'aem.stick', uuid, verified: null, approved: null, knownFiles: [] }
      const devices = [{ ...stick, forward: null, leftSince: null }]
      return { state: 'read', ledger: { ...emptyDeviceLedger(at), devices } }
    }
    const known = async (uuid: string) =>
      (await look({ about: 'aem.stick', ledger: seenAs(uuid) })).check('device-known')
    expect(await known(STICK.uuid!)).toMatchObject({ ok: true })
    expect(await known(AEM.uuid!)).toMatchObject({ ok: false })
  })

  it('is not let start a newer kernel than runs', async () => {
    const kernels = { kernel: ['1000:6.6.36-1.qubes.fc37', '1000:6.6.42-1.qubes.fc37'] }
    const prediction = predicted({
      path: '/vmlinuz-6.6.42-1.qubes.fc37.x86_64',
      package: { name: 'kernel', evr: '1000:6.6.42-1.qubes.fc37' },
    })
    expect((await look({ kernels, prediction })).check('kernel')).toMatchObject({ ok: true })
    expect((await look({ kernels, prediction, about: 'aem.stick' })).check('kernel')).toMatchObject({
      ok: false,
    })
  })

  it('is compared by what is predicted for it with the state that was approved', async () => {
    const at = '2024-07-17T09:00:00.000Z'
    const approved = {
      ...{ at, bootId: null, label: 'aem', bank: 'sha256' as const, shared: [13, 17, 18], packages: null },
      registers: Object.fromEntries(SELECTED.map((index) => [index, VALUES[index]!])),
    }
    const ledger: LedgerLook = { state: 'read', ledger: { ...emptyDeviceLedger(at), approved } }
    const approvedBy = async (story: Story) =>
      (await look({ about: 'aem.stick', ledger, ...story })).check('approved-state')
    expect(await approvedBy({})).toMatchObject({ ok: true })
    expect(await approvedBy({ prediction: null })).toMatchObject({ ok: false })
  })
})

describe('the kernel', () => {
  it.each<[string, string, string, boolean]>([
    ['the newest one of kernel', 'kernel', '1000:6.6.42-1.qubes.fc37', true],
    ['the newest one of kernel-latest', 'kernel-latest', '1000:6.9.7-1.qubes.fc37', true],
    ['an old one of kernel', 'kernel', '1000:6.1.75-1.qubes.fc37', false],
    ['one that is not installed', 'kernel', '1000:5.0.0-1.qubes.fc37', false],
  ])('that starts next is %s', async (_, name, evr, ok) => {
    const path = `/vmlinuz-${evr.slice(5)}.x86_64`
    const { check } = await look({
      prediction: predicted({ path, package: { name, evr } }),
      kernels: {
        kernel: ['1000:6.1.75-1.qubes.fc37', '1000:6.6.42-1.qubes.fc37'],
        'kernel-latest': ['1000:6.9.7-1.qubes.fc37'],
      },
    })
    expect(check('kernel')).toMatchObject({ ok })
  })
})

describe('there is no plan', () => {
  it.each<[string, Story, string]>([
    ['without a prediction', { prediction: null }, 'prediction'],
    ['where nobody knows which TPM it is', { tpmId: null }, 'device-sealed'],
    ['where nobody knows what AEM seals to', { selected: null }, 'prediction'],
    ['for a bank that AEM does not seal to', { tpm: { bank: 'sha384' } }, 'prediction'],
    [
      'for a bank that AEM does not seal to, though its registers are predicted',
      { tpm: { bank: 'sha384', pcrs: { sha384: SHA384 } }, prediction: predicted(null, 'sha384', SHA384) },
      'prediction',
    ],
    ['where nobody knows the bank', { tpm: { bank: null } }, 'prediction'],
    [
      'for a device without a UUID',
      { about: 'aem.stick', devices: [AEM, { ...STICK, uuid: null }] },
      'device-space',
    ],
    [
      'without a token in the TPM',
      { files: { '/var/lib/anti-evil-maid/aem/secret.fre': 'another one' } },
      'freshness',
    ],
    ['where no device is known to have booted', { aemUuid: null }, 'device-present'],
  ])('%s', async (_, story, id) => {
    const { plan, check } = await look(story)
    expect(plan).toBeNull()
    expect(check(id)?.ok).not.toBe(true)
  })

  it.each(['none', null] as const)(
    'for a TPM whose version is %s, whatever else is known',
    async (version) => {
      const { plan, ids } = await look({ tpm: { version } })
      expect(plan).toBeNull()
      expect(ids).not.toContain('tpm-tries-left')
    },
  )
})

describe('the secrets in dom0', () => {
  const of = (label: string, kind: string) => `/var/lib/anti-evil-maid/${label}/secret.${kind}`
  it.each<[string, Story['files'], boolean, string]>([
    ['token and text', {}, true, 'to be sealed: secret.txt, secret.fre'],
    [
      'token and key file',
      { [of('aem', 'txt')]: null, [of('aem', 'key')]: 'k' },
      true,
      'to be sealed: secret.key, secret.fre',
    ],
    ['the token alone', { [of('aem', 'txt')]: null }, false, 'dom0 keeps no freshness token or no secret'],
    ['a secret without the token', { [of('aem', 'fre')]: null }, false, 'dom0 keeps no freshness token'],
  ])('are %s', async (_, files, ok, detail) => {
    const { check } = await look({ files: files ?? {} })
    expect(check('secrets-in-dom0')).toMatchObject({ ok, detail: expect.stringContaining(detail) })
  })

  it('are none of a device that nobody knows', async () => {
    const { check } = await look({ aemUuid: null })
    expect(check('secrets-in-dom0')?.ok).toBe(false)
  })
})

describe('the homes of the sealed files', () => {
  const [IN_DOM0, ON_DEVICE] = homesOf(AEM) as [string, string]
  const okOf = async (story: Story) => {
    const { check } = await look(story)
    return [check('device-sealed'), check('dom0-sealed')].map((one) => one?.ok)
  }

  it.each<[string, Story, readonly (boolean | null)[]]>([
    ['are sealed', {}, [true, true]],
    [
      'have no sealed token on the device',
      { files: { [`${ON_DEVICE}/secret.fre.sealed2`]: null } },
      [false, true],
    ],
    ['have no sealed token in dom0', { files: { [`${IN_DOM0}/secret.fre.sealed2`]: null } }, [true, false]],
    [
      'have other files alone',
      { files: { [`${ON_DEVICE}/secret.fre.sealed2`]: null, [`${ON_DEVICE}/key.pub`]: '' } },
      [false, true],
    ],
    ['cannot be listed in dom0', { unlistable: IN_DOM0 }, [true, null]],
    ['cannot be listed on the device', { unlistable: ON_DEVICE }, [null, true]],
    ['are of an unknown TPM', { tpmId: null }, [null, null]],
    ['are of no device', { aemUuid: null }, [null, null]],
    ['are of a device that is out', { devices: [{ ...AEM, present: false }] }, [null, true]],
    ['in dom0 lie behind a link', { links: [IN_DOM0] }, [true, false]],
    [
      "in dom0 lie where dom0's own directories are links",
      { links: ['/var/lib', '/var/lib/tpms', `/var/lib/tpms/${TPM_ID}`] },
      [true, true],
    ],
    ...['/boot/aem', '/boot/aem/tpms', `/boot/aem/tpms/${TPM_ID}`, ON_DEVICE].map(
      (link): [string, Story, readonly boolean[]] => [
        `on the device lie behind the link ${link}`,
        { links: [link] },
        [false, true],
      ],
    ),
  ])('%s', async (_, story, expected) => {
    expect(await okOf(story)).toEqual(expected)
  })

  it('are told in words', async () => {
    const { check } = await look({
      devices: [{ ...AEM, present: false }],
      files: { [`${IN_DOM0}/secret.fre.sealed2`]: null },
    })
    expect(check('device-sealed')?.detail).toBe('the sealed files could not be looked at')
    expect(check('dom0-sealed')?.detail).toBe('not sealed before: let AEM seal once first')
    expect((await look()).check('dom0-sealed')?.detail).toContain('the old files are kept')
  })
})

it('dom0 has to have room for the new files', async () => {
  const withFree = async (freeBytes: Seen<number>) => (await look({ freeBytes })).check('dom0-space')?.ok
  expect(await withFree(seen(512 * 1024))).toBe(true)
  expect(await withFree(seen(512 * 1024 - 1))).toBe(false)
  expect(await withFree(unknown('I/O error'))).toBeNull()
})

describe('the SRK password', () => {
  const TPM12: Story = { tpm: { version: '1.2', bank: 'sha1', pcrs: {} } }
  const NONE = { [CACHE]: null }
  const blob = `/var/lib/tpms/${TPM_ID}/aem/secret.fre.sealed2`

  it.each<[string, Story, boolean, string]>([
    ['was cached', {}, true, 'cached by this boot'],
    ['is none', { files: { [CACHE]: '\n' } }, true, 'the SRK has no password'],
    ['is gone on TPM 2.0', { files: NONE }, false, 'is not cached any more: restart once'],
    ['is gone on TPM 1.2 of an unknown name', { ...TPM12, files: NONE, tpmId: null }, false, 'restart once'],
    [
      'is gone on TPM 1.2, and no device is known to have booted',
      { ...TPM12, files: NONE, aemUuid: null },
      false,
      'restart once',
    ],
    [
      'is gone on TPM 1.2, and none is needed',
      { ...TPM12, files: NONE },
      true,
      'takes the password, or needs none',
    ],
    [
      'is gone on TPM 1.2, and one is needed',
      { ...TPM12, files: NONE, exits: { 'tpm12-unseal-z': 1 } },
      false,
      'the SRK password is needed and not at hand',
    ],
    [
      'is gone on TPM 1.2, and the blob is for other registers',
      { ...TPM12, files: NONE, exits: { 'tpm12-unseal-z': 24 } },
      false,
      'sealed to other PCR values',
    ],
  ])('%s', async (_, story, ok, detail) => {
    const { check, ran } = await look(story)
    expect(check('srk-password')).toEqual({ id: 'srk-password', ok, detail: expect.stringContaining(detail) })
    const isTried = 'tpm' in story && story.tpmId === undefined && story.aemUuid === undefined
    expect(ran.includes(`tpm12-unseal-z ${blob}`)).toBe(isTried)
  })

  it.each<[string, Story, boolean, string]>([
    ['is right', {}, true, 'the SRK takes the password'],
    ['is refused', { exits: { 'tpm2-load': 1 } }, false, 'tpm2_load: exit 1'],
    ['cannot be tried', { isReadOnly: true }, false, 'only looks here'],
  ])('that was typed %s, as the present sealed files tell', async (_, story, ok, detail) => {
    const { check, ran } = await look({ typed: 'srk', ...story })
    expect(check('srk-password')).toMatchObject({ ok, detail: expect.stringContaining(detail) })
    const tried = ran.filter((one) => one.startsWith('tpm2-load'))
    expect(tried).toEqual(story.isReadOnly ? [] : [`tpm2-load /var/lib/tpms/${TPM_ID}/aem/key.pub`])
  })

  it('that is cached is not tried: a wrong one would cost one of the tries', async () => {
    expect((await look()).ran.some((one) => one.startsWith('tpm2-load'))).toBe(false)
  })

  it('of another device is tried at the files of the one that booted', async () => {
    const { ran } = await look({ ...TPM12, files: NONE, about: 'aem.stick' })
    expect(ran.filter((one) => one.startsWith('tpm12-unseal'))).toEqual([`tpm12-unseal-z ${blob}`])
  })
})

describe('the tries that the TPM has left', () => {
  it.each<[string, Story, boolean, string]>([
    ['count where there is a password', { failed: 31 }, false, 'has counted 31 wrong passwords and takes 32'],
    ['are enough', { failed: 30 }, true, 'the next boot can unseal'],
    [
      'do not count without a password',
      { failed: 31, files: { [CACHE]: '' } },
      true,
      'no SRK password, so none are counted',
    ],
    ['do not count where none is known', { failed: 31, files: { [CACHE]: null } }, true, 'none are counted'],
  ])('%s', async (_, story, ok, detail) => {
    const { check } = await look(story)
    expect(check('tpm-tries-left')).toMatchObject({ ok, detail: expect.stringContaining(detail) })
  })

  it('are not asked for on TPM 1.2', async () => {
    const { ids } = await look({ tpm: { version: '1.2', bank: 'sha1', pcrs: {} } })
    expect(ids).not.toContain('tpm-tries-left')
  })
})
