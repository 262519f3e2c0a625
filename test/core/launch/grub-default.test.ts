import { describe, expect, it } from 'vitest'
import { findDefault, splitDefault } from '../../../src/core/launch/grub-default.ts'
import type { MenuItem } from '../../../src/core/launch/grub-state.ts'

/* GRUB 2.06, grub-core/normal/menu.c, and patch 0108 of QubesOS/qubes-grub2. */

const item = (title: string, id = title, changes: Partial<MenuItem> = {}): MenuItem => ({
  kind: 'entry',
  title,
  id,
  body: [],
  file: 'grub.cfg',
  uncertain: null,
  isNamed: true,
  ...changes,
})
const MENU = [item('Qubes'), item('AEM Qubes', 'aem'), item('a>b', 'c'), item('last one', 'z')]
const chosen = (value: string, menu: readonly MenuItem[] = MENU) => {
  const found = findDefault(menu, value)
  return typeof found === 'string' ? found : found.item.title
}
const DIFFER = "GRUB's versions differ"

describe('the default entry', () => {
  it.each([
    ['', 'Qubes'],
    ['Qubes', 'Qubes'],
    ['AEM Qubes', 'AEM Qubes'],
    ['aem', 'AEM Qubes'],
    ['aem>x', 'AEM Qubes'],
    ['AEM Qubes>x y', 'AEM Qubes'],
    ['a>>b', 'a>b'],
    ['a>b', 'Qubes'],
    ['c', 'a>b'],
    ['last one', 'last one'],
    ['nobody', 'Qubes'],
    ['0', 'Qubes'],
    ['1', 'AEM Qubes'],
    ['3', 'last one'],
    ['4', 'Qubes'],
    ['12345678', 'Qubes'],
    [' 1', 'AEM Qubes'],
    ['\t\r\n1', 'AEM Qubes'],
    ['x1', 'Qubes'],
    ['x01', 'Qubes'],
    ['>1', 'Qubes'],
  ])('%j', (value, title) => {
    expect(chosen(value)).toBe(title)
  })

  it.each(['01', '0x1', '0X1', ' 00', '123456789', '\n1234567890'])('%j is an odd number', (value) => {
    expect(chosen(value)).toBe(`the default "${value}" is an odd number`)
  })

  it.each([
    // GRUB takes the number it begins with, the patch the whole of it.
    ['1 b', MENU],
    ['1>x', MENU],
    ['2x', [...MENU, item('2x')]],
    // The patch takes an id up to the blank, and then has something left.
    ['aem x', [...MENU, item('aem x')]],
    ['aem x', [item('Qubes'), item('aem x', 'aem')]],
    ['1', [...MENU, item('x', '1')]],
    // The patch asks every id before any title.
    ['z', [item('Qubes'), item('z', 'y'), item('x', 'z')]],
  ])('%j is not told where versions of GRUB differ', (value, menu) => {
    expect(chosen(value, menu)).toContain(DIFFER)
  })

  it.each([
    ['a x', 'a', 'a x'],
    ['A', 'a', 'Qubes'],
    ['ab', 'a', 'Qubes'],
  ])('%j beside an id of %j is %j', (value, id, title) => {
    expect(chosen(value, [...MENU, item('other', id), item('a x', 'w')])).toBe(title)
  })

  it('is the first of a title or id', () => {
    expect(chosen('aem', [item('Qubes'), item('AEM', 'aem'), item('second', 'aem')])).toBe('AEM')
    expect(chosen('', [item('Qubes'), item('', '')])).toBe('Qubes')
    expect(chosen('aa c', [item('Qubes'), item('aa c', 'aa>b')])).toBe('aa c')
  })

  describe('where an entry may be missing', () => {
    const maybe = item('maybe', 'm', { uncertain: 'a file' })
    const doubt = 'whether "maybe" is in the menu depends on a file'

    it.each([
      ['0', [maybe, ...MENU], doubt],
      ['1', [maybe, ...MENU], doubt],
      ['nobody', [maybe, ...MENU], doubt],
      ['m', [...MENU, maybe], doubt],
      ['maybe', [...MENU, maybe], doubt],
      ['1', [MENU[0]!, maybe, ...MENU.slice(1)], doubt],
      ['1', [MENU[0]!, MENU[1]!, maybe], 'AEM Qubes'],
      ['0', [MENU[0]!, maybe], 'Qubes'],
      ['aem', [maybe, ...MENU], 'AEM Qubes'],
      ['AEM Qubes', [maybe, ...MENU], 'AEM Qubes'],
      ['nobody', [...MENU, maybe], 'Qubes'],
      ['a>>b', [maybe, ...MENU], 'a>b'],
      ['a>>b', [maybe, item('q'), item('x', 'a>b')], 'x'],
      ['5', [...MENU, maybe], 'Qubes'],
    ])('%j', (value, menu, title) => {
      expect(chosen(value, menu)).toBe(title)
    })

    it('its name may be that of another', () => {
      const before = item('AEM', 'aem', { uncertain: 'a file' })
      expect(chosen('aem', [item('x'), before, item('AEM', 'aem')])).toBe(
        'whether "AEM" is in the menu depends on a file',
      )
    })

    it('a name that is a number too is not told', () => {
      expect(chosen('2', [item('a'), maybe, item('2')])).toContain(DIFFER)
    })

    it('its name may not be known', () => {
      const nameless = item('', '', { uncertain: 'a title with $x', isNamed: false })
      expect(chosen('aem', [...MENU, nameless])).toBe('an entry has a name that depends on a title with $x')
    })
  })
})

describe('the value taken apart for submenus', () => {
  it.each([
    ['a', 'a', null],
    ['', '', null],
    ['a>b', 'a', 'b'],
    ['a>b>c', 'a', 'b>c'],
    ['a>>b', 'a>b', null],
    ['a>>b>c>>d', 'a>b', 'c>>d'],
    ['a>', 'a', ''],
    ['>a', '', 'a'],
    ['a>>>b', 'a>', 'b'],
    ['a\nb>c\nd', 'a\nb', 'c\nd'],
  ])('%j', (value, first, rest) => {
    expect(splitDefault(value)).toEqual([first, rest])
  })
})
