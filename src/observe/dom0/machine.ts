import { parseKernelParameters, parseQubesRelease } from '../../core/aem/configuration.ts'
import { parseHypervisorBuildId, parseXlInfo } from '../../core/xen/running-xen.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { readTextOrNull } from '../read-text.ts'

export type MachineFacts = {
  readonly release: string | null
  readonly bootId: string | null
  /** ISO 8601 UTC. */
  readonly bootTime: string | null
  readonly kernelCommandLine: string | null
  readonly kernelRelease: string | null
  /** aem.uuid of the kernel command line: the device this boot came from. */
  readonly aemUuid: string | null
  /** null: the command line cannot be read, or names several devices. */
  readonly bootedWithAem: boolean | null
  readonly xen: {
    readonly version: string | null
    readonly buildId: string | null
    readonly commandLine: string | null
  }
}

/** What this boot is: read from /proc, /sys and xl. */
export async function observeMachine(host: Host): Promise<MachineFacts> {
  const release = await readTextOrNull(host, '/etc/qubes-release')
  const bootId = await readTextOrNull(host, '/proc/sys/kernel/random/boot_id')
  const stat = await readTextOrNull(host, '/proc/stat')
  const commandLine = await readTextOrNull(host, '/proc/cmdline')
  const kernelRelease = await readTextOrNull(host, '/proc/sys/kernel/osrelease')
  const btime = /^btime ([0-9]+)$/m.exec(stat ?? '')?.[1]
  // Which of several the initrd took cannot be told here, so with two different ones no device is known.
  const aemUuids = [...new Set(parseKernelParameters(commandLine ?? '', 'aem.uuid'))]
  const aemUuid = aemUuids.length === 1 ? (aemUuids[0] ?? null) : null
  return {
    release: release === null ? null : parseQubesRelease(release),
    bootId: bootId?.trim() || null,
    bootTime: btime === undefined ? null : new Date(Number(btime) * 1000).toISOString(),
    // Byte for byte but for the line end that Linux adds: it proves what the kernel was started with.
    kernelCommandLine: commandLine?.replace(/\n$/, '') ?? null,
    kernelRelease: kernelRelease?.trim() ?? null,
    aemUuid,
    bootedWithAem: commandLine === null || aemUuids.length > 1 ? null : aemUuids.length === 1,
    xen: await observeRunningXen(host),
  }
}

async function observeRunningXen(host: Host): Promise<MachineFacts['xen']> {
  const info = valueOrNull(await host.run(command('xl-info', {})))
  const running = info?.exit === 0 ? parseXlInfo(info.stdout) : null
  const buildId = valueOrNull(await host.readFile('/sys/hypervisor/properties/buildid'))
  return {
    version: running?.version ?? (await readSysfsXenVersion(host)),
    buildId: buildId === null ? null : parseHypervisorBuildId(buildId),
    commandLine: running?.commandLine ?? null,
  }
}

/** /sys/hypervisor/version/{major,minor,extra}: `4`, `17`, `.4` (Documentation/ABI/stable/sysfs-hypervisor-xen). */
async function readSysfsXenVersion(host: Host): Promise<string | null> {
  const part = (name: string) => readTextOrNull(host, `/sys/hypervisor/version/${name}`)
  const [major, minor, extra] = [await part('major'), await part('minor'), await part('extra')]
  return major === null || minor === null ? null : `${major.trim()}.${minor.trim()}${extra?.trim() ?? ''}`
}
