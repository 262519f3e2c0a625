import { createHash } from 'node:crypto'

/**
 * Writes txt-stat output in the forms tboot prints, and computes the registers on its own. Shares no code with the
 * readers under test: forms from tboot 1.7.4, 1.9.12 and 1.10.5 (common/policy.c, integrity.c, txt/heap.c).
 */
export type Algorithm = 'sha1' | 'sha256'
export type WrittenModule = { commandLine: string; image: Uint8Array }
export type Form = '1.7' | '1.9.12' | '1.10-tpm12' | '1.10-tpm2'

export type Machine = {
  form: Form
  modules: WrittenModule[]
  /** tboot before 1.9.4 hashes the command line without its first word. */
  strips?: boolean
  mle?: string
  sinit?: string
}

export function hash(algorithm: Algorithm, ...parts: (Uint8Array | string)[]): Buffer {
  const state = createHash(algorithm)
  for (const part of parts) state.update(part)
  return state.digest()
}

export const SIZE = { sha1: 20, sha256: 32 } as const
const ID = { sha1: '0004', sha256: '000B' } as const
const ALL: Algorithm[] = ['sha1', 'sha256']

export function measure(algorithm: Algorithm, module: WrittenModule, strips = false): Buffer {
  const line = strips ? module.commandLine.replace(/^ *[^ ]* */, '') : module.commandLine
  return hash(algorithm, hash(algorithm, line), hash(algorithm, module.image))
}

type Extend = { pcr: number; type: number; digests: Partial<Record<Algorithm, Buffer>> }

/** The algorithm tboot measures modules with: what its policy's default is on this TPM. */
export function algorithmOf(machine: Machine): Algorithm {
  return machine.form === '1.10-tpm2' ? 'sha256' : 'sha1'
}

function both(text: string): Extend['digests'] {
  return Object.fromEntries(ALL.map((algorithm) => [algorithm, hash(algorithm, text)]))
}

function policyDigest(algorithm: Algorithm): Buffer {
  return hash(algorithm, Buffer.from('01000000', 'hex'), hash(algorithm, 'default policy'))
}

/** Everything the machine extends, in order. */
export function extendsOf(machine: Machine): Extend[] {
  const algorithm = algorithmOf(machine)
  const isDa = machine.form === '1.10-tpm2'
  const one = (value: Buffer) => ({ [algorithm]: value })
  const sinit = both(machine.sinit ?? 'sinit')
  const mle = both(machine.mle ?? 'mle')
  const list: Extend[] = []
  if (isDa)
    list.push(
      { pcr: 17, type: 0x402, digests: sinit },
      { pcr: 17, type: 0x404, digests: mle },
      { pcr: 18, type: 0x410, digests: both('sinit key') },
    )
  else {
    list.push({ pcr: 17, type: 0x402, digests: one(sinit[algorithm]!) })
    list.push({ pcr: 17, type: 0x403, digests: one(hash(algorithm, 'platform')) })
    list.push({ pcr: 18, type: 0x404, digests: one(mle[algorithm]!) })
  }
  list.push({ pcr: 17, type: 0x501, digests: one(policyDigest(algorithm)) })
  if (isDa) list.push({ pcr: 18, type: 0x501, digests: one(policyDigest(algorithm)) })
  machine.modules.forEach((module, index) => {
    const pcr = isDa ? 17 : index === 0 ? 18 : 19
    list.push({ pcr, type: 0x501, digests: one(measure(algorithm, module, machine.strips)) })
  })
  return list
}

/** The registers after the launch, as the TPM would hold them. */
export function pcrsOf(machine: Machine): Record<string, Record<number, string>> {
  const banks: Algorithm[] = machine.form === '1.10-tpm2' ? ALL : ['sha1']
  return Object.fromEntries(
    banks.map((bank) => {
      const values: Record<number, Buffer> = {}
      for (let index = 17; index <= 22; index++) values[index] = Buffer.alloc(SIZE[bank])
      for (const { pcr, digests } of extendsOf(machine))
        if (digests[bank]) values[pcr] = hash(bank, values[pcr]!, digests[bank])
      return [bank, Object.fromEntries(Object.entries(values).map(([i, v]) => [i, v.toString('hex')]))]
    }),
  )
}

function hex(value: Uint8Array): string {
  return `${Buffer.from(value).toString('hex').replace(/../g, '$& ')}`
}

function eventLines(event: Extend, form: Form): string[] {
  if (form === '1.10-tpm2') {
    const digests = ALL.filter((one) => event.digests[one])
    return [
      'TBOOT: \t\t\t TCG Event:',
      `TBOOT: \t\t\t      pcr_index: ${event.pcr}`,
      `TBOOT: \t\t\t     event_type: 0x${event.type.toString(16)}`,
      `TBOOT: \t\t\t          count: ${digests.length}`,
      ...digests.flatMap((one) => [`TBOOT: ${one.toUpperCase()}: `, `TBOOT: ${hex(event.digests[one]!)}`]),
      'TBOOT: \t\t\t     event_data: 0 bytes',
    ]
  }
  return [
    'TBOOT: \t\t\t Event:',
    `TBOOT: \t\t\t     PCRIndex: ${event.pcr}`,
    `TBOOT: \t\t\t         Type: 0x${event.type.toString(16)}`,
    `TBOOT: \t\t\t       Digest: ${hex(event.digests.sha1!)}`,
    'TBOOT: \t\t\t         Data: 0 bytes',
  ]
}

