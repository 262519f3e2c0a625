import type { Launch, LaunchEvent } from './launch.ts'
import type { TpmVersion } from './tpm.ts'

/*
 * txt-stat's output in the form of real ones: TPM 1.2 after a log of tboot 1.10.3 posted to tboot-devel
 * (2022-01-31); the TPM 2.0 parts after tboot's txt/heap.c print_evt_log_ptr_elt_2 and policy.c.
 */

const LINE_BYTES = 80

function hex(bytes: Buffer): string {
  return `${(bytes.toString('hex').match(/../g) ?? []).join(' ')} `
}

/** tboot prints a module's command line in pieces of 80 bytes, each on a line of its own. */
function pieces(latin1: string): string {
  let out = ''
  for (let at = 0; at < latin1.length; at += LINE_BYTES) out += `\n${latin1.slice(at, at + LINE_BYTES)}`
  return out
}

function eventLines(event: LaunchEvent, bank: 'sha1' | 'sha256'): string[] {
  const data = (event.data.toString('hex').match(/.{1,32}/g) ?? []).map(
    (row) => `\t\t\t         ${hex(Buffer.from(row, 'hex'))}`,
  )
  return [
    'TBOOT: \t\t\t Event:',
    `TBOOT: \t\t\t     PCRIndex: ${event.pcr}`,
    `TBOOT: \t\t\t         Type: 0x${event.type.toString(16)}`,
    `TBOOT: \t\t\t       Digest: ${hex(event.digests[bank])}`,
    `TBOOT: \t\t\t         Data: ${event.data.length} bytes${event.data.length > 0 ? '' : ' '}`.trimEnd(),
    ...data,
  ]
}

/** What txt-stat says of the registers, before any log. */
export function txtRegisters(launched: boolean): string[] {
  const said = launched ? 'TRUE' : 'FALSE'
  const rule = '***********************************************************'
  return [
    'Intel(r) TXT Configuration Registers:',
    `\tSTS: ${launched ? '0x00018091' : '0x00000002'}`,
    `\t    senter_done: ${said}`,
    '\t    sexit_done: FALSE',
    '\t    mem_config_lock: FALSE',
    `\t    private_open: ${said}`,
    `\t    locality_1_open: ${said}`,
    `\t    locality_2_open: ${said}`,
    '\tESTS: 0x00',
    '\t    txt_reset: FALSE',
    `\tE2STS: ${launched ? '0x0000000000000006' : '0x0000000000000000'}`,
    `\t    secrets: ${said}`,
    '\tERRORCODE: 0x00000000',
    '\tDIDVID: 0x00000001b0068086',
    '\t    vendor_id: 0x8086',
    '\t    device_id: 0xb006',
    '\t    revision_id: 0x1',
    '',
    rule,
    `\t TXT measured launch: ${said}`,
    `\t secrets flag set: ${said}`,
    rule,
  ]
}

/** txt-stat's words where no launch took place. */
export function unlaunchedLog(): string {
  return `${[...txtRegisters(false), 'unable to find TBOOT log'].join('\n')}\n`
}

