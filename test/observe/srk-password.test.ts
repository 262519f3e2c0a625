import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { observeSrkPassword, rememberSrkPassword, toTpm2Auth } from '../../src/observe/seal/srk-password.ts'
import { makeFakeHost } from '../support/fake-host.ts'

const hostOf = (file: Awaited<ReturnType<Host['readFile']>>) =>
  makeFakeHost({
    readFile: async (path) => {
      expect(path).toBe('/run/anti-evil-maid/srk-password')
      return file
    },
  })
const cached = (text: string) => hostOf(seen(Buffer.from(text)))
const textOf = async (host: Host) => {
  const found = await observeSrkPassword(host)
  return found.state === 'known' ? Buffer.from(found.bytes).toString() : found.state
}

describe('the SRK password that this boot cached', () => {
  it.each([
    ['srk', 'srk'],
    ['srk\n', 'srk'],
    ['srk\n\n\n', 'srk'],
    ['two\nlines\n', 'two\nlines'],
    ['\n led by one', '\n led by one'],
    [' with blanks \n', ' with blanks '],
    ['carriage return\r\n', 'carriage return\r'],
    ['', ''],
    ['\n\n', ''],
  ])('is what `$(cat file)` gives of %j', async (file, password) => {
    expect(await textOf(cached(file))).toBe(password)
  })

  it('was typed by nobody', async () => {
    expect(await observeSrkPassword(cached('srk'))).toMatchObject({ state: 'known', isTyped: false })
  })

  it('is missing where there is no file, which is not one that cannot be read', async () => {
    expect(await observeSrkPassword(hostOf(ABSENT))).toEqual({ state: 'missing' })
    expect(await observeSrkPassword(hostOf(unknown('input/output error')))).toEqual({ state: 'unreadable' })
  })
})

it('a typed SRK password goes before the cached one, byte for byte, on the machine that it was typed on', async () => {
  const [own, other] = [cached('cached'), cached('cached')]
  rememberSrkPassword(own, Buffer.from('typed\n'))
  expect(await observeSrkPassword(own)).toEqual({
    state: 'known',
    bytes: Buffer.from('typed\n'),
    isTyped: true,
  })
  expect(await textOf(other)).toBe('cached')
})

it('no SRK password is read by tpm2-tools as a file or as hex', () => {
  for (const password of ['srk', 'file:/etc/passwd', 'hex:00', 'str:srk', ''])
    expect(Buffer.from(toTpm2Auth(Buffer.from(password))).toString()).toBe(`str:${password}`)
})
