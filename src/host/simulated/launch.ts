import { createHash } from 'node:crypto'
import type { Bank, PcrBanks } from '../../core/launch/pcr.ts'
import type { Booted } from './grub/hand-over.ts'
import type { Loaded } from './grub/loader.ts'
import type { SimMachine } from './model.ts'

const BANKS = ['sha1', 'sha256'] as const
type SimBank = (typeof BANKS)[number]

type LoggedEvent = { readonly pcr: number; readonly type: string; readonly digest: Record<SimBank, string> }

/* Written apart from src/core/launch on purpose, so that one can judge the other. */

/** Registers by what they hold; 17 to 22 start again at a launch (TCG PC Client Platform TPM Profile 1.05, 4.6). */
const PCR = { luksHeaders: 13, drtm: 17, launched: 18, modules: 19, last: 23 } as const
const DRTM_PCRS = [17, 18, 19, 20, 21, 22] as const

const POLICY_CONTROL = Buffer.from([1, 0, 0, 0])

/**
 * What tboot does with the legacy map: PCR 17 <- the SINIT that GRUB loaded, else the firmware's; PCR 18 <- MLE then
 * module 0; PCR 19 <- the later modules, each M = H(H(command line) || H(image)) (tboot 1.10.5, policy.c). Registers 17-22
 * start at zero.
 */
export function launch(machine: SimMachine, tboot: Loaded, { modules: measured, sinit }: Booted): void {
  const events: LoggedEvent[] = [
    { pcr: PCR.drtm, type: '0x402', digest: hashAll(sinit?.image ?? machine.sinit) },
    { pcr: PCR.launched, type: '0x404', digest: hashMle(tboot) },
    { pcr: PCR.drtm, type: '0x501', digest: hashAll(POLICY_CONTROL, Buffer.from('any')) },
    ...measured.map((module, index) => ({
      pcr: index === 0 ? PCR.launched : PCR.modules,
      type: '0x501',
      digest: moduleDigest(module),
    })),
  ]
  resetDrtm(machine, '00')
  for (const event of events) extend(machine.pcrs, event.pcr, event.digest)
  machine.launchLog = renderLog(events, measured, tboot)
}

/** After a boot without a launch, registers 17-22 read all ones. */
export function resetDrtm(machine: SimMachine, byte: '00' | 'ff'): void {
  for (const bank of BANKS) {
    for (const index of DRTM_PCRS) setPcr(machine.pcrs, bank, index, byte.repeat(emptyPcr(bank).length / 2))
  }
}

/** Power-on: all registers at zero, the DRTM ones at ones; then AEM's initrd measures the LUKS header. */
export function resetAllPcrs(machine: SimMachine): void {
  for (const bank of BANKS) {
    for (let index = 0; index <= PCR.last; index++) setPcr(machine.pcrs, bank, index, emptyPcr(bank))
  }
  resetDrtm(machine, 'ff')
}

export function measureLuksHeader(machine: SimMachine): void {
  extend(machine.pcrs, PCR.luksHeaders, hashAll(machine.luksHeader))
}

function extend(pcrs: PcrBanks, index: number, digest: Record<SimBank, string>): void {
  for (const bank of BANKS) {
    setPcr(pcrs, bank, index, extendPcr(bank, pcrs[bank]?.[index] ?? emptyPcr(bank), digest[bank]))
  }
}

function emptyPcr(bank: Bank): string {
  return '00'.repeat(createHash(bank).digest().length)
}

function extendPcr(bank: Bank, value: string, digest: string): string {
  return createHash(bank)
    .update(Buffer.from(value + digest, 'hex'))
    .digest('hex')
}

function setPcr(pcrs: PcrBanks, bank: Bank, index: number, value: string): void {
  const values = pcrs[bank] ?? {}
  values[index] = value
  pcrs[bank] = values
}

