import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bulletin } from '../../../src/core/bulletin/bulletin.ts'
import { parseBulletin } from '../../../src/core/bulletin/parse.ts'
import { Failure } from '../../../src/core/failure.ts'
import { bulletinFiles, readCorpus } from './corpus.ts'

const texts = new Map(
  [...bulletinFiles, 'qsb-template.txt'].map((name) => [name, Buffer.from(readCorpus(name))]),
)
const fileName = fc.constantFrom(...texts.keys())

/** What a mutation puts in: pieces the parser looks for, and pieces no text should hold. */
const PIECES = [
  '\n',
  '\n\n',
  ' ',
  '  - ',
  '* ',
  '- ',
  ':',
  ',',
  '(',
  ')',
  '[1]',
  '|',
  '-',
  '0',
  '9',
  '99999',
  '\r',
  '\0',
  '\t',
  '\u001b',
  '\u202e',
  'XSA-',
  'XSA 1-9',
  ' through ',
  ' & ',
  'PCR',
  'PCR18+19',
  'need to reseal',
  'version ',
  'versions 1.2-3, ',
  'packages',
  'For Qubes 4.2, in dom0:\n',
  'Patching\n--------\n',
  '=========\n',
  'Dom0 must be restarted',
  'not affected',
  '---===[ Qubes Security Bulletin 7 ]===---\n',
].map((piece) => Buffer.from(piece))

type Mutation = {
  readonly kind: 'insert' | 'delete' | 'replace' | 'copy' | 'flip' | 'cut'
  readonly at: number
  readonly length: number
  readonly piece: number
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('insert', 'delete', 'replace', 'copy', 'flip', 'cut'),
  // Positions as a fraction: the end of a bulletin holds what matters as often as its beginning.
  at: fc.noBias(fc.nat(99_999)).map((position) => position / 100_000),
  length: fc.integer({ min: 1, max: 200 }),
  piece: fc.nat(PIECES.length - 1),
})

const mutate = (bytes: Buffer, { kind, at, length, piece }: Mutation): Buffer => {
  const start = Math.floor(at * bytes.length)
  const end = Math.min(bytes.length, start + length)
  const [head, middle, tail] = [bytes.subarray(0, start), bytes.subarray(start, end), bytes.subarray(end)]
  if (kind === 'insert') return Buffer.concat([head, PIECES[piece]!, middle, tail])
  if (kind === 'delete') return Buffer.concat([head, tail])
  if (kind === 'replace') return Buffer.concat([head, PIECES[piece]!, tail])
  if (kind === 'copy') return Buffer.concat([head, middle, middle, middle, tail])
  if (kind === 'cut') return head
  const flipped = Buffer.from(bytes)
  if (start < flipped.length) flipped[start] = flipped[start]! ^ (1 << (length % 8))
  return flipped
}

const ascendsWithin = (numbers: readonly number[], most: number): boolean =>
  numbers.every((number, index) => number <= most && (index === 0 || numbers[index - 1]! < number))

/** What must hold of any result, whatever the bytes were. */
const assertSane = (bulletin: Bulletin): void => {
  expect(bulletin.id).toBeGreaterThan(0)
  expect(bulletin.date).toMatch(/^20\d\d-[01]\d-[0-3]\d$/)
  expect(bulletin.title ?? 'none').toMatch(/^\S(?:.*\S)?$/)
  expect(ascendsWithin(bulletin.xsas, 9999)).toBe(true)
  expect(ascendsWithin(bulletin.reseal?.pcrs ?? [], 23)).toBe(true)
  for (const { release, packages } of bulletin.dom0) {
    expect(release).toMatch(/^(?:unspecified|Beta \d|\d{1,2}(?:\.\d{1,2}| Beta \d)?)$/)
    expect(packages.length).toBeGreaterThan(0)
    for (const { name, version } of packages) {
      expect(name).toMatch(/^\S(?:.*\S)?$/)
      expect(version).toMatch(/^\d[0-9A-Za-z.+~^_]*(?:-[0-9A-Za-z.+~^_]+)?$/)
    }
  }
}

const parseOrFail = (bytes: Uint8Array): Bulletin | null => {
  try {
    return parseBulletin(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).text.code).toMatch(/^bulletin-/)
    return null
  }
}

describe('parseBulletin on mutated bulletins', () => {
  it('gives a sane result or its own error, 20,000 times', () => {
    let read = 0
    fc.assert(
      fc.property(fileName, fc.array(mutation, { minLength: 1, maxLength: 6 }), (name, mutations) => {
        const bulletin = parseOrFail(mutations.reduce(mutate, texts.get(name)!))
        if (bulletin) {
          read += 1
          assertSane(bulletin)
        }
      }),
      { numRuns: 20_000 },
    )
    // Mutations that are refused at the door would test nothing else.
    expect(read).toBeGreaterThan(5_000)
  })

  it('gives its own error or a result for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => void parseOrFail(bytes)),
      { numRuns: 2_000 },
    )
  })

  it('has the same facts whatever the line ends are', () => {
    fc.assert(
      fc.property(fileName, (name) => {
        const text = texts.get(name)!
        const crlf = Buffer.from(text.toString('utf8').replaceAll('\n', '\r\n'))
        expect(parseOrFail(crlf)).toEqual(parseOrFail(text))
      }),
      { numRuns: 117 },
    )
  })
})
