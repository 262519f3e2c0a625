import { expect, it } from 'vitest'
import { listSharedRegisters } from '../../src/core/decide/device-work.ts'
import { emptyDeviceLedger, findLedgerDevice, putLedgerDevice } from '../../src/core/session/device-ledger.ts'
import { ABSENT } from '../../src/host/host.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBootContents } from '../../src/observe/launch/approved-boot.ts'
import { observeBootCheck } from '../../src/observe/launch/boot-check.ts'
import { observePackageNames } from '../../src/observe/launch/booted-state.ts'
import { registersOf } from '../../src/observe/launch/pcrs.ts'
import { explainSinceApproved } from '../../src/observe/launch/since-approved.ts'
import { uefiDom0 } from '../support/uefi-dom0.ts'

/* A TrenchBoot machine whose Xen was updated without the program: what it measures then cannot be computed here. */

const AT = '2024-07-16T08:00:00.000Z'

async function approvedLook(kind: 'amd-uefi' | 'intel-uefi') {
  const dom0 = observeDom0(await makeRecordedHost(uefiDom0({ kind }).write()))
  const [machine, tpm, device] = [await dom0.machine(), await dom0.tpm(), (await dom0.booted())!]
  const names = (await observePackageNames(dom0))!
  const packages = names.map((words) => ({ name: words.split(' ')[0]!, evr: words.split(' ')[1]! }))
  const contents = { ...(await observeBootContents(dom0, device, machine, tpm)), packages }
  const selected = (await dom0.selectedPcrs()) ?? []
  const registers = Object.fromEntries(selected.map((index) => [String(index), registersOf(tpm)[index]!]))
  const { bootId, bootTime } = machine
  const empty = emptyDeviceLedger(AT)
  const shared = [...listSharedRegisters(selected, 'trenchboot')]
  const state = { at: AT, bootId, label: device.label, bank: 'sha256' as const, registers, shared }
  const approved = { at: AT, bootId, bootTime, how: 'accepted' as const, bank: 'sha256' as const, registers }
  const ledger = putLedgerDevice(
    { ...empty, approved: { ...state, packages: [...names] } },
    {
      ...findLedgerDevice(empty, device.label),
      uuid: device.uuid,
      approved: { ...approved, ...contents },
    },
  )
  return { state: 'read' as const, ledger }
}

it.each(['amd-uefi', 'intel-uefi'] as const)('%s: not known, in `status` as in `explain`', async (kind) => {
  const look = await approvedLook(kind)
  const updated = uefiDom0({ kind, isXenUpdated: true }).write()
  const explained = await explainSinceApproved(observeDom0(await makeRecordedHost(updated)), look, ABSENT)
  expect(explained?.verdict).toBe('not-computable')
  const check = await observeBootCheck(observeDom0(await makeRecordedHost(updated)), look, ABSENT)
  expect(check?.state).toBe('not-known')
})
