import type { BootEntry } from './boot-entry.ts'
import { listMeasuredFiles, type ModuleRole } from './boot-entry.ts'
import type { MeasuredComponent, MeasuredRole } from './explain-types.ts'
import type { LaunchEvent, LaunchLog } from './launch-log.ts'
import { roleOf } from './match-module.ts'

/**
 * Everything a boot extended, in order, with the file each digest stands for where the entry tells.
 * Kept as the baseline before a restart, and compared with the same list afterwards.
 * @param booted the entry of that boot; without it paths are null and roles go by AEM's load order
 */
export function listComponents(log: LaunchLog, booted: BootEntry | null): MeasuredComponent[] {
  const files = booted === null ? [] : listMeasuredFiles(booted, {})
  return log.events.map((event): MeasuredComponent => {
    const { pcr, digests, origin } = event
    const base = { pcr, digests }
    if (origin.kind === 'module') {
      const file = files[origin.moduleIndex] ?? null
      const logged = log.modules[origin.moduleIndex]?.commandLine ?? null
      const role =
        file?.role ?? roleOf(log.kind === 'trenchboot' ? origin.moduleIndex + 1 : origin.moduleIndex)
      return { ...base, role, path: file?.path ?? null, commandLine: logged ?? file?.commandLine ?? null }
    }
    if (origin.kind === 'mle') return { ...base, ...describeLauncher(log, booted) }
    if (origin.kind === 'mle-entry')
      return { ...base, ...describeLauncher(log, booted), role: 'xen-entry', commandLine: null }
    if (origin.kind === 'command-line') {
      const file = origin.moduleIndex === null ? booted?.launcher : files[origin.moduleIndex]
      return { ...base, role: 'command-line', path: file?.path ?? null, commandLine: null }
    }
    return { ...base, role: originRole(event), path: null, commandLine: null }
  })
}

function describeLauncher(log: LaunchLog, booted: BootEntry | null) {
  const role: ModuleRole = log.kind === 'trenchboot' ? 'xen' : 'mle'
  return { role, path: booted?.launcher?.path ?? null, commandLine: booted?.launcher?.commandLine ?? null }
}

const OWN_ROLES: readonly string[] = ['platform', 'policy', 'boot-info', 'launch-info']

function originRole({ origin }: LaunchEvent): MeasuredRole {
  return OWN_ROLES.includes(origin.kind) ? (origin.kind as MeasuredRole) : 'other'
}
