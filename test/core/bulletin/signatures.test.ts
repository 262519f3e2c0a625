import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signatureFilesOf, signaturePlan } from '../../../src/core/bulletin/gpg-calls.ts'
import {
  decideCertified,
  parseCertifications,
  QUBES_MASTER_FINGERPRINT,
} from '../../../src/core/bulletin/gpg-certifications.ts'
import { parseGpgStatus } from '../../../src/core/bulletin/gpg-status.ts'
import {
  type BulletinSignature,
  decideApproval,
  decideSignature,
  decideSignatures,
  needAttention,
} from '../../../src/core/bulletin/signatures.ts'
import { bulletinFiles, CORPUS, fileOf } from './corpus.ts'
import { makeSigner, makeWorkplace, revocationOf, run, sign, verify, type Workplace } from './gpg.ts'

const MAREK = '2D1771FE4D767EDC76B089FAD655A4F21830E06A'
const SIMON = 'EA18E7F040C41DDAEFE9AA0F4AC18DE1112E1490'
const JOANNA = 'BB67A93CA089499C47B69E3C4E6829BC92C7B3DC'
const SECURITY_TEAM = 'B35B2DA4B9F9F10949226F77ACC2602F3F48CB21'

const keyFiles = readdirSync(`${CORPUS}keys`).map((name) => `${CORPUS}keys/${name}`)
const directory = readdirSync(CORPUS)
const signaturesOf = (file: string): string[] =>
  signatureFilesOf(file, directory).map((name) => CORPUS + name)

let place: Workplace
beforeAll(() => {
  place = makeWorkplace()
})
afterAll(() => place.remove())

let homes = 0
const freshHome = (): string => {
  homes += 1
  return place.home(`home-${homes}`)
}

/** Status of 103's text (or another) with given signature files and keys. */
const check = (
  textFile: string,
  signatureFiles: readonly string[],
  keys: readonly string[] = keyFiles,
): BulletinSignature[] => {
  const { certified, found } = verify(freshHome(), keys, textFile, signatureFiles)
  return found.flatMap((each) => each.map((signature) => decideSignature(signature, certified)))
}

const text103 = CORPUS + fileOf(103)
const sig103 = (): string => signaturesOf(fileOf(103))[0]!

describe('the published signatures', () => {
  const statuses = new Map<string, BulletinSignature[]>()
  let certified: ReadonlySet<string>

  beforeAll(() => {
    const plan = signaturePlan(freshHome(), keyFiles, '', [])
    run(plan.importKeys)
    certified = decideCertified(parseCertifications(run(plan.checkCertifications)), 1_800_000_000)
    const home = plan.importKeys.argv[2]!
    for (const file of bulletinFiles) {
      const calls = signaturePlan(home, [], CORPUS + file, signaturesOf(file)).verify
      const found = calls.map((call) => parseGpgStatus(run(call)))
      statuses.set(file, decideSignatures(Number(file.slice(4, 7)), found, certified))
    }
  }, 120_000)

  it('are by keys that the master key certifies', () => {
    expect([...certified].sort()).toEqual(
      [QUBES_MASTER_FINGERPRINT, MAREK, SIMON, JOANNA, SECURITY_TEAM].sort(),
    )
  })

  it('are 229, of which 186 are good and 43 of 2011-2014 use SHA-1', () => {
    const all = [...statuses.values()].flat()
    const count = (status: string): number => all.filter((each) => each.status === status).length
    expect([all.length, count('good'), count('weak-digest')]).toEqual([229, 186, 43])
    const weak = [...statuses].filter(([, each]) => each.some(({ status }) => status === 'weak-digest'))
    expect(weak.every(([file]) => Number(file.slice(4, 7)) <= 24)).toBe(true)
  })

  it('name signer and full fingerprint', () => {
    expect(statuses.get(fileOf(103))).toEqual([
      { signer: expect.stringContaining('Marek Marczykowski-Górecki'), fingerprint: MAREK, status: 'good' },
      { signer: expect.stringContaining('Simon Gaiser'), fingerprint: SIMON, status: 'good' },
    ])
    expect(statuses.get(fileOf(40))?.map(({ fingerprint }) => fingerprint)).toContain(JOANNA)
  })

  it('approve every bulletin since 44', () => {
    const later = [...statuses].filter(([file]) => Number(file.slice(4, 7)) >= 44)
    expect(later).toHaveLength(73)
    expect(later.every(([, each]) => decideApproval(each) === 'approved' && !needAttention(each))).toBe(true)
  })
})

