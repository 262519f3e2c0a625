import { createHash } from 'node:crypto'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeXenImage } from '../../src/host/simulated/boot-images.ts'
import { type CommandId, type CommandParams, command } from '../../src/tables/commands.ts'
import { temporaryDirectory } from './temporary.ts'

export const TPM_ID = '4b8f0c2d6a5e9137f2b4c6d8e0a1c3e5f7091b2d'
export const LUKS_UUID = '0c6a3b14-9df2-4a35-8e0a-7a1f0f9c5b21'
export const INTERNAL_UUID = '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11'
export const STICK_UUID = 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2'
const KERNEL = '6.6.36-1.qubes.fc37.x86_64'
const BOOT_TIME = 1721113200 // 2024-07-16T07:00:00Z
const XEN_FORMAT_KEY = 'e022e58f8e34d89f'

export type Answer = {
  readonly argv: readonly string[]
  readonly exit?: number
  readonly stdout?: string | { readonly file: string }
  readonly stderr?: string | { readonly file: string }
}

type Device = { readonly suffix: string; readonly uuid: string; readonly slot: number; readonly xen: string }

/** A recorded machine in the making; each method tells one more fact and answers with the machine. */
export class RecordedDom0 {
  readonly files = new Map<string, string | Uint8Array>()
  readonly links = new Map<string, string>()
  readonly extra: Record<string, unknown> = {}
  commands: Answer[] = []
  absent: string[] = []
  private blocks: Record<string, unknown>[] = []
  private installedXen = '4.17.4-3'

  /** Answers one more time to a program of the table. */
  answering<I extends CommandId>(id: I, params: CommandParams<I>, answer: Omit<Answer, 'argv'>): this {
    this.commands.push({ argv: command(id, params).argv, ...answer })
    return this
  }

  withFile(path: string, content: string | Uint8Array): this {
    this.files.set(path, content)
    return this
  }

  withLink(path: string, target: string): this {
    this.links.set(path, target)
    return this
  }

  /** Takes a file or a command out: it becomes unknown. */
  forgetting(...parts: readonly string[]): this {
    for (const path of [...this.files.keys(), ...this.links.keys()]) {
      if (!parts.some((part) => path.includes(part))) continue
      this.files.delete(path)
      this.links.delete(path)
    }
    this.commands = this.commands.filter(({ argv }) => !parts.some((part) => argv.join(' ').includes(part)))
    return this
  }

  /** Known not to exist. */
  without(...paths: readonly string[]): this {
    for (const path of paths) {
      for (const file of [...this.files.keys()]) {
        if (file === path || file.startsWith(`${path}/`)) this.files.delete(file)
      }
      this.commands = this.commands.filter(({ argv }) => argv[0] !== path)
      this.absent.push(path)
    }
    return this
  }

  /** A file that was not there before. */
  nowHolding(path: string, content: string | Uint8Array): this {
    this.absent = this.absent.filter((one) => one !== path)
    return this.withFile(path, content)
  }

  /** Only files, no commands.json: what somebody copies by hand. */
  filesOnly(): this {
    this.commands = []
    return this
  }

  withXen(running: string, installed = running): this {
    this.installedXen = installed
    const version = running.replace(/-.*/, '')
    const image = makeXenImage(installed)
    const name = `xen-${installed.replace(/-.*/, '')}.gz`
    this.forgetting('xen-hypervisor', '/usr/sbin/xl', '/boot/xen-', '/sys/hypervisor')
    this.withFile(`/boot/${name}`, image)
    this.withFile('/sys/hypervisor/properties/buildid', `${buildIdOf(running)}\n`)
    this.answering(
      'xl-info',
      {},
      { stdout: `host                   : dom0\nxen_version            : ${version}\n` },
    )
    const isNew = installed !== running
    this.withPackage('xen-hypervisor', `2001:${installed}.fc37`, BOOT_TIME + (isNew ? 7200 : -86400))
    const digest = createHash('sha256').update(image).digest('hex')
    this.answering(
      'rpm-files',
      { name: 'xen-hypervisor' },
      {
        stdout: `xen-hypervisor\t2001:${installed}.fc37\t/boot/${name}\t${digest}\n`,
      },
    )
    return this
  }

