/* Long: one disk with both homes of a device's sealed files, and every state that a forward seal can leave them in. */

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { clearUnfinished } from '../../src/act/forward-seal/clear.ts'
import { type Place, placeOf, readDigests } from '../../src/act/forward-seal/copies.ts'
import { assertHolds, digestSet, prepareAside, switchPlaces } from '../../src/act/forward-seal/exchange.ts'
import { isPredictedState, restoreForwardSeal, restoreSession } from '../../src/act/forward-seal/restore.ts'
import type { ForwardRecord } from '../../src/core/seal/forward-record.ts'
import { ABSENT, type Host, type MediaRequest, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { aSession } from '../support/built-in.ts'
import { failureOf } from '../support/failure-of.ts'
import { makeFakeHost } from '../support/fake-host.ts'

const TPM_ID = '4b8f0c2d6a5e9137f2b4c6d8e0a1c3e5f7091b2d'
const UUID = 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2'
const LABEL = 'aem.stick'
const ROOT = '/run/aem-reseal/media/stick'
const DOM0 = placeOf('dom0', '/var/lib', TPM_ID, LABEL)
const DEVICE = placeOf('device', `${ROOT}/aem`, TPM_ID, LABEL)

type Files = Readonly<Record<string, string>>

const NEXT: Files = { 'key.pub': 'the new key', 'secret.fre.sealed2': 'the new token' }
/** What lay sealed before, which is not the same in both homes here. */
const OLD: Readonly<Record<Place['name'], Files>> = {
  dom0: { 'key.pub': 'the old key', 'secret.fre.sealed2': 'the token in dom0' },
  device: { 'key.pub': 'the old key', 'secret.fre.sealed2': 'the token on the device' },
}
const OTHER: Files = { ...NEXT, 'key.pub': 'the key of a seal since' }

const bytesOf = (files: Files) =>
  new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)] as const))
const digestsOf = (files: Files) => [...digestSet(bytesOf(files))]

const RECORD: ForwardRecord = {
  ...{ label: LABEL, uuid: UUID, tpmId: TPM_ID, bank: 'sha256', values: { 17: 'aa', 18: 'bb' } },
  next: digestsOf(NEXT),
  previous: { dom0: digestsOf(OLD.dom0), device: digestsOf(OLD.device) },
}

type State = 'next' | 'old' | 'other' | 'none'
/** The directory that AEM reads, and the one beside it. */
type Home = readonly [live: State, aside: State]
type Homes = { readonly dom0: Home; readonly device: Home }

const filesIn = (state: State, { name }: Place): Files =>
  ({ next: NEXT, old: OLD[name], other: OTHER, none: {} })[state]

function diskOf(homes: Homes, told: (own: Host) => Partial<Host> = () => ({})) {
  const files = new Map<string, string>()
  for (const place of [DOM0, DEVICE])
    for (const [directory, state] of [
      [place.live, homes[place.name][0]],
      [place.aside, homes[place.name][1]],
    ] as const)
      for (const [name, text] of Object.entries(filesIn(state, place)))
        files.set(`${directory}/${name}`, text)
  const below = (directory: string) => [...files].filter(([path]) => path.startsWith(`${directory}/`))
  const acts: string[] = []
  const asked: MediaRequest[] = []
  const media = { open: 0 }
  const own: Partial<Host> = {
    async listDirectory(path) {
      const names = below(path).map(([file]) => file.slice(path.length + 1))
      return names.length === 0 ? ABSENT : seen(names)
    },
    async digestFile(path) {
      const text = files.get(path)
      if (text === undefined) return ABSENT
      return seen({
        sha1: '',
        sha256: createHash('sha256').update(text).digest('hex'),
        sizeBytes: text.length,
      })
    },
    async removeFile(path) {
      acts.push(`remove ${path}`)
      for (const [file] of below(path)) files.delete(file)
    },
    async makePrivateDirectory(path) {
      acts.push(`make ${path}`)
    },
    async writeFileAtomic(path, bytes, mode) {
      acts.push(`write ${path} ${mode.toString(8)}`)
      files.set(path, Buffer.from(bytes).toString())
    },
    async openMedia(request) {
      asked.push(request)
      media.open += 1
      const close = async () => {
        media.open -= 1
      }
      return seen({ root: ROOT, close })
    },
    async run({ id, params: { first, second, path } }) {
      acts.push(`${id} ${first ?? path}`)
      if (id === 'exchange-directories' && first !== undefined && second !== undefined) {
        const [here, there] = [below(first), below(second)]
        for (const [file] of [...here, ...there]) files.delete(file)
        for (const [file, text] of here) files.set(file.replace(first, second), text)
        for (const [file, text] of there) files.set(file.replace(second, first), text)
      }
      return seen({ exit: 0, stdout: '', stderr: '' })
    },
  }
  const base = makeFakeHost(own)
  const host: Host = { ...base, ...told(base) }
  const stateOf = (directory: string, place: Place): State | 'mixed' => {
    const found = JSON.stringify(
      below(directory)
        .map(([file, text]) => [file.slice(directory.length + 1), text])
        .sort(),
    )
    const states: readonly State[] = ['next', 'old', 'other', 'none']
    return (
      states.find((one) => JSON.stringify(Object.entries(filesIn(one, place)).sort()) === found) ?? 'mixed'
    )
  }
  const homesNow = () => ({
    dom0: [stateOf(DOM0.live, DOM0), stateOf(DOM0.aside, DOM0)],
    device: [stateOf(DEVICE.live, DEVICE), stateOf(DEVICE.aside, DEVICE)],
  })
  return { host, files, acts, asked, media, homesNow }
}

