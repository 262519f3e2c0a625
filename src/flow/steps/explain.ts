import { isVerifiedPackage } from '../../core/decide/confirm-update.ts'
import {
  type ChangeFacts,
  type ChangeVerdict,
  decideChange,
  type FileComparison,
} from '../../core/decide/explain-change.ts'
import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import type { Host } from '../../host/host.ts'
import { describeExplanation } from '../../messages/after-restart.ts'
import { observeBootDevice } from '../../observe/boot-device.ts'
import { findBootedDevice, observeDevices } from '../../observe/devices.ts'
import { type MachineFacts, observeMachine } from '../../observe/machine.ts'
import { observeInstalledXen } from '../../observe/status.ts'
import { observeTpm } from '../../observe/tpm.ts'
import type { Step } from '../step.ts'
import { observeConfirmedPackages } from './confirm-update.ts'
import { observeSealOutcome } from './read-seal-outcome.ts'

export type Explanation = ChangeVerdict & {
  readonly alreadyResealed: boolean | null
  readonly pcrs: readonly {
    readonly index: number
    readonly bank: string
    readonly before: string | null
    readonly now: string | null
    readonly predicted: string | null
    readonly change: 'none' | 'expected' | 'unexpected'
    readonly causes: readonly {
      readonly role: string
      readonly path: string
      readonly digestBefore: string | null
      readonly digestNow: string | null
      readonly package: { readonly name: string; readonly evr: string; readonly signer: string | null } | null
      readonly bulletin: number | null
    }[]
  }[]
}

export const explain: Step<'explain'> = async ({ host, ui, session }) => {
  const explanation = await ui.progress('comparing PCRs, boot files and packages', () =>
    observeExplanation(host, session),
  )
  return {
    outcome: explanation.verdict,
    facts: explanation,
    message: describeExplanation(explanation),
  }
}

/** What changed since the baseline (or since the accepted state), and whether the update accounts for it. */
export async function observeExplanation(host: Host, session: Session): Promise<Explanation> {
  const machine = await observeMachine(host)
  const { sealedInThisBoot } = await observeSealOutcome(host)
  const { baseline } = session
  if (baseline === null) {
    return { verdict: 'no-baseline', reasons: [], alreadyResealed: sealedInThisBoot, pcrs: [] }
  }
  const facts = await observeChange(host, session, baseline, machine)
  const decided = decideChange(facts)
  return { ...decided, alreadyResealed: sealedInThisBoot, pcrs: listPcrs(facts, baseline) }
}

async function observeChange(
  host: Host,
  session: Session,
  baseline: Baseline,
  machine: MachineFacts,
): Promise<ChangeFacts> {
  const tpm = await observeTpm(host)
  const values = tpm.pcrs[baseline.bank] ?? {}
  const isAccepted = session.approved !== null && session.approved.bootId !== machine.bootId
  const before = isAccepted ? (session.approved?.pcrs ?? {}) : (baseline.pcrs[baseline.bank] ?? {})
  // Once a change was accepted, no register may differ from the accepted state.
  const mayChange = isAccepted ? [] : (session.expectation?.mayChange ?? [])
  const device = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const boot = await observeBootDevice(host, device, machine.xen.buildId)
  const packages = (await observeConfirmedPackages(host, machine.bootTime)) ?? []
  const { installedXen } = await observeInstalledXen(host)
  return {
    pcrs: baseline.selectedPcrs.map((index) => ({
      index,
      before: before[index] ?? null,
      now: values[index] ?? null,
      mayChange: mayChange.includes(index),
    })),
    files: compareFiles(baseline, boot.files),
    packages: (session.expectation?.changedPackages ?? []).map((name) => {
      const found = packages.find((item) => item.name === name)
      return { name, isVerified: found ? isVerifiedPackage(found) : null }
    }),
    xen: { runningBuildId: machine.xen.buildId, installedBuildId: installedXen.buildId },
  }
}

function compareFiles(
  baseline: Baseline,
  files: readonly { path: string; role: string; digests: { sha256: string } | null }[],
): readonly FileComparison[] {
  const paths = new Set([...baseline.bootFiles, ...files].map((file) => file.path))
  return [...paths].map((path) => {
    const [before, now] = [baseline.bootFiles, files].map((list) => list.find((file) => file.path === path))
    return {
      role: before?.role ?? now?.role ?? 'file',
      path,
      before: before?.digests?.sha256 ?? null,
      now: now?.digests?.sha256 ?? null,
    }
  })
}

function listPcrs(facts: ChangeFacts, baseline: Baseline): Explanation['pcrs'] {
  return facts.pcrs.map(({ index, before, now, mayChange }) => ({
    index,
    bank: baseline.bank,
    before,
    now,
    predicted: null,
    change: before === now && now !== null ? 'none' : mayChange && now !== null ? 'expected' : 'unexpected',
    causes: [],
  }))
}
