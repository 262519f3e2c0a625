import { PCR } from './pcr.ts'

/** An order short enough for a screen of orders, and what follows it where there is room. */
type Advice = { readonly order: string; readonly more: string }

/**
 * What to do about an unexplained change, the most urgent first: what must not happen any more, then how to find out,
 * then when to give up. AEM's own README tells to type the passphrase in this case; that advice is not repeated.
 */
const UNEXPLAINED_ADVICE: readonly Advice[] = [
  {
    order: 'power off now, and type no passphrase here',
    more: ' nor any other secret',
  },
  {
    order: 'count the disk passphrase as known; change it elsewhere',
    more: ': it was typed in this boot; change it from a system that you trust, with `cryptsetup luksChangeKey`; whoever has it and a copy of the disk opens that copy with the old header all the same',
  },
  {
    order: 'do not reseal yourself',
    more: ': a seal makes AEM show your secret for this boot chain from now on',
  },
  {
    order: 'compare with another AEM device if you have one',
    more: ': boot it; if it shows its secret, this machine and its firmware start as before, and only the boot device of this boot is in doubt',
  },
  {
    order: 'check this boot device offline, on a computer you trust',
    more: ': attach it read-only and compare xen, kernel, initramfs, tboot, SINIT and grub.cfg with the packages Qubes OS published for this version; do not boot from it',
  },
  {
    order: 'if this device is unchanged, count the machine as lost',
    more: ' where registers differ that no update changes, or the platform registers (SINIT, policy) changed without a firmware or tboot update of yours: then somebody may have changed the firmware; restore your data on other hardware',
  },
]

/** Only PCR 13 speaks against the boot: AEM's initrd extends it with the LUKS headers, which no boot device holds. */
const LUKS_ADVICE: readonly Advice[] = [
  {
    order: 'if you changed a passphrase, a key slot or an encrypted disk yourself',
    more: ' since the last approved boot: that is what this shows; say so in `aem-reseal resume`, or reseal by hand where no session is open',
  },
  {
    order: 'if you did not: power off, type no passphrase here and do not reseal',
    more: '; somebody may have added a key slot of their own, or put another header in its place',
  },
  {
    order: 'compare with a header that you kept: `sudo cryptsetup luksDump`',
    more: ' of the encrypted disk, key slots and digests; without one, boot from media that you trust and look there',
  },
]

const DEVICE_OUT: Advice = {
  order: 'plug in the same AEM device this boot came from and run this again',
  more: ': while it is out, nothing that it carries can be compared, and an honest update looks like this too',
}

/** AEM seals by itself at every boot, so this is the usual case when nothing held it back. */
const RESEALED_ADVICE: Advice = {
  order: 'change the secret once you are in a state you trust',
  more: ' (write a new secret.txt and seal that): AEM has already sealed to the registers of this boot, so your secret is shown from now on to whoever controls this boot chain',
}

const UNKNOWN_SEAL_ADVICE: Advice = {
  order: 'change the secret once you are in a state you trust',
  more: ': it could not be told whether AEM has already sealed to this boot; assume that it has',
}

const ALL: readonly Advice[] = [
  ...UNEXPLAINED_ADVICE,
  ...LUKS_ADVICE,
  DEVICE_OUT,
  RESEALED_ADVICE,
  UNKNOWN_SEAL_ADVICE,
]

function whole({ order, more }: Advice): string {
  return `${order}${more}`
}

/** Before all other advice where the device of this boot is out: AEM's seal wants a removable stick unplugged. */
export const DEVICE_OUT_ADVICE = whole(DEVICE_OUT)

/** Boots of which the recorded values say nothing, as `resume` tells them too. */
export const INCOMPARABLE = {
  'not-aem-boot': {
    what: 'dom0 was restarted without AEM: this boot measured nothing, so nothing can be compared',
    next: 'if you did not choose another entry yourself, power off (`aem-reseal help alarm`). Else restart with the AEM entry, then run `aem-reseal resume`',
  },
  'other-device': {
    what: 'this boot came from another AEM device than the one that was checked, so the recorded values say nothing about it',
    next: 'restart from the device that was checked, then run `aem-reseal resume`',
  },
  'device-absent': {
    what: 'the AEM device of this boot is not plugged in, so nothing that it carries can be compared',
    next: 'plug in the same AEM device this boot came from and run this again; until then take no change of this boot for explained',
  },
} as const
export type Incomparable = keyof typeof INCOMPARABLE

/** The same of a boot without AEM that no session waits for. */
export const NOT_AEM_UNNOTED = {
  what: 'dom0 was started without AEM: this boot measured nothing, so nothing can be compared',
  next: 'if you did not choose another entry yourself, power off (`aem-reseal help alarm`). Else restart with the AEM entry; `aem-reseal status` says then whether it is the approved state',
}

/** The order of a piece of advice; all of it where it has no shorter form. */
export function orderOf(advice: string): string {
  return ALL.find((one) => whole(one) === advice)?.order ?? advice
}

/**
 * What to do where nothing speaks against this boot and nothing proves it either: what Xen measured cannot be computed
 * here. A person knows what no program sees: who had the machine in hand.
 */
const NOT_COMPUTABLE_ADVICE: readonly string[] = [
  'nothing was found against this boot, and nothing proves it: you decide. Ask yourself whether anybody else could have had this machine or its boot device in hand since your secret last appeared',
  'if nobody could: run `aem-reseal resume`, look at what it shows and accept it; the report then says "accepted, not proven"',
  'if somebody could: accept nothing and type no passphrase here. Install the packages again (`sudo qubes-dom0-update --action=reinstall xen-hypervisor`) or check the boot device offline on a computer you trust',
]

type Finding = { readonly isBlocking: boolean; readonly pcr?: number | null; readonly code?: string }

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
  const isLuks = ({ pcr }: Finding): boolean => pcr === PCR.luksHeaders
  // No package stands behind a header that changed.
  const isLuksAlone =
    blocking.some(isLuks) && blocking.every((one) => isLuks(one) || one.code === 'nothing-behind-change')
  const advice = isLuksAlone ? LUKS_ADVICE : UNEXPLAINED_ADVICE
  if (alreadyResealed === false) return advice.map(whole)
  return [...advice, alreadyResealed ? RESEALED_ADVICE : UNKNOWN_SEAL_ADVICE].map(whole)
}
