import { txtRegisters } from '../../stage/launch-log.ts'
import { type Launch, type LaunchEvent, SINIT_DETAILS } from './measure.ts'

/*
 * What `txt-stat` prints after this launch, for the stand-in in the guest: tboot 1.10.5, utils/txt-stat.c for the
 * registers, tboot/txt/heap.c (print_evt_log_ptr_elt_2, print_event_2) and tboot/common/policy.c for the log.
 */

/** tboot prints a module's command line in pieces of this many bytes, each on a line of its own. */
const PIECE_BYTES = 80

function bytes(digest: Buffer): string {
  return [...digest].map((byte) => `${byte.toString(16).padStart(2, '0')} `).join('')
}

function event(pcr: number, type: number, digest: Buffer, data: Buffer = Buffer.alloc(0)): string[] {
  const rows = data.toString('hex').match(/.{1,32}/g) ?? []
  return [
    '\t\t\t Event:',
    `\t\t\t     PCRIndex: ${pcr}`,
    `\t\t\t         Type: 0x${type.toString(16)}`,
    `\t\t\t       Digest: ${bytes(digest)}`,
    [
      `\t\t\t         Data: ${data.length} bytes`,
      ...rows.map((row) => `\t\t\t         ${bytes(Buffer.from(row, 'hex'))}`),
    ].join('\n'),
  ]
}

const launchEvent = ({ pcr, type, digests }: LaunchEvent): string[] =>
  event(pcr, type, digests.sha256, type === 0x403 ? SINIT_DETAILS : undefined)

function commandLine(text: string): string {
  const pieces = [...text.matchAll(new RegExp(`.{1,${PIECE_BYTES}}`, 'gs'))]
  return pieces.map(([piece]) => `\n${piece}`).join('')
}

/** txt-stat's output for a TPM 2.0; null stands for a boot without a measured launch. */
export function launchLog(launch: Launch | null): string {
  if (!launch) return `${[...txtRegisters(false), 'unable to find TBOOT log'].join('\n')}\n`
  const zero = Buffer.alloc(32)
  const own = launch.events.filter(({ type }) => type === 0x501)
  const sinit = launch.events.filter(({ type }) => type !== 0x501)
  const log = [
    '*********************** TBOOT ***********************',
    '   2023-02-20 15:00 +0100 1.10.5',
    '*****************************************************',
    `command line: ${launch.tbootCommandLine}`,
    'SINIT matches platform',
    'AC module header dump for SINIT:',
    '\t\t capabilities: 0x0000036e',
    '\t\t     pcr_map_no_legacy: 0',
    '\t\t     pcr_map_da: 1',
    'TPM: CRB_INF Locality 0 is open',
    'reading Verified Launch Policy from TPM NV...',
    'failed to read policy from TPM NV, using default',
    'no policy in TPM NV.',
    'executing GETSEC[SENTER]...',
    'SINIT ACM successfully returned...',
    'measured launch succeeded',
    'os_sinit_data (@0xb8f3517e, 0x7c):',
    '\t version: 7',
    '\t capabilities: 0x00000402',
    '\t     pcr_map_no_legacy: 0',
    '\t     pcr_map_da: 0',
    '\t ext_data_elts[]:',
    '\t\t EVENT_LOG_PTR:',
    '\t\t       size: 40',
    '\t\t      count: 1',
    '\t\t\t Log Descrption:',
    '\t\t\t             Alg: 11',
    '\t\t\t            Size: 4096',
    '\t\t\t    EventsOffset: [0,320)',
    ...launchEvent(sinit[0] as LaunchEvent),
    // no extend: what SINIT notes for readers of the log
    ...event(255, 0x401, zero, Buffer.alloc(4)),
    ...sinit.slice(1).flatMap(launchEvent),
    'sinit_mle_data (@0xb8f351fa, 0x2fc):',
    '\t version: 8',
    `\t sinit_hash:\n\t${bytes((sinit[0] as LaunchEvent).digests.sha256)}`,
    `\t mle_hash:\n\t${bytes(launch.mleHash.sha256)}`,
    `\t stm_hash:\n\t${bytes(zero)}`,
    `\t lcp_policy_hash:\n\t${bytes(zero)}`,
    '\t lcp_policy_control: 0x00000000',
    'verifying policy ',
    ...launch.modules.flatMap((module) => [
      `verifying module "${commandLine(module.commandLine)}"...`,
      `\t OK : ${bytes(module.digests.sha256)}`,
    ]),
    'all modules are verified',
    'pre_k_s3_state:',
    '\t vtd_pmr_lo_base: 0x0',
    `\t pol_hash: ${bytes(launch.policyHash.sha256)}`,
    '\t VL measurements:',
    ...own.flatMap(({ pcr, digests }) => [
      `\t   PCR ${pcr} (alg count 1):`,
      `\t\t   alg 000B: ${bytes(digests.sha256)}`,
    ]),
    ...own.flatMap(launchEvent),
    'tboot_shared data:',
    '\t version: 6',
    'assuming kernel is ELF format',
    'transfering control to kernel @0x200000...',
  ]
  // what tboot prints in one piece has its prefix once
  const text = `${log.map((entry) => `TBOOT: ${entry}`).join('\n')}\n`
  const header = [
    'TBOOT log:',
    '\t max_size=32706',
    '\t zip_count=0',
    `\t curr_pos=${text.length}`,
    '\t buf:',
  ]
  return [...txtRegisters(true), ...header, text].join('\n')
}
