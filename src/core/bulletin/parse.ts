import { actionSections } from './action-sections.ts'
import type { Bulletin } from './bulletin.ts'
import { parseDom0Packages } from './packages.ts'
import { parseResealNotice } from './reseal-notice.ts'
import { parseRestart } from './restart.ts'
import { parseOutline } from './sections.ts'
import { bulletinFailure, parseBulletinLines } from './text.ts'
import { parseXsas } from './xsas.ts'

/** Also broken over two lines (21), and by its short name. */
const AEM = /\bAnti[\s-]+Evil[\s-]+Maid\b|\bAEM\b/i

/**
 * The facts of a Qubes Security Bulletin. Time is linear in the size of the file.
 * @param bytes The file as published, at most 1 MiB; who wrote it is decided elsewhere (signature.ts).
 * @returns The fields of `bulletin show` without `signatures`.
 * @throws Failure with a code `bulletin-...`, the line and the reason, where the bytes are no
 * bulletin (the template says TODO) or a part that matters cannot be read.
 * @see https://github.com/QubesOS/qubes-secpack/tree/main/QSBs
 */
export const parseBulletin = (bytes: Uint8Array): Bulletin => {
  const lines = parseBulletinLines(bytes)
  const outline = parseOutline(lines)
  const action = actionSections(outline.sections)
  const reseal = parseResealNotice(action)
  const dom0 = parseDom0Packages(outline.sections, action)
  if (reseal && dom0.length === 0) {
    throw bulletinFailure(
      'no-packages',
      null,
      'it says that PCRs will change, but no package for dom0 is found in it',
    )
  }
  return {
    id: outline.id,
    date: outline.date,
    title: outline.title,
    xsas: parseXsas(outline),
    mentionsAem: AEM.test(lines.join('\n')),
    reseal,
    dom0,
    restart: parseRestart(action),
  }
}
