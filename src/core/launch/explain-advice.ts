/**
 * What to do about an unexplained change, the most urgent first: what must not happen any more, then how to find out,
 * then when to give up. AEM's own README tells to type the passphrase in this case; that advice is not repeated.
 */
const UNEXPLAINED_ADVICE: readonly string[] = [
  'type no passphrase and no other secret on this machine now: the disk passphrase typed in this boot may already be known to someone else',
  'do not reseal: it would make AEM show your secret for this boot chain from now on',
  'compare with another AEM device if you have one: boot it; if it shows its secret, this machine and its firmware start as before, and only the boot device of this boot is in doubt',
  'check the boot device offline: attach it read-only to a computer you trust and compare xen, kernel, initramfs, tboot, SINIT and grub.cfg with the packages Qubes OS published for this version; do not boot from it',
  'consider the machine lost when the boot device is as it should be and the registers still differ, or when the platform registers (SINIT, policy) changed without a firmware or tboot update of yours: then somebody may have changed the firmware; restore your data on other hardware',
]

/** Before all other advice where the device of this boot is out: AEM's seal wants a removable stick unplugged. */
export const DEVICE_OUT_ADVICE =
  'plug in the very AEM device this boot came from and run this again: while it is out, nothing that it carries can be compared, and an honest update looks like this too'

/** AEM seals by itself at every boot, so this is the usual case when nothing held it back. */
const RESEALED_ADVICE =
  'change the secret once you are in a state you trust (write a new secret.txt and seal that): AEM has already sealed to the registers of this boot, so your secret is shown from now on to whoever controls this boot chain'

const UNKNOWN_SEAL_ADVICE =
  'change the secret once you are in a state you trust: it could not be told whether AEM has already sealed to this boot; assume that it has'

/** The only set of advice for an unexplained change, whichever evidence it comes from. @returns in the order to be followed */
export function listAdvice(alreadyResealed: boolean | null): string[] {
  if (alreadyResealed === false) return [...UNEXPLAINED_ADVICE]
  return [...UNEXPLAINED_ADVICE, alreadyResealed ? RESEALED_ADVICE : UNKNOWN_SEAL_ADVICE]
}
