/** Digest algorithms of OpenPGP by number (RFC 9580, 9.5; RFC 4880, 9.4). */
export const WEAK_DIGESTS: ReadonlyMap<number, string> = new Map([
  [1, 'MD5'],
  [2, 'SHA-1'],
  [3, 'RIPEMD-160'],
])

/** What gpg found for one signature packet. */
export type GpgSignature = {
  /** GOODSIG, BADSIG, EXPSIG, EXPKEYSIG, REVKEYSIG, ERRSIG; null where gpg did not say. */
  readonly outcome: 'good' | 'bad' | 'expired-signature' | 'expired-key' | 'revoked-key' | 'error' | null
  /** gpg's error code of an ERRSIG: 9 is a missing key, 5 a digest it refuses, 4 an unknown algorithm. */
  readonly errorCode: number | null
  readonly keyId: string | null
  /** User id of the signing key. */
  readonly signer: string | null
  /** Fingerprint of the primary key, upper-case hex. */
  readonly fingerprint: string | null
  /** Number of the digest algorithm; null unless the signature is valid. */
  readonly digest: number | null
}

const OUTCOMES: Readonly<Record<string, GpgSignature['outcome']>> = {
  GOODSIG: 'good',
  BADSIG: 'bad',
  EXPSIG: 'expired-signature',
  EXPKEYSIG: 'expired-key',
  REVKEYSIG: 'revoked-key',
}

const NOTHING: GpgSignature = {
  outcome: null,
  errorCode: null,
  keyId: null,
  signer: null,
  fingerprint: null,
  digest: null,
}

/** Status lines escape control characters as %XX (doc/DETAILS). */
const unescapeStatus = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const FINGERPRINT = /^[0-9A-F]{40}(?:[0-9A-F]{24})?$/
const KEY_ID = /^[0-9A-F]{16}$/

const keyIdOf = (word: string): string | null => {
  if (KEY_ID.test(word)) return word
  return FINGERPRINT.test(word) ? word.slice(-16) : null
}

const addLine = (signature: GpgSignature, keyword: string, words: readonly string[]): GpgSignature => {
  const outcome = OUTCOMES[keyword]
  if (outcome) {
    const signer = unescapeStatus(words.slice(1).join(' '))
    // A second outcome for one packet would be a contradiction: the first one stays unless this is worse.
    const kept = signature.outcome !== null && outcome === 'good' ? signature.outcome : outcome
    return { ...signature, outcome: kept, keyId: keyIdOf(words[0] ?? ''), signer }
  }
  if (keyword === 'ERRSIG') {
    const fingerprint = FINGERPRINT.test(words[6] ?? '') ? words[6]! : null
    return {
      ...signature,
      outcome: 'error',
      errorCode: Number(words[5]),
      keyId: keyIdOf(words[0] ?? ''),
      fingerprint,
    }
  }
  if (keyword === 'VALIDSIG' && FINGERPRINT.test(words[0] ?? '')) {
    const primary = FINGERPRINT.test(words[9] ?? '') ? words[9]! : words[0]!
    return { ...signature, fingerprint: primary, digest: Number(words[7]) }
  }
  return signature
}

/**
 * The signatures that `gpg --status-fd 1 --verify` saw in one file, one per signature packet.
 *
 *     [GNUPG:] NEWSIG
 *     [GNUPG:] GOODSIG D655A4F21830E06A Marek Marczykowski-Górecki (Qubes security pack) <...>
 *     [GNUPG:] VALIDSIG 2D1771FE4D767EDC76B089FAD655A4F21830E06A 2024-07-16 1721128613 0 4 0 1 8 00 2D1771FE4D767EDC76B089FAD655A4F21830E06A
 *
 * (GnuPG 2.2.40; format in its doc/DETAILS.) VALIDSIG: fingerprint, date, time, expiry, version,
 * reserved, public-key algorithm, digest algorithm, class, primary key's fingerprint.
 * @param text stdout; lines without `[GNUPG:] ` are ignored. Empty where the file held no signature.
 */
export const parseGpgStatus = (text: string): GpgSignature[] => {
  const signatures: GpgSignature[] = []
  for (const line of text.split('\n')) {
    const status = /^\[GNUPG:\] ([A-Z_]+)(?: (.*))?$/.exec(line)
    if (!status) continue
    if (status[1] === 'NEWSIG') signatures.push(NOTHING)
    const last = signatures.at(-1)
    if (last) signatures[signatures.length - 1] = addLine(last, status[1]!, (status[2] ?? '').split(' '))
  }
  return signatures
}
