/* Long: what accounts for each kind of boot file, and what an initramfs is made again for. */

import { describe, expect, it } from 'vitest'
import { type LaterUpdate, nameUpdate } from '../../src/core/decide/since-start.ts'
import type { BootEntry, BootFile } from '../../src/core/launch/boot-entry.ts'
import type { Baseline, Session } from '../../src/core/session/checkpoint.ts'
import type { DeviceBootFile } from '../../src/observe/device/boot-files.ts'
import type { ConfirmedPackages } from '../../src/observe/dom0/confirmed-packages.ts'
import type { Dom0 } from '../../src/observe/dom0/dom0.ts'
import type { BootDeviceLaunch } from '../../src/observe/launch/launch.ts'
import {
  compareFiles,
  compareGrubFiles,
  listVouchedImages,
  observeLaterUpdates,
  observeMadeInBoot,
  type Reproduce,
  reproduceLater,
} from '../../src/observe/launch/since-start.ts'
import { disk, entryOf } from '../core/launch/launch-world.ts'
import { aBaseline } from '../support/a-baseline.ts'
import { aSession } from '../support/built-in.ts'

/* What came between `start` and the boot after it, and what it accounts for. */

const RELEASE = '6.6.42-1.qubes.fc37.x86_64'
const OLDER = '6.6.36-1.qubes.fc37.x86_64'
const [NEW, OLD] = ['a'.repeat(64), 'b'.repeat(64)]
const MEDIA = '/run/aem-reseal/media/11111111-2222-4333-8444-555555555555'

const update = (changes: Partial<LaterUpdate> = {}): LaterUpdate => ({
  ...{ name: 'kernel', evr: '1000:6.6.42-1.qubes.fc37', component: 'kernel', before: null },
  ...{ isVerified: true, fault: null },
  ...changes,
})
const ALL = nameUpdate(update())

/** A dom0 in which nothing is asked but who brought a file: nobody. */
const NOBODY = {
  trustedKeys: async () => null,
  rpm: { owners: async () => ({ state: 'absent' }) },
} as unknown as Dom0
/** A dom0 in which nothing is asked at all. */
const SILENT = {} as Dom0

type Listed = { readonly path: string; readonly role: DeviceBootFile['role']; readonly sha256: string | null }
const fileOf = ({ path, role, sha256 }: Listed): DeviceBootFile => ({
  ...{ path, role },
  digests: sha256 === null ? null : { sha1: '', sha256, sizeBytes: 1 },
})
const loads = (path: string): BootFile => ({
  ...{ role: 'module', path, commandLine: '', nounzip: false, order: 9 },
})

type Told = {
  readonly before?: readonly Listed[]
  readonly now?: readonly Listed[]
  readonly later?: readonly LaterUpdate[]
  readonly entry?: Partial<BootEntry> | null
  readonly vouched?: ReadonlyMap<string, string>
  readonly isPredicted?: boolean
  readonly kernelRelease?: string | null
}

function compare(told: Told, dom0 = NOBODY) {
  const { before = [], now = [], later = [update()], entry = {}, vouched = new Map() } = told
  const own = entry === null ? null : { ...entryOf(disk()), ...entry }
  const launch = { booted: { entry: own, why: null } } as unknown as BootDeviceLaunch
  const isVouched = (path: string, sha256: string) => {
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    return vouched.get(path) === sha256
  }
  const { isPredicted = false, kernelRelease = null } = told
  const facts = { launch, later, isVouched, isPredicted, kernelRelease }
  const baseline: Baseline = aBaseline({ bootFiles: before.map(fileOf), grubFiles: [] })
  return compareFiles(dom0, baseline, now.map(fileOf), facts)
}

const accountedBy = async (told: Told) => (await compare(told)).map((file) => file.accountedBy)

