import { basename, dirname, resolve } from 'node:path'
import type { Bulletin } from '../core/bulletin/bulletin.ts'
import { addToCatalogue, evidenceOf, findBulletin, parseBulletinId } from '../core/bulletin/catalogue.ts'
import { CATALOGUE } from '../core/bulletin/catalogue-data.ts'
import { type BulletinList, decideCheck } from '../core/bulletin/decide-bulletins.ts'
import { EXPOSURE_CHECKS } from '../core/bulletin/exposure.ts'
import { listLowered } from '../core/bulletin/revision.ts'
import { type BulletinSignature, decideApproval, needAttention } from '../core/bulletin/signatures.ts'
import { EXIT, Failure } from '../core/failure.ts'
import type { Host } from '../host/host.ts'
import { bulletinLines, type CheckAnswer, checkLines, givenLines, listLines } from '../messages/bulletins.ts'
import { exposureLines } from '../messages/exposure.ts'
import { unlistedKeyLines } from '../messages/unlisted-keys.ts'
import { makeFailure } from '../messages.ts'
import { keyDirectoriesOf, observeBulletinFile } from '../observe/bulletin-file.ts'
import { observeBulletins } from '../observe/bulletins.ts'
import { type Dom0, observeDom0 } from '../observe/dom0.ts'
import { observeMsiExposure } from '../observe/exposure.ts'
import { makeSignatureChecker } from '../observe/signature-checker.ts'
import { observeUnlistedKeys } from '../observe/unlisted-keys.ts'
import { renderFailure } from '../ui/render-message.ts'
import { type Line, line } from '../ui/ui.ts'
import { makeFileHost, makeUi, printJson } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

export type FoundBulletin = {
  readonly bulletin: Bulletin
  /** null: a fact of the built-in catalogue, whose signatures were checked when it was made. */
  readonly signatures: readonly BulletinSignature[] | null
  readonly approval: 'built-in' | 'approved' | 'single' | 'refused'
  /** Name of its file, without directory; null for one of the catalogue. */
  readonly file: string | null
}

/** A bulletin by number (built-in catalogue) or by file (signatures checked first). */
export async function findGiven(
  options: GlobalOptions,
  given: string,
  keys: readonly string[],
): Promise<FoundBulletin> {
  const finder = makeFinder(options, [given], keys)
  try {
    return await finder.find(given)
  } finally {
    await finder.close()
  }
}

/**
 * `--keys K FILE` makes FILE a key: the answer would be about all bulletins, or none, and look like one about FILE.
 * @throws Failure usage
 */
export function assertKeysHaveFile(given: string | null, keys: readonly string[]): void {
  if (keys.length === 0 || (given !== null && parseBulletinId(given) === null)) return
  throw makeFailure('usage', {
    reason: '--keys is for the signatures of a bulletin that is a file; name the file before it',
  })
}

type Finder = {
  find(given: string): Promise<FoundBulletin>
  close(): Promise<void>
}

/** Finds several bulletins; files that come with the same keys are checked in one key ring. */
function makeFinder(options: GlobalOptions, given: readonly string[], keys: readonly string[]): Finder {
  const keyPaths = keys.map((key) => resolve(key))
  const open = async () => {
    const paths = given.filter((one) => parseBulletinId(one) === null).map((one) => resolve(one))
    const places = paths.flatMap((path) => [dirname(path), ...keyDirectoriesOf(path)])
    const host = await makeFileHost(options, [...new Set([...places, ...keyPaths, ...keyPaths.map(dirname)])])
    return { host, checker: makeSignatureChecker(host) }
  }
  let opened: ReturnType<typeof open> | null = null
  return {
    async find(one) {
      const id = parseBulletinId(one)
      if (id !== null)
        return { bulletin: findBulletin(CATALOGUE, id), signatures: null, approval: 'built-in', file: null }
      opened ??= open()
      const { host, checker } = await opened
      const { bulletin, signatures } = await observeBulletinFile(host, checker, resolve(one), keyPaths)
      return { bulletin, signatures, approval: decideApproval(signatures), file: basename(one) }
    },
    async close() {
      const parts = await opened
      await parts?.checker.close()
      await parts?.host.close()
    },
  }
}

/** `aem-reseal bulletin show ID|FILE...` */
export async function runBulletinShow(
  io: Io,
  options: GlobalOptions,
  given: readonly string[],
  keys: readonly string[],
): Promise<number> {
  const ui = makeUi(io, options)
  const answers: unknown[] = []
  const say = (lines: readonly Line[]) => (options.json ? undefined : ui.say([...lines, line('')]))
  let exit: number = EXIT.done
  const finder = makeFinder(options, given, keys)
  try {
    for (const one of given) {
      const found = await finder.find(one).catch((error: unknown) => {
        if (error instanceof Failure && given.length > 1) return error
        throw error
      })
      if (found instanceof Failure) {
        const { code, what, why, next } = found.text
        answers.push({ error: { code, what, why, next } })
        say(renderFailure(found.text))
      } else {
        const { bulletin, signatures } = found
        answers.push({
          ...bulletin,
          signatures: signatures ?? [],
          source: signatures ? 'file' : 'catalogue',
        })
        say(bulletinLines(found))
      }
      if (found instanceof Failure || needAttention(found.signatures ?? [])) exit = EXIT.attention
    }
  } finally {
    await finder.close()
  }
  if (options.json) printJson(io, answers)
  return exit
}

/** `aem-reseal bulletin list`: every bulletin for this release, newest first. */
export async function runBulletinList(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const ui = makeUi(io, options)
  const list = await ui.progress('looking up packages', () => observeBulletins(dom0, CATALOGUE))
  if (list === null) throw makeFailure('release-unknown')
  if (options.json) printJson(io, list)
  else ui.say(listLines(list))
  return EXIT.done
}

/** `aem-reseal bulletin check [ID|FILE]`: the one answer. */
export async function runBulletinCheck(
  io: Io,
  options: GlobalOptions,
  host: Host,
  given: string | null,
  keys: readonly string[],
): Promise<number> {
  const dom0 = observeDom0(host)
  assertKeysHaveFile(given, keys)
  const ui = makeUi(io, options)
  const found = given === null ? null : await findGiven(options, given, keys)
  const answer = await ui.progress('looking up packages', () => checkBulletins(dom0, found))
  const unlisted = await ui.progress('looking at signatures', () => observeUnlistedKeys(dom0))
  if (options.json) {
    const { list, check, exposure, lowered } = answer
    const signatures = found?.signatures ?? []
    printJson(io, {
      ...list,
      verdict: check.verdict,
      signatures,
      lowered,
      exposure: exposure?.rows ?? null,
      unlistedKeys: unlisted,
    })
  } else
    ui.say([
      ...givenLines(found, answer.lowered),
      ...checkLines(answer),
      ...unlistedKeyLines(unlisted),
      ...exposureLines(answer),
    ])
  return answer.check.exit
}

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
  const catalogue = isFile ? addToCatalogue(CATALOGUE, found.bulletin) : CATALOGUE
  const evidence = isFile ? evidenceOf(CATALOGUE, found.bulletin, found.approval) : CATALOGUE.bulletins
  const list = await observeBulletins(dom0, catalogue, evidence)
  if (list === null) throw makeFailure('release-unknown')
  const asked = found === null ? list : onlyOf(list, found.bulletin.id)
  const catalogued = isFile ? CATALOGUE.bulletins.find(({ id }) => id === found.bulletin.id) : undefined
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
