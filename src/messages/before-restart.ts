/* Long: words: a table of outcomes for each step before the restart. */

import { isSelectionUnread, type SelectionLook } from '../core/aem/seal-selection.ts'
import type { BulletinList, BulletinState } from '../core/bulletin/decide-bulletins.ts'
import type { CheckedFile } from '../core/decide/boot-device.ts'
import { type ConfirmedPackage, listUnlistedOnly } from '../core/decide/confirm-update.ts'
import type { Downgrade } from '../core/decide/downgrades.ts'
import type { Outcomes } from '../core/decide/outcomes.ts'
import { groupConstants } from '../core/launch/pcr.ts'
import { isUnlistedKey, listKeyNext } from '../core/package/signers.ts'
import type { StatusFacts } from '../observe/dom0/status.ts'
import { mediaUuidOf } from '../tables/paths.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line } from '../ui/ui.ts'
import { installWords, missingWords, qsb, unclearNext, unclearWords } from './bulletin-state.ts'
import { explainSelection, SELECTION_NEXT } from './selection.ts'

/** What each outcome of the steps before the restart says. */

export function describeAem(outcome: Outcomes['detect-aem'], status: StatusFacts): Message {
  return { ...AEM[outcome](status), ...(outcome === 'ready' ? { details: aemDetails(status) } : {}) }
}

const AEM: { readonly [O in Outcomes['detect-aem']]: (status: StatusFacts) => Message } = {
  ready: ({ aem, tpm }) => ({
    tone: 'good',
    what: `Anti Evil Maid ${aem.version ?? ''} (${aem.flavour ?? 'flavour unknown'}), TPM ${tpm.version}, measured launch`,
  }),
  'not-installed': () => ({
    tone: 'attention',
    what: 'Anti Evil Maid is not installed in this dom0',
    why: 'there is nothing to reseal; a plain update needs only a restart',
    next: 'install the package anti-evil-maid and follow /usr/share/doc/anti-evil-maid/README, or try `aem-reseal rehearse`',
  }),
  'not-set-up': ({ aem, devices }) => ({
    tone: 'attention',
    what:
      aem.selectedPcrs === null && devices.length > 0
        ? `Anti Evil Maid is installed, but ${explainSelection(aem.selection)}`
        : `Anti Evil Maid is installed, but there are ${devices.length} AEM devices`,
    why: 'no device has been made with anti-evil-maid-install, or its configuration cannot be read',
    next: 'follow /usr/share/doc/anti-evil-maid/README: `anti-evil-maid-tpm-setup`, then `anti-evil-maid-install`',
  }),
  'no-tpm': () => ({
    tone: 'attention',
    what: 'no TPM: /sys/class/tpm/tpm0 does not exist',
    why: 'it is switched off in the firmware, or the kernel has no driver for it',
    next: 'switch the TPM on in the firmware setup, boot the AEM entry and run this again',
  }),
  'not-aem-boot': () => ({
    tone: 'attention',
    what: 'this boot is not an AEM boot: the kernel command line has no aem.uuid',
    why: 'what an AEM boot measures can only be recorded in an AEM boot',
    next: 'restart, choose the entry that begins with "AEM" in the GRUB menu, and run `aem-reseal start` again',
  }),
  unmeasured: () => ({
    tone: 'alarm',
    what: 'the AEM entry was booted, but no measured launch happened: PCR 17 holds a public constant (all 00, all FF, or the value of a failed launch)',
    why: 'TXT is off in the firmware, the SINIT module is missing or does not fit, or the boot was interfered with',
    next: 'do not reseal; look at `sudo txt-stat`, check TXT in the firmware setup and the SINIT module in /boot, then restart',
  }),
  'bad-pcrs': ({ badPcrs, tpm }) => ({
    tone: 'alarm',
    what: `selected PCRs hold nothing: ${groupConstants(tpm.pcrs[tpm.bank ?? 'sha256'] ?? {}, badPcrs)
      .map(({ words, pcrs }) => `${words}: ${pcrs.join(', ')}`)
      .join('; ')}`,
    why: 'such a register holds a public constant, so what is sealed to it is protected by nothing; on TPM 2.0 tboot may use a map that leaves PCR 19 empty (`pcr_map_da: 1` in `sudo txt-stat`)',
    next: `nothing is sealed; see /usr/share/doc/anti-evil-maid/README on the PCR sanity check. Where this is so in each boot, take PCR ${badPcrs.join(', ')} out of SEAL in /etc/anti-evil-maid.conf; where it was measured before, find out why this launch failed`,
  }),
  unknown: (status) => {
    const { aem } = status
    const isUnread = aem.installed === true && isSelectionUnread(aem.selection)
    return isUnread ? describeUnreadSelection(aem.selection) : describeUnknownAem(status)
  },
}

