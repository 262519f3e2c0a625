import { describe, expect, it } from 'vitest'
import type { MeasuredComponent } from '../../../src/core/launch/explain-types.ts'
import { isReordered, pairComponents } from '../../../src/core/launch/pair-components.ts'
import { component } from './explain-world.ts'

const k = component('kernel', '/vmlinuz', 'k')
const i = component('initramfs', '/initramfs', 'i')
const p = component('platform', null, 'p')
const q = component('platform', null, 'q')
const as = (role: MeasuredComponent['role'], content: string) => component(role, null, content)

describe('an extend continues', () => {
  it.each<[string, MeasuredComponent[], MeasuredComponent[], (number | null)[]]>([
    [
      'the one of the same digest, whatever it is called',
      [k, i],
      [as('other', 'i'), as('other', 'k')],
      [1, 0],
    ],
    [
      'those of one digest in their order, whatever they are called',
      [as('kernel', 'd'), as('module', 'x'), as('initramfs', 'd')],
      [as('other', 'd'), as('other', 'd'), as('module', 'x')],
      [0, 2, 1],
    ],
    ['each of two of the same digest once', [k, k], [k, k], [0, 1]],
    ['none where there are more of a digest than before', [k], [k, k], [0, null]],
    ['the same file in the same role', [k, i], [component('kernel', '/vmlinuz', 'new'), i], [0, 1]],
    ['the same role', [k, i], [component('kernel', '/vmlinuz-2', 'new'), i], [0, 1]],
    ['those of one role in their order', [p, q], [as('platform', 'p2'), as('platform', 'q2')], [0, 1]],
    ['none that another one continues', [k, i], [k, as('kernel', 'k2'), i], [0, null, 1]],
    ['what stood between the same neighbours', [k, p, i], [k, as('other', 'x'), i], [0, 1, 2]],
    ['what stood first', [p, k], [as('other', 'x'), k], [0, 1]],
    ['what stood last', [k, p], [k, as('other', 'x')], [0, 1]],
    ['all that stood between them', [k, p, q, i], [k, as('other', 'x'), as('other', 'y'), i], [0, 1, 2, 3]],
    ['all that there was', [p, q], [as('other', 'x'), as('other', 'y')], [0, 1]],
    [
      'what stood in either of two gaps',
      [p, k, q, i],
      [as('other', 'x'), k, as('other', 'y'), i],
      [0, 1, 2, 3],
    ],
    [
      'none where more stands between the neighbours',
      [k, p, i],
      [k, as('other', 'x'), as('other', 'y'), i],
      [0, null, null, 2],
    ],
    ['none where less stands between them', [k, p, q, i], [k, as('other', 'x'), i], [0, null, 3]],
    ['none where less stands at the end', [k, p, q], [k, as('other', 'x')], [0, null]],
    ['none where nothing stood', [k, i], [k, as('other', 'x'), i], [0, null, 1]],
    ['none where the neighbours changed places', [k, p, i], [i, as('other', 'x'), k], [2, null, 0]],
    [
      'none that stands elsewhere now',
      [k, p, q, i],
      [p, k, as('other', 'x'), as('other', 'y'), i],
      [1, 0, null, null, 3],
    ],
    ['none where nothing was before', [], [k], [null]],
  ])('%s', (_, before, now, partners) => {
    expect(pairComponents(before, now, 'sha256')).toEqual(partners)
  })
})

it.each<[(number | null)[], boolean]>([
  [[], false],
  [[0], false],
  [[0, 1, 2], false],
  [[0, null, 2], false],
  [[null, 1, null], false],
  [[1, 0], true],
  [[2, null, 1], true],
  [[0, 2, 1], true],
])('the places %j are reordered: %s', (partners, expected) => {
  expect(isReordered(partners)).toBe(expected)
})