const isOut = (): Partial<Host> => ({ openMedia: async () => ABSENT })
const cannotList =
  (directory: string) =>
  (own: Host): Partial<Host> => ({
    listDirectory: async (path) => (path === directory ? unknown('I/O error') : own.listDirectory(path)),
  })

/** What of dom0 these parts ask beside its host. */
function dom0Of(
  host: Host,
  given: { pcrs?: Files; devices?: readonly Partial<AemDevice>[]; tpmId?: string | null } = {},
) {
  const devices = (given.devices ?? [{ label: LABEL, uuid: UUID, mountPoint: null }]) as readonly AemDevice[]
  const answers: Partial<Dom0> = {
    tpm: async () => ({ version: '2.0', bank: 'sha256', pcrs: { sha256: given.pcrs ?? {} } }),
    tpmId: async () => (given.tpmId === undefined ? TPM_ID : given.tpmId),
    machine: async () => ({ aemUuid: null }) as Awaited<ReturnType<Dom0['machine']>>,
    devices: async () => ({ devices, isComplete: true }),
  }
  return { ...observeDom0(host), ...answers }
}

const SEALED: Homes = { dom0: ['next', 'old'], device: ['next', 'old'] }
const BEGUN: Homes = { dom0: ['old', 'next'], device: ['old', 'next'] }

describe('the new files', () => {
  it('are written beside the live ones, for root alone, to the disk, and nothing old stays between them', async () => {
    const { host, acts, homesNow } = diskOf({ ...BEGUN, dom0: ['old', 'other'] })
    await prepareAside(host, DOM0, bytesOf(NEXT))
    expect(acts).toEqual([
      `remove ${DOM0.aside}`,
      `make ${DOM0.aside}`,
      `write ${DOM0.aside}/key.pub 600`,
      `write ${DOM0.aside}/secret.fre.sealed2 600`,
      `sync-filesystem ${DOM0.live}`,
    ])
    expect(homesNow().dom0).toEqual(['old', 'next'])
  })

  it('come into force in dom0 first and on the device last, each written to its disk', async () => {
    const { host, acts, homesNow } = diskOf(BEGUN)
    await switchPlaces(host, DOM0, DEVICE)
    expect(acts).toEqual([
      `exchange-directories ${DOM0.live}`,
      `sync-filesystem ${DOM0.live}`,
      `exchange-directories ${DEVICE.live}`,
      `sync-filesystem ${DEVICE.live}`,
    ])
    expect(homesNow()).toEqual(SEALED)
  })

  it.each<[string, Files, boolean]>([
    ['the same', NEXT, true],
    ['the same in another order', Object.fromEntries(Object.entries(NEXT).reverse()), true],
    ['one less', { 'key.pub': 'the new key' }, false],
    ['one more', { ...NEXT, 'key.priv': 'x' }, false],
    ['another one', { 'key.pub': 'the new key', 'secret.txt.sealed2': 'the new token' }, false],
    ['one of other bytes', OTHER, false],
    ['none', {}, false],
  ])('are held where there are %s', async (_, wanted, isHeld) => {
    const { host } = diskOf({ ...SEALED })
    const held = assertHolds(host, DOM0.live, digestsOf(wanted))
    if (isHeld) await held
    else expect((await failureOf(held)).text.code).toBe('forward-seal-failed')
  })

  it('of a directory that is not there, or cannot be listed, are not known', async () => {
    const { host } = diskOf({ ...BEGUN, dom0: ['none', 'none'] }, cannotList(DEVICE.live))
    expect([await readDigests(host, DOM0.live), await readDigests(host, DEVICE.live)]).toEqual([null, null])
  })
})

