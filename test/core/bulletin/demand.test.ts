import { describe, expect, it } from 'vitest'
import type { BulletinPackage, Component } from '../../../src/core/bulletin/bulletin.ts'
import { decideDemands, demandsFor, listLaterKernels } from '../../../src/core/bulletin/demand.ts'
import { errataOf } from '../../../src/core/bulletin/errata.ts'
import { namesToKnow, rpmNamesOf, whenAbsent } from '../../../src/core/bulletin/rpm-names.ts'
import { judgeVersion, wantedFor } from '../../../src/core/bulletin/series.ts'
import { allBulletins, bulletinOf } from './corpus.ts'
import { dom0 } from './dom0.ts'

const demand = (name: string, version: string, component: Component): BulletinPackage => ({
  name,
  component,
  version,
})
const installed = (name: string, evr: string) => ({ name, evr, installTime: 1 })

describe('rpmNamesOf', () => {
  it.each([
    ['Xen packages', 'xen-hypervisor'],
    ['xen packages', 'xen-hypervisor'],
    ['Multiple Xen packages', 'xen-hypervisor'],
    ['Linux kernel packages (kernel*-qubes-vm)', 'kernel-qubes-vm'],
    ['kernel-latest packages', 'kernel-latest'],
    ['Linux kernel packages', 'kernel'],
    ['microcode_ctl package', 'microcode_ctl'],
    ['updated anti-evil-maid-dracut package', 'anti-evil-maid-dracut'],
    ['LVM2 packages', 'lvm2'],
    ['qrexec packages', 'qubes-core-qrexec'],
    ['dracut', 'dracut'],
    ['amd-ucode-firmware', 'amd-ucode-firmware'],
  ])('%s: %s first', (printed, first) => {
    expect(rpmNamesOf(printed)[0]).toBe(first)
  })

  it('takes a glob for the kernels of qubes only', () => {
    expect(rpmNamesOf('Linux kernel packages (kernel*-qubes-vm)')).not.toContain('kernel')
    expect(rpmNamesOf('Linux kernel packages')).toContain('kernel')
  })

  it('knows every name of every bulletin', () => {
    const names = new Set(
      allBulletins().flatMap((each) => each.dom0.flatMap(({ packages }) => packages.map(({ name }) => name))),
    )
    expect([...names].filter((name) => rpmNamesOf(name).length === 0)).toEqual([])
  })

  it('knows those that a dom0 may be without', () => {
    const packages = allBulletins().flatMap((each) => each.dom0.flatMap((release) => release.packages))
    const others = packages.filter(({ component }) => component === 'other')
    expect(others.filter((each) => whenAbsent(each) !== 'not-used')).toEqual([])
  })

  it('does not guess at other words', () => {
    expect(rpmNamesOf('Some new packages (foo*)')).toEqual([])
  })
})

describe('wantedFor', () => {
  const versions = ['6.1.43', '6.4.8', '5.15.124']
  it.each([
    ['1000:6.1.40-1.qubes.fc37', '6.1.43'],
    ['1000:5.15.130-1.qubes.fc37', '5.15.124'],
    ['1000:6.6.2-1.qubes.fc37', '6.4.8'],
    ['1000:6.2.9-1.qubes.fc37', '6.4.8'],
    ['1000:5.10.200-1.qubes.fc37', '5.15.124'],
  ])('of %s is %s', (evr, wanted) => {
    expect(wantedFor(evr, versions)).toBe(wanted)
  })
})

/** What a kernel of dom0 or of qubes means for the kernels that a bulletin lists, by all later bulletins of the release. */
const judge = (id: number, release: string, evr: string, bulletins = allBulletins()) => {
  const bulletin = bulletins.find((each) => each.id === id)!
  const versions = demandsFor(bulletin, release)!
    .filter(({ component }) => component === 'kernel')
    .map(({ version }) => version)
  const { met, through } = judgeVersion(evr, versions, listLaterKernels(bulletin, bulletins, release))
  return [met, through]
}

