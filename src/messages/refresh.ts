import type { CheckedFile } from '../core/decide/boot-device.ts'
import type { Outcomes } from '../core/decide/outcomes.ts'
import type { RefreshPlan } from '../core/decide/refresh.ts'
import type { FailureText } from '../core/failure.ts'
import type { ObservedRefresh } from '../observe/device/refresh-needs.ts'
import { mediaUuidOf } from '../tables/paths.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line, type Question } from '../ui/ui.ts'
import { checkLine } from './check-line.ts'

/** What is said where a device is brought up to date. */

/** By hand, with Qubes's own tool; it makes a new file system, so the device is sealed again afterwards. */
export function refreshByHand(label: string): string {
  return `plug it in, \`lsblk -o NAME,LABEL,UUID\` names its partition, then \`sudo anti-evil-maid-install -s SUFFIX /dev/PARTITION\` (suffix: what follows "aem" in ${label}; it formats the device)`
}

export function describeNoTarget(label: string | null, isBoot: boolean): Message {
  if (isBoot)
    return {
      tone: 'attention',
      what: `${label} is dom0's own /boot: there is nothing to copy it from`,
      why: 'packages and their scripts write to it directly',
      next: 'regenerate what is stale: `sudo dracut --force` (for the kernel that runs; for another `sudo dracut -f --kver RELEASE`) and `sudo grub2-mkconfig -o /boot/grub2/grub.cfg`; a boot file that is not as packaged: `sudo qubes-dom0-update --action=reinstall PACKAGE`. Then run this again',
    }
  return {
    tone: 'attention',
    what:
      label === null
        ? 'which device this boot came from is not known'
        : `there is no AEM device ${label} here`,
    next: 'plug it in; `aem-reseal devices` lists the AEM devices by their labels',
  }
}

/** What will be done, in the order it is done. */
function planWords({ copies, initramfs, makesGrubConfig }: RefreshPlan): readonly string[] {
  return [
    ...initramfs.map(({ kernel, why }) => `make initramfs-${kernel}.img by dracut: ${why}`),
    ...copies.map(
      ({ name, packageName, onDevice }) =>
        `copy ${name} of ${packageName}${onDevice === null ? ', which is not there' : ', in place of another'}`,
    ),
    ...(makesGrubConfig ? ["make grub.cfg by grub2-mkconfig, Qubes's own tool"] : []),
  ]
}

/** What lies on the device and is neither of the installed package nor of the Xen that runs. */
function listForeign(files: readonly CheckedFile[]): readonly CheckedFile[] {
  return files.filter(({ state }) => state === 'changed')
}

export function explainRefresh({
  device,
  plan,
  before,
  changedFiles,
  changedLines,
}: ObservedRefresh): readonly Line[] {
  const isChanged = (path: string): boolean => changedFiles.some((file) => file.path === path)
  const foreign = listForeign(before.checks).filter(({ path }) => !isChanged(path))
  const notes = [
    `What ${device.label} needs, from dom0's own files, each compared with the RPM database before and after:`,
    ...planWords(plan).map((text) => `- ${text}`),
    ...changedFiles.map(
      ({ path, why }) =>
        `${mediaUuidOf(path)?.rest ?? path} was CHANGED: ${why}. Find out by whom before you overwrite the trace; if the device was out of your hands, make it from scratch instead: ${refreshByHand(device.label)}.`,
    ),
    ...(foreign.length > 0
      ? [
          `${foreign.map(({ role }) => role).join(', ')} on it is neither that of the installed package nor of this boot: of an older update, or changed by somebody. It is replaced; GRUB itself is not looked at. If the device was out of your hands, make it from scratch instead: ${refreshByHand(device.label)}.`,
        ]
      : []),
    ...(changedLines.length > 0
      ? [`Its grub.cfg is not what this boot used: ${changedLines.join('; ')}.`]
      : []),
    'Its sealed secret stays as it is: it shows again when the device is sealed for the new files.',
  ]
  return notes.map((text) => line(`  ${text}`))
}

export function refreshQuestion(label: string): Question<'yes' | 'no'> {
  return {
    id: 'refresh-device',
    message: `Bring ${label} up to date now?`,
    choices: [
      { value: 'no', label: 'no', hint: 'nothing is changed' },
      { value: 'yes', label: 'yes', hint: 'the files above are written to it' },
    ],
    default: 'no',
    withYes: 'no',
  }
}

export function describeRefreshCheck(
  outcome: Outcomes['check-refresh'],
  { device, checks }: ObservedRefresh,
  dryRun: boolean,
): Message {
  return {
    ...CHECKED[outcome](device.label, dryRun),
    details: outcome === 'blocked' ? checks.map(checkLine) : [],
  }
}

const CHECKED: {
  readonly [O in Outcomes['check-refresh']]: (label: string, dryRun: boolean) => Message
} = {
  current: (label) => ({
    tone: 'good',
    what: `${label} carries the boot files of the installed packages; nothing is to be copied`,
    next: '`aem-reseal devices` says what it still needs',
  }),
  refresh: (label) => ({
    tone: 'info',
    what: `${label} is brought up to date`,
    next: 'leave it plugged in until this program says that it is done',
  }),
  kept: (label, dryRun) => ({
    tone: 'attention',
    what: dryRun
      ? `a rehearsal writes nothing: ${label} would be brought up to date like this`
      : `nothing was changed: ${label} still boots the old files`,
    next: `do not restart from it yet: \`aem-reseal devices refresh ${label}\` in a terminal, then \`aem-reseal start\`. By hand: ${refreshByHand(label)}`,
  }),
  blocked: (label) => ({
    tone: 'attention',
    what: `${label} cannot be brought up to date now`,
    why: 'nothing was changed; what is missing is marked above',
    next: `fix it and run this again; or by hand: ${refreshByHand(label)}`,
  }),
}

export function describeRefresh(
  outcome: Outcomes['refresh-device'],
  { device, plan, isBooted }: ObservedRefresh,
  failure: FailureText | null,
): Message {
  const { label } = device
  if (outcome === 'failed')
    return {
      tone: 'attention',
      what: failure?.what ?? `${label} could not be brought up to date`,
      why: 'each file on it is whole, but some may be new and others old: it may boot, and shows no secret in between',
      next: `fix the cause and run \`aem-reseal devices refresh ${label}\` again; or make it from scratch: ${refreshByHand(label)}`,
      details: (failure?.verbatim ?? '')
        .split('\n')
        .filter(Boolean)
        .map((text) => line(`| ${text}`)),
    }
  return {
    tone: 'good',
    what: `${label} was read again: it carries the boot files of the installed packages`,
    details: planWords(plan).map((text) => line(`done: ${text}`, 'dim')),
    next: isBooted
      ? 'leave it plugged in: `aem-reseal start` checks it and predicts its next boot'
      : `\`aem-reseal devices forward-seal ${label}\` seals its secret for the new files, so that its next boot shows it; without that the next boot from it shows no secret`,
  }
}