describe('each boot file is compared with the one of its name', () => {
  const file = (root: string, name: string, sha256: string | null, role: Listed['role'] = 'xen'): Listed => ({
    ...{ path: `${root}/${name}`, role, sha256 },
  })

  it('wherever the device was mounted then and is now', async () => {
    const before = [file('/boot', 'xen-4.17.3.gz', OLD), file('/boot', 'xen-4.17.4.gz', OLD)]
    const now = [file(MEDIA, 'xen-4.17.4.gz', NEW), file(MEDIA, 'xen-4.17.3.gz', OLD)]
    const base = { role: 'xen', isNew: false, isGone: false, accountedBy: null }
    expect(await compare({ before, now, later: [] }, SILENT)).toEqual([
      { ...base, path: `${MEDIA}/xen-4.17.3.gz`, before: OLD, now: OLD },
      { ...base, path: `${MEDIA}/xen-4.17.4.gz`, before: OLD, now: NEW },
    ])
  })

  it('also one that is new, and one that is gone', async () => {
    const before = [file('/boot', 'xen-4.17.3.gz', OLD)]
    const now = [file(MEDIA, 'tboot.gz', NEW, 'tboot')]
    expect(await compare({ before, now, later: [] }, SILENT)).toEqual([
      {
        ...{ role: 'xen', path: '/boot/xen-4.17.3.gz', before: OLD, now: null },
        ...{ isNew: false, isGone: true, accountedBy: null },
      },
      {
        ...{ role: 'tboot', path: `${MEDIA}/tboot.gz`, before: null, now: NEW },
        ...{ isNew: true, isGone: false, accountedBy: null },
      },
    ])
  })

  it('by what it was to the boot then', async () => {
    const before = [file('/boot', 'xen-4.17.3.gz', OLD, 'kernel')]
    const [found] = await compare({ before, now: [file('/boot', 'xen-4.17.3.gz', OLD)] })
    expect(found?.role).toBe('kernel')
  })

  it('and one that could not be read then and is the same nowhere has no digest to be the same', async () => {
    const unread = [file('/boot', 'xen-4.17.3.gz', null)]
    const [found] = await compare({ before: unread, now: unread })
    expect(found).toMatchObject({ before: null, now: null, isNew: false, isGone: false, accountedBy: null })
    // One that is gone is gone, whatever was known of it.
    expect(await accountedBy({ before: unread })).toEqual([ALL])
  })

  it('each once', async () => {
    const before = [file('/boot', 'xen-4.17.3.gz', OLD)]
    expect(await compare({ before, now: [file(MEDIA, 'xen-4.17.3.gz', OLD)] })).toHaveLength(1)
  })
})

describe('a file that is gone', () => {
  const gone = (path: string, role: Listed['role'] = 'xen'): Told => ({
    before: [{ path: `/boot${path}`, role, sha256: OLD }],
  })

  it('is accounted for by what came since, where this boot did not load it', async () => {
    expect(await accountedBy(gone('/xen-4.17.3.gz'))).toEqual([ALL])
    expect(await accountedBy({ ...gone('/xen-4.17.3.gz'), entry: null })).toEqual([ALL])
    expect(await accountedBy({ ...gone('/xen-4.17.3.gz'), later: [] })).toEqual([null])
  })

  it('is none that rpm is asked about', async () => {
    const unasked = { trustedKeys: async () => null } as unknown as Dom0
    expect(await compare(gone('/xen-4.17.3.gz'), unasked)).toMatchObject([{ accountedBy: ALL }])
  })

  it.each<[string, Partial<BootEntry>]>([
    ['what is launched', { launcher: loads('/xen-4.17.3.gz') }],
    ['a module', { modules: [loads('/vmlinuz-x'), loads('/xen-4.17.3.gz')] }],
    ['what its lines hand to the launch, whatever it is called', { sinit: [loads('/xen-4.17.3.gz')] }],
  ])('is not where the entry of this boot loads it as %s', async (_, entry) => {
    expect(await accountedBy({ ...gone('/xen-4.17.3.gz'), entry })).toEqual([null])
  })

  it.each<[string, string | null, string | null]>([
    [`/vmlinuz-${OLDER}`, RELEASE, ALL],
    [`/vmlinuz-${RELEASE}`, RELEASE, null],
    [`/initramfs-${RELEASE}.img`, RELEASE, null],
    [`/vmlinuz-${RELEASE}`, null, ALL],
    ['/xen-4.17.3.gz', null, ALL],
    ['/xen-4.17.3.gz', RELEASE, ALL],
  ])('is not where it is of the kernel that runs: %s, %s', async (path, kernelRelease, expected) => {
    expect(await accountedBy({ ...gone(path, 'kernel'), entry: null, kernelRelease })).toEqual([expected])
  })
})