/*
 * Versions that Qubes published, with the forms of their releases and the days of their tags
 * (QubesOS/qubes-linux-kernel). `kernel` of Qubes 4.1 was 5.10 until June 2022, then 5.15, from May 2023 on 6.1.
 */
describe('a kernel against a bulletin that lists several', () => {
  it.each([
    // 78, of 2022-03-10: 5.10.104-2, 5.16.13-2
    ['the series is listed, older', 78, '4.1', '1000:5.10.104-1.fc32.qubes', false, null],
    ['the series is listed', 78, '4.1', '1000:5.10.104-3.fc32.qubes', true, null],
    ['newer than all', 78, '4.1', '1000:6.1.75-1.qubes.fc32', true, null],
    ['taken up later: 82 lists 5.15.52 (2022-07-05)', 78, '4.1', '1000:5.15.94-1.qubes.fc32', true, 82],
    ['exactly the version of 82', 78, '4.1', '1000:5.15.52-1.qubes.fc32', true, 82],
    ['after 78 and before 82', 78, '4.1', '1000:5.15.48-1.qubes.fc32', null, null],
    ['before 78, then called latest', 78, '4.1', '1000:5.15.14-1.fc32.qubes', null, null],
    ['given up long before', 78, '4.1', '1000:5.12.14-1.fc32.qubes', null, null],
    ['older than all', 78, '4.1', '1000:5.4.300-1.fc32.qubes', false, null],
    // 69, of 2021-06-08: 5.10.42-1, 5.12.9-1
    ['the series is listed', 69, '4.1', '1000:5.10.128-1.fc32.qubes', true, null],
    ['between', 69, '4.1', '1000:5.11.19-1.fc32.qubes', null, null],
    ["between 63's 5.4 and 5.9", 63, '4.1', '1000:5.8.16-1.fc32.qubes', null, null],
    // 69 lists only the latest kernel for Qubes 4.0, whose default was 5.4; 78 lists 5.4.183-2
    ['older than all, but kept: 78', 69, '4.0', '1000:5.4.190-1.fc25.qubes', true, 78],
    ['older than all, and than 78', 69, '4.0', '1000:5.4.120-1.fc25.qubes', false, null],
    // 82: 5.15.52, 5.8.9 (5.18.9 is meant), 5.10.128
    ['newer than the misprint, older than what is meant', 82, '4.1', '1000:5.18.3-1.fc32.qubes', false, null],
    ['the series of what is meant', 82, '4.1', '1000:5.18.9-1.fc32.qubes', true, null],
    ['given up two months before', 82, '4.1', '1000:5.17.7-1.fc32.qubes', null, null],
    ['the first series after it', 82, '4.1', '1000:5.19.9-1.fc32.qubes', true, null],
    // 92, of 2023-08-08: 6.1.43, 6.4.8 and, for 4.1, 5.15.124
    ['given up a month before', 92, '4.2', '1000:6.3.12-1.qubes.fc37', null, null],
    ['given up', 92, '4.1', '1000:5.10.188-1.fc32.qubes', false, null],
    ['later', 92, '4.2', '1000:6.12.63-1.qubes.fc37', true, null],
  ] as const)('%s: QSB-%i, %s, %s', (_, id, release, evr, met, through) => {
    expect(judge(id, release, evr)).toEqual([met, through])
  })

  it('is not met through an older bulletin, nor one for another release', () => {
    const without82 = allBulletins().filter(({ id }) => id !== 82)
    // 92 lists 5.15.124 for 4.1.
    expect(judge(78, '4.1', '1000:5.15.94-1.qubes.fc32', without82)).toEqual([null, null])
    expect(judge(78, '4.1', '1000:5.15.124-1.qubes.fc32', without82)).toEqual([true, 92])
    const older = { ...bulletinOf(82), id: 77 }
    const with77 = [...without82, older].filter(({ id }) => id !== 92)
    expect(judge(78, '4.1', '1000:5.15.124-1.qubes.fc32', with77)).toEqual([null, null])
    const foreign = {
      ...bulletinOf(82),
      dom0: bulletinOf(82).dom0.map((each) => ({ ...each, release: '4.9' })),
    }
    const withForeign = [...without82, foreign].filter(({ id }) => id !== 92)
    expect(judge(78, '4.1', '1000:5.15.124-1.qubes.fc32', withForeign)).toEqual([null, null])
  })

  it('is not met through a later list without its series, however new it is', () => {
    const only510 = {
      ...bulletinOf(92),
      id: 117,
      dom0: [{ release: '4.1', packages: [demand('Linux kernel packages', '5.10.200', 'kernel')] }],
    }
    const bulletins = [bulletinOf(78), only510]
    expect(judge(78, '4.1', '1000:5.15.94-1.qubes.fc32', bulletins)).toEqual([null, null])
  })

  it('takes the higher of two versions of one series', () => {
    expect(judgeVersion('5.10.104-2', ['5.10.104-2', '5.10.104-3'], []).met).toBe(false)
  })

  it('does not believe the misprint of QSB-82, and shows it', () => {
    const asked = demandsFor(bulletinOf(82), '4.1')!.map(({ version }) => version)
    expect(asked).toContain('5.18.9')
    expect(asked).not.toContain('5.8.9')
    expect(errataOf(bulletinOf(82))).toHaveLength(1)
    expect(errataOf(bulletinOf(92))).toEqual([])
    const fixed = { ...bulletinOf(82), dom0: [] }
    expect(errataOf(fixed)).toEqual([])
  })
})

