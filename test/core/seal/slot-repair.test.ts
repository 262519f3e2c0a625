import { describe, expect, it } from 'vitest'
import { planSlots, renderSlotFile, type SlotDevice } from '../../../src/core/seal/slot-repair.ts'

const device = (label: string, slot: number | null, more: Partial<SlotDevice> = {}): SlotDevice => ({
  label,
  slot,
  isBooted: false,
  holdsToken: null,
  ...more,
})

describe('planSlots', () => {
  it('changes nothing where each device has its own, or none', () => {
    const plan = planSlots([
      device('aem', 0),
      device('aem.a', 1),
      device('aem.b', null),
      device('aem.c', null),
    ])
    expect(plan).toEqual({ shared: [], changes: [], without: [] })
  })

  it('leaves the slot to the device whose token lies in it', () => {
    const plan = planSlots([
      device('aem', 0, { isBooted: true, holdsToken: false }),
      device('aem.stick', 0, { holdsToken: true }),
    ])
    expect(plan.changes).toEqual([{ label: 'aem', from: 0, to: 1 }])
    expect(plan.shared).toEqual([{ slot: 0, labels: ['aem', 'aem.stick'] }])
  })

  it('leaves it to the device that was booted from where the TPM cannot be asked', () => {
    const plan = planSlots([device('aem', 0), device('aem.stick', 0, { isBooted: true })])
    expect(plan.changes).toEqual([{ label: 'aem', from: 0, to: 1 }])
  })

  it('leaves it to the first where nothing speaks for one', () => {
    expect(planSlots([device('aem', 3), device('aem.x', 3)]).changes).toEqual([
      { label: 'aem.x', from: 3, to: 0 },
    ])
  })

  it('gives the lowest numbers that no device names, in more than one group', () => {
    const plan = planSlots([
      device('aem', 0),
      device('aem.a', 0),
      device('aem.b', 0),
      device('aem.c', 2),
      device('aem.d', 2),
    ])
    expect(plan.changes).toEqual([
      { label: 'aem.a', from: 0, to: 1 },
      { label: 'aem.b', from: 0, to: 3 },
      { label: 'aem.d', from: 2, to: 4 },
    ])
  })

  it('names the devices for which no slot is left', () => {
    const nine = Array.from({ length: 9 }, (_, at) => device(`aem.${at}`, Math.min(at, 7)))
    expect(planSlots(nine)).toMatchObject({ changes: [], without: ['aem.8'] })
  })
})

it('writes the number as AEM does', () => {
  expect(renderSlotFile(3)).toBe('3\n')
})