/** txt-stat's words about a launch. */
export function launchLog(launch: Launch, version: TpmVersion): string {
  const bank = version === '2.0' ? 'sha256' : 'sha1'
  const alg = version === '2.0' ? '000B' : '0004'
  const first = launch.events.filter((event) => event.type !== 0x501)
  const later = launch.events.filter((event) => event.type === 0x501)
  const note: LaunchEvent = { pcr: 255, type: 0x401, digests: zero(), data: Buffer.alloc(4) }
  const [senter, ...sinit] = first
  const container =
    version === '2.0'
      ? [
          'TBOOT: \t\t EVENT_LOG_PTR:',
          'TBOOT: \t\t       size: 40',
          'TBOOT: \t\t      count: 1',
          'TBOOT: \t\t\t Log Descrption:',
          'TBOOT: \t\t\t             Alg: 11',
          'TBOOT: \t\t\t            Size: 4096',
          'TBOOT: \t\t\t    EventsOffset: [0,320)',
        ]
      : [
          'TBOOT: \t\t EVENT_LOG_POINTER:',
          'TBOOT: \t\t       size: 16',
          'TBOOT: \t\t  elog_addr: 0xb8f30176',
          'TBOOT: \t\t\t Event Log Container:',
          'TBOOT: \t\t\t     Signature: TXT Event Container',
          'TBOOT: \t\t\t  ContainerVer: 1.0',
          'TBOOT: \t\t\t   PCREventVer: 1.0',
          'TBOOT: \t\t\t          Size: 20480',
          'TBOOT: \t\t\t  EventsOffset: [48,296]',
        ]
  const log = [
    'TBOOT: *********************** TBOOT ***********************',
    'TBOOT:    2023-02-20 15:00 +0100 1.10.5',
    'TBOOT: *****************************************************',
    `TBOOT: command line: ${launch.entry.tboot?.commandLine ?? ''}`,
    'TBOOT: SINIT matches platform',
    'TBOOT: AC module header dump for SINIT:',
    'TBOOT: \t\t capabilities: 0x0000036e',
    'TBOOT: \t\t     pcr_map_no_legacy: 0',
    'TBOOT: \t\t     pcr_map_da: 1',
    `TBOOT: TPM: ${version === '2.0' ? 'CRB_INF Locality 0 is open' : 'discrete TPM1.2 Family 0x0'}`,
    'TBOOT: reading Verified Launch Policy from TPM NV...',
    'TBOOT: failed to read policy from TPM NV, using default',
    'TBOOT: no policy in TPM NV.',
    'TBOOT: executing GETSEC[SENTER]...',
    'TBOOT: SINIT ACM successfully returned...',
    'TBOOT: measured launch succeeded',
    'TBOOT: os_sinit_data (@0xb8f3517e, 0x7c):',
    'TBOOT: \t version: 7',
    'TBOOT: \t capabilities: 0x00000402',
    'TBOOT: \t     pcr_map_no_legacy: 0',
    'TBOOT: \t     pcr_map_da: 0',
    'TBOOT: \t ext_data_elts[]:',
    ...container,
    ...(senter ? eventLines(senter, bank) : []),
    ...eventLines(note, bank),
    ...sinit.flatMap((event) => eventLines(event, bank)),
    'TBOOT: sinit_mle_data (@0xb8f351fa, 0x2fc):',
    'TBOOT: \t version: 8',
    'TBOOT: \t sinit_hash:',
    `\t${hex((senter as LaunchEvent).digests[bank])}`,
    'TBOOT: \t mle_hash:',
    `\t${hex(launch.mleHash[bank])}`,
    'TBOOT: \t stm_hash:',
    `\t${hex(zero()[bank])}`,
    'TBOOT: \t lcp_policy_hash:',
    `\t${hex(zero()[bank])}`,
    'TBOOT: \t lcp_policy_control: 0x00000000',
    'TBOOT: verifying policy ',
    ...launch.measured.flatMap(({ module, digests }) => [
      `TBOOT: verifying module "${pieces(module.commandLine)}"...`,
      `TBOOT: \t OK : ${hex(digests[bank])}`,
    ]),
    'TBOOT: all modules are verified',
    'TBOOT: pre_k_s3_state:',
    'TBOOT: \t vtd_pmr_lo_base: 0x0',
    `TBOOT: \t pol_hash: ${hex(launch.policyHash[bank])}`,
    'TBOOT: \t VL measurements:',
    ...later.flatMap((event) => [
      `TBOOT: \t   PCR ${event.pcr} (alg count 1):`,
      `TBOOT: \t\t   alg ${alg}: ${hex(event.digests[bank])}`,
    ]),
    ...later.flatMap((event) => eventLines(event, bank)),
    'TBOOT: tboot_shared data:',
    'TBOOT: \t version: 6',
    `TBOOT: assuming kernel is ${'ELF'} format`,
    'TBOOT: transfering control to kernel @0x200000...',
  ]
  const text = `${log.join('\n')}\n`
  return [
    ...txtRegisters(true),
    'TBOOT log:',
    '\t max_size=32706',
    '\t zip_count=0',
    `\t curr_pos=${text.length}`,
    '\t buf:',
    text,
  ].join('\n')
}

function zero(): { sha1: Buffer; sha256: Buffer } {
  return { sha1: Buffer.alloc(20), sha256: Buffer.alloc(32) }
}
