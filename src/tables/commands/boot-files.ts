import { FORM, KIB, type Row, SECOND } from './row.ts'

/**
 * dracut with the words that a checked image was made with, into a private file (core/initramfs/words.ts). It looks at the same
 * mounts, devices and settings of this machine as it does when a package calls it.
 * @param words its options in their order; the file is a bare argument, and the kernel where --kver does not name it
 */
function reproduceInitramfs<const A extends readonly string[]>(args: A, words: string) {
  return {
    program: '/usr/bin/dracut',
    args,
    params: { file: FORM.absolutePath, kernel: FORM.kernelRelease, modules: FORM.absolutePath },
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
    effect: 'read',
    timeoutMs: 300 * SECOND,
    binary: true,
    why: 'unpacks an initramfs that is compared with one made now; its output is streamed, not kept',
    source: `setpriv(1); ${source}`,
    sample: '070701000002D1000041ED...   (binary, util-linux 2.38)',
  } as const satisfies Row
}

/** Making boot files, to write them or to compare with them. */
export const BOOT_FILES = {
  'make-initramfs': {
    program: '/usr/bin/dracut',
    args: ['--force', '{file}', '{kernel}'],
    params: { file: FORM.absolutePath, kernel: FORM.kernelRelease },
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
    params: { mountPoint: FORM.absolutePath, name: FORM.fileName },
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
    params: { mountPoint: FORM.absolutePath },
    effect: 'read',
    timeoutMs: 300 * SECOND,
    maxOutputBytes: 2048 * KIB,
    why: "prints the grub.cfg that dom0's own configuration makes for a device now, to compare a changed command line with; writes nothing",
    source: 'grub-mkconfig(8): without -o it prints; systemd-run(1), BindReadOnlyPaths= in systemd.exec(5)',
    sample: '#\n# DO NOT EDIT THIS FILE\n...   (standard output, grub2 2.06)',
  },
} as const satisfies Record<string, Row>
