import * as z from 'zod'
import { signaturePlan } from '../core/bulletin/gpg-calls.ts'
import { RPM_NAME } from '../core/package/rpm.ts'
import { RPM_FILES_FORMAT, RPM_QUERY_FORMAT } from '../core/package/rpm-format.ts'

// Each schema is used once or twice in a run: compiling one costs more than it saves, and makes code from text.
z.config({ jitless: true })

/*
 * Every program this one may ever run. Nothing else spawns: the host takes a CommandCall, and only
 * `command()` below makes one. `aem-reseal commands` and docs/commands.md are rendered from this table.
 */

const rpmName = z.string().regex(RPM_NAME)
/** Names with a comma between them, which no name has. */
const rpmNames = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+._-]{0,99}(,[A-Za-z0-9][A-Za-z0-9+._-]{0,99})*$/)
const absolutePath = z.string().regex(/^\/[^\0\n]{0,1023}$/)
const uuid = z.string().regex(/^[0-9A-Fa-f-]{4,36}$/)
const unit = z.string().regex(/^[A-Za-z0-9@._-]{1,100}\.(service|target)$/)
const suffix = z.string().regex(/^[0-9a-zA-Z=.-]{0,13}$/)
const kernelRelease = z.string().regex(/^[0-9][A-Za-z0-9+._-]{0,99}$/)
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+._-]{0,99}$/)
const minutes = z.string().regex(/^[0-9]{1,4}$/)
const pcrList = z.string().regex(/^[0-9]{1,2}(,[0-9]{1,2})*$/)
const selection = z.string().regex(/^sha256:[0-9]{1,2}(,[0-9]{1,2})*$/)
const clockTime = z.string().regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/)

type Row = {
  /** Absolute path of the program. */
  readonly program: string
  /** `{name}` stands for a parameter. */
  readonly args: readonly string[]
  readonly params: z.ZodObject
  readonly asRoot: boolean
  readonly effect: 'read' | 'write'
  readonly timeoutMs: number
  readonly maxOutputBytes: number
  /** A parameter that is a comma list: its argument and the option before it stand there once for each item. */
  readonly repeat?: string
  /** A parameter that is a comma list: an argument for each item. */
  readonly list?: string
  /** What it finds in its environment beyond PATH, LC_ALL, HOME and TZ; `{name}` stands for a parameter. */
  readonly environment?: Readonly<Record<string, string>>
  /** Where its files must have modes that all may read: this program's own umask is 077. Octal, e.g. 0o022. */
  readonly umask?: number
  /** Standard output is bytes, not text. */
  readonly binary?: true
  /** Standard output is a secret: never recorded, never shown. */
  readonly secret?: true
  readonly why: string
  readonly source: string
  /** A real answer, shortened; the version of the tool that printed it. */
  readonly sample: string
}

/**
 * dracut with the words that a checked image was made with, into a private file (core/initramfs/words.ts). It looks at the same
 * mounts, devices and settings of this machine as it does when a package calls it.
 * @param words its options in their order; the file is a bare argument, and the kernel where --kver does not name it
 */
