/* Long: a table, a row a path. */

import { dirname } from 'node:path'

/*
 * Every file this program may ever open, outside of what the user names on the command line. The real host
 * refuses any other path. `{name}` stands for one path segment, `{rest}` for what is left of the path.
 * `{state}` is the state directory, `{media}` the place where an AEM device is mounted.
 */

/** What may be done to a file; writing implies reading. */
export type PathAccess = 'read' | 'write'

type PathRow = {
  readonly pattern: string
  readonly access: PathAccess
  /** Contents that never go into a recorded machine or a report. */
  readonly secret?: true
  readonly why: string
}

/** The opt-in drop-in of anti-evil-maid-seal.service. */
export const HOLD_DROP_IN = '/etc/systemd/system/anti-evil-maid-seal.service.d/50-aem-reseal-hold.conf'

/** Where the program may lie that systemd runs in early boot: /usr is there, and only root writes to it. */
export const PROGRAM_PLACES: readonly string[] = [
  '/usr/lib/aem-reseal/aem-reseal.mjs',
  '/usr/local/lib/aem-reseal/aem-reseal.mjs',
]

/** AEM's own configuration: which PCRs it seals to. */
export const AEM_CONFIGURATION = '/etc/anti-evil-maid.conf'

/** Fingerprints of further package signers. */
export const TRUSTED_KEYS_FILE = '/etc/aem-reseal/trusted-keys'

/** What the package's file triggers leave when measured files are updated (packaging/scriptlets). */
export const UPDATE_MARK = '/var/spool/aem-reseal/update-mark'

/** The program as Node compiled it, which the package's launcher keeps (packaging/launch.cjs). */
export const COMPILE_CACHE = '/var/cache/aem-reseal'

/**
 * The directory whose files are believed as they are, so that nobody but root and the user who runs this may have written
 * them; null where the path is below none.
 */
export function believedRootOf(path: string, stateDir: string): string | null {
  const roots = [stateDir, dirname(TRUSTED_KEYS_FILE), dirname(HOLD_DROP_IN), dirname(UPDATE_MARK)]
  return roots.find((root) => path === root || path.startsWith(`${root}/`)) ?? null
}

/** Every directory on the way to a file, from / on, and the file. */
export function listWay(path: string): readonly string[] {
  const names = path.split('/').slice(1)
  return ['/', ...names.map((_, at) => `/${names.slice(0, at + 1).join('/')}`)]
}

/** Xen's console as xenconsoled keeps it over the boots (XENCONSOLED_TRACE=hv, xencommons). */
export const HYPERVISOR_LOG = '/var/log/xen/console/hypervisor.log'

