import { describe, expect, it } from 'vitest'
import type { BootFile } from '../../src/core/launch/boot-entry.ts'
import { moduleDigests } from '../../src/core/launch/module-digest.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { KERNEL_RELEASE } from '../../src/host/simulated/model.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { machineOf } from '../support/built-in.ts'
import {
  componentWith,
  entryWith,
  type LookedAt,
  launchWith,
  lookAt,
  placeWith,
  rowsWith,
  vouchedByOf,
} from '../support/next-boot.ts'

/** Which facts of the machine, the log and the device are put before core/vouch, one by one. */

const XEN = `/${XEN_IMAGE}`
const KERNEL = `/vmlinuz-${KERNEL_RELEASE}`
const INITRAMFS = `/initramfs-${KERNEL_RELEASE}.img`
const OTHER = 'f'.repeat(64)
const UNREAD = makeFailure('forward-seal-failed', { what: 'the log could not be read' })

const look = () => lookAt(machineOf('clean-update'))

/** The files of the next boot with one that holds other bytes. */
function imagesWithOther({ next }: LookedAt, path: string) {
  const { images } = next.place.launch
  const digests = { sha1: 'f'.repeat(40), sha256: OTHER }
  return { ...images, [path]: { ...images[path]!, digests, storedDigests: digests } }
}

/** No register is predicted: each file is looked at alone. */
const unpredicted = (looked: LookedAt) => rowsWith(looked, () => ({ predicted: null, components: [] }))

describe('a register of a TrenchBoot launch', () => {
  const trenchboot = (looked: LookedAt) => placeWith(looked, { log: { ...looked.log, kind: 'trenchboot' } })

  it('PCR 18 holds command lines alone', async () => {
    const looked = await look()
    const { raw } = componentWith(looked, 'xen', { changed: false })
    const { place } = trenchboot(looked)
    const found = await looked.vouch({ raw, place: { ...place, isMleComputed: true } })
    expect(vouchedByOf(found, 'xen')?.why).toMatch(/holds the same digest, of this command line$/)
    expect(vouchedByOf(found, 'kernel')?.why).toContain('holds the same digest, of these bytes')
    const ofTboot = await looked.vouch({ raw })
    expect(vouchedByOf(ofTboot, 'xen')?.why).toContain('of these bytes and this command line')
  })

  it('PCR 18 says nothing of a file, so that is asked apart', async () => {
    const looked = await look()
    const { launch } = looked.next.place
    const images = imagesWithOther(looked, XEN)
    const { place } = trenchboot(looked)
    const { unvouched } = await looked.vouch({ place: { ...place, launch: { ...launch, images } } })
    expect(unvouched.join()).toContain(`${XEN} is not the file of xen-hypervisor`)
  })

  it('what was launched is held to the version of its own kind', async () => {
    const looked = await look()
    const log = { ...looked.log, version: '9.9.9' }
    const { unvouched } = await looked.vouch(placeWith(looked, { log }))
    expect(unvouched.join()).toMatch(/tboot .* is older than what runs \(9\.9\.9\)/)
    const other = await looked.vouch(placeWith(looked, { log: { ...log, kind: 'trenchboot' } }))
    expect(other.unvouched.join()).not.toContain('9.9.9')
  })

  it('Xen, which is launched, counts as unchanged only where its hash was computed', async () => {
    const looked = await look()
    const xen = looked.next.raw.pcrs.flatMap((pcr) => pcr.components).find(({ role }) => role === 'xen')!
    // There PCR 17 holds it.
    const { raw } = rowsWith(looked, ({ index }) => ({
      components: index === 19 ? [{ ...xen, changed: false }] : [],
    }))
    const { place } = trenchboot(looked)
    const ruleWhere = async (isMleComputed: boolean, own = place) =>
      vouchedByOf(await looked.vouch({ raw, place: { ...own, isMleComputed } }), 'xen')
    expect((await ruleWhere(true))?.why).toContain('of these bytes')
    expect((await ruleWhere(false))?.why).toContain('the file of xen-hypervisor')
    // All that is measured as a module is unchanged where its digest is.
    const kernel = await looked.vouch({ ...componentWith(looked, 'kernel', { changed: false }), place })
    expect(vouchedByOf(kernel, 'kernel')?.why).toContain('of these bytes')
    // tboot measures it as a module.
    expect((await ruleWhere(false, looked.next.place))?.why).toContain('of these bytes')
  })
})

