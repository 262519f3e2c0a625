import type { Session } from '../../core/session/checkpoint.ts'
import { renderReport } from '../../core/session/report.ts'
import { workLines } from '../../messages/devices.ts'
import { removeLeftovers } from '../seal/restore.ts'
import type { Message, Step } from '../step.ts'
import type { DeviceLeft } from './next-device.ts'

/** Writes the report as Markdown and JSON, and closes the session. */
export const finish: Step<'finish'> = async ({ store, session, host }) => {
  const at = host.now().toISOString()
  const name = `${at.slice(0, 19).replaceAll(':', '-')}-${session.id.slice(0, 8)}`
  const json = `${JSON.stringify({ closedAt: at, ...session, launchLog: undefined }, null, 2)}\n`
  const paths = [
    await store.writeReport(`${name}.md`, renderReport(session, at)),
    await store.writeReport(`${name}.json`, json),
  ]
  await removeLeftovers(host, session)
  await store.close()
  const hasLeft = session.devicesLeft.length > 0
  const isVerified = session.history.findLast((entry) => entry.step === 'verify')?.outcome === 'verified'
  const outcome = !isVerified ? 'not-verified' : hasLeft ? 'devices-left' : 'finished'
  return {
    outcome,
    facts: { reports: paths, devicesLeft: session.devicesLeft },
    message:
      outcome === 'not-verified'
        ? describeUnverified(paths[0] ?? '')
        : {
            tone: hasLeft ? 'attention' : 'good',
            what: hasLeft ? `done for this device; still to do: ${session.devicesLeft.join(', ')}` : 'done',
            why: `the report: ${paths[0]}`,
            details: listLeft(session).flatMap(({ label, work }) => workLines(label, work)),
            next: hasLeft
              ? 'do for each what stands above; `aem-reseal status` keeps the list'
              : 'nothing; run `aem-reseal start` after the next update, before its restart',
          },
  }
}

function listLeft({ findings }: Session): readonly DeviceLeft[] {
  const facts = findings['next-device'] as { work?: readonly DeviceLeft[] } | undefined
  return facts?.work ?? []
}

/** What could not be checked is said at the end too, and by the exit code. */
function describeUnverified(report: string): Message {
  return {
    tone: 'attention',
    what: 'done, but the sealed copies could not all be checked',
    why: `the report names what was not checked: ${report}`,
    next: 'run `aem-reseal verify` with the device plugged in; at the next AEM boot your secret must appear before you type the passphrase',
  }
}
