import type { Host } from '../../host/host.ts'

export type SrkPassword =
  /** Empty: the SRK has none. */
  | { readonly state: 'known'; readonly bytes: Uint8Array; readonly isTyped: boolean }
  | { readonly state: 'missing' | 'unreadable' }

/** Why nothing was unsealed with the password at hand, whichever TPM refused it. */
export const WRONG_PASSWORD =
  'the SRK password at hand is wrong; this cost one of the TPM’s tries, no other was made'
export const SEALED_TO_OTHERS = 'the TPM refuses: it is sealed to other PCR values than those of this boot'
export const IN_LOCKOUT = 'the TPM is in lockout and answers no password for a while'

const CACHE = '/run/anti-evil-maid/srk-password'
const LINE_FEED = 0x0a

/** Passwords that a person typed in this run, in memory only. */
const given = new WeakMap<Host, Uint8Array>()

/** Keeps a typed SRK password for the rest of this run. */
export function rememberSrkPassword(host: Host, password: Uint8Array): void {
  given.set(host, password)
}

/** The SRK password that AEM's initrd cached in this boot, as `$(cat file)` gives it: without the line ends behind it. */
export async function observeSrkPassword(host: Host): Promise<SrkPassword> {
  const typed = given.get(host)
  if (typed) return { state: 'known', bytes: typed, isTyped: true }
  const file = await host.readFile(CACHE)
  if (file.state === 'absent') return { state: 'missing' }
  if (file.state === 'unknown') return { state: 'unreadable' }
  let end = file.value.length
  while (end > 0 && file.value[end - 1] === LINE_FEED) end -= 1
  return { state: 'known', bytes: file.value.subarray(0, end), isTyped: false }
}

/** `str:` keeps tpm2-tools from reading another prefix (hex:, file:) out of the password (tpm2-tools 5.4, common/authorizations). */
export function toTpm2Auth(password: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from('str:'), password])
}