describe("the next boot's own files", () => {
  it('are those of its device, where that is another one', async () => {
    const looked = await look()
    const { images } = looked.next.place.launch
    expect((await looked.vouch(launchWith(looked, { nextImages: images }))).outcome).toBe('complete')
    const there = await looked.vouch(launchWith(looked, { nextImages: imagesWithOther(looked, XEN) }))
    expect(there.unvouched.join()).toContain(`${XEN} is not the file of xen-hypervisor`)
    const here = launchWith(looked, { nextImages: images, images: imagesWithOther(looked, XEN) })
    expect((await looked.vouch(here)).outcome).toBe('complete')
  })

  it('are counted there: one that the launch takes for a SINIT module is not measured', async () => {
    const looked = await look()
    const { images } = looked.next.place.launch
    const nextImages = { ...images, [INITRAMFS]: { ...images[INITRAMFS]!, kind: 'acm' as const } }
    const { unvouched } = await looked.vouch(launchWith(looked, { nextImages }))
    expect(unvouched).toContain('the entry loads 2 modules, this boot measured 3: one is left out')
    const { unvouched: other } = await looked.vouch(
      launchWith(looked, { nextImages: images, images: nextImages }),
    )
    expect(other.join()).not.toContain('left out')
  })

  it('are compared with the log where no register is predicted', async () => {
    const looked = await look()
    const rows = unpredicted(looked)
    expect((await looked.vouch(rows)).unvouched).toEqual([])
    const changed = { nextImages: imagesWithOther(looked, INITRAMFS) }
    expect((await looked.vouch({ ...rows, ...launchWith(looked, changed) })).unvouched.join()).toContain(
      `${INITRAMFS}: it is not the one this boot used`,
    )
  })
})

describe('a command line that the launch log alone shows', () => {
  /** /proc/cmdline cannot be read, and the kernel is its package's but not the one that was measured. */
  const silent = (looked: LookedAt) => {
    const { machine } = looked.next.place
    return {
      ...componentWith(looked, 'kernel', { changed: true }),
      ...placeWith(looked, { machine: { ...machine, kernelCommandLine: null } }),
    }
  }

  it('is found in the place of the file, and nowhere without a log or an entry', async () => {
    const looked = await look()
    const change = silent(looked)
    expect(vouchedByOf(await looked.vouch(change), 'kernel')?.why).toContain('(launch log)')
    for (const place of [
      { ...change.place, log: UNREAD },
      { ...change.place, launch: { ...change.place.launch, next: { entry: null, why: 'x' } } },
    ])
      expect(vouchedByOf(await looked.vouch({ ...change, place }), 'kernel')).toMatchObject({
        rule: null,
        why: expect.stringContaining('/proc/cmdline could not be read'),
      })
  })

  it('is found by what the next boot counts as modules', async () => {
    const looked = await look()
    const change = silent(looked)
    const { images } = change.place.launch
    // Of the booted device the kernel would not be one.
    const odd = { ...images, [KERNEL]: { ...images[KERNEL]!, kind: 'acm' as const } }
    const launch = { ...change.place.launch, images: odd, nextImages: images }
    const found = await looked.vouch({ ...change, place: { ...change.place, launch } })
    expect(vouchedByOf(found, 'kernel')?.why).toContain('(launch log)')
  })

  it('is that of the same role and the same file', async () => {
    const looked = await look()
    const { entry, log, next } = looked
    const more: readonly BootFile[] = [
      { role: 'module', path: '/one.bin', commandLine: 'one', nounzip: false, order: 90 },
      { role: 'module', path: XEN, commandLine: 'two', nounzip: false, order: 91 },
    ]
    const image = { ...next.place.launch.images[XEN]! }
    const rule = next.raw.variant!.commandLine
    const logged = more.map(({ commandLine }) => ({
      commandLine,
      digests: moduleDigests(commandLine, rule, image.digests),
    }))
    const { place } = entryWith(looked, { modules: [...entry.modules, ...more] })
    const images = { ...place.launch.images, '/one.bin': image }
    const all = { ...log, modules: [...log.modules, ...logged] }
    const whyOf = async ({ path, commandLine }: BootFile) => {
      const { raw } = componentWith(looked, 'initramfs', { role: 'module', path, commandLine, changed: true })
      const found = await looked.vouch({
        raw,
        place: { ...place, log: all, launch: { ...place.launch, images } },
      })
      return vouchedByOf(found, 'module')?.why
    }
    // Its image is vouched for by nothing; its command line is not what is wrong with it.
    for (const file of more) expect(await whyOf(file)).not.toContain('the command line')
    expect(await whyOf({ ...more[0]!, commandLine: 'three' })).toContain('the command line of /one.bin')
  })
})

