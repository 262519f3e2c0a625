import { createHash } from 'node:crypto'
import { makeGrubConfiguration, makeGrubEnvironment } from '../../src/host/simulated/grub-files.ts'
import { disk, machineOf } from '../core/launch/launch-world.ts'
import { writeTxtStat } from '../core/launch/tboot-writer.ts'
import {
  aemDom0,
  INTERNAL_UUID,
  LUKS_UUID,
  launchedPcrs,
  type RecordedDom0,
  TPM_ID,
} from './recorded-machine.ts'

/* A recorded dom0 of which everything that protection rests on can be read, and what takes one part of it away. */

export const BANNER = '(XEN) Xen version 4.17.4 (@) (gcc (GCC) 12.3.1) debug=n Tue Jul 16 2024\n'
const RELEASE = '6.6.36-1.qubes.fc37.x86_64'
const SELECTED = [13, 17, 18, 19]
export const COPIES = [`/var/lib/tpms/${TPM_ID}/aem`, `/boot/aem/tpms/${TPM_ID}/aem`] as const

/**
 * key.pub of a sealed object: TPM2B_PUBLIC with the policy digest of TPM2_PolicyPCR over these registers of the sha256 bank
 * (TPM 2.0 Library 1.59, part 2, 12.2.5; part 3, 23.7; anti-evil-maid-lib-tpm2, tpmsealprepare).
 */
export function keyPublic(
  values: Readonly<Record<number, string>>,
  pcrs: readonly number[] = SELECTED,
): Buffer {
  const bitmap = Buffer.alloc(3)
  for (const index of pcrs) bitmap[index >> 3]! |= 1 << (index & 7)
  const selection = Buffer.concat([Buffer.from('00000001000b03', 'hex'), bitmap])
  const composite = createHash('sha256')
  for (const index of pcrs) composite.update(Buffer.from(values[index] ?? '', 'hex'))
  const policy = createHash('sha256')
    .update(Buffer.alloc(32))
    .update(Buffer.from('0000017f', 'hex'))
    .update(selection)
    .update(composite.digest())
    .digest()
  const area = Buffer.concat([
    Buffer.from('0008000b00000492', 'hex'),
    Buffer.from('0020', 'hex'),
    policy,
    Buffer.from('0010', 'hex'),
    Buffer.from('0020', 'hex'),
    Buffer.alloc(32, 7),
  ])
  const size = Buffer.alloc(2)
  size.writeUInt16BE(area.length)
  return Buffer.concat([size, area])
}

export function grubConfig(): string {
  return makeGrubConfiguration({
    xenName: 'xen-4.17.4.gz',
    kernelReleases: [RELEASE],
    aemUuid: INTERNAL_UUID,
    luksUuid: LUKS_UUID,
    xenOptions: null,
  })
}

/** grubenv with one variable set, 1024 bytes (GRUB 2.06, util/editenv.c). */
export function grubEnvironment(line = ''): string {
  const text = makeGrubEnvironment()
  return line === '' ? text : `${text.slice(0, 25)}${line}\n`.padEnd(1024, '#')
}

/** Everything good: measured by tboot, sealed for this boot in both copies, AEM's entry next, no update waiting. */
export function protectedDom0(): RecordedDom0 {
  const machine = aemDom0()
    .withFile('/boot/grub2/grub.cfg', grubConfig())
    .withFile('/boot/grub2/grubenv', grubEnvironment())
  for (const copy of COPIES) machine.withFile(`${copy}/key.pub`, keyPublic(launchedPcrs()))
  return machine
    .answering('launch-log', {}, { stdout: writeTxtStat(machineOf(disk())) })
    .answering('xl-dmesg', {}, { stdout: BANNER })
    .answering('unit-show', { unit: 'anti-evil-maid-seal.service' }, { stdout: unit() })
}

/** `systemctl show` of the seal unit (systemd 251). */
export function unit(values: Readonly<Record<string, string>> = {}): string {
  const all = {
    LoadState: 'loaded',
    ActiveState: 'inactive',
    SubState: 'dead',
    Result: 'success',
    ConditionResult: 'yes',
    ExecMainStatus: '0',
    ExecMainStartTimestampMonotonic: '14011023',
    ExecMainExitTimestampMonotonic: '19011023',
    DropInPaths: '',
    ...values,
  }
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** txt-stat's registers as tboot 1.10 prints them (utils/txt-stat.c), with this ERRORCODE, and no log. */
export function txtRegisters(errorCode: string, isLaunched = false): string {
  return `Intel(r) TXT Configuration Registers:\n\tSTS: 0x00000012\n\t    senter_done: ${isLaunched ? 'TRUE' : 'FALSE'}\n\tESTS: 0x00\n\t    txt_reset: FALSE\n\tE2STS: 0x0000000000000008\n\t    secrets: FALSE\n\tERRORCODE: ${errorCode}\n\tDIDVID: 0x00000001b0068086\n***********************************************************\n\t TXT measured launch: ${isLaunched ? 'TRUE' : 'FALSE'}\n\t secrets flag set: FALSE\n***********************************************************\nunable to find TBOOT log\n`
}
