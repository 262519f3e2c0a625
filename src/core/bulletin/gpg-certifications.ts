/**
 * Fingerprint of the Qubes Master Signing Key, under which all other Qubes keys are certified.
 * @see https://doc.qubes-os.org/en/latest/project-security/verifying-signatures.html
 */
export const QUBES_MASTER_FINGERPRINT = '427F11FD0FAA4B080123F01CDDFA1A3E36879494'

export type Certification = {
  /** Key id of the certifying key, 16 hex digits. */
  readonly issuerKeyId: string
  /** Its fingerprint, where the packet names one (not before GnuPG 2.1.16). */
  readonly issuerFingerprint: string | null
  /** gpg checked it with the issuer's key and it is good. */
  readonly checked: boolean
  readonly revokes: boolean
  /** Unix seconds. */
  readonly createdAt: number
  /** Unix seconds, null for never. */
  readonly expiresAt: number | null
}

/** A primary key of the key ring with what others say about its user ids. */
export type KeyCertifications = {
  readonly fingerprint: string
  readonly keyId: string
  /** gpg's validity letter: `r` revoked, `e` expired, `i` invalid, `d` disabled; else usable. */
  readonly validity: string
  readonly userIds: readonly string[]
  /** Of user ids that are not revoked. */
  readonly certifications: readonly Certification[]
}

/** Colon listings escape as `\x3a` (doc/DETAILS). */
const unescapeColons = (text: string): string =>
  text.replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

const seconds = (field: string | undefined): number | null =>
  field && /^\d{1,12}$/.test(field) ? Number(field) : null

const parseCertification = (fields: readonly string[]): Certification => ({
  issuerKeyId: fields[4] ?? '',
  issuerFingerprint: /^[0-9A-F]{40,64}$/.test(fields[12] ?? '') ? fields[12]! : null,
  checked: fields[1] === '!',
  revokes: fields[0] === 'rev',
  createdAt: seconds(fields[5]) ?? 0,
  expiresAt: seconds(fields[6]),
})

type Open = { -readonly [Field in keyof KeyCertifications]: KeyCertifications[Field] } & {
  userIds: string[]
  certifications: Certification[]
}

/**
 * Keys and their checked certifications from `gpg --with-colons --fixed-list-mode --check-signatures`.
 *
 *     pub:-:4096:1:D655A4F21830E06A:1420483577:::-:::scSC::::::23::0:
 *     fpr:::::::::2D1771FE4D767EDC76B089FAD655A4F21830E06A:
 *     uid:-::::1638149036::A4BF...::Marek Marczykowski-Górecki (Qubes security pack) <...>::::::::::0:
 *     sig:!::1:DDFA1A3E36879494:1638147190::::Qubes Master Signing Key:10x::427F11FD0FAA4B080123F01CDDFA1A3E36879494:::10:
 *
 * (GnuPG 2.2.40; format in its doc/DETAILS.)
 */
export const parseCertifications = (text: string): KeyCertifications[] => {
  const keys: Open[] = []
  // Signatures stand below what they are about: the key itself, a user id, a subkey.
  let about: 'key' | 'user-id' | 'other' = 'other'
  for (const line of text.split('\n')) {
    const fields = line.split(':')
    const key = keys.at(-1)
    if (fields[0] === 'pub') {
      const validity = fields[1] ?? ''
      keys.push({ fingerprint: '', keyId: fields[4] ?? '', validity, userIds: [], certifications: [] })
      about = 'key'
    } else if (!key) continue
    else if (fields[0] === 'fpr' && key.fingerprint === '') key.fingerprint = fields[9] ?? ''
    else if (fields[0] === 'uid') {
      about = /^[rei]/.test(fields[1] ?? '') ? 'other' : 'user-id'
      if (about === 'user-id') key.userIds.push(unescapeColons(fields[9] ?? ''))
    } else if (fields[0] === 'uat' || fields[0] === 'sub') about = 'other'
    else if ((fields[0] === 'sig' || fields[0] === 'rev') && about === 'user-id') {
      key.certifications.push(parseCertification(fields))
    }
  }
  return keys
}

const isUsable = (key: KeyCertifications): boolean => !/^[reid]/.test(key.validity)

/**
 * Fingerprints of the keys that a master key vouches for now, itself included.
 *
 * Old certifications name their issuer by key id only. gpg checked them with a key of that id, so
 * no other key of the ring may have it: then nothing is taken to be certified.
 * @param keys From parseCertifications.
 * @param nowSeconds Unix time, for certifications that expire.
 * @param master Fingerprint of the key to trust.
 */
export const decideCertified = (
  keys: readonly KeyCertifications[],
  nowSeconds: number,
  master: string = QUBES_MASTER_FINGERPRINT,
): ReadonlySet<string> => {
  const masterKeyId = master.slice(-16)
  const sameId = keys.filter((key) => key.keyId === masterKeyId)
  if (sameId.length !== 1 || sameId[0]!.fingerprint !== master || !isUsable(sameId[0]!)) return new Set()
  const certified = keys.filter((key) => {
    const latest = key.certifications
      .filter((each) => each.checked && each.issuerKeyId === masterKeyId)
      .filter((each) => each.issuerFingerprint === null || each.issuerFingerprint === master)
      .sort((a, b) => a.createdAt - b.createdAt || Number(a.revokes) - Number(b.revokes))
      .at(-1)
    return latest && !latest.revokes && (latest.expiresAt === null || latest.expiresAt > nowSeconds)
  })
  return new Set([master, ...certified.map((key) => key.fingerprint)])
}
