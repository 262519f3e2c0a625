/* Long: the same facts twice over, as kept and as looked at now: side by side, so that none is compared with another. */

import { createHash } from 'node:crypto'
import { listPredictedValues } from '../../core/decide/approved-state.ts'
import { comparePrepared, type PreparedLook, type Preparedness } from '../../core/decide/preparedness.ts'
import { listSharers } from '../../core/decide/slot-tokens.ts'
import { Failure } from '../../core/failure.ts'
import type { BootEntry } from '../../core/launch/boot-entry.ts'
import { decideNextEntry } from '../../core/launch/grub-choose.ts'
import { PCR } from '../../core/launch/pcr.ts'
import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import type { Prepared, SealedDigest } from '../../core/session/prepared.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { mediaUuidOf } from '../../tables/paths.ts'
import { listBootFiles } from '../device/boot-files.ts'
import { type AemDevice, openDevice } from '../device/devices.ts'
import { digestEfiFiles } from '../device/efi-files.ts'
import { makeHashBudget } from '../device/hash-budget.ts'
import { observeLuksPcr } from '../device/luks-headers.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { MEASURED_PACKAGES } from '../dom0/rpm-database.ts'
import { readTextOrNull } from '../read-text.ts'
import { observeSealedCopy } from '../seal/sealed-copy.ts'

/**
 * What the next boot was prepared for, once the protecting step is done. Files, packages and selection are those of the
 * baseline, which the prediction was made of: what changed since then has changed.
 * @returns null where nothing was recorded that could be compared with it
 */
export async function observePrepared(dom0: Dom0, session: Session): Promise<Prepared | null> {
  const { host } = dom0
  const { baseline } = session
  if (baseline === null || baseline.bootId === null) return null
  const now = await observeLook(dom0, session, baseline)
  const grubOf = (list: Baseline['bootFiles']) => list.find(({ role }) => role === 'grub.cfg') ?? null
  const grubConfig = grubOf(baseline.bootFiles)?.digests?.sha256 ?? null
  return {
    at: host.now().toISOString(),
    bootId: baseline.bootId,
    label: now.label,
    files: baseline.bootFiles
      .filter(({ role }) => role !== 'grub.cfg')
      .map(({ path, digests }) => ({ name: nameOnDevice(path), sha256: digests?.sha256 ?? null })),
    // An entry read from another grub.cfg than the recorded one is not the one that was predicted.
    entry: now.look.grubConfig === grubConfig ? now.look.entry : null,
    grubConfig,
    packages: baseline.packages.map(({ name, evr }) => ({ name, evr })),
    selectedPcrs: baseline.selectedPcrs,
    luks: baseline.selectedPcrs.includes(PCR.luksHeaders)
      ? (listPredictedValues(session.prediction, baseline.bank)[PCR.luksHeaders] ?? now.look.luks)
      : null,
    sealed: [...(now.look.sealed ?? [])],
  }
}

/**
 * Does what `start` prepared the next boot for still lie there? Asked until the restart.
 * @returns null where nothing was prepared, or dom0 was restarted since
 */
export async function observePreparedness(dom0: Dom0, session: Session | null): Promise<Preparedness | null> {
  const { host } = dom0
  const { prepared, baseline } = session ?? {}
  if (!session || !prepared || !baseline) return null
  const bootId = (await readTextOrNull(host, '/proc/sys/kernel/random/boot_id'))?.trim() ?? null
  if (bootId !== prepared.bootId) return null
  return comparePrepared(prepared, (await observeLook(dom0, session, baseline)).look)
}

/** Name of a boot file below the root of its device, wherever that is mounted. */
export function nameOnDevice(path: string): string {
  return mediaUuidOf(path)?.rest ?? path.replace(/^\/boot(?=\/)/, '')
}

async function observeLook(
  dom0: Dom0,
  session: Pick<Session, 'device'>,
  baseline: Baseline,
): Promise<{ readonly label: string | null; readonly look: PreparedLook }> {
  const { host } = dom0
  const { kernelCommandLine } = await dom0.machine()
  const { devices } = await dom0.devices()
  const device =
    session.device === null
      ? await dom0.booted()
      : (devices.find(({ label }) => label === session.device) ?? null)
  const own = devices.filter(({ isForeign }) => !isForeign)
  const { version } = await dom0.tpm()
  const tpmId = await dom0.tpmId()
  const [{ own: onDevice, ...contents }, packages, luks] = await Promise.all([
    observeContents(dom0, device, tpmId),
    listPackages(dom0),
    observeLuks(host, baseline, kernelCommandLine),
  ])
  const label = device?.label ?? null
  return {
    label,
    look: {
      ...contents,
      packages,
      selectedPcrs: await dom0.selectedPcrs(),
      luks,
      sealed: tpmId === null ? null : await listSealed(host, tpmId, own, onDevice),
      sharers: label === null ? [] : listSharers(label, own, version),
    },
  }
}