  withPackage(name: string, evr: string, installedAt: number): this {
    const signature = `RSA/SHA256, Tue Jul 16 12:00:00 2024, Key ID ${XEN_FORMAT_KEY}`
    return this.answering(
      'rpm-query',
      { names: name },
      {
        stdout: `${[name, evr, 'x86_64', installedAt, signature].join('\t')}\n`,
      },
    )
  }

  withTpm20(values: Readonly<Record<number, string>> = launchedPcrs()): this {
    this.withFile('/sys/class/tpm/tpm0/tpm_version_major', '2\n')
    for (let index = 0; index < 24; index++) {
      const sha256 = values[index] ?? '00'.repeat(32)
      this.withFile(`/sys/class/tpm/tpm0/pcr-sha256/${index}`, `${sha256.toUpperCase()}\n`)
      this.withFile(`/sys/class/tpm/tpm0/pcr-sha1/${index}`, `${sha256.slice(0, 40).toUpperCase()}\n`)
    }
    return this
  }

  withTpm12(values: Readonly<Record<number, string>> = launchedPcrs()): this {
    this.withFile('/sys/class/tpm/tpm0/tpm_version_major', '1\n')
    const line = (index: number): string => {
      const bytes = (values[index] ?? '00'.repeat(32)).slice(0, 40).toUpperCase().match(/../g) ?? []
      return `PCR-${String(index).padStart(2, '0')}: ${bytes.join(' ')} \n`
    }
    return this.withFile(
      '/sys/class/tpm/tpm0/pcrs',
      Array.from({ length: 24 }, (_, index) => line(index)).join(''),
    )
  }

  withoutTpm(): this {
    return this.forgetting('/sys/class/tpm').without('/sys/class/tpm/tpm0')
  }

  bootedWithAem(uuid = INTERNAL_UUID): this {
    return this.withFile(
      '/proc/cmdline',
      `placeholder root=/dev/mapper/qubes_dom0-root ro rd.luks.uuid=luks-${LUKS_UUID} rhgb quiet aem.uuid=${uuid}\n`,
    ).withFile('/run/anti-evil-maid/suffix', '\n')
  }

  bootedWithoutAem(): this {
    return this.forgetting('/run/anti-evil-maid').withFile(
      '/proc/cmdline',
      `placeholder root=/dev/mapper/qubes_dom0-root ro rd.luks.uuid=luks-${LUKS_UUID} rhgb quiet\n`,
    )
  }

  withTrenchBoot(): this {
    this.absent = this.absent.filter((path) => !path.includes('trenchboot'))
    return this.forgetting('19_linux_xen_tboot')
      .without('/etc/grub.d/19_linux_xen_tboot')
      .withFile('/etc/grub.d/19_linux_xen_trenchboot', '#! /bin/sh\n')
      .withFile('/etc/anti-evil-maid.conf', 'SEAL="--pcr 13 --pcr 17 --pcr 18"\n')
  }

  withSealedFiles(label: string, base = `/var/lib/tpms/${TPM_ID}`): this {
    for (const [name, content] of sealedFiles(label)) this.withFile(`${base}/${label}/${name}`, content)
    return this
  }

  withInternalDevice(): this {
    this.knowDevice('aem', 0)
    this.withSealedFiles('aem').withSealedFiles('aem', `/boot/aem/tpms/${TPM_ID}`)
    return this.withBlock('/dev/nvme0n1p2', 'aem', INTERNAL_UUID, '/boot')
  }

  /** A stick with its own copies that is not mounted. */
  withStick(device: Partial<Device> = {}): this {
    const { suffix = '.stick', uuid = STICK_UUID, slot = 1, xen = this.installedXen } = device
    const at = `devices/${uuid}`
    this.knowDevice(`aem${suffix}`, slot)
    this.withSealedFiles(`aem${suffix}`).withSealedFiles(`aem${suffix}`, `${at}/aem/tpms/${TPM_ID}`)
    this.withFile(`${at}/xen-${xen.replace(/-.*/, '')}.gz`, makeXenImage(xen))
    this.withFile(`${at}/vmlinuz-${KERNEL}`, 'MZ kernel\n')
    return this.withBlock('/dev/sda1', `aem${suffix}`, uuid, null)
  }

