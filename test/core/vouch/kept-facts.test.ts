import { describe, expect, it } from 'vitest'
import type { Accepted, MadeAgain, Reproduced } from '../../../src/core/decide/facts.ts'
import { listReproducedImages } from '../../../src/core/vouch/kept-facts.ts'

const IMAGE = '/initramfs-6.6.36-1.qubes.fc37.x86_64.img'
const MADE = 'a'.repeat(64)
const OTHER = 'b'.repeat(64)

/** What the step `predict` kept: one image made again, and what a person accepted. */
function kept(reproduction: Partial<MadeAgain>, accepted: readonly Accepted[] = []) {
  return { reproductions: [{ image: IMAGE, state: 'different', sha256: MADE, ...reproduction }], accepted }
}

const listed = (facts: Reproduced | undefined) => [...listReproducedImages(facts)]
const yes = { kind: 'modules', path: IMAGE, sha256: MADE }

describe('the images that were made again before the restart', () => {
  it('are those of the same bytes, by the path GRUB uses', () => {
    expect(listed(kept({ state: 'same' }))).toEqual([[IMAGE, MADE]])
  })

  it.each(['different', 'odd-form', 'impossible', ''])('never one that came out as "%s"', (state) => {
    expect(listed(kept({ state }, [yes]))).toEqual([])
  })

  it('never one without a digest', () => {
    expect(listed(kept({ state: 'same', sha256: undefined }))).toEqual([])
    expect(listed(kept({ state: 'same-with-modules', sha256: undefined }, [yes]))).toEqual([])
  })

  it('with other kernel modules only where a person accepted that file with those bytes', () => {
    expect(listed(kept({ state: 'same-with-modules' }))).toEqual([])
    expect(listed(kept({ state: 'same-with-modules' }, [yes]))).toEqual([[IMAGE, MADE]])
  })

  it.each([
    ['another file', { path: '/initramfs-other.img' }],
    ['other bytes', { sha256: OTHER }],
    ['a command line of that path', { kind: 'command-line' }],
  ])('and not where they accepted %s', (_, change) => {
    expect(listed(kept({ state: 'same-with-modules' }, [{ ...yes, ...change }]))).toEqual([])
  })

  it('each for itself, where there are several', () => {
    const second = { image: '/initramfs-2.img', state: 'same', sha256: OTHER }
    const facts = kept({ state: 'different' })
    const both = { ...facts, reproductions: [...facts.reproductions, second] }
    expect(listed(both)).toEqual([['/initramfs-2.img', OTHER]])
  })

  it.each([
    ['no facts', undefined],
    ['an older program wrote them', {}],
    ['no reproductions', { accepted: [yes] }],
    ['no acceptances', { reproductions: [{ image: IMAGE, state: 'same', sha256: MADE }] }],
  ])('are none where the session does not hold them: %s', (_, facts) => {
    expect(listed(facts)).toEqual([])
  })
})
