import { parseKeyPcrs } from '../../core/aem/configuration.ts'
import type { DigestLook } from '../../core/decide/sealed-in-this-boot.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { readTextOrNull } from '../read-text.ts'

/** Files AEM makes when it seals for one device (anti-evil-maid 4.2.0; TPM 1.2 has no key.*). */
const SEALED_NAME = /^(key\.(pub|priv|pcrs)|secret\.(txt|key|otp|fre)\.sealed2)$/

export const TOKEN = 'secret.fre.sealed2'

export type SealedFile = {
  readonly name: string
  readonly sha256: string | null
}

export type SealedCopy = {
  readonly directory: string
  readonly files: readonly SealedFile[]
  readonly keyPcrs: { readonly bank: string; readonly pcrs: readonly number[] } | null
}

/** The directory of the TPM in use: /var/lib/tpm is a link to tpms/<40 hex digits> (qubes-trousers-changer). */
export async function observeTpmId(host: Host): Promise<string | null> {
  const link = valueOrNull(await host.readLink('/var/lib/tpm'))
  return /^(?:.*\/)?tpms\/([0-9a-f]{40}|unknown)$/.exec(link ?? '')?.[1] ?? null
}

/**
 * The sealed files of one device, in dom0's copy or the device's own.
 *
 * @param root '/var/lib' for dom0's copy, or `<mounted device>/aem` for the device's
 * @returns null where the directory cannot be read; no files where it is absent
 */
export async function observeSealedCopy(
  host: Host,
  root: string,
  tpmId: string,
  label: string,
): Promise<SealedCopy | null> {
  const directory = `${root}/tpms/${tpmId}/${label}`
  const listing = await host.listDirectory(directory)
  if (listing.state === 'unknown') return null
  const names = listing.state === 'absent' ? [] : listing.value.filter((name) => SEALED_NAME.test(name))
  const files = await Promise.all(
    names.map(async (name): Promise<SealedFile> => {
      const digests = valueOrNull(await host.digestFile(`${directory}/${name}`))
      return { name, sha256: digests?.sha256 ?? null }
    }),
  )
  const keyPcrs = names.includes('key.pcrs') ? await readTextOrNull(host, `${directory}/key.pcrs`) : null
  return { directory, files, keyPcrs: keyPcrs === null ? null : parseKeyPcrs(keyPcrs) }
}

/** The sealed freshness token of a copy: every seal makes a new one. */
export function lookAtToken(copy: SealedCopy | null): DigestLook {
  if (copy === null) return { state: 'unknown' }
  const token = copy.files.find((file) => file.name === TOKEN)
  if (token === undefined) return { state: 'absent' }
  return token.sha256 === null ? { state: 'unknown' } : { state: 'seen', sha256: token.sha256 }
}

/** Sealed means: the freshness token's blob is there, without which AEM's initrd shows nothing. */
export function isSealed(copy: SealedCopy | null): boolean | null {
  return copy === null ? null : copy.files.some((file) => file.name === TOKEN)
}

/** Are two copies the same files, as AEM's seal leaves them? null where a digest is missing, or nothing is sealed in either. */
export function haveSameFiles(one: SealedCopy | null, other: SealedCopy | null): boolean | null {
  if (one === null || other === null || (one.files.length === 0 && other.files.length === 0)) return null
  const names = new Set([...one.files, ...other.files].map(({ name }) => name))
  let areSame: boolean | null = true
  for (const name of names) {
    const [left, right] = [one, other].map(({ files }) => files.find((file) => file.name === name))
    if (left === undefined || right === undefined) return false
    if (left.sha256 === null || right.sha256 === null) areSame = null
    else if (left.sha256 !== right.sha256) return false
  }
  return areSame
}
