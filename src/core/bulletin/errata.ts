import type { Bulletin, BulletinPackage } from './bulletin.ts'

/** A version that a bulletin misprints; `bulletin show` has it as printed. */
export type Erratum = { readonly id: number; readonly printed: string; readonly meant: string }

/**
 * QSB-82 lists kernels "5.15.52, 5.8.9, 5.10.128" and "5.4.203, 5.8.9, 4.19.250". Qubes never built 5.8.9, a version of
 * 2020; on the day of the bulletin, 2022-07-05, it published 5.18.9 beside the others (QubesOS/qubes-linux-kernel, tag
 * v5.18.9-1-latest). Taken as printed, 5.16 to 5.18.8 would be newer than all of the list, hence fixed.
 */
export const ERRATA: readonly Erratum[] = [{ id: 82, printed: '5.8.9', meant: '5.18.9' }]

/** The packages of a bulletin with the versions that are meant. */
export const correctVersions = (
  id: number,
  packages: readonly BulletinPackage[],
): readonly BulletinPackage[] => {
  const errata = ERRATA.filter((each) => each.id === id)
  if (errata.length === 0) return packages
  return packages.map((item) => ({
    ...item,
    version: errata.find(({ printed }) => printed === item.version)?.meant ?? item.version,
  }))
}

/** The misprints that a text really has: a revision may be without them. */
export const errataOf = ({ id, dom0 }: Pick<Bulletin, 'id' | 'dom0'>): readonly Erratum[] =>
  ERRATA.filter(
    (each) =>
      each.id === id && dom0.some(({ packages }) => packages.some(({ version }) => version === each.printed)),
  )
