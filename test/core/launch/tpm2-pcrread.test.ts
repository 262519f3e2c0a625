import { expect, it } from 'vitest'
import { parsePcrRead } from '../../../src/core/launch/tpm2-pcrread.ts'

const [ONE, TWO] = ['1A'.repeat(20), '2B'.repeat(32)]

it.each([
  ['  sha1:', '    17: 0x', '  sha256:'],
  ['sha1 :', '  17 : ', 'sha256 :'],
  ['sha1:', '17:', 'sha256:\r'],
])('registers are read by bank, printed as %j and %j', (sha1, value, sha256) => {
  const text = [
    sha1,
    `${value}${ONE}`,
    `${value.replace('17', '0')}${ONE}`,
    sha256,
    `${value}${TWO}`,
    '',
  ].join('\n')
  expect(parsePcrRead(text)).toEqual({
    sha1: { 0: ONE.toLowerCase(), 17: ONE.toLowerCase() },
    sha256: { 17: TWO.toLowerCase() },
  })
})

it.each([
  ['', 'nothing'],
  [`17: ${ONE}`, 'a value before its bank'],
  [`md5:\n17: ${ONE}`, 'a bank of no known name'],
  [`sha1:\n17: ${TWO}`, 'a value of another size'],
  [`sha1:\n17: 0x`, 'no value'],
  [`sha1:\nold 17: ${ONE}`, 'a value within a line'],
  [`sha1:\n17: ${ONE} old`, 'a value and more'],
  [`sha1:\n117: ${ONE}`, 'a register of three digits'],
  [`the sha1:\n17: ${ONE}`, 'a bank within a line'],
  ['sha1: none', 'a bank without registers'],
])('no register is read from %j, which is %s', (text) => {
  expect(parsePcrRead(text)).toEqual({})
})

it('registers below a bank of no known name are not of the one before', () => {
  expect(parsePcrRead(`sha1:\n17: ${ONE}\nsha3_256:\n18: ${ONE}\n`)).toEqual({
    sha1: { 17: ONE.toLowerCase() },
  })
})
