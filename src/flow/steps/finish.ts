import { removeLeftovers } from '../../act/forward-seal/restore.ts'
import type { DeviceLeft } from '../../core/decide/device-need.ts'
import { renderJson } from '../../core/harmless-text.ts'
import { renderChainSvg } from '../../core/launch/chain-svg.ts'
import { renderHtml } from '../../core/report/html.ts'
import { makeReportPage, REPORT_LEFT_OUT } from '../../core/report/make-page.ts'
import { renderMarkdown } from '../../core/report/markdown.ts'
import { forwardRecordOf } from '../../core/seal/forward-of-session.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { workLines } from '../../messages/devices.ts'
import { afterwards, finishedScreen } from '../../messages/finished.ts'
import { observePackagesSince } from '../../observe/launch/booted-state.ts'
import { observeChain } from '../../observe/launch/chain.ts'
import type { Message } from '../../ui/message.ts'
import type { Step } from '../step.ts'

/** Writes the report as Markdown, HTML and JSON, with a picture of what was measured, and closes the session. */
export const finish: Step<'finish'> = async ({ store, session, dom0, host }) => {
  const at = host.now().toISOString()
  const name = `${at.slice(0, 19).replaceAll(':', '-')}-${session.id.slice(0, 8)}`
  const chain = await observeChain(dom0, session)
  const { pcrs } = await dom0.tpm()
  const values = session.baseline === null ? {} : (pcrs[session.baseline.bank] ?? {})
  const said = makeReportPage({ session, closedAt: at, values, chain })
  const [picture, page] = [chain === null ? null : `${name}.svg`, `${name}.html`]
  const json = renderJson({
    closedAt: at,
    picture,
    page,
    leftOut: REPORT_LEFT_OUT,
    verdict: { mark: said.verdict.mark, headline: said.verdict.headline },
    ...session,
    launchLog: undefined,
  })
  // Picture and page first: a report never names one that is not there.
  const drawn =
    picture === null || chain === null ? null : await store.writeReport(picture, renderChainSvg(chain))
  const asPage = await store.writeReport(page, renderHtml(said, chain))
  const report = await store.writeReport(`${name}.md`, renderMarkdown(said, picture))
  const asJson = await store.writeReport(`${name}.json`, json)
  const reports = [report, asJson, asPage, ...(drawn === null ? [] : [drawn])]
  await removeLeftovers(host, forwardRecordOf(session))
  await store.close()
  const { devicesLeft } = session
  const { state } = await store.loadDevices()
  const isKept = state === 'read' || state === 'absent'
  const pending = await observePackagesSince(dom0, (await dom0.machine()).bootTime)
  const isVerified = session.history.findLast((entry) => entry.step === 'verify')?.outcome === 'verified'
  const hasLeft = devicesLeft === null || devicesLeft.length > 0
  const outcome = !isVerified || devicesLeft === null ? 'not-verified' : hasLeft ? 'devices-left' : 'finished'
  return {
    outcome,
    facts: { reports, picture: drawn, page: asPage, devicesLeft },
    message:
      outcome === 'not-verified'
        ? describeUnverified(report, isVerified)
        : isKept
          ? describeFinished(report, session, pending)
          : describeForgotten(describeFinished(report, session, pending)),
  }
}

function describeFinished(
  report: string,
  session: Session,
  pending: Parameters<typeof afterwards>[0],
): Message {
  const left = session.devicesLeft ?? []
  const hasLeft = left.length > 0
  const screen = hasLeft ? null : finishedScreen(report, session, pending)
  return {
    tone: hasLeft ? 'attention' : 'good',
    what: hasLeft ? `done for this device; still to do: ${left.join(', ')}` : 'done',
    why: `the report: ${report}${session.approved?.proof === 'not-proven' ? '; it says: accepted, not proven' : ''}`,
    details: listLeft(session).flatMap(({ label, work }) => workLines(label, work)),
    next: hasLeft ? 'do for each what stands above; `aem-reseal status` keeps the list' : afterwards(pending),
    ...(screen === null ? {} : { screen }),
  }
}

/** Without the device ledger the next `start` knows of no approved boot. */
function describeForgotten({ screen: _, ...message }: Message): Message {
  return {
    ...message,
    tone: 'attention',
    what: `${message.what}, but nothing of this boot is remembered: the device ledger cannot be read`,
    next: '`aem-reseal status` says what to do about it; then `aem-reseal verify` in this boot remembers it',
  }
}

function listLeft({ findings }: Session): readonly DeviceLeft[] {
  return findings['next-device']?.work ?? []
}

/** What could not be checked is said at the end too, and by the exit code. */
function describeUnverified(report: string, isVerified: boolean): Message {
  if (isVerified)
    return {
      tone: 'attention',
      what: 'done for this device, but whether there are further AEM devices is not known',
      why: `lsblk did not answer, or /var/lib/anti-evil-maid could not be read; the report: ${report}`,
      next: 'run `sudo aem-reseal status`; bring every other stick of yours up to date and boot it once with the AEM entry',
    }
  return {
    tone: 'attention',
    what: 'done, but the sealed copies could not all be checked',
    why: `the report names what was not checked: ${report}`,
    next: 'run `aem-reseal verify` with the device plugged in; at the next AEM boot your secret must appear before you type the passphrase',
  }
}
