import { replaceInitramfs as putInPlace } from '../../act/replace-initramfs.ts'
import { Failure } from '../../core/failure.ts'
import type { Host } from '../../host/host.ts'
import { describeReplacement } from '../../messages/vouch.ts'
import { observeTarget } from '../../observe/device/session-device.ts'
import type { Step, StepContext } from '../step.ts'

/** What the step `predict` left: an image that dom0 made, beside the one on the device that it does not make. */
type Fresh = { readonly image: string; readonly path: string; readonly sha256: string }

export const replaceInitramfs: Step<'replace-initramfs'> = async (context) => {
  const { device } = context.session
  const fresh = findFresh(context)
  if (fresh === null || !(await isThere(context.host, fresh)))
    return { outcome: 'failed', facts: { image: null }, message: describeReplacement('failed', null, device) }
  const answer = await context.ui.ask<'yes' | 'no'>({
    id: 'replace-initramfs',
    message: `Put the initramfs that dom0 makes now in the place of ${fresh.image}?`,
    choices: [
      { value: 'no', label: 'no', hint: 'stop here; nothing is changed' },
      { value: 'yes', label: 'yes', hint: 'replaces it on the boot device, in one rename' },
    ],
    default: 'no',
    withYes: 'no',
  })
  if (answer === 'no')
    return {
      outcome: 'kept',
      facts: { image: fresh.image },
      message: describeReplacement('kept', fresh.image, device),
    }
  return replace(context, fresh)
}

async function replace({ dom0, host, ui, session }: StepContext, fresh: Fresh) {
  const failed = (why: string) => ({
    outcome: 'failed' as const,
    facts: { image: fresh.image, why },
    message: describeReplacement('failed', fresh.image, session.device, why),
  })
  const device = await observeTarget(dom0, session)
  if (device === null) return failed('the device is not there')
  try {
    await ui.progress(`copying ${fresh.image}`, () => putInPlace(host, device, fresh.image, fresh))
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return failed(error.text.what)
  }
  return {
    outcome: 'replaced' as const,
    facts: { image: fresh.image, sha256: fresh.sha256 },
    message: describeReplacement('replaced', fresh.image, session.device),
  }
}

function findFresh({ session }: StepContext): Fresh | null {
  const made = session.findings.predict?.reproductions ?? []
  return made.flatMap(({ image, fresh }) => (fresh ? [{ image, ...fresh }] : []))[0] ?? null
}

/** Made in another run of the program, it is gone. */
async function isThere(host: Host, fresh: Fresh): Promise<boolean> {
  const digest = await host.digestFile(fresh.path)
  return digest.state === 'seen' && digest.value.sha256 === fresh.sha256
}
