/** What tells who started this process. */
export type Caller = {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly pid: number
  readonly parentPid: number
}

/** Process number of the service manager. */
const MANAGER_PID = 1

/**
 * Did systemd itself start this process for a unit, or something below it? systemd 248 and newer say so: SYSTEMD_EXEC_PID is
 * the process they started, and every child of that inherits another one than its own (systemd.exec(5), Environment
 * variables in spawned processes). Older ones set INVOCATION_ID alone, which a login shell inherits as well; there the parent
 * must be the manager.
 */
export function isAskedBySystemd({ environment, pid, parentPid }: Caller): boolean {
  const { SYSTEMD_EXEC_PID: started, INVOCATION_ID: invocation } = environment
  if (started !== undefined) return started === String(pid)
  return /^[0-9a-f]{32}$/.test(invocation ?? '') && parentPid === MANAGER_PID
}
