import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bindingOfBlobs } from '../../../src/core/decide/verify-binding.ts'
import { checkTpm12Selection } from '../../../src/core/decide/verify-tpm12.ts'
import {
  classifyTpm12Exit,
  computeTpm12Composite,
  parseTpm12Blob,
} from '../../../src/core/seal/tpm12-blob.ts'

/*
 * secret.fre.sealed2 of a seal by tpm_sealdata (tpm-tools 1.3.9.2, trousers 0.3.15, swtpm 0.7.1), and the registers it was
 * made under. To capture again: `tpm_sealdata -z -p 13 -p 17 -p 18 -p 19 -i FILE`.
 */
const BLOB = `${[
  '-----BEGIN TSS-----',
  '-----TSS KEY-----',
  'AQEAAAARAAAABAEAAAABAAMAAQAAAAwAAAgAAAAAAgAAAAAAAAAAAAABAM+zUj7b',
  'kUqRIxsedxtATes+EjKCAYXRedt3ja9Orz8V+CY69+HQ7D0dUi23R9hyv6FuelPo',
  'AzrhKHyHQsSAIeRUm07lUfZFlV2qppOtV9tiQeLX9OcXuwd+JEDULQI9k+tIZ36F',
  '3zLN7TsHq5XPGkcVU5TxMgioyfkkSZxZoIn8ehguJJIp8HVD7OVaIBdj9JtgX0qD',
  'UTcYA6Angew9OL7xn8/rRW5z6zb3DFcn/FoMub8h92DkG+rVShUis8RU2JBzqYp4',
  '8hYjmJcqQvz8pvG0dkvjEr/CYQ4/GmwWGmkcq58rY7xCa79Ed8WeatY/6RaOL44z',
  'tRzSgE4R2f9lvF8AAAEAgSzLLx9NjB7214EB6juvsrRR6afeS//73Er7X+g8vP/T',
  'AldHI2TmV91pDE2iKPUxiKIKCFqNqhTHMKhT0MjySEzQAsToL2mPsj1GlKPdXYYa',
  'bpMDN6wdFDFh0oyi12PkQX+evsivThFrSm1stfRKP07sgTc+B/jV0The8OOfLfDd',
  'nuI02aaKQvTXb/yn1BOlmn73uWu6IFKAPwU5kGOlwS0C3S51FC3XDOKjdMs0J7TA',
  'c1XPgndtBeDukJCCLXmMLxkRjy5BkjnVR3GsBs8yUAXQb49aq7l+jDECTIYwlXks',
  'WUIW2/cHDSjwaWWcCHYR+f/zywAx2TcT3e5ENSDHqw==',
  '-----ENC KEY-----',
  'Symmetric Key: AES-256-CBC',
  'ABYAAAAAADYABgEfAAMAAAAAAwAgDgAAAAAAAAAAAAAAAAAAAAAAAAAA4rW61HqF',
  'BQjOvmBxn9nHHZXYSdgAAAEAr3HKf/keKfVZxZyahrQnvjnmTgAYkngV/RS/rOZ3',
  '1YvBvVGwxTMxdDXpu6BYaUgPKHjuYg9gigPKxiZQ5ejrabeSF4wu1zqjSS+MxXgY',
  'TzWwAyB3gOd1OPl4n9EY1cV29IiOtGSOoRpOBRcE5RanMv2UoqhDy/SmIWttJWEk',
  'T4jEsnYg6uMiy3ITxVeSL3Rin7VsxlSdroD4xPDdF22lDnv6aWL3ZTqueR8MNAxg',
  'S0d42D7Hd9ejPp9vRk4TZZd77o1p/SUUNOMXub1acGCGiy9YPW7AXgKaLAF7/3Lu',
  'kp+UZXeKwQeZwdoOHsoKRW+MnHmootJLDvPcQkHhClRClg==',
  '-----ENC DAT-----',
  'FFBBKZuQQDjvuOfiEks39mvnAlIhaYeoVt6EaZKVg7w=',
  '-----END TSS-----',
].join('\n')}\n`
const VALUES: Readonly<Record<number, string>> = {
  13: '95dfa3244e59d7fe82224ca868339f9ef2e1b5da',
  17: '610a6cb503409b601f341501771cd69198bc808a',
  18: 'fe2342a3788da90e36ebbb97e3c4f9796eafdca7',
  19: 'd2196106571108290f09b3575527bf5102f49812',
}
const SELECTED = [13, 17, 18, 19]