function describeUnreadSelection(look: SelectionLook): Message {
  return {
    tone: 'attention',
    what: 'which PCRs AEM seals to is not known',
    why: explainSelection(look),
    next: `${SELECTION_NEXT}; then run \`aem-reseal start\` again`,
  }
}

function describeUnknownAem({ aem, tpm, machine, devices, areDevicesKnown }: StatusFacts): Message {
  return {
    tone: 'attention',
    what: `it could not be determined whether AEM is ready here: ${[
      aem.installed === null ? 'AEM installed' : null,
      tpm.version === null ? 'TPM' : null,
      machine.bootedWithAem === null
        ? machine.kernelCommandLine === null
          ? 'kernel command line'
          : 'several aem.uuid on the kernel command line'
        : null,
      devices.length === 0 && !areDevicesKnown ? 'AEM devices (lsblk, /var/lib/anti-evil-maid)' : null,
      'PCR 17',
    ]
      .filter(Boolean)
      .join(', ')}`,
    why: 'a fact that cannot be looked up is never taken for good',
    next: 'run `aem-reseal status --json --verbose` as root and fix what it names',
  }
}

function aemDetails({ aem, devices }: StatusFacts): readonly Line[] {
  return [
    line(`sealed to PCRs ${aem.selectedPcrs?.join(', ')}`, 'dim'),
    ...devices.map((device) =>
      line(
        `device ${device.label}: ${device.present ? 'plugged in' : 'not plugged in'}, slot ${device.slot ?? '?'}`,
        'dim',
      ),
    ),
  ]
}

export type UpdateMessageFacts = {
  readonly packages: readonly ConfirmedPackage[]
  /** Measured packages that rpm gave no answer about. */
  readonly unasked: readonly string[]
  readonly downgrades: readonly Downgrade[]
  readonly areVersionsKnown: boolean
  readonly bulletin: string | null
  /** The bulletin that was named or chosen. */
  readonly chosen: Pick<BulletinState, 'id' | 'missing'> | null
  /** false: the file the user named is not signed as it must be. */
  readonly bulletinVerified: boolean
  /** A named bulletin that asks nothing of dom0 in this release. */
  readonly silent: {
    readonly id: number
    readonly list: Pick<BulletinList, 'release' | 'releaseKnown'>
  } | null
  readonly pendingXen: boolean | null
  readonly mayChange: readonly number[]
  /** What the next boot measures differently though no package changed; null: not known. */
  readonly nextBoot: readonly string[] | null
  /** The gate held AEM's seal of this boot, and nothing has sealed since. */
  readonly isSealHeld: boolean
  /** What has to be said whatever the outcome. */
  readonly notes: readonly Line[]
}

export function describeUpdate(outcome: Outcomes['confirm-update'], facts: UpdateMessageFacts): Message {
  return { ...UPDATE[outcome](facts), details: [...facts.notes, ...facts.packages.flatMap(packageLines)] }
}

