import { RPM_FILES_FORMAT, RPM_QUERY_FORMAT } from '../../core/package/rpm-format.ts'
import { FORM, KIB, type Row, SECOND } from './row.ts'

/** RPM's database and the packages' files. */
export const RPM = {
  'rpm-query': {
    program: '/usr/bin/rpm',
    args: ['-q', '--qf', RPM_QUERY_FORMAT, '{names}'],
    params: { names: FORM.rpmNames },
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
    params: { name: FORM.rpmName },
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
    params: { name: FORM.rpmName },
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
    params: { name: FORM.rpmName },
    asRoot: false,
    effect: 'read',
    maxOutputBytes: 32 * 1024 * KIB,
    why: 'which boot files a package owns and their SHA-256 in the RPM database',
    source: 'rpm(8) --queryformat arrays; one line a file: name, epoch:version-release, path, digest',
    sample: 'xen-hypervisor\\t2001:4.17.4-4.fc37\\t/boot/xen-4.17.4.gz\\t0d7e8c...\\n   (rpm 4.18)',
  },
  'rpm-owner': {
    program: '/usr/bin/rpm',
    args: ['-q', '--qf', RPM_QUERY_FORMAT, '-f', '{path}'],
    params: { path: FORM.absolutePath },
    asRoot: false,
    effect: 'read',
    timeoutMs: 30 * SECOND,
    maxOutputBytes: 256 * KIB,
    why: 'which package a measured boot file belongs to',
    source: 'rpm(8) -qf, with the format of rpm-query',
    sample:
      'xen-hypervisor\\t2001:4.17.4-4.fc37\\tx86_64\\t1721174400\\tRSA/SHA256, ..., Key ID e022e58f8e34d89f\\n   (rpm 4.18)',
  },
} as const satisfies Record<string, Row>
