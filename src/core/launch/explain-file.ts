import { findNameFault, findPackageFault, kernelReleaseOf } from '../vouch/roles.ts'
import { isModuleRole, type ModuleRole } from './boot-entry.ts'
import { originalPath } from './efi-entry.ts'
import type { ExplanationInput, FileFact, MeasuredComponent, Reason, ReasonCode } from './explain-types.ts'
import { launchDigests } from './match-module.ts'

const ROLE_WORDS: Readonly<Record<MeasuredComponent['role'], string>> = {
  mle: 'tboot',
  xen: 'the Xen image',
  kernel: 'the dom0 kernel',
  initramfs: 'the initramfs',
  module: 'a further module',
  platform: 'a platform value (SINIT, CPU, firmware)',
  policy: "tboot's policy",
  other: 'an entry of unknown origin',
  'xen-entry': 'the place where Xen is entered',
  'boot-info': 'the boot information that GRUB hands to Xen',
  'launch-info': 'what GRUB notes about the processor and the launch',
  'command-line': 'a command line',
}

/** The same place in the list from before the restart and in the current one. */
export type Pair = { readonly before: MeasuredComponent | null; readonly now: MeasuredComponent | null }

export function blocking(code: ReasonCode, pcr: number, what: string, next: string): Reason {
  return { code, pcr, what, next, isBlocking: true }
}

export const LOOK_AT_GRUB = 'look at the AEM entry in grub.cfg on the boot device'
export const NO_RESEAL = 'do not reseal'

/** Words for messages: what it is and its file. */
export function describe({ role, path }: Pick<MeasuredComponent, 'role' | 'path'>): string {
  return path === null ? ROLE_WORDS[role] : `${ROLE_WORDS[role]} ${path}`
}

/** The file the entry loads for the component; where no entry is known, one that gives its digest. */
export function findFile(input: ExplanationInput, component: MeasuredComponent): FileFact | null {
  if (component.path !== null) return input.files.find((file) => file.path === component.path) ?? null
  return input.files.find((file) => isOf(input, component, file)) ?? null
}

function isOf(input: ExplanationInput, component: MeasuredComponent, file: FileFact): boolean {
  const digest = component.digests[input.bank]
  if (file.image === null || file.image.problem !== null || digest === undefined) return false
  const isPlain = component.role === 'xen' && input.rule === null
  if (isPlain) return false
  const made = launchDigests(component.commandLine ?? '', input.rule, file.image.digests)
  return made[input.bank] === digest
}

/** What stands against the file: missing, other than measured, or not vouched for by its package. */
export function checkFile(
  input: ExplanationInput,
  now: MeasuredComponent,
  file: FileFact | null,
  index: number,
): Reason[] {
  const name = describe({ role: now.role, path: file?.path ?? now.path })
  if (file === null || file.image === null)
    return [
      blocking(
        'file-missing',
        index,
        `${name}: no file on the boot device gives what was measured`,
        NO_RESEAL,
      ),
    ]
  if (!isOf(input, now, file))
    return [
      blocking(
        'file-differs-from-launch',
        index,
        `${name}, as it lies on the boot device now, is not what this boot measured`,
        NO_RESEAL,
      ),
    ]
  const { role } = now
  const wrong = isModuleRole(role) ? checkPlace(input, role, file, index) : []
  if (wrong.length > 0) return wrong
  if (role === 'initramfs' && file.reproduced === true) return []
  if (role === 'initramfs' && input.isInitramfsUnmade === true)
    return [
      blocking(
        'initramfs-not-compared',
        index,
        `${name} is another one, as after an update: \`aem-reseal explain\` makes it again and compares`,
        'run `aem-reseal explain`',
      ),
    ]
  return checkPackage(file, name, index, input)
}

/** A package vouches for its file in the file's own place alone. */
export function checkPlace(
  input: ExplanationInput,
  role: ModuleRole,
  file: FileFact,
  index: number,
): Reason[] {
  const kernel = input.booted?.modules.find((one) => one.role === 'kernel')?.path ?? null
  const fault =
    findNameFault(role, file.path, kernelReleaseOf(kernel)) ??
    (file.package === null ? null : findPackageFault(role, file.path, file.package))
  return fault === null ? [] : [blocking('wrong-file', index, fault, LOOK_AT_GRUB)]
}

