/* Long: the parts of a tboot log, each with the lines that only look like one. */

import { describe, expect, it } from 'vitest'
import {
  findPostLaunch,
  isPrintedDigestOf,
  loggedModule,
  readModules,
  readVlMeasurements,
  splitLogLines,
} from '../../../src/core/launch/tboot-sections.ts'

it('the lines of a log have their prefix taken off, and no carriage returns', () => {
  expect(splitLogLines('TBOOT: a\r\r\nTBOOT:b\rTBOOT: c\n\t x TBOOT: d\nTBOOT: TBOOT: e')).toEqual([
    'a',
    'TBOOT:b',
    'c',
    '\t x TBOOT: d',
    'TBOOT: e',
  ])
})

describe('what was printed after the launch', () => {
  const BANNER = '*********************** TBOOT ***********************'
  const DONE = 'SINIT ACM successfully returned...'

  it.each([DONE, 'measured launch succeeded'])('says "%s"', (words) => {
    expect(findPostLaunch(['before', BANNER, 'a', words, 'b'])).toEqual([BANNER, 'a', words, 'b'])
  })

  it('is the last stretch that says so', () => {
    const lines = [BANNER, 'one', DONE, BANNER, 'two', DONE, BANNER, 'three']
    expect(findPostLaunch(lines)).toEqual([BANNER, 'two', DONE])
  })

  it('is all of a text that lost its banner', () => {
    expect(findPostLaunch(['a', DONE, 'b'])).toEqual(['a', DONE, 'b'])
    expect(findPostLaunch(['a', DONE, BANNER, 'b'])).toEqual(['a', DONE])
  })

  it('is nothing where the launch did not come back', () => {
    expect(findPostLaunch([])).toBeNull()
    expect(findPostLaunch([BANNER, 'executing GETSEC[SENTER]...', BANNER])).toBeNull()
  })

  it.each([`old ${BANNER}`, `${BANNER} again`, '** TBOOT **'])('is not begun by "%s"', (line) => {
    expect(findPostLaunch(['a', line, DONE])).toEqual(['a', line, DONE])
  })

  it('is begun by a banner with blanks around', () => {
    expect(findPostLaunch(['a', ` ${BANNER} `, DONE])).toEqual([` ${BANNER} `, DONE])
  })
})

const hex = (byte: string, count: number): string => `${byte} `.repeat(count)
const OK = `\t OK : ${hex('ab', 20)}`
const AB = 'ab'.repeat(20)
const END = 'all modules are verified'

describe('the list of modules', () => {
  const linesOf = (...names: string[]) => names.flatMap((name) => [`verifying module "${name}"...`, OK])

  it('begins behind the last heading and ends with its last line', () => {
    const lines = [
      ...linesOf('before'),
      'verifying module "old"...',
      'verifying policy ',
      ...linesOf('a', 'b'),
      END,
      ...linesOf('behind'),
    ]
    expect(readModules(lines)).toEqual({
      modules: [
        { commandLine: 'a', printedDigest: AB },
        { commandLine: 'b', printedDigest: AB },
      ],
      complete: true,
    })
  })

  it.each(['now verifying policy', 'verifying policy of before'])('does not begin behind "%s"', (line) => {
    const { modules } = readModules([...linesOf('a'), line, ...linesOf('b'), END])
    expect(modules.map(({ commandLine }) => commandLine)).toEqual(['a', 'b'])
  })

  it('may lack its heading, or its modules', () => {
    expect(readModules([...linesOf('a'), END])).toMatchObject({
      modules: [{ commandLine: 'a' }],
      complete: true,
    })
    expect(readModules(['verifying policy', END])).toEqual({ modules: [], complete: true })
  })

  it.each([[[]], [['not all modules are verified']]])('is not complete behind %j', (lines) => {
    const { modules, complete } = readModules([...linesOf('a'), ...lines])
    expect([modules.length, complete]).toEqual([1, false])
  })

  it('has as many modules as any log', () => {
    const names = Array.from({ length: 64 }, (_, at) => `${at}`)
    expect(readModules([...linesOf(...names), END])).toMatchObject({ complete: true })
    const { modules, complete } = readModules([...linesOf(...names, 'more'), END])
    expect([modules.length, complete]).toEqual([64, false])
  })

  it.each([
    ['no digest', []],
    ['a digest that is none', ['\t OK : nothing']],
    ['a line that only ends as one', [`not OK : ${hex('ab', 20)}`]],
  ])('names a module with %s', (_, lines) => {
    expect(readModules(['verifying module "a"...', ...lines, END])).toEqual({
      modules: [{ commandLine: 'a', printedDigest: null }],
      complete: true,
    })
  })

  it.each(['x verifying module "evil"...', 'verifying modules "evil"...'])('has none of "%s"', (line) => {
    expect(readModules([line, OK, END]).modules).toEqual([])
  })
})

