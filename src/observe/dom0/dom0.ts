import type { SelectionLook } from '../../core/aem/seal-selection.ts'
import type { Catalogue } from '../../core/bulletin/catalogue.ts'
import type { Failure } from '../../core/failure.ts'
import type { GrubConfig } from '../../core/launch/grub-cfg.ts'
import type { LaunchLog } from '../../core/launch/launch-log.ts'
import { parseTrustedKeys, type TrustedKeys } from '../../core/package/signers.ts'
import type { FileDigests, Host, RunResult, Seen } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { TRUSTED_KEYS_FILE } from '../../tables/paths.ts'
import { type AemDevice, type AemDevices, findBootedDevice, observeAllDevices } from '../device/devices.ts'
import { observeGrub } from '../device/grub.ts'
import { observeLog } from '../launch/launch-log.ts'
import { observeTpm, type TpmFacts } from '../launch/pcrs.ts'
import { readText } from '../read-text.ts'
import { observeSealSelection } from '../seal/pcr-selection.ts'
import { observeSealState, type SealState } from '../seal/seal-unit.ts'
import { observeTpmId } from '../seal/sealed-copy.ts'
import { type MachineFacts, observeMachine } from './machine.ts'
import { once, onceEach } from './once.ts'
import { observeRpmDatabase, type RpmDatabase } from './rpm-database.ts'

/**
 * One look at dom0. Each fact is asked of the machine where it is first needed and stays the answer of this look, so that
 * a step asks nothing twice and sees one state. Whoever changed the machine, or waits for a person, takes another look.
 */
export type Dom0 = {
  /** For what is read without being kept, and for acts. */
  readonly host: Host
  machine(): Promise<MachineFacts>
  tpm(): Promise<TpmFacts>
  /** The directory of the TPM in use below tpms/; null where it is not known. */
  tpmId(): Promise<string | null>
  /** Traces of AEM's unseal and seal in this boot. */
  seal(): Promise<SealState>
  /** What txt-stat printed. */
  txtStat(): Promise<Seen<RunResult>>
  /** The log of this boot's launch, or why there is none that can be read. */
  log(): Promise<LaunchLog | Failure>
  /** What AEM seals to, or why that is not known. */
  selection(): Promise<SelectionLook>
  /** The same PCRs, ascending; null where they are not known. */
  selectedPcrs(): Promise<readonly number[] | null>
  devices(): Promise<AemDevices>
  /** The device that this boot came from; null where there is none, or it cannot be told. */
  booted(): Promise<AemDevice | null>
  readonly rpm: RpmDatabase
  /** The bulletins that are out at the machine's time, as far as they are known. */
  catalogue(): Promise<Catalogue>
  /** Digests of a boot file. What a step changes itself it looks at in another look. */
  digest(path: string): Promise<Seen<FileDigests>>
  /** grub.cfg of the device whose files lie at a root (docs of observeGrub); what a step writes itself it reads in another look. */
  grub(root: string, uuid: string | null): Promise<GrubConfig | Failure | null>
  /** The user's further signers and the lines that trust nobody; null: unreadable, which trusts nobody either. */
  trustedKeys(): Promise<TrustedKeys | null>
}

/** Nothing is asked yet: a step pays for what it needs. */
export function observeDom0(host: Host): Dom0 {
  const machine = once(() => observeMachine(host))
  const selection = once(() => observeSealSelection(host))
  const devices = once(async () => observeAllDevices(host, await machine()))
  const grubOf = new Map<string | null, (root: string) => Promise<GrubConfig | Failure | null>>()
  const txtStat = once(() => host.run(command('launch-log', {})))
  return {
    host,
    machine,
    tpm: once(() => observeTpm(host)),
    tpmId: once(() => observeTpmId(host)),
    seal: once(() => observeSealState(host)),
    txtStat,
    log: once(async () => observeLog(host, await txtStat())),
    selection,
    async selectedPcrs() {
      const look = await selection()
      return look.state === 'read' ? look.pcrs : null
    },
    devices,
    booted: async () => findBootedDevice((await devices()).devices, (await machine()).aemUuid),
    rpm: observeRpmDatabase(host),
    // Loaded where it is needed: `gate` and `status` ask for no bulletin.
    catalogue: once(
      async () => host.catalogue ?? (await import('../../core/bulletin/catalogue-data.ts')).CATALOGUE,
    ),
    digest: onceEach((path) => host.digestFile(path)),
    grub(root, uuid) {
      const ofUuid = grubOf.get(uuid) ?? onceEach((one) => observeGrub(host, one, null, uuid))
      grubOf.set(uuid, ofUuid)
      return ofUuid(root)
    },
    trustedKeys: once(async () => {
      const text = await readText(host, TRUSTED_KEYS_FILE)
      if (text.state === 'unknown') return null
      return parseTrustedKeys(text.state === 'seen' ? text.value : '')
    }),
  }
}
