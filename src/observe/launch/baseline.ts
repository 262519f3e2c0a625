import { labelOf } from '../../core/aem/devices.ts'
import { decideBootDevice } from '../../core/decide/boot-device.ts'
import { Failure } from '../../core/failure.ts'
import { listComponents } from '../../core/launch/components.ts'
import type { Baseline } from '../../core/session/checkpoint.ts'
import { doesLogLead } from '../../core/vouch/ground-differences.ts'
import { valueOrNull } from '../../host/host.ts'
import { observeBootDevice } from '../device/boot-device.ts'
import { type AemDevice, findBootedDevice, openDevice } from '../device/devices.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { MEASURED_PACKAGES } from '../dom0/rpm-database.ts'
import { observeSealedCopy } from '../seal/sealed-copy.ts'
import { observeBootDeviceLaunch } from './launch.ts'
import { readLaunchLog } from './launch-log.ts'

/** Everything that tells this boot from another one. @returns null when the selected registers cannot be read, or the boot files are not (or no longer) current */
export async function observeBaseline(dom0: Dom0, selectedPcrs: readonly number[]): Promise<Baseline | null> {
  const { host } = dom0
  const machine = await dom0.machine()
  const tpm = await dom0.tpm()
  if (tpm.bank !== 'sha1' && tpm.bank !== 'sha256') return null
  const values = tpm.pcrs[tpm.bank] ?? {}
  if (selectedPcrs.length === 0 || selectedPcrs.some((index) => values[index] === undefined)) return null
  const { devices } = await dom0.devices()
  const device = findBootedDevice(devices, machine.aemUuid)
  const boot = await observeBootDevice(dom0, device, machine.xen.buildId)
  // The digests that are kept must be of exactly the files that were found current.
  if (decideBootDevice({ present: device?.present ?? null, isOpen: boot.isOpen }, boot.checks) !== 'current')
    return null
  const { sha1, sha256 } = tpm.pcrs
  return {
    takenAt: host.now().toISOString(),
    bootId: machine.bootId,
    bootTime: machine.bootTime,
    bank: tpm.bank,
    selectedPcrs: [...selectedPcrs],
    pcrs: { ...(sha1 ? { sha1 } : {}), ...(sha256 ? { sha256 } : {}) },
    kernelCommandLine: machine.kernelCommandLine,
    xenCommandLine: machine.xen.commandLine,
    runningXen: { version: machine.xen.version, buildId: machine.xen.buildId },
    bootFiles: boot.files.map(({ path, role, digests }) => ({ path, role, digests })),
    grubFiles: boot.grubFiles.map((file) => ({ ...file })),
    packages: await observeMeasuredPackages(dom0),
    sealedFiles: await observeSealedFiles(dom0, devices),
    launchLog: readLaunchLog(await dom0.txtStat()),
    components: await observeComponents(dom0, device, machine),
  }
}

/** @returns null without a readable log, or with one that does not lead to the registers of the bank */
export async function observeComponents(
  dom0: Dom0,
  device: AemDevice | null,
  machine: MachineFacts,
): Promise<Baseline['components']> {
  const { host } = dom0
  const log = await dom0.log()
  if (log === null || log instanceof Failure) return null
  const { bank, pcrs } = await dom0.tpm()
  if (bank === null || !doesLogLead(log, bank, pcrs[bank] ?? {})) return null
  const { booted } = await observeBootDeviceLaunch(host, device, machine, log)
  return listComponents(log, booted.entry).map((item) => ({ ...item, digests: { ...item.digests } }))
}

async function observeMeasuredPackages(dom0: Dom0): Promise<Baseline['packages']> {
  const lists = await Promise.all(MEASURED_PACKAGES.map(({ name }) => dom0.rpm.packages(name)))
  return lists.flatMap((list) => (valueOrNull(list) ?? []).map((item) => ({ ...item })))
}

async function observeSealedFiles(
  dom0: Dom0,
  devices: readonly AemDevice[],
): Promise<Baseline['sealedFiles']> {
  const { host } = dom0
  const tpmId = await dom0.tpmId()
  if (tpmId === null) return []
  const sealed: Baseline['sealedFiles'] = []
  for (const device of devices) {
    const label = labelOf(device.suffix)
    const dom0 = await observeSealedCopy(host, '/var/lib', tpmId, label)
    for (const { name, sha256 } of dom0?.files ?? []) sealed.push({ label, name, copy: 'dom0', sha256 })
    const media = await openDevice(host, device)
    if (media.state !== 'seen') continue
    const own = await observeSealedCopy(host, `${media.value.root}/aem`, tpmId, label)
    for (const { name, sha256 } of own?.files ?? []) sealed.push({ label, name, copy: 'device', sha256 })
    await media.value.close()
  }
  return sealed
}
