/* Long: one look at a device, and each answer about each of its files. */

import { describe, expect, it } from 'vitest'
import { ABSENT, seen, unknown } from '../../src/host/host.ts'
import { observeBootDevice } from '../../src/observe/device/boot-device.ts'
import { configurationOf } from '../support/uefi-dom0.ts'
import {
  DEVICE,
  digestOf,
  dom0Of,
  FILES,
  INITRAMFS,
  INSTALLED,
  KERNEL,
  LATEST,
  LATEST_KERNEL,
  MADE,
  NOW,
  PACKAGES,
  RELEASE,
  ROOT,
  type Told,
  type ToldFile,
  tbootEntry,
  XEN,
} from './device-world.ts'

/** The boot files of a device, each beside its package. */

const BUILD_ID = 'ab'.repeat(20)
const unreadable = unknown('input/output error')

async function look(told: Told = {}) {
  const { dom0, opened } = dom0Of(told)
  const found = await observeBootDevice(dom0, DEVICE, BUILD_ID)
  expect(opened, 'the device is closed again').toEqual([])
  return found
}
const statesOf = async (told: Told) =>
  (await look(told)).checks.map(({ path, state }) => `${path.slice(ROOT.length + 1)} ${state}`)
const withFile = (name: string, file: ToldFile) => ({
  files: { ...FILES, [name]: { ...FILES[name], ...file } },
})
const withoutFile = (name: string) => {
  const { [name]: _gone, ...files } = FILES
  return { files }
}
const CHECKED = [XEN, KERNEL, 'tboot.gz', INITRAMFS, 'grub2/grub.cfg']
const allCurrentBut = (name: string, state: string) =>
  CHECKED.map((one) => `${one} ${one === name ? state : 'current'}`)

describe('an honest device', () => {
  it('is current, file by file, each with its digest', async () => {
    const { checks, files, isOpen, device, grubFiles } = await look()
    const packaged = (role: string, name: string) => ({
      ...{ role, path: `${ROOT}/${name}`, state: 'current', against: 'RPM database' },
      ...{ sha256: digestOf(name), expected: digestOf(name) },
    })
    expect(checks).toEqual([
      packaged('xen', XEN),
      packaged('kernel', KERNEL),
      packaged('tboot', 'tboot.gz'),
      {
        ...{ role: 'initramfs', path: `${ROOT}/${INITRAMFS}`, state: 'current', against: 'its date' },
        ...{ sha256: digestOf(INITRAMFS), expected: null },
      },
      {
        ...{ role: 'grub.cfg', path: `${ROOT}/grub2/grub.cfg`, state: 'current' },
        ...{ sha256: null, expected: null, against: `an AEM entry with ${XEN}` },
      },
    ])
    expect([isOpen, device, grubFiles]).toEqual([true, DEVICE, []])
    expect(files.map(({ role, path, digests }) => [role, path, digests?.sha256])).toEqual(
      [
        ['xen', XEN],
        ['kernel', KERNEL],
        ['initramfs', INITRAMFS],
        ['tboot', 'tboot.gz'],
        ['grub.cfg', 'grub2/grub.cfg'],
      ].map(([role, name]) => [role, `${ROOT}/${name}`, digestOf(name!)]),
    )
  })

  it('is closed where it is not there, cannot be opened, or is none', async () => {
    const closed = { isOpen: false, checks: [], files: [], grubFiles: [] }
    const { dom0 } = dom0Of({ host: { openMedia: async () => unreadable } })
    expect(await observeBootDevice(dom0, DEVICE, null)).toEqual({ device: DEVICE, ...closed })
    expect(await observeBootDevice(dom0, null, null)).toEqual({ device: null, ...closed })
  })
})

