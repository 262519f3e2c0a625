/* Long: one component after the four rules: they call each other, and the weaker answer counts. */

import type { ModuleDifference, Reproduction } from '../initramfs/reproduction.ts'
import type { ModuleRole } from '../launch/boot-entry.ts'
import { compareWords, describeWordChange, isPlainLine, type LineProof } from './command-line.ts'
import { isPrintingAlone } from './printing-words.ts'
import {
  findAgeFault,
  findNameFault,
  findPackageFault,
  type OwnerName,
  type RunningVersions,
} from './roles.ts'
import type { Acceptance, OpenLook, OpenQuestion, VouchedBy, VouchRule } from './vouched-by.ts'

/** The package that brought a file of dom0, as rpm tells it. */
export type FileOwner = OwnerName & {
  readonly signer: string | null
  /** What stands against its signature, in words; null where it is good and its key a known one. */
  readonly signatureFault: string | null
  /** SHA-256 the package has for the file, lower-case hex. */
  readonly sha256: string | null
  /** EVR of the newest installed version of this name; null where it could not be asked. */
  readonly newest: string | null
}

/** One thing that the next boot loads, with all that speaks for and against it. */
export type VouchFacts = {
  readonly role: ModuleRole
  /** As GRUB names it. */
  readonly path: string
  readonly commandLine: string
  /** The digest of the next boot is not the one this boot measured in its place; null where that is not known. */
  readonly changed: boolean | null
  /** Under TrenchBoot no digest covers a module's command line. */
  readonly isLineMeasured: boolean
  readonly line: LineProof
  /** dom0's own grub2-mkconfig writes this entry now, line for line; null: not asked. */
  readonly isRegenerated: boolean | null
  /** SHA-256 of the file as stored on the boot device, from the read that was predicted with; null: not read. */
  readonly sha256: string | null
  readonly owner: FileOwner | null
  /** Of the kernel that the entry starts. */
  readonly kernelRelease: string | null
  readonly running: RunningVersions
  /** What dracut made of the image; null: not tried. */
  readonly reproduction: Reproduction | null
  /** dracut made the same bytes earlier in this boot, or an approved boot from that device measured them; of the packages of now. */
  readonly isRemembered: boolean
  readonly accepted: readonly Acceptance[]
}

export type Vouched = {
  readonly vouchedBy: VouchedBy
  /** Why nothing vouches for it, each naming the file or the words; empty where something does. */
  readonly faults: readonly string[]
  readonly questions: readonly OpenQuestion[]
  readonly looks: readonly OpenLook[]
}

type Half = {
  readonly rule: VouchRule | null
  readonly why: string
  readonly questions?: readonly OpenQuestion[]
  readonly looks?: readonly OpenLook[]
}

/**
 * What vouches for one component of the next boot. Its command line and its image are asked apart, and the weaker answer
 * counts. Whatever was not looked at, or could not be, vouches for nothing.
 */
export function vouchComponent(facts: VouchFacts): Vouched {
  const line = vouchLine(facts)
  const image = vouchImage(facts)
  const halves = [line, image]
  const faults = halves.filter(({ rule }) => rule === null).map(({ why }) => why)
  const rule = weaker(line.rule, image.rule)
  const why = faults.length > 0 ? faults : halves.map((half) => half.why).filter((text) => text !== '')
  return {
    vouchedBy: { rule, why: [...new Set(why)].join('; ') },
    faults,
    questions: halves.flatMap(({ questions = [] }) => questions),
    looks: halves.flatMap(({ looks = [] }) => looks),
  }
}

/** The same for a register that holds command lines alone (TrenchBoot on UEFI, PCR 18): nothing is said of the image. */
export function vouchCommandLine(facts: VouchFacts): Vouched {
  if (facts.changed === false) {
    const why = "this boot's launch log holds the same digest, of this command line"
    return { vouchedBy: { rule: 'unchanged', why }, faults: [], questions: [], looks: [] }
  }
  const { rule, why, questions = [], looks = [] } = vouchLine(facts)
  return { vouchedBy: { rule, why }, faults: rule === null ? [why] : [], questions, looks }
}

const STRENGTH: readonly (VouchRule | null)[] = [null, 'accepted', 'reproduced', 'packaged', 'unchanged']

function weaker(a: VouchRule | null, b: VouchRule | null): VouchRule | null {
  return STRENGTH.indexOf(a) < STRENGTH.indexOf(b) ? a : b
}

const UNCHANGED_WHY = "this boot's launch log holds the same digest, of these bytes and this command line"

function isUnchanged({ changed, isLineMeasured, commandLine }: VouchFacts): boolean {
  return changed === false && (isLineMeasured || commandLine === '')
}

function vouchLine(facts: VouchFacts): Half {
  const { role, path, commandLine, line, isRegenerated, accepted } = facts
  if (isUnchanged(facts)) return { rule: 'unchanged', why: UNCHANGED_WHY }
  const owner = `the command line of ${path}`
  if (!isPlainLine(commandLine))
    return { rule: null, why: `${owner} holds a character that is not printable ASCII` }
  if (line.state === 'proven')
    return {
      rule: 'unchanged',
      why: line.by === 'none needed' ? '' : `its command line is that of this boot (${line.by})`,
    }
  if (line.state === 'unproven') return { rule: null, why: `${owner}: ${line.why}` }
  const change = compareWords(line.before, line.now)
  const words = describeWordChange(change)
  if (isRegenerated === null)
    return {
      rule: null,
      why: `${owner} is not the one this boot used: ${words}`,
      looks: [{ kind: 'grub-config' }],
    }
  if (!isRegenerated)
    return {
      rule: null,
      why: `${owner} is not the one this boot used, and dom0's own grub2-mkconfig does not write it: ${words}`,
    }
  if (accepted.some((one) => one.kind === 'command-line' && one.path === path && one.line === commandLine))
    return { rule: 'accepted', why: `you accepted the changed command line: ${words}` }
  return {
    rule: null,
    why: `${owner} is not the one this boot used (dom0's own configuration writes it now): ${words}`,
    questions: [{ kind: 'command-line', role, path, line: commandLine, ...change }],
  }
}