describe('a forward seal is taken back', () => {
  const restore = (disk: ReturnType<typeof diskOf>, keep = false) =>
    restoreForwardSeal(disk.host, RECORD, null, keep)

  it('first on the device, then in dom0, which is closed again', async () => {
    const disk = diskOf(SEALED)
    expect(await restore(disk)).toEqual({ device: 'restored', dom0: 'restored' })
    expect(disk.homesNow()).toEqual({ dom0: ['old', 'none'], device: ['old', 'none'] })
    expect(disk.acts.filter((act) => !act.startsWith('sync'))).toEqual([
      `exchange-directories ${DEVICE.live}`,
      `remove ${DEVICE.aside}`,
      `exchange-directories ${DOM0.live}`,
      `remove ${DOM0.aside}`,
    ])
    expect(disk.asked).toEqual([{ uuid: UUID, mountPoint: null, write: true }])
    expect(disk.media.open).toBe(0)
  })

  it('not in dom0 where the device refuses: it would carry what no copy explains', async () => {
    const refused = seen({ exit: 1, stdout: '', stderr: 'Input/output error' })
    const disk = diskOf(SEALED, (own) => ({
      run: async (call) => (call.params.first === DEVICE.live ? refused : own.run(call)),
    }))
    expect((await failureOf(restore(disk))).text.code).toBe('forward-seal-failed')
    expect(disk.homesNow()).toEqual(SEALED)
    expect(disk.media.open).toBe(0)
  })

  it.each<[string, Home, boolean, string, Home]>([
    ['the old ones are beside the new ones', ['next', 'old'], false, 'restored', ['old', 'none']],
    ['others are beside the new ones', ['next', 'other'], false, 'stuck', ['next', 'other']],
    ['the new ones are there twice', ['next', 'next'], false, 'stuck', ['next', 'next']],
    ['nothing is beside the new ones', ['next', 'none'], false, 'stuck', ['next', 'none']],
    ['the new ones are to stay', ['next', 'old'], true, 'superseded', ['next', 'none']],
    ['nothing was switched', ['old', 'next'], false, 'was-old', ['old', 'none']],
    [
      'nothing was switched, and the new ones were to stay',
      ['old', 'next'],
      true,
      'was-old',
      ['old', 'none'],
    ],
    ['it was taken back before', ['old', 'none'], false, 'was-old', ['old', 'none']],
    ['AEM sealed since', ['other', 'old'], false, 'superseded', ['other', 'none']],
    ['AEM took the files away to seal again', ['none', 'old'], false, 'superseded', ['none', 'none']],
    [
      'AEM sealed since, and the new ones were to stay',
      ['other', 'old'],
      true,
      'superseded',
      ['other', 'none'],
    ],
  ])('where %s', async (_, home, keep, expected, after) => {
    for (const name of ['dom0', 'device'] as const) {
      const disk = diskOf({ ...SEALED, [name]: home })
      expect((await restore(disk, keep))[name]).toBe(expected)
      expect(disk.homesNow()[name]).toEqual(after)
    }
  })

  it.each([DOM0, DEVICE])(
    'not in the home $name, which cannot be listed, but in the other one',
    async (place) => {
      const disk = diskOf(SEALED, cannotList(place.live))
      const result = await restore(disk)
      expect(result).toEqual({ dom0: 'restored', device: 'restored', [place.name]: 'stuck' })
      expect(disk.homesNow()).toMatchObject({ [place.name]: ['next', 'old'] })
    },
  )

  it.each<[string, Home, boolean, string, Home]>([
    ['dom0 stays as the device may be', ['next', 'old'], false, 'absent', ['next', 'old']],
    ['what is not in use is removed', ['next', 'old'], true, 'superseded', ['next', 'none']],
    ['dom0 has its old files', ['old', 'next'], false, 'was-old', ['old', 'none']],
    ['AEM sealed since', ['other', 'old'], false, 'superseded', ['other', 'none']],
  ])('without the device: %s', async (_, home, keep, expected, after) => {
    const disk = diskOf({ ...SEALED, dom0: home }, isOut)
    expect(await restore(disk, keep)).toEqual({ device: 'absent', dom0: expected })
    expect(disk.homesNow()).toEqual({ dom0: after, device: SEALED.device })
  })
})