describe('a grub.cfg that is another one', () => {
  const path = '/boot/grub2/grub.cfg'
  const grub: Told = {
    before: [{ path, role: 'grub.cfg', sha256: OLD }],
    now: [{ path, role: 'grub.cfg', sha256: NEW }],
  }
  it.each<[string, Told, string | null]>([
    ['this boot came from an entry with which nothing is wrong', {}, ALL],
    ['something is wrong with the entry of this boot', { entry: { problems: ['it runs "acpi"'] } }, null],
    ['the entry of this boot is not known', { entry: null }, null],
    ['every register is as predicted', { entry: null, isPredicted: true }, ALL],
    [
      'every register is as predicted, whatever is wrong with the entry',
      { entry: { problems: ['it runs "acpi"'] }, isPredicted: true },
      ALL,
    ],
    ['no package came', { later: [] }, null],
    ['none of those that came is verified', { later: [update({ isVerified: false, fault: 'x' })] }, null],
  ])('is accounted for or not where %s', async (_, told, expected) => {
    expect(await accountedBy({ ...grub, ...told })).toEqual([expected])
  })
})

describe('an initramfs that is another one', () => {
  const name = `/initramfs-${RELEASE}.img`
  const images: Told = {
    before: [{ path: `/boot${name}`, role: 'initramfs', sha256: OLD }],
    now: [{ path: `/boot${name}`, role: 'initramfs', sha256: NEW }],
    kernelRelease: RELEASE,
  }

  it.each<[string, Told, string | null]>([
    ['that is vouched for by its very bytes', { vouched: new Map([[name, NEW]]) }, ALL],
    ['of which other bytes are vouched for', { vouched: new Map([[name, OLD]]) }, null],
    ['that nothing vouches for, of the kernel that runs', {}, null],
    ['that nothing vouches for, of another kernel', { kernelRelease: OLDER }, ALL],
    ['of another kernel, where this boot is not known', { kernelRelease: OLDER, entry: null }, null],
  ])('%s', async (_, told, expected) => {
    expect(await accountedBy({ ...images, ...told })).toEqual([expected])
  })

  it('that is as it was needs nothing to account for it', async () => {
    const vouched = new Map([[name, NEW]])
    expect(await accountedBy({ ...images, before: images.now!, vouched })).toEqual([null])
  })

  it('that cannot be read is vouched for by nothing', async () => {
    const now = [{ path: `/boot${name}`, role: 'initramfs', sha256: null }] as const
    expect(await accountedBy({ ...images, now, kernelRelease: OLDER })).toEqual([null])
  })
})

describe('a kernel that is another one', () => {
  const OWN_KEY = '0123456789abcdef0123456789abcdef01234567'
  const kernel = {
    ...{ name: 'kernel', evr: update().evr, arch: 'x86_64', installedAt: '2024-07-17T09:00:00Z' },
    signatureKeyId: OWN_KEY.slice(-16),
  }
  const path = `/boot/vmlinuz-${RELEASE}`
  const value = <T>(seen: T) => ({ state: 'seen', value: seen })

  /** A dom0 whose kernel package is signed by a key of the user's own. */
  const dom0With = (fingerprints: readonly string[], sha256 = NEW): Dom0 => {
    const signers = fingerprints.map((fingerprint) => ({ name: 'me', fingerprint, source: 'trusted-keys' }))
    const stderr = `Header V4 RSA/SHA256 Signature, key ID ${OWN_KEY.slice(-8)}: OK\n`
    return {
      trustedKeys: async () => ({ signers, malformed: [] }),
      rpm: {
        owners: async () => value([kernel]),
        files: async () => value([{ evr: kernel.evr, path, sha256 }]),
        findings: async () => value([]),
        headerWords: async () => value({ exit: 0, stdout: '', stderr }),
      },
    } as unknown as Dom0
  }
  const kernels: Told = {
    before: [{ path, role: 'kernel', sha256: OLD }],
    now: [{ path, role: 'kernel', sha256: NEW }],
  }

  it.each<[string, Told, Dom0, string | null]>([
    ['is that of a package with a key of the user’s own', {}, dom0With([OWN_KEY]), ALL],
    ['is not where nobody lists its key', {}, dom0With([]), null],
    ['is not where the package has other bytes', {}, dom0With([OWN_KEY], OLD), null],
    ['is not of a version that was there', { later: [update({ evr: '9' })] }, dom0With([OWN_KEY]), null],
    [
      'is not of a package that is not verified',
      { later: [update({ isVerified: false })] },
      dom0With([OWN_KEY]),
      null,
    ],
  ])('%s', async (_, told, dom0, expected) => {
    expect(await compare({ ...kernels, ...told }, dom0)).toMatchObject([{ accountedBy: expected }])
  })
})

