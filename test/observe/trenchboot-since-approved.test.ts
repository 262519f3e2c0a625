import { expect, it } from 'vitest'
import { ABSENT } from '../../src/host/host.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBootCheck } from '../../src/observe/launch/boot-check.ts'
import { explainSinceApproved } from '../../src/observe/launch/since-approved.ts'
import { approvedLook } from '../support/approved-look.ts'
import { uefiDom0 } from '../support/uefi-dom0.ts'

/* A TrenchBoot machine whose Xen was updated without the program: what it measures then cannot be computed here. */

it.each(['amd-uefi', 'intel-uefi'] as const)('%s: not known, in `status` as in `explain`', async (kind) => {
  const look = await approvedLook(observeDom0(await makeRecordedHost(uefiDom0({ kind }).write())))
  const updated = uefiDom0({ kind, isXenUpdated: true }).write()
  const explained = await explainSinceApproved(observeDom0(await makeRecordedHost(updated)), look, ABSENT)
  expect(explained?.verdict).toBe('not-computable')
  const check = await observeBootCheck(observeDom0(await makeRecordedHost(updated)), look, ABSENT)
  expect(check?.state).toBe('not-known')
})