describe('the predicted state', () => {
  it.each<[string, Files, boolean]>([
    ['is that of all sealed registers', { 17: 'aa', 18: 'bb', 19: 'cc' }, true],
    ['is not that of one of them', { 17: 'aa', 18: 'cc' }, false],
    ['is not that of a register that cannot be read', { 17: 'aa' }, false],
    ['is not that of none', {}, false],
  ])('%s', async (_, pcrs, expected) => {
    expect(await isPredictedState(dom0Of(makeFakeHost({}), { pcrs }), RECORD)).toBe(expected)
  })

  it('is none of another bank', async () => {
    const dom0 = dom0Of(makeFakeHost({}), { pcrs: { 17: 'aa', 18: 'bb' } })
    expect(await isPredictedState(dom0, { ...RECORD, bank: 'sha1' })).toBe(false)
  })
})

describe('`cancel`', () => {
  const session = aSession({
    device: LABEL,
    step: 'restart',
    findings: { 'forward-seal': { record: RECORD } } as never,
  })
  const PREDICTED = { 17: 'aa', 18: 'bb' }

  it.each<[string, Parameters<typeof aSession>[0], Files, string]>([
    ['puts the old files back', {}, {}, 'restored'],
    ['keeps the new ones where the predicted state runs', {}, PREDICTED, 'superseded'],
    ['keeps those of another device whose seal is complete', { step: 'keep-forward' }, {}, 'superseded'],
    [
      'keeps none of the booted device by its step alone',
      { step: 'keep-forward', device: null },
      {},
      'restored',
    ],
  ])('%s', async (_, change, pcrs, expected) => {
    const disk = diskOf(SEALED)
    const result = await restoreSession(dom0Of(disk.host, { pcrs: pcrs ?? {} }), { ...session, ...change })
    expect(result).toEqual({ device: expected, dom0: expected })
  })

  it('looks for the device where it is mounted now', async () => {
    const disk = diskOf(SEALED)
    const devices = [
      { label: 'aem', uuid: 'other', mountPoint: '/boot' },
      { label: LABEL, uuid: UUID, mountPoint: '/mnt' },
    ]
    await restoreSession(dom0Of(disk.host, { devices }), session)
    expect(disk.asked).toEqual([{ uuid: UUID, mountPoint: '/mnt', write: true }])
  })

  it.each<[string, Homes, ((own: Host) => Partial<Host>) | undefined, string]>([
    ['the device is out and carries it', SEALED, isOut, `${LABEL} is not plugged in and carries it`],
    [
      'the old files are gone from the device',
      { ...SEALED, device: ['next', 'none'] },
      undefined,
      'are not beside',
    ],
    ['the old files are gone from dom0', { ...SEALED, dom0: ['next', 'none'] }, undefined, 'are not beside'],
    ['the device cannot be listed', SEALED, cannotList(DEVICE.live), 'cannot be read'],
    ['dom0 cannot be listed', SEALED, cannotList(DOM0.live), 'cannot be read'],
  ])('fails, and the session stays open, where %s', async (_, homes, told, what) => {
    const { text } = await failureOf(restoreSession(dom0Of(diskOf(homes, told).host), session))
    expect(text.code).toBe('forward-restore-failed')
    expect(text.what).toContain(what)
  })

  it.each<[string, Parameters<typeof aSession>[0], Home]>([
    ['removes what was begun by the step that seals', { step: 'forward-seal' }, ['old', 'none']],
    [
      'removes what was begun, also from a later step',
      { step: 'restart', protection: 'forward-seal' },
      ['old', 'none'],
    ],
    ['touches nothing where none was begun', { step: 'restart', protection: 'hold' }, ['old', 'next']],
  ])('without a record %s', async (_, change, after) => {
    const disk = diskOf(BEGUN)
    const open = aSession({ device: LABEL, ...change })
    expect(await restoreSession(dom0Of(disk.host), open)).toBeNull()
    expect(disk.homesNow()).toEqual({ dom0: after, device: after })
  })
})