describe('signatures that are not good', () => {
  it('says bad for an altered text', () => {
    const altered = place.file('altered.txt', readFileSync(text103, 'utf8').replace('4.17.4-4', '4.17.4-3'))
    expect(check(altered, [sig103()])).toMatchObject([{ status: 'bad' }])
  })

  it('says bad for the signature of another file', () => {
    expect(check(CORPUS + fileOf(102), [sig103()])).toMatchObject([{ status: 'bad' }])
  })

  it('says bad for a file that holds no signature, and still expects the second one', () => {
    const { certified, found } = verify(freshHome(), keyFiles, text103, [place.file('empty.sig.x', '')])
    const decided = decideSignatures(103, found, certified)
    expect(decided.map(({ status }) => status)).toEqual(['bad', 'missing'])
    expect(decideApproval(decided)).toBe('refused')
  })

  it('says no-key without the key, and names the one that is needed', () => {
    const master = keyFiles.filter((name) => name.includes('master'))
    expect(check(text103, [sig103()], master)).toEqual([
      { signer: null, fingerprint: MAREK, status: 'no-key' },
    ])
  })

  it('says untrusted-key without the master key', () => {
    const others = keyFiles.filter((name) => !name.includes('master'))
    expect(check(text103, [sig103()], others)).toMatchObject([
      { fingerprint: MAREK, status: 'untrusted-key' },
    ])
  })

  it('says untrusted-key for a good signature by a stranger', () => {
    const stranger = makeSigner(place, 'stranger')
    const text = place.file('stranger.txt', readFileSync(text103))
    const signature = sign(stranger, text)
    expect(check(text, [signature], [...keyFiles, stranger.keyFile])).toMatchObject([
      {
        signer: 'stranger <stranger@example.org>',
        fingerprint: stranger.fingerprint,
        status: 'untrusted-key',
      },
    ])
  })

  it('says expired for an expired key', () => {
    const expired = makeSigner(place, 'expired', true)
    const text = place.file('expired.txt', readFileSync(text103))
    const signature = sign(expired, text, '--faked-system-time', '20250101T000100')
    expect(check(text, [signature], [...keyFiles, expired.keyFile])).toMatchObject([
      { fingerprint: expired.fingerprint, status: 'expired' },
    ])
  })

  it('says expired for a signature that was valid for a time', () => {
    const signer = makeSigner(place, 'short')
    const text = place.file('short.txt', readFileSync(text103))
    const home = freshHome()
    const signature = sign(signer, text, '--default-sig-expire', 'seconds=1')
    const until = Date.now() + 2_100
    while (Date.now() < until) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    const { certified, found } = verify(home, [...keyFiles, signer.keyFile], text, [signature])
    expect(found.flat().map((each) => decideSignature(each, certified))).toMatchObject([
      { status: 'expired' },
    ])
  })

  it('says revoked for a revoked key', () => {
    const revoked = makeSigner(place, 'revoked')
    const text = place.file('revoked.txt', readFileSync(text103))
    const signature = sign(revoked, text)
    const revocation = revocationOf(place, revoked)
    expect(check(text, [signature], [...keyFiles, revoked.keyFile, revocation])).toMatchObject([
      { fingerprint: revoked.fingerprint, status: 'revoked' },
    ])
  })

  it('sees every signature of a file that holds two', () => {
    const stranger = makeSigner(place, 'second')
    const text = place.file('two.txt', readFileSync(text103))
    const both = place.file(
      'two.txt.sig.both',
      Buffer.concat([readFileSync(sign(stranger, text)), dearmor(sig103())]),
    )
    const statuses = check(text, [both], [...keyFiles, stranger.keyFile]).map(({ status }) => status)
    expect(statuses).toEqual(['untrusted-key', 'good'])
  })

  it('says weak-digest only for a key it trusts', () => {
    const stranger = makeSigner(place, 'sha1')
    const text = place.file('sha1.txt', readFileSync(text103))
    const signature = sign(stranger, text, '--digest-algo', 'SHA1')
    expect(check(text, [signature], [...keyFiles, stranger.keyFile])).toMatchObject([
      { status: 'untrusted-key' },
    ])
  })
})

