import { createHash } from 'node:crypto'
import type { BootEntry, BootFile, ModuleRole } from '../../../src/core/launch/boot-entry.ts'
import type { FileFact, PackageFact } from '../../../src/core/launch/explain-types.ts'
import type { ImageDigest } from '../../../src/core/launch/image-digest.ts'
import type { Digests } from '../../../src/core/launch/launch-log.ts'
import type { PredictionInput } from '../../../src/core/launch/predict.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { type Form, hash, type Machine, pcrsOf, writeTxtStat } from './tboot-writer.ts'

/** A boot device and its command lines: what a boot measures, and what the next one will. */
export type Disk = {
  xen: { path: string; content: string; commandLine: string }
  kernel: { path: string; content: string; commandLine: string }
  initramfs: { path: string; content: string; commandLine: string }
  extra?: { path: string; content: string; commandLine: string }[]
  /** Indices into xen, kernel, initramfs, extra...: the load order. */
  order?: number[]
  tboot: string
  sinit: string
}

export function disk(changes: Partial<Disk> = {}): Disk {
  return {
    xen: {
      path: '/xen-4.17.4.gz',
      content: 'xen 4.17.4-3',
      commandLine: 'placeholder console=none ucode=scan',
    },
    kernel: {
      path: '/vmlinuz-6.6.36-1.fc37.x86_64',
      content: 'kernel 6.6',
      commandLine: 'placeholder root=/dev/q ro aem.uuid=c5a8',
    },
    initramfs: { path: '/initramfs-6.6.36-1.fc37.x86_64.img', content: 'initramfs 6.6', commandLine: '' },
    tboot: 'tboot 1.10.5',
    sinit: 'sinit 2019',
    ...changes,
  }
}

/** The update of QSB-103: another Xen under the same name. */
export function withXen(old: Disk, content = 'xen 4.17.4-4'): Disk {
  return { ...old, xen: { ...old.xen, content } }
}

function listFiles(from: Disk) {
  const roles: ModuleRole[] = ['xen', 'kernel', 'initramfs']
  const files = [from.xen, from.kernel, from.initramfs, ...(from.extra ?? [])].map((file, index) => ({
    ...file,
    role: roles[index] ?? ('module' as const),
  }))
  return (from.order ?? files.map((_, index) => index)).map((index) => files[index]!)
}

export function entryOf(from: Disk): BootEntry {
  const roles: ModuleRole[] = ['xen', 'kernel', 'initramfs']
  const modules = listFiles(from).map(
    ({ path, commandLine }, order): BootFile => ({
      role: roles[order] ?? 'module',
      path,
      commandLine,
      nounzip: false,
      order: order + 1,
    }),
  )
  return {
    title: 'AEM Qubes, with Xen hypervisor',
    titlePath: ['AEM Qubes, with Xen hypervisor'],
    id: 'aem',
    flavour: 'tboot',
    form: 'bios',
    efi: null,
    launcher: {
      role: 'mle',
      path: '/tboot.gz',
      commandLine: 'placeholder logging=memory',
      nounzip: false,
      order: 0,
    },
    modules,
    sinit: [],
    insmods: [],
    problems: [],
  }
}

export function imageOf(content: string): ImageDigest {
  const digests: Digests = {}
  for (const bank of ['sha1', 'sha256'] as const)
    digests[bank] = createHash(bank).update(content).digest('hex')
  const size = Buffer.byteLength(content)
  return { digests, storedDigests: {}, sizeBytes: size, loadedSizeBytes: size, kind: 'raw', problem: null }
}

export function imagesOf(from: Disk): Record<string, ImageDigest> {
  return Object.fromEntries(listFiles(from).map((file) => [file.path, imageOf(file.content)]))
}

export function machineOf(from: Disk, form: Form = '1.10-tpm12', strips = false): Machine {
  const modules = listFiles(from).map((file) => ({
    commandLine: file.commandLine,
    image: Buffer.from(file.content),
  }))
  return { form, modules, strips, mle: from.tboot, sinit: from.sinit }
}

export function mleOf(from: Disk): Record<'whole' | 'first-word-stripped', Digests> {
  const digests = {
    sha1: hash('sha1', from.tboot).toString('hex'),
    sha256: hash('sha256', from.tboot).toString('hex'),
  }
  return { whole: digests, 'first-word-stripped': digests }
}

/** A machine that booted from `booted` and has `now` on its boot device. */
export function predictionInput(
  booted: Disk,
  now: Disk,
  form: Form = '1.10-tpm12',
  changes: Partial<PredictionInput> = {},
  strips = false,
): PredictionInput {
  const machine = machineOf(booted, form, strips)
  return {
    log: parseTbootLog(writeTxtStat(machine)),
    pcrsNow: pcrsOf(machine),
    booted: entryOf(booted),
    images: imagesOf(now),
    next: { entry: entryOf(now), why: null },
    mleNow: mleOf(now),
    unchanged: { launcher: null, sinit: true, policy: null },
    ...changes,
  }
}

export const SIGNED: PackageFact = {
  name: 'xen-hypervisor',
  evr: '2001:4.17.4-4.fc37',
  signer: 'Qubes OS Release 4.2 Signing Key',
  signerKnown: true,
  installTime: '2024-07-17T09:00:00Z',
  unmodified: true,
}

/** File facts of a disk; Xen and the kernel come from packages, the initramfs was made on the machine. */
export function filesOf(from: Disk, xenPackage: PackageFact | null = SIGNED): FileFact[] {
  return listFiles(from).map((file) => ({
    path: file.path,
    image: imageOf(file.content),
    package: file.role === 'xen' ? xenPackage : file.role === 'kernel' ? { ...SIGNED, name: 'kernel' } : null,
    bulletin: file.role === 'xen' ? '103' : null,
  }))
}