/** What stands against the package of a file. */
export function checkPackage(file: FileFact, name: string, index: number, before: PackagesBefore): Reason[] {
  const owner = file.package
  if (owner === null)
    return [
      blocking(
        'no-package',
        index,
        `${name} belongs to no package`,
        `check: rpm -qf /boot${originalPath(file.path)}`,
      ),
    ]
  const label = `${owner.name} ${owner.evr}`
  const verify = `check: rpm -V ${owner.name}`
  if (owner.unmodified === false)
    return [blocking('package-modified', index, `${name} is not as ${label} installed it`, verify)]
  if (owner.unmodified === null)
    return [blocking('package-unchecked', index, `${name}: ${label} could not be verified`, verify)]
  if (!owner.signerKnown)
    return [
      blocking(
        'signer-unknown',
        index,
        `${name}: ${label} ${owner.signatureFault ?? 'has no good signature of a known key'}`,
        `check: rpm -qvv ${owner.name}; a key of your own is listed in /etc/aem-reseal/trusted-keys`,
      ),
    ]
  if (wasThere(owner, before))
    return [
      blocking(
        'package-older-than-last-boot',
        index,
        `${name}: ${label} was installed before the last boot, which measured something else in its place`,
        LOOK_AT_GRUB,
      ),
    ]
  return []
}

/** What was installed in the boot before, as far as it is known. */
type PackagesBefore = Pick<ExplanationInput, 'packagesBefore' | 'previousBootTime'>

/** A change that a package made since the last boot comes from a package installed since then. */
function wasThere(
  { name, evr, installTime }: NonNullable<FileFact['package']>,
  { packagesBefore, previousBootTime = null }: PackagesBefore,
): boolean {
  if (packagesBefore !== undefined) return packagesBefore.includes(`${name} ${evr}`)
  if (installTime === null || previousBootTime === null) return false
  return Date.parse(installTime) < Date.parse(previousBootTime)
}

/** Is the image the previous one, so that only the command line can have changed the digest? */
export function isSameImage(
  input: ExplanationInput,
  before: MeasuredComponent | null,
  file: FileFact | null,
): boolean {
  if (input.rule === null || before === null || file === null || file.image === null) return false
  const digests = launchDigests(before.commandLine ?? '', input.rule, file.image.digests)
  return digests[input.bank] !== undefined && digests[input.bank] === before.digests[input.bank]
}

/** Packages vouch for files, nobody vouches for a command line: a changed one must have been predicted. */
export function commandLineReason(pair: Pair & { now: MeasuredComponent }, index: number): Reason {
  const [before, now] = [wordsOf(pair.before), wordsOf(pair.now)]
  const news = now.filter((word) => !before.includes(word))
  const gone = before.filter((word) => !now.includes(word))
  const what = [
    `the command line of ${describe(pair.now)} changed`,
    ...(news.length > 0 ? [`new in it: ${listWords(news)}`] : []),
    ...(gone.length > 0 ? [`no longer in it: ${listWords(gone)}`] : []),
  ].join('; ')
  return blocking('command-line-changed', index, what, LOOK_AT_GRUB)
}

function wordsOf(component: MeasuredComponent | null): readonly string[] {
  return (component?.commandLine ?? '').split(' ').filter((word) => word !== '')
}

/** More words, or longer ones, are not read by a tired person. */
const MAX_WORDS_SHOWN = 4
const MAX_WORD_LENGTH = 60

function listWords(words: readonly string[]): string {
  const shown = words
    .slice(0, MAX_WORDS_SHOWN)
    .map((word) => (word.length > MAX_WORD_LENGTH ? `${word.slice(0, MAX_WORD_LENGTH)}...` : word))
  const left = words.length - shown.length
  return `${shown.join(' ')}${left > 0 ? ` and ${left} more` : ''}`
}
