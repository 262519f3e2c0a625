import { describe, expect, it } from 'vitest'
import {
  parseKernelParameters,
  parseKeyPcrs,
  parseLuksUuids,
  parseQubesRelease,
} from '../../../src/core/aem/configuration.ts'

describe('parseKeyPcrs', () => {
  it('reads what AEM writes', () => {
    expect(parseKeyPcrs('sha256:13,17,18,19\n')).toEqual({ bank: 'sha256', pcrs: [13, 17, 18, 19] })
  })

  it.each(['', 'sha256:', 'md5:1', 'sha256:13;17', 'sha256:13,\n', 'sha256:13\nsha256:17\n', ' sha256:13'])(
    'of %j knows nothing',
    (text) => {
      expect(parseKeyPcrs(text)).toBeNull()
    },
  )
})

describe('the kernel command line', () => {
  const line =
    'placeholder aem.uuid=one rd.luks.uuid=luks-bb rd.luks.uuid=luks-aa xaem.uuid=no aem.uuidx=no rd_LUKS_UUID=luks-aa\n'

  it('gives every value of a parameter, and of no other', () => {
    expect(parseKernelParameters(line, 'aem.uuid')).toEqual(['one'])
    expect(parseKernelParameters(line, 'nothing')).toEqual([])
  })

  it('gives the LUKS devices sorted, each once', () => {
    expect(parseLuksUuids(line)).toEqual(['aa', 'bb'])
  })
})

describe('parseQubesRelease', () => {
  it.each([
    ['Qubes release 4.2.2 (R4.2)\n', '4.2'],
    ['Qubes release 4.1 (R4.1)', '4.1'],
    ['Qubes release 4.3.0\n', '4.3'],
    ['Fedora release 37', null],
    ['', null],
  ])('of %j is %s', (text, release) => {
    expect(parseQubesRelease(text)).toBe(release)
  })
})
