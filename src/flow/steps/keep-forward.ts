import { removeLeftovers } from '../../act/forward-seal/restore.ts'
import { rememberForward } from '../../act/update-ledger.ts'
import { listSharers } from '../../core/decide/slot-tokens.ts'
import { forwardRecordOf } from '../../core/seal/forward-of-session.ts'
import { describeKeptForward } from '../../messages/forward-device.ts'
import type { Step } from '../step.ts'

/** The seal outlives its session: the device stays on the list until it showed the secret in a boot of its own. */
export const keepForward: Step<'keep-forward'> = async ({ dom0, host, session, store }) => {
  const record = forwardRecordOf(session)
  const look = record === null ? null : await rememberForward(dom0, store, record)
  // The old files were for boot files that it has no more: from here on nobody goes back to them, `cancel` neither.
  await removeLeftovers(host, record)
  const label = record?.label ?? session.device ?? ''
  const { devices } = await dom0.devices()
  const own = devices.filter(({ isForeign }) => !isForeign)
  const sharers = listSharers(label, own, (await dom0.tpm()).version)
  return {
    outcome: 'kept',
    facts: { device: label, deviceList: look?.state ?? null },
    message: describeKeptForward(label, look?.state === 'read', sharers),
  }
}
