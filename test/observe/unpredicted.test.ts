/* Long: what no register tells of a next boot, one question after the other; the same world under each. */

import { describe, expect, it } from 'vitest'
import { describeOddEntry } from '../../src/core/decide/explain-change.ts'
import type { BootEntry } from '../../src/core/launch/boot-entry.ts'
import type { Digests, LaunchLog } from '../../src/core/launch/launch-log.ts'
import { predictLaunch } from '../../src/core/launch/predict.ts'
import type { LaunchPrediction, PredictedPcr } from '../../src/core/launch/prediction.ts'
import type { VouchRule } from '../../src/core/vouch/vouched-by.ts'
import { isOfLines, listUnaccounted, listUnpredicted } from '../../src/observe/launch/unpredicted.ts'
import type { Place, Prediction } from '../../src/observe/launch/vouch-evidence.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { disk, entryOf, imageOf, imagesOf, predictionInput, withXen } from '../core/launch/launch-world.ts'

/** What a prediction does not speak of, or cannot account for: Xen was updated, all else is as it was. */

const [BEFORE, AFTER] = [disk(), withXen(disk())]
const [XEN, KERNEL, INITRAMFS] = [AFTER.xen.path, AFTER.kernel.path, AFTER.initramfs.path]
const UNREAD = makeFailure('forward-seal-failed', { what: 'the log could not be read' })
const OTHER = 'ab'.repeat(32)
const input = predictionInput(BEFORE, AFTER, '1.10-tpm12')
const RAW = predictLaunch(input)
const LOG = input.log as LaunchLog

type Launch = Place['launch']

function placeOf(launch: Partial<Launch> = {}, log: Place['log'] = LOG): Place {
  const known = {
    next: { entry: entryOf(AFTER), why: null },
    images: imagesOf(AFTER),
    isGrubRead: true,
    odd: [],
  }
  return { launch: { ...known, ...launch }, log } as Place
}

const nextOf = (change: Partial<BootEntry>): Partial<Launch> => ({
  next: { entry: { ...entryOf(AFTER), ...change }, why: null },
})

const rows = (change: (pcr: PredictedPcr) => Partial<PredictedPcr>): LaunchPrediction => ({
  ...RAW,
  pcrs: RAW.pcrs.map((pcr) => ({ ...pcr, ...change(pcr) })),
})

it('the world of these tests predicts each register', () => {
  expect(RAW.calibrated).toBe(true)
  expect(RAW.pcrs.map(({ index, predicted }) => [index, predicted !== null])).toEqual(
    [17, 18, 19].map((index) => [index, true]),
  )
})

