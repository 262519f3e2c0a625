import type { ModuleRole } from '../launch/boot-entry.ts'
import type { Digests, LoggedModule } from '../launch/launch-log.ts'
import { type CommandLineRule, moduleDigests } from '../launch/module-digest.ts'
import type { Bank } from '../launch/pcr.ts'

/** The command lines of this boot as it tells them itself, byte for byte; null where one could not be read. */
export type BootLines = {
  /** `/proc/cmdline`. */
  readonly kernel: string | null
  /** `xl info`, xen_commandline: without what follows ` -- `. */
  readonly xen: string | null
  /** tboot's log, `command line: `. */
  readonly tboot: string | null
}

/** `none needed`: an initramfs without a command line, as AEM writes it. */
export type ProofSource = 'launch log' | '/proc/cmdline' | 'xl info' | "tboot's log" | 'none needed'

/** Does this boot show that it used a command line? `before` is what it used, where that is known. */
export type LineProof =
  | { readonly state: 'proven'; readonly by: ProofSource }
  /** `now` is the line that was compared: of another device as this boot's own would be. */
  | { readonly state: 'changed'; readonly before: string; readonly now: string }
  | { readonly state: 'unproven'; readonly why: string }

/** The word AEM puts first, for loaders that drop the first one (anti-evil-maid 4.2.0, etc/grub.d/19_linux_xen_tboot). */
const PLACEHOLDER = 'placeholder'

/** GRUB and Linux take ASCII blanks alone as separators; a line with anything else is not of AEM's scripts. */
export function isPlainLine(line: string): boolean {
  return /^[\x20-\x7e]*$/.test(line)
}

/** The line without the word that AEM's scripts put first. */
export function withoutPlaceholder(line: string): string {
  if (line === PLACEHOLDER) return ''
  return line.startsWith(`${PLACEHOLDER} `) ? line.slice(PLACEHOLDER.length + 1) : line
}

/** Xen cuts its command line there and hands the rest to dom0's kernel (Xen 4.17, xen/arch/x86/setup.c, kextra). */
function reachesKernel(xenLine: string): boolean {
  return /(?:^| )--(?: |$)/.test(xenLine)
}

/**
 * Words that Xen appends for dom0, each only for a word of its own command line (Xen 4.17, xen/arch/x86/setup.c,
 * create_dom0).
 */
function isAddedByXen(word: string, xenLine: string | null): boolean {
  const own = (xenLine ?? '').split(' ')
  if (word === 'noapic') return own.includes('noapic')
  return /^acpi=[a-z]+$/.test(word) && own.some((one) => one.startsWith('acpi='))
}

function isRunningKernelLine(line: string, { kernel, xen }: BootLines): boolean {
  const own = withoutPlaceholder(line)
  if (kernel === null) return false
  const runs = withoutPlaceholder(kernel)
  if (runs === own) return true
  if (!runs.startsWith(own === '' ? '' : `${own} `)) return false
  const added = runs.slice(own === '' ? 0 : own.length + 1).split(' ')
  return added.every((word) => isAddedByXen(word, xen))
}

/**
 * Did a boot use a command line of grub.cfg, by what it tells itself? Byte for byte, but for what AEM and Xen add.
 * @returns null where the boot does not tell
 */
export function isLineOfBoot(role: 'kernel' | 'xen', line: string, boot: BootLines): boolean | null {
  if (role === 'kernel') return boot.kernel === null ? null : isRunningKernelLine(line, boot)
  if (boot.xen === null) return null
  const own = withoutPlaceholder(line)
  const end = own.indexOf(' -- ')
  return (end === -1 ? own : own.slice(0, end)) === withoutPlaceholder(boot.xen)
}

export type LineQuestion = {
  readonly role: ModuleRole
  /** As grub.cfg gives it to the next boot. */
  readonly line: string
  /** The kernel's line of the same entry: what reaches the kernel from Xen's line shows there. */
  readonly kernelLine: string | null
  /** What this boot's launch log measured in the same place; null where it has none. */
  readonly logged: LoggedModule | null
  /** null where command lines are not measured with a module (TrenchBoot). */
  readonly rule: CommandLineRule | null
  readonly banks: readonly Bank[]
  /** Digests of images that this boot may have loaded: those on its device, and those that are remembered. */
  readonly images: readonly Digests[]
  readonly boot: BootLines
}

/**
 * Does this boot show that it used the command line? The launch log does where digest and image fit; else
 * `/proc/cmdline`, `xl info` and tboot's log do, which an attacker of the boot device cannot write. grub.cfg never does.
 */
