import { createHash } from 'node:crypto'
import { BANK_NAMES } from '../../core/launch/pcr.ts'
import { findBuildId } from '../../core/xen/build-id.ts'
import { mediaUuidOf } from '../../tables/paths.ts'
import { bootFilesOf, findDevice, KERNEL_RELEASE, type SimFile, type SimMachine, TPM_ID } from './model.ts'

/** The file at a path of the built-in machine, or undefined. */
export function fileAt(machine: SimMachine, path: string): SimFile | undefined {
  const media = mediaUuidOf(path)
  if (media) return findDevice(machine, media.uuid)?.files.get(media.rest)
  if (path.startsWith('/boot/')) return bootFilesOf(machine).get(path.slice('/boot/'.length))
  return kernelFile(machine, path) ?? machine.dom0.get(path)
}

/** The files that a path belongs to, and its name among them. */
function placeOf(machine: SimMachine, path: string): { files: Map<string, SimFile>; key: string } {
  const media = mediaUuidOf(path)
  const device = media ? findDevice(machine, media.uuid) : undefined
  if (media && device) return { files: device.files, key: media.rest }
  const internal = machine.devices.find((one) => one.isInternal)
  if (path.startsWith('/boot/') && internal)
    return { files: internal.files as Map<string, SimFile>, key: path.slice('/boot'.length) }
  return { files: machine.dom0, key: path }
}

export function putFile(machine: SimMachine, path: string, bytes: Uint8Array): void {
  const { files, key } = placeOf(machine, path)
  files.set(key, { bytes: Uint8Array.from(bytes), mtimeMs: machine.nowMs })
}

/** A file, or a directory with all in it. */
export function removeFiles(machine: SimMachine, path: string): void {
  const { files, key } = placeOf(machine, path)
  for (const name of [...files.keys()]) if (name === key || name.startsWith(`${key}/`)) files.delete(name)
}

/** Exchanges two directories of one file system. */
export function exchangeDirectories(machine: SimMachine, first: string, second: string): void {
  const { files, key } = placeOf(machine, first)
  const other = placeOf(machine, second).key
  const moved = [...files].flatMap(([name, file]): [string, SimFile][] => {
    const from = [key, other].find((directory) => name.startsWith(`${directory}/`))
    if (from === undefined) return []
    files.delete(name)
    return [[`${from === key ? other : key}${name.slice(from.length)}`, file]]
  })
  for (const [name, file] of moved) files.set(name, file)
}

/** Names in a directory, or null when there is no such directory. */
export function namesIn(machine: SimMachine, path: string): readonly string[] | null {
  const names = new Set<string>()
  for (const file of allPaths(machine, path)) {
    if (!file.startsWith(`${path}/`)) continue
    const [name] = file.slice(path.length + 1).split('/')
    if (name) names.add(name)
  }
  return names.size > 0 ? [...names].sort() : null
}

export function linkAt(path: string): string | null {
  return path === '/var/lib/tpm' ? `tpms/${TPM_ID}` : null
}

function allPaths(machine: SimMachine, path: string): readonly string[] {
  const media = mediaUuidOf(path)
  if (media) {
    const files = findDevice(machine, media.uuid)?.files.keys() ?? []
    return [...files].map((file) => `${path.slice(0, path.length - media.rest.length)}${file}`)
  }
  return [
    ...machine.dom0.keys(),
    ...bootFilesOf(machine)
      .names()
      .map((name) => `/boot/${name}`),
    '/sys/class/tpm/tpm0/tpm_version_major',
  ]
}

function kernelFile(machine: SimMachine, path: string): SimFile | undefined {
  const text = kernelText(machine, path)
  return text === undefined ? undefined : { bytes: Buffer.from(text, 'latin1'), mtimeMs: machine.bootTimeMs }
}

function kernelText(machine: SimMachine, path: string): string | undefined {
  const pcr = /^\/sys\/class\/tpm\/tpm0\/pcr-([a-z0-9]+)\/([0-9]+)$/.exec(path)
  if (pcr) {
    const bank = BANK_NAMES.find((name) => name === pcr[1])
    const value = bank ? machine.pcrs[bank]?.[Number(pcr[2])] : undefined
    return value === undefined ? undefined : `${value.toUpperCase()}\n`
  }
  if (path === '/sys/class/tpm/tpm0/tpm_version_major') return '2\n'
  if (path === '/proc/cmdline') return `${machine.booted?.kernel.commandLine ?? ''}\n`
  if (path === '/proc/stat') return `cpu  1 1 1 1\nbtime ${Math.floor(machine.bootTimeMs / 1000)}\n`
  if (path === '/proc/sys/kernel/osrelease') return `${runningRelease(machine)}\n`
  if (path === '/proc/sys/kernel/random/boot_id') return `${bootId(machine.bootCount)}\n`
  if (path === '/sys/hypervisor/properties/buildid') {
    const xen = machine.booted?.xen
    return xen ? `${findBuildId(xen.image) ?? ''}\n` : undefined
  }
  return undefined
}

/** What the running kernel calls itself: a kernel image of the built-in machine is a text with its release. */
function runningRelease({ booted }: SimMachine): string {
  return /^MZ kernel (\S+)/.exec(booted?.kernel.image.toString('latin1') ?? '')?.[1] ?? KERNEL_RELEASE
}

/** A UUID (version 4 in form) that differs with every boot and is the same in every run. */
function bootId(bootCount: number): string {
  const hex = createHash('sha256').update(`boot ${bootCount}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
