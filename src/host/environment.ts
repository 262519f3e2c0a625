/**
 * The environment of every program this one runs: built from nothing, so that no NODE_*, LD_*, TPM2TOOLS_*,
 * TSS_*, or GNUPGHOME of the caller reaches a tool that runs as root.
 */
export function guestEnvironment(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const environment: Record<string, string> = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
  if (own.HOME) environment.HOME = own.HOME
  if (own.TZ) environment.TZ = own.TZ
  return environment
}
