import { describeProtection } from '../../messages/restart.ts'
import type { Step } from '../step.ts'

/** The ways through the restart that this version can go. */
const AVAILABLE: readonly string[] = ['plain']

export const chooseProtection: Step<'choose-protection'> = async ({ options }) => {
  const wanted = options.protect ?? 'plain'
  const outcome = AVAILABLE.includes(wanted) ? 'plain' : 'not-available'
  return {
    outcome,
    facts: { wanted, available: AVAILABLE },
    message: describeProtection(outcome, wanted),
    ...(outcome === 'plain' ? { session: { protection: 'plain' as const } } : {}),
  }
}
