import type { Session } from '../core/session/checkpoint.ts'
import type { HeldNote } from '../core/session/held-note.ts'
import { makeDirectoryStore } from '../flow/store.ts'
import type { Host } from '../host/host.ts'
import { trustedKeyLines } from '../messages/trusted-keys.ts'
import { observeSealOutcome } from '../observe/seal-outcome.ts'
import { observeStatus, type StatusFacts } from '../observe/status.ts'
import { wrap } from '../ui/render-message.ts'
import { type Line, line } from '../ui/ui.ts'
import type { GlobalOptions, Io } from './io.ts'
import { makeUi, printJson, stateDirOf } from './world.ts'

/** `aem-reseal status`: one look, no change. */
export async function runStatus(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const ui = makeUi(io, options)
  const facts = await ui.progress('looking at the machine', () => observeStatus(host))
  const store = makeDirectoryStore(host, stateDirOf(options))
  const session = await store.load()
  const held = await observeHeld(host, await store.loadHeldNote())
  const answer = toStatusAnswer(facts, session, held)
  if (options.json) printJson(io, answer)
  else ui.say(renderStatus(answer, facts))
  return 0
}

/** The gate's note, while it is true: of this boot, and AEM has not sealed since. */
async function observeHeld(host: Host, note: HeldNote | null): Promise<HeldNote | null> {
  if (note === null) return null
  const { heldNote, outcome } = await observeSealOutcome(host, note)
  return outcome === 'held' ? heldNote : null
}

export type StatusAnswer = ReturnType<typeof toStatusAnswer>

/** The contract's JSON of `status`. */
export function toStatusAnswer(facts: StatusFacts, session: Session | null, held: HeldNote | null = null) {
  const { machine, tpm, aem, devices, installedXen } = facts
  return {
    qubes: { release: machine.release },
    aem: {
      installed: aem.installed,
      version: aem.version,
      flavour: aem.flavour,
      tpm: tpm.version,
      selectedPcrs: aem.selectedPcrs ?? [],
      bootedWithAem: machine.bootedWithAem,
      measured: facts.measured,
      devices: devices.map(({ suffix, label, uuid, slot, present, bootFiles, sealed }) => ({
        suffix,
        label,
        uuid,
        slot,
        present,
        bootFiles,
        sealed,
      })),
    },
    xen: {
      running: { version: machine.xen.version, buildId: machine.xen.buildId },
      installed: { evr: installedXen.evr, buildId: installedXen.buildId },
      pendingRestart: facts.pendingRestart,
    },
    session:
      session === null
        ? null
        : {
            id: session.id,
            flow: session.flow,
            step: session.step,
            since: session.since,
            protection: session.protection,
          },
    held: held === null ? null : { at: held.at, why: held.why },
    malformedTrustedKeys: facts.malformedTrustedKeys,
    next: decideNext(facts, session, held),
  }
}

/** What to run next, and why. */
export function decideNext(
  facts: StatusFacts,
  session: Session | null,
  held: HeldNote | null = null,
): { command: string | null; why: string } {
  if (session !== null) {
    const isSameBoot = session.baseline?.bootId != null && session.baseline.bootId === facts.machine.bootId
    return {
      command: 'aem-reseal resume',
      why: isSameBoot
        ? `a session is open at the step ${session.step}; dom0 has not been restarted since`
        : `a session is open at the step ${session.step}, and dom0 was restarted`,
    }
  }
  if (held !== null) {
    return {
      command: null,
      why: "AEM's automatic seal was held, and no session is open that could explain the change: decide by hand; `sudo anti-evil-maid-seal` seals",
    }
  }
  if (facts.aem.installed === false) {
    return {
      command: 'aem-reseal rehearse',
      why: 'Anti Evil Maid is not installed here; the rehearsal shows the job',
    }
  }
  if (facts.aem.installed === null)
    return { command: null, why: 'it could not be found out whether AEM is installed' }
  if (facts.machine.bootedWithAem === false) {
    return { command: null, why: 'this boot is not an AEM boot: restart and choose the AEM entry' }
  }
  if (facts.pendingRestart)
    return { command: 'aem-reseal start', why: 'another Xen is installed than the one that runs' }
  const stale = facts.devices.filter((device) => device.bootFiles === 'stale')
  if (stale.length > 0) {
    return {
      command: 'aem-reseal start',
      why: `${stale.map((device) => device.label).join(', ')} carries old boot files`,
    }
  }
  if (facts.pendingRestart === null)
    return { command: 'aem-reseal start', why: 'whether a restart is due is not known' }
  return { command: null, why: 'nothing to do: the running Xen is the installed one' }
}

function renderStatus(answer: StatusAnswer, facts: StatusFacts): readonly Line[] {
  const { aem, xen, session, next } = answer
  const word = (value: boolean | null): string => (value === null ? 'not known' : value ? 'yes' : 'no')
  const row = (label: string, text: string, style?: Line['style']): Line =>
    line(`${label.padEnd(18)}${text}`, style)
  return [
    row('Qubes OS', answer.qubes.release ?? 'not known'),
    row(
      'Anti Evil Maid',
      aem.installed ? `${aem.version ?? ''} (${aem.flavour ?? 'flavour not known'})` : word(aem.installed),
    ),
    row('TPM', aem.tpm ?? 'not known'),
    row('sealed to PCRs', aem.selectedPcrs.join(', ') || 'not known'),
    row('booted with AEM', word(aem.bootedWithAem), aem.bootedWithAem === false ? 'warn' : undefined),
    row('measured launch', word(aem.measured), aem.measured === false ? 'warn' : undefined),
    ...(facts.badPcrs.length > 0 ? [row('never extended', facts.badPcrs.join(', '), 'bad')] : []),
    ...aem.devices.map((device) => {
      const parts = [
        device.present === null ? 'presence not known' : device.present ? 'plugged in' : 'not plugged in',
        `boot files ${device.bootFiles ?? 'not known'}`,
        `sealed: ${word(device.sealed)}`,
        `slot ${device.slot ?? '?'}`,
      ]
      return row(
        `device ${device.label}`,
        parts.join(', '),
        device.bootFiles === 'stale' ? 'warn' : undefined,
      )
    }),
    ...(aem.devices.length === 0 ? [row('devices', 'none found')] : []),
    row(
      'Xen running',
      `${xen.running.version ?? 'not known'}  build ${xen.running.buildId?.slice(0, 16) ?? 'not known'}`,
    ),
    row(
      'Xen installed',
      `${xen.installed.evr ?? 'not known'}  build ${xen.installed.buildId?.slice(0, 16) ?? 'not known'}`,
    ),
    row('restart pending', word(xen.pendingRestart), xen.pendingRestart ? 'warn' : undefined),
    ...(answer.held === null
      ? []
      : wrap(`AEM's automatic seal was held: ${answer.held.why}`, 58).map((text, at) =>
          row(at === 0 ? 'held' : '', text, 'warn'),
        )),
    ...trustedKeyLines(answer.malformedTrustedKeys),
    row('session', session ? `open since ${session.since}, step ${session.step}` : 'none'),
    line(''),
    line(next.command ? `next: ${next.command}` : 'next: nothing to run', 'bold'),
    ...wrap(next.why, 70).map((text) => line(`      ${text}`)),
  ]
}
