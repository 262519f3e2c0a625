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

/** A line of the file that trusts nobody, because it is not of the form. */
export type MalformedLine = {
  /** 1-based. */
  readonly line: number
  /** As it stands, without its comment. */
  readonly text: string
  readonly reason: string
}

export type TrustedKeys = {
  readonly signers: readonly Signer[]
  readonly malformed: readonly MalformedLine[]
}

/** 64 bits, the last 16 digits of the fingerprint; shorter ones can be forged. */
const LONG_KEY_ID = 16

/** OpenPGP v4: SHA-1, 160 bits (RFC 4880, 12.2). */
const FINGERPRINT_DIGITS = 40

/**
 * The fingerprint at the beginning of a line: whole words of hex digits, all of one length, 40 digits together; a digit
 * of the name that follows can never complete a fingerprint that is too short.
 */
function takeFingerprint(words: readonly string[]): { fingerprint: string; words: number } | null {
  let digits = ''
  for (const [index, word] of words.entries()) {
    if (!/^[0-9A-Fa-f]+$/.test(word) || word.length !== words[0]!.length) return null
    digits += word
    if (digits.length === FINGERPRINT_DIGITS) return { fingerprint: digits.toLowerCase(), words: index + 1 }
    if (digits.length > FINGERPRINT_DIGITS) return null
  }
  return null
}

/**
 * Further signers from /etc/aem-reseal/trusted-keys, for people who build their own packages: one fingerprint a
 * line (40 hex digits, in one word or in groups of equal length as gpg prints them), then a name; `#` begins a comment.
 *
 * @returns lines that are of another form come back in `malformed`, they trust nothing
 */
export function parseTrustedKeys(text: string): TrustedKeys {
  const signers: Signer[] = []
  const malformed: MalformedLine[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.replace(/#.*/, '').trim()
    if (content === '') continue
    const words = content.split(/\s+/)
    const found = takeFingerprint(words)
    if (found === null) {
      const reason = `it does not begin with a fingerprint of ${FINGERPRINT_DIGITS} hex digits`
      malformed.push({ line: index + 1, text: content, reason })
      continue
    }
    const { fingerprint } = found
    signers.push({
      fingerprint,
      name: words.slice(found.words).join(' ') || fingerprint,
      source: 'trusted-keys',
    })
  }
  return { signers, malformed }
}

/**
 * The signer whose key id this is. rpm prints 64-bit ids (the last 16 digits of the fingerprint); the 32-bit ids of
 * old rpm can be forged in seconds and are not accepted.
 */
export function findSigner(keyId: string | null, trusted: readonly Signer[]): Signer | null {
  if (keyId === null || keyId.length < LONG_KEY_ID) return null
  const builtIn = Object.entries(KNOWN_SIGNERS).map(
    ([fingerprint, name]): Signer => ({ fingerprint, name, source: 'built-in' }),
  )
  return [...builtIn, ...trusted].find((signer) => signer.fingerprint.endsWith(keyId.toLowerCase())) ?? null
}

/** What rpm says of a signature. */
export const SIGNATURE_STATES = ['ok', 'no-key', 'bad', 'unsigned'] as const
export type SignatureState = (typeof SIGNATURE_STATES)[number]

/** What rpm said of a package's signature. */
export type SignatureFacts = {
  readonly signature: SignatureState | null
  /** Name of the known signer whose key it is; null: none. */
  readonly signer: string | null
  /** Key id of the signature, hex; null: unsigned, or not known. */
  readonly keyId?: string | null | undefined
}

/** A good signature by a key that RPM has, and that is none of the known signers: nothing is wrong with it, nobody vouches for it. */
export function isUnlistedKey({ signature, signer, keyId }: SignatureFacts): boolean {
  return signature === 'ok' && signer === null && (keyId?.length ?? 0) >= LONG_KEY_ID
}

/**
 * What stands against a package's signature, as words to put behind the package's name; null where it is good and by a known
 * signer.
 */
export function describeSignatureFault(facts: SignatureFacts): string | null {
  const { signature, signer, keyId } = facts
  if (isUnlistedKey(facts))
    return `is signed by the key ${keyId}, which RPM has and which is not among the known signers (an unlisted key)`
  if (signature === 'ok') return signer === null ? 'is signed with a short key id, which can be forged' : null
  if (signature === 'bad') return 'has a bad signature'
  if (signature === 'unsigned') return 'is not signed'
  if (signature === 'no-key') return `is signed by the key ${keyId ?? '(not known)'}, which RPM does not have`
  return 'has a signature that could not be checked'
}

/**
 * How a person lists an unlisted key. RPM keeps each key as a package of its own, its version the last eight digits of
 * the key id, its description the key itself (rpm 4.16 to 4.20, rpmkeys(8)).
 */
export function listKeyNext(keyId: string): string {
  const short = keyId.slice(-8).toLowerCase()
  return `\`rpm -q --qf '%{description}' gpg-pubkey-${short} | gpg --show-keys\` prints the fingerprint of that key; if its owner's own pages name the same and you trust them with your boot, write it into /etc/aem-reseal/trusted-keys, one line: the fingerprint, then a name`
}
