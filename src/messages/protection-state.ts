/* Long: words: a row a reason. */

import type { UnsealAnswer } from '../core/aem/seal-outcome.ts'
import type { SelectionLook } from '../core/aem/seal-selection.ts'
import { CANCEL_AND_START } from '../core/decide/preparedness.ts'
import type { ProtectionReason, ProtectionState } from '../core/decide/protection-state.ts'
import type { Flavour } from '../core/launch/boot-entry.ts'
import { CLOSED, PCR, type PublicConstant } from '../core/launch/pcr.ts'
import type { Session } from '../core/session/checkpoint.ts'
import { AEM_CONFIGURATION } from '../tables/paths.ts'
import { nameOutdated } from './prepared.ts'
import { explainSelection, SELECTION_NEXT } from './selection.ts'

/** What each reason for which AEM does not protect, or may not, says: what was seen, and what helps. */

/** What the words name. */
export type ReasonFacts = {
  readonly label: string
  readonly pcrs: { readonly bad: readonly { readonly words: string; readonly pcrs: readonly number[] }[] }
  readonly unreadPcrs: readonly number[]
  readonly selected: readonly number[]
  readonly selection: SelectionLook
  readonly flavour: Flavour | null
  readonly drtm: PublicConstant | null
  readonly txtError: { readonly code: string; readonly words: string } | null
  readonly launchedBy: 'Xen' | 'txt-stat' | null
  readonly sealWords: string | null
  readonly unseal: UnsealAnswer | null
  readonly heldWhy: string | null
  readonly changedOn: readonly string[]
  readonly slotTakers: readonly string[]
  readonly nextEntry: string | null
  readonly bootWords: string | null
  readonly logFailure: { readonly what: string; readonly next: string } | null
  readonly session: Pick<Session, 'step' | 'protection'> | null
  readonly isSameBoot: boolean
  /** What was updated, in words. */
  readonly updated: string
}

export type SaidReason = {
  readonly code: ProtectionReason
  readonly what: string
  readonly next: string
}

type Words = {
  /** The command of this program that helps, where there is one. */
  readonly command?: string
  readonly say: (facts: ReasonFacts) => { readonly what: string; readonly next: string }
}

const AEM_ENTRY = 'restart and choose the AEM entry in GRUB\'s menu (it begins with "AEM")'
const README = '/usr/share/doc/anti-evil-maid/README'
const SEAL_AGAIN =
  'where it finds a copy wrong and your secret appeared at this boot: `sudo anti-evil-maid-seal`'