function vouchImage(facts: VouchFacts): Half {
  const { role, path, changed, kernelRelease } = facts
  if (isUnchanged(facts)) return { rule: 'unchanged', why: UNCHANGED_WHY }
  if (changed === false)
    return { rule: 'unchanged', why: "this boot's launch log holds the same digest, of these bytes" }
  const named = findNameFault(role, path, kernelRelease)
  if (named !== null) return { rule: null, why: named }
  return role === 'initramfs' ? vouchInitramfs(facts) : vouchPackaged(facts)
}

function vouchPackaged({ role, path, sha256, owner, running }: VouchFacts): Half {
  const refused = (why: string): Half => ({ rule: null, why })
  if (owner === null) return refused(`${path} belongs to no package that could be asked`)
  const named = `${owner.name} ${owner.evr}`
  const fault = findPackageFault(role, path, owner)
  if (fault !== null) return refused(fault)
  const age = findAgeFault(role, owner, owner.newest, running)
  if (age !== null) return refused(`${path}: ${age}`)
  if (sha256 === null) return refused(`${path} could not be read`)
  if (sha256 !== owner.sha256) return refused(`${path} is not the file of ${named}`)
  if (owner.signatureFault !== null) return refused(`${path}: ${owner.name} ${owner.signatureFault}`)
  return { rule: 'packaged', why: `the file of ${named}, signed by ${owner.signer ?? 'a known key'}` }
}

/** RPM keeps no digest of an initramfs: dom0 makes it again, and the bytes must be the same. */
function vouchInitramfs(facts: VouchFacts): Half {
  const { path, sha256, reproduction, isRemembered, kernelRelease, accepted } = facts
  const refused = (why: string, more: Partial<Half> = {}): Half => ({
    rule: null,
    why: `${path}: ${why}`,
    ...more,
  })
  if (sha256 === null || kernelRelease === null) return refused('it could not be read')
  if (isRemembered)
    return {
      rule: 'reproduced',
      why: 'dracut in dom0 made the same bytes in this boot, or an approved boot measured them with the same packages',
    }
  if (reproduction === null)
    return refused('it is not the one this boot used; `aem-reseal start` makes it again and compares', {
      looks: [{ kind: 'initramfs', path, kernelRelease, sha256 }],
    })
  if ('sha256' in reproduction && reproduction.sha256 !== sha256)
    return refused('it is not the image that was made again')
  if (reproduction.state === 'same')
    return { rule: 'reproduced', why: 'dracut in dom0 makes the same bytes now' }
  if (reproduction.state === 'same-with-modules') {
    const { onlyInImage, onlyLoadedNow } = reproduction.modules
    const names = describeModules(reproduction.modules)
    if (accepted.some((one) => one.kind === 'modules' && one.path === path && one.sha256 === sha256))
      return {
        rule: 'accepted',
        why: `dracut makes the same bytes with other kernel modules, which you accepted: ${names}`,
      }
    return refused(
      `dracut makes the same bytes only with other kernel modules than are loaded now: ${names}`,
      {
        questions: [{ kind: 'modules', path, sha256, onlyInImage, onlyLoadedNow }],
      },
    )
  }
  if (reproduction.state === 'odd-form')
    return refused(`no dracut makes an image of this form: ${reproduction.form}`)
  if (reproduction.state === 'impossible')
    return refused(
      `it could not be made again: ${[reproduction.why, reproduction.next].filter((text) => text !== '').join('; ')}`,
    )
  const shown = reproduction.differences.map(({ path: name }) => name)
  const more = reproduction.total - shown.length
  return refused(
    `dracut in dom0 makes another one now; they differ in ${shown.slice(0, 5).join(', ')}${more > 0 || shown.length > 5 ? ' and more' : ''}`,
  )
}

function describeModules({ onlyInImage, onlyLoadedNow }: ModuleDifference): string {
  const words = [...onlyInImage.map((name) => `+ ${name}`), ...onlyLoadedNow.map((name) => `- ${name}`)]
  return words.length === 0 ? 'the same names in another order' : words.join(', ')
}

/**
 * What is known to be wrong with a file of the next boot that no predicted register speaks of, because nothing could be
 * predicted. What could not be looked at does not count against it here: nothing is sealed to it either.
 */
export function findContradictions(facts: VouchFacts): readonly string[] {
  const { role, path, commandLine, line, owner, sha256, kernelRelease, isRegenerated } = facts
  const faults: string[] = []
  if (!isPlainLine(commandLine))
    faults.push(`the command line of ${path} holds a character that is not printable ASCII`)
  // A line that dom0 itself writes now is the user's own change: nothing is sealed to it.
  else if (
    line.state === 'changed' &&
    isRegenerated !== true &&
    !(role === 'xen' && isPrintingAlone(line.before, line.now))
  )
    faults.push(
      `the command line of ${path} is not the one this boot used: ${describeWordChange(compareWords(line.before, line.now))}`,
    )
  const named = findNameFault(role, path, kernelRelease)
  if (named !== null) faults.push(named)
  else if (owner !== null) {
    const fault = findPackageFault(role, path, owner)
    if (fault !== null) faults.push(fault)
    else if (sha256 !== null && owner.sha256 !== null && sha256 !== owner.sha256)
      faults.push(`${path} is not the file of ${owner.name} ${owner.evr}`)
  }
  return faults
}