export const PATHS: readonly PathRow[] = [
  { pattern: '/etc/qubes-release', access: 'read', why: 'the Qubes release' },
  { pattern: AEM_CONFIGURATION, access: 'read', why: 'the PCR selection (SEAL)' },
  { pattern: TRUSTED_KEYS_FILE, access: 'read', why: 'fingerprints of further package signers' },
  {
    pattern: '/etc/grub.d/{name}',
    access: 'read',
    why: 'which flavour of AEM is set up (tboot or TrenchBoot)',
  },
  {
    pattern: '/usr/sbin/anti-evil-maid-seal',
    access: 'read',
    why: 'is AEM there where the RPM database cannot tell',
  },
  {
    pattern: '/lib/modules/{release}/modules.dep',
    access: 'read',
    why: 'an initramfs made again: which kernel modules dom0 has for its kernel',
  },
  ...['/etc/dracut.conf', '/etc/dracut.conf.d', '/usr/lib/dracut/dracut.conf.d'].map(
    (pattern): PathRow => ({
      pattern,
      access: 'read',
      why: 'the same: does dracut as it is configured make the same image twice',
    }),
  ),
  ...['/etc/dracut.conf.d/{name}', '/usr/lib/dracut/dracut.conf.d/{name}'].map(
    (pattern): PathRow => ({ pattern, access: 'read', why: 'the same, file by file' }),
  ),
  { pattern: '/var/tmp', access: 'read', why: 'free space for dracut, which works there' },
  { pattern: '/proc/cmdline', access: 'read', why: 'booted with AEM (aem.uuid), LUKS devices' },
  { pattern: HYPERVISOR_LOG, access: 'read', why: "where TrenchBoot's event log lies, if xl dmesg lost it" },
  {
    pattern: '/proc/mounts',
    access: 'read',
    why: 'is an AEM device mounted read-only; has AEM its stick mounted',
  },
  { pattern: '/proc/stat', access: 'read', why: 'time of this boot (btime)' },
  { pattern: '/proc/sys/kernel/random/boot_id', access: 'read', why: 'tells one boot from the next' },
  { pattern: '/proc/sys/kernel/osrelease', access: 'read', why: 'the running kernel' },
  { pattern: '/sys/hypervisor/properties/buildid', access: 'read', why: 'GNU build id of the running Xen' },
  { pattern: '/sys/hypervisor/version/{name}', access: 'read', why: 'version of the running Xen' },
  { pattern: '/sys/firmware/efi', access: 'read', why: 'GRUB platform: pc or efi' },
  { pattern: '/sys/class/tpm/tpm0/{rest}', access: 'read', why: 'TPM version and PCR values' },
  { pattern: '/sys/class/tpm/tpm0', access: 'read', why: 'is there a TPM' },
  { pattern: '/run/anti-evil-maid', access: 'read', why: 'did AEM run in this boot' },
  { pattern: '/run/anti-evil-maid/suffix', access: 'read', why: 'the device this boot came from' },
  {
    pattern: '/run/anti-evil-maid/unseal-success',
    access: 'read',
    why: 'did the token unseal (proves little)',
  },
  {
    pattern: '/run/anti-evil-maid/srk-password',
    access: 'read',
    secret: true,
    why: 'the SRK password of this boot (empty: none), handed on to the TPM tools and nowhere else',
  },
  { pattern: '/var/lib/anti-evil-maid', access: 'read', why: 'the AEM devices known to dom0' },
  { pattern: '/var/lib/anti-evil-maid/{label}', access: 'read', why: 'the files kept for one AEM device' },
  {
    pattern: '/var/lib/anti-evil-maid/{label}/tpm-freshness-slot',
    access: 'write',
    why: 'its freshness slot; written only on request, where two devices have the same',
  },
  {
    pattern: '/var/lib/anti-evil-maid/{label}/{name}',
    access: 'read',
    secret: true,
    why: 'existence and time of secret.*; contents only to compare a hash in memory',
  },
  { pattern: '/var/lib/tpm', access: 'read', why: 'link to the directory of the TPM in use' },
  { pattern: '/var/lib/tpms/{id}/{label}', access: 'read', why: 'the sealed files of one AEM device' },
  {
    pattern: '/var/lib/tpms/{id}/{label}/key.pcrs',
    access: 'read',
    why: 'the PCR selection that was sealed to',
  },
  {
    pattern: '/var/lib/tpms/{id}/{label}/{name}',
    access: 'read',
    secret: true,
    why: "digests of the sealed files, compared with the device's copy",
  },
  {
    pattern: '/var/lib/tpms/{id}/aem-reseal_{label}',
    access: 'write',
    why: "forward seal: the other copy of a device's sealed files; AEM allows no _ in a label, so it is no device's",
  },
  {
    pattern: '/var/lib/tpms/{id}/aem-reseal_{label}/{name}',
    access: 'write',
    secret: true,
    why: 'forward seal: the new sealed files before the switch, the old ones after it',
  },
  { pattern: '/var/lib/tpms', access: 'read', why: 'free space for a forward seal' },
  {
    pattern: '/dev/disk/by-uuid/{name}',
    access: 'read',
    why: 'is an AEM device plugged in, and was its file system closed cleanly (superblock)',
  },
  { pattern: '/boot', access: 'read', why: 'which boot files there are' },
  { pattern: '/boot/aem/tpms/{id}/{label}/key.pcrs', access: 'read', why: 'its PCR selection' },
  {
    pattern: '/boot/aem/tpms/{id}/{label}/{name}',
    access: 'read',
    secret: true,
    why: 'digests of the sealed files where the AEM device is mounted at /boot',
  },
  { pattern: '/boot/{rest}', access: 'read', why: 'boot files: digests, build id, GRUB configuration' },
  { pattern: '{media}', access: 'read', why: 'which boot files are on an AEM device' },
  { pattern: '{media}/aem/tpms', access: 'read', why: 'sealed files on an AEM device' },
  { pattern: '{media}/aem/tpms/{id}/{label}', access: 'read', why: 'sealed files on an AEM device' },
  { pattern: '{media}/aem/tpms/{id}/{label}/key.pcrs', access: 'read', why: 'its PCR selection' },
  {
    pattern: '{media}/aem/tpms/{id}/{label}/{name}',
    access: 'read',
    secret: true,
    why: "digests of the device's own sealed files",
  },
  { pattern: '{media}/aem', access: 'read', why: 'is it a directory and no link' },
  { pattern: '{media}/aem/tpms/{id}', access: 'read', why: 'is it a directory and no link' },
  {
    pattern: '{media}/aem/tpms/{id}/aem-reseal_{label}',
    access: 'write',
    why: "forward seal: the other copy of a device's sealed files; AEM's next seal removes it with all of aem/tpms",
  },
  {
    pattern: '{media}/aem/tpms/{id}/aem-reseal_{label}/{name}',
    access: 'write',
    secret: true,
    why: 'forward seal: the new sealed files before the switch, the old ones after it',
  },
  ...['tboot.gz', 'xen-{name}', 'vmlinuz-{name}', 'config-{name}', 'initramfs-{name}'].map(
    (file): PathRow => ({
      pattern: `{media}/${file}`,
      access: 'write',
      why: "a device's own boot files, where it is brought up to date on request",
    }),
  ),
  ...['grub2/aem-reseal-grub.cfg', 'grub2/grub.cfg'].map(
    (file): PathRow => ({
      pattern: `{media}/${file}`,
      access: 'write',
      why: 'the same: its grub.cfg, made beside the old one and renamed over it',
    }),
  ),
  { pattern: '{media}/{rest}', access: 'read', why: "the device's own xen, kernel, initramfs, grub.cfg" },
  {
    pattern: '/run/aem-reseal/{process}/{work}/{name}',
    access: 'write',
    secret: true,
    why: 'files of tools that only write files; of a run that was killed, the next one removes them',
  },
  {
    pattern: '/etc/systemd/system/anti-evil-maid-seal.service.d',
    access: 'write',
    why: "drop-ins of AEM's seal unit",
  },
  {
    pattern: UPDATE_MARK,
    access: 'write',
    why: 'which measured files were updated, left by the file triggers of the package; what an approved boot accounts for is taken out',
  },
  { pattern: HOLD_DROP_IN, access: 'write', why: "the drop-in that holds AEM's automatic seal" },
  ...[...new Set(PROGRAM_PLACES.flatMap(listWay))].map(
    (pattern): PathRow => ({
      pattern,
      access: 'read',
      why: 'can only root change the program of the drop-in',
    }),
  ),
  { pattern: '{state}', access: 'write', why: 'session, note of the gate, reports (0700)' },
  { pattern: '{state}/{rest}', access: 'write', why: 'session, reports (0600)' },
]

