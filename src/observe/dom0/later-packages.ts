import type { Component } from '../../core/decide/confirm-update.ts'
import type { Baseline } from '../../core/session/checkpoint.ts'
import { valueOrNull } from '../../host/host.ts'
import type { Dom0 } from './dom0.ts'
import { MEASURED_PACKAGES } from './rpm-database.ts'

/** A measured package that came after the baseline was recorded. */
export type LaterPackage = {
  readonly name: string
  readonly evr: string
  readonly component: Component
  /** The newest version that was there then; null: none. */
  readonly before: string | null
}

/** Are the measured packages those of the baseline, none more and none less? No, where rpm does not say. */
export async function areMeasuredPackagesOf(
  dom0: Dom0,
  { packages }: Pick<Baseline, 'packages'>,
): Promise<boolean> {
  for (const { name } of MEASURED_PACKAGES) {
    const now = await dom0.rpm.packages(name)
    if (now.state === 'unknown') return false
    const there = new Set((valueOrNull(now) ?? []).map(({ evr }) => evr))
    const before = new Set(packages.filter((one) => one.name === name).map(({ evr }) => evr))
    if (there.size !== before.size || [...before].some((evr) => !there.has(evr))) return false
  }
  return true
}

/** Measured packages in versions that the baseline does not name. No clock is believed. */
export async function listLaterPackages(
  dom0: Dom0,
  { packages }: Pick<Baseline, 'packages'>,
): Promise<readonly LaterPackage[]> {
  const later: LaterPackage[] = []
  for (const { name, component } of MEASURED_PACKAGES) {
    const before = packages.filter((one) => one.name === name)
    for (const { evr } of valueOrNull(await dom0.rpm.packages(name)) ?? [])
      if (!before.some((one) => one.evr === evr))
        later.push({ name, evr, component, before: before.at(-1)?.evr ?? null })
  }
  return later
}