/** Two armored signatures in one file are not read on by gpg; binary packets are. */
const dearmor = (file: string): Buffer => {
  const lines = readFileSync(file, 'utf8').split('\n')
  const body = lines.slice(lines.indexOf('') + 1).filter((line) => line && !/^(?:-----|=)/.test(line))
  return Buffer.from(body.join(''), 'base64')
}

const good = (fingerprint: string): BulletinSignature => ({ signer: 'x', fingerprint, status: 'good' })

describe('decideSignatures', () => {
  const found = (fingerprint: string) =>
    parseGpgStatus(
      `[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG ${fingerprint.slice(-16)} x\n[GNUPG:] VALIDSIG ${fingerprint} 2024-07-16 1721128613 0 4 0 1 8 00 ${fingerprint}\n`,
    )
  const certified = new Set([MAREK, SIMON])

  it.each([
    ['two signers', 103, [MAREK, SIMON], ['good', 'good'], 'approved'],
    ['one signer since 44', 103, [MAREK], ['good', 'missing'], 'single'],
    ['the same signer twice', 103, [MAREK, MAREK], ['good', 'good', 'missing'], 'single'],
    ['nothing since 44', 44, [], ['missing', 'missing'], 'refused'],
    ['one signer before 44', 43, [MAREK], ['good'], 'approved'],
    ['nothing before 44', 43, [], ['missing'], 'refused'],
    ['a stranger as the second', 103, [MAREK, JOANNA], ['good', 'untrusted-key'], 'refused'],
  ] as const)('%s', (_, id, signers, statuses, approval) => {
    const decided = decideSignatures(id, signers.map(found), certified)
    expect(decided.map(({ status }) => status)).toEqual(statuses)
    expect(decideApproval(decided)).toBe(approval)
  })

  it('needs attention for anything but good and weak-digest', () => {
    expect(needAttention([good(MAREK), { ...good(SIMON), status: 'weak-digest' }])).toBe(false)
    expect(needAttention([good(MAREK), { ...good(SIMON), status: 'missing' }])).toBe(true)
  })

  it('does not take GOODSIG without VALIDSIG for good', () => {
    const [signature] = parseGpgStatus(`[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG ${MAREK.slice(-16)} x\n`)
    expect(decideSignature(signature!, certified).status).toBe('bad')
  })

  it('does not take BADSIG for good, whatever follows it', () => {
    const text = `[GNUPG:] NEWSIG\n[GNUPG:] BADSIG ${MAREK.slice(-16)} x\n[GNUPG:] VALIDSIG ${MAREK} 2024-07-16 1721128613 0 4 0 1 8 00 ${MAREK}\n`
    for (const each of [text, `${text}[GNUPG:] GOODSIG ${MAREK.slice(-16)} x\n`]) {
      expect(decideSignature(parseGpgStatus(each)[0]!, certified).status).toBe('bad')
    }
  })

  it('does not let a user id write status lines', () => {
    const [signature] = parseGpgStatus(
      '[GNUPG:] NEWSIG\n[GNUPG:] BADSIG D655A4F21830E06A x%0A[GNUPG:] GOODSIG\n',
    )
    expect(signature?.outcome).toBe('bad')
  })

  it('takes any text', () => {
    const line = fc.constantFrom(
      '[GNUPG:] NEWSIG',
      '[GNUPG:] GOODSIG',
      '[GNUPG:] ERRSIG x',
      '[GNUPG:] VALIDSIG %E0%',
      'sig:!::',
      'pub:',
      'fpr:',
      '',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string())), (lines) => {
        for (const each of parseGpgStatus(lines.join('\n'))) decideSignature(each, certified)
        decideCertified(parseCertifications(lines.join('\n')), 0)
      }),
    )
  })
})

