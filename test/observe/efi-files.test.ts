/* Long: one table for each thing that is asked of the EFI system partition, on the same files. */

import { describe, expect, it } from 'vitest'
import type { Failure } from '../../src/core/failure.ts'
import { type GrubConfig, parseGrubConfig } from '../../src/core/launch/grub-cfg.ts'
import { ABSENT, type FileDigests, type Host, type Seen, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { observeAemEntries, observeEfiEntry } from '../../src/observe/device/efi-entry.ts'
import { checkEfiFiles, digestEfiFiles } from '../../src/observe/device/efi-files.ts'
import { observeNextEntry } from '../../src/observe/device/next-entry.ts'
import type { Dom0 } from '../../src/observe/dom0/dom0.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { INTERNAL_UUID } from '../support/recorded-machine.ts'
import { configurationOf, ESP, grubOf } from '../support/uefi-dom0.ts'

/** What AEM's entries load from the EFI system partition, each file beside its package's, or the original in /boot. */

const RELEASE = '6.6.36-1.qubes.fc37.x86_64'
const [A, B, C, D] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64), 'd'.repeat(64)]
const [XEN, KERNEL, INITRAMFS] = [
  `${ESP}/xen-4.17.4.efi`,
  `${ESP}/aem-vmlinuz-${RELEASE}`,
  `${ESP}/aem-initramfs-${RELEASE}.img`,
]
const ORIGINAL = `/boot/initramfs-${RELEASE}.img`
const unreadable = unknown('input/output error')
const DEVICE = { label: 'aem', uuid: INTERNAL_UUID } as AemDevice

type Told = {
  /** SHA-256 of each file; null: it cannot be read. What is not named is not there. */
  readonly files?: Readonly<Record<string, string | null>>
  readonly configuration?: Seen<string>
  readonly kind?: Host['kind']
  readonly grub?: string | Failure | null
  readonly packages?: Readonly<Record<string, readonly [evr: string, path: string, sha256: string][]>>
}

const HONEST = { [XEN]: A, [KERNEL]: B, [INITRAMFS]: C, [ORIGINAL]: C }
const PACKAGES: NonNullable<Told['packages']> = {
  'xen-hypervisor': [
    ['2001:4.17.4-4.fc37', '/boot/xen-4.17.4.gz', D],
    ['2001:4.17.4-4.fc37', '/boot/efi/EFI/qubes/xen-4.17.4.efi', A],
    ['2001:4.17.4-3.fc37', '/boot/efi/EFI/qubes/xen-4.17.4.efi', D],
  ],
  kernel: [['1000:6.6.36-1.qubes.fc37', `/boot/vmlinuz-${RELEASE}`, B]],
}

function configOf(text: string): GrubConfig {
  return parseGrubConfig(text, {
    platform: 'efi',
    directory: '/grub2',
    files: new Map([['/aem', { state: 'directory' }]]),
    uuid: INTERNAL_UUID,
  })
}

function dom0Of({ files = HONEST, packages = PACKAGES, grub = grubOf(), ...told }: Told): Dom0 {
  const { configuration = seen(configurationOf()), kind = 'real' } = told
  const host = makeFakeHost({
    kind,
    digestFile: async (path) => {
      const sha256 = files[path]
      if (sha256 === undefined) return ABSENT
      return sha256 === null ? unreadable : seen({ sha256, sha1: '', sizeBytes: 1 } as FileDigests)
    },
    readFile: async (path) => {
      if (path !== `${ESP}/xen-4.17.4.cfg`) return ABSENT
      return configuration.state === 'seen' ? seen(Buffer.from(configuration.value, 'latin1')) : configuration
    },
  })
  const rpm = {
    packages: async (name: string) =>
      seen((packages[name] ?? []).slice(0, 1).map(([evr]) => ({ name, evr }))),
    files: async (name: string) =>
      seen((packages[name] ?? []).map(([evr, path, sha256]) => ({ evr, path, sha256 }))),
  }
  return {
    host,
    rpm,
    grub: async (root: string, uuid: string | null) => {
      expect([root, uuid]).toEqual(['/boot', INTERNAL_UUID])
      return typeof grub === 'string' ? configOf(grub) : grub
    },
  } as unknown as Dom0
}

const checksOf = async (told: Told = {}) => checkEfiFiles(dom0Of(told), '/boot', DEVICE)
const statesOf = async (told: Told) =>
  (await checksOf(told)).map(({ path, state }) => `${path.slice(ESP.length + 1)} ${state}`)
const [xen, kernel, initramfs] = [XEN, KERNEL, INITRAMFS].map((path) => path.slice(ESP.length + 1))

/** Two kernels, each of an entry. */
const SECOND = '6.9.2-1.qubes.fc37.x86_64'
const twoEntries = grubOf().replace(/\tmenuentry 'AEM[^}]*chainloader[^}]*\}\n/, (entry) =>
  [entry, entry.replaceAll(RELEASE, SECOND)].join(''),
)
const twoSections = `${configurationOf()}${configurationOf(undefined, undefined, SECOND)}`

