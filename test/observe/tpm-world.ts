import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** A host that knows only what a trial may ask of a TPM. */

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
