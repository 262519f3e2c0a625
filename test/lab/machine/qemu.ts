import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type Child, startChild } from './child.ts'
import type { BootChoice, Loaded } from './loader.ts'

/*
 * QEMU as the machine: no KVM, so TCG. It has neither TXT nor, here, a GRUB: it starts what the loader has chosen, by
 * its own multiboot loader (Xen, then kernel and initramfs as modules), and the launch is the TPM proxy's.
 */

export type QemuParts = {
  readonly choice: BootChoice
  readonly disk: string
  /** The guest's txt-stat reads what is on this one. */
  readonly launchLog: string
  readonly tpmSocket: string
  /** Sockets and logs of this power-on. */
  readonly folder: string
}

/** Enough for every log, and for a kernel that looks for partition tables of all kinds. */
const LOG_DISK_BYTES = 65_536
/** AES without PCLMULQDQ makes aesni_intel oops and udev wait for minutes; without RDRAND dom0 waits for randomness. */
const CPU = 'qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+aes,+pclmulqdq,+rdrand'
const MEMORY_MB = 2048
/** With two, each waits for the other one's emulation: boots take twice as long where cores are shared. */
const PROCESSORS = 1

/** Commas part QEMU's modules; a doubled one stands for itself (get_opt_value). */
const escaped = (text: string): string => text.replaceAll(',', ',,')

export async function startQemu(parts: QemuParts): Promise<Child> {
  const { choice, folder } = parts
  const at = (name: string): string => path.join(folder, name)
  const [xen, ...modules] = choice.modules as [Loaded, ...Loaded[]]
  const files = [xen, ...modules].map((_, index) => at(`module-${index}`))
  for (const [index, module] of [xen, ...modules].entries())
    await writeFile(files[index] as string, module.image)
  const initrd = modules.map(({ commandLine }, index) =>
    escaped([files[index + 1], ...(commandLine === '' ? [] : [commandLine])].join(' ')),
  )
  const padded = Buffer.alloc(LOG_DISK_BYTES)
  if (padded.write(parts.launchLog, 'latin1') < parts.launchLog.length)
    throw new Error('the launch log is too long')
  await writeFile(at('launch-log'), padded)
  const drive = (file: string, id: string, more = ''): string[] => [
    '-drive',
    `file=${escaped(file)},format=raw,if=none,id=${id},cache=unsafe${more}`,
    '-device',
    `virtio-blk-pci,drive=${id},serial=${id}`,
  ]
  const argv = [
    ...['qemu-system-x86_64', '-accel', 'tcg,thread=multi', '-M', 'pc', '-cpu', CPU],
    ...['-smp', String(PROCESSORS), '-m', String(MEMORY_MB), '-nodefaults', '-display', 'none', '-no-reboot'],
    // `socat - UNIX-CONNECT:FOLDER/console.sock` is a console to log in at
    ...['-chardev', `socket,id=console,path=${at('console.sock')},server=on,wait=off,logfile=${at('serial.log')}`],
    ...['-serial', 'chardev:console'],
    ...['-kernel', files[0] as string, '-append', xen.commandLine, '-initrd', initrd.join(',')],
    ...drive(parts.disk, 'labdisk'),
    ...drive(at('launch-log'), 'lablog', ',readonly=on'),
    ...['-chardev', `socket,id=tpm,path=${parts.tpmSocket}`, '-tpmdev', 'emulator,id=tpm0,chardev=tpm'],
    ...['-device', 'tpm-tis,tpmdev=tpm0'],
    ...['-device', 'virtio-serial-pci', '-chardev', `socket,id=agent,path=${at('agent.sock')},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=agent,name=lab.port'],
  ] // biome-ignore format: one line per thought
  return startChild(argv, at('qemu.log'))
}
