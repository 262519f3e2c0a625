import { Failure } from '../failure.ts'
import { isModuleRole } from './boot-entry.ts'
import {
  blocking,
  checkFile,
  commandLineReason,
  describe,
  findFile,
  isSameImage,
  LOOK_AT_GRUB,
  NO_RESEAL,
  type Pair,
} from './explain-file.ts'
import type { Cause, ExplanationInput, FileFact, MeasuredComponent, Reason } from './explain-types.ts'
import { bootInfoReason, checkEntered, checkXen, isFileNameAlone } from './explain-xen.ts'
import { isReordered, pairComponents } from './pair-components.ts'
import type { Bank } from './pcr.ts'

type Traced = { readonly causes: Cause[]; readonly reasons: Reason[] }

/**
 * Traces one register: which extends differ from the baseline, which file each comes from, which package vouches for it.
 * Without a list from before every extend of the register must be vouched for.
 * @param components all extends of this boot; the log they come from has been found faithful
 */
export function traceRegister(
  input: ExplanationInput,
  components: readonly MeasuredComponent[],
  index: number,
): Traced {
  const { bank } = input
  const own = (list: readonly MeasuredComponent[]) =>
    list.filter((one) => one.pcr === index && one.digests[bank] !== undefined)
  const now = own(components)
  const known = input.before?.components
  if (!known) return mergeTraced(now.map((one) => tracePair(input, { before: null, now: one }, index, false)))
  const before = own(known)
  const partners = pairComponents(before, now, bank)
  const gone = before.filter((_, at) => !partners.includes(at))
  const pairs: Pair[] = [
    ...now.map((one, at) => ({ before: partners[at] === null ? null : before[partners[at]!]!, now: one })),
    ...gone.map((one) => ({ before: one, now: null })),
  ]
  const changed = pairs.filter((pair) => pair.before?.digests[bank] !== pair.now?.digests[bank])
  const traced = mergeTraced(
    changed.map((pair) => tracePair({ ...input, areModulesChanged: hasModule(changed) }, pair, index, true)),
  )
  const entered = checkEntered(changed, index)
  const order = isReordered(partners) ? [orderReason(pairs, index)] : []
  const same = changed.length === 0 && order.length === 0 ? [putBackReason(index)] : []
  return { ...traced, reasons: [...same, ...order, ...entered, ...traced.reasons] }
}

/** A kernel or initramfs among what changed. */
function hasModule(pairs: readonly Pair[]): boolean {
  return pairs.some(({ now }) => now?.role === 'kernel' || now?.role === 'initramfs')
}

function mergeTraced(all: readonly Traced[]): Traced {
  return { causes: all.flatMap((one) => one.causes), reasons: all.flatMap((one) => one.reasons) }
}

/** The value to compare with is of a later state than the list. */
function putBackReason(index: number): Reason {
  return blocking(
    'older-state',
    index,
    `all that was measured into PCR ${index} is as in an earlier approved boot, and not as in the state since: an older one booted`,
    NO_RESEAL,
  )
}

function orderReason(pairs: readonly Pair[], index: number): Reason {
  // Roles are told by the place of a module, so the previous one is the one that it really has.
  const order = pairs.flatMap(({ before, now }) =>
    now === null || before === null ? [] : [describe(isSame(before, now) ? before : now)],
  )
  return blocking(
    'module-order-changed',
    index,
    `modules went into PCR ${index} in another order than before: now ${order.join(', ')}`,
    `${LOOK_AT_GRUB}: no update changes the order`,
  )
}

function isSame(before: MeasuredComponent, now: MeasuredComponent): boolean {
  return Object.entries(now.digests).every(([bank, digest]) => before.digests[bank as Bank] === digest)
}

function tracePair(input: ExplanationInput, pair: Pair, index: number, hasList: boolean): Traced {
  const { before, now } = pair
  if (now === null) {
    const gone = before === null ? 'a module' : describe(before)
    const what = `${gone} is no longer measured into PCR ${index}`
    return {
      causes: causeOf(input, pair, null),
      reasons: [blocking('module-removed', index, what, LOOK_AT_GRUB)],
    }
  }
  if (now.role === 'command-line' && isFileNameAlone(input, now, before)) return { causes: [], reasons: [] }
  const special = checkSpecial(input, now, index)
  if (special !== null) return { causes: causeOf(input, pair, null), reasons: [special] }
  const file = findFile(input, now)
  const causes = causeOf(input, pair, file)
  if (isSameImage(input, before, file))
    return { causes, reasons: [commandLineReason({ before, now }, index)] }
  if (hasList && before === null) {
    const what = `${describe({ role: 'module', path: file?.path ?? now.path })} is measured in addition`
    return { causes, reasons: [blocking('module-added', index, what, LOOK_AT_GRUB)] }
  }
  if (input.rule === null && (now.role === 'xen' || now.role === 'xen-entry') && isTrenchBoot(input))
    return { causes, reasons: checkXen(input, now, file, index) }
  const reasons = checkFile(input, now, file, index)
  // Under TrenchBoot, where there is no rule, no command line goes into a module's digest.
  if (before !== null && input.rule !== null && before.commandLine !== now.commandLine)
    reasons.push(commandLineReason({ before, now }, index))
  return { causes, reasons }
}

function checkSpecial(input: ExplanationInput, now: MeasuredComponent, index: number): Reason | null {
  if (now.role === 'boot-info') return bootInfoReason(input, index)
  if (now.role === 'launch-info' || now.role === 'command-line')
    return blocking(
      now.role === 'command-line' ? 'command-line-changed' : 'platform-changed',
      index,
      `${describe(now)} changed in PCR ${index}; the log holds only its digest, so it cannot be told what changed in it`,
      LOOK_AT_GRUB,
    )
  if (now.role === 'platform' || now.role === 'other') {
    const what = `${describe(now)} changed in PCR ${index}`
    return blocking(
      'platform-changed',
      index,
      what,
      'did you update the firmware or the SINIT module? If not, see the advice',
    )
  }
  if (now.role === 'policy')
    return blocking(
      'policy-changed',
      index,
      `tboot's policy changed in PCR ${index}`,
      'check the TPM policy and the tboot package',
    )
  if (now.role === 'mle')
    return blocking(
      'tboot-changed',
      index,
      `tboot itself changed in PCR ${index}`,
      'check with: rpm -V tboot; rpm -q --last tboot',
    )
  return null
}

function isTrenchBoot({ log }: ExplanationInput): boolean {
  return log !== null && !(log instanceof Failure) && log.kind === 'trenchboot'
}

function causeOf(input: ExplanationInput, pair: Pair, file: FileFact | null): Cause[] {
  const component = pair.now ?? pair.before
  if (component === null || !isModuleRole(component.role)) return []
  return [
    {
      role: component.role,
      path: file?.path ?? component.path,
      digestBefore: pair.before?.digests[input.bank] ?? null,
      digestNow: pair.now?.digests[input.bank] ?? null,
      package: file?.package ?? null,
      bulletin: file?.bulletin ?? null,
    },
  ]
}