describe('what nothing accounts for', () => {
  /** The registers of the prediction, each component vouched for by what `rules` says of its role. */
  const vouched = (raw: LaunchPrediction, rules: Readonly<Record<string, VouchRule | null>> = {}) =>
    raw.pcrs.map((pcr) => ({
      ...pcr,
      vouched: true,
      components: pcr.components.map((one) => ({
        ...one,
        vouchedBy: { rule: rules[one.role] ?? (one.role === 'xen' ? 'packaged' : 'unchanged'), why: '' },
      })),
    })) as Prediction['pcrs']
  const unaccounted = (place: Place, raw = RAW, pcrs = vouched(raw)) => listUnaccounted(raw, place, pcrs)

  it('is nothing where the one register that moves holds the updated Xen', () => {
    expect(unaccounted(placeOf())).toEqual([])
  })

  describe('of the entry that boots next', () => {
    const none = { next: { entry: null, why: '"once" runs a command that is none of AEM\'s' } }

    it('is all where it cannot be judged though grub.cfg was read', () => {
      const words = [`the entry that boots next cannot be judged: ${none.next.why}`]
      expect(unaccounted(placeOf({ ...none, isGrubRead: true }))).toEqual(words)
      expect(unaccounted(placeOf({ ...none, isGrubRead: true }, UNREAD))).toEqual(words)
    })

    it('is nothing where no grub.cfg was read: nothing is predicted of it', () => {
      for (const isGrubRead of [false, undefined]) {
        const { isGrubRead: _, ...launch } = placeOf(none).launch
        const read = isGrubRead === undefined ? {} : { isGrubRead }
        expect(unaccounted({ launch: { ...launch, ...read }, log: LOG } as Place)).toEqual([])
      }
    })

    it('are the entries that do more than those of AEM, whatever is known of the log', () => {
      const odd = ['"once" of custom.cfg, which runs acpi', '"twice", which loads /more.img']
      for (const log of [LOG, UNREAD])
        expect(unaccounted(placeOf({ odd }, log))).toEqual(odd.map(describeOddEntry))
    })
  })

  describe('of the modules', () => {
    const left = 'the entry loads 2 modules, this boot measured 3: one is left out'
    const less = placeOf(nextOf({ modules: entryOf(AFTER).modules.slice(0, 2) }))

    it('is one that is left out, as soon as one register is predicted', () => {
      expect(unaccounted(less)).toEqual([left])
      expect(
        unaccounted(
          less,
          rows(({ index }) => (index === 19 ? { predicted: null } : {})),
        ),
      ).toEqual([left])
      expect(
        unaccounted(
          less,
          rows(() => ({ predicted: null })),
        ),
      ).toEqual([])
    })

    it('is none where the launch cannot be told from its log', () => {
      expect(unaccounted({ ...less, log: UNREAD })).toEqual([])
      expect(unaccounted(less, { ...RAW, calibrated: false })).toEqual([])
    })

    it('is none where there is one more: that is looked at as such', () => {
      const more = disk({ ...AFTER, extra: [{ path: '/more.img', content: 'more', commandLine: '' }] })
      expect(
        unaccounted(placeOf({ next: { entry: entryOf(more), why: null }, images: imagesOf(more) })),
      ).toEqual([])
    })

    it('is counted by the files of the device that boots next', () => {
      const policy = {
        ...imagesOf(AFTER),
        [INITRAMFS]: { ...imageOf('a policy'), kind: 'policy-data' as const },
      }
      expect(unaccounted(placeOf({ nextImages: policy }))).toEqual([left])
      expect(unaccounted(placeOf({ images: policy, nextImages: imagesOf(AFTER) }))).toEqual([])
    })
  })

  describe('of the registers', () => {
    const moved = (index: number) => rows((pcr) => (pcr.index === index ? { predicted: OTHER } : {}))
    const words = (index: number) => [
      `PCR ${index} would change, and nothing that is measured into it accounts for that`,
    ]

    it.each([17, 18, 19])('is PCR %i where it moves and each of its components is unchanged', (index) => {
      const raw = moved(index)
      const rules = { xen: 'unchanged' } as const
      // Xen does move its own register: that one is as it should be.
      const pcrs = vouched(raw, rules).map((pcr) =>
        pcr.index === index ? pcr : { ...pcr, now: pcr.predicted },
      )
      expect(unaccounted(placeOf(), raw, pcrs)).toEqual(words(index))
    })

    it.each<[string, VouchRule | null]>([
      ['a package brought', 'packaged'],
      ['dom0 made again', 'reproduced'],
      ['a person accepted', 'accepted'],
      ['nothing vouches for, which is said apart', null],
    ])('is none that moves beside a component that %s', (_, rule) => {
      const raw = moved(19)
      const pcrs = raw.pcrs.map((pcr) => ({
        ...pcr,
        vouched: true,
        components: pcr.components.map((one) => ({
          ...one,
          vouchedBy: { rule: one.role === 'initramfs' || one.role === 'xen' ? rule : 'unchanged', why: '' },
        })),
      })) as Prediction['pcrs']
      expect(unaccounted(placeOf(), raw, pcrs)).toEqual([])
    })

    it('is one that moves and holds nothing', () => {
      const raw = rows(({ index }) => (index === 19 ? { predicted: OTHER, components: [] } : {}))
      expect(unaccounted(placeOf(), raw)).toEqual(words(19))
    })

    it('is none that is not predicted, or stays, though all in it is unchanged', () => {
      const rules = { xen: 'unchanged' } as const
      const none = rows(() => ({ predicted: null }))
      expect(unaccounted(placeOf(), none, vouched(none, rules))).toEqual([])
      const same = rows(({ now }) => ({ predicted: now }))
      expect(unaccounted(placeOf(), same, vouched(same, rules))).toEqual([])
    })
  })
})

describe('a register of command lines alone', () => {
  const isOf = (log: Place['log'], index: number) => isOfLines(placeOf({}, log), index)
  const TRENCHBOOT: LaunchLog = { ...LOG, kind: 'trenchboot' }

  it.each([
    ['TrenchBoot', TRENCHBOOT, 17, false],
    ['TrenchBoot', TRENCHBOOT, 18, true],
    ['TrenchBoot', TRENCHBOOT, 19, false],
    ['tboot', LOG, 18, false],
    ['tboot', LOG, 17, false],
    ['an unread log', UNREAD, 18, false],
    ['an unread log', UNREAD, 17, false],
  ] as const)('of %s: %#', (_, log, index, expected) => {
    expect(isOf(log, index)).toBe(expected)
  })
})