describe('decideCertified', () => {
  const key = (fingerprint: string, validity = '-', ...below: string[]): string =>
    [
      `pub:${validity}:4096:1:${fingerprint.slice(-16)}:1:::-:::scSC::::::23::0:`,
      `fpr:::::::::${fingerprint}:`,
      'uid:-::::1::A::x::::::::::0:',
      ...below,
    ].join('\n')
  const master = key(QUBES_MASTER_FINGERPRINT)
  const sig = (
    type: string,
    flag: string,
    created: number,
    expires = '',
    issuer = QUBES_MASTER_FINGERPRINT,
  ): string => `${type}:${flag}::1:${issuer.slice(-16)}:${created}:${expires}:::x:10x::${issuer}:::8:`
  const certifies = (...keys: string[]): boolean =>
    decideCertified(parseCertifications([...keys, ''].join('\n')), 1_000).has(MAREK)

  it.each([
    ['a checked certification', [master, key(MAREK, '-', sig('sig', '!', 5))], true],
    ['one that is not checked', [master, key(MAREK, '-', sig('sig', '?', 5))], false],
    ['one that is bad', [master, key(MAREK, '-', sig('sig', '-', 5))], false],
    ['one that was revoked', [master, key(MAREK, '-', sig('sig', '!', 5), sig('rev', '!', 6))], false],
    [
      'one renewed after a revocation',
      [master, key(MAREK, '-', sig('rev', '!', 6), sig('sig', '!', 7))],
      true,
    ],
    ['one that has expired', [master, key(MAREK, '-', sig('sig', '!', 5, '999'))], false],
    ['one that will expire', [master, key(MAREK, '-', sig('sig', '!', 5, '1001'))], true],
    ['one by another key', [master, key(MAREK, '-', sig('sig', '!', 5, '', JOANNA))], false],
    ['none', [master, key(MAREK)], false],
    ['one on a revoked user id', [master, key(MAREK).replace('uid:-', 'uid:r'), sig('sig', '!', 5)], false],
    [
      'a revoked master key',
      [key(QUBES_MASTER_FINGERPRINT, 'r'), key(MAREK, '-', sig('sig', '!', 5))],
      false,
    ],
    ['no master key', [key(MAREK, '-', sig('sig', '!', 5))], false],
    [
      'a second key with the key id of the master key',
      [
        master,
        key(`${'0'.repeat(24)}${QUBES_MASTER_FINGERPRINT.slice(-16)}`),
        key(MAREK, '-', sig('sig', '!', 5)),
      ],
      false,
    ],
  ])('%s', (_, keys, expected) => {
    expect(certifies(...keys)).toBe(expected)
  })
})

describe('signatureFilesOf', () => {
  it('finds both spellings and nothing else', () => {
    const names = [
      'a.txt',
      'a.txt.sig.marmarek',
      'a.txt.sign.joanna',
      'a.txt.sig',
      'a.txt.sig.a/b',
      'b.txt.sig.simon',
      'a.txt.signature.x',
    ]
    expect(signatureFilesOf('a.txt', names)).toEqual(['a.txt.sig.marmarek', 'a.txt.sign.joanna'])
  })

  it('finds 229 in the corpus', () => {
    expect(bulletinFiles.flatMap((file) => signatureFilesOf(file, directory))).toHaveLength(229)
  })
})