export type PathPlaces = { readonly stateDir: string; readonly mediaRoots: readonly string[] }

export const DEFAULT_STATE_DIR = '/var/lib/aem-reseal'
/** Own files of one run, gone with it. */
export const WORK_ROOT = '/run/aem-reseal'
/** Opened by src/host/pcr-relay.ts alone, for TPM 1.2 commands of tcsd; the host's file functions refuse it. */
export const TPM_DEVICE = '/dev/tpm0'
/** Opened by src/host/socket-owner.ts alone: who is at the other end of tcsd's port and of the relay. */
export const SOCKET_TABLE = '/proc/net/tcp'
export const USER_TABLE = '/etc/passwd'
export const MEDIA_ROOT = '/run/aem-reseal/media'

/** Where an AEM device that is not mounted is mounted for a look. @param uuid checked by isUuid */
export function mediaMountPoint(uuid: string): string {
  return `${MEDIA_ROOT}/${uuid}`
}

/** The UUID, when the path is on a device mounted for a look. */
export function mediaUuidOf(path: string): { uuid: string; rest: string } | null {
  const match = new RegExp(`^${MEDIA_ROOT}/([^/]+)(/.*)?$`).exec(path)
  return match?.[1] ? { uuid: match[1], rest: match[2] ?? '' } : null
}

/** May this path be opened so? Writing implies reading. */
export function pathAllowed(path: string, access: PathAccess, places: PathPlaces): boolean {
  return rowsOf(path, places).some((row) => access === 'read' || row.access === 'write')
}

const SEALED_FILE = /\/(secret\.[a-z0-9.]+|key\.(pub|priv)|srk-password)$/

/** Must its contents stay out of recorded machines and reports? */
export function isSecretPath(path: string, places: PathPlaces): boolean {
  // An AEM device can be mounted anywhere: its sealed files are known by their names alone.
  if (SEALED_FILE.test(path)) return true
  const [first] = rowsOf(path, places)
  return first?.secret === true
}

const PLAIN_SECRET = /^\/var\/lib\/anti-evil-maid\/[^/]+\/(?!tpm-freshness-slot$)[^/]+$|\/srk-password$/

/** Must even its digest and size stay out of a recorded machine? A sentence can be guessed, and a digest confirms the guess. */
export function isPlainSecretPath(path: string): boolean {
  return PLAIN_SECRET.test(path)
}

function rowsOf(path: string, places: PathPlaces): readonly PathRow[] {
  if (!path.startsWith('/') || /(^|\/)\.\.(\/|$)|\0/.test(path)) return []
  return PATHS.filter((row) => expandPattern(row.pattern, places).some((pattern) => pattern.test(path)))
}

function expandPattern(pattern: string, places: PathPlaces): readonly RegExp[] {
  if (pattern.startsWith('{state}')) return [toRegExp(places.stateDir, pattern.slice('{state}'.length))]
  if (!pattern.startsWith('{media}')) return [toRegExp('', pattern)]
  return [...places.mediaRoots, `${MEDIA_ROOT}/*`].map((root) =>
    toRegExp(root, pattern.slice('{media}'.length)),
  )
}

/** Each path that is opened is compared with every row: a pattern is made once. */
const MADE = new Map<string, RegExp>()

function toRegExp(root: string, pattern: string): RegExp {
  const key = `${root}\0${pattern}`
  const made = MADE.get(key) ?? makeRegExp(root, pattern)
  MADE.set(key, made)
  return made
}

function makeRegExp(root: string, pattern: string): RegExp {
  const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const rootSource = quote(root).replace('\\*', '[^/]+')
  const rest = pattern
    .split(/(\{[a-z]+\})/)
    .map((part) => (part === '{rest}' ? '.+' : part.startsWith('{') ? '[^/]+' : quote(part)))
    .join('')
  return new RegExp(`^${rootSource}${rest}$`)
}
