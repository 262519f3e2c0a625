import { describe, expect, it } from 'vitest'
import type { Difference, Reproduction } from '../../../src/core/initramfs/reproduction.ts'
import {
  describeDifference,
  describeUnmade,
  impossible,
} from '../../../src/core/initramfs/reproduction-words.ts'

const difference = (more: Partial<Difference> = {}): Difference => ({
  path: 'usr/bin/bash',
  change: 'content',
  origin: 'packaged',
  package: 'bash 0:5.2.15-2.fc37',
  ...more,
})

it.each([
  [difference(), 'usr/bin/bash: other content; in dom0: as packaged (bash 0:5.2.15-2.fc37)'],
  [difference({ package: null, change: 'mode' }), 'usr/bin/bash: other permissions; in dom0: as packaged'],
  [
    difference({ change: 'added', origin: 'unknown' }),
    'usr/bin/bash: only in the image on the device; nobody can say where it comes from',
  ],
  [
    difference({ change: 'removed', origin: 'generated' }),
    'usr/bin/bash: missing in the image on the device; in dom0: made by dracut',
  ],
])('a difference is told in one line: %j', (one, words) => {
  expect(describeDifference(one)).toBe(words)
})

describe('an image that nobody vouches for', () => {
  const said = (one: Reproduction) => describeUnmade({ ...one, image: '/initramfs.img' })
  const differences = ['a', 'b', 'c', 'd'].map((path) =>
    difference({ path, change: 'added', origin: 'unknown' }),
  )
  const modules = { onlyInImage: ['a'], onlyLoadedNow: [] }

  it('could not be made again', () => {
    const one = impossible('no-space', 'disk full')
    expect(said(one)).toEqual({
      what: '/initramfs.img could not be made again: there is no room to make it again: disk full',
      next: 'free some space, then run this again',
    })
  })

  it('is of another form', () => {
    expect(said({ state: 'odd-form', form: 'no bytes' })).toEqual({
      what: '/initramfs.img is not of the form that dracut writes: no bytes',
      next: 'do not reseal',
    })
  })

  it.each<Reproduction>([
    { state: 'same', words: '', sha256: '' },
    { state: 'same-with-modules', words: '', sha256: '', modules },
  ])('waits for somebody to accept its modules where it is $state', (one) => {
    expect(said(one).what).toContain('what dom0 makes with other kernel modules loaded')
    expect(said(one).next).toContain('aem-reseal resume')
  })

  it('is another one, of which the first three differences are shown', () => {
    const shown = ['a', 'b', 'c'].map(
      (path) => `${path}: only in the image on the device; nobody can say where it comes from`,
    )
    expect(said({ state: 'different', differences, total: 9, fresh: null })).toEqual({
      what: `/initramfs.img is not what dom0 makes now: 9 differences: ${shown.join('; ')}`,
      next: 'do not reseal; look at what differs',
    })
  })
})
