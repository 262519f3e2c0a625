import { describe, expect, it } from 'vitest'
import { isSameSet } from '../../../src/core/seal/forward-record.ts'

const file = (name: string, byte: string) => ({ name, sha256: byte.repeat(32) })
const [KEY, TOKEN] = [file('key.pub', 'aa'), file('secret.fre.sealed2', 'bb')]

describe('two sets of sealed files', () => {
  it('are the same in any order', () => {
    expect(isSameSet([KEY, TOKEN], [TOKEN, KEY])).toBe(true)
    expect(isSameSet([], [])).toBe(true)
  })

  it.each([
    ['the first could not be read', null],
    ['a file is missing', [KEY]],
    ['a file came', [KEY, TOKEN, file('key.priv', 'cc')]],
    ['a file has other contents', [KEY, file(TOKEN.name, 'cc')]],
    ['a file has another name', [KEY, file('secret.txt.sealed2', 'bb')]],
    [
      'two files changed their contents for those of the other',
      [file(KEY.name, 'bb'), file(TOKEN.name, 'aa')],
    ],
  ])('are not the same where %s', (_why, files) => {
    expect(isSameSet(files, [KEY, TOKEN])).toBe(false)
  })
})
