/*
 * What the scripts of Qubes OS write, by where it stands. Everything else is a problem: at the top of the file of the whole
 * file, in an entry of that entry. Sources: QubesOS/qubes-grub2 2.06-7 (GRUB 2.06 and patches 0033, 0045, 0081, 0107, 0113,
 * 0117, 0183), qubes-antievilmaid 4.2.0, TrenchBoot/qubes-antievilmaid 18a0a74.
 */

/** Commands that load a file, or that say how it is launched. */
export const LOADERS: ReadonlySet<string> = new Set([
  ...[
    'multiboot',
    'multiboot2',
    'module',
    'module2',
    'slaunch',
    'slaunch_module',
    'slaunch_state',
    'skl_module',
  ],
  ...['linux', 'linux16', 'linuxefi', 'initrd', 'initrd16', 'initrdefi', 'chainloader', 'xen_hypervisor'],
  ...['xen_module', 'devicetree', 'kfreebsd', 'knetbsd', 'kopenbsd', 'ntldr', 'freedos', 'pxechain'],
])

/** Commands that bring in what another file says; `source` and `.` are read where the file lies beside grub.cfg. */
export const READERS: ReadonlySet<string> = new Set([
  ...[
    'configfile',
    'normal',
    'blscfg',
    'blsuki',
    'legacy_configfile',
    'legacy_source',
    'eval',
    'syslinux_source',
  ],
  ...['syslinux_configfile', 'extract_entries_source', 'extract_entries_configfile', 'efi-load-env'],
])

/** Beside loading: 19_linux_xen_tboot lines 113-151, and prepare_grub_to_access_device and save_default_entry of grub-mkconfig_lib. */
const IN_ENTRY = ['echo', 'insmod', 'save_env', 'export', 'unset']

/**
 * At the top of the file: 00_header, 01_users, 08_fallback_counting, 10_reset_boot_success, 12_menu_auto_hide and
 * 14_menu_show_once. They change what is shown and asked, not what is loaded.
 */
const AT_TOP = [
  ...[
    'terminal_output',
    'terminal_input',
    'loadfont',
    'serial',
    'background_image',
    'background_color',
    'play',
  ],
  ...['password', 'password_pbkdf2', 'sleep', 'cmostest', 'cmosclean', 'clear', 'keystatus', 'videoinfo'],
]

/** Does a command change nothing of what an entry loads? */
export function isHarmless(name: string, place: 'file' | 'item'): boolean {
  return IN_ENTRY.includes(name) || (place === 'file' && AT_TOP.includes(name))
}

/**
 * Functions that scripts define: savedefault and load_video (00_header), gfxmode and recordfail (Debian's 00_header and
 * 10_linux). A command goes before a function of the same name (GRUB 2.06, grub-core/script/execute.c,
 * grub_script_execute_cmdline), and which commands there are is a matter of GRUB's modules; none has these names.
 */
export const FUNCTIONS: ReadonlySet<string> = new Set(['savedefault', 'load_video', 'gfxmode', 'recordfail'])
