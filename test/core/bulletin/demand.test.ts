import { describe, expect, it } from 'vitest'
import type { BulletinPackage, Component } from '../../../src/core/bulletin/bulletin.ts'
import { decideDemands, demandsFor, wantedFor } from '../../../src/core/bulletin/demand.ts'
import { rpmNamesOf } from '../../../src/core/bulletin/rpm-names.ts'
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

describe('decideDemands', () => {
  it('finds QSB-103 met by the very version', () => {
    const demands = demandsFor(bulletinOf(103), '4.2')!
    expect(decideDemands(demands, dom0('4.2').xen('4.17.4-4').packages())).toMatchObject({
      met: true,
      missing: [],
    })
  })

  it('is not misled by the epoch of Xen', () => {
    const demands = demandsFor(bulletinOf(103), '4.2')!
    const { met, missing } = decideDemands(demands, dom0('4.2').xen('4.17.4-3').packages())
    expect(met).toBe(false)
    expect(missing[0]).toEqual({
      name: 'xen-hypervisor',
      component: 'xen',
      wanted: '4.17.4-4',
      installed: '2001:4.17.4-3.fc37',
    })
  })

  it('wants all Xen packages that are installed', () => {
    const demands = demandsFor(bulletinOf(103), '4.2')!
    const mixed = dom0('4.2').xen('4.17.4-4').instead('xen-libs', '2001:4.17.4-3.fc37')
    expect(decideDemands(demands, mixed.packages())).toMatchObject({
      met: false,
      missing: [{ name: 'xen-libs' }],
    })
  })

  it('says nothing of a list without Xen', () => {
    const demands = demandsFor(bulletinOf(103), '4.2')!
    expect(decideDemands(demands, [installed('bash', '5.2-1')])).toMatchObject({
      met: null,
      missing: [{ name: 'xen-hypervisor', wanted: '4.17.4-4', installed: null }],
    })
    expect(decideDemands(demands, null).met).toBeNull()
  })

  it('takes the newest of several kernels', () => {
    const wanted = [
      demand('Kernel packages', '5.10.104-2', 'kernel'),
      demand('Kernel packages', '5.16.13-2', 'kernel'),
    ]
    const old = installed('kernel', '1000:5.10.90-1.qubes.fc32')
    const fixed = installed('kernel', '1000:5.10.104-2.qubes.fc32')
    expect(decideDemands(wanted, [old, fixed]).met).toBe(true)
    expect(decideDemands(wanted, [fixed, old]).met).toBe(true)
    expect(decideDemands(wanted, [old])).toMatchObject({ met: false, missing: [{ wanted: '5.10.104-2' }] })
    const latest = installed('kernel-latest', '1000:5.16.9-1.qubes.fc32')
    expect(decideDemands(wanted, [fixed, latest])).toMatchObject({
      met: false,
      missing: [{ name: 'kernel-latest', wanted: '5.16.13-2', installed: '1000:5.16.9-1.qubes.fc32' }],
    })
  })

  it.each([
    ['microcode_ctl', 'microcode', false],
    ['dracut', 'initramfs-tool', false],
    ['amd-ucode-firmware', 'firmware', false],
    ['xfce4-screensaver', 'other', true],
    ['kernel-latest packages', 'kernel', true],
    ['things nobody can map (x)', 'other', null],
  ] as const)('%s that is not installed', (name, component, met) => {
    expect(decideDemands([demand(name, '1.0-1', component)], [installed('bash', '5.2-1')]).met).toBe(met)
  })

  it('asks nothing of a release that is not named', () => {
    expect(demandsFor(bulletinOf(116), '4.2')).toBeNull()
    expect(demandsFor(bulletinOf(103), '4.2.1')).not.toBeNull()
  })
})
