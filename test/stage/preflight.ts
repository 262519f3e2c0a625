import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'

/** Programs outside the project that the stage needs, and the Debian package each comes from. */
const PROGRAMS: Record<string, string> = {
  swtpm: 'swtpm',
  swtpm_ioctl: 'swtpm-tools',
  swtpm_setup: 'swtpm-tools',
  tpm2_pcrread: 'tpm2-tools',
  tpm_sealdata: 'tpm-tools',
  tcsd: 'trousers',
  rpm: 'rpm',
  rpmbuild: 'rpm',
  rpmsign: 'rpm',
  gpg: 'gnupg',
  cryptsetup: 'cryptsetup-bin',
  'mkfs.ext4': 'e2fsprogs',
  'grub-emu': 'grub-emu',
  lcp2_mlehash: 'tboot',
  cc: 'gcc',
  socat: 'socat',
  xxd: 'xxd',
  openssl: 'openssl',
  killall: 'psmisc',
  ss: 'iproute2',
  sudo: 'sudo',
  unshare: 'util-linux',
}

const FILES: Record<string, string> = {
  '/usr/include/tss2/tss2_tcti_swtpm.h': 'libtss2-dev',
  '/boot/tboot.gz': 'tboot',
}

/** Xen's real image as Debian ships it; any 4.x does, its release number plays no part. */
export function debianXenImage(): string | undefined {
  const name = existsSync('/boot')
    ? readdirSync('/boot').find((file) => /^xen-4\..*\.gz$/.test(file))
    : undefined
  return name && path.join('/boot', name)
}

/**
 * Names everything that is missing at once, with the way to get it. Nothing is skipped in silence.
 * @throws Error when a real part is missing, or the process is not root
 */
export function requireRealParts(): void {
  if (process.getuid?.() !== 0) throw new Error('the stage needs root: namespaces, loop devices, mounts')
  const folders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/bin']
  const missing = new Set<string>()
  for (const [program, pkg] of Object.entries(PROGRAMS))
    if (!folders.some((folder) => existsSync(path.join(folder, program)))) missing.add(pkg)
  for (const [file, pkg] of Object.entries(FILES)) if (!existsSync(file)) missing.add(pkg)
  if (!debianXenImage()) missing.add('xen-hypervisor-4.17-amd64')
  if (missing.size > 0)
    throw new Error(`missing real parts; next: apt-get install ${[...missing].sort().join(' ')}`)
}