  /** A block device of lsblk's list, of any label. */
  withBlock(name: string, label: string | null, uuid: string | null, mountpoint: string | null): this {
    const isStick = mountpoint === null
    this.blocks.push({
      name,
      type: 'part',
      fstype: 'ext4',
      label,
      uuid,
      mountpoint,
      rm: isStick,
      ro: false,
      size: 1073741824,
    })
    return this
  }

  private knowDevice(label: string, slot: number): void {
    this.withFile(`/var/lib/anti-evil-maid/${label}/tpm-freshness-slot`, `${slot}\n`)
  }

  /** Writes it. @returns its directory */
  write(directory = join(temporaryDirectory(), 'machine')): string {
    const machine = {
      format: 1,
      description: 'a dom0 of the tests',
      time: '2024-07-17T09:00:00Z',
      uid: 0,
      absent: this.absent,
      ...this.extra,
    }
    const put = (path: string): string => {
      const place = join(directory, path.startsWith('/') ? `root${path}` : path)
      mkdirSync(dirname(place), { recursive: true })
      return place
    }
    mkdirSync(join(directory, 'root'), { recursive: true })
    for (const [path, content] of this.files) writeFileSync(put(path), content)
    for (const [path, target] of this.links) symlinkSync(target, put(path))
    writeFileSync(join(directory, 'machine.json'), JSON.stringify(machine))
    const blocks = this.blocks.length > 0 ? [this.lsblk()] : []
    if (this.commands.length > 0) {
      writeFileSync(join(directory, 'commands.json'), JSON.stringify([...this.commands, ...blocks]))
    }
    return directory
  }

  private lsblk(): Answer {
    return { argv: command('lsblk', {}).argv, stdout: JSON.stringify({ blockdevices: this.blocks }) }
  }
}

function sealedFiles(label: string): readonly (readonly [string, Uint8Array])[] {
  const blob = (text: string): Buffer => Buffer.from(`Salted__${text} of ${label}`)
  return [
    ['key.pub', Buffer.alloc(80, label)],
    ['key.priv', Buffer.alloc(144, label)],
    ['key.pcrs', Buffer.from('sha256:13,17,18,19\n')],
    ['secret.txt.sealed2', blob('text')],
    ['secret.fre.sealed2', blob('token')],
  ]
}

/** Registers after a measured launch: every selected one holds a value. */
export function launchedPcrs(): Record<number, string> {
  const value = (index: number): string => createHash('sha256').update(`PCR ${index}`).digest('hex')
  return { 13: value(13), 17: value(17), 18: value(18), 19: value(19) }
}

/** Build id of the Xen image that withXen makes for a release. */
export function buildIdOf(release: string): string {
  return createHash('sha1').update(`build id of ${release}`).digest('hex')
}

/** A dom0 of Qubes 4.2 with AEM on its internal disk, TPM 2.0, booted with AEM, nothing to do. */
export function aemDom0(): RecordedDom0 {
  return new RecordedDom0()
    .withFile('/etc/qubes-release', 'Qubes release 4.2.2 (R4.2)\n')
    .withFile('/etc/anti-evil-maid.conf', 'SEAL="--pcr 13 --pcr 17 --pcr 18 --pcr 19"\n')
    .withFile('/etc/grub.d/19_linux_xen_tboot', '#! /bin/sh\n')
    .without('/etc/grub.d/19_linux_xen_trenchboot')
    .withFile('/proc/stat', `cpu  1 2 3 4\nbtime ${BOOT_TIME}\n`)
    .withFile('/proc/sys/kernel/random/boot_id', '8f1e7d2c-3b4a-4c5d-8e6f-0a1b2c3d4e5f\n')
    .withFile('/proc/sys/kernel/osrelease', `${KERNEL}\n`)
    .withFile(`/boot/vmlinuz-${KERNEL}`, 'MZ kernel\n')
    .withLink('/var/lib/tpm', `tpms/${TPM_ID}`)
    .withPackage('anti-evil-maid', '0:4.2.0-1.fc37', BOOT_TIME - 86400)
    .withTpm20()
    .bootedWithAem()
    .withXen('4.17.4-3')
    .withInternalDevice()
}
