/* Long: one list of devices, and each question that is asked about it. */

import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import {
  type AemDevice,
  findBootedDevice,
  isBootedPresent,
  observeAllDevices,
  observeDevices,
  openDevice,
} from '../../src/observe/device/devices.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { INTERNAL_UUID, STICK_UUID } from '../support/recorded-machine.ts'

/** Each device as lsblk, dom0's directories and this boot tell of it. */

const unreadable = unknown('input/output error')
const OTHER_UUID = '0f0f0f0f-0000-4000-8000-000000000001'
const [BOOT, STICK] = [
  { name: '/dev/nvme0n1p2', label: 'aem', uuid: INTERNAL_UUID, mountpoint: '/boot', rm: false, ro: false },
  { name: '/dev/sda1', label: 'aem.stick', uuid: STICK_UUID, mountpoint: null, rm: true, ro: true },
]

type Told = {
  /** null: lsblk could not be run. */
  readonly blocks?: readonly object[] | null
  readonly directories?: Seen<readonly string[]>
  readonly suffix?: string
  readonly slots?: Readonly<Record<string, string>>
  readonly link?: Seen<unknown>
  readonly kind?: Host['kind']
}

function hostOf(told: Told): Host {
  const { blocks = [BOOT, STICK], directories = seen(['aem', 'aem.stick']), suffix, slots = {} } = told
  const text = (words: string | undefined) => (words === undefined ? ABSENT : seen(Buffer.from(words)))
  return makeFakeHost({
    kind: told.kind ?? 'real',
    run: async () =>
      blocks === null
        ? unreadable
        : seen({ exit: 0, stdout: JSON.stringify({ blockdevices: blocks }), stderr: '' }),
    listDirectory: async () => directories,
    readFile: async (path) =>
      text(path === '/run/anti-evil-maid/suffix' ? suffix : slots[path.split('/').at(-2) ?? '']),
    statFile: async (path) =>
      (path === `/dev/disk/by-uuid/${INTERNAL_UUID}` ? (told.link ?? unreadable) : ABSENT) as Seen<never>,
  })
}

const look = (told: Told, aemUuid: string | null = INTERNAL_UUID) =>
  observeAllDevices(hostOf(told), { aemUuid })
/** Foreign ones, as name of the block device and label are not enough to tell two with one label apart. */
const foreign = async (told: Told, aemUuid: string | null = INTERNAL_UUID) =>
  (await look(told, aemUuid)).devices.flatMap(({ uuid, isForeign }) => (isForeign ? [uuid] : []))

