import { describe, expect, it } from 'vitest'
import {
  bankOfAlgorithm,
  constantOf,
  groupConstants,
  listMeasuredPcrs,
  normalizeDigest,
  parsePcrFile,
  parseSysfsTpm12Pcrs,
  selectsLaunch,
} from '../../../src/core/launch/pcr.ts'
import { failureOf } from '../../support/failure-of.ts'

const [A, B, ZEROS, ONES] = ['aa', 'bb', '00', 'ff'].map((byte) => byte.repeat(20)) as [
  string,
  string,
  string,
  string,
]
const CAPPED = 'bac37b84f007d0238af95af707cac8d61254870e'

describe('the registers that a boot is known by', () => {
  it.each([
    [[], {}, []],
    [[13], { 17: A, 18: B }, [13, 17, 18]],
    [[22, 13, 17], { 17: A, 19: B }, [13, 17, 19, 22]],
    [[], { 17: A, 18: ZEROS, 19: ONES }, [17]],
    [[18, 19], { 17: CAPPED, 18: ZEROS, 19: ONES }, [18, 19]],
    [[], { 13: A, 16: A, 20: A, 22: A }, []],
    [[9, 100, 20], {}, [9, 20, 100]],
  ])('are those selected, %j, and what the launch filled of %j', (selected, values, measured) => {
    expect(listMeasuredPcrs(selected, values)).toEqual(measured)
  })

  it.each([
    [16, false],
    [17, true],
    [18, true],
    [19, true],
    [20, true],
    [21, true],
    [22, true],
    [23, false],
    [13, false],
  ])('are filled by a launch: %i %s', (index, expected) => {
    expect(selectsLaunch([13, index])).toBe(expected)
  })
})

it('the registers that show no measurement are told by what they hold', () => {
  const values = { 13: A, 17: ONES, 18: ZEROS, 19: CAPPED, 20: ZEROS }
  expect(groupConstants(values, [13, 17, 18, 19, 20, 21])).toEqual([
    { words: 'never extended', pcrs: [18, 20] },
    { words: 'never launched', pcrs: [17] },
    { words: 'closed by a failed launch', pcrs: [19] },
  ])
  expect(groupConstants(values, [13, 17])).toEqual([{ words: 'never launched', pcrs: [17] }])
  expect(groupConstants(values, [13, 22])).toEqual([])
})

it.each([
  [0x04, 'sha1'],
  [0x0b, 'sha256'],
  [0x0c, 'sha384'],
  [0x0d, 'sha512'],
  [0x12, 'sm3_256'],
  [0x27, null],
])('the algorithm %i is of the bank %s (TCG Algorithm Registry 1.34)', (id, bank) => {
  expect(bankOfAlgorithm(id)).toBe(bank)
})

it.each([
  [`${'00'.repeat(19)}01`, null],
  [`01${'00'.repeat(19)}`, null],
  [`fe${'ff'.repeat(19)}`, null],
  [`${'ff'.repeat(19)}fe`, null],
  [`00${CAPPED}`, null],
  ['', null],
  ['0', null],
  ['fF'.repeat(20), 'unlaunched'],
])('%j is the public constant %j', (hex, constant) => {
  expect(constantOf(hex)).toBe(constant)
})

describe('a digest', () => {
  it.each([
    ['AB:'.repeat(19).concat('ab'), 'ab'.repeat(20)],
    [' AB\n'.repeat(20), 'ab'.repeat(20)],
    ['0x'.concat('ab'.repeat(19)), null],
    [`zz${'ab'.repeat(19)}`, null],
    [`${'ab'.repeat(19)}zz`, null],
  ])('is normalized from %j to %j', (text, digest) => {
    expect(normalizeDigest('sha1', text)).toBe(digest)
  })

  it.each([
    ['', null],
    [`${A}\n`, A],
    [A.toUpperCase(), A],
    [` ${A}\n`, null],
    [`${A}\nmore\n`, null],
    ['aa '.repeat(20), null],
    ['aa:'.repeat(19).concat('aa'), null],
  ])('of a register is read from the file %j: %j', async (text, digest) => {
    const read = async () => parsePcrFile('sha1', text)
    if (digest === null) expect((await failureOf(read())).text.code).toBe('pcrs-unreadable')
    else expect(await read()).toBe(digest)
  })
})

describe('the registers of a TPM 1.2', () => {
  const line = (index: string): string => `PCR-${index}:${' AA'.repeat(20)}\n`

  it('are those that there are', () => {
    expect(parseSysfsTpm12Pcrs(line('00') + line('23') + line('24') + line('99'))).toEqual({ 0: A, 23: A })
    expect(() => parseSysfsTpm12Pcrs(line('24'))).toThrow()
  })

  it('are shown in part where none can be read', async () => {
    const { text } = await failureOf((async () => parseSysfsTpm12Pcrs('x'.repeat(500)))())
    expect(text.verbatim).toBe('x'.repeat(400))
  })
})