const BULLETIN_NOT_VERIFIED: Message = {
  tone: 'alarm',
  what: 'the bulletin that was named does not verify, so it confirms nothing',
  why: 'a signature is bad, missing, or by a key nobody vouches for',
  next: '`aem-reseal bulletin show FILE` names each signature; without --bulletin the update is confirmed from what changed since this boot',
}

/** Nothing waits for the restart, and the next boot is blind all the same. */
const SEAL_HELD = {
  tone: 'attention',
  what: "no measured package changed since this boot began, but AEM's automatic seal of this boot was held",
  why: 'what is sealed is for the state before: the next boot of this one shows no secret',
  next: 'decide by hand whether the change is yours: `aem-reseal explain` shows it. If it is, `sudo anti-evil-maid-seal` seals; if it is not, seal nothing',
} as const satisfies Message

const UPDATE: { readonly [O in Outcomes['confirm-update']]: (facts: UpdateMessageFacts) => Message } = {
  confirmed: ({ bulletin, mayChange, packages }) => ({
    tone: 'good',
    brief: `${bulletin ? `${bulletin}: ` : ''}the new packages are installed, signed and as packaged`,
    what: `${bulletin ? `${bulletin} is met; ` : ''}the new packages are installed, signed by a known key and as packaged`,
    why: `${packages.some((item) => item.changedSinceBoot) ? '' : 'Xen was replaced before this boot was measured; '}the restart may change PCR ${mayChange.join(' and ')}; every other selected PCR must stay`,
  }),
  'downgrade-wanted': ({ downgrades, mayChange }) => ({
    tone: 'attention',
    what: `you want an older version: ${downgrades.map(downgradeWords).join('; ')}`,
    why: `it is signed and as packaged, but holes that were fixed since are open again; the restart may change PCR ${mayChange.join(' and ')}`,
    next: 'install the newer version as soon as you can',
  }),
  downgrade: ({ downgrades }) => ({
    tone: 'alarm',
    what: `NOT an update: ${downgrades.map(downgradeWords).join('; ')}`,
    why: 'an older package is signed as well as a newer one, and what was fixed since is open again; an attacker may have put it there',
    next: 'install the newest version: `sudo qubes-dom0-update`; if you installed the older one on purpose, run this in a terminal without --yes and say so',
  }),
  'nothing-pending': ({ bulletin, nextBoot, isSealHeld }) => ({
    tone: 'info',
    what: `${bulletin ? `${bulletin} is met, and ` : ''}no measured package changed since this boot began`,
    why: `the running Xen is the installed one; ${
      nextBoot === null
        ? 'whether the files that boot next are those of this boot could not be computed'
        : 'the next boot measures what this one measured'
    }`,
    next:
      nextBoot === null
        ? 'see `aem-reseal predict` for why; run this after the next update, before the restart'
        : 'nothing has to be done; run this after the next update, before the restart',
    ...(isSealHeld ? SEAL_HELD : {}),
  }),
  'files-changed': ({ nextBoot }) => ({
    tone: 'attention',
    what: `no measured package changed, but the next boot measures something else: ${(nextBoot ?? []).join('; ')}`,
    why: 'you or a program made it anew, or somebody else did; what vouches for it is looked at next',
  }),
  unmet: ({ chosen }) => ({
    tone: 'attention',
    what: `${chosen ? qsb(chosen.id) : 'the bulletin'} is not met: ${(chosen?.missing ?? [])
      .filter(({ unclear }) => unclear === null)
      .map(missingWords)
      .join('; ')}`,
    why: 'the update is not installed yet, or still in the security-testing repository',
    next: installWords(chosen ? [chosen] : []),
  }),
  'not-verified': ({ packages, bulletin, bulletinVerified }) => {
    if (!bulletinVerified) return BULLETIN_NOT_VERIFIED
    const unlisted = listUnlistedOnly(packages)
    return unlisted.length > 0
      ? describeUnlisted(unlisted)
      : {
          tone: 'alarm',
          what: `the update is not trustworthy as it lies there${bulletin ? ` (${bulletin})` : ''}: ${packages
            .filter((item) => !isGood(item))
            .map((item) => item.name)
            .join(', ')}`,
          why: 'a file differs from its package, or a package is not signed by a known key',
          next: 'do not restart into it; reinstall the package with `sudo qubes-dom0-update --action=reinstall NAME`, and find out who changed the file',
        }
  },
  unknown: ({ packages, unasked, pendingXen, areVersionsKnown, silent, chosen }) => {
    if (silent !== null) return describeSilent(silent)
    if (chosen?.missing.some(({ unclear }) => unclear !== null)) return describeUnclear(chosen)
    const unread = packages.filter((item) => item.changedFiles === null).map((item) => item.name)
    const gaps = [
      packages.length === 0 || unasked.length > 0
        ? `rpm gave no answer about ${unasked.join(', ') || 'any package'}`
        : null,
      unread.length > 0 ? `\`rpm -V\` gave no answer about ${unread.join(', ')}` : null,
      packages.some((item) => item.changedSinceBoot === null)
        ? 'when this boot began is not known (/proc/stat)'
        : null,
      areVersionsKnown
        ? null
        : 'which versions were confirmed before cannot be read (versions.json in the state directory)',
      pendingXen === null ? 'whether the running Xen is the installed one is not known' : null,
    ].filter((gap) => gap !== null)
    return {
      tone: 'attention',
      what: `nothing is confirmed: ${gaps.join('; ') || 'whether the bulletin is met is not known'}`,
      why: 'what cannot be looked up is never taken for good, and never for "nothing to do"',
      next: `${lookUpWords({ unasked: packages.length === 0 && unasked.length === 0 ? ['xen-hypervisor'] : unasked, unread, pendingXen })}, fix what they say, then run this again`,
    }
  },
}

