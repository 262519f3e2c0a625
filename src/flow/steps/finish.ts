import { renderReport } from '../../core/session/report.ts'
import { removeLeftovers } from '../seal/restore.ts'
import type { Step } from '../step.ts'

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
  const outcome = hasLeft ? 'devices-left' : 'finished'
  return {
    outcome,
    facts: { reports: paths, devicesLeft: session.devicesLeft },
    message: {
      tone: hasLeft ? 'attention' : 'good',
      what: hasLeft ? `done for this device; still to do: ${session.devicesLeft.join(', ')}` : 'done',
      why: `the report: ${paths[0]}`,
      next: hasLeft
        ? 'boot each of the others once with the AEM entry, and run `aem-reseal verify` there'
        : 'nothing; run `aem-reseal start` after the next update, before its restart',
    },
  }
}
