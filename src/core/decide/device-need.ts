/**
 * What a device needs until it is sealed for the approved state:
 * - changed: a boot file on it is neither a package's nor an approved boot's: nothing, before somebody knows why
 * - plug-in: it is not there to be looked at
 * - refresh: its own boot files are old; they are brought up to date, then it is booted
 * - forward-boot: it is sealed forward for the approved state: its next boot must show the secret
 * - own-boot: one boot from it, with `verify` in that boot
 * - look: something about it could not be determined
 * Of the device that this boot came from:
 * - resume: a session is open
 * - start: the next boot from it measures something else, or that is not known
 * - verify: it was not verified in this boot
 * - accept: it was, and nobody accepted what this boot measured
 */
export const DEVICE_NEEDS = [
  'changed',
  'plug-in',
  'refresh',
  'forward-boot',
  'own-boot',
  'look',
  'resume',
  'start',
  'verify',
  'accept',
] as const
export type DeviceNeed = (typeof DEVICE_NEEDS)[number]

export type DeviceWork =
  | { readonly state: 'done' }
  | {
      readonly state: 'to-do'
      readonly needs: DeviceNeed
      readonly why: string
      readonly since: string | null
    }

/** One device that is left, with what it needs. */
export type DeviceLeft = { readonly label: string; readonly work: DeviceWork & { readonly state: 'to-do' } }
