import type { Bulletin } from '../../../src/core/bulletin/bulletin.ts'
import type { Catalogue } from '../../../src/core/bulletin/catalogue.ts'
import { CATALOGUE } from '../../../src/core/bulletin/catalogue-data.ts'
import {
  type BulletinList,
  type BulletinState,
  type Dom0Facts,
  decideBulletin,
  makeBulletinList,
} from '../../../src/core/bulletin/decide-bulletins.ts'
import type { InstalledPackage } from '../../../src/core/bulletin/demand.ts'

/**
 * How all bulletins of a catalogue stand, as observe/bulletin/bulletins.ts puts it together from what it looked up.
 * @param evidence those that may vouch for a version, see decideBulletin
 */
export const decideBulletins = (
  catalogue: Catalogue,
  facts: Dom0Facts,
  evidence: readonly Bulletin[] = catalogue.bulletins,
): BulletinList =>
  makeBulletinList(
    catalogue,
    facts.release,
    catalogue.bulletins.flatMap((bulletin) => decideBulletin(bulletin, facts, evidence) ?? []),
  )

/** 2024-08-01 08:00 UTC: packages are a day older than this unless said otherwise. */
export const BOOT = 1_722_499_200
const BEFORE = BOOT - 86_400
export const AFTER = BOOT + 3_600

const TAGS: Record<string, string> = { '4.1': 'fc32', '4.2': 'fc37', '4.3': 'fc41' }

/** A dom0 in words: `dom0('4.2').xen('4.17.4-4')`; all packages are new enough unless said otherwise. */
export const dom0 = (release: '4.1' | '4.2' | '4.3') => {
  const tag = TAGS[release]!
  let packages: InstalledPackage[] = []
  let facts: Omit<Dom0Facts, 'installed'> = {
    release,
    running: {
      bootTime: BOOT,
      xen: { version: null, buildId: null, installedBuildId: null },
      kernelRelease: null,
    },
  }
  const put = (name: string, evr: string, installTime: number | null = BEFORE) => {
    packages.push({ name, evr, installTime })
  }
  const machine = {
    xen: (version: string, installTime: number | null = BEFORE) => {
      packages = packages.filter(({ name }) => !/^(?:python3-)?xen/.test(name))
      for (const name of [
        'xen',
        'xen-hypervisor',
        'xen-libs',
        'xen-runtime',
        'xen-licenses',
        'python3-xen',
      ]) {
        put(name, `2001:${version}.${tag}`, installTime)
      }
      return machine
    },
    without: (name: string) => {
      packages = packages.filter((each) => each.name !== name)
      return machine
    },
    with: (name: string, evr: string, installTime: number | null = BEFORE) => {
      put(name, evr, installTime)
      return machine
    },
    instead: (name: string, evr: string, installTime: number | null = BEFORE) =>
      machine.without(name).with(name, evr, installTime),
    runningXen: (
      version: string | null,
      buildId: string | null = null,
      installedBuildId: string | null = null,
    ) => {
      facts = { ...facts, running: { ...facts.running, xen: { version, buildId, installedBuildId } } }
      return machine
    },
    runningKernel: (kernelRelease: string) => {
      facts = { ...facts, running: { ...facts.running, kernelRelease } }
      return machine
    },
    bootUnknown: () => {
      facts = { ...facts, running: { ...facts.running, bootTime: null } }
      return machine
    },
    packages: () => packages,
    facts: (): Dom0Facts => ({ ...facts, installed: packages }),
    list: () => decideBulletins(CATALOGUE, machine.facts()),
    state: (id: number): BulletinState | undefined => machine.list().bulletins.find((each) => each.id === id),
  }
  put('microcode_ctl', `2:2.1.20260512-1.${tag}`)
  put('linux-firmware', `20260701-1.${tag}`)
  put('amd-ucode-firmware', `20260701-1.${tag}`)
  put('dracut', `059-4.${tag}`)
  put('kernel', `1000:6.12.20-1.qubes.${tag}`)
  put('kernel-qubes-vm', `1000:6.12.20-1.qubes.${tag}`)
  put('lvm2', `2.03.20-1.${tag}`)
  return machine
}