function moduleLines(machine: Machine, module: WrittenModule): string[] {
  const algorithm = algorithmOf(machine)
  const chunks = module.commandLine.match(/[\s\S]{1,80}/g) ?? []
  const text = ['TBOOT: verifying module "', ...chunks].join('\n')
  const digest = measure(algorithm, module, machine.strips)
  const stack = machine.form === '1.9.12' ? Buffer.from('00000000000000000000d89b', 'hex') : Buffer.alloc(0)
  return [`${text}"...`, `TBOOT: \t OK : ${hex(Buffer.concat([digest, stack]))}`]
}

function vlLines(machine: Machine, measured: Extend[]): string[] {
  const algorithm = algorithmOf(machine)
  return measured.flatMap(({ pcr, digests }) =>
    machine.form === '1.7'
      ? [`TBOOT: \t   PCR ${pcr}: ${hex(digests.sha1!)}`]
      : [
          `TBOOT: \t   PCR ${pcr} (alg count 1):`,
          `TBOOT: \t\t   alg ${ID[algorithm]}: ${hex(digests[algorithm]!)}`,
        ],
  )
}

function banner(form: Form): string[] {
  const version = { '1.7': '1.7.4', '1.9.12': '1.9.12', '1.10-tpm12': '1.10.5', '1.10-tpm2': '1.10.5' }[form]
  return [
    'TBOOT: *********************** TBOOT ***********************',
    `TBOOT:    2022-06-10 14:00 +0100 ${version}`,
    'TBOOT: *****************************************************',
    'TBOOT: command line: logging=memory,serial',
  ]
}

/** Old memory printed before the launch: must not count. */
const GARBAGE = [
  'TBOOT: \t\t EVENT_LOG_PTR:',
  'TBOOT: \t\t\t Event:',
  'TBOOT: \t\t\t     PCRIndex: 17',
  'TBOOT: \t\t\t         Type: 0x402',
  'TBOOT: \t\t\t       Digest: e0 64 42 17 72 da 0c ca 59 ce a4 78 01 c2 ee 5e 5c 2a 17 58 ',
  'TBOOT: \t\t\t         Data: 0 bytes',
]

function platformLines(machine: Machine, platform: Extend[]): string[] {
  if (machine.form === '1.7' || machine.form === '1.9.12') return []
  const heading =
    machine.form === '1.10-tpm2' ? 'TBOOT: \t TCG Event Log Header:' : 'TBOOT: \t\t\t Event Log Container:'
  const mapping: Extend = { pcr: 255, type: 0x401, digests: both('not extended') }
  return [
    heading,
    ...[platform[0]!, mapping, ...platform.slice(1)].flatMap((event) => eventLines(event, machine.form)),
  ]
}

export function writeTxtStat(machine: Machine): string {
  const all = extendsOf(machine)
  const platform = all.filter((event) => event.type !== 0x501)
  const measured = all.filter((event) => event.type === 0x501)
  const isDa = machine.form === '1.10-tpm2'
  const shown = (value: Buffer) => hex(isDa ? Buffer.alloc(20) : value)
  const printsEvents = machine.form !== '1.7' && machine.form !== '1.9.12'
  return [
    'Intel(r) TXT Configuration Registers:',
    '\tSTS: 0x00018091',
    '***********************************************************',
    '\t TXT measured launch: TRUE',
    '\t secrets flag set: TRUE',
    '***********************************************************',
    'TBOOT log:',
    '\t max_size=32706',
    '\t buf:',
    ...banner(machine.form),
    'TBOOT: failed to read policy from TPM NV, using default',
    'TBOOT: policy:',
    'TBOOT: \t policy_control: 00000001 (EXTEND_PCR17)',
    ...GARBAGE,
    'TBOOT: executing GETSEC[SENTER]...',
    ...banner(machine.form),
    'TBOOT: SINIT ACM successfully returned...',
    'TBOOT: measured launch succeeded',
    'TBOOT: os_sinit_data (@0xb8f3517e, 0x7c):',
    'TBOOT: \t     pcr_map_da: 0',
    ...platformLines(machine, platform),
    'TBOOT: sinit_mle_data (@0xb8f351fa, 0x2fc):',
    'TBOOT: \t sinit_hash:',
    `\t${shown(hash('sha1', machine.sinit ?? 'sinit'))}`,
    'TBOOT: \t mle_hash:',
    `\t${shown(hash('sha1', machine.mle ?? 'mle'))}`,
    'TBOOT: \t lcp_policy_control: 0x00000000',
    'TBOOT: verifying policy ',
    ...machine.modules.flatMap((module) => moduleLines(machine, module)),
    'TBOOT: all modules are verified',
    'TBOOT: pre_k_s3_state:',
    `TBOOT: \t pol_hash: ${hex(hash(algorithmOf(machine), 'default policy'))}`,
    'TBOOT: \t VL measurements:',
    ...vlLines(machine, measured),
    ...(printsEvents ? measured.flatMap((event) => eventLines(event, machine.form)) : []),
    'TBOOT: tboot_shared data:',
    'TBOOT: transfering control to kernel @0x3000000...',
    '',
  ].join('\n')
}
