import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { tbootEntries, trenchbootEntries } from '../support/grub/entries.ts'
import { QUBES_GRUB } from '../support/grub/qubes-grub-writer.ts'
import { type Holder, openHolder } from './namespace.ts'
import { openTerminal } from './terminal.ts'

/** Scripts of Debian's package grub-common that run as they are. */
const SCRIPTS = ['00_header', '05_debian_theme', '10_linux', '20_linux_xen', '30_uefi-firmware', '41_custom']

const KERNEL = '6.6.36-1.qubes.fc37.x86_64'
const XEN = '4.17.4'

/** EFI's own word that the firmware setup can be asked for (30_uefi-firmware, bit 0 of the fifth byte). */
const OS_INDICATIONS = 'efi/efivars/OsIndicationsSupported-8be4df61-93ca-11d2-aa0d-00e098032b8c'

/** Answers of grub-probe for ext4 on the second GPT partition of the first disk (grub-mkconfig_lib, prepare_grub_to_access_device). */
const GRUB_PROBE = `#!/bin/sh
for word; do
  case $word in
    --target=*) target=\${word#--target=} ;;
    -t) target=next ;;
    *) [ "\${target-}" != next ] || target=$word ;;
  esac
done
case $target in
  device) echo /dev/sda2 ;;
  fs_uuid) echo ${QUBES_GRUB.uuid} ;;
  partuuid) echo 5e0ad0c2-02 ;;
  fs) echo ext2 ;;
  partmap) echo gpt ;;
  abstraction | cryptodisk_uuid) ;;
  compatibility_hint) echo hd0,gpt2 ;;
  hints_string) echo '--hint-bios=hd0,gpt2 --hint-efi=hd0,gpt2 --hint-baremetal=ahci0,gpt2 ' ;;
  *) echo "grub-probe of the tests does not know: $*" >&2; exit 1 ;;
esac
`

export type GrubTreeFacts = {
  readonly platform: 'pc' | 'efi'
  readonly flavour: 'tboot' | 'trenchboot' | 'trenchboot-uefi'
  /** Lines of /etc/default/grub beside those that the tests need. */
  readonly settings?: readonly string[]
}

/** A private tree in which the real grub-mkconfig, grub-editenv and grub-emu run. */
export type GrubTree = {
  /** Runs grub-mkconfig. @returns the grub.cfg it wrote */
  make: () => Promise<string>
  /** Runs grub-editenv on the tree's grubenv. */
  editEnvironment: (...args: readonly string[]) => Promise<string>
  /** Writes or removes a file of the tree's /boot/grub. */
  put: (name: string, text: string | null) => Promise<void>
  read: (name: string) => Promise<Buffer>
  /** The title of the entry that GRUB itself boots when nobody presses a key. */
  askGrub: (cfg: string) => Promise<string | null>
  end: () => Promise<void>
}