/* tboot 1.10.5, tboot/common/policy.c, verify_module: pieces of 80 bytes on lines of their own. */
describe("a module's command line", () => {
  const read = (...lines: string[]) => {
    const { modules, complete } = readModules([...lines, OK, END])
    expect(modules.every(({ printedDigest }) => printedDigest === AB)).toBe(true)
    return complete ? modules.map(({ commandLine }) => commandLine) : null
  }

  it('is put together from its pieces', () => {
    expect(read('verifying module "', 'a'.repeat(80), 'b"...')).toEqual([`${'a'.repeat(80)}b`])
    expect(read('verifying module "', '"...')).toEqual([''])
    expect(read('verifying module ""...')).toEqual([''])
    expect(read('verifying module "a b"... ')).toEqual(['a b'])
  })

  it('goes on behind an end mark in it', () => {
    expect(read('verifying module "a"... b', 'c"...')).toEqual(['a"... bc'])
    expect(read('verifying module "', 'a"... b', 'c"...')).toEqual(['a"... bc'])
    expect(read('verifying module "a"... b"...')).toEqual(['a"... b'])
  })

  it('ends in a piece of at most 80 bytes', () => {
    expect(read('verifying module "', `${'a'.repeat(80)}"...`)).toEqual(['a'.repeat(80)])
    const long = `${'a'.repeat(81)}"...`
    expect(read('verifying module "', long, 'b"...')).toEqual([`${long}b`])
    const wide = `${'é'.repeat(41)}"...`
    expect(read('verifying module "', wide, 'b"...')).toEqual([`${wide}b`])
  })

  it('is no longer than GRUB takes', () => {
    const pieces = (count: number) => Array<string>(count).fill('a'.repeat(30))
    expect(read('verifying module "', ...pieces(126), 'b"...')).toEqual([`${'a'.repeat(126 * 30)}b`])
    expect(read('verifying module "', ...pieces(127), 'b"...')).toBeNull()
  })

  it('that is cut off ends the list, with what was read before', () => {
    const lines = ['verifying module "a"...', OK, 'verifying module "', 'b']
    expect(readModules(lines)).toEqual({
      modules: [{ commandLine: 'a', printedDigest: AB }],
      complete: false,
    })
  })
})

