/* Long: one look: entries, the files they name and their digests, which each need the one before. */

import { createHash } from 'node:crypto'
import { Failure } from '../../core/failure.ts'
import type { BootEntry } from '../../core/launch/boot-entry.ts'
import { decideBootedEntry, listOddEntries } from '../../core/launch/booted-entry.ts'
import { type GrubConfig, isAemEntry } from '../../core/launch/grub-cfg.ts'
import { checkEntry, decideNextEntry, type EntryChoice } from '../../core/launch/grub-choose.ts'
import type { ImageDigest } from '../../core/launch/image-digest.ts'
import type { LaunchLog } from '../../core/launch/launch-log.ts'
import { findLoaderFault } from '../../core/launch/launch-module.ts'
import { NO_XEN, type XenFacts } from '../../core/launch/predict-trenchboot.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { type AemDevice, openDevice } from '../device/devices.ts'
import { observeAemEntries, observeEfiEntry } from '../device/efi-entry.ts'
import { observeGrub } from '../device/grub.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { digestEntries } from './image-digests.ts'
import { observeSinit } from './sinit.ts'
import { observeSkl, observeXen } from './xen-image.ts'

export type BootDeviceLaunch = {
  readonly booted: EntryChoice
  readonly next: EntryChoice
  /** Entries that do more than AEM's scripts write, and that this boot may have come from, in words (listOddEntries). */
  readonly odd?: readonly string[]
  /** grub.cfg was read: an entry that is not known then is one that cannot be judged. */
  readonly isGrubRead?: boolean
  /**
   * Digests by the path GRUB uses, of every file that either entry loads, as loaded and as stored. Whoever holds a file
   * against its package takes the stored digest from here: a stick may answer a second read otherwise.
   */
  readonly images: Readonly<Record<string, ImageDigest>>
  /** tboot's own image, decompressed by the caller; null when it is not there. */
  readonly tboot: Uint8Array | null
  /** Xen's launch hashes under TrenchBoot, of the entry of this boot and of the next. */
  readonly xen: XenFacts
  /** SINIT modules: unchanged since this boot by their dates; null where dates are not known. */
  readonly sinitUnchanged: boolean | null
}

/**
 * Entries and files of the device that boots next.
 * @param log of this boot, where there is one: it helps to tell which entry this boot came from
 */
export async function observeBootDeviceLaunch(
  host: Host,
  device: AemDevice | null,
  machine: MachineFacts,
  log: LaunchLog | Failure | null,
): Promise<BootDeviceLaunch> {
  const unknown = (why: string): BootDeviceLaunch => {
    const choice = { entry: null, why }
    return { booted: choice, next: choice, images: {}, tboot: null, xen: NO_XEN, sinitUnchanged: null }
  }
  if (device === null) return unknown('the AEM device this boot came from is not plugged in')
  const media = await openDevice(host, device)
  if (media.state !== 'seen') return unknown(`the files of ${device.label} cannot be read`)
  try {
    return await observeOpened(host, media.value.root, device.uuid, machine, log)
  } finally {
    await media.value.close()
  }
}

/**
 * The same for a next boot from another device: this boot's entry and files stay those of its own device, which the rules
 * are found from; entry and files of the next one are the other device's.
 */
export async function observeOtherDeviceLaunch(
  host: Host,
  booted: AemDevice | null,
  target: AemDevice,
  machine: MachineFacts,
  log: LaunchLog | Failure | null,
): Promise<BootDeviceLaunch & { readonly nextImages: BootDeviceLaunch['images'] }> {
  const own = await observeBootDeviceLaunch(host, booted, machine, log)
  const other = await observeBootDeviceLaunch(host, target, machine, log)
  const isSameSinit = hasSameSinit(own, other)
  // Where no entry names a module, what lies on the other device says whether one may be taken.
  const isNamed = (other.next.entry?.sinit ?? []).length > 0
  const unchanged = isNamed || own.sinitUnchanged !== true ? own.sinitUnchanged : other.sinitUnchanged
  return {
    ...own,
    next: other.next,
    isGrubRead: other.isGrubRead === true,
    nextImages: other.images,
    tboot: other.tboot,
    xen: { booted: own.xen.booted, next: other.xen.next },
    sinitUnchanged: isSameSinit === true ? unchanged : isSameSinit,
  }
}

/**
 * The same SINIT modules by content, whatever they are called; null where one could not be read.
 * @param own of the entry this boot came from
 * @param other of the entry that boots next
 */
function hasSameSinit(
  own: Pick<BootDeviceLaunch, 'booted' | 'images'>,
  other: Pick<BootDeviceLaunch, 'next' | 'images'>,
): boolean | null {
  const here = digestsOfSinit(own.booted.entry, own.images)
  const there = digestsOfSinit(other.next.entry, other.images)
  return here === null || there === null ? null : here.join() === there.join()
}

