import { createHash } from 'node:crypto'
import { type DigestedFile, isSameSet } from '../../core/seal/forward-record.ts'
import type { Host } from '../../host/host.ts'
import { makeFailure } from '../../tables/failures.ts'
import { exchangePlace, type Place, readDigests, syncPlace } from './copies.ts'

/** The files of a new sealed directory, by name. */
export type SealedSet = ReadonlyMap<string, Uint8Array>

const FILE_MODE = 0o600

export function digestSet(set: SealedSet): readonly DigestedFile[] {
  return [...set].map(([name, bytes]) => ({ name, sha256: createHash('sha256').update(bytes).digest('hex') }))
}

/** Writes the new files beside the live ones, to the disk, and reads them again. @throws Failure */
export async function prepareAside(host: Host, place: Place, set: SealedSet): Promise<void> {
  await host.removeFile(place.aside)
  await host.makePrivateDirectory(place.aside)
  for (const [name, bytes] of set) await host.writeFileAtomic(`${place.aside}/${name}`, bytes, FILE_MODE)
  await syncPlace(host, place)
  await assertHolds(host, place.aside, digestSet(set))
}

/**
 * Both places carry the new files after this. dom0 first, the device last: the next boot reads the device alone, so its
 * one exchange is the moment that decides, and everything that fails before it is undone in dom0, without the device. A
 * power cut between the two leaves a device that unseals for the old state, and a difference that `verify` names.
 *
 * @throws Failure
 */
export async function switchPlaces(host: Host, dom0: Place, device: Place): Promise<void> {
  await exchangePlace(host, dom0)
  await exchangePlace(host, device)
}

/** @throws Failure when a directory holds anything else */
export async function assertHolds(
  host: Host,
  directory: string,
  wanted: readonly DigestedFile[],
): Promise<void> {
  if (isSameSet(await readDigests(host, directory), wanted)) return
  const why = 'a failing disk, or another program writes there'
  throw makeFailure('forward-seal-failed', { what: `${directory} does not hold what was written`, why })
}
