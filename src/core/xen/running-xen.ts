export type RunningXen = {
  /** e.g. 4.17.4; on Qubes without the RPM release. */
  readonly version: string | null
  /** Byte for byte: it proves what Xen was started with. */
  readonly commandLine: string | null
  readonly compileDate: string | null
}

/**
 * Reads `xl info`.
 *
 * Sample: `xen_version            : 4.17.4` (xl 4.17)
 */
export function parseXlInfo(stdout: string): RunningXen {
  const exact = (name: string): string | null =>
    new RegExp(`(?:^|\\n)${name} *: ([^\\n]*)(?:\\n|$)`).exec(stdout)?.[1] ?? null
  const value = (name: string): string | null => exact(name)?.trim() ?? null
  return {
    version: value('xen_version'),
    commandLine: exact('xen_commandline'),
    compileDate: value('cc_compile_date'),
  }
}

/**
 * The running hypervisor's GNU build id.
 *
 * Linux prints it as hex text on some kernels and hands out the raw bytes on others
 * (drivers/xen/sys-hypervisor.c, buildid_show; the raw form was seen under Debian's 6.1).
 *
 * @returns lower-case hex or null
 */
export function parseHypervisorBuildId(bytes: Uint8Array): string | null {
  const text = Buffer.from(bytes).toString('latin1').trim()
  if (/^([0-9a-f]{2}){8,64}$/i.test(text)) return text.toLowerCase()
  const isRaw = bytes.length === 16 || bytes.length === 20 || bytes.length === 32
  return isRaw ? Buffer.from(bytes).toString('hex') : null
}
