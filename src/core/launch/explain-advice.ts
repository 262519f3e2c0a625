/**
 * What to do about an unexplained change, the most urgent first: what must not happen any more, then how to find out,
 * then when to give up. AEM's own README tells to type the passphrase in this case; that advice is not repeated.
 */
const UNEXPLAINED_ADVICE: readonly string[] = [
  'Type no passphrase and no other secret on this machine now. The disk passphrase typed in this boot may already be known to someone else.',
  'Do not reseal: it would make AEM show your secret for this boot chain from now on.',
  'Compare with another AEM device if you have one: boot it. If it shows its secret, this machine and its firmware start as before, and only the boot device of this boot is in doubt.',
  'Check the boot device offline: attach it read-only to a computer you trust and compare xen, kernel, initramfs, tboot, SINIT and grub.cfg with the packages Qubes OS published for this version. Do not boot from it.',
  'Consider the machine lost when the boot device is as it should be and the registers still differ, or when the platform registers (SINIT, policy) changed without a firmware or tboot update of yours: then somebody may have changed the firmware. Restore your data on other hardware.',
]

/** AEM seals by itself at every boot, so this is the usual case when nothing held it back. */
const RESEALED_ADVICE =
  'AEM has already sealed to the registers of this boot: your secret is shown from now on to whoever controls this boot chain. Once you are in a state you trust, change it: write a new secret.txt and seal that.'

const UNKNOWN_SEAL_ADVICE =
  'It could not be told whether AEM has already sealed to this boot. Assume that it has, and change the secret once you are in a state you trust.'

export function listAdvice(alreadyResealed: boolean | null): string[] {
  if (alreadyResealed === false) return [...UNEXPLAINED_ADVICE]
  return [...UNEXPLAINED_ADVICE, alreadyResealed ? RESEALED_ADVICE : UNKNOWN_SEAL_ADVICE]
}