describe('the files of an honest machine', () => {
  it('are checked: Xen and kernel by their packages, the initramfs by the one in /boot', async () => {
    const packaged = { state: 'current', against: 'RPM database' }
    expect(await checksOf()).toEqual([
      { role: 'xen', path: XEN, sha256: A, expected: A, ...packaged },
      { role: 'kernel', path: KERNEL, sha256: B, expected: B, ...packaged },
      { role: 'initramfs', path: INITRAMFS, sha256: C, expected: C, state: 'current', against: ORIGINAL },
    ])
  })

  it('are listed with their digests, each once, though several entries load it', async () => {
    const told = { grub: twoEntries, configuration: seen(twoSections) }
    const files = await digestEfiFiles(dom0Of(told), '/boot', DEVICE)
    expect(files.map(({ role, path, digests }) => [role, path, digests?.sha256])).toEqual([
      ['xen', XEN, A],
      ['kernel', KERNEL, B],
      ['initramfs', INITRAMFS, C],
    ])
  })
})

describe('a file of the EFI system partition', () => {
  it.each<[string, string, string | null | undefined, string]>([
    ['Xen', XEN, D, 'changed'],
    ['Xen', XEN, null, 'unknown'],
    ['Xen', XEN, undefined, 'absent'],
    ['the kernel', KERNEL, D, 'changed'],
    ['the kernel', KERNEL, null, 'unknown'],
    ['the kernel', KERNEL, undefined, 'absent'],
    ['the initramfs', INITRAMFS, D, 'stale'],
    ['the initramfs', INITRAMFS, null, 'unknown'],
    ['the initramfs', INITRAMFS, undefined, 'absent'],
  ])('%s: %s with the digest %s is %s, the others stay current', async (_, path, sha256, state) => {
    const { [path]: _old, ...others } = HONEST as Readonly<Record<string, string>>
    const files = sha256 === undefined ? others : { ...others, [path]: sha256 }
    const name = path.slice(ESP.length + 1)
    expect(await statesOf({ files })).toEqual(
      [xen, kernel, initramfs].map((one) => `${one} ${one === name ? state : 'current'}`),
    )
  })

  it('of which the original is not known is not known either', async () => {
    const told = { files: { ...HONEST, [ORIGINAL]: null } }
    expect(await statesOf(told)).toContain(`${initramfs} unknown`)
    expect((await checksOf(told))[2]).toMatchObject({ sha256: C, expected: null })
  })

  it("is not known where rpm has no digest of the installed Xen's program", async () => {
    const packages = { ...PACKAGES, 'xen-hypervisor': PACKAGES['xen-hypervisor']!.slice(0, 1) }
    expect(await statesOf({ packages })).toContain(`${xen} unknown`)
  })

  it('of a kernel that is not installed, or of another Xen, is compared with nothing', async () => {
    const { kernel: _kernel, ...noKernel } = PACKAGES
    expect(await statesOf({ packages: noKernel })).toEqual([`${xen} current`])
    const packages = {
      ...PACKAGES,
      'xen-hypervisor': [['2001:4.17.3-1.fc37', '/boot/xen-4.17.3.gz', A]],
    } as const
    expect(await statesOf({ packages: packages as never })).toEqual([
      `${kernel} current`,
      `${initramfs} current`,
    ])
  })

  it('that cannot be read is listed without a digest, and one that is not there is not', async () => {
    const files = { [XEN]: A, [KERNEL]: null }
    const found = await digestEfiFiles(dom0Of({ files }), '/boot', DEVICE)
    expect(found.map(({ path, digests }) => [path, digests?.sha256 ?? null])).toEqual([
      [XEN, A],
      [KERNEL, null],
    ])
  })

  it('that a recording does not hold says nothing; what it holds counts', async () => {
    const told = { kind: 'recorded', files: { ...HONEST, [KERNEL]: null, [XEN]: D } } as const
    expect(await statesOf(told)).toEqual([`${xen} changed`, `${initramfs} current`])
    const found = await digestEfiFiles(dom0Of(told), '/boot', DEVICE)
    expect(found.map(({ role }) => role)).toEqual(['xen', 'initramfs'])
  })
})

describe('no file is looked for', () => {
  it.each<[string, Told]>([
    ['where there is no grub.cfg', { grub: null }],
    ['of a grub.cfg that cannot be read', { grub: makeFailure('refresh-failed', { what: 'x' }) }],
    ['for an entry of the BIOS form', { grub: grubOf().replaceAll('efi', 'pc').replaceAll('"pc"', '"efi"') }],
  ])('%s', async (_, told) => {
    expect(await checksOf(told)).toEqual([])
    expect(await digestEfiFiles(dom0Of(told), '/boot', DEVICE)).toEqual([])
  })

  it("but Xen's program where its configuration cannot be read: nothing is known of kernel and initramfs", async () => {
    expect(await statesOf({ configuration: unreadable })).toEqual([])
  })
})

