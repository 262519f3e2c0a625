import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkTpm12Bindings } from '../../../src/core/decide/verify-tpm12.ts'
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

describe('checkTpm12Bindings', () => {
  const blobs = [{ name: 'secret.fre.sealed2', binding: parseTpm12Blob(BLOB) }]
  const next = { ...VALUES, 18: 'ab'.repeat(20) }
  const ids = (result: ReturnType<typeof checkTpm12Bindings>) => result.checks.map(({ ok }) => ok)

  it('tells this boot, another and the predicted one apart', () => {
    expect(ids(checkTpm12Bindings(blobs, SELECTED, VALUES, null))).toEqual([true, true])
    expect(ids(checkTpm12Bindings(blobs, SELECTED, next, null))).toEqual([true, false])
    const forward = checkTpm12Bindings(blobs, SELECTED, next, VALUES)
    expect(ids(forward)).toEqual([true, null])
    expect(forward.isForward).toBe(true)
    expect(ids(checkTpm12Bindings(blobs, [13, 17, 18], VALUES, null))).toEqual([false, false])
  })

  it('a blob that is bound to a public constant protects nothing', () => {
    const values = { ...VALUES, 18: 'ff'.repeat(20) }
    const binding = parseTpm12Blob(BLOB)
    const digestAtRelease = computeTpm12Composite(SELECTED, values) ?? ''
    const bound = [{ name: 'secret.fre.sealed2', binding: binding && { ...binding, digestAtRelease } }]
    const { checks } = checkTpm12Bindings(bound, SELECTED, values, null)
    expect(checks[1]).toMatchObject({ id: 'policy', ok: false, detail: expect.stringContaining('PCR 18') })
  })

  it('says null of what it cannot read', () => {
    expect(ids(checkTpm12Bindings(null, SELECTED, VALUES, null))).toEqual([null, null])
    expect(ids(checkTpm12Bindings([], SELECTED, VALUES, null))).toEqual([null, null])
    expect(ids(checkTpm12Bindings([{ name: 'x', binding: null }], SELECTED, VALUES, null))).toEqual([
      null,
      null,
    ])
    expect(ids(checkTpm12Bindings(blobs, null, VALUES, null))).toEqual([null, null])
    expect(ids(checkTpm12Bindings(blobs, SELECTED, {}, null))).toEqual([null, null])
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
