import { compareVersions, demandMet, parseEvr } from '../package/evr.ts'
import type { Component, Restart } from './bulletin.ts'
import type { MetDemand } from './demand.ts'
import { isDom0Kernel } from './rpm-names.ts'
import { judgeVersion } from './series.ts'

/** What runs now, as far as it is known; null for what is not. */
export type RunningSystem = {
  /** Unix seconds, `btime` of /proc/stat. */
  readonly bootTime: number | null
  readonly xen: {
    /** `4.17.4` of `xl info`: without the release, so 4.17.4-3 and 4.17.4-4 look alike. */
    readonly version: string | null
    /** GNU build id of the running hypervisor, hex. */
    readonly buildId: string | null
    /** GNU build id of the hypervisor that is installed and would be booted next, hex. */
    readonly installedBuildId: string | null
  }
  /** `uname -r`: `6.1.43-1.qubes.fc37.x86_64`. */
  readonly kernelRelease: string | null
}

/** Components that take effect with the next start of the machine only, whatever the bulletin says about restarts. */
const NEEDS_REBOOT: ReadonlySet<Component> = new Set([
  'xen',
  'kernel',
  'microcode',
  'firmware',
  'initramfs-tool',
])

const isVmKernel = (name: string): boolean => name.endsWith('-qubes-vm')

/**
 * By time: something that meets the demand was there when the machine started: no. Otherwise the
 * packages came later: yes if they are exactly the version asked for; if they are newer, an older one
 * that met the demand as well may have been replaced: unknown.
 */
const dueByTime = (demand: MetDemand, bootTime: number | null): boolean | null => {
  const times = demand.satisfying.map(({ installTime }) => installTime)
  if (bootTime === null || times.length === 0) return null
  if (times.some((time) => time !== null && time <= bootTime)) return false
  if (times.some((time) => time === null)) return null
  return demand.satisfying.every(({ evr }) => isVeryVersion(evr, demand.wanted)) ? true : null
}

/** `2001:4.17.4-4.fc37` is exactly `4.17.4-4`: same version, and the release goes on with the dist tag only. */
const isVeryVersion = (installed: string, wanted: string): boolean => {
  const [has, wants] = [parseEvr(installed), parseEvr(wanted)]
  if (compareVersions(has.version, wants.version) !== 0) return false
  const release = wants.release
  return release === null || has.release === release || (has.release ?? '').startsWith(`${release}.`)
}

/**
 * The running Xen tells more than times: its build id against the installed one, its version against
 * the wanted one. Equal build ids mean that the installed build runs.
 */
const dueForXen = (demand: MetDemand, running: RunningSystem): boolean | null => {
  const { version, buildId, installedBuildId } = running.xen
  if (buildId !== null && installedBuildId !== null && buildId === installedBuildId) return false
  // Up to Qubes 4.0 `xl info` printed the release as well.
  if (version?.includes('-')) return !demandMet(version, demand.wanted)
  if (version !== null) {
    const order = compareVersions(version, parseEvr(demand.wanted).version)
    if (order !== 0) return order < 0
  }
  const byTime = dueByTime(demand, running.bootTime)
  const differs = buildId !== null && installedBuildId !== null
  // Installed before the start, yet another build runs: the machine booted an older copy.
  if (differs && byTime === false) return true
  return byTime
}

const dueForKernel = (demand: MetDemand, running: RunningSystem): boolean | null => {
  if (running.kernelRelease === null) return dueByTime(demand, running.bootTime)
  const evr = running.kernelRelease.replace(/\.(?:x86_64|i686)$/, '')
  const { met } = judgeVersion(evr, demand.versions, demand.later)
  return met === null ? null : !met
}

const dueFor = (demand: MetDemand, running: RunningSystem): boolean | null => {
  if (demand.component === 'xen') return dueForXen(demand, running)
  if (isDom0Kernel(demand.name)) return dueForKernel(demand, running)
  return dueByTime(demand, running.bootTime)
}

/** A session or a qube can be restarted without the machine: later packages only mean that it may be due. */
const onlyPerhaps = (due: boolean | null): boolean | null => (due === true ? null : due)

/**
 * Whether a restart that a bulletin needs has not happened yet.
 *
 * Xen, dom0's kernel, microcode, firmware and what builds the initramfs take effect with the next start of the machine, also
 * where the bulletin has no restart sentence (22, 24, 25, 48, 52, 54). For a session or qubes null stands for "may be due":
 * their own restarts are not seen here.
 * @param restart The bulletin's word.
 * @param satisfied What is installed and meets the bulletin, from decideDemands; only for a bulletin that is met.
 * @returns true, false, or null where it could not be determined.
 */
export const decideRestartDue = (
  restart: Restart,
  satisfied: readonly MetDemand[],
  running: RunningSystem,
): boolean | null => {
  if (restart === 'none' || restart === 'reinstall-templates') return false
  const due = satisfied.map((demand) => {
    const isReboot = NEEDS_REBOOT.has(demand.component) && !isVmKernel(demand.name)
    if (restart === 'unstated' && !isReboot) return false
    const answer = dueFor(demand, running)
    return restart === 'dom0' || (restart === 'unstated' && isReboot) ? answer : onlyPerhaps(answer)
  })
  if (due.includes(true)) return true
  return due.includes(null) ? null : false
}
