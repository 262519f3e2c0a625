import { refreshFiles } from '../../act/refresh-device.ts'
import { rememberMade } from '../../act/update-ledger.ts'
import { decideBootDevice } from '../../core/decide/boot-device.ts'
import { isReady } from '../../core/decide/readiness.ts'
import { Failure } from '../../core/failure.ts'
import { describeNoTarget, describeRefresh } from '../../messages/refresh.ts'
import { observeBootDevice } from '../../observe/device/boot-device.ts'
import { observeRefresh } from '../../observe/device/refresh-needs.ts'
import { observeTarget } from '../../observe/device/session-device.ts'
import { observeDom0 } from '../../observe/dom0/dom0.ts'
import type { KnownFile } from '../../observe/launch/measured-initramfs.ts'
import { makeFailure } from '../../tables/failures.ts'
import type { Step } from '../step.ts'

/** Looks once more, copies, and believes only what the device's own disk says afterwards. */
export const refreshDevice: Step<'refresh-device'> = async ({ dom0, host, ui, session, store }) => {
  const device = await observeTarget(dom0, session)
  if (device === null)
    return { outcome: 'failed', facts: {}, message: describeNoTarget(session.device, false) }
  const observed = await ui.progress('comparing the device with the installed packages', async () =>
    observeRefresh(dom0, device, await store.loadDevices()),
  )
  const facts = { device: device.label, plan: observed.plan, checks: observed.checks }
  const fail = ({ text }: Failure) => ({
    outcome: 'failed' as const,
    facts: { ...facts, what: text.what },
    message: describeRefresh('failed', observed, text),
  })
  if (!isReady(observed.checks)) {
    const failed = observed.checks.filter(({ ok }) => ok !== true).map(({ detail }) => detail)
    return fail(makeFailure('refresh-failed', { what: failed.join('; ') }))
  }
  let made: readonly KnownFile[]
  try {
    // A run that ends half-way leaves other boot files too: from the first write on nothing is claimed of its next boot.
    await rememberMade(dom0, store, device, [])
    made = await refreshFiles(dom0, ui, observed)
  } catch (error) {
    if (error instanceof Failure) return fail(error)
    throw error
  }
  // Where it was mounted for this it was unmounted in between, so that this comes from its disk.
  const after = await ui.progress('reading the device again', async () =>
    observeBootDevice(observeDom0(host), device, null),
  )
  const state = decideBootDevice({ present: device.present, isOpen: after.isOpen }, after.checks)
  if (state !== 'current') {
    const bad = after.checks.filter((check) => check.state !== 'current').map(({ path }) => path)
    return fail(
      makeFailure('refresh-failed', { what: `read again, not as they should be: ${bad.join(', ')}` }),
    )
  }
  await rememberMade(dom0, store, device, made)
  return {
    outcome: 'refreshed',
    facts: { ...facts, made, files: after.checks },
    message: describeRefresh('refreshed', observed, null),
  }
}