it('a changed line that dom0 writes too is asked, with its words', async () => {
  const looked = await look()
  const longer = <T extends { role: string; commandLine: string | null }>(one: T): T =>
    one.role === 'kernel' ? { ...one, commandLine: `${one.commandLine} nosmt` } : one
  const { place } = entryWith(looked, { modules: looked.entry.modules.map(longer) })
  const { raw } = rowsWith(looked, (pcr) => ({
    components: pcr.components.map((one) =>
      one.role === 'kernel' ? longer({ ...one, changed: true }) : one,
    ),
  }))
  const { questions } = await looked.vouch({ raw, place }, { isRegenerated: true })
  expect(questions).toMatchObject([
    { kind: 'command-line', role: 'kernel', path: KERNEL, added: ['nosmt'], removed: [] },
  ])
})

it('a component of which no file is known belongs to no package', async () => {
  const looked = await look()
  const { raw } = componentWith(looked, 'xen', { path: null })
  const found = await looked.vouch({ raw })
  expect(found.prediction.pcrs.flatMap((pcr) => pcr.components)).toContainEqual(
    expect.objectContaining({ role: 'xen', path: null, package: null }),
  )
})

describe("another device's entry", () => {
  const THERE = '00000000-aaaa-4000-8000-000000000000'

  /** Its kernel's line names that device, its kernel is the package's but not the one that was measured. */
  async function onDevice(uuid: string, change: (own: string) => Partial<LookedAt['next']['place']>) {
    const looked = await look()
    const own = looked.next.place.booted!.uuid!
    const named = <T extends { role: string; commandLine: string | null }>(one: T): T =>
      one.role === 'kernel' ? { ...one, commandLine: one.commandLine!.replace(own, uuid) } : one
    const { place } = entryWith(looked, { modules: looked.entry.modules.map(named) })
    const { raw } = rowsWith(looked, (pcr) => ({
      components: pcr.components.map((one) =>
        one.role === 'kernel' ? named({ ...one, changed: true }) : one,
      ),
    }))
    const { unvouched } = await looked.vouch({ raw, place: { ...place, known: new Map(), ...change(own) } })
    return unvouched.join().replaceAll(own, 'OWN')
  }
  const deviceOf = (uuid: string | null) => ({ label: 'aem.there', uuid }) as never

  it('may name that device where this boot names its own', async () => {
    expect(await onDevice(THERE, () => ({ device: deviceOf(THERE) }))).toBe('')
  })

  it("is as it stands where the device is this boot's own", async () => {
    const words = await onDevice(THERE, () => ({ known: null, device: deviceOf(THERE) }))
    expect(words).toContain(`${KERNEL} is not the one this boot used: + aem.uuid=${THERE}, - aem.uuid=OWN`)
    expect(words).toContain("/proc/cmdline is not the kernel's line of the entry")
  })

  it.each(['device', 'booted'])('is as it stands where the UUID of one is not known (%s)', async (which) => {
    const unknown = { device: deviceOf(THERE), [which]: deviceOf(null) }
    expect(await onDevice(THERE, () => unknown)).toContain(`: + aem.uuid=${THERE}, - aem.uuid=OWN`)
    expect(await onDevice('null', () => unknown)).toContain(': + aem.uuid=null, - aem.uuid=OWN')
  })
})