it('of two packages of one version that came each is judged by itself', async () => {
  const { evr } = update()
  const installed = { evr, arch: 'x86_64', installedAt: '2024-07-17T09:00:00Z', signatureKeyId: null }
  const rpm = {
    packages: async (name: string) => ({
      state: 'seen',
      value: name.startsWith('kernel') ? [{ ...installed, name }] : [],
    }),
    findings: async () => ({ state: 'unknown', why: 'no answer' }),
  }
  const dom0 = { trustedKeys: async () => null, rpm } as unknown as Dom0
  const good = { name: 'kernel', evr, signature: 'ok', signer: 'Qubes OS', changedFiles: [] }
  const confirmed = { packages: [good], unasked: [] } as unknown as ConfirmedPackages
  const before = { ...installed, name: 'kernel', evr: '1000:6.6.36-1.qubes.fc37' }
  const found = await observeLaterUpdates(dom0, aBaseline({ packages: [before] }), confirmed)
  expect(found).toEqual([
    update({ before: before.evr }),
    update({ name: 'kernel-latest', isVerified: false, fault: 'has files that could not be checked' }),
  ])
})

describe('a file of nearly the name of AMD’s loader, beside a baseline of an older program', () => {
  it.each([
    ['/skl.bin', []],
    ['/SKL.BIN', []],
    ['/skl.bin.gz', [null]],
    ['/efi/skl.bin', [null]],
    ['/askl.bin', [null]],
  ])('%s', async (name, expected) => {
    const { grubFiles: _, ...older } = aBaseline({ grubFiles: [] })
    const now = [fileOf({ path: `/boot${name}`, role: 'sinit', sha256: NEW })]
    const launch = { booted: { entry: null, why: '' } } as unknown as BootDeviceLaunch
    const facts = { launch, later: [], isVouched: () => false, isPredicted: true, kernelRelease: null }
    const found = await compareFiles(SILENT, older, now, facts)
    expect(found.map((file) => file.accountedBy)).toEqual(expected)
  })

  it('one that was noted all the same is compared', async () => {
    const skl = (sha256: string) => fileOf({ path: '/boot/SKL.BIN', role: 'sinit', sha256 })
    const { grubFiles: _, ...older } = aBaseline({ bootFiles: [skl(OLD)] })
    const launch = { booted: { entry: null, why: '' } } as unknown as BootDeviceLaunch
    const facts = { launch, later: [], isVouched: () => false, isPredicted: true, kernelRelease: null }
    const found = await compareFiles(SILENT, older, [skl(NEW)], facts)
    expect(found).toMatchObject([{ before: OLD, now: NEW, accountedBy: null }])
  })
})

