import { listSharedRegisters } from '../../core/decide/device-work.ts'
import { findOwnBoot } from '../../core/decide/own-boot.ts'
import {
  type BindingVerdict,
  bindingOfBlobs,
  bindingOfKey,
  judgeBinding,
  type SealedBinding,
} from '../../core/decide/verify-binding.ts'
import { type Check, checkSelection } from '../../core/decide/verify-copies.ts'
import { checkTpm12Selection, type NamedBlob } from '../../core/decide/verify-tpm12.ts'
import type { Flavour } from '../../core/launch/boot-entry.ts'
import type { LuksHeaders } from '../../core/launch/predict-luks.ts'
import type { ForwardValuesOf } from '../../core/seal/forward-of-session.ts'
import type { SlotOwner } from '../../core/seal/freshness.ts'
import { parseTpm12Blob } from '../../core/seal/tpm12-blob.ts'
import type { LedgerLook } from '../../core/session/device-ledger.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import type { AemDevice } from '../device/devices.ts'
import { registersOf, type TpmFacts } from '../launch/pcrs.ts'
import { readTextOrNull } from '../read-text.ts'
import type { SealedCopy } from '../seal/sealed-copy.ts'
import type { SecretTrial } from './trial-unseal.ts'

/** What is kept of sessions and earlier boots. */
export type KeptOfDevices = {
  /** unknown: the session cannot be read. */
  readonly forward: ForwardValuesOf | 'unknown'
  readonly look: LedgerLook
}

export type Common = {
  readonly tpm: TpmFacts
  readonly tpmId: string | null
  readonly selected: readonly number[] | null
  readonly flavour: Flavour | null
  readonly luks: LuksHeaders
  readonly owners: readonly SlotOwner[]
  readonly trial: SecretTrial
  readonly kept: KeptOfDevices
  /** The device of this boot, where exactly one can be it. */
  readonly booted: AemDevice | null
  /** Freshness slots that hold the token of a device that was tried before, by its label. */
  readonly taken: Map<number, string>
}

type Bound = { readonly selection: Check; readonly policy: Check; readonly untried: string | null }

export function checkNothing(why: string): Bound {
  return {
    selection: { id: 'selection', ok: null, detail: why },
    policy: { id: 'policy', ok: null, detail: why },
    untried: null,
  }
}

export async function checkBinding(
  host: Host,
  own: SealedCopy | null,
  label: string,
  isBooted: boolean,
  common: Common,
): Promise<Bound> {
  const { selected, tpm } = common
  const isTpm12 = tpm.version === '1.2'
  const blobs = isTpm12 && own !== null ? await readBlobs(host, own) : null
  const selection = isTpm12
    ? checkTpm12Selection(blobs, selected)
    : checkSelection(own?.keyPcrs ?? null, selected)
  const keyPub = isTpm12 || own === null ? null : valueOrNull(await host.readFile(`${own.directory}/key.pub`))
  const sealed = isTpm12
    ? bindingOfBlobs((blobs ?? []).map(({ binding }) => binding))
    : bindingOfKey(keyPub, own?.keyPcrs?.pcrs ?? selected)
  const { check, untried } = judgeSealed(sealed, label, isBooted, common)
  return { selection, policy: check, untried }
}

function judgeSealed(
  sealed: SealedBinding | null,
  label: string,
  isBooted: boolean,
  { tpm, kept, booted, flavour }: Common,
): BindingVerdict {
  if (sealed === null) {
    const detail =
      tpm.version === '1.2' ? "the device's sealed files could not be read" : 'key.pub could not be read'
    return { check: { id: 'policy', ok: null, detail }, untried: null }
  }
  const present = registersOf(tpm)
  const shared = listSharedRegisters(sealed.pcrs, flavour)
  return judgeBinding(sealed, {
    label,
    isBooted,
    bootedLabel: booted?.label ?? null,
    present,
    forward: kept.forward === 'unknown' ? kept.forward : kept.forward(label),
    own: findOwnBoot(kept.look, label, shared, present),
    shared,
  })
}

/** TPM 1.2 has no key.*: each blob carries its own registers. */
async function readBlobs(host: Host, { files, directory }: SealedCopy): Promise<readonly NamedBlob[]> {
  const names = files.map(({ name }) => name).filter((name) => name.endsWith('.sealed2'))
  const blobs: NamedBlob[] = []
  for (const name of names) {
    const text = await readTextOrNull(host, `${directory}/${name}`)
    blobs.push({ name, binding: text === null ? null : parseTpm12Blob(text) })
  }
  return blobs
}