export function proveCommandLine(question: LineQuestion): LineProof {
  if (isLogged(question)) return { state: 'proven', by: 'launch log' }
  const proof = proveByBoot(question)
  const { line, rule } = question
  // A loader may have dropped the word from what this boot shows: of a line without it, it would drop another one.
  const isCut = rule !== null && line !== '' && withoutPlaceholder(line) === line
  return proof.state === 'proven' && isCut
    ? { state: 'unproven', why: `it does not begin with the word that AEM puts first, "${PLACEHOLDER}"` }
    : proof
}

function proveByBoot(question: LineQuestion): LineProof {
  const { role, line, boot } = question
  if (role === 'kernel') return compare(line, boot.kernel, '/proc/cmdline', isRunningKernelLine(line, boot))
  if (role === 'xen') return proveXenLine(question)
  if (role === 'mle') return compare(line, boot.tboot, "tboot's log")
  // Nothing reads the line of an initramfs; AEM writes none.
  if (role === 'initramfs')
    return line === ''
      ? { state: 'proven', by: 'none needed' }
      : { state: 'changed', before: question.logged?.commandLine ?? '', now: line }
  return { state: 'unproven', why: 'nothing of this boot shows the command line of a further module' }
}

function isLogged({ line, logged, rule, banks, images }: LineQuestion): boolean {
  if (logged === null || rule === null) return false
  // The digest of such a rule leaves the first word out, which AEM makes one that nobody reads.
  if (rule !== 'whole' && line !== '' && withoutPlaceholder(line) === line) return false
  return images.some((image) => {
    const made = moduleDigests(line, rule, image)
    const common = banks.filter((bank) => made[bank] !== undefined && logged.digests[bank] !== undefined)
    return common.length > 0 && common.every((bank) => made[bank] === logged.digests[bank])
  })
}

function proveXenLine({ line, kernelLine, boot }: LineQuestion): LineProof {
  if (reachesKernel(line))
    return boot.xen === null
      ? { state: 'unproven', why: '`xl info` does not show what follows " -- "' }
      : { state: 'changed', before: boot.xen, now: line }
  const proof = compare(line, boot.xen, 'xl info')
  if (proof.state !== 'proven') return proof
  // The part behind " -- " of this boot's own line, which `xl info` hides, shows in /proc/cmdline.
  if (kernelLine !== null && isRunningKernelLine(kernelLine, boot)) return proof
  return {
    state: 'unproven',
    why: '`xl info` hides what follows " -- ", and /proc/cmdline is not the kernel\'s line of the entry',
  }
}

function compare(line: string, before: string | null, by: ProofSource, isSame?: boolean): LineProof {
  if (before === null) return { state: 'unproven', why: `${by} could not be read` }
  const same = isSame ?? withoutPlaceholder(line) === withoutPlaceholder(before)
  return same && isPlainLine(line) ? { state: 'proven', by } : { state: 'changed', before, now: line }
}

export type WordChange = { readonly added: readonly string[]; readonly removed: readonly string[] }

/** The words by which two command lines differ, in their order; both empty where only order or blanks differ. */
export function compareWords(before: string, next: string): WordChange {
  const [left, right] = [before, next].map((line) =>
    withoutPlaceholder(line)
      .split(' ')
      .filter((word) => word !== ''),
  ) as [string[], string[]]
  const minus = (from: readonly string[], words: readonly string[]): string[] => {
    const rest = [...words]
    return from.filter((word) => {
      const at = rest.indexOf(word)
      if (at !== -1) rest.splice(at, 1)
      return at === -1
    })
  }
  return { added: minus(right, left), removed: minus(left, right) }
}

/** `+ iommu=no, - smt=off`; what differs without a word's doing is said too. */
export function describeWordChange({ added, removed }: WordChange): string {
  const words = [...added.map((word) => `+ ${word}`), ...removed.map((word) => `- ${word}`)]
  return words.length === 0 ? 'the same words in another order, or other blanks' : words.join(', ')
}

/**
 * The line of another device's kernel as this boot's would be: AEM names the device in it (`aem.uuid=`). Only that word is
 * exchanged, and only where it names the two devices.
 */
export function exchangeAemUuid(line: string, from: string, to: string): string {
  return line
    .split(' ')
    .map((word) => (word === `aem.uuid=${from}` ? `aem.uuid=${to}` : word))
    .join(' ')
}