/** What to ask by hand: of the packages that gave no answer, by name. */
function lookUpWords(gaps: {
  readonly unasked: readonly string[]
  readonly unread: readonly string[]
  readonly pendingXen: boolean | null
}): string {
  const commands = [
    ...(gaps.unasked.length > 0 ? [`rpm -q ${gaps.unasked.join(' ')}`] : []),
    ...(gaps.unread.length > 0 ? [`sudo rpm -V ${gaps.unread.join(' ')}`] : []),
    ...(gaps.pendingXen === null ? ['sudo xl info', 'rpm -q xen-hypervisor'] : []),
  ]
  const named = [...new Set(commands)].map((one) => `\`${one}\``)
  return named.length > 0
    ? `run ${named.join(' and ')} by hand`
    : 'run `sudo aem-reseal status` and see what it names'
}

/** Nothing is changed and no signature is bad: somebody signed whom nobody named. */
function describeUnlisted(packages: readonly ConfirmedPackage[]): Message {
  const keys = [...new Set(packages.map(({ keyId }) => keyId ?? ''))]
  return {
    tone: 'attention',
    what: `${packages.map(({ name }) => name).join(', ')}: signed by an unlisted key (${keys.join(', ')})`,
    why: 'the signature is good and RPM has the key, but it is not among the known signers, so nobody vouches for what it signed; the files are as packaged',
    next: `${keys.map(listKeyNext).join('; ')}; then run \`aem-reseal start\` again`,
  }
}

function describeUnclear(chosen: Pick<BulletinState, 'id' | 'missing'>): Message {
  return {
    tone: 'attention',
    what: `whether ${qsb(chosen.id)} is met is not known: ${unclearWords(chosen.missing)}`,
    why: 'what cannot be told is never taken for good',
    next: `${unclearNext([chosen])}. \`aem-reseal start\` without --bulletin confirms the update from what changed since this boot`,
  }
}