function hashAll(...parts: readonly Uint8Array[]): Record<SimBank, string> {
  const hash = (bank: SimBank): string => createHash(bank).update(Buffer.concat(parts)).digest('hex')
  return { sha1: hash('sha1'), sha256: hash('sha256') }
}

/** tboot's own: its command line and its image (tboot 1.10.5, lcptools-v2/mlehash.c). */
function hashMle({ commandLine, image }: Loaded): Record<SimBank, string> {
  return hashAll(Buffer.from(commandLine, 'latin1'), image)
}

function moduleDigest({ commandLine, image }: Loaded): Record<SimBank, string> {
  const [line, content] = [hashAll(Buffer.from(commandLine, 'latin1')), hashAll(image)]
  const join = (bank: SimBank): string =>
    createHash(bank)
      .update(Buffer.from(line[bank] + content[bank], 'hex'))
      .digest('hex')
  return { sha1: join('sha1'), sha256: join('sha256') }
}

/** `txt-stat` of tboot 1.10 in its own form, as far as this program reads it. */
function renderLog(events: readonly LoggedEvent[], modules: readonly Loaded[], mle: Loaded): string {
  const spaced = (hex: string): string => hex.replace(/../g, '$& ')
  const vl = events.filter((event) => event.type === '0x501')
  return [
    'Intel(r) TXT Configuration Registers:',
    '***********************************************************',
    '\t TXT measured launch: TRUE',
    '\t secrets flag set: TRUE',
    '***********************************************************',
    'TBOOT log:',
    '\t max_size=32706',
    '\t zip_count=0',
    '\t curr_pos=9000',
    '\t buf:',
    'TBOOT: *********************** TBOOT ***********************',
    'TBOOT:    2022-05-04 12:00 +0200 1.10.5',
    'TBOOT: *****************************************************',
    `TBOOT: command line: ${mle.commandLine}`,
    'TBOOT: reading Verified Launch Policy from TPM NV...',
    'TBOOT: failed to read policy from TPM NV, using default',
    'TBOOT: measured launch succeeded',
    'TBOOT: \t os_sinit_data (@0xb8f2017e, 0x9c):',
    'TBOOT: \t     capabilities: 0x00000002',
    'TBOOT: \t     pcr_map_no_legacy: 0',
    'TBOOT: \t     pcr_map_da: 0',
    ...events.filter((event) => event.type !== '0x501').flatMap((event) => renderEvent(event, spaced)),
    'TBOOT: \t mle_hash:',
    `TBOOT: \t ${spaced(hashMle(mle).sha256)}`,
    'TBOOT: verifying policy ',
    ...modules.flatMap((module) => [
      `TBOOT: verifying module "${Buffer.from(module.commandLine, 'latin1').toString()}"...`,
      `TBOOT: \t OK : ${spaced(moduleDigest(module).sha256)}`,
    ]),
    'TBOOT: all modules are verified',
    'TBOOT: \t policy_control: 00000001 (EXTEND_PCR17)',
    'TBOOT: \t VL measurements:',
    ...vl.flatMap((event) => [
      `TBOOT: \t   PCR ${event.pcr} (alg count 2):`,
      `TBOOT: \t\t   alg 0004: ${spaced(event.digest.sha1)}`,
      `TBOOT: \t\t   alg 000B: ${spaced(event.digest.sha256)}`,
    ]),
    ...vl.flatMap((event) => renderEvent(event, spaced)),
    'TBOOT: transfering control to kernel @0x200000...',
    '',
  ].join('\n')
}

function renderEvent(event: LoggedEvent, spaced: (hex: string) => string): readonly string[] {
  return [
    'TBOOT: \t\t\t Event:',
    `TBOOT: \t\t\t     PCRIndex: ${event.pcr}`,
    `TBOOT: \t\t\t         Type: ${event.type}`,
    `TBOOT: \t\t\t       Digest: ${spaced(event.digest.sha256)}`,
    'TBOOT: \t\t\t         Data: 0 bytes',
  ]
}
