import type { ModuleRole } from './boot-entry.ts'
import {
  blocking,
  checkCommandLine,
  checkFile,
  describe,
  findFile,
  LOOK_AT_GRUB,
  type Pair,
} from './explain-file.ts'
import type { Cause, ExplanationInput, FileFact, MeasuredComponent, Reason } from './explain-types.ts'

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
  const before = known ? own(known) : null
  const pairs =
    before === null ? now.map((one): Pair => ({ before: null, now: one })) : pairUp(before, now, input)
  const order = before !== null && isReordered(before, now, input) ? [orderReason(index)] : []
  const traced = pairs.map((pair) => tracePair(input, pair, index, before !== null))
  return {
    causes: traced.flatMap((one) => one.causes),
    reasons: [...order, ...traced.flatMap((one) => one.reasons)],
  }
}

/** Extends that are not the same at the same place. */
function pairUp(
  before: readonly MeasuredComponent[],
  now: readonly MeasuredComponent[],
  input: ExplanationInput,
): Pair[] {
  const length = Math.max(before.length, now.length)
  return Array.from({ length }, (_, i): Pair => ({ before: before[i] ?? null, now: now[i] ?? null })).filter(
    (pair) => pair.before?.digests[input.bank] !== pair.now?.digests[input.bank],
  )
}

function isReordered(
  before: readonly MeasuredComponent[],
  now: readonly MeasuredComponent[],
  input: ExplanationInput,
): boolean {
  const values = (list: readonly MeasuredComponent[]) => list.map((one) => one.digests[input.bank] ?? '')
  const [a, b] = [values(before), values(now)]
  return a.join() !== b.join() && a.toSorted().join() === b.toSorted().join()
}

function orderReason(index: number): Reason {
  return {
    code: 'module-order-changed',
    pcr: index,
    what: `The same modules went into PCR ${index} in another order`,
    next: 'Look at the AEM entry in grub.cfg on the boot device: no update changes the order',
    isBlocking: true,
  }
}

function tracePair(input: ExplanationInput, pair: Pair, index: number, hasList: boolean): Traced {
  const { before, now } = pair
  if (now === null) {
    const gone = before === null ? 'A module' : describe(before)
    const what = `${gone} is no longer measured into PCR ${index}`
    return {
      causes: causeOf(input, pair, null),
      reasons: [blocking('module-removed', index, what, LOOK_AT_GRUB)],
    }
  }
  const special = checkSpecial(now, index)
  if (special !== null) return { causes: causeOf(input, pair, null), reasons: [special] }
  const file = findFile(input, now)
  const reasons: Reason[] = []
  if (hasList && before === null)
    reasons.push(blocking('module-added', index, `${describe(now)} is measured in addition`, LOOK_AT_GRUB))
  reasons.push(...checkFile(input, now, file, index), ...checkCommandLine(input, pair, file, index))
  return { causes: causeOf(input, pair, file), reasons }
}

function checkSpecial(now: MeasuredComponent, index: number): Reason | null {
  if (now.role === 'platform' || now.role === 'other') {
    const what = `${describe(now)} changed in PCR ${index}`
    return blocking(
      'platform-changed',
      index,
      what,
      'Did you update the firmware or the SINIT module? If not, see the advice',
    )
  }
  if (now.role === 'policy')
    return blocking(
      'policy-changed',
      index,
      `tboot's policy changed in PCR ${index}`,
      'Check the TPM policy and the tboot package',
    )
  if (now.role === 'mle')
    return blocking(
      'tboot-changed',
      index,
      `tboot itself changed in PCR ${index}`,
      'Check with: rpm -V tboot; rpm -q --last tboot',
    )
  return null
}

const CONTRACT_ROLES: readonly string[] = ['mle', 'xen', 'kernel', 'initramfs', 'module']

function causeOf(input: ExplanationInput, pair: Pair, file: FileFact | null): Cause[] {
  const component = pair.now ?? pair.before
  if (component === null || !CONTRACT_ROLES.includes(component.role)) return []
  return [
    {
      role: component.role as ModuleRole,
      path: file?.path ?? component.path,
      digestBefore: pair.before?.digests[input.bank] ?? null,
      digestNow: pair.now?.digests[input.bank] ?? null,
      package: file?.package ?? null,
      bulletin: file?.bulletin ?? null,
    },
  ]
}