describe('a plugged-in device', () => {
  it('is as lsblk says, with the slot that dom0 noted for its label', async () => {
    const told = { slots: { aem: '0\n', 'aem.stick': '7\n' } }
    const same = { present: true, isForeign: false }
    const devices = [
      {
        ...{ suffix: '', label: 'aem', uuid: INTERNAL_UUID, slot: 0, mountPoint: '/boot' },
        ...{ isReadOnly: false, isRemovable: false, ...same },
      },
      {
        ...{ suffix: '.stick', label: 'aem.stick', uuid: STICK_UUID, slot: 7, mountPoint: null },
        ...{ isReadOnly: true, isRemovable: true, ...same },
      },
    ]
    expect(await look(told)).toEqual({ devices, isComplete: true })
    expect(await observeDevices(hostOf(told), { aemUuid: INTERNAL_UUID })).toEqual(devices)
  })

  it.each([['8\n'], ['-1\n'], ['01\n'], ['7 1\n'], ['x7\n'], ['']])(
    'has no slot where the file says %j',
    async (text) => {
      const { devices } = await look({ slots: { aem: text } })
      expect(devices[0]?.slot).toBeNull()
    },
  )

  it('without a UUID that can be one has none', async () => {
    const { devices } = await look({ blocks: [{ ...STICK, uuid: '../../etc' }], suffix: '.stick\n' })
    expect(devices.find(({ label }) => label === 'aem.stick')?.uuid).toBeNull()
  })

  it("is foreign where none of dom0's directories has its label, and dom0 keeps no slot for it", async () => {
    const told = { directories: seen(['aem']), slots: { 'aem.stick': '3\n' } }
    expect(await foreign(told)).toEqual([STICK_UUID])
    expect((await look(told)).devices[1]).toMatchObject({ label: 'aem.stick', slot: null, isForeign: true })
    expect(await foreign({ directories: ABSENT })).toEqual([STICK_UUID])
  })

  it('is foreign beside another one with its label, each but the device of this boot', async () => {
    const twin = { ...STICK, name: '/dev/sdb1', uuid: OTHER_UUID }
    expect(await foreign({ blocks: [BOOT, STICK, twin] })).toEqual([STICK_UUID, OTHER_UUID])
    expect(await foreign({ blocks: [BOOT, STICK, twin] }, STICK_UUID)).toEqual([OTHER_UUID])
    expect(await foreign({ blocks: [BOOT, { ...twin, label: 'aem' }] })).toEqual([OTHER_UUID])
  })

  it('is no foreign one where dom0 knows its label, whatever else dom0 knows', async () => {
    expect(await foreign({})).toEqual([])
    expect(await foreign({ directories: seen(['aem', 'aem.stick', 'aem.lost']) })).toEqual([])
  })

  it('is no foreign one where it is mounted at /boot, or this boot came from it, whatever dom0 lists', async () => {
    const nothing = { directories: seen([]) }
    expect(await foreign(nothing)).toEqual([STICK_UUID])
    expect(await foreign(nothing, STICK_UUID)).toEqual([])
    expect(await foreign({ ...nothing, blocks: [{ ...BOOT, mountpoint: null }] }, null)).toEqual([
      INTERNAL_UUID,
    ])
    expect(await foreign({ ...nothing, blocks: [{ ...BOOT, mountpoint: '/mnt' }] }, null)).toEqual([
      INTERNAL_UUID,
    ])
    expect(await foreign(nothing, null)).toEqual([STICK_UUID])
  })

  it("is foreign where dom0's own list cannot be read; only what is no real machine may leave it out", async () => {
    const told = { directories: unreadable }
    expect(await foreign({ ...told, kind: 'real' })).toEqual([STICK_UUID])
    expect(await foreign({ ...told, kind: 'recorded' })).toEqual([])
    expect(await foreign({ directories: ABSENT, kind: 'recorded' })).toEqual([STICK_UUID])
    expect((await look(told)).isComplete).toBe(false)
  })
})

describe('a device that dom0 knows and that is not plugged in', () => {
  const only = { blocks: [BOOT] }

  it('is out, has the slot of its directory and no UUID, and is no foreign one', async () => {
    const { devices, isComplete } = await look({ ...only, slots: { 'aem.stick': '4\n' } })
    expect(isComplete).toBe(true)
    expect(devices[1]).toEqual({
      ...{ suffix: '.stick', label: 'aem.stick', uuid: null, slot: 4, present: false, mountPoint: null },
      ...{ isReadOnly: null, isRemovable: null, isForeign: false },
    })
  })

  it('has the UUID of this boot where its label is the one that AEM saw in the initrd', async () => {
    const uuidOf = async (suffix: string | undefined, aemUuid: string | null = INTERNAL_UUID) =>
      (await look({ blocks: [], ...(suffix === undefined ? {} : { suffix }) }, aemUuid)).devices.map(
        ({ uuid }) => uuid,
      )
    expect(await uuidOf('.stick\n')).toEqual([null, INTERNAL_UUID])
    expect(await uuidOf('\n')).toEqual([INTERNAL_UUID, null])
    expect(await uuidOf('.other\n')).toEqual([null, null])
    expect(await uuidOf(undefined)).toEqual([null, null])
    expect(await uuidOf('\n', 'no uuid')).toEqual([null, null])
    expect(await uuidOf('\n', null)).toEqual([null, null])
  })

  it('may be there where lsblk gives no answer, but for the one of this boot by its link', async () => {
    const presentOf = async (link: Seen<unknown>) => {
      const { devices, isComplete } = await look({ blocks: null, suffix: '\n', link })
      expect(isComplete).toBe(false)
      return devices.map(({ present }) => present)
    }
    expect(await presentOf(seen({}))).toEqual([true, null])
    expect(await presentOf(ABSENT)).toEqual([false, null])
    expect(await presentOf(unreadable)).toEqual([null, null])
  })
})

