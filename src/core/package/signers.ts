/**
 * Keys that sign packages AEM measures in a dom0. Fingerprints: QubesOS/qubes-secpack keys/release-keys (its
 * commit of 2026-07-28, read with gpg --show-keys); Fedora: fedora-repos RPM-GPG-KEY-fedora-N-primary.
 */
export const KNOWN_SIGNERS: Readonly<Record<string, string>> = {
  '5817a43b283de5a9181a522e1848792f9e2795e9': 'Qubes OS Release 4 Signing Key',
  '9c884df3f81064a569a4a9fae022e58f8e34d89f': 'Qubes OS Release 4.2 Signing Key',
  f3fa3f99d6281f7b3a3e5e871c3d9b627f3fada4: 'Qubes OS Release 4.3 Signing Key',
  '97a1ae57c3a2372cca3a4aba6c13026d12c944d0': 'Fedora (32)',
  acb5ee4e831c74bb7c168d27f55ad3fb5323552a: 'Fedora (37)',
  '466cf2d8b60bc3057aa9453ed0622462e99d6ad1': 'Fedora (41)',
}

export type Signer = {
  readonly name: string
  /** 40 lower-case hex digits. */
  readonly fingerprint: string
  readonly source: 'built-in' | 'trusted-keys'
}

/**
 * Further signers from /etc/aem-reseal/trusted-keys, for people who build their own packages: one fingerprint a
 * line (40 hex digits, blanks allowed inside), then a name; `#` begins a comment.
 *
 * @returns lines that are of another form come back in `malformed`, they trust nothing
 */
export function parseTrustedKeys(text: string): { signers: readonly Signer[]; malformed: readonly string[] } {
  const signers: Signer[] = []
  const malformed: string[] = []
  for (const line of text.split('\n')) {
    const content = line.replace(/#.*/, '').trim()
    if (content === '') continue
    const match = /^((?:[0-9A-Fa-f][ ]*){40})(.*)$/.exec(content)
    if (!match?.[1]) {
      malformed.push(content)
      continue
    }
    const fingerprint = match[1].replaceAll(' ', '').toLowerCase()
    signers.push({ fingerprint, name: match[2]?.trim() || fingerprint, source: 'trusted-keys' })
  }
  return { signers, malformed }
}

/**
 * The signer whose key id this is. rpm prints 64-bit ids (the last 16 digits of the fingerprint); the 32-bit ids of
 * old rpm can be forged in seconds and are not accepted.
 */
export function findSigner(keyId: string | null, trusted: readonly Signer[]): Signer | null {
  if (keyId === null || keyId.length < 16) return null
  const builtIn = Object.entries(KNOWN_SIGNERS).map(
    ([fingerprint, name]): Signer => ({ fingerprint, name, source: 'built-in' }),
  )
  return [...builtIn, ...trusted].find((signer) => signer.fingerprint.endsWith(keyId.toLowerCase())) ?? null
}
