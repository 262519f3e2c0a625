import { describe, expect, it } from 'vitest'
import type { LaunchEvent, LaunchLog } from '../../../src/core/launch/launch-log.ts'
import { predictData, predictXen, uefiLine } from '../../../src/core/launch/predict-trenchboot.ts'
import type { XenMle } from '../../../src/core/launch/xen-mle.ts'
import { eventsOf } from '../../support/trenchboot-launch.ts'
import { digestsOf } from './explain-world.ts'
import { entry, launch, mleOf, NEW_XEN, parse } from './trenchboot-world.ts'

const logOf = (kind: 'intel-bios' | 'amd-bios' | 'intel-uefi') => parse(eventsOf(launch(kind)))
const AMD = logOf('amd-bios')
const OLD = mleOf(launch('amd-bios'))
const NEW = mleOf(launch('amd-bios', { xen: NEW_XEN }))

describe('Xen of the next boot', () => {
  const logged = AMD.events.find(({ origin }) => origin.kind === 'mle')!.digests.sha256
  const entered = AMD.events.find(({ origin }) => origin.kind === 'mle-entry')!.digests.sha256
  const same = { digest: logged, entry: entered }
  const predict = (
    booted: XenMle | null,
    next: XenMle | null,
    isUnchanged: boolean | null = null,
    log: LaunchLog = AMD,
  ) => {
    const found = predictXen({ log, bank: 'sha256', xen: { booted, next }, isUnchanged })
    return 'code' in found ? found.why : found
  }
  const without = (kind: string) => ({
    ...AMD,
    events: AMD.events.filter(({ origin }) => origin.kind !== kind),
  })
  const oneBank = ({ digests, entry: own }: XenMle, changes: Partial<XenMle>): XenMle => ({
    digests,
    entry: own,
    ...changes,
  })

  it('is the one of this boot where nothing changed', () => {
    expect(predict(null, null, true)).toEqual(same)
    expect(predict(null, OLD)).toEqual(same)
    expect(predict(null, OLD, false)).toEqual(same)
  })

  it('is computed as this boot measured the one before', () => {
    expect(predict(OLD, NEW)).toEqual({ digest: NEW.digests.header.sha256, entry: NEW.entry.sha256 })
    expect(predict(OLD, NEW, false, without('mle-entry'))).toEqual({
      digest: NEW.digests.header.sha256,
      entry: null,
    })
  })

  it('is entered where this boot entered it, as far as its file tells', () => {
    const { sha1 } = OLD.entry
    expect(predict(oneBank(OLD, { entry: { sha1: sha1! } }), NEW)).toMatchObject({ entry: NEW.entry.sha256 })
    for (const elsewhere of [digestsOf('elsewhere'), {}])
      expect(predict(oneBank(OLD, { entry: elsewhere }), NEW)).toContain('not on the device any more')
  })

  it.each<[string, XenMle | null, XenMle | null, LaunchLog, string]>([
    ['no log tells which entry it is', OLD, OLD, without('mle'), 'which of its entries is Xen'],
    ['its new file gives no hash', OLD, null, AMD, 'cannot be computed from its file'],
    ['the old file is gone', null, NEW, AMD, 'not on the device any more'],
    [
      'the old file is another',
      NEW,
      oneBank(NEW, { entry: digestsOf('x') }),
      AMD,
      'not on the device any more',
    ],
    [
      'it has two sizes of one hash',
      oneBank(OLD, { digests: { ...OLD.digests, rounded: OLD.digests.header } }),
      NEW,
      AMD,
      'not on the device any more',
    ],
    [
      'its hash is of another bank',
      OLD,
      oneBank(NEW, { digests: { ...NEW.digests, header: {} } }),
      AMD,
      'has no sha256 value',
    ],
    ['its entry is of another bank', OLD, oneBank(NEW, { entry: {} }), AMD, 'has no sha256 value'],
  ])('is not predicted where %s', (_, booted, next, log, why) => {
    expect(predict(booted, next, null, log)).toContain(why)
  })
})