describe('the device of this boot', () => {
  const A = { uuid: INTERNAL_UUID, present: true }
  const B = { uuid: STICK_UUID, present: true }
  const noUuid = { uuid: null, present: true }

  it('is the one with the UUID of the kernel command line, where it is one alone', () => {
    expect(findBootedDevice([A, B], INTERNAL_UUID)).toBe(A)
    expect(findBootedDevice([A, B], STICK_UUID)).toBe(B)
    expect(findBootedDevice([A, B], OTHER_UUID)).toBeNull()
    expect(findBootedDevice([A, B, { ...A }], INTERNAL_UUID)).toBeNull()
    expect(findBootedDevice([noUuid], null)).toBeNull()
    expect(findBootedDevice([noUuid, B], STICK_UUID)).toBe(B)
    expect(findBootedDevice([noUuid], INTERNAL_UUID)).toBeNull()
    expect(findBootedDevice([], INTERNAL_UUID)).toBeNull()
  })

  it.each<[string, readonly object[], boolean, boolean | null]>([
    ['is there', [A], true, true],
    ['is there once of twice', [A, { ...A, present: false }], true, true],
    ['is there by a list with gaps', [A], false, true],
    ['is out', [{ ...A, present: false }, B], true, false],
    ['is in no whole list', [B], true, false],
    ['may be what a list with gaps lacks', [B], false, null],
    ['is out by a list with gaps', [{ ...A, present: false }], false, null],
    ['is not known to be there', [{ ...A, present: null }], true, null],
    [
      'may be one of two',
      [
        { ...A, present: null },
        { ...A, present: false },
      ],
      true,
      null,
    ],
  ])('%s', (_, devices, isComplete, expected) => {
    expect(isBootedPresent({ devices: devices as AemDevice[], isComplete }, INTERNAL_UUID)).toBe(expected)
  })

  it('is not known without its UUID', () => {
    const devices = [{ uuid: null, present: true }] as AemDevice[]
    expect(isBootedPresent({ devices, isComplete: true }, null)).toBeNull()
  })
})

describe('the files of a device', () => {
  const device: AemDevice = {
    ...{ suffix: '.stick', label: 'aem.stick', uuid: STICK_UUID, slot: 0, present: true },
    ...{ mountPoint: '/mnt', isReadOnly: false, isRemovable: true, isForeign: false },
  }
  const open = async (change: Partial<AemDevice> = {}) => {
    const asked: unknown[] = []
    const media = { root: '/mnt', close: async () => undefined }
    const host = makeFakeHost({
      async openMedia(request) {
        asked.push(request)
        return seen(media)
      },
    })
    return { found: await openDevice(host, { ...device, ...change }), asked, media }
  }

  it('are where it is mounted, looked at alone', async () => {
    const { found, asked, media } = await open()
    expect([found, asked]).toEqual([seen(media), [{ uuid: STICK_UUID, mountPoint: '/mnt' }]])
    expect((await open({ present: null })).asked).toHaveLength(1)
  })

  it.each<[string, Partial<AemDevice>, Seen<never>]>([
    ['that is foreign', { isForeign: true }, unknown(expect.stringContaining('not opened') as never)],
    ['that is foreign and out', { isForeign: true, present: false }, unknown(expect.anything() as never)],
    ['that is out', { present: false }, ABSENT],
    ['without a UUID', { uuid: null }, unknown('the UUID of aem.stick is not known')],
  ])('are not opened of one %s', async (_, change, expected) => {
    const { found, asked } = await open(change)
    expect([found, asked]).toEqual([expected, []])
  })
})
