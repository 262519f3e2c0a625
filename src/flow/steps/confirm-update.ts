import {
  type ConfirmedPackage,
  decideUpdate,
  listChangedPackages,
  listMayChange,
} from '../../core/decide/confirm-update.ts'
import type { Host } from '../../host/host.ts'
import { describeUpdate } from '../../messages/before-restart.ts'
import {
  MEASURED_PACKAGES,
  observeIntegrity,
  observePackage,
  observeTrustedKeys,
} from '../../observe/packages.ts'
import { decidePendingRestart, observeInstalledXen, observeStatus } from '../../observe/status.ts'
import type { Step } from '../step.ts'

export const confirmUpdate: Step<'confirm-update'> = async ({ host, ui }) => {
  const status = await observeStatus(host)
  const { machine } = status
  const packages = await ui.progress('verifying packages and their signatures', () =>
    observeConfirmedPackages(host, machine.bootTime),
  )
  const { installedXen } = await observeInstalledXen(host)
  const pendingXen = decidePendingRestart(machine, installedXen)
  const outcome = decideUpdate({
    packages: packages ?? [],
    rpmKnown: packages !== null,
    pendingXen,
    demandMet: null,
    bulletinNamed: false,
    bulletinVerified: false,
  })
  const changed = listChangedPackages(packages ?? [])
  const moved = pendingXen
    ? [...changed, ...(packages ?? []).filter((item) => item.component === 'xen')]
    : changed
  const mayChange = listMayChange(moved, [], status.aem.flavour)
  return {
    outcome,
    facts: {
      bulletin: null,
      packages,
      xen: { running: machine.xen, installed: installedXen },
      pendingRestart: pendingXen,
      mayChange,
    },
    message: describeUpdate(outcome, {
      packages: packages ?? [],
      bulletin: null,
      missing: [],
      pendingXen,
      mayChange,
    }),
    session: {
      expectation: {
        bulletins: [],
        mayChange: [...mayChange],
        changedPackages: [...new Set(moved.map((item) => item.name))],
        xenBuildId: installedXen.buildId,
        deviceUuid: machine.aemUuid,
      },
    },
  }
}

/** Newest version of each measured package, with signature and integrity; null when rpm does not answer at all. */
export async function observeConfirmedPackages(
  host: Host,
  bootTime: string | null,
): Promise<readonly ConfirmedPackage[] | null> {
  const trusted = await observeTrustedKeys(host)
  const confirmed: ConfirmedPackage[] = []
  let isRpmKnown = false
  for (const { name, component } of MEASURED_PACKAGES) {
    const installed = await observePackage(host, name)
    if (installed.state !== 'seen') continue
    isRpmKnown = true
    const newest = installed.value.at(-1)
    if (!newest) continue
    const integrity = await observeIntegrity(host, newest, trusted)
    confirmed.push({
      name,
      component,
      evr: newest.evr,
      installedAt: newest.installedAt,
      changedSinceBoot: bootTime === null ? null : newest.installedAt > bootTime,
      signer: integrity.signer?.name ?? null,
      signature: integrity.signature,
      changedFiles: integrity.changedFiles?.map((file) => file.path) ?? null,
    })
  }
  return isRpmKnown ? confirmed : null
}