describe('a file of a package', () => {
  it.each([XEN, KERNEL, 'tboot.gz'])('%s is changed, old, not there, or cannot be read', async (name) => {
    const evil = { sha256: 'e'.repeat(64) }
    expect(await statesOf(withFile(name, evil))).toEqual(allCurrentBut(name, 'changed'))
    expect(await statesOf(withFile(name, { ...evil, buildId: BUILD_ID }))).toEqual(
      allCurrentBut(name, 'stale'),
    )
    expect(await statesOf(withFile(name, { ...evil, buildId: 'cd' }))).toEqual(allCurrentBut(name, 'changed'))
    expect(await statesOf(withFile(name, { sha256: null }))).toEqual(allCurrentBut(name, 'unknown'))
    expect(await statesOf(withoutFile(name))).toEqual(allCurrentBut(name, 'absent'))
  })

  it('of which rpm has no digest is not known; that of a kernel or a tboot has a row all the same', async () => {
    const statesWith = (name: string) =>
      statesOf({ packages: { ...PACKAGES, [name]: { ...PACKAGES[name]!, files: null } } })
    expect(await statesWith('xen-hypervisor')).toEqual(allCurrentBut(XEN, 'unknown'))
    expect(await statesWith('tboot')).toContain('(boot file of tboot) unknown')
    const kernel = await statesWith('kernel')
    expect(kernel).toContain('(boot file of kernel) unknown')
    expect(kernel.join()).not.toContain('initramfs')
  })

  it('kernel-latest counts beside kernel, with its initramfs', async () => {
    const told = {
      packages: { ...PACKAGES, 'kernel-latest': LATEST_KERNEL },
      grub: `${tbootEntry()}${tbootEntry({ release: LATEST })}`,
      files: { ...FILES, [`vmlinuz-${LATEST}`]: {}, [`initramfs-${LATEST}.img`]: { mtimeMs: INSTALLED - 1 } },
    }
    expect(await statesOf(told)).toEqual([
      `${XEN} current`,
      `${KERNEL} current`,
      `vmlinuz-${LATEST} current`,
      'tboot.gz current',
      `${INITRAMFS} current`,
      `initramfs-${LATEST}.img stale`,
      'grub2/grub.cfg current',
    ])
  })
})

describe('an initramfs', () => {
  const checkOf = async (told: Told) => {
    const { checks } = await look(told)
    const { state, against, sha256 } = checks.find(({ role }) => role === 'initramfs')!
    return [state, against, sha256 === null ? null : 'read']
  }
  const INPUTS = ['dracut', 'microcode_ctl', 'amd-ucode-firmware', 'linux-firmware', 'anti-evil-maid']

  it.each(INPUTS)('is stale where %s came after it, to the millisecond', async (name) => {
    const withInput = (at: number) => ({ packages: { ...PACKAGES, [name]: { evr: '0:9-9', at } } })
    expect(await checkOf(withInput(MADE))).toEqual(['current', 'its date', 'read'])
    expect(await checkOf(withInput(MADE + 1))).toEqual(['stale', `older than ${name}`, 'read'])
  })

  it('names each package that came after it', async () => {
    const packages = {
      ...PACKAGES,
      ...Object.fromEntries(INPUTS.map((name) => [name, { evr: '0:9-9', at: MADE + 1 }])),
    }
    expect(await checkOf({ packages })).toEqual(['stale', `older than ${INPUTS.join(', ')}`, 'read'])
  })

  it('is not known to be old by a clock that was set back: its bytes must show that', async () => {
    const future = { packages: { ...PACKAGES, dracut: { evr: '0:9-9', at: NOW + 1 } } }
    expect(await checkOf(future)).toEqual(['current', 'its date', 'read'])
  })

  it.each<[string, Told, readonly unknown[]]>([
    ['absent where it is not there', withoutFile(INITRAMFS), ['absent', 'its date', null]],
    [
      'not known where it cannot be read',
      withFile(INITRAMFS, { sha256: null }),
      ['unknown', 'its date', null],
    ],
    [
      'stale by its date all the same, where it cannot be read',
      withFile(INITRAMFS, { sha256: null, mtimeMs: INSTALLED - 1 }),
      ['stale', 'older than dracut', null],
    ],
    [
      'not known without a date',
      withFile(INITRAMFS, { mtimeMs: Number.NaN }),
      ['unknown', 'its date', 'read'],
    ],
    [
      'not known where it cannot be looked at',
      { host: { statFile: async () => unreadable } },
      ['unknown', 'its date', 'read'],
    ],
    [
      'not known where no package is that it is made from',
      { packages: { ...PACKAGES, dracut: undefined } as never },
      ['unknown', 'its date', 'read'],
    ],
  ])('is %s', async (_, told, expected) => {
    expect(await checkOf(told)).toEqual(expected)
  })
})