/** The named bulletin asks nothing of dom0 in this release. */
function describeSilent(silent: NonNullable<UpdateMessageFacts['silent']>): Message {
  return {
    tone: 'attention',
    what: `${qsb(silent.id)} asks nothing of dom0 in Qubes ${silent.list.release}, so this update cannot be compared with it`,
    why: silent.list.releaseKnown
      ? 'its lists of packages name other releases'
      : `no bulletin of the catalogue names Qubes ${silent.list.release}`,
    next: 'run `aem-reseal start` without --bulletin: the update is then confirmed from what changed since this boot',
  }
}

/** `xen-hypervisor 2001:4.17.4-3.fc37, which was 2001:4.17.4-4.fc37` */
export function downgradeWords({ name, from, to }: Downgrade): string {
  return `${name} ${to}, which was ${from}`
}

function isGood(item: ConfirmedPackage): boolean {
  const isIntact = item.changedFiles?.length === 0
  return isIntact && (item.changedSinceBoot === false || (item.signature === 'ok' && item.signer !== null))
}

function packageLines(item: ConfirmedPackage): readonly Line[] {
  const when = item.changedSinceBoot === null ? '' : item.changedSinceBoot ? ', new since this boot' : ''
  const signed =
    item.signature === 'ok' && item.signer
      ? `signed: ${item.signer}`
      : isUnlistedKey(item)
        ? `signed by the unlisted key ${item.keyId}`
        : `signature: ${item.signature ?? 'not checked'}`
  const intact =
    item.changedFiles === null
      ? 'files not checked'
      : item.changedFiles.length === 0
        ? 'files as packaged'
        : `CHANGED: ${item.changedFiles.join(', ')}`
  return [
    line(`${item.name} ${item.evr}${when}`, item.changedSinceBoot ? 'bold' : undefined),
    line(`  ${signed}; ${intact}`, isGood(item) ? 'dim' : 'bad'),
  ]
}

export function describeBootDevice(
  outcome: Outcomes['check-boot-device'],
  facts: {
    readonly label: string | null
    readonly isInternal: boolean
    readonly checks: readonly CheckedFile[]
  },
): Message {
  return {
    ...BOOT_DEVICE[outcome](facts.label ?? '(unknown)', facts.isInternal),
    details: facts.checks.map(fileLine),
  }
}

const BOOT_DEVICE: {
  readonly [O in Outcomes['check-boot-device']]: (label: string, isInternal: boolean) => Message
} = {
  current: (label) => ({
    tone: 'good',
    what: `the files that boot next, on ${label}, are those of the installed packages`,
    brief: `the boot files on ${label} are those of the packages`,
  }),
  stale: (label, isInternal) => ({
    tone: 'attention',
    what: `the device ${label} does not carry the update: it would boot the old files`,
    why: isInternal
      ? 'a boot file is older than the package it comes from'
      : 'an AEM stick has its own copies of xen, kernel and initramfs, made when it was installed',
  }),
  changed: (label) => ({
    tone: 'alarm',
    what: `a boot file on ${label} is neither that of the installed package nor of the running Xen`,
    why: 'it was changed by hand, by a failing disk, or by somebody else',
    next: 'do not restart from it; compare the files above with `rpm -V` and with another AEM device, then reinstall the package',
  }),
  absent: (label) => ({
    tone: 'attention',
    what: `the AEM device ${label} is not plugged in`,
    why: 'its own copies of the boot files cannot be checked',
    next: 'plug it in and run this again',
  }),
  unknown: (label) => ({
    tone: 'attention',
    what: `the boot files on ${label} could not all be checked`,
    why: 'a file or the RPM database could not be read; what was not checked is never taken for good',
    next: 'mount the device, fix what is named above, and run this again',
  }),
}

function fileLine(file: CheckedFile): Line {
  const isFine = file.state === 'current'
  return line(
    `${file.role.padEnd(9)} ${file.state.padEnd(7)} ${ownPath(file.path)}  (${file.against})`,
    isFine ? 'dim' : 'bad',
  )
}

/** On a stick that is mounted for the look, the place of the mount says nothing. */
function ownPath(path: string): string {
  return mediaUuidOf(path)?.rest ?? path
}
