import type { Failure } from '../../core/failure.ts'
import type { DigestedFile } from '../../core/seal/forward-record.ts'
import type { COPIES } from '../../core/session/prepared.ts'
import { type Host, type Seen, seen, unknown, valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { makeFailure } from '../../tables/failures.ts'

/** One of the two homes of a device's sealed files: dom0's own, and the device's, which the next boot reads. */
export type Place = {
  readonly name: (typeof COPIES)[number]
  /** The directory that AEM reads. */
  readonly live: string
  /** Beside it: the new files before the switch, the old ones after it. */
  readonly aside: string
}

/**
 * `aem-reseal_<label>`: AEM allows no `_` in a label (anti-evil-maid-install, LABEL_SUFFIX_CHARS), so it is no device's
 * directory; its initrd copies it along and does not look into it; its next seal removes it from the device with all of
 * aem/tpms (synctpms).
 */
export function placeOf(name: Place['name'], root: string, tpmId: string, label: string): Place {
  const directory = `${root}/tpms/${tpmId}`
  return { name, live: `${directory}/${label}`, aside: `${directory}/aem-reseal_${label}` }
}

/** Names and digests of all files in a directory; unknown where one of them cannot be read. */
export async function lookAtFiles(host: Host, directory: string): Promise<Seen<readonly DigestedFile[]>> {
  const listing = await host.listDirectory(directory)
  if (listing.state !== 'seen') return listing
  const files: DigestedFile[] = []
  for (const name of listing.value) {
    const digests = await host.digestFile(`${directory}/${name}`)
    if (digests.state !== 'seen') return unknown(`${directory}/${name} could not be read`)
    files.push({ name, sha256: digests.value.sha256 })
  }
  return seen(files)
}

/** The same; null where it is absent or unknown. */
export async function readDigests(host: Host, directory: string): Promise<readonly DigestedFile[] | null> {
  return valueOrNull(await lookAtFiles(host, directory))
}

/** Writes the file system of a place to its device. @throws Failure */
export async function syncPlace(host: Host, place: Place): Promise<void> {
  const run = await host.run(command('sync-filesystem', { path: place.live }))
  if (run.state !== 'seen' || run.value.exit !== 0)
    throw placeFailure(place, 'could not be written to its disk', run)
}

/** The switch: live and aside change places in one step. @throws Failure */
export async function exchangePlace(host: Host, place: Place): Promise<void> {
  const run = await host.run(command('exchange-directories', { first: place.live, second: place.aside }))
  if (run.state !== 'seen' || run.value.exit !== 0) throw placeFailure(place, 'could not be switched', run)
  await syncPlace(host, place)
}

function placeFailure(place: Place, what: string, run: Awaited<ReturnType<Host['run']>>): Failure {
  const said =
    run.state === 'seen' ? run.value.stderr.trim() : run.state === 'unknown' ? run.why : 'not installed'
  return makeFailure('forward-seal-failed', { what: `${place.live} ${what}` }, said)
}
