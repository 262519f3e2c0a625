import { forwardRecordOf } from '../../core/seal/forward-record.ts'
import { describeKeptForward } from '../../messages/forward-device.ts'
import { rememberForward } from '../remember-devices.ts'
import type { Step } from '../step.ts'

/** The seal outlives its session: the device stays on the list until it showed the secret in a boot of its own. */
export const keepForward: Step<'keep-forward'> = async ({ host, session, store }) => {
  const record = forwardRecordOf(session)
  const look = record === null ? null : await rememberForward(host, store, record)
  const label = record?.label ?? session.device ?? ''
  return {
    outcome: 'kept',
    facts: { device: label, deviceList: look?.state ?? null },
    message: describeKeptForward(label, look?.state === 'read'),
  }
}
