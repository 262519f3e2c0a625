/* Long: every state of both homes from which a forward seal is taken back, by the failing step and by `cancel`. */

import { describe, expect, it } from 'vitest'
import type { ForwardPlan } from '../../src/act/forward-seal/plan.ts'
import {
  isPredictedState,
  removeLeftovers,
  restoreForwardSeal,
  restoreSession,
} from '../../src/act/forward-seal/restore.ts'
import { takeBack } from '../../src/act/forward-seal/seal.ts'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import type { ForwardRecord } from '../../src/core/seal/forward-record.ts'
import { type Host, seen } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { aSession } from '../support/built-in.ts'
import { failureOf } from '../support/failure-of.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import {
  BEGUN,
  cannotList,
  cannotRead,
  DEVICE,
  DOM0,
  diskOf,
  dom0Of,
  type Files,
  type Home,
  type Homes,
  isOut,
  LABEL,
  RECORD,
  SEALED,
  TPM_ID,
  UUID,
} from '../support/two-homes.ts'

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

  it.each([DOM0, DEVICE])(
    'not in the home $name, of which one file cannot be read, but in the other one',
    async (place) => {
      const disk = diskOf(SEALED, cannotRead(`${place.live}/key.pub`))
      const result = await restore(disk)
      expect(result).toEqual({ dom0: 'restored', device: 'restored', [place.name]: 'stuck' })
      expect(disk.homesNow()).toMatchObject({ [place.name]: ['next', 'old'] })
    },
  )

  it('not in dom0 without the device where one file in dom0 cannot be read', async () => {
    const disk = diskOf(SEALED, (own) => ({ ...isOut(), ...cannotRead(`${DOM0.live}/key.pub`)(own) }))
    expect(await restore(disk)).toEqual({ device: 'absent', dom0: 'stuck' })
    expect(disk.homesNow()).toEqual(SEALED)
  })

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

describe('a forward seal that failed on the way', () => {
  const plan = {
    ...{ device: { label: LABEL, uuid: UUID, mountPoint: null } as AemDevice, tokenLabel: LABEL, uuid: UUID },
    ...{ tpmId: TPM_ID, tpmVersion: '2.0', bank: 'sha256', selected: [17, 18], values: RECORD.values },
  } as ForwardPlan

  async function takeBackFrom(disk: ReturnType<typeof diskOf>, record: ForwardRecord | null) {
    const store = makeMemoryStore(makeScriptedUi({}))
    if (record !== null) await store.save(aSession({ findings: { 'forward-seal': { record } } as never }))
    const left = await takeBack({ host: disk.host, store, session: aSession() }, plan)
    expect(disk.media.open).toBe(0)
    return left
  }

  it.each<[string, Homes, 'all is as before' | 'the record is kept']>([
    ['after both were switched', SEALED, 'all is as before'],
    ['between the two', { ...BEGUN, dom0: ['next', 'old'] }, 'all is as before'],
    ['before the first switch', BEGUN, 'all is as before'],
    ['and AEM sealed the device since', { ...SEALED, device: ['other', 'old'] }, 'the record is kept'],
    ['and AEM sealed dom0 since', { ...SEALED, dom0: ['other', 'old'] }, 'the record is kept'],
    [
      'and the old files are gone from the device',
      { ...SEALED, device: ['next', 'none'] },
      'the record is kept',
    ],
    ['and the old files are gone from dom0', { ...SEALED, dom0: ['next', 'none'] }, 'the record is kept'],
  ])('%s', async (_, homes, expected) => {
    const disk = diskOf(homes)
    const left = await takeBackFrom(disk, RECORD)
    expect(left).toEqual(expected === 'all is as before' ? null : RECORD)
    if (left === null) expect(disk.homesNow()).toEqual({ dom0: ['old', 'none'], device: ['old', 'none'] })
  })

  it('without a record was not switched: what lies beside is removed in both homes', async () => {
    const disk = diskOf(BEGUN)
    expect(await takeBackFrom(disk, null)).toBeNull()
    expect(disk.homesNow()).toEqual({ dom0: ['old', 'none'], device: ['old', 'none'] })
    expect(disk.asked).toEqual([{ uuid: UUID, mountPoint: null, write: true }])
  })

  it('leaves both homes as they are where the session cannot be read: nothing says what was switched', async () => {
    const disk = diskOf({ ...BEGUN, dom0: ['next', 'old'] })
    const store = makeMemoryStore(makeScriptedUi({}))
    const unread = makeFailure('session-unreadable', { path: '/var/lib/aem-reseal/session.json' })
    const load = async () => {
      throw unread
    }
    const back = takeBack({ host: disk.host, store: { ...store, load }, session: aSession() }, plan)
    await expect(back).rejects.toBe(unread)
    expect(disk.homesNow()).toEqual({ ...BEGUN, dom0: ['next', 'old'] })
  })

  it('keeps its record while the device is out or refuses; without one nothing is left to take back', async () => {
    expect(await takeBackFrom(diskOf(SEALED, isOut), RECORD)).toEqual(RECORD)
    const refused = seen({ exit: 1, stdout: '', stderr: 'Input/output error' })
    expect(
      await takeBackFrom(
        diskOf(SEALED, () => ({ run: async () => refused })),
        RECORD,
      ),
    ).toEqual(RECORD)
    expect(await takeBackFrom(diskOf(BEGUN, isOut), null)).toBeNull()
  })

  it('does not hide a fault of the program', async () => {
    const broken = (): Partial<Host> => ({
      async run() {
        throw new TypeError('a fault of the program')
      },
    })
    await expect(takeBackFrom(diskOf(SEALED, broken), RECORD)).rejects.toThrow('a fault of the program')
  })

  it('and was left for good has its old files removed in dom0, and without a record nothing is', async () => {
    const disk = diskOf(SEALED)
    await removeLeftovers(disk.host, null)
    expect(disk.acts).toEqual([])
    await removeLeftovers(disk.host, RECORD)
    expect(disk.homesNow()).toEqual({ dom0: ['next', 'none'], device: ['next', 'old'] })
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
