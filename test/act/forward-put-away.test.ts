import { describe, expect, it } from 'vitest'
import { clearUnfinished } from '../../src/act/forward-seal/clear.ts'
import { readDigests } from '../../src/act/forward-seal/copies.ts'
import { assertHolds, prepareAside, switchPlaces } from '../../src/act/forward-seal/exchange.ts'
import type { Host } from '../../src/host/host.ts'
import { aSession } from '../support/built-in.ts'
import { failureOf } from '../support/failure-of.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import {
  BEGUN,
  bytesOf,
  cannotList,
  cannotRead,
  DEVICE,
  DOM0,
  digestsOf,
  diskOf,
  dom0Of,
  type Files,
  type Homes,
  isOut,
  LABEL,
  NEXT,
  OTHER,
  RECORD,
  SEALED,
  TPM_ID,
  UUID,
} from '../support/two-homes.ts'

/* The new files beside the live ones, their switch, and what is left of a seal that did not come to its end. */

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

describe('what a forward seal left that did not come to its end', () => {
  const unfinished = aSession({ device: LABEL, findings: { 'forward-seal': { record: RECORD } } as never })
  const unrecorded = aSession({ device: LABEL })
  const clear = (
    disk: ReturnType<typeof diskOf>,
    session = unfinished,
    given: Parameters<typeof dom0Of>[1] = {},
  ) => clearUnfinished(dom0Of(disk.host, given), session)

  it.each<[string, Homes, (own: Host) => Partial<Host>]>([
    ["the device's files cannot be listed", SEALED, cannotList(DEVICE.live)],
    ["a file of the device's cannot be read", SEALED, cannotRead(`${DEVICE.live}/key.pub`)],
    ["dom0's files cannot be listed", { ...BEGUN, dom0: ['next', 'old'] }, cannotList(DOM0.live)],
    [
      "a file of dom0's cannot be read",
      { ...BEGUN, dom0: ['next', 'old'] },
      cannotRead(`${DOM0.live}/key.pub`),
    ],
    [
      'an old file in dom0 cannot be read',
      { ...BEGUN, dom0: ['next', 'old'] },
      cannotRead(`${DOM0.aside}/key.pub`),
    ],
  ])('stays as it is, the old files too, and is told as not known where %s', async (_, homes, told) => {
    const disk = diskOf(homes, told)
    expect(await clear(disk)).toEqual({ dom0: false, device: false, isInForce: null })
    expect(disk.homesNow()).toEqual(homes)
    expect(disk.media.open).toBe(0)
  })
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

  it('is removed where it lies, and a home where nothing lies is not written to', async () => {
    const disk = diskOf({ dom0: ['old', 'none'], device: ['old', 'next'] })
    expect(await clear(disk)).toEqual({ ...NOTHING, device: true })
    expect(disk.acts).toEqual([`remove ${DEVICE.aside}`])
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
    expect(await clear(switched)).toEqual({ ...NOTHING, isInForce: null })
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