it('of an entry that no script wrote, a further module is no boot file: what it says of Xen is not believed', async () => {
  const grub = `menuentry 'AEM x' {
	slaunch
	chainloader	/EFI/qubes/other.efi
	module2	/a
	module2	/b
	module2	/vmlinuz-${RELEASE}
}
`
  const told = { grub, files: { '/boot/a': A, [`/boot/vmlinuz-${RELEASE}`]: D } }
  expect(await checksOf(told)).toEqual([])
  const found = await digestEfiFiles(dom0Of(told), '/boot', DEVICE)
  expect(found.map(({ role, path }) => [role, path])).toEqual([['kernel', '/boot/a']])
})

it('no more files are looked for than a generated grub.cfg loads, and the first one that is left out is named', async () => {
  const releases = Array.from({ length: 60 }, (_, at) => `6.6.${at}-1.qubes.fc37.x86_64`)
  const entry = /\tmenuentry 'AEM[^}]*chainloader[^}]*\}\n/
  const grub = grubOf().replace(entry, (text) =>
    releases.map((one) => text.replaceAll(RELEASE, one)).join(''),
  )
  const configuration = releases.map((one) => configurationOf(undefined, undefined, one)).join('')
  const files = new Proxy({}, { get: () => A }) as Readonly<Record<string, string>>
  const told = { grub, configuration: seen(configuration), files }
  expect(await digestEfiFiles(dom0Of(told), '/boot', DEVICE)).toHaveLength(64)
  for (const kind of ['real', 'recorded'] as const)
    expect((await checksOf({ ...told, kind })).at(-1)).toMatchObject({
      state: 'unknown',
      path: expect.stringMatching(/-6\.6\.31-1\./),
      against: expect.stringContaining('more than 64 files'),
    })
  expect((await checksOf()).map(({ state }) => state)).not.toContain('unknown')
})

describe("the UEFI form of AEM's entry", () => {
  const entries = async (told: Told) =>
    observeAemEntries(dom0Of(told).host, '/boot', configOf(told.grub as string))

  it('leads to the files that the configuration beside Xen names', async () => {
    const [found, ...more] = await entries({ grub: grubOf() })
    expect(more).toEqual([])
    expect([found?.launcher, ...(found?.modules ?? [])].map((one) => one?.path)).toEqual(
      [XEN, KERNEL, INITRAMFS].map((path) => path.slice('/boot'.length)),
    )
    expect(found?.problems).toEqual([])
  })

  it('has a problem where that cannot be read, or is not there', async () => {
    for (const configuration of [unreadable, ABSENT]) {
      const [found] = await entries({ grub: grubOf(), configuration })
      expect([found?.launcher, found?.problems]).toEqual([
        null,
        ['/EFI/qubes/xen-4.17.4.cfg on the EFI system partition could not be read'],
      ])
    }
  })

  it('is read byte for byte: what is no ASCII is a problem, and is shown as it is', async () => {
    const configuration = seen(configurationOf('placeholder \u00a0smt=off'))
    const [found] = await entries({ grub: grubOf(), configuration })
    expect(found?.launcher?.commandLine).toBe('placeholder \u00a0smt=off')
    expect(found?.problems.join()).toContain('not printable ASCII')
  })

  it.each<[string, object]>([
    ['of the BIOS form', { form: 'bios', efi: { configPath: '/x', xenPath: '/y', section: 'z' } }],
    ['of which nothing is known', { form: 'uefi', efi: null }],
  ])('is left as it is: an entry %s', async (_, entry) => {
    expect(await observeEfiEntry(makeFakeHost({}), '/boot', entry as never)).toBe(entry)
  })
})

describe('the entry that boots next', () => {
  const next = (grub: Told['grub']) => observeNextEntry(dom0Of({ grub: grub! }), '/boot', INTERNAL_UUID)
  const plain = "menuentry 'Qubes, with Xen hypervisor' { multiboot2 /xen-4.17.4.gz placeholder }\n"

  it('is one of AEM, or another one', async () => {
    expect(await next(grubOf())).toEqual({ kind: 'aem', title: 'AEM Qubes, with Xen hypervisor' })
    expect(await next(`${plain}${grubOf()}`)).toEqual({ kind: 'other', title: 'Qubes, with Xen hypervisor' })
  })

  it.each<[string, Told['grub'], string]>([
    ['grub.cfg is not there', null, 'its grub.cfg could not be read'],
    ['grub.cfg is refused', makeFailure('refresh-failed', { what: 'why so' }), 'why so'],
    ['the menu is empty', '', 'the menu is empty'],
  ])('is not known where %s', async (_, grub, why) => {
    const found = await observeNextEntry(
      { grub: async () => (typeof grub === 'string' ? configOf(grub) : grub) } as unknown as Dom0,
      '/boot',
      INTERNAL_UUID,
    )
    expect(found).toEqual({ kind: 'unknown', why: expect.stringContaining(why) })
  })
})
