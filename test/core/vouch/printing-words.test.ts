import { describe, expect, it } from 'vitest'
import { isPrintingAlone } from '../../../src/core/vouch/printing-words.ts'

describe('two lines of Xen that differ in where it prints', () => {
  it.each([
    'console=none',
    'console=vga,com1',
    'vga=current',
    'com1=115200,8n1',
    'com2=115200,8n1',
    'loglvl=all',
    'guest_loglvl=none',
    'no-real-mode',
    'edd=off',
  ])('by the word %s, come or gone', (word) => {
    expect(isPrintingAlone('smt=off', `smt=off ${word}`)).toBe(true)
    expect(isPrintingAlone(`smt=off ${word}`, 'smt=off')).toBe(true)
  })

  it('in one word for another', () => {
    expect(isPrintingAlone('smt=off loglvl=all', 'smt=off loglvl=none')).toBe(true)
  })
})

describe('two lines of Xen that differ in more than that', () => {
  it.each([
    ['a word that protects is gone', 'smt=off', 'console=none'],
    ['a word that protects is other', 'console=none smt=off', 'smt=on'],
    ['one of two words', 'smt=off', 'smt=off console=none iommu=no'],
    ['a word that begins so', 'smt=off', 'smt=off console=none;iommu=no'],
    ['a word that ends so', 'smt=off', 'smt=off -console=none'],
    ['a name without a value', 'smt=off', 'smt=off console'],
    ['a name of the same letters', 'smt=off', 'smt=off xconsole=none'],
    ["the part for dom0's kernel", 'smt=off -- quiet', 'smt=off -- quiet console=none'],
    ['their order alone', 'a=1 smt=off', 'smt=off a=1'],
    ['a word that counts once more', 'iommu=on iommu=off console=none', 'iommu=off iommu=on console=vga'],
  ])('%s', (_, before, now) => {
    expect(isPrintingAlone(before, now)).toBe(false)
  })
})
