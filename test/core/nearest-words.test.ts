import { describe, expect, it } from 'vitest'
import { nearestWords } from '../../src/core/nearest-words.ts'

const KNOWN = ['start', 'status', 'resume', 'rehearse', 'gate', 'plan']

describe('the nearest words', () => {
  it.each([
    ['strat', ['start']],
    ['Start', ['start']],
    ['statsu', ['status']],
    ['resum', ['resume']],
    ['resumme', ['resume']],
    ['rehears', ['rehearse']],
    ['re', ['resume', 'rehearse']],
    ['gat', ['gate']],
    ['plant', ['plan']],
  ])('%s: %j', (typed, meant) => {
    expect(nearestWords(typed, KNOWN)).toEqual(meant)
  })

  it.each(['', 'x', 'seal', 'reboot', 'p', 'gxxe', '--json'])('%j is near to none', (typed) => {
    expect(nearestWords(typed, KNOWN)).toEqual([])
  })
})
