import { describeOddEntry } from '../../core/decide/explain-change.ts'
import { Failure } from '../../core/failure.ts'
import { listMeasuredFiles } from '../../core/launch/boot-entry.ts'
import type { Digests } from '../../core/launch/launch-log.ts'
import { listNextModules } from '../../core/launch/next-modules.ts'
import { type Bank, PCR } from '../../core/launch/pcr.ts'
import type { LaunchPrediction, PredictedComponent } from '../../core/launch/prediction.ts'
import type { Place, Prediction } from './vouch-evidence.ts'

/** A register may only move for a component that is looked at: a module that is left out is none. */
export function listUnaccounted(
  raw: LaunchPrediction,
  { launch, log }: Place,
  pcrs: Prediction['pcrs'],
): readonly string[] {
  const { entry, why } = launch.next
  // What GRUB would do with it is not known: a command that is none of AEM's, a file that cannot be read.
  if (entry === null && launch.isGrubRead === true)
    return [`the entry that boots next cannot be judged: ${why}`]
  if (launch.odd !== undefined && launch.odd.length > 0) return launch.odd.map(describeOddEntry)
  if (entry === null || log instanceof Failure || !raw.calibrated) return []
  const next = listMeasuredFiles(entry, launch.nextImages ?? launch.images).length
  if (next < log.modules.length && pcrs.some(({ predicted }) => predicted !== null))
    return [`the entry loads ${next} modules, this boot measured ${log.modules.length}: one is left out`]
  return pcrs
    .filter(
      ({ now, predicted, components }) =>
        predicted !== null &&
        now !== predicted &&
        components.every(({ vouchedBy }) => vouchedBy.rule === 'unchanged'),
    )
    .map(({ index }) => `PCR ${index} would change, and nothing that is measured into it accounts for that`)
}

/** Under TrenchBoot PCR 18 holds no module: what is predicted of it are command lines. */
export function isOfLines({ log }: Place, index: number): boolean {
  return !(log instanceof Failure) && log.kind === 'trenchboot' && index === PCR.launched
}

export type Unpredicted = Pick<PredictedComponent, 'role' | 'path' | 'commandLine'> & {
  readonly changed: boolean | null
}

/**
 * Files of the next boot's entry that no predicted register speaks of. Where the rules are known, this boot's log still says
 * of a module whether it changed.
 */
export function listUnpredicted(raw: LaunchPrediction, place: Place): readonly Unpredicted[] {
  const { launch, log } = place
  const { entry } = launch.next
  if (entry === null || entry.flavour === 'other') return []
  const covered = new Set(
    raw.pcrs.flatMap((pcr) =>
      pcr.predicted === null || isOfLines(place, pcr.index) ? [] : pcr.components.map(({ path }) => path),
    ),
  )
  const rule = raw.variant?.commandLine ?? null
  const modules = listNextModules(entry, launch.nextImages ?? launch.images, rule)
  return [entry.launcher, ...entry.modules].flatMap((file) => {
    if (file === null || covered.has(file.path)) return []
    const { role, path, commandLine } = file
    const index = modules.findIndex((module) => module.file.order === file.order)
    const logged = raw.calibrated && !(log instanceof Failure) ? log.modules[index] : undefined
    const isSame =
      logged === undefined ? null : isSameDigest(modules[index]?.digests ?? {}, logged.digests, raw.pcrs)
    return [{ role, path, commandLine, changed: isSame === null ? null : !isSame }]
  })
}

/** In every bank that is predicted in; null where none can be compared. */
function isSameDigest(
  made: Digests,
  logged: Digests,
  pcrs: readonly { readonly bank: Bank }[],
): boolean | null {
  const banks = [...new Set(pcrs.map(({ bank }) => bank))]
  const common = banks.filter((bank) => made[bank] !== undefined && logged[bank] !== undefined)
  return common.length === 0 ? null : common.every((bank) => made[bank] === logged[bank])
}
