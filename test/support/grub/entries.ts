// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
/*
 * The entries that AEM's scripts and 20_linux_xen write, line by line: qubes-antievilmaid 4.2.0 (etc/grub.d/19_linux_xen_tboot),
 * TrenchBoot/qubes-antievilmaid 18a0a74 (etc/grub.d/19_linux_xen_trenchboot), GRUB 2.06 (util/grub.d/20_linux_xen.in).
 */

export type EntryFacts = {
  /** UUID of the file system that GRUB boots from. */
  readonly uuid: string
  /** What grub_get_device_id prints: a UUID or a path. */
  readonly deviceId: string
  readonly xenVersions: readonly string[]
  readonly kernels: readonly string[]
  /** Names of the SINIT modules in /boot. */
  readonly sinit: readonly string[]
  /** GRUB_CMDLINE_TBOOT. */
  readonly tbootOptions: string
  /** GRUB_CMDLINE_XEN and GRUB_CMDLINE_XEN_DEFAULT, with the blank between. */
  readonly xenOptions: string
  /** GRUB_CMDLINE_LINUX and GRUB_CMDLINE_LINUX_DEFAULT, with the blank between. */
  readonly kernelOptions: string
  readonly rootDevice: string
  /** GRUB_SAVEDEFAULT=true. */
  readonly savesDefault: boolean
}

const CLASSES = '--class qubes --class gnu-linux --class gnu --class os --class xen'

const indent = (lines: readonly string[], by: string): string[] => lines.map((line) => `${by}${line}`)

/** prepare_grub_to_access_device (GRUB 2.06, util/grub-mkconfig_lib.in) for ext4 on the second GPT partition. */
export function accessLines(uuid: string): string[] {
  return [
    'insmod part_gpt',
    'insmod ext2',
    "set root='hd0,gpt2'",
    'if [ x$feature_platform_search_hint = xy ]; then',
    `  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt2 --hint-efi=hd0,gpt2 --hint-baremetal=ahci0,gpt2  ${uuid}`,
    'else',
    `  search --no-floppy --fs-uuid --set=root ${uuid}`,
    'fi',
  ]
}

const PLATFORM = [
  '        if [ "$grub_platform" = "pc" -o "$grub_platform" = "" ]; then',
  '            xen_rm_opts=',
  '        else',
  '            xen_rm_opts="no-real-mode edd=off"',
  '        fi',
]

const aemWords = (facts: EntryFacts): string =>
  `aem.uuid=${facts.uuid} rd.luks.key=/tmp/aem-keyfile rd.luks.crypttab=no`

function head(title: string, id: string): string {
  return `menuentry '${title}' ${CLASSES} $menuentry_id_option '${id}' {`
}

/** save_default_entry: grub-mkconfig_lib.in. */
const saveLines = (facts: EntryFacts): string[] => (facts.savesDefault ? ['\tsavedefault'] : [])

/** 19_linux_xen_tboot, lines 113-155. */
function tbootBody(facts: EntryFacts, xen: string, kernel: string): string[] {
  return [
    ...saveLines(facts),
    ...indent(accessLines(facts.uuid), '\t'),
    "\techo\t'Loading tboot ...'",
    `\tmultiboot\t/tboot.gz placeholder logging=memory,serial ${facts.tbootOptions}`,
    `\techo\t'Loading Xen ${xen} ...'`,
    ...PLATFORM,
    `\tmodule\t/${xenFile(xen)} placeholder ${facts.xenOptions} \${xen_rm_opts}`,
    `\techo\t'Loading Linux ${kernel} ...'`,
    `\tmodule\t/vmlinuz-${kernel} placeholder root=${facts.rootDevice} ro ${facts.kernelOptions} ${aemWords(facts)}`,
    "\techo\t'Loading initial ramdisk ...'",
    `\tmodule\t/initramfs-${kernel}.img`,
    ...facts.sinit.flatMap((name) => [`\techo\t'Loading SINIT module ${name} ...'`, `\tmodule\t/${name}`]),
    '}',
  ]
}

/** The script lists a `.config` as a version of Xen of its own (line 226 takes `.gz` off). */
function xenFile(version: string): string {
  return version.endsWith('.config') ? `xen-${version}` : `xen-${version}.gz`
}

/** 19_linux_xen_trenchboot, lines 119-175, its branch for BIOS. */
function slaunchBody(facts: EntryFacts, xen: string, kernel: string): string[] {
  return [
    ...saveLines(facts),
    "\techo\t'Enabling slaunch ...'",
    '\tslaunch',
    ...indent(accessLines(facts.uuid), '\t'),
    `\techo\t'Loading Xen ${xen} ...'`,
    `\tmultiboot2\t/${xenFile(xen)} placeholder ${facts.xenOptions} no-real-mode edd=off`,
    `\techo\t'Loading Linux ${kernel} ...'`,
    `\tmodule2\t/vmlinuz-${kernel} placeholder root=${facts.rootDevice} ro ${facts.kernelOptions} ${aemWords(facts)}`,
    "\techo\t'Loading initial ramdisk ...'",
    `\tmodule2\t/initramfs-${kernel}.img`,
    ...facts.sinit.flatMap((name) => [
      `\techo\t'Loading SINIT module ${name} ...'`,
      `\tslaunch_module\t/${name}`,
    ]),
    '}',
  ]
}

