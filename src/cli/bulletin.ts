import { basename, dirname, resolve } from 'node:path'
import type { Answer } from '../contract/schemas.ts'
import { findBulletin, parseBulletinId } from '../core/bulletin/catalogue.ts'
import { CATALOGUE } from '../core/bulletin/catalogue-data.ts'
import type { FoundBulletin } from '../core/bulletin/given-bulletin.ts'
import { decideApproval, needAttention } from '../core/bulletin/signatures.ts'
import { EXIT, Failure } from '../core/failure.ts'
import type { Host } from '../host/host.ts'
import { bulletinLines, checkLines, givenLines, listLines } from '../messages/bulletins.ts'
import { exposureLines } from '../messages/exposure.ts'
import { unlistedKeyLines } from '../messages/unlisted-keys.ts'
import { keyDirectoriesOf, observeBulletinFile } from '../observe/bulletin/bulletin-file.ts'
import { observeBulletins } from '../observe/bulletin/bulletins.ts'
import { checkBulletins } from '../observe/bulletin/check-bulletins.ts'
import { makeSignatureChecker } from '../observe/bulletin/signature-checker.ts'
import { observeDom0 } from '../observe/dom0/dom0.ts'
import { observeUnlistedKeys } from '../observe/dom0/unlisted-keys.ts'
import { makeFailure } from '../tables/failures.ts'
import { renderFailure } from '../ui/render-message.ts'
import { type Line, line } from '../ui/ui.ts'
import { makeFileHost, makeUi, printJson } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

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
  const answers: Answer<'bulletin-show'>[number][] = []
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
  if (options.json) printJson(io, 'bulletin-show', answers)
  return exit
}

/** `aem-reseal bulletin list`: every bulletin for this release, newest first. */
export async function runBulletinList(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const ui = makeUi(io, options)
  const list = await ui.progress('looking up packages', async () =>
    observeBulletins(dom0, await dom0.catalogue()),
  )
  if (list === null) throw makeFailure('release-unknown')
  if (options.json) printJson(io, 'bulletin-list', list)
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
    printJson(io, 'bulletin-list', {
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
