import { Failure } from '../../core/failure.ts'
import { describeBaseline } from '../../messages/restart.ts'
import { observeStatus } from '../../observe/dom0/status.ts'
import { observeBaseline } from '../../observe/launch/baseline.ts'
import type { Step } from '../step.ts'

export const recordBaseline: Step<'record-baseline'> = async ({ dom0, ui }) => {
  const { aem } = await observeStatus(dom0)
  const baseline = await ui.progress('reading PCRs and hashing boot files', () =>
    observeBaseline(dom0, aem.selectedPcrs ?? []),
  )
  // What `predict` will say of the log is said here already.
  const log = baseline !== null && baseline.components === null ? await dom0.log() : null
  const unread = log instanceof Failure ? log.text.what : null
  const outcome = baseline === null ? 'incomplete' : 'recorded'
  return {
    outcome,
    facts: {
      bank: baseline?.bank ?? null,
      pcrs: baseline?.pcrs ?? null,
      bootFiles: baseline?.bootFiles.map(({ path, role, digests }) => ({
        path,
        role,
        sha256: digests?.sha256 ?? null,
      })),
      launchLog: baseline === null ? null : baseline.components !== null,
    },
    message: describeBaseline(outcome, baseline, unread),
    ...(baseline ? { session: { baseline, bootId: baseline.bootId } } : {}),
  }
}
