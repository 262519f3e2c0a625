import { FRESHNESS_SLOTS, findSlotSharers } from './freshness.ts'

export type SlotDevice = {
  readonly label: string
  /** What its tpm-freshness-slot says; null where it says none, or could not be read. */
  readonly slot: number | null
  readonly isBooted: boolean
  /** Does this slot of the TPM hold the token dom0 keeps for it? null: not known. */
  readonly holdsToken: boolean | null
}

export type SlotChange = { readonly label: string; readonly from: number; readonly to: number }
export type SharedSlot = { readonly slot: number; readonly labels: readonly string[] }

export type SlotPlan = {
  readonly shared: readonly SharedSlot[]
  /** One for each device that gets another slot. */
  readonly changes: readonly SlotChange[]
  /** Devices for which no slot is free. */
  readonly without: readonly string[]
}

/**
 * How devices with the same freshness slot get one each. In each group the device whose token lies in the slot keeps
 * it, else the one that was booted from: those are sealed to it now. The others get the lowest numbers that no device
 * names, as AEM's own assignslottosuffix means to give them (anti-evil-maid-lib 4.2.0; there the quoted glob finds no
 * slot file, so that each device gets 0).
 * @param usable listUsableSlots of this TPM: a device that moved to another would never show its secret again
 */
export function planSlots(devices: readonly SlotDevice[], usable: readonly number[]): SlotPlan {
  const shared = listShared(devices)
  const free = usable.filter((slot) => !devices.some((device) => device.slot === slot))
  const movers = shared.flatMap(({ slot, labels }) => {
    const group = devices.filter((device) => labels.includes(device.label))
    const keeper =
      group.find(({ holdsToken }) => holdsToken) ?? group.find(({ isBooted }) => isBooted) ?? group[0]
    return labels.filter((label) => label !== keeper?.label).map((label) => ({ label, from: slot }))
  })
  return {
    shared,
    changes: movers.flatMap((mover, at) => {
      const to = free[at]
      return to === undefined ? [] : [{ ...mover, to }]
    }),
    without: movers.slice(free.length).map(({ label }) => label),
  }
}

/** Devices in a slot that AEM's initrd does not read on this TPM. */
export function listStranded(
  devices: readonly SlotDevice[],
  usable: readonly number[],
): readonly SlotDevice[] {
  return devices.filter(({ slot }) => slot !== null && !usable.includes(slot))
}

function listShared(devices: readonly SlotDevice[]): readonly SharedSlot[] {
  return Array.from({ length: FRESHNESS_SLOTS }, (_, slot) => slot).flatMap((slot) => {
    const labels = devices.filter((device) => device.slot === slot).map(({ label }) => label)
    const [first] = labels
    return first !== undefined && findSlotSharers(first, devices).length > 0 ? [{ slot, labels }] : []
  })
}

/** tpm-freshness-slot as AEM writes it: the number and a line end. */
export function renderSlotFile(slot: number): string {
  return `${slot}\n`
}
