import { isSelectionUnread } from '../../core/aem/seal-selection.ts'
import { decideAemReadiness } from '../../core/decide/detect-aem.ts'
import { describeAem } from '../../messages/before-restart.ts'
import { observeStatus } from '../../observe/dom0/status.ts'
import type { Step } from '../step.ts'

export const detectAem: Step<'detect-aem'> = async ({ dom0, ui }) => {
  const status = await ui.progress('looking at AEM, TPM and devices', () => observeStatus(dom0))
  const { unit } = await dom0.seal()
  const outcome = decideAemReadiness({
    installed: status.aem.installed,
    tpm: status.tpm.version,
    selectedPcrs: status.aem.selectedPcrs,
    isSelectionUnread: isSelectionUnread(status.aem.selection),
    deviceCount: status.devices.length === 0 && !status.areDevicesKnown ? null : status.devices.length,
    bootedWithAem: status.machine.bootedWithAem,
    measured: status.measured,
    badPcrs: status.badPcrs,
  })
  return {
    outcome,
    facts: {
      version: status.aem.version,
      flavour: status.aem.flavour,
      tpm: status.tpm.version,
      selectedPcrs: status.aem.selectedPcrs,
      bootedWithAem: status.machine.bootedWithAem,
      measured: status.measured,
      badPcrs: status.badPcrs,
      devices: status.devices.map(({ label, uuid, present, slot }) => ({ label, uuid, present, slot })),
      sealUnit: unit === null ? null : { activeState: unit.activeState, result: unit.result },
    },
    message: describeAem(outcome, status),
  }
}
