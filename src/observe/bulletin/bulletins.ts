import type { Bulletin } from '../../core/bulletin/bulletin.ts'
import type { Catalogue } from '../../core/bulletin/catalogue.ts'
import {
  type BulletinList,
  type Dom0Facts,
  decideBulletin,
  makeBulletinList,
} from '../../core/bulletin/decide-bulletins.ts'
import { demandsFor, type InstalledPackage, mainRelease } from '../../core/bulletin/demand.ts'
import { rpmNamesOf } from '../../core/bulletin/rpm-names.ts'
import type { Seen } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeInstalledXen } from '../dom0/status.ts'

type Lookups = ReadonlyMap<string, Seen<readonly InstalledPackage[]>>

/**
 * How every bulletin of a catalogue stands on this dom0; null where the Qubes release is not known.
 * @param evidence those that may vouch for a version that an earlier one does not list (decideBulletin)
 */
export async function observeBulletins(
  dom0: Dom0,
  catalogue: Catalogue,
  evidence: readonly Bulletin[] = catalogue.bulletins,
): Promise<BulletinList | null> {
  const facts = await observeFacts(dom0)
  if (facts === null) return null
  const release = mainRelease(facts.release)
  const relevant = catalogue.bulletins.filter((bulletin) => demandsFor(bulletin, release) !== null)
  const lookups = await lookUp(dom0, relevant, release)
  const known = { ...facts, ...knownOf(lookups) }
  const states = relevant.flatMap((bulletin) => decideBulletin(bulletin, known, evidence) ?? [])
  return makeBulletinList(catalogue, release, states)
}

async function observeFacts(dom0: Dom0): Promise<Omit<Dom0Facts, 'installed'> | null> {
  const machine = await dom0.machine()
  if (machine.release === null) return null
  const { installedXen } = await observeInstalledXen(dom0)
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

async function lookUp(dom0: Dom0, bulletins: readonly Bulletin[], release: string): Promise<Lookups> {
  const names = new Set(
    bulletins.flatMap((bulletin) =>
      (demandsFor(bulletin, release) ?? []).flatMap((item) => rpmNamesOf(item.name)),
    ),
  )
  dom0.rpm.askFor([...names])
  const lookups = new Map<string, Seen<readonly InstalledPackage[]>>()
  for (const name of names) {
    const found = await dom0.rpm.packages(name)
    const packages = (valueOrNull(found) ?? []).map(({ evr, installedAt }) => ({
      name,
      evr,
      installTime: Date.parse(installedAt) / 1000,
    }))
    lookups.set(name, found.state === 'seen' ? { state: 'seen', value: packages } : found)
  }
  return lookups
}

/** What was found of the packages, and of which of them nothing is known: there nothing is claimed. */
function knownOf(lookups: Lookups): Pick<Dom0Facts, 'installed' | 'notLookedUp'> {
  const unknown = [...lookups].filter(([, found]) => found.state !== 'seen')
  return {
    installed: [...lookups.values()].flatMap((found) => valueOrNull(found) ?? []),
    notLookedUp: new Set(unknown.map(([name]) => name)),
  }
}
