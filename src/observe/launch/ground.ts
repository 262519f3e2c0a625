import { Failure } from '../../core/failure.ts'
import { listComponents } from '../../core/launch/components.ts'
import type { Digests } from '../../core/launch/launch-log.ts'
import { findComparedState, findLedgerDevice, type LedgerLook } from '../../core/session/device-ledger.ts'
import { findModel, type GroundFacts, labelOf } from '../../core/vouch/ground.ts'
import { doesLogLead, type GroundDifference, listDifferences } from '../../core/vouch/ground-differences.ts'
import { deriveComponents } from '../../core/vouch/other-device.ts'
import { type AemDevice, findBootedDevice } from '../device/devices.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { MEASURED_PACKAGES } from '../dom0/rpm-database.ts'
import type { SealState } from '../seal/seal-unit.ts'
import { observePackageNames } from './booted-state.ts'
import { observeBootDeviceLaunch, observeEntries } from './launch.ts'
import { registersOf, type TpmFacts } from './pcrs.ts'

export type ObservedGround = {
  readonly facts: GroundFacts
  readonly machine: MachineFacts
  /** The device of this boot, where it is plugged in. */
  readonly device: AemDevice | null
}

/** What was looked at already. */
export type Looked = {
  readonly machine: MachineFacts
  readonly tpm: TpmFacts
  readonly devices: readonly AemDevice[]
  readonly seal?: SealState
}

/** What AEM, the TPM and the device ledger say of this boot. */
export async function observeGround(
  dom0: Dom0,
  look: LedgerLook,
  looked: Looked | null = null,
): Promise<ObservedGround> {
  const machine = looked?.machine ?? (await dom0.machine())
  const tpm = looked?.tpm ?? (await dom0.tpm())
  const devices = looked?.devices ?? (await dom0.devices()).devices
  const device = findBootedDevice(devices, machine.aemUuid)
  const { journal } = looked?.seal ?? (await dom0.seal())
  const madeInitramfs = await observeMadeInitramfs(dom0, look, device, machine)
  return {
    facts: {
      bootId: machine.bootId,
      device: { label: device?.label ?? null, uuid: machine.aemUuid },
      bank: tpm.bank,
      registers: registersOf(tpm),
      selected: (await dom0.selectedPcrs()) ?? [],
      unseal: journal?.unseal ?? null,
      look,
      madeInitramfs,
    },
    machine,
    device,
  }
}

/**
 * The initramfs of this boot as it lies on its device now, where this program made it, or an approved boot from that device measured it, of
 * the packages that are installed now or were in the approved state: an older one may come from an old copy of the device. Asked for only where no boot from the device was approved in the present state, and one
 * from another was.
 */
async function observeMadeInitramfs(
  dom0: Dom0,
  look: LedgerLook,
  device: AemDevice | null,
  machine: MachineFacts,
): Promise<Digests | null> {
  const { host } = dom0
  if (look.state !== 'read' || device === null || look.ledger.approved === null) return null
  const compared = findComparedState(look.ledger, device.label)
  if (compared !== null && compared.how !== 'forward-sealed') return null
  const { knownFiles } = findLedgerDevice(look.ledger, device.label)
  const inputs = [await observePackageNames(dom0), look.ledger.approved.packages].map((packages) =>
    inputsOf(packages ?? []),
  )
  const known = knownFiles.filter(
    ({ origin }) => origin !== undefined && inputs.includes(inputsOf(origin.packages)),
  )
  if (known.length === 0) return null
  const { booted, images } = await observeBootDeviceLaunch(host, device, machine, await dom0.log())
  const path = booted.entry?.modules.find(({ role }) => role === 'initramfs')?.path ?? ''
  const image = images[path]
  const isKnown = known.some(
    ({ name, sha256 }) => `/${name}` === path && sha256 === image?.storedDigests.sha256,
  )
  return isKnown && image !== undefined ? image.digests : null
}

/** Packages of the list that an initramfs is made of, as one text. @param packages `name evr` */
function inputsOf(packages: readonly string[]): string {
  return packages.filter((one) => !NO_INPUTS.includes(one.split(' ')[0] ?? '')).join('\n')
}

/** Measured by themselves, and in no initramfs. */
const NO_INPUTS = MEASURED_PACKAGES.filter(
  ({ component }) => component === 'xen' || component === 'tboot',
).map(({ name }) => name)

/** What this boot measured otherwise than the last approved one from its device, or why that cannot be traced. */
export async function observeGroundDifferences(
  dom0: Dom0,
  { facts, machine, device }: ObservedGround,
): Promise<{ readonly differences: readonly GroundDifference[] | null; readonly untraced: string | null }> {
  const { host } = dom0
  const untraced = (why: string) => ({ differences: null, untraced: why })
  const ledger = facts.look.state === 'read' ? facts.look.ledger : null
  const label = ledger === null ? null : labelOf(ledger, facts)
  const own = ledger === null || label === null ? null : findComparedState(ledger, label)
  const model = ledger === null || own !== null ? null : findModel(ledger, ledger.approved?.label ?? null)
  const boot = own?.boot ?? model?.boot ?? null
  if (boot === null) return untraced('nothing is kept of what an approved boot from this device measured')
  // Of a device without an approved boot: what the one of the other device would have measured from it.
  const components =
    model === null
      ? boot.components
      : facts.device.uuid === null
        ? null
        : deriveComponents(boot, model.uuid, facts.device.uuid, null)
  if (components === null)
    return untraced(
      boot.components === null
        ? 'the approved boot had no launch log that could be read'
        : 'what the approved boot would measure from this device cannot be computed here',
    )
  if (facts.bank !== boot.bank)
    return untraced('this TPM is of another kind than the one of the approved boot')
  const log = await dom0.log()
  if (log instanceof Failure) return untraced(log.text.what)
  if (!doesLogLead(log, boot.bank, facts.registers))
    return untraced('the launch log of this boot does not lead to its registers')
  const { booted } = await observeEntries(host, device, machine, log)
  return {
    differences: listDifferences(components, listComponents(log, booted), boot.bank),
    untraced: null,
  }
}