describe('a device that carries more than is hashed', () => {
  const junk = (name: string, count = 80) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [name.replace('*', `${at}`), {}]))

  it.each([
    ['initramfs-0.*.img', 'initramfs'],
    ['vmlinuz-0.*', 'kernel'],
    ['xen-0.*.gz', 'xen'],
    ['*_SINIT.BIN', 'xen'],
  ])(
    'is not current, by the first %s that was left out; what is installed is checked all the same',
    async (name, role) => {
      const { checks } = await look({ files: { ...junk(name), ...FILES } })
      expect(checks[0]).toEqual({
        ...{
          role,
          path: `${ROOT}/${name.replace('*', '60')}`,
          state: 'unknown',
          sha256: null,
          expected: null,
        },
        against: expect.stringMatching(/ and 19 more left out/),
      })
      expect(checks.slice(1).map(({ path, state }) => `${path.slice(ROOT.length + 1)} ${state}`)).toEqual(
        allCurrentBut('', ''),
      )
    },
  )

  it('lists all of its boot files, those that were left out without a digest, and no other file', async () => {
    const files = { ...junk('vmlinuz-0.*'), 'config-1': {}, ...FILES }
    const found = (await look({ files })).files
    expect(found).toHaveLength(85)
    expect(new Set(found.map(({ path }) => path)).size).toBe(85)
    expect(found.filter(({ digests }) => digests === null)).toHaveLength(20)
    expect(found.slice(0, 4).map(({ path }) => path)).toEqual(
      [XEN, KERNEL, INITRAMFS, 'tboot.gz'].map((name) => `${ROOT}/${name}`),
    )
  })

  it('has no boot file that could be current where it cannot be listed', async () => {
    const { files, checks } = await look({ host: { listDirectory: async () => unreadable } })
    expect(files.map(({ role }) => role)).toEqual(['grub.cfg'])
    expect(checks.filter(({ state }) => state === 'current').map(({ role }) => role)).toEqual(['grub.cfg'])
    expect(checks).toHaveLength(CHECKED.length)
  })
})

describe('what grub.cfg reads beside itself', () => {
  const look2 = async (files: Told['files'], host: Told['host'] = {}) => {
    const found = await look({ files: files!, host })
    const grub = found.files.filter(({ role }) => role === 'grub.cfg').map(({ path }) => path)
    return { grub, beside: found.grubFiles.map(({ path, sha256 }) => [path, sha256]) }
  }

  it('lies in its directory, whichever that is: custom.cfg and user.cfg, and nothing else', async () => {
    const files = (directory: string) =>
      Object.fromEntries(
        ['grub.cfg', 'custom.cfg', 'user.cfg', 'grubenv', 'other.cfg'].map((name) => [
          `${directory}/${name}`,
          {},
        ]),
      )
    const besideIn = (directory: string) =>
      ['custom.cfg', 'user.cfg'].map((name) => [
        `${ROOT}/${directory}/${name}`,
        digestOf(`${directory}/${name}`),
      ])
    expect(await look2({ ...files('grub2'), ...files('grub') })).toEqual({
      grub: [`${ROOT}/grub2/grub.cfg`],
      beside: besideIn('grub2'),
    })
    expect(await look2(files('grub'))).toEqual({ grub: [`${ROOT}/grub/grub.cfg`], beside: besideIn('grub') })
  })

  it('is none without a grub.cfg, or where it is not there', async () => {
    expect(await look2({ 'grub2/custom.cfg': {} })).toEqual({ grub: [], beside: [] })
    expect((await look2(FILES)).beside).toEqual([])
    expect((await look2({ ...FILES, 'grub2/user.cfg': {} })).beside).toHaveLength(1)
  })

  it('is there without a digest where it cannot be read, but for a recording, which need not hold it', async () => {
    const files = { ...FILES, 'grub2/custom.cfg': { sha256: null } }
    expect((await look2(files)).beside).toEqual([[`${ROOT}/grub2/custom.cfg`, null]])
    expect((await look2(files, { kind: 'recorded' })).beside).toEqual([])
    const held = { ...FILES, 'grub2/custom.cfg': {} }
    expect((await look2(held, { kind: 'recorded' })).beside).toHaveLength(1)
  })
})

it('a device without boot files lacks them all', async () => {
  const { checks } = await look({ files: {}, grub: null, host: { listDirectory: async () => ABSENT } })
  expect(checks.map(({ state }) => state)).toEqual(['absent', 'absent', 'absent', 'absent', 'absent'])
})

it('a stick of the UEFI form has no EFI system partition in a directory of that name', async () => {
  const grub = `menuentry 'AEM Qubes' {
	slaunch
	chainloader	/EFI/qubes/xen-4.17.4.efi vmlinuz-${RELEASE}
	slaunch_module	/SKL.BIN
}
`
  const copy = `efi/EFI/qubes/aem-vmlinuz-${RELEASE}`
  const files = { ...FILES, [copy]: { sha256: 'e'.repeat(64) } }
  const readFile = async () => seen(Buffer.from(configurationOf()))
  const { checks, files: found } = await look({ files, grub, host: { readFile } })
  expect(checks.filter(({ path }) => path.includes('/efi/'))).toEqual([])
  expect(found.map(({ path }) => path)).not.toContain(`${ROOT}/${copy}`)
})
