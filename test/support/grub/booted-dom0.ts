import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { makeSinit, makeXenImage } from '../../../src/host/simulated/boot-images.ts'
import { type Form, type Machine, pcrsOf, writeTxtStat } from '../../core/launch/tboot-writer.ts'
import { aemDom0, INTERNAL_UUID, LUKS_UUID, type RecordedDom0 } from '../recorded-machine.ts'
import { bootConcretely } from './concrete-grub.ts'
import { type QubesGrub, writeGrubEnvironment, writeQubesGrub } from './qubes-grub-writer.ts'

const KERNEL = '6.6.36-1.qubes.fc37.x86_64'
const XEN = '4.17.4'
const SINIT = 'SNB_IVB_SINIT_20190708_PW.BIN'
const TBOOT = 'tboot of the tests'
/** Long before the boot of aemDom0. */
const BEFORE_BOOT = 1720000000

export type BootedFacts = {
  readonly platform: 'pc' | 'efi'
  readonly tpm: '1.2' | '2.0'
  readonly grub?: Partial<QubesGrub>
  /** Variables of grubenv when it booted. */
  readonly grubenv?: Readonly<Record<string, string>>
}

/** The grub.cfg of this dom0, as its grub2-mkconfig writes it. */
export function grubConfigOfDom0(changes: Partial<QubesGrub> = {}): string {
  return writeQubesGrub({
    uuid: INTERNAL_UUID,
    deviceId: INTERNAL_UUID,
    xenVersions: [XEN],
    kernels: [KERNEL],
    sinit: [SINIT],
    kernelOptions: `rd.luks.uuid=luks-${LUKS_UUID} rhgb quiet `,
    ...changes,
  })
}

/**
 * A recorded dom0 that tboot launched by the entry that the true grub.cfg boots by default. What was loaded comes from a
 * reader of grub.cfg that shares nothing with the program's (concrete-grub.ts), log and registers from a writer that does not
 * either (tboot-writer.ts). What lies on the device afterwards is up to the test.
 */
export function bootedDom0(facts: BootedFacts): RecordedDom0 {
  const cfg = grubConfigOfDom0(facts.grub)
  const environment = writeGrubEnvironment(facts.grubenv)
  const images: Record<string, Buffer> = {
    [`/xen-${XEN}.gz`]: Buffer.from(makeXenImage('4.17.4-3')),
    [`/vmlinuz-${KERNEL}`]: Buffer.from('MZ kernel\n'),
    [`/initramfs-${KERNEL}.img`]: Buffer.from('initramfs of the tests'),
  }
  const sinit = makeSinit('of the tests')
  const { loads } = bootConcretely(cfg, {
    uuid: INTERNAL_UUID,
    platform: facts.platform,
    files: { '/grub2/grubenv': environment, '/aem/': '' },
  })
  const modules = loads.flatMap(({ words: [command, path = '', ...line] }) => {
    const stored = command === 'module' ? images[path] : undefined
    return stored === undefined ? [] : [{ path, commandLine: line.join(' '), image: loaded(stored) }]
  })
  const [xen, kernel] = modules
  const form: Form = facts.tpm === '1.2' ? '1.10-tpm12' : '1.10-tpm2'
  const launched: Machine = { form, modules }
  const machine = aemDom0().forgetting('/sys/class/tpm', 'xl', '/boot/xen-')
  const pcrs = pcrsOf(launched)[facts.tpm === '1.2' ? 'sha1' : 'sha256'] ?? {}
  const luks = createHash('sha256').update('LUKS').digest('hex')
  if (facts.tpm === '1.2') machine.withTpm12({ ...pcrs, 13: luks })
  // Under tboot's newer map nothing is measured into PCR 19.
  else
    machine
      .withTpm20({ ...pcrs, 13: luks })
      .withFile('/etc/anti-evil-maid.conf', 'SEAL="--pcr 13 --pcr 17 --pcr 18"\n')
  for (const [path, bytes] of Object.entries(images)) machine.withFile(`/boot${path}`, bytes)
  machine
    .withFile('/proc/cmdline', `${kernel?.commandLine}\n`)
    .withFile('/boot/grub2/grub.cfg', cfg)
    .withFile('/boot/grub2/grubenv', environment)
    .without('/boot/grub2/user.cfg', '/boot/grub2/custom.cfg')
    .withFile('/boot/tboot.gz', TBOOT)
    .withFile(`/boot/${SINIT}`, sinit)
    .answering('launch-log', {}, { stdout: writeTxtStat(launched) })
    .answering(
      'xl-info',
      {},
      {
        stdout: `host                   : dom0\nxen_version            : ${XEN}\nxen_commandline        : ${xen?.commandLine}\n`,
      },
    )
  ownTboot(machine)
  const stat = { kind: 'file', sizeBytes: sinit.length, mtimeMs: BEFORE_BOOT * 1000, mode: 0o644 }
  machine.extra.stats = { [`/boot/${SINIT}`]: stat }
  if (facts.platform === 'efi') machine.withFile('/sys/firmware/efi/fw_platform_size', '64\n')
  else machine.without('/sys/firmware/efi')
  return machine
}

/** GRUB unpacks gzip before it hands a module over. */
function loaded(stored: Buffer): Buffer {
  return stored[0] === 0x1f ? gunzipSync(stored) : stored
}

/** tboot's package, which brought the file before this boot. */
function ownTboot(machine: RecordedDom0): void {
  const evr = '1:1.10.5-2.fc37'
  const digest = createHash('sha256').update(TBOOT).digest('hex')
  machine
    .withPackage('tboot', evr, BEFORE_BOOT)
    .answering('rpm-owner', { path: '/boot/tboot.gz' }, { stdout: machine.commands.at(-1)?.stdout as string })
    .answering('rpm-files', { name: 'tboot' }, { stdout: `tboot\t${evr}\t/boot/tboot.gz\t${digest}\n` })
    .answering('rpm-verify', { name: 'tboot' }, { stdout: '' })
    .answering(
      'rpm-signature',
      { name: 'tboot' },
      { stderr: 'Header V4 RSA/SHA256 Signature, key ID 8e34d89f: OK\n' },
    )
}
