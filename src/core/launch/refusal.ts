export type Refusal = { readonly code: RefusalCode; readonly why: string; readonly next: string }

const USE_HOLD =
  'use hold for this restart (`aem-reseal start --protect hold`): AEM then seals nothing before the change is explained from the launch log'
const BOOT_AEM = 'restart, choose the AEM entry in the GRUB menu, then run `aem-reseal predict` again'
const LOOK_AT_FILE = 'look at that file on the boot device, then run `aem-reseal predict` again'
const LOOK_AT_GRUB =
  'look at grub.cfg on the boot device, or regenerate it (`sudo grub2-mkconfig -o /boot/grub2/grub.cfg`), then run `aem-reseal predict` again'

/** What to do about each, for who wanted a prediction. */
const NEXT = {
  'log-unreadable':
    'see that the AEM entry was booted and that `sudo txt-stat` (package tboot; under TrenchBoot: `sudo xl dmesg`) shows a launch log, then run `aem-reseal predict` again',
  'log-unfaithful': `${BOOT_AEM}; if it comes again, compare with another AEM device before you trust this one`,
  unmeasured: `${BOOT_AEM}; if it comes again, check TXT in the firmware setup and the SINIT module`,
  'map-unknown': USE_HOLD,
  'no-variant-fits': USE_HOLD,
  'variant-ambiguous': USE_HOLD,
  'unknown-module': USE_HOLD,
  'entry-undetermined': LOOK_AT_GRUB,
  'module-unreadable': LOOK_AT_FILE,
  'image-undetermined': LOOK_AT_FILE,
  'policy-unknown': USE_HOLD,
  'tboot-changed': USE_HOLD,
  'tboot-unknown': USE_HOLD,
  'sinit-changed': USE_HOLD,
  'sinit-unknown': USE_HOLD,
  'pcrs-unreadable':
    'see that the TPM driver is loaded and the bank is active (`ls /sys/class/tpm/tpm0/`), then run `aem-reseal predict` again',
  'trenchboot-multiboot-info': USE_HOLD,
  'trenchboot-mle': USE_HOLD,
  'trenchboot-command-line': USE_HOLD,
  'other-flavour': 'make the AEM entry the default of GRUB, then run `aem-reseal predict` again',
  'not-measured-by-launch': 'see SEAL in /etc/anti-evil-maid.conf: the launch fills PCR 17, 18 and 19 only',
  'luks-header-unknown': 'run `sudo aem-reseal predict` on the machine itself, booted with the AEM entry',
  'luks-header-changed':
    'if you changed a passphrase yourself, restart with the AEM entry before any update, so that AEM seals to it; if not, do not restart, and look at it with `sudo cryptsetup luksDump`',
} as const satisfies Record<string, string>

/** Why nothing, or not this register, is predicted. Stable for scripts. */
export type RefusalCode = keyof typeof NEXT

export const REFUSAL_CODES = Object.keys(NEXT) as readonly RefusalCode[]

/** @param next what helps in this very case; left out: what helps against the code in general */
export function refuse(code: RefusalCode, why: string, next: string = NEXT[code]): Refusal {
  return { code, why, next }
}
