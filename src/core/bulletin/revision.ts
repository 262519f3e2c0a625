import { compareEvr } from '../package/evr.ts'
import type { Bulletin, BulletinPackage } from './bulletin.ts'
import { demandsFor } from './demand.ts'
import { rpmNamesOf } from './rpm-names.ts'
import { wantedFor } from './series.ts'

/** A demand of the built-in catalogue that another text of the same bulletin lowers or leaves out. */
export type LoweredDemand = {
  /** As the catalogue's bulletin prints it. */
  readonly name: string
  /** Version that the catalogue's bulletin asks for; it stays in force. */
  readonly catalogue: string
  /** Version that the other text asks for; null where it asks for none. */
  readonly file: string | null
}

const versionsFor = (packages: readonly BulletinPackage[], rpmName: string): string[] =>
  packages.filter(({ name }) => rpmNamesOf(name).includes(rpmName)).map(({ version }) => version)

/**
 * Where another text of a bulletin asks less of dom0 than the catalogue does. Of several kernels the version of the
 * same series is compared.
 * @param revision The user's file.
 * @param catalogued The bulletin of the same number in the catalogue.
 */
export const listLowered = (
  revision: Bulletin,
  catalogued: Bulletin,
  release: string,
): readonly LoweredDemand[] => {
  const offered = demandsFor(revision, release) ?? []
  return (demandsFor(catalogued, release) ?? []).flatMap(({ name, version }) => {
    const versions = versionsFor(offered, rpmNamesOf(name)[0] ?? name)
    const file = versions.length === 0 ? null : wantedFor(version, versions)
    return file !== null && compareEvr(file, version) >= 0 ? [] : [{ name, catalogue: version, file }]
  })
}