const REASONS: { readonly [R in ProtectionReason]: Words } = {
  'not-installed': {
    command: 'aem-reseal rehearse',
    say: () => ({
      what: 'Anti Evil Maid is not installed here',
      next: `install the package anti-evil-maid and follow ${README}; \`aem-reseal rehearse\` shows the job`,
    }),
  },
  'aem-unknown': {
    say: () => ({
      what: 'it could not be determined whether AEM is installed',
      next: 'see what `rpm -q anti-evil-maid` says',
    }),
  },
  'not-aem-boot': {
    say: () => ({
      what: 'this boot is not an AEM boot: the kernel command line has no aem.uuid',
      next: AEM_ENTRY,
    }),
  },
  'boot-kind-unknown': {
    say: () => ({
      what: 'whether this is an AEM boot is not known: no kernel command line, or one with two different aem.uuid',
      next: 'see /proc/cmdline; with two different aem.uuid do not type your passphrase into such a boot, and look at grub.cfg of the device',
    }),
  },
  'no-tpm': {
    say: () => ({
      what: 'dom0 sees no TPM, so nothing was released by it, and nothing can be sealed to it',
      next: 'switch the TPM on in the firmware setup; see what `sudo dmesg | grep -i tpm` says; then boot the AEM entry',
    }),
  },
  'tpm-not-seen': {
    say: ({ launchedBy }) => ({
      what: `dom0 sees no TPM, though ${launchedBy ?? 'another source'} says that this boot was launched: Linux has no driver attached to one, which is not to say that there is none. Nothing can be said of its registers`,
      next: 'see what `sudo dmesg | grep -i tpm` says, and whether a newer dom0 kernel (`kernel-latest`) has the driver; until dom0 sees it AEM cannot seal',
    }),
  },
  'tpm-unknown': {
    say: () => ({
      what: 'of which version the TPM is could not be told, so its registers were not read',
      next: 'see what `cat /sys/class/tpm/tpm0/tpm_version_major` says (1 or 2); AEM knows no other',
    }),
  },
  'launch-failed': {
    say: ({ drtm, txtError }) => ({
      what: [
        drtm === 'capped'
          ? `the measured launch of this boot failed: PCR 17 holds a public constant, ${CLOSED}`
          : 'a measured launch failed',
        txtError === null ? '' : `: TXT.ERRORCODE ${txtError.code}, ${txtError.words}`,
      ].join(''),
      next: `do not seal. ${txtError === null ? 'Check that the SKL or SINIT module on the device is the right one' : 'Take the SINIT module that fits CPU and firmware, see its list of errors for the code, and check TXT in the firmware setup'}; power off fully, as a restart may keep the error, and boot the AEM entry`,
    }),
  },
  'not-launched': {
    say: ({ drtm, flavour }) => ({
      what: `this boot was not measured: PCR 17 holds a public constant (${drtm === 'unset' ? 'all 00, never extended' : 'all FF, never launched'}), and nothing may be sealed to it`,
      next: `check TXT (Intel) or SKINIT and SVM (AMD) in the firmware setup and the ${flavour === 'trenchboot' ? 'SINIT module or skl.bin' : 'SINIT module'} on the device; \`sudo txt-stat\` says more on Intel. Then ${AEM_ENTRY}`,
    }),
  },
  'registers-unread': {
    say: ({ unreadPcrs }) => ({
      what: `PCR ${unreadPcrs.join(', ') || '17'} could not be read`,
      next: 'run it as root (`sudo aem-reseal status`), and see /sys/class/tpm/tpm0; with an old kernel `tpm2_pcrread` (tpm2-tools) is asked',
    }),
  },
  'selection-missing': {
    say: ({ selection }) => ({
      what: `AEM is told no PCRs to seal to: ${explainSelection(selection)}`,
      next: SELECTION_NEXT,
    }),
  },
  'selection-unread': {
    say: ({ selection }) => ({
      what: `which PCRs AEM seals to is not known: ${explainSelection(selection)}`,
      next: SELECTION_NEXT,
    }),
  },
  'no-launch-register': {
    say: ({ selected }) => ({
      what: `SEAL names PCR ${selected.join(', ')} alone: none that a measured launch fills (17 to 19), so the secret does not show which Xen and kernel were launched`,
      next: `set SEAL in ${AEM_CONFIGURATION} as AEM ships it for your TPM (${README}), then \`sudo anti-evil-maid-seal\``,
    }),
  },
  'constant-register': {
    say: ({ pcrs }) => ({
      what: `selected (SEAL), but ${pcrs.bad.map(({ words, pcrs: numbers }) => `PCR ${numbers.join(', ')} was ${words}`).join('; ')}: a seal to it protects nothing, and AEM may refuse it`,
      next: `where this is so in each boot, take PCR ${pcrs.bad.flatMap((one) => one.pcrs).join(', ')} out of SEAL in ${AEM_CONFIGURATION} (${README}, PCR sanity check)${pcrs.bad.some((one) => one.pcrs.includes(PCR.modules)) ? '; tboot may use a map that leaves PCR 19 empty: `pcr_map_da: 1` in `sudo txt-stat`' : ''}; where it was measured before, find out why not now, and do not seal`,
    }),
  },
  'boot-unexplained': {
    command: 'aem-reseal explain',
    say: ({ bootWords }) => ({
      what: bootWords ?? 'this boot is not the approved one, and signed packages do not account for it',
      next: 'do not restart, seal or update before you know why; `aem-reseal explain` shows all of it',
    }),
  },
  'boot-not-accepted': {
    command: 'aem-reseal explain',
    say: () => ({
      what: 'this boot is not the approved one: consistent with signed packages installed since, and accepted by nobody',
      next: '`aem-reseal explain` shows what changed; the next `aem-reseal start` asks whether you go on',
    }),
  },
  'secret-refused': {
    command: 'aem-reseal verify',
    say: ({ unseal }) => ({
      what:
        unseal === 'wrong-token'
          ? 'the token released in this boot is not the current one: an old copy of the device, or a seal for another device took its slot'
          : 'the TPM did not release your secret in this boot',
      next: 'if you did not update before this boot, do not seal before you know why; else `aem-reseal verify` says what the copies are worth now',
    }),
  },
  'boot-unknown': {
    command: 'aem-reseal explain',
    say: () => ({
      what: 'this boot could not be compared with the approved one',
      next: '`aem-reseal explain` says what is missing',
    }),
  },
  'list-unread': {
    say: () => ({
      what: 'the device ledger cannot be read, and with it which boot was approved',
      next: 'look at it as said above, then move it away',
    }),
  },
  'seal-held': {
    say: ({ heldWhy }) => ({
      what: `AEM's automatic seal was held${heldWhy === null ? '' : `: ${heldWhy}`}, and no session is open that could explain the change`,
      next: 'decide by hand whether the change is yours; if it is, `sudo anti-evil-maid-seal` seals',
    }),
  },
  'failed-seal': {
    command: 'aem-reseal verify',
    say: ({ sealWords, label }) => ({
      what: `AEM's seal failed in this boot${sealWords === null ? '' : ` (${sealWords})`}: what lies on ${label} may be of an older boot`,
      next: `plug ${label} in and run \`aem-reseal verify\`; ${SEAL_AGAIN}`,
    }),
  },
  'seal-waiting': {
    say: ({ label }) => ({
      what: "AEM's seal of this boot has not ended: it waits for the device",
      next: `plug ${label} in, or take it out, as AEM asks on its screen; then \`aem-reseal status\``,
    }),
  },
  'not-sealed': {
    say: ({ label }) => ({
      what: `nothing is sealed for ${label}: no boot of it can show your secret`,
      next: `follow ${README} (anti-evil-maid-install, secret.txt); \`sudo anti-evil-maid-seal\` seals in an AEM boot that is yours`,
    }),
  },
  'copy-missing': {
    command: 'aem-reseal verify',
    say: ({ label }) => ({
      what: `the sealed files of ${label} are in one place alone, on the device or in dom0: the next boot may show no secret`,
      next: `\`aem-reseal verify\`; ${SEAL_AGAIN}`,
    }),
  },
  'copy-differs': {
    command: 'aem-reseal verify',
    say: ({ label }) => ({
      what: `the sealed files on ${label} are not those that dom0 sealed last: the next boot may show no secret`,
      next: `\`aem-reseal verify\`; ${SEAL_AGAIN}`,
    }),
  },
  'sealed-to-other': {
    command: 'aem-reseal verify',
    say: ({ label }) => ({
      what: `${label} is sealed for other PCRs than those of this boot, or than SEAL names now: the next boot of this state may show no secret`,
      next: `\`aem-reseal verify\`; ${SEAL_AGAIN}`,
    }),
  },
  'slot-taken': {
    command: 'aem-reseal verify',
    say: ({ label, slotTakers }) => ({
      what: `${slotTakers.join(', ')} was sealed after ${label} was verified, and took the slot of the TPM that both have: the next boot from ${label} shows no secret`,
      next: `boot next the one that is to show your secret: ${slotTakers.join(', ')}; or seal ${label} anew: \`aem-reseal verify\`; ${SEAL_AGAIN}`,
    }),
  },
  'boot-files-changed': {
    say: ({ changedOn }) => ({
      what: `a boot file on ${changedOn.join(', ')} was changed, as said above`,
      next: 'find out by whom before you boot from it or bring it up to date',
    }),
  },
  'next-entry-not-aem': {
    say: ({ nextEntry, label }) => ({
      what: `the entry that GRUB boots next from ${label} is none of AEM's: ${nextEntry ?? 'another one'}`,
      next: 'choose the AEM entry by hand at the next boot; for good, make it the default: `sudo grub2-set-default` with its title, or GRUB_DEFAULT in /etc/default/grub',
    }),
  },
  'luks-header-changed': {
    command: 'aem-reseal start',
    say: () => ({
      what: 'a LUKS header is not the one that this boot measured (a passphrase or key slot was changed?): the next boot measures another, and shows no secret',
      next: 'if you changed it: `aem-reseal start`, before you restart. If you did not, find out who did first: `sudo cryptsetup luksDump`',
    }),
  },
  'restart-pending': {
    command: 'aem-reseal start',
    say: () => ({
      what: 'another Xen is installed than the one that runs: the next boot measures it and shows no secret',
      next: '`aem-reseal start`, before you restart',
    }),
  },
  'preparation-outdated': {
    command: 'aem-reseal cancel',
    say: ({ session }) => ({
      what: `${nameOutdated(session?.protection ?? null)}: ${CANCEL_AND_START}`,
      next: 'do not restart before that',
    }),
  },
  'files-updated': {
    command: 'aem-reseal start',
    say: ({ updated }) => ({
      what: `files that a boot measures were updated in this boot (${updated}): the next boot may show no secret`,
      next: '`aem-reseal start`, before you restart',
    }),
  },
  'session-open': {
    command: 'aem-reseal resume',
    say: ({ session, isSameBoot }) => ({
      what: `a session is open at the step ${session?.step ?? 'not known'}${isSameBoot ? '; dom0 has not been restarted since' : ', and dom0 was restarted'}`,
      next: '`aem-reseal resume` goes on with it',
    }),
  },
  'device-absent': {
    say: ({ label }) => ({
      what: `${label}, which this boot came from, is not plugged in: what lies on it and boots next was not looked at`,
      next: `plug ${label} in and run \`aem-reseal status\`, then keep it where nobody else gets at it`,
    }),
  },
  'device-unknown': {
    say: () => ({
      what: 'which AEM device this boot came from could not be determined, so nothing sealed was looked at',
      next: 'plug it in; `lsblk -o NAME,LABEL,UUID` must show the UUID that aem.uuid in /proc/cmdline names, once',
    }),
  },
  'seal-unknown': {
    command: 'aem-reseal verify',
    say: ({ label }) => ({
      what: `for which PCRs ${label} is sealed could not be read`,
      next: 'run `aem-reseal verify` as root in dom0: it has the TPM open each copy',
    }),
  },
  'luks-header-unknown': {
    command: 'aem-reseal verify',
    say: () => ({
      what: 'whether the LUKS headers are those that this boot measured could not be told',
      next: '`aem-reseal verify` says why',
    }),
  },
  'next-entry-unknown': {
    command: 'aem-reseal predict',
    say: ({ nextEntry, label }) => ({
      what: `which entry GRUB boots next from ${label} could not be told${nextEntry === null ? '' : `: ${nextEntry}`}`,
      next: '`aem-reseal predict` says more of the next boot',
    }),
  },
  'restart-unknown': {
    command: 'aem-reseal start',
    say: () => ({
      what: 'whether a restart is due is not known: which Xen runs or is installed could not be told',
      next: '`aem-reseal start` says what is missing',
    }),
  },
  'launch-log-unread': {
    say: ({ logFailure }) => ({
      what: logFailure?.what ?? 'the launch log of this boot was not read',
      next: logFailure?.next ?? '`aem-reseal predict` says why',
    }),
  },
}

/** The reasons in words, as `protection.reasons` of status has them. */
export function sayReasons(codes: readonly ProtectionReason[], facts: ReasonFacts): readonly SaidReason[] {
  return codes.map((code) => ({ code, ...REASONS[code].say(facts) }))
}

export function commandOf(code: ProtectionReason): string | null {
  return REASONS[code].command ?? null
}

export const STATE_WORDS: { readonly [S in ProtectionState]: string } = {
  protected: 'yes, in this boot and for the next',
  'not-protected': 'NO',
  'at-risk': 'AT RISK at the next boot',
  unknown: 'not known',
}
