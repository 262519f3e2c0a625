import { computePolicyPcr } from '../../src/core/decide/verify-copies.ts'
import { computeTpm12Composite } from '../../src/core/seal/tpm12-blob.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** A host that knows only what a trial may ask of a TPM, and files as AEM seals them. */

const PASSWORD = '/run/anti-evil-maid/srk-password'
export const KEY = Buffer.alloc(16, 7)

export type Answer = { exit: number; stdout?: string; stderr?: string } | 'absent' | 'unknown'
export type Story = {
  readonly password?: string | null
  readonly says?: Readonly<Record<string, Answer>>
  readonly files?: Readonly<Record<string, Uint8Array>>
  readonly writable?: boolean
}

export const TPM2: Readonly<Record<string, Answer>> = {
  'tpm2-properties': {
    exit: 0,
    stdout: '  inLockout:                 0\nTPM2_PT_LOCKOUT_COUNTER: 0x0\nTPM2_PT_MAX_AUTH_FAIL: 0x20\n',
  },
  'flush-transient': { exit: 0 },
  'tpm2-load': { exit: 0 },
  'tpm2-unseal': { exit: 0, stdout: KEY.toString('latin1') },
  'tpm2-start-session': { exit: 0 },
  'tpm2-policy-nv-read': { exit: 0 },
  'tpm2-nv-read': { exit: 0, stdout: 'slots' },
  'tpm2-flush-session': { exit: 0 },
}
export const TPM12: Readonly<Record<string, Answer>> = {
  'unit-show': { exit: 0, stdout: 'ActiveState=inactive\n' },
  'tcsd-start': { exit: 0 },
  'tcsd-stop': { exit: 0 },
  'tpm12-nv-read': { exit: 0 },
  'tpm12-unseal': { exit: 0, stdout: 'plain' },
  'tpm12-unseal-z': { exit: 0, stdout: 'plain' },
}

export function hostOf(base: Readonly<Record<string, Answer>>, story: Story = {}) {
  const calls: string[] = []
  const inputs: string[] = []
  let open = 0
  const host: Host = makeFakeHost({
    writable: story.writable ?? true,
    async run(call, input) {
      calls.push(call.id)
      if (input) inputs.push(Buffer.from(input).toString())
      const answer = story.says?.[call.id] ?? base[call.id]
      if (answer === undefined) throw new Error(`${call.id} was not to be run`)
      if (answer === 'absent') return ABSENT
      return answer === 'unknown' ? unknown('no answer') : seen({ stdout: '', stderr: '', ...answer })
    },
    async readFile(path) {
      if (path === PASSWORD) return story.password == null ? ABSENT : seen(Buffer.from(story.password))
      const bytes = story.files?.[path]
      return bytes ? seen(bytes) : ABSENT
    },
    async makeWorkDirectory() {
      open += 1
      const close = async () => {
        open -= 1
      }
      return { root: '/run/work', close }
    },
  })
  return { host, calls, inputs, open: () => open }
}

/** TPM2B_PUBLIC of a sealed object: the policy digest begins at byte 12. */
export function makeKeyPub(pcrs: readonly number[], values: Readonly<Record<number, string>>): Uint8Array {
  const bytes = Buffer.alloc(80)
  Buffer.from(computePolicyPcr(pcrs, values) ?? '', 'hex').copy(bytes, 12)
  return bytes
}

/** TPM_STORED_DATA with TPM_PCR_INFO (TPM Main 1.2 part 2, sections 10.1 and 8.2), as tpm_sealdata writes it. */
export function makeTpm12Blob(pcrs: readonly number[], values: Readonly<Record<number, string>>): Uint8Array {
  const bitmap = Buffer.alloc(3)
  for (const index of pcrs) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7))
  const bound = `0003${bitmap.toString('hex')}${computeTpm12Composite(pcrs, values)}${'00'.repeat(20)}`
  const data = Buffer.from(`010100000000002d${bound}`, 'hex').toString('base64')
  return Buffer.from(`-----ENC KEY-----\nSymmetric Key: AES-256-CBC\n${data}\n-----ENC DAT-----\n`)
}
