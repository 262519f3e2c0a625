import { basename, dirname, join } from 'node:path'
import type { Bulletin } from '../../core/bulletin/bulletin.ts'
import { signatureFilesOf } from '../../core/bulletin/gpg-calls.ts'
import { parseBulletin } from '../../core/bulletin/parse.ts'
import { type BulletinSignature, decideSignatures } from '../../core/bulletin/signatures.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { makeFailure } from '../../tables/failures.ts'
import type { SignatureChecker } from './signature-checker.ts'

export type SignedBulletin = {
  readonly bulletin: Bulletin
  readonly signatures: readonly BulletinSignature[]
}

/** A key file is some kilobytes; no more of them than a security pack has. */
const MAX_KEY_FILES = 64
const MAX_KEY_BYTES = 1024 * 1024
/** Two are expected; gpg is asked about each, and a directory can hold any number. */
const MAX_SIGNATURES = 16

/**
 * Where keys lie beside a bulletin: in its directory, `keys/` next to it, the security pack's own folders, Qubes's own. Without `..`, as
 * the host compares them with the places it may read.
 */
export function keyDirectoriesOf(path: string): readonly string[] {
  const here = dirname(path)
  return [
    here,
    join(here, 'keys'),
    join(here, '..', 'keys', 'master-key'),
    join(here, '..', 'keys', 'security-team'),
    '/usr/share/qubes',
    '/usr/share/qubes/keys',
  ]
}

/**
 * A bulletin of a file with the status of its signatures, checked before anything in it is believed.
 *
 * @param path absolute
 * @param keys directories or files given by the user; empty: where keys usually lie
 * @throws Failure for what is no bulletin, or cannot be read
 */
export async function observeBulletinFile(
  host: Host,
  checker: SignatureChecker,
  path: string,
  keys: readonly string[],
): Promise<SignedBulletin> {
  const text = await host.readFile(path)
  if (text.state !== 'seen') {
    const reason = text.state === 'absent' ? 'there is no such file' : text.why
    throw makeFailure('bulletin-unreadable', { path, reason })
  }
  const bulletin = parseBulletin(text.value)
  const names = valueOrNull(await host.listDirectory(dirname(path))) ?? []
  const signatures: Uint8Array[] = []
  const signatureFiles = signatureFilesOf(basename(path), names)
  if (signatureFiles.length > MAX_SIGNATURES) {
    const reason = `${signatureFiles.length} signature files lie beside it, more than ${MAX_SIGNATURES} are not looked at`
    throw makeFailure('bulletin-unreadable', { path, reason })
  }
  for (const name of signatureFiles) {
    const bytes = valueOrNull(await host.readFile(`${dirname(path)}/${name}`))
    if (bytes !== null) signatures.push(bytes)
  }
  const places = keys.length > 0 ? keys : keyDirectoriesOf(path)
  const keyFiles = signatures.length > 0 ? await readKeys(host, places) : []
  const { found, certified } = await checker.check(text.value, keyFiles, signatures)
  return { bulletin, signatures: decideSignatures(bulletin.id, found, certified) }
}

async function readKeys(host: Host, places: readonly string[]): Promise<readonly Uint8Array[]> {
  const files: string[] = []
  for (const place of places) {
    const names = await host.listDirectory(place)
    if (names.state === 'seen') {
      files.push(...names.value.filter((name) => /\.asc$/.test(name)).map((name) => `${place}/${name}`))
    } else if (place.endsWith('.asc') || (await host.statFile(place)).state === 'seen') {
      files.push(place)
    }
  }
  const contents: Uint8Array[] = []
  for (const file of files.slice(0, MAX_KEY_FILES)) {
    const bytes = valueOrNull(await host.readFile(file))
    if (bytes !== null && bytes.length <= MAX_KEY_BYTES) contents.push(bytes)
  }
  return contents
}