function digestsOfSinit(
  entry: BootEntry | null,
  images: BootDeviceLaunch['images'],
): readonly string[] | null {
  const digests = entry?.sinit.map(({ path }) => images[path]?.storedDigests.sha256)
  if (digests === undefined || digests.includes(undefined)) return null
  return digests.filter((digest) => digest !== undefined).sort()
}

/** The entry this boot came from and the one that boots next, without a look at the files they load. */
export async function observeEntries(
  host: Host,
  device: AemDevice | null,
  machine: MachineFacts,
  log: LaunchLog | Failure | null = null,
): Promise<{
  readonly booted: BootEntry | null
  readonly next: BootEntry | null
  /** Why it cannot be told which entry boots next; null where it can, or grub.cfg was not read. */
  readonly nextWhy: string | null
  readonly odd: readonly string[]
}> {
  const none = { booted: null, next: null, nextWhy: null, odd: [] }
  const media = device === null ? null : valueOrNull(await openDevice(host, device))
  if (media === null) return none
  try {
    const config = await observeGrub(host, media.root, null, device?.uuid ?? null)
    if (config === null || config instanceof Failure) return none
    const next = await chooseNext(host, media.root, config, log)
    return {
      booted: (await chooseBooted(host, media.root, config, machine, log)).entry,
      next: next.entry,
      nextWhy: next.why,
      odd: await observeOdd(host, media.root, config, machine),
    }
  } finally {
    await media.close()
  }
}

async function observeOpened(
  host: Host,
  root: string,
  uuid: string | null,
  machine: MachineFacts,
  log: LaunchLog | Failure | null,
): Promise<BootDeviceLaunch> {
  const config = await observeGrub(host, root, null, uuid)
  const failed = config instanceof Failure ? config.text.what : 'there is no grub.cfg on the device'
  const isRead = config !== null && !(config instanceof Failure)
  const booted = isRead ? await chooseBooted(host, root, config, machine, log) : { entry: null, why: failed }
  const next = isRead ? await chooseNext(host, root, config, log) : { entry: null, why: failed }
  const entries = [booted.entry, next.entry].filter((entry) => entry !== null)
  const launcher = next.entry?.launcher ?? booted.entry?.launcher ?? null
  const images = await digestEntries(host, root, entries)
  return {
    booted,
    next,
    odd: isRead ? await observeOdd(host, root, config, machine) : [],
    isGrubRead: isRead,
    images,
    xen: {
      booted: await observeXen(host, root, booted.entry, images),
      next: await observeXen(host, root, next.entry, images),
    },
    tboot: launcher === null ? null : await readSame(host, `${root}${launcher.path}`, images[launcher.path]),
    sinitUnchanged:
      (await observeSkl(host, root, next.entry, log)) ??
      // An entry that names another module than this boot's: its date says nothing of it.
      (hasSameSinit({ booted, images }, { next, images }) === false
        ? false
        : await observeSinit(host, root, entries, images, machine.bootTime)),
  }
}

/** The bytes of a file, if they are those that were hashed: a stick may answer a second read otherwise. */
async function readSame(
  host: Host,
  path: string,
  image: ImageDigest | undefined,
): Promise<Uint8Array | null> {
  const bytes = valueOrNull(await host.readFile(path))
  if (bytes === null || image === undefined) return null
  return createHash('sha256').update(bytes).digest('hex') === image.storedDigests.sha256 ? bytes : null
}

/** In the UEFI form the entry's files and command lines are those of Xen's configuration; what is odd there is the entry's. */
async function chooseNext(
  host: Host,
  root: string,
  config: GrubConfig,
  log: LaunchLog | Failure | null,
): Promise<EntryChoice> {
  const choice = decideNextEntry(config)
  if (choice.entry === null) return choice
  const entry = await observeEfiEntry(host, root, choice.entry)
  const fault = findLoaderFault(entry, log)
  return checkEntry(fault === null ? entry : { ...entry, problems: [...entry.problems, fault] })
}

async function observeOdd(
  host: Host,
  root: string,
  config: GrubConfig,
  { kernelCommandLine }: MachineFacts,
): Promise<readonly string[]> {
  if (kernelCommandLine === null) return []
  const others = config.entries.filter((entry) => !isAemEntry(entry))
  return listOddEntries([...(await observeAemEntries(host, root, config)), ...others], { kernelCommandLine })
}

async function chooseBooted(
  host: Host,
  root: string,
  config: GrubConfig,
  machine: MachineFacts,
  log: LaunchLog | Failure | null,
): Promise<EntryChoice> {
  if (machine.kernelCommandLine === null) return { entry: null, why: '/proc/cmdline cannot be read' }
  return decideBootedEntry(await observeAemEntries(host, root, config), {
    kernelCommandLine: machine.kernelCommandLine,
    kernelRelease: machine.kernelRelease,
    xenVersion: machine.xen.version,
    xenCommandLine: machine.xen.commandLine,
    moduleCount: log === null || log instanceof Failure ? null : log.modules.length,
  })
}