describe('a file that no predicted register speaks of', () => {
  const listed = (raw: LaunchPrediction, place = placeOf()) =>
    listUnpredicted(raw, place).map(({ path, changed }) => [path, changed])
  const none = rows(() => ({ predicted: null }))
  const [TBOOT] = [entryOf(AFTER).launcher!.path]

  it('is none where each is in a predicted register', () => {
    expect(listed(RAW)).toEqual([])
    // What the register holds now is no prediction, and not needed for one.
    expect(listed(rows(() => ({ now: null })))).toEqual([])
  })

  it('is each of the entry where none is predicted, and the log says of a module whether it changed', () => {
    const changed = [
      [TBOOT, null],
      [XEN, true],
      [KERNEL, false],
      [INITRAMFS, false],
    ]
    expect(listed(none)).toEqual(changed)
    expect(listed({ ...RAW, pcrs: [] })).toEqual(changed.map(([path]) => [path, null]))
    const [, xen] = listUnpredicted(none, placeOf())
    expect(xen).toEqual({ role: 'xen', path: XEN, commandLine: AFTER.xen.commandLine, changed: true })
  })

  it('is one of a register that is not predicted, though others are', () => {
    const of = (path: string) =>
      RAW.pcrs.find(({ components }) => components.some((one) => one.path === path))
    const index = of(INITRAMFS)!.index
    const raw = rows((pcr) => (pcr.index === index ? { predicted: null } : {}))
    const inIt = RAW.pcrs.find((pcr) => pcr.index === index)!.components.map(({ path }) => path)
    const known = { [TBOOT]: null, [XEN]: true, [KERNEL]: false, [INITRAMFS]: false }
    const missing = Object.entries(known).filter(([path]) => inIt.includes(path))
    expect(missing.length).toBeGreaterThan(0)
    expect(missing.length).toBeLessThan(4)
    expect(listed(raw)).toEqual(missing)
  })

  it('is none of an entry that is not known, or none of AEM', () => {
    expect(listed(none, placeOf({ next: { entry: null, why: 'unknown' } }))).toEqual([])
    expect(listed(none, placeOf(nextOf({ flavour: 'other' })))).toEqual([])
  })

  it('may be a module of an entry that names no launcher', () => {
    expect(listed(none, placeOf(nextOf({ launcher: null })))).toEqual([
      [XEN, true],
      [KERNEL, false],
      [INITRAMFS, false],
    ])
  })

  it('is each of TrenchBoot that only the register of command lines names', () => {
    const all = RAW.pcrs.flatMap(({ components }) => components)
    const raw = rows(({ index }) => ({ components: index === 18 ? all : [] }))
    expect(listed(raw)).toEqual([])
    const log: LaunchLog = { ...LOG, kind: 'trenchboot' }
    expect(listed(raw, placeOf({}, log)).map(([path]) => path)).toEqual([TBOOT, XEN, KERNEL, INITRAMFS])
  })

  it('is the one of the device that boots next', () => {
    const evil = { ...imagesOf(BEFORE), [KERNEL]: imageOf('an evil kernel') }
    expect(listed(none, placeOf({ nextImages: evil }))).toEqual([
      [TBOOT, null],
      [XEN, false],
      [KERNEL, true],
      [INITRAMFS, false],
    ])
  })

  it.each<[string, LaunchPrediction, Place]>([
    ['the rules of this machine are not known', { ...none, calibrated: false }, placeOf()],
    ['the log cannot be read', none, placeOf({}, UNREAD)],
    ['the log names no module', none, placeOf({}, { ...LOG, modules: [] })],
    ['the files cannot be read', none, placeOf({ images: {} })],
  ])('is not known to have changed where %s', (_, raw, place) => {
    expect(listed(raw, place)).toEqual([TBOOT, XEN, KERNEL, INITRAMFS].map((path) => [path, null]))
  })

  describe('is compared in each bank that is predicted in and that the log has', () => {
    const [SAME, ELSE] = ['aa', 'bb']
    /** What is said of the kernel, which lies there as `made`, of a launch that hashes no line with it. */
    const changedOf = (made: Digests, logged: Digests, banks: readonly ('sha1' | 'sha256')[]) => {
      const modules = LOG.modules.map((one, at) => (at === 1 ? { ...one, digests: logged } : one))
      const images = { ...imagesOf(AFTER), [KERNEL]: { ...imageOf(''), digests: made } }
      const pcrs = banks.map((bank) => ({ ...RAW.pcrs[0]!, bank, predicted: null }))
      return listUnpredicted({ ...RAW, variant: null, pcrs }, placeOf({ images }, { ...LOG, modules })).find(
        ({ path }) => path === KERNEL,
      )?.changed
    }
    const both = ['sha1', 'sha256'] as const

    it.each<[Digests, Digests, readonly ('sha1' | 'sha256')[], boolean | null]>([
      [{ sha1: SAME, sha256: SAME }, { sha1: SAME, sha256: SAME }, both, false],
      [{ sha1: SAME, sha256: ELSE }, { sha1: SAME, sha256: SAME }, both, true],
      [{ sha1: ELSE, sha256: SAME }, { sha1: SAME, sha256: SAME }, both, true],
      [{ sha1: ELSE, sha256: SAME }, { sha1: SAME, sha256: SAME }, ['sha256'], false],
      [{ sha1: SAME, sha256: ELSE }, { sha1: SAME, sha256: SAME }, ['sha256'], true],
      [{ sha1: SAME, sha256: SAME }, { sha256: SAME }, both, false],
      [{ sha1: SAME, sha256: ELSE }, { sha256: SAME }, both, true],
      [{ sha256: SAME }, { sha1: SAME, sha256: SAME }, both, false],
      [{ sha256: ELSE }, { sha1: SAME, sha256: SAME }, both, true],
      [{ sha256: SAME }, { sha1: SAME }, both, null],
      [{ sha1: SAME }, { sha1: SAME }, ['sha256'], null],
      [{}, { sha256: SAME }, both, null],
    ])('made %j, logged %j, banks %j', (made, logged, banks, expected) => {
      expect(changedOf(made, logged, banks)).toBe(expected)
    })
  })
})
