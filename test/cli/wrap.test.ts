import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UPDATE_COMMANDS } from '../../src/core/bulletin/update-commands.ts'
import { wrap } from '../../src/ui/render-message.ts'

describe('wrap', () => {
  it('keeps a command that is to be copied on one line', () => {
    const command = `\`${UPDATE_COMMANDS.securityTesting}\``
    const lines = wrap(`next: they are still in the security-testing repository: ${command}. Then go on`, 76)
    expect(lines.filter((line) => line.includes(command))).toHaveLength(1)
  })

  it('breaks one that is longer than a line', () => {
    expect(wrap('run `one two three four five`', 12)).toEqual(['run `one two', 'three four', 'five`'])
  })

  it('loses nothing, and takes a backtick that is never closed for a character', () => {
    const word = fc.constantFrom('a', '`', '`b', 'c`', 'some', 'longer-than-all-of-it')
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        const lines = wrap(words.join(' '), 12)
        expect(lines.join(' ')).toBe(words.join(' '))
        expect(lines.every((line) => line.length <= 12 || !line.includes(' '))).toBe(true)
      }),
    )
  })
})