describe('decideDemands', () => {
  it('finds QSB-103 met by exactly the version', () => {
    const demands = demandsFor(bulletinOf(103), '4.2')!
    expect(decideDemands(demands, dom0('4.2').xen('4.17.4-4').packages(), [])).toMatchObject({
      met: true,
      missing: [],
    })
  })

  it('is not misled by the epoch of Xen', () => {
    const demands = demandsFor(bulletinOf(103), '4.2')!
    const { met, missing } = decideDemands(demands, dom0('4.2').xen('4.17.4-3').packages(), [])
    expect(met).toBe(false)
    expect(missing[0]).toEqual({
      name: 'xen-hypervisor',
      component: 'xen',
      wanted: '4.17.4-4',
      installed: '2001:4.17.4-3.fc37',
      unclear: null,
    })
  })

  it('wants all Xen packages that are installed', () => {
    const demands = demandsFor(bulletinOf(103), '4.2')!
    const mixed = dom0('4.2').xen('4.17.4-4').instead('xen-libs', '2001:4.17.4-3.fc37')
    expect(decideDemands(demands, mixed.packages(), [])).toMatchObject({
      met: false,
      missing: [{ name: 'xen-libs' }],
    })
  })

  it('says nothing of a list without Xen', () => {
    const demands = demandsFor(bulletinOf(103), '4.2')!
    expect(decideDemands(demands, [installed('bash', '5.2-1')], [])).toMatchObject({
      met: null,
      missing: [{ name: 'xen-hypervisor', wanted: '4.17.4-4', installed: null }],
    })
    expect(decideDemands(demands, null, []).met).toBeNull()
  })

  it('takes the newest of several kernels', () => {
    const wanted = [
      demand('Kernel packages', '5.10.104-2', 'kernel'),
      demand('Kernel packages', '5.16.13-2', 'kernel'),
    ]
    const old = installed('kernel', '1000:5.10.90-1.qubes.fc32')
    const fixed = installed('kernel', '1000:5.10.104-2.qubes.fc32')
    expect(decideDemands(wanted, [old, fixed], []).met).toBe(true)
    expect(decideDemands(wanted, [fixed, old], []).met).toBe(true)
    expect(decideDemands(wanted, [old], [])).toMatchObject({
      met: false,
      missing: [{ wanted: '5.10.104-2' }],
    })
    const latest = installed('kernel-latest', '1000:5.16.9-1.qubes.fc32')
    expect(decideDemands(wanted, [fixed, latest], [])).toMatchObject({
      met: false,
      missing: [{ name: 'kernel-latest', wanted: '5.16.13-2', installed: '1000:5.16.9-1.qubes.fc32' }],
    })
  })

  it('says why it is not known', () => {
    const latest = installed('kernel-latest', '1000:6.3.12-1.qubes.fc37')
    const demands = demandsFor(bulletinOf(92), '4.2')!.map((each) => ({
      ...each,
      name: 'kernel-latest packages',
    }))
    expect(decideDemands(demands, [latest], [])).toMatchObject({
      met: null,
      missing: [{ name: 'kernel-latest', wanted: '6.4.8', unclear: 'series-not-listed' }],
    })
    const foreign = [demand('things (x)', '1-1', 'other')]
    expect(decideDemands(foreign, [], []).missing).toMatchObject([{ unclear: 'name-not-known' }])
    expect(decideDemands(demands, null, []).missing).toMatchObject([{ unclear: 'not-looked-up' }])
  })

  it('holds a series that is kept under a name of its own against that series only', () => {
    const demands = demandsFor(bulletinOf(92), '4.1')!
    const judged = (...kernels: (readonly [string, string])[]) =>
      decideDemands(
        demands,
        kernels.map(([name, version]) => installed(name, `1000:${version}-1.qubes.fc32`)),
        [],
      )
    const current = ['kernel-qubes-vm', '6.1.87'] as const
    expect(judged(current, ['kernel-515-qubes-vm', '5.15.123'])).toMatchObject({
      met: false,
      missing: [{ name: 'kernel-515-qubes-vm', wanted: '5.15.124', unclear: null }],
    })
    expect(judged(current, ['kernel-515-qubes-vm', '5.15.124']).met).toBe(true)
    expect(judged(current, ['kernel-510-qubes-vm', '5.10.213'])).toMatchObject({
      met: null,
      missing: [{ name: 'kernel-510-qubes-vm', unclear: 'series-not-listed' }],
    })
    expect(judged(current, ['kernel-66-qubes-vm', '6.6.31']).met).toBe(true)
    expect(namesToKnow(demands[0]!.name)).toEqual(['kernel-qubes-vm', 'kernel-latest-qubes-vm'])
  })

  it('knows what is missing even where another package could not be looked up', () => {
    const demands = demandsFor(bulletinOf(82), '4.1')!
    const old = dom0('4.1').xen('4.14.5-4').packages()
    const { met, missing } = decideDemands(demands, old, [], new Set(['kernel-latest-qubes-vm']))
    expect(met).toBe(false)
    expect(missing.map(({ name, unclear }) => [name, unclear])).toEqual(
      expect.arrayContaining([
        ['xen-hypervisor', null],
        ['kernel-latest-qubes-vm', 'not-looked-up'],
      ]),
    )
  })

  it.each([
    ['microcode_ctl', 'microcode', false],
    ['dracut', 'initramfs-tool', false],
    ['amd-ucode-firmware', 'firmware', false],
    ['xfce4-screensaver', 'other', true],
    ['screen-locker', 'other', null],
    ['kernel-latest packages', 'kernel', true],
    ['things nobody can map (x)', 'other', null],
  ] as const)('%s that is not installed', (name, component, met) => {
    expect(decideDemands([demand(name, '1.0-1', component)], [installed('bash', '5.2-1')], []).met).toBe(met)
  })

  it('asks nothing of a release that is not named', () => {
    expect(demandsFor(bulletinOf(116), '4.2')).toBeNull()
    expect(demandsFor(bulletinOf(103), '4.2.1')).not.toBeNull()
  })
})