/** @throws Error naming the package that is missing */
export async function openGrubTree(facts: GrubTreeFacts): Promise<GrubTree> {
  for (const program of ['/usr/sbin/grub-mkconfig', '/usr/bin/grub-editenv', '/usr/bin/grub-emu'])
    if (!existsSync(program))
      throw new Error(`${program} is missing; next: apt-get install grub-common grub-emu`)
  const holder = await openHolder()
  const outside = holder.outside('grub')
  await mkdir(outside)
  await writeFile(path.join(outside, 'default-grub'), defaultGrub(facts.settings ?? []))
  await writeFile(path.join(outside, 'aem-script'), aemScript(facts.flavour))
  await writeFile(path.join(outside, 'grub-probe'), GRUB_PROBE)
  if (facts.platform === 'efi') {
    await mkdir(path.dirname(path.join(outside, OS_INDICATIONS)), { recursive: true })
    await writeFile(path.join(outside, OS_INDICATIONS), Buffer.from([7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))
  }
  const script = path.join(import.meta.dirname, 'namespace/grub-tree.sh')
  await holder.must(['bash', script, path.join(holder.folder, 'grub'), KERNEL, XEN, ...SCRIPTS])
  const boot = (name: string): string => path.join(`/proc/${holder.pid}/root/boot/grub`, name)
  return {
    make: async () => {
      await holder.must(['grub-mkconfig', '-o', '/boot/grub/grub.cfg'])
      return readFile(boot('grub.cfg'), 'latin1')
    },
    editEnvironment: (...args) => holder.must(['grub-editenv', '/boot/grub/grubenv', ...args]),
    put: async (name, text) => {
      if (text === null) await rm(boot(name), { force: true })
      else await writeFile(boot(name), Buffer.from(text, 'latin1'))
    },
    read: (name) => readFile(boot(name)),
    askGrub: (cfg) => askGrub(holder, cfg, facts.platform),
    end: holder.end,
  }
}

function defaultGrub(settings: readonly string[]): string {
  return [
    'GRUB_DEFAULT=saved',
    'GRUB_TIMEOUT=0',
    'GRUB_RECORDFAIL_TIMEOUT=0',
    'GRUB_DISTRIBUTOR=Debian',
    'GRUB_TERMINAL=console',
    `GRUB_CMDLINE_XEN_DEFAULT='console=none smt=off'`,
    'GRUB_CMDLINE_LINUX=quiet',
    ...settings,
    '',
  ].join('\n')
}

/** AEM's script as far as grub-mkconfig sees it: a program that prints entries, here those of the project's own writer. */
function aemScript(flavour: GrubTreeFacts['flavour']): string {
  const facts = { ...QUBES_GRUB, xenVersions: [XEN], kernels: [KERNEL] }
  const isEfi = flavour === 'trenchboot-uefi'
  const lines =
    flavour === 'tboot' ? tbootEntries(facts) : trenchbootEntries(facts, { bios: !isEfi, efi: isEfi })
  return `#!/bin/sh\ncat <<'END OF ENTRIES'\n${lines.join('\n')}\nEND OF ENTRIES\n`
}

/**
 * What grub-emu boots by this file and those beside it. grub-emu has none of the commands that load, so each entry says its
 * title and ends there; its root is this tree's, not a disk's.
 */
async function askGrub(
  holder: Holder,
  cfg: string,
  platform: GrubTreeFacts['platform'],
): Promise<string | null> {
  const real = `/proc/${holder.pid}/root/boot`
  const emu = await mkdtemp(path.join(real, 'emu-'))
  const inside = `/boot/${path.basename(emu)}`
  const told = (text: string): string =>
    text
      .replaceAll('-d /aem/ ', '-d /boot/aem/ ')
      .replaceAll("set root='hd0,gpt2'\n", '\n')
      .replace(/^(\s*menuentry '([^']*)'.*\{)$/gm, '$1\n  echo "<boots $2>"\n  halt')
  try {
    await writeFile(
      path.join(emu, 'grub.cfg'),
      Buffer.from(`set grub_platform=${platform}\n${told(cfg)}`, 'latin1'),
    )
    for (const name of ['grubenv', 'custom.cfg', 'user.cfg']) {
      const file = path.join(real, 'grub', name)
      if (existsSync(file))
        await writeFile(
          path.join(emu, name),
          name === 'grubenv'
            ? await readFile(file)
            : Buffer.from(told(await readFile(file, 'latin1')), 'latin1'),
        )
    }
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TERM: 'xterm', LC_ALL: 'C.UTF-8' }
    const argv = [...holder.enter, 'grub-emu', '--directory', inside, '--device-map', '/dev/null']
    const terminal = openTerminal(argv, env, { columns: 250, rows: 100 })
    const killed = setTimeout(() => terminal.kill('SIGKILL'), 30_000)
    await terminal.finished
    clearTimeout(killed)
    return /<boots ([^>]*)>/.exec(terminal.screen())?.[1] ?? null
  } finally {
    await rm(emu, { recursive: true })
  }
}
