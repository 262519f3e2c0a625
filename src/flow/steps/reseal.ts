import { type CommandCall, command, isSuffix } from '../../commands.ts'
import { labelOf } from '../../core/aem/devices.ts'
import type { HeldNote } from '../../core/session/held-note.ts'
import type { Host } from '../../host/host.ts'
import { describeReseal } from '../../messages/after-restart.ts'
import { findBootedDevice, observeDevices } from '../../observe/devices.ts'
import { observeMachine } from '../../observe/machine.ts'
import { observeSealOutcome } from '../../observe/seal-outcome.ts'
import { observeSealState } from '../../observe/seal-state.ts'
import { observeSealedCopy, observeTpmId } from '../../observe/sealed.ts'
import { observeTpm } from '../../observe/tpm.ts'
import { line } from '../../ui/ui.ts'
import type { Step } from '../step.ts'

/** Runs AEM's own seal; only the sealed files, read before and after, say whether it sealed. */
export const reseal: Step<'reseal'> = async ({ host, ui, options, store }) => {
  const suffix = await observeSuffix(host)
  const call = await chooseCall(host, await store.loadHeldNote())
  if (options.dryRun) {
    ui.say([line(`  would run: ${call.argv.join(' ')}`, 'dim')])
    return {
      outcome: 'failed',
      facts: { argv: call.argv, dryRun: true },
      message: describeReseal('failed', 'a rehearsal seals nothing'),
    }
  }
  const label = suffix === null ? null : labelOf(suffix)
  const before = await observeTokenDigest(host, label)
  const tpm = await observeTpm(host)
  if (tpm.version === '2.0') await host.run(command('flush-transient', {}))
  const run = await ui.progress('AEM seals; an external stick may be asked for', () => host.run(call))
  const after = await observeTokenDigest(host, label)
  const isSealed = after !== null && after !== before && run.state === 'seen' && run.value.exit === 0
  const said =
    run.state === 'seen' ? run.value.stderr : run.state === 'unknown' ? run.why : `${call.argv[0]} is missing`
  const outcome = isSealed ? 'sealed' : 'failed'
  if (isSealed) await store.removeHeldNote()
  return {
    outcome,
    facts: {
      argv: call.argv,
      exit: run.state === 'seen' ? run.value.exit : null,
      tokenRenewed: after !== before,
    },
    message: describeReseal(outcome, isSealed ? said.trim() : await explainFailure(host, call, said.trim())),
  }
}

/** A held seal is started as its unit: systemd asks the gate again, and suffix and SRK password are as they were. */
async function chooseCall(host: Host, note: HeldNote | null): Promise<CommandCall> {
  const seal = await observeSealOutcome(host, note)
  if (seal.outcome === 'held' && seal.state.cachedSuffix !== null) return command('seal-held', {})
  return command('seal', {})
}

/** `systemctl start` returns 0 for a seal that was held again. */
async function explainFailure(host: Host, call: CommandCall, said: string): Promise<string> {
  const { unit } = await observeSealState(host)
  if (call.id !== 'seal-held' || unit?.result !== 'exec-condition') return said
  return ['the gate held the seal again; ask it why: sudo aem-reseal gate', said].filter(Boolean).join('\n')
}

async function observeSuffix(host: Host): Promise<string | null> {
  const machine = await observeMachine(host)
  const device = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const suffix = device?.suffix ?? (await observeSealState(host)).cachedSuffix
  return suffix !== null && isSuffix(suffix) ? suffix : null
}

async function observeTokenDigest(host: Host, label: string | null): Promise<string | null> {
  const tpmId = await observeTpmId(host)
  if (tpmId === null || label === null) return null
  const copy = await observeSealedCopy(host, '/var/lib', tpmId, label)
  return copy?.files.find((file) => file.name === 'secret.fre.sealed2')?.sha256 ?? null
}