function reproduceInitramfs<const A extends readonly string[]>(args: A, words: string) {
  return {
    program: '/usr/bin/dracut',
    args,
    params: z.object({ file: absolutePath, kernel: kernelRelease, modules: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 900 * SECOND,
    maxOutputBytes: 4096 * KIB,
    // Modes in the image follow the umask, and RPM's scripts and the installer run with this one.
    umask: 0o022,
    environment: { DRACUT_KERNEL_MODALIASES: '{modules}' },
    why: `makes an initramfs again with the words ${words}, to compare it byte for byte; nothing but the private file is written`,
    source:
      'dracut(8); 057, dracut.sh, line 552 (words) and dracut-init.sh, line 229: a file of DRACUT_KERNEL_MODALIASES that is not there is made by dracut itself, from the modules that are loaded',
    sample: '(no output)   (dracut 057)',
  } as const satisfies Row
}

/** Unpacks standard input to standard output as nobody, who may open no file of root and gains no rights. */
function unpackAsNobody<const A extends readonly string[]>(program: string, args: A, source: string) {
  return {
    program: '/usr/bin/setpriv',
    args: [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      '--no-new-privs',
      '--inh-caps=-all',
      '--bounding-set=-all',
      '--',
      program,
      ...args,
    ],
    params: none,
    asRoot: true,
    effect: 'read',
    timeoutMs: 300 * SECOND,
    maxOutputBytes: 64 * KIB,
    binary: true,
    why: 'unpacks an initramfs that is compared with one made now; its output is streamed, not kept',
    source: `setpriv(1); ${source}`,
    sample: '070701000002D1000041ED...   (binary, util-linux 2.38)',
  } as const satisfies Row
}

/** gpg's argv stand beside the readers of its answers; here they get their parameters. */
const GPG_PLAN = signaturePlan('{home}', ['{keys}'], '{text}', ['{signature}'])
const none = z.object({})
const SECOND = 1000
/** AEM's seal ends only when an external stick was unplugged, which is up to a person; systemd has limits of its own. */
const SEAL_PATIENCE_MS = 3600 * SECOND
const KIB = 1024

export const COMMANDS = {
  'become-root': {
    program: '/usr/bin/sudo',
    args: ['-n', '--', '{node}', '{program}', '{arguments}'],
    params: z.object({ node: absolutePath, program: absolutePath, arguments: z.string() }),
    asRoot: false,
    effect: 'write',
    timeoutMs: 24 * 3600 * SECOND,
    maxOutputBytes: 0,
    why: 'runs this program once more as root, with the same arguments and this terminal; only src/host/become-root.ts does',
    source: 'sudo(8) -n; in dom0 sudo asks for no password',
    sample: 'sudo: a password is required\n   (exit 1, sudo 1.9)',
  },
  'rpm-query': {
    program: '/usr/bin/rpm',
    args: ['-q', '--qf', RPM_QUERY_FORMAT, '{names}'],
    params: z.object({ names: rpmNames }),
    list: 'names',
    asRoot: false,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 256 * KIB,
    why: 'which versions of the measured packages are installed, since when, with whose signature',
    source: 'rpm(8) --queryformat; one line each: name, epoch:version-release, arch, install time, signature',
    sample:
      'xen-hypervisor\\t2001:4.17.4-4.fc37\\tx86_64\\t1721174400\\tRSA/SHA256, Tue Jul 16 12:00:00 2024, Key ID e022e58f8e34d89f\\n   (rpm 4.18)',
  },
  'rpm-verify': {
    program: '/usr/bin/rpm',
    args: ['-V', '{name}'],
    params: z.object({ name: rpmName }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 120 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: "whether a package's files are what the package brought",
    source: 'rpm(8) VERIFY OPTIONS: no output and exit 0 when nothing differs',
    sample: 'S.5....T.    /boot/xen-4.17.4.gz\\n   (exit 1, rpm 4.18)',
  },
  'rpm-signature': {
    program: '/usr/bin/rpm',
    args: ['-qvv', '{name}'],
    params: z.object({ name: rpmName }),
    asRoot: false,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 4096 * KIB,
    why: "whether the installed package's header signature verifies with a key of the RPM keyring",
    source: 'rpm -V checks no signature; -qvv prints "Header V4 ...: OK" or "NOKEY" on standard error',
    sample:
      'D:  read h#       7\\nHeader V4 RSA/SHA256 Signature, key ID 8e34d89f: OK\\n...   (standard error, rpm 4.18)',
  },
  'rpm-files': {
    program: '/usr/bin/rpm',
    args: ['-q', '--qf', RPM_FILES_FORMAT, '{name}'],
    params: z.object({ name: rpmName }),
    asRoot: false,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 32 * 1024 * KIB,
    why: 'which boot files a package owns and their SHA-256 in the RPM database',
    source: 'rpm(8) --queryformat arrays; one line a file: name, epoch:version-release, path, digest',
    sample: 'xen-hypervisor\\t2001:4.17.4-4.fc37\\t/boot/xen-4.17.4.gz\\t0d7e8c...\\n   (rpm 4.18)',
  },
  'rpm-owner': {
    program: '/usr/bin/rpm',
    args: ['-q', '--qf', RPM_QUERY_FORMAT, '-f', '{path}'],
    params: z.object({ path: absolutePath }),
    asRoot: false,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 256 * KIB,
    why: 'which package a measured boot file belongs to',
    source: 'rpm(8) -qf, with the format of rpm-query',
    sample:
      'xen-hypervisor\\t2001:4.17.4-4.fc37\\tx86_64\\t1721174400\\tRSA/SHA256, ..., Key ID e022e58f8e34d89f\\n   (rpm 4.18)',
  },
  'xl-dmesg': {
    program: '/usr/sbin/xl',
    args: ['dmesg'],
    params: none,
    asRoot: true,
    effect: 'read',
    timeoutMs: 20 * SECOND,
    maxOutputBytes: 2048 * KIB,
    why: "where TrenchBoot's event log lies in memory",
    source: 'TrenchBoot/xen aem-4.17.4, xen/arch/x86/slaunch.c',
    sample: '(XEN) SLAUNCH: reserving event log (0x7fe30000 - 0x7fe38000)\\n   (Xen 4.17)',
  },
  'memory-read': {
    program: '/usr/bin/dd',
    args: [
      'if=/dev/mem',
      'iflag=skip_bytes,count_bytes',
      'skip={address}',
      'count={sizeBytes}',
      'bs=65536',
      'status=none',
    ],
    params: z.object({
      address: z.string().regex(/^[0-9]{1,16}$/),
      sizeBytes: z.string().regex(/^[0-9]{1,8}$/),
    }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 20 * SECOND,
    maxOutputBytes: 16 * 1024 * KIB,
    binary: true,
    why: "TrenchBoot's event log, at the place Xen reserved for it",
    source: 'dd(1); the log is TCG crypto-agile (TPM 2.0) or a TXT event container (TPM 1.2)',
    sample: '(bytes)   (coreutils 9.1)',
  },
  'xl-info': {
    program: '/usr/sbin/xl',
    args: ['info'],
    params: none,
    asRoot: true,
    effect: 'read',
    timeoutMs: 20 * SECOND,
    maxOutputBytes: 256 * KIB,
    why: 'the version, compile date and command line of the running Xen',
    source: 'xl(1) info',
    sample:
      'xen_version            : 4.17.4\\nxen_commandline        : placeholder console=none ...\\n   (xl 4.17)',
  },
  lsblk: {
    program: '/usr/bin/lsblk',
    args: [
      '--json',
      '--bytes',
      '--paths',
      '--list',
      '--output',
      'NAME,TYPE,FSTYPE,LABEL,UUID,MOUNTPOINT,RM,RO,SIZE',
    ],
    params: none,
    asRoot: false,
    effect: 'read',
    timeoutMs: 20 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: 'AEM devices by label and UUID: present, mounted where, removable, read-only',
    source: 'lsblk(8), util-linux 2.35 or newer',
    sample:
      '{"blockdevices": [{"name":"/dev/sda1","type":"part","fstype":"ext4","label":"aem","uuid":"6d2f...","mountpoint":"/boot","rm":false,"ro":false,"size":1073741824}]}\\n   (util-linux 2.38)',
  },
  'aem-journal': {
    program: '/usr/bin/journalctl',
    args: [
      '--boot',
      '--no-pager',
      '--quiet',
      '--output=short-iso',
      '--unit=anti-evil-maid-unseal.service',
      '--unit=anti-evil-maid-seal.service',
    ],
    params: none,
    asRoot: true,
    effect: 'read',
    // half of the gate's limit: where the journal does not answer, the session may still
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 4096 * KIB,
    why: 'what AEM said in this boot (with plymouth on, only part of it)',
    source: 'journalctl(1); wording: anti-evil-maid 4.2.0',
    sample:
      '2024-07-17T09:00:05+0200 dom0 anti-evil-maid-unseal[412]: anti-evil-maid-unseal: Freshness token unsealed.\\n   (systemd 251)',
  },
  'unit-show': {
    program: '/usr/bin/systemctl',
    args: [
      'show',
      '--property=LoadState,ActiveState,SubState,Result,ConditionResult,ExecMainStatus,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic,DropInPaths',
      '{unit}',
    ],
    params: z.object({ unit }),
    asRoot: false,
    effect: 'read',
    timeoutMs: 20 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'whether the seal unit ran in this boot and how it ended',
    source: 'systemctl(1) show; times in microseconds since boot, 0 when it did not run',
    sample:
      'LoadState=loaded\\nActiveState=inactive\\nSubState=dead\\nResult=success\\nConditionResult=yes\\nExecMainStatus=0\\nExecMainStartTimestampMonotonic=14011023\\n...   (systemd 251)',
  },
  'running-qubes': {
    program: '/usr/bin/qvm-ls',
    args: ['--running', '--raw-list', '--fields', 'name'],
    params: none,
    asRoot: false,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 256 * KIB,
    why: 'to name the qubes whose unsaved work a restart would end',
    source: 'qvm-ls(1), Qubes 4.1 to 4.3',
    sample: 'dom0\\nsys-net\\nwork\\n   (Qubes 4.2)',
  },
  'pcr-read': {
    program: '/usr/bin/tpm2_pcrread',
    args: ['-T', 'device:/dev/tpm0', 'sha1:all+sha256:all'],
    params: none,
    asRoot: true,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'PCR values where the kernel does not offer them under /sys',
    source: 'tpm2_pcrread(1), tpm2-tools 5',
    sample: '  sha256:\\n    0 : 0x0000...\\n    17: 0x8A31...\\n   (tpm2-tools 5.4)',
  },
  'pcr-list': {
    program: '/usr/bin/tpm2_pcrlist',
    args: [],
    params: none,
    asRoot: true,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'PCR values where tpm2_pcrread is not there: its forerunner, as older reports have it',
    source: 'tpm2_pcrlist(1), tpm2-tools 2 and 3',
    sample: 'sha256 :\\n  0  : 0000...\\n  17 : 8a31...\\n   (tpm2-tools 3.0)',
  },
  'launch-log': {
    program: '/usr/sbin/txt-stat',
    args: [],
    params: none,
    asRoot: true,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: "tboot's log of the measured launch",
    source: 'txt-stat(8), tboot 1.7 to 1.10',
    sample: 'Intel(r) TXT Configuration Registers:\\n...\\n TXT measured launch: TRUE\\n...   (tboot 1.10)',
  },
  'gpg-import': {
    program: '/usr/bin/gpg',
    args: GPG_PLAN.importKeys.argv.slice(1),
    params: z.object({ home: absolutePath, keys: absolutePath }),
    asRoot: false,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: 'puts the given keys into a key ring of its own, in a work directory',
    source: 'gpg(1), GnuPG 2.2; doc/DETAILS for the status lines',
    sample: '[GNUPG:] IMPORT_OK 1 427F11FD0FAA4B080123F01CDDFA1A3E36879494\\n   (GnuPG 2.2.40)',
  },
  'gpg-certifications': {
    program: '/usr/bin/gpg',
    args: GPG_PLAN.checkCertifications.argv.slice(1),
    params: z.object({ home: absolutePath }),
    asRoot: false,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 4096 * KIB,
    why: 'which keys the Qubes Master Signing Key vouches for',
    source: 'gpg(1) --check-signatures --with-colons',
    sample:
      'sig:!::1:DDFA1A3E36879494:1270062498::::Qubes Master Signing Key:13x::427F...:::8:\\n   (GnuPG 2.2.40)',
  },
  'gpg-verify': {
    program: '/usr/bin/gpg',
    args: GPG_PLAN.verify[0]?.argv.slice(1) ?? [],
    params: z.object({ home: absolutePath, signature: absolutePath, text: absolutePath }),
    asRoot: false,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: 'who signed a bulletin',
    source: 'gpg(1) --verify --status-fd',
    sample: '[GNUPG:] VALIDSIG 2D1771FE4D767EDC76B089FAD655A4F21830E06A 2024-07-16 ...\\n   (GnuPG 2.2.40)',
  },
  'pci-devices': {
    program: '/usr/bin/qvm-pci',
    args: ['ls'],
    params: none,
    asRoot: false,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: 'which qube has which PCI device, before Qubes 4.3 (exposure check of QSB-103)',
    source: 'qvm-pci(1), Qubes 4.1 and 4.2',
    sample:
      'dom0:00_14.0  USB controller: Intel Corporation ...  sys-usb (no-strict-reset=True)\\n   (Qubes 4.2)',
  },
  'pci-devices-sbdf': {
    program: '/usr/bin/qvm-pci',
    args: ['ls', '--with-sbdf'],
    params: none,
    asRoot: false,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: 'which running qube has which PCI device, with its address for lspci (exposure check of QSB-103)',
    source: 'qvm-device(1), Qubes 4.3; before that the option ends with exit 2',
    sample:
      'dom0:00_1d.0-00_00.0  0000:aa:00.0  Network: Intel Corporation ...  sys-net (attached)\\n   (Qubes 4.3)',
  },
  'pci-assignments': {
    program: '/usr/bin/qvm-pci',
    args: ['ls', '--assignments'],
    params: none,
    asRoot: false,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: 'which PCI devices qubes get that are switched off now (exposure check of QSB-103)',
    source: 'qvm-device(1), Qubes 4.3; not together with --with-sbdf, which fails on an assignment',
    sample: 'dom0:00_14.0  0x8086:0xa0ed::p0c0330  *sys-usb (required)\\n   (Qubes 4.3)',
  },
  'pci-details': {
    program: '/usr/sbin/lspci',
    args: ['-vvs', '{address}'],
    params: z.object({ address: z.string().regex(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/) }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 20 * SECOND,
    maxOutputBytes: 256 * KIB,
    why: 'how many MSI vectors a device can use (exposure check of QSB-103)',
    source: 'lspci(8), pciutils 3.9',
    sample: '\\tCapabilities: [80] MSI: Enable+ Count=1/8 Maskable- 64bit+\\n   (pciutils 3.9)',
  },
  'mount-media': {
    program: '/usr/bin/mount',
    args: [
      '-t',
      'ext4',
      '-o',
      'ro,noload,nosuid,nodev,noexec,errors=continue',
      '/dev/disk/by-uuid/{uuid}',
      '{mountPoint}',
    ],
    params: z.object({ uuid, mountPoint: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'to look at an AEM device that is not mounted; read-only, journal not replayed, unmounted after the look',
    source: 'mount(8), ext4 option noload',
    sample: '(no output)   (util-linux 2.38)',
  },
  'mount-media-writable': {
    program: '/usr/bin/mount',
    args: [
      '-t',
      'ext4',
      '-o',
      'rw,nosuid,nodev,noexec,errors=continue',
      '/dev/disk/by-uuid/{uuid}',
      '{mountPoint}',
    ],
    params: z.object({ uuid, mountPoint: absolutePath }),
    asRoot: true,
    effect: 'write',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'to write sealed files or boot files to an AEM device that is not mounted',
    source: 'mount(8)',
    sample: '(no output)   (util-linux 2.38)',
  },
  'exchange-directories': {
    program: '/usr/bin/python3',
    args: [
      '-I',
      '-c',
      'import ctypes,os,sys; l=ctypes.CDLL(None,use_errno=True); r=l.renameat2(-100,os.fsencode(sys.argv[1]),-100,os.fsencode(sys.argv[2]),2); sys.exit(0 if r==0 else os.strerror(ctypes.get_errno()))',
      '{first}',
      '{second}',
    ],
    params: z.object({ first: absolutePath, second: absolutePath }),
    asRoot: true,
    effect: 'write',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'exchanges two directories in one atomic step: a power cut leaves the old or the new one, never neither',
    source:
      'renameat2(2) RENAME_EXCHANGE (Linux 3.15, ext4); mv --exchange needs coreutils 9.5, dom0 of Qubes 4.2 has 9.1',
    sample: '(no output)   (Python 3.11)',
  },
  'sync-filesystem': {
    program: '/usr/bin/sync',
    args: ['-f', '{path}'],
    params: z.object({ path: absolutePath }),
    asRoot: true,
    effect: 'write',
    timeoutMs: 120 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'writes a file system to its device before and after the switch',
    source: 'sync(1) -f, syncfs(2)',
    sample: '(no output)   (coreutils 9.1)',
  },
  'make-initramfs': {
    program: '/usr/bin/dracut',
    args: ['--force', '{file}', '{kernel}'],
    params: z.object({ file: absolutePath, kernel: kernelRelease }),
    asRoot: true,
    effect: 'write',
    timeoutMs: 900 * SECOND,
    maxOutputBytes: 4096 * KIB,
    // Modes in the image follow the umask, and RPM's scripts and the installer run with this one.
    umask: 0o022,
    why: "makes the initramfs of an AEM device that is brought up to date, from dom0's own files",
    source:
      'dracut(8); anti-evil-maid 4.2.0, sbin/anti-evil-maid-install, does the same for an external device',
    sample: '(no output)   (dracut 057)',
  },
  'reproduce-initramfs-force': reproduceInitramfs(['--force', '{file}', '{kernel}'], '`--force`'),
  'reproduce-initramfs-f': reproduceInitramfs(['-f', '{file}', '{kernel}'], '`-f`'),
  'reproduce-initramfs-f-kver': reproduceInitramfs(
    ['-f', '--kver', '{kernel}', '{file}'],
    "`-f --kver 'RELEASE'`",
  ),
  'reproduce-initramfs-kver-force': reproduceInitramfs(
    ['--kver', '{kernel}', '--force', '{file}'],
    "`--kver 'RELEASE' --force`",
  ),
  'unpack-zstd': unpackAsNobody(
    '/usr/bin/zstd',
    ['-dcq', '--memory=128MB'],
    'zstd(1): -M bounds the memory of the window',
  ),
  'unpack-xz': unpackAsNobody('/usr/bin/xz', ['-dcq', '--memlimit=256MiB'], 'xz(1)'),
  'unpack-lz4': unpackAsNobody('/usr/bin/lz4', ['-dcq'], 'lz4(1)'),
  'make-grub-config': {
    program: '/usr/bin/systemd-run',
    args: [
      '--wait',
      '--pipe',
      '--quiet',
      '--collect',
      '-p',
      'BindPaths={mountPoint}:/boot',
      '/usr/sbin/grub2-mkconfig',
      '-o',
      '/boot/grub2/{name}',
    ],
    params: z.object({ mountPoint: absolutePath, name: fileName }),
    asRoot: true,
    effect: 'write',
    timeoutMs: 300 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: "makes grub.cfg of an AEM device by Qubes's own scripts, which look at /boot: they see the device there, nobody else does",
    source:
      'systemd-run(1), BindPaths= in systemd.exec(5): a mount namespace of its own, gone with the program; anti-evil-maid-install binds the device over /boot for all',
    sample: 'Generating grub configuration file ...\ndone\n   (standard error, grub2 2.06)',
  },
  'print-grub-config': {
    program: '/usr/bin/systemd-run',
    args: [
      '--wait',
      '--pipe',
      '--quiet',
      '--collect',
      '-p',
      'BindReadOnlyPaths={mountPoint}:/boot',
      '/usr/sbin/grub2-mkconfig',
    ],
    params: z.object({ mountPoint: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 300 * SECOND,
    maxOutputBytes: 2048 * KIB,
    why: "prints the grub.cfg that dom0's own configuration makes for a device now, to compare a changed command line with; writes nothing",
    source: 'grub-mkconfig(8): without -o it prints; systemd-run(1), BindReadOnlyPaths= in systemd.exec(5)',
    sample: '#\n# DO NOT EDIT THIS FILE\n...   (standard output, grub2 2.06)',
  },
  'unmount-media': {
    program: '/usr/bin/umount',
    args: ['{mountPoint}'],
    params: z.object({ mountPoint: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'ends the look at an AEM device',
    source: 'umount(8)',
    sample: '(no output)   (util-linux 2.38)',
  },
  seal: {
    program: '/usr/sbin/anti-evil-maid-seal',
    args: [],
    params: none,
    asRoot: true,
    effect: 'write',
    timeoutMs: SEAL_PATIENCE_MS,
    maxOutputBytes: 1024 * KIB,
    why: "AEM's own reseal, for the device this boot came from",
    source: 'anti-evil-maid 4.2.0; no argument: the suffix cached by this boot',
    sample:
      'anti-evil-maid-seal: Sealed /var/lib/anti-evil-maid/aem/secret.txt using --pcr 13 ...\\n   (anti-evil-maid 4.2.0)',
  },
  'flush-transient': {
    program: '/usr/bin/tpm2_flushcontext',
    args: ['-T', 'device:/dev/tpm0', '-t'],
    params: none,
    asRoot: true,
    effect: 'write',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'a failed unseal leaves two transient objects in the TPM; later loads would fail with 0x902',
    source: 'tpm2_flushcontext(1); seen with anti-evil-maid 4.2.0',
    sample: '(no output)   (tpm2-tools 5.4)',
  },
  'flush-sessions': {
    program: '/usr/bin/tpm2_flushcontext',
    args: ['-T', 'device:/dev/tpm0', '-l'],
    params: none,
    asRoot: true,
    effect: 'write',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'a run that was killed left a loaded session in the TPM; the device has one user at a time, so it is nobody else’s',
    source: 'tpm2_flushcontext(1)',
    sample: '(no output)   (tpm2-tools 5.4)',
  },
  'hold-show': {
    program: '/usr/bin/systemctl',
    args: ['show', '--property=LoadState,DropInPaths,ExecCondition', '{unit}'],
    params: z.object({ unit }),
    asRoot: false,
    effect: 'read',
    timeoutMs: 20 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: "what systemd has loaded of the drop-in that holds AEM's automatic seal: a misspelt key is ignored in silence",
    source: 'systemctl(1) show, systemd.service(5) ExecCondition= (systemd 243)',
    sample:
      'LoadState=loaded\nDropInPaths=/etc/systemd/system/anti-evil-maid-seal.service.d/50-aem-reseal-hold.conf\nExecCondition={ path=/usr/bin/node ; argv[]=/usr/bin/node /usr/lib/aem-reseal/aem-reseal.mjs gate ; ignore_errors=no ; start_time=[n/a] ; ...   (systemd 252)',
  },
  'daemon-reload': {
    program: '/usr/bin/systemctl',
    args: ['daemon-reload'],
    params: none,
    asRoot: true,
    effect: 'write',
    timeoutMs: 90 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'makes systemd read the drop-in that was written or taken away',
    source: 'systemctl(1)',
    sample: '(no output)   (systemd 252)',
  },
  'gate-asked': {
    program: '/usr/bin/node',
    args: ['{program}', 'gate'],
    params: z.object({ program: absolutePath }),
    asRoot: true,
    effect: 'write',
    timeoutMs: 120 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: "systemd, not this program, runs it before AEM's automatic seal, where the drop-in is installed: whether that seal may run",
    source: 'systemd.service(5), ExecCondition=; docs/contract.md, gate',
    sample:
      "aem-reseal: AEM's automatic seal is held: PCR 18 is not as it was predicted. After the login: aem-reseal resume\n   (exit 1)",
  },
  'gate-version': {
    program: '/usr/bin/node',
    args: ['{program}', '--version'],
    params: z.object({ program: absolutePath }),
    asRoot: false,
    effect: 'read',
    timeoutMs: 20 * SECOND,
    maxOutputBytes: 4 * KIB,
    why: 'whether the program that systemd would ask can be run at all, before the drop-in is written',
    source: 'this program',
    sample: '0.1.0\\n   (aem-reseal 0.1.0)',
  },
  'seal-held': {
    program: '/usr/bin/systemctl',
    args: ['start', 'anti-evil-maid-seal.service'],
    params: none,
    asRoot: true,
    effect: 'write',
    timeoutMs: SEAL_PATIENCE_MS,
    maxOutputBytes: 64 * KIB,
    why: "AEM's own seal where it was held: systemd asks the gate again, with the suffix and SRK password of this boot in place",
    source: 'anti-evil-maid 4.2.0 (TimeoutStartSec=300); a seal that was skipped again returns 0 too',
    sample: '(no output)   (systemd 252)',
  },
  'tpm2-properties': {
    program: '/usr/bin/tpm2_getcap',
    args: ['-T', 'device:/dev/tpm0', 'properties-variable'],
    params: none,
    asRoot: true,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'whether the TPM is in lockout, and how many wrong passwords it has counted',
    source: 'tpm2_getcap(1), tpm2-tools 5',
    sample:
      'TPM2_PT_PERMANENT:\n  inLockout:                 0\nTPM2_PT_LOCKOUT_COUNTER: 0x0\n...   (tpm2-tools 5.4)',
  },
  'tpm2-load': {
    program: '/usr/bin/tpm2_load',
    args: [
      '-Q',
      '-T',
      'device:/dev/tpm0',
      '-C',
      '0x81000001',
      '-P',
      'file:-',
      '-u',
      '{publicFile}',
      '-r',
      '{privateFile}',
      '-c',
      '{contextFile}',
    ],
    params: z.object({ publicFile: absolutePath, privateFile: absolutePath, contextFile: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: "loads AEM's sealing key for a trial; flushed afterwards. The SRK password goes by standard input; a wrong one costs a dictionary-attack try",
    source: 'tpm2_load(1); as anti-evil-maid-lib-tpm2, tpmunsealdata',
    sample: '(no output)   (tpm2-tools 5.4)',
  },
  'tpm2-unseal': {
    program: '/usr/bin/tpm2_unseal',
    args: ['-Q', '-T', 'device:/dev/tpm0', '-c', '{contextFile}', '-p', 'pcr:{selection}'],
    params: z.object({ contextFile: absolutePath, selection }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    binary: true,
    secret: true,
    why: 'the trial: does the TPM release the key now? The answer stays in memory; a refusal by policy costs no try',
    source: 'tpm2_unseal(1); as anti-evil-maid-lib-tpm2, tpmunsealdata',
    sample: '(16 bytes)   (tpm2-tools 5.4)',
  },
  'tpm2-start-session': {
    program: '/usr/bin/tpm2_startauthsession',
    args: ['-T', 'device:/dev/tpm0', '-S', '{sessionFile}', '--policy-session'],
    params: z.object({ sessionFile: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'a policy session to read the freshness slots; a plain tpm2_nvread would fail and cost a dictionary-attack try',
    source: 'tpm2_startauthsession(1); as anti-evil-maid-lib-tpm2, checkfreshness',
    sample: '(no output)   (tpm2-tools 5.4)',
  },
  'tpm2-policy-nv-read': {
    program: '/usr/bin/tpm2_policycommandcode',
    args: ['-Q', '-T', 'device:/dev/tpm0', '-S', '{sessionFile}', 'TPM2_CC_NV_Read'],
    params: z.object({ sessionFile: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'the policy under which AEM lets the freshness slots be read',
    source: 'tpm2_policycommandcode(1); anti-evil-maid-lib-tpm2, createtpmnvram',
    sample: '(no output)   (tpm2-tools 5.4)',
  },
  'tpm2-nv-read': {
    program: '/usr/bin/tpm2_nvread',
    args: ['-T', 'device:/dev/tpm0', '0x454d', '-P', 'session:{sessionFile}', '--offset', '0', '-s', '256'],
    params: z.object({ sessionFile: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    binary: true,
    why: 'the 8 freshness slots, each the sha256 of a token; anybody may read them',
    source: 'tpm2_nvread(1); anti-evil-maid-lib, TPM_FRESHNESS_INDEX and TPM_FRESHNESS_SLOTS',
    sample: '(256 bytes)   (tpm2-tools 5.4)',
  },
  'tpm2-flush-session': {
    program: '/usr/bin/tpm2_flushcontext',
    args: ['-T', 'device:/dev/tpm0', '{sessionFile}'],
    params: z.object({ sessionFile: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'takes our own session out of the TPM again',
    source: 'tpm2_flushcontext(1)',
    sample: '(no output)   (tpm2-tools 5.4)',
  },
  'tpm2-create': {
    program: '/usr/bin/tpm2_create',
    args: [
      '-Q',
      '-T',
      'device:/dev/tpm0',
      '-C',
      '0x81000001',
      '-P',
      'file:{passwordFile}',
      '-L',
      '{policyFile}',
      '-i',
      '-',
      '-u',
      '{publicFile}',
      '-r',
      '{privateFile}',
    ],
    params: z.object({
      passwordFile: absolutePath,
      policyFile: absolutePath,
      publicFile: absolutePath,
      privateFile: absolutePath,
    }),
    asRoot: true,
    effect: 'write',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'forward seal: a sealing key bound to the predicted PCRs, its 16 bytes by standard input; it lives in the two files, nothing is kept in the TPM',
    source: 'tpm2_create(1); as anti-evil-maid-lib-tpm2, tpmsealprepare',
    sample: '(no output)   (tpm2-tools 5.4)',
  },
  'tpm12-unseal': {
    program: '/usr/bin/tpm_unsealdata',
    args: ['-i', '{blob}'],
    params: z.object({ blob: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 1024 * KIB,
    binary: true,
    secret: true,
    why: 'the trial on TPM 1.2: does the TPM release a secret now? It stays in memory. The SRK password goes by standard input; a wrong one costs a dictionary-attack try',
    source: 'tpm_unsealdata(1); as anti-evil-maid-lib-tpm1, tpmunsealdata',
    sample: '(the secret)   (tpm-tools 1.3.9)',
  },
  'tpm12-unseal-z': {
    program: '/usr/bin/tpm_unsealdata',
    args: ['-z', '-i', '{blob}'],
    params: z.object({ blob: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 1024 * KIB,
    binary: true,
    secret: true,
    why: 'the same where the SRK has no password',
    source: 'tpm_unsealdata(1)',
    sample: '(the secret)   (tpm-tools 1.3.9)',
  },
  'tpm12-seal': {
    program: '/usr/bin/tpm_sealdata',
    args: ['-p', '{pcrs}', '-i', '{plain}', '-o', '{blob}'],
    params: z.object({ pcrs: pcrList, plain: absolutePath, blob: absolutePath }),
    repeat: 'pcrs',
    environment: { TSS_TCSD_HOSTNAME: '127.0.0.1' },
    asRoot: true,
    effect: 'write',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'forward seal on TPM 1.2: seals one secret to the registers as tcsd reports them, which is the predicted ones while the relay runs. The SRK password goes by standard input',
    source: 'tpm_sealdata(1); as anti-evil-maid-lib-tpm1, tpmsealdata',
    sample: '(no output)   (tpm-tools 1.3.9)',
  },
  'tpm12-seal-z': {
    program: '/usr/bin/tpm_sealdata',
    args: ['-z', '-p', '{pcrs}', '-i', '{plain}', '-o', '{blob}'],
    params: z.object({ pcrs: pcrList, plain: absolutePath, blob: absolutePath }),
    repeat: 'pcrs',
    environment: { TSS_TCSD_HOSTNAME: '127.0.0.1' },
    asRoot: true,
    effect: 'write',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'the same where the SRK has no password',
    source: 'tpm_sealdata(1)',
    sample: '(no output)   (tpm-tools 1.3.9)',
  },
  'tpm12-nv-read': {
    program: '/usr/sbin/tpm_nvread',
    args: ['-i', '0x454d', '-n', '0', '-s', '160', '-f', '{file}'],
    params: z.object({ file: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'the 8 freshness slots on TPM 1.2, each the sha1 of a token; anybody may read them',
    source: 'tpm_nvread(8); anti-evil-maid-lib-tpm1, checkfreshness',
    sample: 'Successfully wrote data from NVRAM area 0x454d (17741) to file.   (tpm-tools 1.3.9)',
  },
  'tcsd-start': {
    program: '/usr/bin/systemctl',
    args: ['start', 'tcsd.service'],
    params: none,
    asRoot: true,
    effect: 'write',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'tpm-tools talk to the TPM 1.2 through tcsd, as AEM itself does',
    source: 'systemctl(1); anti-evil-maid-lib-tpm1, tpmstartservices',
    sample: '(no output)   (systemd 251)',
  },
  'tcsd-stop': {
    program: '/usr/bin/systemctl',
    args: ['stop', 'tcsd.service'],
    params: none,
    asRoot: true,
    effect: 'write',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'gives the TPM 1.2 to the relay for the seconds of a forward seal; it is started again whatever happens',
    source: 'systemctl(1)',
    sample: '(no output)   (systemd 251)',
  },
  'tcsd-relayed': {
    program: '/usr/bin/setpriv',
    args: [
      '--pdeathsig',
      'TERM',
      '/usr/bin/timeout',
      '--foreground',
      '-k',
      '5',
      '120',
      '/usr/sbin/tcsd',
      '-e',
      '-f',
    ],
    params: none,
    environment: {
      TCSD_USE_TCP_DEVICE: '1',
      TCSD_TCP_DEVICE_HOSTNAME: '127.0.0.1',
      TCSD_TCP_DEVICE_PORT: '6545',
    },
    asRoot: true,
    effect: 'write',
    timeoutMs: 130 * SECOND,
    maxOutputBytes: 1024 * KIB,
    why: "a tcsd whose TPM is this program's relay, with the system's own configuration; it ends with the forward seal, with this program however that ends, and after two minutes at the latest",
    source: 'tcsd(8) -e -f; trousers 0.3.15, tddl.c (TCSD_TCP_DEVICE_*); setpriv(1) --pdeathsig',
    sample: 'TCSD trousers 0.3.15: TCSD up and running.   (trousers 0.3.15)',
  },
  'luks-header': {
    program: '/usr/sbin/cryptsetup',
    args: ['luksHeaderBackup', '/dev/disk/by-uuid/{uuid}', '--header-backup-file', '{headerFile}'],
    params: z.object({ uuid, headerFile: absolutePath }),
    asRoot: true,
    effect: 'read',
    timeoutMs: 60 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: "what AEM's initrd measures into PCR 13: hashed and deleted again",
    source: 'cryptsetup(8) luksHeaderBackup; 90anti-evil-maid/anti-evil-maid-unseal (anti-evil-maid 4.2.0)',
    sample: '(no output)   (cryptsetup 2.6)',
  },
  'restart-now': {
    program: '/usr/sbin/shutdown',
    args: ['-r', 'now'],
    params: none,
    asRoot: true,
    effect: 'write',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'restarts dom0',
    source: 'shutdown(8)',
    sample: '(no output)   (systemd 251)',
  },
  'restart-in': {
    program: '/usr/sbin/shutdown',
    args: ['-r', '+{minutes}'],
    params: z.object({ minutes }),
    asRoot: true,
    effect: 'write',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'restarts dom0 in so many minutes',
    source: 'shutdown(8)',
    sample:
      "Reboot scheduled for Wed 2024-07-17 09:10:00 CEST, use 'shutdown -c' to cancel.\\n   (systemd 251)",
  },
  'restart-at': {
    program: '/usr/sbin/shutdown',
    args: ['-r', '{clockTime}'],
    params: z.object({ clockTime }),
    asRoot: true,
    effect: 'write',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'restarts dom0 at a time of day',
    source: 'shutdown(8)',
    sample:
      "Reboot scheduled for Wed 2024-07-17 23:30:00 CEST, use 'shutdown -c' to cancel.\\n   (systemd 251)",
  },
  'restart-cancel': {
    program: '/usr/sbin/shutdown',
    args: ['-c'],
    params: none,
    asRoot: true,
    effect: 'write',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 64 * KIB,
    why: 'cancels a scheduled restart',
    source: 'shutdown(8)',
    sample: '(no output)   (systemd 251)',
  },
} as const satisfies Record<string, Row>

export type CommandId = keyof typeof COMMANDS
export type CommandParams<I extends CommandId> = z.input<(typeof COMMANDS)[I]['params']>

/** One run of one program, with its argv already made; what is printed in a dry run is what is executed. */
export type CommandCall<I extends CommandId = CommandId> = {
  readonly id: I
  readonly params: Readonly<Record<string, string>>
  /** argv[0] is the absolute path. */
  readonly argv: readonly string[]
  readonly asRoot: boolean
  readonly effect: 'read' | 'write'
  readonly timeoutMs: number
  readonly maxOutputBytes: number
  readonly binary: boolean
  /** null: as this program has it. */
  readonly umask: number | null
  readonly environment: Readonly<Record<string, string>>
  /** Its standard output must not be kept anywhere. */
  readonly secret: boolean
}

/**
 * The call of a program of the table.
 * @throws ZodError when a parameter is not of its form: a defect of the caller, who checks foreign text first
 */
export function command<I extends CommandId>(id: I, params: CommandParams<I>): CommandCall<I> {
  const row: Row = COMMANDS[id]
  const checked = row.params.parse(params) as Record<string, string>
  const args = row.args.flatMap((arg, at) => fillArgument(row, arg, at, checked))
  return {
    id,
    params: checked,
    argv: [row.program, ...args],
    asRoot: row.asRoot,
    effect: row.effect,
    timeoutMs: row.timeoutMs,
    maxOutputBytes: row.maxOutputBytes,
    binary: row.binary === true,
    umask: row.umask ?? null,
    environment: Object.fromEntries(
      Object.entries(row.environment ?? {}).map(([name, value]) => [name, fillTemplate(value, checked)]),
    ),
    secret: row.secret === true,
  }
}

/** Is this foreign text a label suffix that AEM would take (anti-evil-maid-install, LABEL_SUFFIX_CHARS)? */
export function isSuffix(text: string): boolean {
  return suffix.safeParse(text).success
}

/** Can this foreign text stand where the table wants a path? */
export function isAbsolutePath(text: string): boolean {
  return absolutePath.safeParse(text).success
}

/** Can this foreign text name a kernel, as in /lib/modules? */
export function isKernelRelease(text: string): boolean {
  return kernelRelease.safeParse(text).success
}

export function isUuid(text: string): boolean {
  return uuid.safeParse(text).success
}

function fillArgument(row: Row, arg: string, at: number, params: Record<string, string>): readonly string[] {
  if (row.list !== undefined && arg === `{${row.list}}`) return (params[row.list] ?? '').split(',')
  if (row.repeat === undefined || arg !== `{${row.repeat}}`) return [fillTemplate(arg, params)]
  const [first = '', ...others] = (params[row.repeat] ?? '').split(',')
  return [first, ...others.flatMap((item) => [row.args[at - 1] ?? '', item])]
}

// Formats hold %{NAME}, so only the names of this command's parameters are filled in.
function fillTemplate(arg: string, params: Record<string, string>): string {
  let filled = arg
  for (const [name, value] of Object.entries(params)) {
    filled = filled.replace(`{${name}}`, () => value)
  }
  return filled
}
