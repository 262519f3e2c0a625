import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  addToCatalogue,
  evidenceOf,
  findBulletin,
  laterReleasesOnly,
  makeCatalogue,
  parseBulletinId,
} from '../../../src/core/bulletin/catalogue.ts'
import { CATALOGUE } from '../../../src/core/bulletin/catalogue-data.ts'
import {
  type BulletinState,
  decideBulletin,
  decideCheck,
  pcrsThatMayChange,
} from '../../../src/core/bulletin/decide-bulletins.ts'
import { listLowered } from '../../../src/core/bulletin/revision.ts'
import type { Failure } from '../../../src/core/failure.ts'
import { allBulletins, bulletinOf, CORPUS, parseText, textOf } from './corpus.ts'
import { AFTER, BOOT, decideBulletins, dom0 } from './dom0.ts'

const source = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

const listOf = (...bulletins: BulletinState[]) => ({
  bulletins,
  releaseKnown: true,
  laterReleasesOnly: [116],
})

describe('the built-in catalogue', () => {
  it('is what the script makes of the corpus', () => {
    const made = execFileSync('node', [source('tools/generate-catalogue.mjs'), CORPUS, '-'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    expect(made).toBe(readFileSync(source('src/core/bulletin/catalogue-data.ts'), 'utf8'))
  })

  it('holds all with a notice, and changes of Xen without one', () => {
    expect(CATALOGUE).toEqual(makeCatalogue(allBulletins()))
    expect(CATALOGUE.bulletins.filter(({ reseal }) => reseal)).toHaveLength(80)
    const silent = CATALOGUE.bulletins.filter(({ reseal }) => !reseal).map(({ id }) => id)
    expect(silent).toEqual([1, 2, 10, 21, 22, 24, 25])
  })

  it('says how old it is', () => {
    expect([CATALOGUE.newest, CATALOGUE.date]).toEqual([116, '2026-07-28'])
  })

  it.each([
    ['103', 103],
    ['QSB-103', 103],
    ['qsb-007', 7],
    ['#7', 7],
    ['qsb-103-2024', 103],
    ['./103', null],
    ['qsb-103-2024.txt', null],
    ['0', null],
  ])('takes %s for %s', (text, id) => {
    expect(parseBulletinId(text)).toBe(id)
  })

  it('has the next step for a bulletin it does not hold', () => {
    const failureOf = (id: number): string => {
      try {
        findBulletin(CATALOGUE, id)
        return 'found'
      } catch (error) {
        return (error as Failure).text.code
      }
    }
    expect(failureOf(103)).toBe('found')
    expect(failureOf(117)).toBe('bulletin-newer-than-catalogue')
    expect(failureOf(111)).toBe('bulletin-not-in-catalogue')
  })

  it('takes a newer bulletin in', () => {
    const newer = { ...bulletinOf(116), id: 117 }
    expect(findBulletin(addToCatalogue(CATALOGUE, newer), 117)).toBe(newer)
  })
})

describe.each([
  ['4.1', '4.14.6-10', '4.14.6-8', '4.14.6', 103],
  ['4.2', '4.17.6-6', '4.17.6-5', '4.17.6', 115],
  ['4.3', '4.19.5-2', '4.19.4-9', '4.19.4', 116],
] as const)('a dom0 of Qubes %s', (release, current, previous, running, last) => {
  it('up to date: everything is met and nothing is due', () => {
    const list = dom0(release).xen(current).list()
    expect(list.bulletins[0]?.id).toBe(last)
    expect(list.bulletins.every(({ met, restartDue }) => met === true && restartDue === false)).toBe(true)
    expect(decideCheck(list, null)).toMatchObject({ verdict: 'met', exit: 0 })
  })

  it('behind: the last one is not met', () => {
    const list = dom0(release).xen(previous).runningXen(running).list()
    expect(list.bulletins.filter(({ met }) => met === false).map(({ id }) => id)).toEqual([last])
    expect(list.bulletins[0]).toMatchObject({
      restartDue: false,
      missing: [
        { component: 'xen', installed: `2001:${previous}.fc${{ '4.1': 32, '4.2': 37, '4.3': 41 }[release]}` },
        {},
        {},
        {},
        {},
        {},
      ],
    })
    expect(decideCheck(list, null)).toEqual({ verdict: 'unmet', exit: 1, because: [last] })
  })

  it('updated but not restarted: the last one is due', () => {
    const list = dom0(release).xen(current, AFTER).runningXen(running, 'aa', 'bb').list()
    expect(list.bulletins.every(({ met }) => met === true)).toBe(true)
    expect(list.bulletins.filter(({ restartDue }) => restartDue === true).map(({ id }) => id)).toEqual([last])
    expect(decideCheck(list, null)).toEqual({ verdict: 'restart-due', exit: 3, because: [last] })
  })

  it('lists the newest first and only what concerns it', () => {
    const ids = dom0(release)
      .xen(current)
      .list()
      .bulletins.map(({ id }) => id)
    expect(ids).toEqual(ids.toSorted((a, b) => b - a))
    const named = allBulletins().filter(({ dom0: demands }) =>
      demands.some((each) => each.release === release),
    )
    expect(ids.every((id) => named.some((each) => each.id === id))).toBe(true)
  })
})

describe('a kernel that only a file of the user lists', () => {
  const packages = [{ name: 'Linux kernel packages', component: 'kernel', version: '6.3.11-1' }] as const
  const file = { ...bulletinOf(103), id: 117, dom0: [{ release: '4.1', packages }] }
  const machine = dom0('4.1').xen('4.14.6-10').with('kernel-latest-qubes-vm', '1000:6.3.12-1.qubes.fc32')
  const stateBy = (approval: 'approved' | 'single') =>
    decideBulletins(
      addToCatalogue(CATALOGUE, file),
      machine.facts(),
      evidenceOf(CATALOGUE, file, approval),
    ).bulletins.find(({ id }) => id === 92)

  it('is told by a fully signed one', () => {
    expect(stateBy('approved')).toMatchObject({ met: true, metThrough: [117], missing: [] })
  })

  it('is not told by one with one signature of two', () => {
    expect(stateBy('single')).toMatchObject({ met: null, metThrough: [], restartDue: null })
  })
})

describe('QSB-103 on Qubes 4.2', () => {
  const state = (machine: ReturnType<typeof dom0>) => machine.state(103)

  it('is due when its very version came after the start', () => {
    expect(state(dom0('4.2').xen('4.17.4-4', AFTER))?.restartDue).toBe(true)
    expect(state(dom0('4.2').xen('4.17.4-4', BOOT))?.restartDue).toBe(false)
  })

  it('is not due when the installed build runs, whatever the times say', () => {
    expect(state(dom0('4.2').xen('4.17.4-4', AFTER).runningXen('4.17.4', 'aa', 'aa'))?.restartDue).toBe(false)
  })

  it('is not due when a later version runs already', () => {
    expect(state(dom0('4.2').xen('4.17.5-4', AFTER).runningXen('4.17.5', 'aa', 'bb'))?.restartDue).toBe(false)
  })

  it('is due when an older version runs', () => {
    expect(state(dom0('4.2').xen('4.17.5-4', AFTER).runningXen('4.17.3'))?.restartDue).toBe(true)
  })

  it('is due when another build runs than the one that was installed before the start', () => {
    expect(state(dom0('4.2').xen('4.17.4-4').runningXen('4.17.4', 'aa', 'bb'))?.restartDue).toBe(true)
  })

  it('is open when a newer one came after the start and nothing tells which ran before', () => {
    const open = state(dom0('4.2').xen('4.17.4-9', AFTER).runningXen('4.17.4'))
    expect(open).toMatchObject({ met: true, restartDue: null })
    expect(decideCheck(listOf(open!), 103)).toEqual({
      verdict: 'restart-perhaps-due',
      exit: 3,
      because: [103],
    })
  })

  it('is open without the time of the start or of the installation', () => {
    expect(state(dom0('4.2').xen('4.17.4-4').bootUnknown())?.restartDue).toBeNull()
    expect(state(dom0('4.2').xen('4.17.4-4', null))?.restartDue).toBeNull()
  })

  it('is open when packages are unknown', () => {
    const unknown = decideBulletin(bulletinOf(103), { ...dom0('4.2').facts(), installed: null }, [])
    expect(unknown).toMatchObject({ met: null, restartDue: null })
    expect(decideCheck(listOf(unknown!), 103)).toMatchObject({
      verdict: 'unknown',
      exit: 1,
    })
  })
})

describe('other restarts', () => {
  const due = (id: number, machine: ReturnType<typeof dom0>) =>
    decideBulletin(bulletinOf(id), machine.facts(), CATALOGUE.bulletins)?.restartDue

  it('of the session may be due (111)', () => {
    expect(due(111, dom0('4.3').with('xfce4-screensaver', '4.18.4-5.fc41', AFTER))).toBeNull()
    expect(due(111, dom0('4.3').with('xfce4-screensaver', '4.18.4-5.fc41'))).toBe(false)
  })

  it('of qubes: a kernel from before the start is enough, though a newer one came later (92)', () => {
    const machine = dom0('4.2').without('kernel-qubes-vm').with('kernel-qubes-vm', '1000:6.1.43-1.qubes.fc37')
    expect(due(92, machine)).toBe(false)
    expect(due(92, machine.with('kernel-qubes-vm', '1000:6.6.2-1.qubes.fc37', AFTER))).toBe(false)
    expect(
      due(92, machine.without('kernel-qubes-vm').with('kernel-qubes-vm', '1000:6.1.43-1.qubes.fc37', AFTER)),
    ).toBeNull()
  })

  it('of dom0 for the kernel that runs (64)', () => {
    const machine = dom0('4.1').instead('kernel', '1000:5.10.16-1.qubes.fc32', AFTER)
    expect(due(64, machine.runningKernel('5.10.8-1.qubes.fc32.x86_64'))).toBe(true)
    expect(due(64, machine.runningKernel('5.10.16-1.qubes.fc32.x86_64'))).toBe(false)
    expect(due(64, machine.runningKernel('5.4.98-1.qubes.fc32.x86_64'))).toBe(false)
    expect(due(64, machine.runningKernel('5.4.90-1.qubes.fc32.x86_64'))).toBe(true)
  })

  it('of dom0 for microcode (114)', () => {
    expect(
      due(114, dom0('4.3').xen('4.19.5-2').instead('microcode_ctl', '2:2.1.20260512-1.fc41', AFTER)),
    ).toBe(true)
  })

  it('of dom0 is needed for Xen also where the bulletin does not say so', () => {
    const silent = { ...bulletinOf(103), restart: 'unstated' as const }
    expect(decideBulletin(silent, dom0('4.2').xen('4.17.4-4', AFTER).facts(), [])?.restartDue).toBe(true)
    expect(due(99, dom0('4.2').with('qubes-core-qrexec-dom0', '4.2.17-1.fc37', AFTER))).toBe(false)
  })

  it('is none for templates and where nothing is asked', () => {
    const none = { ...bulletinOf(103), restart: 'none' as const }
    expect(decideBulletin(none, dom0('4.2').xen('4.17.4-4', AFTER).facts(), [])?.restartDue).toBe(false)
  })
})

describe('decideCheck', () => {
  it('is done where nothing is asked of the release', () => {
    expect(decideCheck(listOf(), 105)).toEqual({
      verdict: 'nothing-asked',
      exit: 0,
      because: [],
    })
    expect(decideBulletin(bulletinOf(116), dom0('4.2').facts(), [])).toBeNull()
  })

  it('knows nothing of a release that no bulletin names', () => {
    const list = decideBulletins(CATALOGUE, { ...dom0('4.3').xen('4.19.5-2').facts(), release: '4.4' })
    expect(list).toMatchObject({ release: '4.4', releaseKnown: false, bulletins: [] })
    expect(decideCheck(list, null)).toEqual({ verdict: 'unknown', exit: 1, because: [] })
  })

  it('knows nothing of a bulletin that names later releases only', () => {
    expect(decideCheck(listOf(), 116)).toEqual({ verdict: 'unknown', exit: 1, because: [] })
    expect(decideCheck(listOf(), null).verdict).toBe('nothing-asked')
  })

  it('takes a release for known by the one bulletin that names it', () => {
    const own = { release: '4.4', packages: bulletinOf(116).dom0[0]!.packages }
    const catalogue = addToCatalogue(CATALOGUE, { ...bulletinOf(116), id: 117, dom0: [own] })
    const list = decideBulletins(catalogue, { ...dom0('4.3').xen('4.19.5-2').facts(), release: '4.4' })
    expect(list.bulletins.map(({ id, met }) => [id, met])).toEqual([[117, true]])
  })

  it('puts an unmet bulletin before a restart', () => {
    const list = decideBulletins(CATALOGUE, dom0('4.2').xen('4.17.4-4', AFTER).facts())
    expect(decideCheck(list, null).verdict).toBe('unmet')
  })
})

describe('bulletins after the last one for a release', () => {
  it.each([
    ['4.1', [106, 107, 108, 109, 110, 112, 113, 114, 115, 116]],
    ['4.2', [116]],
    ['4.3', []],
    ['4.4', []],
  ])('Qubes %s: %j', (release, ids) => {
    expect(laterReleasesOnly(CATALOGUE, release)).toEqual(ids)
  })
})

describe('another text of a bulletin', () => {
  const revised = (change: (text: string) => string, id = 103) => parseText(change(textOf(id)))
  const lower = revised((text) => text.replace('4.17.4-4', '4.17.4-3'))
  const silent = revised((text) => text.replace(/ {2}For Qubes 4\.2, in dom0:\n.*\n/, ''))
  const higherDemand = revised((text) => text.replace('4.17.4-4', '4.17.4-5'))
  const at = (version: string, text: typeof lower) =>
    decideBulletins(addToCatalogue(CATALOGUE, text), dom0('4.2').xen(version).facts()).bulletins.filter(
      ({ id }) => id === 103,
    )

  it('cannot lower the demand of the catalogue', () => {
    expect(at('4.17.4-3', lower)).toMatchObject([
      { met: false, missing: [{ wanted: '4.17.4-4' }, {}, {}, {}, {}, {}] },
    ])
    expect(at('4.17.4-3', silent)).toMatchObject([{ met: false }])
    expect(at('4.17.4-4', lower)).toMatchObject([{ met: true, missing: [] }])
  })

  it('can raise it', () => {
    expect(at('4.17.4-4', higherDemand)).toMatchObject([
      { met: false, missing: [{ wanted: '4.17.4-5' }, {}, {}, {}, {}, {}] },
    ])
    expect(at('4.17.4-3', higherDemand)[0]?.missing[0]?.wanted).toBe('4.17.4-5')
  })

  it('cannot take a restart back', () => {
    const unstated = { ...lower, restart: 'none' as const }
    const facts = dom0('4.2').xen('4.17.4-4', AFTER).facts()
    const list = decideBulletins(addToCatalogue(CATALOGUE, unstated), facts)
    expect(list.bulletins.find(({ id }) => id === 103)?.restartDue).toBe(true)
  })

  it('is told where it asks for less, and only there', () => {
    const catalogued = bulletinOf(103)
    expect(listLowered(lower, catalogued, '4.2')).toEqual([
      { name: 'Xen packages', catalogue: '4.17.4-4', file: '4.17.4-3' },
    ])
    expect(listLowered(lower, catalogued, '4.1')).toEqual([])
    expect(listLowered(silent, catalogued, '4.2')).toEqual([
      { name: 'Xen packages', catalogue: '4.17.4-4', file: null },
    ])
    expect(listLowered(higherDemand, catalogued, '4.2')).toEqual([])
    expect(listLowered(catalogued, catalogued, '4.2')).toEqual([])
  })

  it('is compared by kernel series', () => {
    const kernels = (text: string) => listLowered(parseText(text), bulletinOf(92), '4.2')
    expect(kernels(textOf(92))).toEqual([])
    expect(kernels(textOf(92).replaceAll('6.1.43', '6.1.42'))).toEqual([
      { name: 'Linux kernel packages (kernel*-qubes-vm)', catalogue: '6.1.43', file: '6.1.42' },
    ])
    expect(kernels(textOf(92).replaceAll('6.4.8', '6.4.9'))).toEqual([])
  })
})

describe('pcrsThatMayChange', () => {
  it.each([
    [103, [18, 19]],
    [76, [19]],
    [24, null],
  ])('%i: %j', (id, pcrs) => {
    expect(pcrsThatMayChange(bulletinOf(id))).toEqual(pcrs)
  })
})
