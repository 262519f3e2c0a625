import { describe, expect, it } from 'vitest'
import { listUsableSlots } from '../../../src/core/seal/freshness.ts'
import {
  listStranded,
  planSlots,
  renderSlotFile,
  type SlotDevice,
} from '../../../src/core/seal/slot-repair.ts'

const device = (label: string, slot: number | null, more: Partial<SlotDevice> = {}): SlotDevice => ({
  label,
  slot,
  isBooted: false,
  holdsToken: null,
  ...more,
})

const all = listUsableSlots('1.2')

describe('planSlots', () => {
  it('changes nothing where each device has its own, or none', () => {
    const plan = planSlots(
      [device('aem', 0), device('aem.a', 1), device('aem.b', null), device('aem.c', null)],
      all,
    )
    expect(plan).toEqual({ shared: [], changes: [], without: [] })
  })

  it('leaves the slot to the device whose token lies in it', () => {
    const plan = planSlots(
      [device('aem', 0, { isBooted: true, holdsToken: false }), device('aem.stick', 0, { holdsToken: true })],
      all,
    )
    expect(plan.changes).toEqual([{ label: 'aem', from: 0, to: 1 }])
    expect(plan.shared).toEqual([{ slot: 0, labels: ['aem', 'aem.stick'] }])
  })

  it('leaves it to the device that was booted from where the TPM cannot be asked', () => {
    const plan = planSlots([device('aem', 0), device('aem.stick', 0, { isBooted: true })], all)
    expect(plan.changes).toEqual([{ label: 'aem', from: 0, to: 1 }])
  })

  it('leaves it to the first where nothing speaks for one', () => {
    expect(planSlots([device('aem', 3), device('aem.x', 3)], all).changes).toEqual([
      { label: 'aem.x', from: 3, to: 0 },
    ])
  })

  it('gives the lowest numbers that no device names, in more than one group', () => {
    const plan = planSlots(
      [device('aem', 0), device('aem.a', 0), device('aem.b', 0), device('aem.c', 2), device('aem.d', 2)],
      all,
    )
    expect(plan.changes).toEqual([
      { label: 'aem.a', from: 0, to: 1 },
      { label: 'aem.b', from: 0, to: 3 },
      { label: 'aem.d', from: 2, to: 4 },
    ])
  })

  it('names the devices for which no slot is left', () => {
    const nine = Array.from({ length: 9 }, (_, at) => device(`aem.${at}`, Math.min(at, 7)))
    expect(planSlots(nine, all)).toMatchObject({ changes: [], without: ['aem.8'] })
  })
})

describe('with TPM 2.0, where AEM 4.2.0 reads the first slot alone', () => {
  const first = listUsableSlots('2.0')

  it('no device is moved out of it', () => {
    const plan = planSlots([device('aem', 0, { isBooted: true }), device('aem.stick', 0)], first)
    expect(plan).toMatchObject({ changes: [], without: ['aem.stick'] })
  })

  it('a TPM that is not known counts as one', () => {
    expect(listUsableSlots(null)).toEqual([0])
    expect(listUsableSlots('1.2')).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('names a device that was moved out of it', () => {
    const moved = device('aem.stick', 1)
    expect(listStranded([device('aem', 0), moved, device('aem.x', null)], first)).toEqual([moved])
    expect(listStranded([device('aem', 0), moved], all)).toEqual([])
  })
})

it('writes the number as AEM does', () => {
  expect(renderSlotFile(3)).toBe('3\n')
})
