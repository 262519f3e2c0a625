import type { Failure } from '../../core/failure.ts'
import type { Reproduction } from '../../core/initramfs/reproduction.ts'
import type { Digests, LaunchLog } from '../../core/launch/launch-log.ts'
import type { LaunchPrediction, PredictedComponent } from '../../core/launch/prediction.ts'
import type { Acceptance, OpenLook, OpenQuestion, VouchedBy } from '../../core/vouch/vouched-by.ts'
import type { AemDevice } from '../device/devices.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import type { BootDeviceLaunch } from './launch.ts'

/*
 * The evidence for core/vouch: who vouches for what the next boot would measure. Registers are arithmetic
 * (core/launch/predict.ts); whether they may be sealed to is asked here.
 */

export type Prediction = Omit<LaunchPrediction, 'pcrs'> & {
  readonly pcrs: readonly (Omit<LaunchPrediction['pcrs'][number], 'components'> & {
    /** Something vouches for every component of this register. */
    readonly vouched: boolean
    readonly components: readonly VouchedComponent[]
  })[]
}

export type VouchedComponent = Omit<PredictedComponent, 'package'> & {
  readonly package: { readonly name: string; readonly evr: string; readonly signer: string | null } | null
  readonly vouchedBy: VouchedBy
}

/** Another device than the one this boot came from. */
export type PredictionTarget = {
  readonly device: AemDevice
  /** SHA-256 of initramfs files that this program made on it in this boot, or that an approved boot from it measured; with the packages of now. */
  readonly known: ReadonlyMap<string, string>
}

/** A prediction's boots: what was booted, and what boots next. */
export type Place = {
  readonly machine: MachineFacts
  /** The device of the next boot. */
  readonly device: AemDevice | null
  readonly launch: BootDeviceLaunch & { readonly nextImages?: BootDeviceLaunch['images'] }
  /** The device this boot came from. */
  readonly booted: AemDevice | null
  /** Of another device; null where the next boot is from the one this boot came from. */
  readonly known: PredictionTarget['known'] | null
  readonly log: LaunchLog | Failure
  /** tboot's MLE hash of the next boot was computed from its file: then its digest says whether it changed. */
  readonly isMleComputed: boolean
}

/** What was looked at or asked beyond the files themselves. */
export type VouchEvidence = {
  /** By path as GRUB names it. */
  readonly reproductions: ReadonlyMap<string, Reproduction>
  /** SHA-256 of initramfs files that were made again earlier in this boot, by the same paths. */
  readonly madeBefore: ReadonlyMap<string, string>
  /** dom0's own grub2-mkconfig writes the next boot's entry; null: not asked. */
  readonly isRegenerated: boolean | null
  readonly accepted: readonly Acceptance[]
  /** Digests of images of earlier approved boots: one that was overwritten since still proves its command line. */
  readonly remembered: readonly Digests[]
}

export const NO_EVIDENCE: VouchEvidence = {
  reproductions: new Map(),
  madeBefore: new Map(),
  isRegenerated: null,
  accepted: [],
  remembered: [],
}

export type VouchedPrediction = {
  readonly prediction: Prediction
  /** What nothing vouches for, each naming the file or the words. */
  readonly unvouched: readonly string[]
  readonly questions: readonly OpenQuestion[]
  readonly looks: readonly OpenLook[]
}
