import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareEvr, compareVersions, demandMet, parseEvr } from '../../../src/core/package/evr.ts'

/** All pairs through one rpm process: rpm 4.18's own answer, -1, 0 or 1 each. */
const askRpm = (pairs: readonly (readonly [string, string])[]): number[] => {
  const directory = mkdtempSync(join(tmpdir(), 'evr-'))
  try {
    const file = join(directory, 'pairs')
    writeFileSync(file, pairs.map(([a, b]) => `${a}\n${b}\n`).join(''))
    const code = `local a; for line in io.lines("${file}") do if a then print(rpm.vercmp(a, line) .. ' '); a = nil else a = line end end`
    const output = execFileSync('rpm', ['--eval', `%{lua: ${code}}`], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    })
    return output.trim().split(' ').map(Number)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const part = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      '0',
      '1',
      '01',
      '2',
      '10',
      '17',
      '4',
      '20230625',
      'a',
      'b',
      'fc37',
      'rc',
      'git',
    ),
  },
  { weight: 4, arbitrary: fc.constantFrom('.', '_', '+', '~', '^', '..') },
)
const version = fc
  .array(part, { minLength: 1, maxLength: 8 })
  .map((parts) => parts.join(''))
  // rpm refuses a version without a letter or digit.
  .filter((text) => /[0-9A-Za-z]/.test(text))
const evr = fc
  .tuple(fc.option(fc.constantFrom('0', '1', '2001', '007')), version, fc.option(version))
  .map(([epoch, v, r]) => `${epoch === null ? '' : `${epoch}:`}${v}${r === null ? '' : `-${r}`}`)

describe('compareEvr', () => {
  it('answers as rpm does on versions that occur', () => {
    const versions = [
      '4.17.4-4',
      '4.17.4-40',
      '4.17.4-4.fc37',
      '2001:4.17.4-3.fc37',
      '2001:4.17.4-4.fc37',
      '2001:4.17.4-10.fc37',
      '2001:4.14.6-10.fc32',
      '4.17.4',
      '2001:4.17.4',
      '4.17.4~rc1-1',
      '4.17.4^git1-1',
      '1000:6.1.43-1.qubes.fc37',
      '6.1.43',
      '050-62.git20200529',
      '50-62.git20200529.fc32',
      '059-4.fc37',
      '2:2.1-57.qubes1.fc37',
      '2:2.1.20250512-1.fc37',
      '2.1-34.qubes1',
      '20230625-146',
      '20230625-147.fc37',
      '0:1-1',
      '1-1',
      '1',
    ]
    const pairs = versions.flatMap((a) => versions.map((b) => [a, b] as const))
    expect(pairs.map(([a, b]) => compareEvr(a, b))).toEqual(askRpm(pairs))
  })

  it('answers as rpm does on 20,000 generated pairs', () => {
    const pairs = fc.sample(fc.tuple(evr, evr), { numRuns: 20_000, seed: 103 })
    const near = pairs.map(([a, b], index) =>
      index % 4 === 0 ? ([a, `${a}${b.slice(0, 1)}`] as const) : ([a, b] as const),
    )
    const answers = askRpm(near)
    const wrong = near.filter(([a, b], index) => compareEvr(a, b) !== answers[index])
    expect(wrong).toEqual([])
    expect(new Set(answers)).toEqual(new Set([-1, 0, 1]))
  })

  it('is an order', () => {
    fc.assert(
      fc.property(evr, evr, evr, (a, b, c) => {
        expect(compareEvr(a, a)).toBe(0)
        expect(compareEvr(a, b)).toBe(0 - compareEvr(b, a) || 0)
        if (compareEvr(a, b) <= 0 && compareEvr(b, c) <= 0) expect(compareEvr(a, c)).toBeLessThanOrEqual(0)
      }),
      { numRuns: 5_000 },
    )
  })

  it('takes any text without a crash', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => [-1, 0, 1].includes(compareEvr(a, b))))
  })
})

describe('parseEvr', () => {
  it.each([
    ['2001:4.17.4-4.fc37', { epoch: '2001', version: '4.17.4', release: '4.fc37' }],
    ['4.17.4-4', { epoch: null, version: '4.17.4', release: '4' }],
    ['(none):6.1.43-1', { epoch: null, version: '6.1.43', release: '1' }],
    ['6.1.43', { epoch: null, version: '6.1.43', release: null }],
  ])('%s', (text, parts) => {
    expect(parseEvr(text)).toEqual(parts)
  })
})

describe('demandMet', () => {
  it.each([
    ['2001:4.17.4-4.fc37', '4.17.4-4', true],
    ['2001:4.17.4-5.fc37', '4.17.4-4', true],
    ['2001:4.17.5-1.fc37', '4.17.4-4', true],
    ['2001:4.17.4-40.fc37', '4.17.4-4', true],
    ['2001:4.17.4-3.fc37', '4.17.4-4', false],
    ['2001:4.17.4-4.fc37', '4.17.4-40', false],
    ['2001:4.17.3-9.fc37', '4.17.4-4', false],
    ['2001:4.17.4~rc1-9.fc37', '4.17.4-4', false],
    ['4.17.4-4.fc37', '4.17.4-4', true],
    ['1000:6.1.43-1.qubes.fc37', '6.1.43', true],
    ['1000:6.1.42-9.qubes.fc37', '6.1.43', false],
    ['2:2.1.20250512-1.fc37', '2.1-57.qubes1', true],
    ['2:2.1-34.qubes1.fc32', '2.1-34.qubes1', true],
    ['2:2.1-33.qubes1.fc32', '2.1-34.qubes1', false],
    ['050-62.git20200529.fc32', '050-62.git20200529', true],
    ['050-61.git20200529.fc32', '050-62.git20200529', false],
    ['1:4.17.4-4.fc37', '2001:4.17.4-4', false],
  ])('%s meets %s: %s', (installed, wanted, met) => {
    expect(demandMet(installed, wanted)).toBe(met)
  })

  it('does not let the epoch pass for a newer version', () => {
    expect(compareEvr('2001:4.17.4-3.fc37', '4.17.4-4')).toBe(1)
    expect(demandMet('2001:4.17.4-3.fc37', '4.17.4-4')).toBe(false)
  })

  it('compares numbers longer than a machine word', () => {
    expect(compareVersions('99999999999999999998', '99999999999999999999')).toBe(-1)
  })
})