describe('what grub.cfg reads beside itself', () => {
  const at = (root: string, name: string, sha256: string | null = OLD) => ({
    ...{ path: `${root}/grub2/${name}`, sha256 },
  })
  const file = (path: string, changes: object) => ({
    ...{ role: 'read by grub.cfg', path, before: OLD, now: OLD, isNew: false, isGone: false },
    accountedBy: null,
    ...changes,
  })

  it('is compared by its name, wherever the device is mounted', () => {
    const before = [at('/boot', 'custom.cfg'), at('/boot', 'user.cfg')]
    const now = [at(MEDIA, 'user.cfg', NEW), at(MEDIA, 'custom.cfg')]
    expect(compareGrubFiles({ grubFiles: before }, now)).toEqual([
      file(`${MEDIA}/grub2/custom.cfg`, {}),
      file(`${MEDIA}/grub2/user.cfg`, { now: NEW }),
    ])
  })

  it('is told where it is new, gone or cannot be read', () => {
    const before = [at('/boot', 'custom.cfg'), at('/boot', 'a.cfg', null)]
    const now = [at(MEDIA, 'user.cfg', NEW), at(MEDIA, 'a.cfg', null)]
    expect(compareGrubFiles({ grubFiles: before }, now)).toEqual([
      file('/boot/grub2/custom.cfg', { now: null, isGone: true }),
      file(`${MEDIA}/grub2/a.cfg`, { before: null, now: null }),
      file(`${MEDIA}/grub2/user.cfg`, { before: null, now: NEW, isNew: true }),
    ])
  })

  it('is not compared where an older program noted none', () => {
    expect(compareGrubFiles({}, [at('/boot', 'custom.cfg')])).toEqual([])
    expect(compareGrubFiles({ grubFiles: [] }, [at('/boot', 'custom.cfg')])).toHaveLength(1)
  })
})

const same = (image: string, sha256: string) => ({ image, state: 'same', words: '-f', sha256 }) as const
const facts = (...reproductions: readonly ReturnType<typeof same>[]) => ({
  reproductions: [...reproductions],
  accepted: [],
})

describe('what was vouched for by making it again', () => {
  it('is that of before the restart, of an earlier look, and of this one, which counts', () => {
    const session = aSession({
      findings: {
        predict: facts(same('/a.img', '1'), same('/b.img', '1')),
        explain: facts(same('/b.img', '2'), same('/c.img', '2')),
      } as never,
    })
    const found = listVouchedImages(session, facts(same('/c.img', '3'), same('/d.img', '3')))
    expect(Object.fromEntries(found)).toEqual({ '/a.img': '1', '/b.img': '2', '/c.img': '3', '/d.img': '3' })
    expect(listVouchedImages(aSession(), facts()).size).toBe(0)
  })

  describe('in this boot', () => {
    const evr = '1000:6.6.36-1.qubes.fc37'
    const kernel = { name: 'kernel', evr, arch: 'x86_64', installedAt: '', signatureKeyId: null }
    const baseline = aBaseline({ bootId: 'boot-2', packages: [kernel] })
    const kept: Partial<Session> = { baseline, findings: { predict: facts(same('/a.img', '1')) } as never }

    const madeIn = async (
      bootId: string | null,
      session: Session | null,
      installed: readonly string[] | null = [evr],
    ) => {
      const packages = async (name: string) =>
        installed === null
          ? { state: 'unknown', why: 'rpm does not answer' }
          : name === 'kernel'
            ? { state: 'seen', value: installed.map((one) => ({ ...kernel, evr: one })) }
            : { state: 'seen', value: [] }
      const dom0 = { machine: async () => ({ bootId }), rpm: { packages } } as unknown as Dom0
      return Object.fromEntries(await observeMadeInBoot(dom0, session))
    }

    it('is what `start` made, while the packages are those of then', async () => {
      expect(await madeIn('boot-2', aSession(kept))).toEqual({ '/a.img': '1' })
      expect(await madeIn('boot-2', aSession(kept), [evr, '1000:6.6.42-1.qubes.fc37'])).toEqual({})
      expect(await madeIn('boot-2', aSession(kept), ['1000:6.6.42-1.qubes.fc37'])).toEqual({})
    })

    it('is nothing where a package was taken away since, or rpm does not say', async () => {
      expect(await madeIn('boot-2', aSession(kept), [])).toEqual({})
      expect(await madeIn('boot-2', aSession(kept), null)).toEqual({})
    })

    it('is nothing of another boot, or of one that is not known', async () => {
      expect(await madeIn('boot-3', aSession(kept))).toEqual({})
      expect(await madeIn(null, aSession(kept))).toEqual({})
      expect(await madeIn(null, aSession({ ...kept, baseline: { ...baseline, bootId: null } }))).toEqual({})
      expect(await madeIn('boot-2', aSession({ ...kept, baseline: null }))).toEqual({})
      expect(await madeIn('boot-2', null)).toEqual({})
    })
  })
})

