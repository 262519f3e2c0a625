import type { Bulletin } from '../core/bulletin/bulletin.ts'
import type { Catalogue } from '../core/bulletin/catalogue.ts'
import {
  type BulletinList,
  type BulletinState,
  type Dom0Facts,
  decideBulletin,
  makeBulletinList,
} from '../core/bulletin/decide-bulletins.ts'
import { demandsFor, type InstalledPackage, mainRelease } from '../core/bulletin/demand.ts'
import { namesToKnow, rpmNamesOf } from '../core/bulletin/rpm-names.ts'
import type { Host, Seen } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { observeMachine } from './machine.ts'
import { observePackage } from './packages.ts'
import { observeInstalledXen } from './status.ts'

type Lookups = ReadonlyMap<string, Seen<readonly InstalledPackage[]>>

/** How every bulletin of a catalogue stands on this dom0; null where the Qubes release is not known. */
export async function observeBulletins(host: Host, catalogue: Catalogue): Promise<BulletinList | null> {
  const facts = await observeDom0(host)
  if (facts === null) return null
  const release = mainRelease(facts.release)
  const relevant = catalogue.bulletins.filter((bulletin) => demandsFor(bulletin, release) !== null)
  const lookups = await lookUp(host, relevant, release)
  const states = relevant.flatMap((bulletin) => decideOne(bulletin, facts, lookups) ?? [])
  return makeBulletinList(catalogue, release, states)
}

async function observeDom0(host: Host): Promise<Omit<Dom0Facts, 'installed'> | null> {
  const machine = await observeMachine(host)
  if (machine.release === null) return null
  const { installedXen } = await observeInstalledXen(host)
  const { version, buildId } = machine.xen
  return {
    release: machine.release,
    running: {
      bootTime: machine.bootTime === null ? null : Date.parse(machine.bootTime) / 1000,
      xen: { version, buildId, installedBuildId: installedXen.buildId },
      kernelRelease: machine.kernelRelease,
    },
  }
}

async function lookUp(host: Host, bulletins: readonly Bulletin[], release: string): Promise<Lookups> {
  const names = new Set(
    bulletins.flatMap((bulletin) =>
      (demandsFor(bulletin, release) ?? []).flatMap((item) => rpmNamesOf(item.name)),
    ),
  )
  const lookups = new Map<string, Seen<readonly InstalledPackage[]>>()
  for (const name of names) {
    const found = await observePackage(host, name)
    const packages = (valueOrNull(found) ?? []).map(({ evr, installedAt }) => ({
      name,
      evr,
      installTime: Date.parse(installedAt) / 1000,
    }))
    lookups.set(name, found.state === 'seen' ? { state: 'seen', value: packages } : found)
  }
  return lookups
}

/** Where a package that matters could not be looked up, nothing is claimed about the bulletin. */
function decideOne(
  bulletin: Bulletin,
  facts: Omit<Dom0Facts, 'installed'>,
  lookups: Lookups,
): BulletinState | null {
  const demands = demandsFor(bulletin, facts.release) ?? []
  const isKnown = demands.every((item) =>
    namesToKnow(item.name).every((name) => lookups.get(name)?.state === 'seen'),
  )
  const installed = isKnown ? [...lookups.values()].flatMap((found) => valueOrNull(found) ?? []) : null
  return decideBulletin(bulletin, { ...facts, installed })
}
