import { describeBaseline } from '../../messages/restart.ts'
import { observeBaseline } from '../../observe/baseline.ts'
import { observeStatus } from '../../observe/status.ts'
import type { Step } from '../step.ts'

export const recordBaseline: Step<'record-baseline'> = async ({ host, ui }) => {
  const { aem } = await observeStatus(host)
  const baseline = await ui.progress('reading PCRs and hashing boot files', () =>
    observeBaseline(host, aem.selectedPcrs ?? []),
  )
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
      launchLog: baseline === null ? null : baseline.launchLog !== null,
    },
    message: describeBaseline(outcome, baseline),
    ...(baseline ? { session: { baseline, bootId: baseline.bootId } } : {}),
  }
}