type Contents = Pick<PreparedLook, 'deviceOut' | 'files' | 'entry' | 'grubConfig'> & {
  /** The sealed files that the device carries itself; null: they could not be listed. */
  readonly own: readonly SealedDigest[] | null
}

/** All that is on the device, in one look: a stick is mounted for it. */
async function observeContents(
  dom0: Dom0,
  device: AemDevice | null,
  tpmId: string | null,
): Promise<Contents> {
  const { host } = dom0
  const out = (deviceOut: string): Contents => ({
    deviceOut,
    files: [],
    entry: null,
    grubConfig: null,
    own: [],
  })
  if (device === null) return out('what the AEM device of this boot carries: it is not plugged in')
  const media = await openDevice(host, device)
  if (media.state !== 'seen')
    return out(
      `what ${device.label} carries: ${media.state === 'absent' ? 'it is not plugged in' : media.why}`,
    )
  try {
    const { root } = media.value
    const names = await listBootFiles(host, root)
    if (names === null) return out(`what ${device.label} carries: it cannot be listed`)
    const budget = makeHashBudget(dom0)
    const files: Contents['files'] = []
    for (const name of names)
      files.push({ name: `/${name}`, sha256: (await budget.digest(`${root}/${name}`))?.sha256 ?? null })
    for (const { path, digests } of await digestEfiFiles(dom0, root, device))
      files.push({ name: path.slice(root.length), sha256: digests?.sha256 ?? null })
    const config = await dom0.grub(root, device.uuid)
    const { label } = device
    const copy = tpmId === null ? null : await observeSealedCopy(host, `${root}/aem`, tpmId, label)
    const entry = config === null || config instanceof Failure ? null : decideNextEntry(config).entry
    return {
      deviceOut: null,
      files,
      entry: entry === null ? null : digestEntry(entry),
      grubConfig: await digestGrubConfig(host, root),
      own: copy?.files.map(({ name, sha256 }) => ({ label, copy: 'device', name, sha256 })) ?? null,
    }
  } finally {
    await media.value.close()
  }
}

async function digestGrubConfig(host: Host, root: string): Promise<string | null> {
  for (const name of ['grub2', 'grub']) {
    const digests = await host.digestFile(`${root}/${name}/grub.cfg`)
    if (digests.state === 'seen') return digests.value.sha256
  }
  return null
}

/** What an entry loads and in which order; its title is for the eye alone. */
function digestEntry({ flavour, form, efi, launcher, modules, sinit, insmods, problems }: BootEntry): string {
  const told = JSON.stringify({ flavour, form, efi, launcher, modules, sinit, insmods, problems })
  return createHash('sha256').update(told).digest('hex')
}

async function listPackages(dom0: Dom0): Promise<Prepared['packages'] | null> {
  const lists = await Promise.all(MEASURED_PACKAGES.map(({ name }) => dom0.rpm.packages(name)))
  if (lists.every(({ state }) => state !== 'seen')) return null
  return lists.flatMap((list) => (valueOrNull(list) ?? []).map(({ name, evr }) => ({ name, evr })))
}

async function observeLuks(
  host: Host,
  { bank, selectedPcrs }: Baseline,
  commandLine: string | null,
): Promise<string | null> {
  if (!selectedPcrs.includes(PCR.luksHeaders)) return null
  const headers = await observeLuksPcr(host, commandLine, bank)
  return 'value' in headers ? headers.value : null
}

/** dom0's copies of all devices, and the device's own. @returns null where one could not be read */
async function listSealed(
  host: Host,
  tpmId: string,
  own: readonly AemDevice[],
  onDevice: readonly SealedDigest[] | null,
): Promise<readonly SealedDigest[] | null> {
  if (onDevice === null) return null
  const sealed: SealedDigest[] = [...onDevice]
  for (const { label } of own) {
    const copy = await observeSealedCopy(host, '/var/lib', tpmId, label)
    if (copy === null) return null
    sealed.push(...copy.files.map(({ name, sha256 }) => ({ label, copy: 'dom0' as const, name, sha256 })))
  }
  return sealed
}