describe('PCR 18 of the next boot on UEFI', () => {
  const log = logOf('intel-uefi')
  const own = entry(launch('intel-uefi'))
  const at = (origin: LaunchEvent['origin'], changes: Partial<LaunchEvent> = {}): LaunchEvent => ({
    pcr: 18,
    type: 0x502,
    digests: digestsOf('x'),
    origin,
    data: null,
    ...changes,
  })
  const predict = (changes: Partial<LaunchLog> = {}, booted: typeof own | null = own, next = own) => {
    const found = predictData({ ...log, ...changes }, 'sha256', booted, next)
    return 'code' in found ? found.code : found.map(({ digest }) => digest)
  }
  const before = log.events.filter(({ pcr }) => pcr === 18).map(({ digests }) => digests.sha256)

  it('is that of this boot where nothing changed, by either entry', () => {
    expect(predict()).toEqual(before)
    expect(predict({}, null)).toEqual(before)
    expect(predict({ launch: null })).toEqual(before)
  })

  it('has what tells the same of any boot, and nothing that is not of its bank', () => {
    expect(
      predict({
        events: [
          at({ kind: 'mle' }),
          at({ kind: 'other' }, { digests: {} }),
          at({ kind: 'other' }, { pcr: 17 }),
        ],
      }),
    ).toEqual([digestsOf('x').sha256])
  })

  const withXen = (commandLine: string) => ({ ...own, launcher: { ...own.launcher!, commandLine } })
  it.each<[string, Partial<LaunchLog>, typeof own | null, typeof own, string]>([
    ['from BIOS', { launch: { cpu: 'intel', firmware: 'bios' } }, own, own, 'trenchboot-command-line'],
    [
      'of a section that GRUB may not name',
      {},
      own,
      { ...own, efi: { ...own.efi!, isFirst: false } },
      'trenchboot-command-line',
    ],
    ["of options behind Xen's own", {}, own, withXen('console=none -- rd.x'), 'trenchboot-command-line'],
    [
      'of a line that no entry gives',
      { events: [at({ kind: 'command-line', moduleIndex: 0 })] },
      own,
      own,
      'trenchboot-command-line',
    ],
    [
      'of a module that no entry has',
      { events: [at({ kind: 'command-line', moduleIndex: 7 })] },
      own,
      own,
      'trenchboot-command-line',
    ],
    [
      'of a module that the next boot has no more',
      {},
      own,
      { ...own, modules: [] },
      'trenchboot-command-line',
    ],
    ['of nothing in the log', { events: [] }, own, own, 'trenchboot-multiboot-info'],
    ['of an entry of no known kind', { events: [at({ kind: 'other' })] }, own, own, 'unknown-module'],
  ])('is not predicted: %s', (_, changes, booted, next, code) => {
    expect(predict(changes, booted, next)).toBe(code)
  })

  it('of a BIOS entry is refused for its boot information alone, whatever options it has', () => {
    const bios = entry(launch('intel-bios', { xenOptions: 'a -- b' }))
    expect(predictData(logOf('intel-bios'), 'sha256', bios, bios)).toMatchObject({
      code: 'trenchboot-multiboot-info',
    })
    expect(predict({}, own, { ...withXen(`${own.launcher!.commandLine}`), form: 'bios' })).toEqual(before)
    expect(predict({}, own, { ...withXen('a -- b'), form: 'bios' })).toHaveLength(before.length)
  })
})

it.each([
  ['kernel', '/efi/EFI/qubes/vmlinuz', 'ro quiet', 'vmlinuz ro quiet'],
  ['initramfs', '/efi/EFI/qubes/initramfs.img', '', 'initramfs.img'],
  ['xen', '/efi/EFI/qubes/xen.efi', 'console=none', 'console=none'],
] as const)('Xen on UEFI measures for its %s a line', (role, path, commandLine, line) => {
  expect(uefiLine({ role, path, commandLine, nounzip: true, order: 1 })).toBe(line)
})