/** The same script, its branch for UEFI (lines 132-142 and 162-171). */
function efiBody(facts: EntryFacts, xen: string, kernel: string): string[] {
  return [
    ...saveLines(facts),
    "\techo\t'Enabling slaunch ...'",
    '\tslaunch',
    '\tset root="$esp_dev"',
    `\techo\t'Loading Xen ${xen} ...'`,
    `\tchainloader\t/EFI/qubes/xen-${xen}.efi vmlinuz-${kernel}`,
    ...facts.sinit.flatMap((name) => [
      `\techo\t'Loading SINIT module ${name} ...'`,
      `\tslaunch_module\t($root_dev)/${name}`,
    ]),
    '}',
  ]
}

type Body = (facts: EntryFacts, xen: string, kernel: string) => string[]

/** The simple entry and the submenus of all versions: 19_linux_xen_tboot lines 220-298. */
function withSubmenus(facts: EntryFacts, aem: boolean, body: Body): string[] {
  const { deviceId, xenVersions, kernels } = facts
  const [newestXen = '', newest = ''] = [xenVersions[0], kernels[0]]
  const name = aem ? 'AEM Qubes' : 'Qubes'
  const advanced = aem ? 'Advanced options with AEM boot for Qubes' : 'Advanced options for Qubes'
  return [
    head(`${name}, with Xen hypervisor`, `xen-gnulinux-simple-${deviceId}`),
    ...body(facts, newestXen, newest),
    `submenu '${advanced} (with Xen hypervisor)' $menuentry_id_option 'gnulinux-advanced-${deviceId}' {`,
    ...xenVersions.flatMap((xen, index) => [
      `\tsubmenu 'Xen hypervisor, version ${xen}${aem && index > 0 ? ' with AEM boot' : ''}' $menuentry_id_option 'xen-hypervisor-${xen}-${deviceId}' {`,
      ...kernels.flatMap((kernel) =>
        indent(
          [
            head(
              `${aem ? 'AEM Qubes boot' : 'Qubes'}, with Xen ${xen} and Linux ${kernel}`,
              `xen-gnulinux-${kernel}-advanced-${deviceId}`,
            ),
            ...body(facts, xen, kernel),
          ],
          '\t\t',
        ),
      ),
      '\t}',
    ]),
    '}',
  ]
}

/** 19_linux_xen_tboot, from line 212. */
export function tbootEntries(facts: EntryFacts): string[] {
  return ['if [ -d /aem/ ]; then', ...withSubmenus(facts, true, tbootBody), '', 'fi']
}

/** 19_linux_xen_trenchboot, lines 358-379; a platform without Xen's file has no entry there. */
export function trenchbootEntries(facts: EntryFacts, platforms: { bios: boolean; efi: boolean }): string[] {
  return [
    'if [ "$grub_platform" = "efi" ]; then',
    '\tset esp_dev="$root"',
    ...indent(accessLines(facts.uuid), '\t'),
    '\tset root_dev="$root"',
    'fi',
    'if [ -d /aem/ ]; then',
    'if [ "$grub_platform" = "pc" -o "$grub_platform" = "" ]; then',
    ...(platforms.bios ? indent(withSubmenus(facts, true, slaunchBody), '\t') : ['\ttrue']),
    'elif [ "$grub_platform" = "efi" ]; then',
    ...(platforms.efi ? indent(withSubmenus(facts, true, efiBody), '\t') : ['\ttrue']),
    'fi',
    '',
    'fi',
  ]
}

/** 20_linux_xen: Xen without a measured launch. */
export function xenEntries(facts: EntryFacts): string[] {
  const body: Body = (_, xen, kernel) => [
    ...saveLines(facts),
    ...indent(accessLines(facts.uuid), '\t'),
    `\techo\t'Loading Xen ${xen} ...'`,
    ...PLATFORM,
    `\tmultiboot2\t/${xenFile(xen)} placeholder ${facts.xenOptions} \${xen_rm_opts}`,
    `\techo\t'Loading Linux ${kernel} ...'`,
    `\tmodule2\t/vmlinuz-${kernel} placeholder root=${facts.rootDevice} ro ${facts.kernelOptions}`,
    "\techo\t'Loading initial ramdisk ...'",
    `\tmodule2\t--nounzip   /initramfs-${kernel}.img`,
    '}',
  ]
  return withSubmenus(facts, false, body)
}