describe('the VL measurements', () => {
  const HEADING = '\t VL measurements:'
  const BEHIND = 'tboot_shared data:'
  const one = (pcr: number | string, text = hex('ab', 20)) => `\t   PCR ${pcr}: ${text}`
  const many = (pcr: number, ...lines: string[]) => [`\t   PCR ${pcr} (alg count ${lines.length}):`, ...lines]
  const alg = (id: string, text: string) => `\t\t   alg ${id}: ${text}`
  const SHA1 = { sha1: AB }
  const read = (...lines: (string | string[])[]) => readVlMeasurements([HEADING, ...lines.flat(), BEHIND])

  it('have one digest an entry, or one of each algorithm', () => {
    expect(read(one(17), one(18))).toEqual({
      entries: [
        { pcr: 17, digests: SHA1 },
        { pcr: 18, digests: SHA1 },
      ],
      complete: true,
    })
    const lines = [alg('0004', hex('ab', 20)), alg('000B', hex('cd', 32)), alg('000c', hex('ef', 48))]
    expect(read(many(17, ...lines), many(9, alg('0012', hex('12', 32))))).toEqual({
      entries: [
        { pcr: 17, digests: { ...SHA1, sha256: 'cd'.repeat(32), sha384: 'ef'.repeat(48) } },
        { pcr: 9, digests: { sm3_256: '12'.repeat(32) } },
      ],
      complete: true,
    })
  })

  it('have what is printed behind a digest cut off', () => {
    expect(read(one(17, `${hex('ab', 20)}00 d8 9b`)).entries).toEqual([{ pcr: 17, digests: SHA1 }])
  })

  it('are the last ones that are printed', () => {
    const lines = [HEADING, one(17), BEHIND, HEADING, one(18), BEHIND]
    expect(readVlMeasurements(lines).entries).toEqual([{ pcr: 18, digests: SHA1 }])
  })

  it.each(['no VL measurements:', 'VL measurements: old'])('do not begin with "%s"', (heading) => {
    expect(readVlMeasurements([heading, one(17), BEHIND])).toEqual({ entries: [], complete: false })
    expect(read(one(17), BEHIND, heading, one(18)).entries).toEqual([{ pcr: 17, digests: SHA1 }])
  })

  it('are nowhere in a text without them', () => {
    expect(readVlMeasurements([one(17), BEHIND])).toEqual({ entries: [], complete: false })
  })

  it('may have blank lines between, and end with another line', () => {
    expect(read(one(17), '', ' \t', one(18)).entries).toHaveLength(2)
    expect(read(one(17), BEHIND, one(18)).entries).toHaveLength(1)
  })

  it('are not complete where the text ends in them', () => {
    expect(readVlMeasurements([HEADING, one(17)])).toEqual({
      entries: [{ pcr: 17, digests: SHA1 }],
      complete: false,
    })
  })

  it.each([
    ['no entry', []],
    ['a digest before the first register', [alg('0004', hex('ab', 20)), one(17)]],
    ['no register', [one(24)]],
    ['no register behind one', [one(17), one(24)]],
    ['no digest', [one(17), ...many(18)]],
    ['a digest of no known algorithm alone', many(17, alg('0099', hex('ab', 20)))],
    ['a digest that is too short', [one(17), one(18, hex('ab', 19))]],
    ['a digest that is no hex', [one(18, 'nothing'), one(17)]],
  ])('are not whole with %s', (_, lines) => {
    expect(read(lines).complete).toBe(false)
  })

  it('are whole up to the last register', () => {
    expect(read(one(23))).toEqual({ entries: [{ pcr: 23, digests: SHA1 }], complete: true })
    expect(read(many(17, alg('0099', hex('ab', 20)), alg('0004', hex('ab', 20)))).complete).toBe(true)
  })

  it.each([
    [`old PCR 18: ${hex('ab', 20)}`],
    ['old PCR 18 (alg count 1):'],
    ['PCR 18 (alg count 1): old'],
    ['PCR 018: ab'],
    [`an alg 000B: ${hex('cd', 32)}`],
  ])('end with "%s"', (line) => {
    const entries = [{ pcr: 17, digests: SHA1 }]
    expect(read(one(17), line, one(19))).toEqual({ entries, complete: true })
  })

  it('are as many as any log has', () => {
    const lines = Array<string>(64).fill(one(19))
    expect(read(lines)).toMatchObject({ complete: true })
    expect(read(lines, one(19))).toEqual({ entries: [], complete: false })
  })
})

describe('a printed module', () => {
  const printed = (digest: string | null) => ({ commandLine: 'a', printedDigest: digest })

  it.each([
    ['its own', AB, { sha1: AB }, true],
    ['its own with bytes behind it', `${AB}0000`, { sha1: AB }, true],
    ['one of two', AB, { sha256: 'cd'.repeat(32), sha1: AB }, true],
    ['another', AB, { sha1: 'cd'.repeat(20) }, false],
    ['its own behind other bytes', `00${AB}`, { sha1: AB }, false],
    ['none', AB, {}, false],
    ['one, and it has none', null, { sha1: AB }, false],
  ])('of a measurement with %s', (_, digest, digests, expected) => {
    expect(isPrintedDigestOf(printed(digest), digests)).toBe(expected)
  })

  it.each([
    [20, 'sha1'],
    [32, 'sha256'],
    [48, 'sha384'],
    [64, 'sha512'],
  ])('without a measurement has its printed digest of %i bytes as %s', (bytes, bank) => {
    const digest = 'ab'.repeat(bytes)
    expect(loggedModule(printed(digest), undefined)).toEqual({
      commandLine: 'a',
      digests: { [bank]: digest },
    })
    expect(loggedModule(printed(digest), {})).toEqual({ commandLine: 'a', digests: { [bank]: digest } })
  })

  it('has the digests of its measurement, and none that has the size of none', () => {
    expect(loggedModule(printed(AB), { sha256: 'cd' })).toEqual({
      commandLine: 'a',
      digests: { sha256: 'cd' },
    })
    expect(loggedModule(printed('ab'.repeat(24)), undefined)).toEqual({ commandLine: 'a', digests: {} })
    expect(loggedModule(printed(null), undefined)).toEqual({ commandLine: 'a', digests: {} })
    expect(loggedModule(undefined, undefined)).toEqual({ commandLine: null, digests: {} })
    expect(loggedModule(undefined, { sha1: AB })).toEqual({ commandLine: null, digests: { sha1: AB } })
  })
})