describe('a changed initramfs', () => {
  it('is vouched for where those bytes were made for that path in this boot, here or on another device', async () => {
    const looked = await look()
    const { raw } = componentWith(looked, 'initramfs', { changed: true })
    const own = looked.next.place.launch.images[INITRAMFS]!.storedDigests.sha256!
    const ruleWith = async (madeBefore: Map<string, string>) =>
      vouchedByOf(await looked.vouch({ raw }, { madeBefore }), 'initramfs')?.rule
    expect(await ruleWith(new Map([[INITRAMFS, own]]))).toBe('reproduced')
    expect(await ruleWith(new Map([[INITRAMFS, OTHER]]))).toBeNull()
    expect(await ruleWith(new Map([['/other.img', own]]))).toBeNull()
    const ruleOn = async (known: Map<string, string>) =>
      vouchedByOf(await looked.vouch({ raw, ...placeWith(looked, { known }) }), 'initramfs')?.rule
    expect(await ruleOn(new Map([[INITRAMFS, own]]))).toBe('reproduced')
    expect(await ruleOn(new Map([[INITRAMFS, OTHER]]))).toBeNull()
  })

  it('is vouched for by what dracut made of that very path', async () => {
    const looked = await look()
    const { raw } = componentWith(looked, 'initramfs', { changed: true })
    const sha256 = looked.next.place.launch.images[INITRAMFS]!.storedDigests.sha256!
    const made = { state: 'same', words: '-f', sha256 } as const
    const ruleWith = async (path: string) =>
      vouchedByOf(await looked.vouch({ raw }, { reproductions: new Map([[path, made]]) }), 'initramfs')?.rule
    expect(await ruleWith(INITRAMFS)).toBe('reproduced')
    expect(await ruleWith('/other.img')).toBeNull()
  })
})

describe('an entry that is not as it should be', () => {
  it('cannot be judged where grub.cfg was read and it is not known', async () => {
    const looked = await look()
    const next = { entry: null, why: 'it loads a chainloader' }
    const words = 'the entry that boots next cannot be judged: it loads a chainloader'
    expect((await looked.vouch(launchWith(looked, { next }))).unvouched).toContain(words)
    const unread = await looked.vouch(launchWith(looked, { next, isGrubRead: false }))
    expect(unread.unvouched).not.toContain(words)
  })

  it('without a kernel shows nothing of what Xen hands on', async () => {
    const looked = await look()
    const modules = looked.entry.modules.filter(({ role }) => role !== 'kernel')
    const { unvouched } = await looked.vouch(entryWith(looked, { modules }))
    expect(unvouched.join()).toContain('`xl info` hides what follows')
  })

  it('of another kind is held to nothing, one without a launcher to its modules', async () => {
    const looked = await look()
    const { raw } = unpredicted(looked)
    const images = imagesWithOther(looked, XEN)
    const unvouchedOf = async (change: Partial<LookedAt['entry']>) => {
      const { place } = entryWith(looked, change)
      return (await looked.vouch({ raw, place: { ...place, launch: { ...place.launch, images } } })).unvouched
    }
    expect(await unvouchedOf({})).toHaveLength(1)
    expect(await unvouchedOf({ launcher: null })).toHaveLength(1)
    expect(await unvouchedOf({ flavour: 'other' })).toEqual([])
  })
})

describe('a register', () => {
  it('that is not predicted takes nothing of its components', async () => {
    const looked = await look()
    const changed = { ...componentWith(looked, 'initramfs', { changed: true }).raw, calibrated: false }
    const pcrs = changed.pcrs.map((pcr) => ({ ...pcr, predicted: null }))
    expect((await looked.vouch({ raw: { ...changed, pcrs } })).unvouched).toEqual([])
    // What it holds is looked at apart, as the file of no register.
    const files = rowsWith(looked, () => ({ predicted: null }))
    const images = imagesWithOther(looked, XEN)
    expect((await looked.vouch({ ...files, ...launchWith(looked, { images }) })).unvouched.join()).toContain(
      `${XEN} is not the file of xen-hypervisor`,
    )
    // One that cannot be read now and is predicted counts as ever.
    const unread = changed.pcrs.map((pcr) => ({ ...pcr, now: null }))
    expect((await looked.vouch({ raw: { ...changed, pcrs: unread } })).unvouched.join()).toContain(INITRAMFS)
  })

  it('that is predicted speaks for its files, also where it cannot be read now', async () => {
    const looked = await look()
    // As the registers say it nothing changed.
    const { raw } = rowsWith(looked, ({ components }) => ({
      now: null,
      components: components.map((one) => ({ ...one, changed: false })),
    }))
    const images = imagesWithOther(looked, INITRAMFS)
    const { unvouched } = await looked.vouch({ raw, ...launchWith(looked, { images }) })
    expect(unvouched.filter((text) => !/^PCR \d+ would change/.test(text))).toEqual([])
  })

  it('may move for one of its components', async () => {
    const looked = await look()
    const { raw } = componentWith(looked, 'kernel', { changed: true })
    const pcrs = raw.pcrs.map((pcr) => (pcr.index === 19 ? { ...pcr, predicted: OTHER } : pcr))
    expect((await looked.vouch({ raw: { ...raw, pcrs } })).unvouched).toEqual([])
  })

  it('that is predicted alone makes a left-out module count; rules that are not known do not', async () => {
    const looked = await look()
    const { place } = entryWith(looked, { modules: looked.entry.modules.slice(0, -1) })
    const { raw } = rowsWith(looked, ({ index }) => (index === 18 ? {} : { predicted: null }))
    expect((await looked.vouch({ raw, place })).unvouched.join()).toContain('one is left out')
    const uncalibrated = { ...raw, calibrated: false }
    expect((await looked.vouch({ raw: uncalibrated, place })).unvouched.join()).not.toContain('left out')
    expect((await looked.vouch({ raw, place: { ...place, log: UNREAD } })).unvouched.join()).not.toContain(
      'left out',
    )
  })
})

