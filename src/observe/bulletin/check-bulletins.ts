import { addToCatalogue, evidenceOf } from '../../core/bulletin/catalogue.ts'
import type { CheckAnswer } from '../../core/bulletin/check-answer.ts'
import { type BulletinList, decideCheck } from '../../core/bulletin/decide-bulletins.ts'
import { EXPOSURE_CHECKS } from '../../core/bulletin/exposure.ts'
import type { FoundBulletin } from '../../core/bulletin/given-bulletin.ts'
import { listLowered } from '../../core/bulletin/revision.ts'
import { makeFailure } from '../../tables/failures.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeBulletins } from './bulletins.ts'
import { observeMsiExposure } from './msi-exposure.ts'

/**
 * How this dom0 stands against one bulletin, or all of the catalogue.
 * @param found null: all
 * @throws Failure for a bulletin that does not verify, and where the release is not known
 */
export async function checkBulletins(dom0: Dom0, found: FoundBulletin | null): Promise<CheckAnswer> {
  const { host } = dom0
  if (found?.approval === 'refused')
    throw makeFailure('bulletin-not-verified', { id: String(found.bulletin.id) })
  const isFile = found !== null && found.signatures !== null
  const known = await dom0.catalogue()
  const catalogue = isFile ? addToCatalogue(known, found.bulletin) : known
  const evidence = isFile ? evidenceOf(known, found.bulletin, found.approval) : known.bulletins
  const list = await observeBulletins(dom0, catalogue, evidence)
  if (list === null) throw makeFailure('release-unknown')
  const asked = found === null ? list : onlyOf(list, found.bulletin.id)
  const catalogued = isFile ? known.bulletins.find(({ id }) => id === found.bulletin.id) : undefined
  return {
    list: asked,
    asked: found?.bulletin.id ?? null,
    check: decideCheck(asked, found?.bulletin.id ?? null),
    lowered: found && catalogued ? listLowered(found.bulletin, catalogued, list.release) : [],
    exposure:
      found !== null && EXPOSURE_CHECKS.has(found.bulletin.id)
        ? { rows: await observeMsiExposure(host) }
        : null,
  }
}

function onlyOf(list: BulletinList, id: number): BulletinList {
  return { ...list, bulletins: list.bulletins.filter((item) => item.id === id) }
}