describe('what a forward seal left that did not come to its end', () => {
  const unfinished = aSession({ device: LABEL, findings: { 'forward-seal': { record: RECORD } } as never })
  const unrecorded = aSession({ device: LABEL })
  const clear = (
    disk: ReturnType<typeof diskOf>,
    session = unfinished,
    given: Parameters<typeof dom0Of>[1] = {},
  ) => clearUnfinished(dom0Of(disk.host, given), session)
  const NOTHING = { dom0: false, device: false, isInForce: false }

  it.each<[string, Homes, object, Homes]>([
    [
      'stays where it is in force on the device, and the old files beside it',
      SEALED,
      { ...NOTHING, isInForce: true },
      SEALED,
    ],
    [
      'stays where it is in force on the device alone',
      { ...SEALED, dom0: ['other', 'old'] },
      { ...NOTHING, isInForce: true },
      { ...SEALED, dom0: ['other', 'old'] },
    ],
    [
      'goes back to be as the device where dom0 alone was switched',
      { ...BEGUN, dom0: ['next', 'old'] },
      { ...NOTHING, dom0: true, device: true },
      { dom0: ['old', 'none'], device: ['old', 'none'] },
    ],
    [
      'is removed where nothing was switched',
      BEGUN,
      { ...NOTHING, dom0: true, device: true },
      { dom0: ['old', 'none'], device: ['old', 'none'] },
    ],
    [
      'is removed in dom0 where it is half written there alone',
      { dom0: ['old', 'other'], device: ['old', 'none'] },
      { ...NOTHING, dom0: true },
      { dom0: ['old', 'none'], device: ['old', 'none'] },
    ],
    [
      'stays in dom0 where others are beside it: those never come into force',
      { ...BEGUN, dom0: ['next', 'other'] },
      { ...NOTHING, dom0: true, device: true },
      { dom0: ['next', 'none'], device: ['old', 'none'] },
    ],
    [
      'does not take the place of what AEM sealed in dom0 since',
      { ...BEGUN, dom0: ['other', 'old'] },
      { ...NOTHING, dom0: true, device: true },
      { dom0: ['other', 'none'], device: ['old', 'none'] },
    ],
  ])('%s', async (_, homes, expected, after) => {
    const disk = diskOf(homes)
    expect(await clear(disk)).toEqual(expected)
    expect(disk.homesNow()).toEqual(after)
    expect(disk.asked).toEqual([{ uuid: UUID, mountPoint: null, write: true }])
    expect(disk.media.open).toBe(0)
  })

  it('is removed in both homes where it has no record yet', async () => {
    const disk = diskOf(BEGUN)
    expect(await clear(disk, unrecorded)).toEqual({ ...NOTHING, dom0: true, device: true })
    expect(disk.homesNow()).toEqual({ dom0: ['old', 'none'], device: ['old', 'none'] })
  })

  it('is removed in dom0 while the device is out, where no switch had begun', async () => {
    const disk = diskOf(BEGUN, isOut)
    expect(await clear(disk, unrecorded)).toEqual({ ...NOTHING, dom0: true })
    expect(disk.homesNow().dom0).toEqual(['old', 'none'])
    const switched = diskOf({ ...BEGUN, dom0: ['next', 'old'] }, isOut)
    expect(await clear(switched)).toEqual(NOTHING)
    expect(switched.acts).toEqual([])
  })

  it('is left where a device without a UUID cannot be opened', async () => {
    const disk = diskOf(BEGUN)
    const devices = [{ label: LABEL, uuid: null }]
    expect(await clear(disk, unrecorded, { devices })).toEqual({ ...NOTHING, dom0: true })
    expect([disk.asked, disk.homesNow().device]).toEqual([[], ['old', 'next']])
  })

  it('is looked for by the record first, whatever device the session is about and the TPM is called now', async () => {
    const disk = diskOf(BEGUN)
    const given = { tpmId: null, devices: [{ label: 'aem', uuid: 'other' }] }
    expect(await clear(disk, { ...unfinished, device: 'aem' }, given)).toMatchObject({
      dom0: true,
      device: true,
    })
    expect(disk.asked[0]?.uuid).toBe(UUID)
  })

  it('is looked for nowhere where nobody says of which device or TPM', async () => {
    const host = makeFakeHost({})
    const look = (device: string | null, tpmId: string | null) =>
      clearUnfinished(dom0Of(host, { devices: [], tpmId }), aSession({ device }))
    expect([await look(null, TPM_ID), await look(LABEL, null)]).toEqual([NOTHING, NOTHING])
  })
})