describe('a file that no register speaks of', () => {
  const words = `${INITRAMFS}: it is not the one this boot used`

  /** The initramfs holds other bytes than this boot measured. */
  async function unvouchedWith(
    change: (looked: LookedAt) => Partial<LookedAt['log']> | null,
    raw: (looked: LookedAt) => Partial<LookedAt['next']['raw']> = () => ({}),
  ) {
    const looked = await look()
    const more = change(looked)
    const log = more === null ? UNREAD : { ...looked.log, ...more }
    const { launch } = looked.next.place
    const { place } = placeWith(looked, {
      log,
      launch: { ...launch, images: imagesWithOther(looked, INITRAMFS) },
    })
    return (
      await looked.vouch({ raw: { ...unpredicted(looked).raw, ...raw(looked) }, place })
    ).unvouched.join()
  }
  const ofInitramfs =
    (digests: (own: Readonly<Record<string, string | undefined>>) => object) =>
    ({ log }: LookedAt) => ({
      modules: log.modules.map((one, at) =>
        at === log.modules.length - 1 ? { ...one, digests: digests(one.digests) as never } : one,
      ),
    })
  const bothBanks = ({ next }: LookedAt) => {
    const { pcrs } = next.raw
    const rows = pcrs.map((pcr) => ({ ...pcr, predicted: null, components: [] }))
    return { pcrs: [...rows, ...rows.map((pcr) => ({ ...pcr, bank: 'sha1' as const }))] }
  }

  it('is named where the log shows that it changed', async () => {
    expect(await unvouchedWith(() => ({}))).toContain(words)
  })

  it('is not where the log, or the rules by which it was measured, are not known', async () => {
    expect(await unvouchedWith(() => null)).toBe('')
    expect(
      await unvouchedWith(
        () => ({}),
        () => ({ calibrated: false }),
      ),
    ).toBe('')
    expect(await unvouchedWith(({ log }) => ({ modules: log.modules.slice(0, -1) }))).not.toContain(words)
  })

  it('is not where the log has no digest in a bank of this TPM', async () => {
    expect(await unvouchedWith(ofInitramfs(() => ({ sha384: '00' })))).toBe('')
  })

  it('is named where one of two banks differs', async () => {
    // sha1 as measured: an image of other bytes would have to collide there.
    const looked = await look()
    const rule = looked.next.raw.variant!.commandLine
    const { sha1 } = moduleDigests('', rule, { sha1: 'f'.repeat(40), sha256: OTHER })
    expect(
      await unvouchedWith(
        ofInitramfs((own) => ({ ...own, sha1 })),
        bothBanks,
      ),
    ).toContain(words)
    // An image of which one bank alone is known is compared in that one.
    const { images: own } = looked.next.place.launch
    const sha256Alone = { ...own[INITRAMFS]!, digests: { sha256: own[INITRAMFS]!.digests.sha256! } }
    const images = { ...own, [INITRAMFS]: sha256Alone }
    const raw = { ...looked.next.raw, ...bothBanks(looked) }
    expect((await looked.vouch({ raw, ...launchWith(looked, { images }) })).unvouched).toEqual([])
    // Both as measured: the same bytes.
    const same = moduleDigests('', rule, { sha1: 'f'.repeat(40), sha256: OTHER })
    expect(
      await unvouchedWith(
        ofInitramfs(() => same),
        bothBanks,
      ),
    ).toBe('')
  })
})