describe('an initramfs is made again', () => {
  const path = `/initramfs-${RELEASE}.img`
  const entry = entryOf(
    disk({
      kernel: { path: `/vmlinuz-${RELEASE}`, content: '', commandLine: '' },
      initramfs: { path, content: '', commandLine: '' },
    }),
  )
  const images = { [path]: { storedDigests: { sha256: NEW } } }
  const earlier = { reproductions: [same('/other.img', '9')], accepted: [] }
  const accepted = { kind: 'modules', path: '/other.img', sha256: '9' } as const

  type Asked = {
    readonly entry?: BootEntry | null
    readonly images?: object
    readonly later?: readonly LaterUpdate[]
    readonly vouched?: readonly [string, string]
    readonly isAccepted?: boolean
    readonly kept?: object
    readonly isMaking?: boolean
  }
  async function make(asked: Asked = {}) {
    const booted = { entry: asked.entry === undefined ? entry : asked.entry, why: null }
    const launch = { booted, images: asked.images ?? images } as unknown as BootDeviceLaunch
    const looks: unknown[] = []
    const reproduce: Reproduce = async (look) => {
      looks.push(look)
      return { result: { state: 'same', words: '-f', sha256: NEW }, isAccepted: asked.isAccepted === true }
    }
    const session = aSession({ findings: { explain: asked.kept ?? earlier } as never })
    const kept = await reproduceLater(
      launch,
      session,
      asked.later ?? [update()],
      (...one) => one.join() === asked.vouched?.join(),
      asked.isMaking === false ? null : reproduce,
    )
    return { looks, kept }
  }
  const made = { ...same(path, NEW) }

  it('with the kernel beside it, and kept beside what was found before', async () => {
    const { looks, kept } = await make()
    expect(looks).toEqual([{ kind: 'initramfs', path, kernelRelease: RELEASE, sha256: NEW }])
    expect(kept).toEqual({ reproductions: [...earlier.reproductions, made], accepted: [] })
  })

  it('in the place of what was found of it before', async () => {
    const before = { state: 'different', image: path, total: 1, differences: [], fresh: null }
    const { kept } = await make({ kept: { ...earlier, reproductions: [before, ...earlier.reproductions] } })
    expect(kept.reproductions).toEqual([...earlier.reproductions, made])
  })

  it('and what a person accepted of it is kept, beside what was accepted before', async () => {
    const kept = { ...earlier, accepted: [accepted] }
    expect((await make({ kept, isAccepted: true })).kept.accepted).toEqual([
      accepted,
      { kind: 'modules', path, sha256: NEW },
    ])
    expect((await make({ kept })).kept.accepted).toEqual([accepted])
  })

  it('by a session that kept nothing yet', async () => {
    expect((await make({ kept: {} })).kept).toEqual({ reproductions: [made], accepted: [] })
  })

  const unverified = update({ isVerified: false, fault: 'x' })
  it.each<[string, Asked]>([
    ['no package came', { later: [] }],
    ['none that came is verified', { later: [unverified] }],
    ['it is vouched for', { vouched: [path, NEW] }],
    ['none is made here', { isMaking: false }],
    ['the entry of this boot is not known', { entry: null }],
    ['that entry loads none', { entry: { ...entry, modules: entry.modules.slice(0, 2) } }],
    [
      'that entry names no release of its kernel',
      { entry: { ...entry, modules: entry.modules.filter(({ role }) => role !== 'kernel') } },
    ],
    ['it could not be read', { images: {} }],
    ['its digest is not known', { images: { [path]: { storedDigests: {} } } }],
  ])('not where %s', async (_, asked) => {
    expect(await make(asked)).toEqual({ looks: [], kept: earlier })
  })

  it('where one of two packages is verified, and other bytes are vouched for', async () => {
    expect((await make({ later: [unverified, update()], vouched: [path, OLD] })).looks).toHaveLength(1)
  })
})
