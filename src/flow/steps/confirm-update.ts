import { decideUpdate, listChangedPackages, listMayChange } from '../../core/decide/confirm-update.ts'
import { describeUpdate } from '../../messages/before-restart.ts'
import { observeConfirmedPackages } from '../../observe/confirmed-packages.ts'
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
