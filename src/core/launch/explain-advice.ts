import { PCR } from './pcr.ts'

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

/** Only PCR 13 speaks against the boot: AEM's initrd extends it with the LUKS headers, which no boot device holds. */
const LUKS_ADVICE: readonly string[] = [
  'if you changed a passphrase, a key slot or an encrypted disk yourself since the last approved boot: that is what this shows; say so in `aem-reseal resume`, or reseal by hand where no session is open',
  'if you did not: type no passphrase now and do not reseal; somebody may have added a key slot of their own, or put another header in its place',
  'compare with a header that you kept: `sudo cryptsetup luksDump` of the encrypted disk, key slots and digests; without one, boot from media that you trust and look there',
]

/** Before all other advice where the device of this boot is out: AEM's seal wants a removable stick unplugged. */
export const DEVICE_OUT_ADVICE =
  'plug in the same AEM device this boot came from and run this again: while it is out, nothing that it carries can be compared, and an honest update looks like this too'

/** AEM seals by itself at every boot, so this is the usual case when nothing held it back. */
const RESEALED_ADVICE =
  'change the secret once you are in a state you trust (write a new secret.txt and seal that): AEM has already sealed to the registers of this boot, so your secret is shown from now on to whoever controls this boot chain'

const UNKNOWN_SEAL_ADVICE =
  'change the secret once you are in a state you trust: it could not be told whether AEM has already sealed to this boot; assume that it has'

/**
 * What to do where nothing speaks against this boot and nothing proves it either: what Xen measured cannot be computed
 * here. A person knows what no program sees: who had the machine in hand.
 */
const NOT_COMPUTABLE_ADVICE: readonly string[] = [
  'nothing was found against this boot, and nothing proves it: you decide. Ask yourself whether anybody else could have had this machine or its boot device in hand since your secret last appeared',
  'if nobody could: run `aem-reseal resume`, look at what it shows and accept it; the report then says "accepted, not proven"',
  'if somebody could: accept nothing and type no passphrase here. Install the packages again (`sudo qubes-dom0-update --action=reinstall xen-hypervisor`) or check the boot device offline on a computer you trust',
]

type Finding = { readonly isBlocking: boolean; readonly pcr?: number | null }

/**
 * The advice that a verdict brings.
 * @param findings what it rests on
 * @returns in the order to be followed
 */
export function adviceFor(
  verdict: string,
  alreadyResealed: boolean | null,
  findings: readonly Finding[] = [],
): string[] {
  if (verdict === 'unexplained') return adviseUnexplained(alreadyResealed, findings)
  if (verdict !== 'not-computable') return []
  if (alreadyResealed === false) return [...NOT_COMPUTABLE_ADVICE]
  return [
    ...NOT_COMPUTABLE_ADVICE,
    alreadyResealed
      ? 'AEM has sealed to this boot by itself already: if you do not accept it, change the secret once you are in a state you trust'
      : 'whether AEM has sealed to this boot already could not be told: if you do not accept it, change the secret once you are in a state you trust',
  ]
}

/** The only set of advice for an unexplained change, whichever evidence it comes from. */
function adviseUnexplained(alreadyResealed: boolean | null, findings: readonly Finding[]): string[] {
  const blocking = findings.filter(({ isBlocking }) => isBlocking)
  const isLuksAlone = blocking.length > 0 && blocking.every(({ pcr }) => pcr === PCR.luksHeaders)
  const advice = isLuksAlone ? LUKS_ADVICE : UNEXPLAINED_ADVICE
  if (alreadyResealed === false) return [...advice]
  return [...advice, alreadyResealed ? RESEALED_ADVICE : UNKNOWN_SEAL_ADVICE]
}