describe('a blob of tpm_sealdata', () => {
  it('names its registers and their digest', () => {
    const binding = parseTpm12Blob(BLOB)
    expect(binding?.pcrs).toEqual(SELECTED)
    expect(binding?.digestAtRelease).toBe(computeTpm12Composite(SELECTED, VALUES))
  })

  it('is bound to these values and to no others', () => {
    for (const index of SELECTED)
      expect(computeTpm12Composite(SELECTED, { ...VALUES, [index]: '00'.repeat(20) })).not.toBe(
        parseTpm12Blob(BLOB)?.digestAtRelease,
      )
    expect(computeTpm12Composite([13, 17, 18], VALUES)).not.toBe(parseTpm12Blob(BLOB)?.digestAtRelease)
    expect(computeTpm12Composite([13, 20], VALUES)).toBeNull()
  })

  /** Bytes in place of the key's blob. */
  const withData = (data: Buffer) => BLOB.replace(/(?<=AES-256-CBC\n)[^-]+/, `${data.toString('base64')}\n`)
  /** TPM_STORED_DATA (TPM Main 1.2 part 2, section 10.1) bound to registers 17 and 18 by TPM_PCR_INFO. */
  const storedData = (version: string) =>
    Buffer.concat([
      Buffer.from(`${version}0000002d`, 'hex'),
      Buffer.from(`0003000006${'aa'.repeat(20)}${'bb'.repeat(20)}`, 'hex'),
    ])

  it('of the first form names the digest at release, which comes first', () => {
    expect(parseTpm12Blob(withData(storedData('01010000')))).toEqual({
      pcrs: [17, 18],
      digestAtRelease: 'aa'.repeat(20),
    })
  })

  it.each(['01020000', '00010000', '01010001'])('of an unknown form %s is not read', (version) => {
    expect(parseTpm12Blob(withData(storedData(version)))).toBeNull()
  })

  const info = (hex: string) =>
    Buffer.from(`01010000${(hex.length / 2).toString(16).padStart(8, '0')}${hex}`, 'hex')
  const long = (hex: string) =>
    Buffer.from(`00160000${(hex.length / 2).toString(16).padStart(8, '0')}${hex}`, 'hex')
  const [release, creation] = ['aa'.repeat(20), 'bb'.repeat(20)]

  it.each<[string, Buffer]>([
    ['without a size', Buffer.from('01010000000000', 'hex')],
    ['without registers', info('')],
    ['cut in the size of its registers', info('00')],
    ['cut in its registers', info('00030000')],
    ['with a digest too short', info(`0003000006${release}${'bb'.repeat(19)}`)],
    ['with a digest too long', info(`0003000006${release}${creation}bb`)],
    ['with more registers than a TPM 1.2 has', info(`000400000600${release}${creation}`)],
    ['of the second form, without registers', long('00060101')],
    ['of the second form, without those at release', long('000601010003000000')],
    ['of the second form, cut in the size of those', long('00060101000300000000')],
    ['of the second form, with a digest too short', long(`0006010100030000000003000006${creation}`)],
    [
      'of the second form, with a digest too long',
      long(`0006010100030000000003000006${creation}${release}bb`),
    ],
  ])('%s is not read', (_, data) => {
    expect(parseTpm12Blob(withData(data))).toBeNull()
  })

  it('of the second form names the registers and the digest at release, which come last', () => {
    expect(parseTpm12Blob(withData(long(`0006010100030100000003000006${creation}${release}`)))).toEqual({
      pcrs: [17, 18],
      digestAtRelease: release,
    })
  })

  it('is bound to its registers in ascending order, however they are named', () => {
    expect(computeTpm12Composite([19, 17, 13, 18], VALUES)).toBe(
      computeTpm12Composite([13, 17, 18, 19], VALUES),
    )
  })

  it('is null of anything else, and never an error', () => {
    expect(parseTpm12Blob('')).toBeNull()
    expect(parseTpm12Blob(BLOB.replace('ABYA', 'AAAA'))).toBeNull()
    fc.assert(
      fc.property(fc.nat(BLOB.length), fc.string({ maxLength: 8 }), (at, text) => {
        const binding = parseTpm12Blob(BLOB.slice(0, at) + text + BLOB.slice(at + text.length))
        return binding === null || Array.isArray(binding.pcrs)
      }),
    )
  })
})

describe('the binding of blobs', () => {
  const blobs = [{ name: 'secret.fre.sealed2', binding: parseTpm12Blob(BLOB) }]

  it('is to the registers that tpm_sealdata sealed to, and to no others', () => {
    const binding = bindingOfBlobs(blobs.map((blob) => blob.binding))
    expect(binding?.pcrs).toEqual([...SELECTED].sort((a, b) => a - b))
    expect(binding?.isBoundTo(VALUES)).toBe(true)
    expect(binding?.isBoundTo({ ...VALUES, 18: 'ab'.repeat(20) })).toBe(false)
    expect(binding?.isBoundTo({})).toBe(false)
  })

  it('names registers that are or are not those of SEAL', () => {
    expect(checkTpm12Selection(blobs, SELECTED).ok).toBe(true)
    expect(checkTpm12Selection(blobs, [13, 17, 18])).toMatchObject({
      ok: false,
      detail: expect.stringContaining('secret.fre.sealed2'),
    })
  })

  it('says null of what it cannot read', () => {
    for (const unread of [null, [], [{ name: 'x', binding: null }], [...blobs, { name: 'x', binding: null }]])
      expect(checkTpm12Selection(unread, SELECTED).ok).toBeNull()
    expect(checkTpm12Selection(blobs, null).ok).toBeNull()
  })
})

it('reads the exit codes of tpm-tools', () => {
  expect([1, 3, 17, 19, 24, 254, 99].map(classifyTpm12Exit)).toEqual([
    'bad-password',
    'lockout',
    'no-tcsd',
    'bad-object',
    'pcrs',
    'bad-object',
    'unknown',
  ])
})
