import { createHash } from 'node:crypto'
import { computePolicyPcr } from '../../core/decide/verify-copies.ts'
import { readPolicyDigest } from '../../core/seal/key-public.ts'
import type { RunResult } from '../host.ts'
import { fileAt, putFile } from './files.ts'
import { FRESHNESS_BYTES, SELECTED_PCRS, type SimMachine, selectedPcrsOf, sha256 } from './model.ts'

type Answer = Partial<RunResult>
type Program = (machine: SimMachine, params: Readonly<Record<string, string>>, input?: Uint8Array) => Answer

const PUBLIC_HEAD = Buffer.from('004e0008000b000000120020', 'hex')

/** A key.pub of the built-in machine: the real form's size and place of the policy, a digest where the name would be. */
export function makeKeyPublic(policyHex: string, key: Uint8Array): Uint8Array {
  const middle = Buffer.from('00100020', 'hex')
  return Buffer.concat([PUBLIC_HEAD, Buffer.from(policyHex, 'hex'), middle, Buffer.from(sha256(key), 'hex')])
}

/** Its key.priv: the built-in TPM keeps nothing secret. */
export function makeKeyPrivate(key: Uint8Array): Uint8Array {
  return Buffer.concat([createHash('sha512').update('key.priv').digest(), key])
}

/** The bytes sealed in a pair of files, or null when they are no pair. */
export function readSealedKey(keyPub: Uint8Array, keyPriv: Uint8Array): Uint8Array | null {
  const key = keyPriv.subarray(-16)
  return Buffer.from(keyPub.subarray(-32)).toString('hex') === sha256(key) ? key : null
}

/**
 * Do the registers meet the policy of a key? They are those that the set was sealed with (key.pcrs): on this machine AEM's own selection, or
 * what SEAL names now.
 */
export function isPolicyMet(machine: SimMachine, keyPub: Uint8Array): boolean {
  const policy = readPolicyDigest(keyPub)
  return [SELECTED_PCRS, selectedPcrsOf(machine)].some(
    (selected) => computePolicyPcr(selected, machine.pcrs.sha256 ?? {}) === policy,
  )
}

const refuse = (text: string): Answer => ({ exit: 1, stderr: `ERROR: ${text}\n` })

/** The context file of a load names the two files; the built-in TPM has nothing else to remember. */
function loadedAt(machine: SimMachine, contextFile: string | undefined) {
  const [publicFile = '', privateFile = ''] = textAt(machine, contextFile).split('\n')
  const [keyPub, keyPriv] = [fileAt(machine, publicFile)?.bytes, fileAt(machine, privateFile)?.bytes]
  return keyPub && keyPriv ? { keyPub, key: readSealedKey(keyPub, keyPriv) } : null
}

function textAt(machine: SimMachine, path: string | undefined): string {
  return Buffer.from(fileAt(machine, path ?? '')?.bytes ?? '').toString('utf8')
}

/** What tpm2-tools and cryptsetup answer on the built-in machine. */
export const TPM2_PROGRAMS = {
  'tpm2-properties': () => ({
    stdout: '  inLockout:                 0\nTPM2_PT_LOCKOUT_COUNTER: 0x0\nTPM2_PT_MAX_AUTH_FAIL: 0x20\n',
  }),
  'tpm2-load': (machine, { publicFile, privateFile, contextFile }) => {
    putFile(machine, contextFile ?? '', Buffer.from(`${publicFile}\n${privateFile}`))
    const key = loadedAt(machine, contextFile)?.key
    return key ? {} : refuse('Eys_Load(0x1DF) - tpm:parameter(1):integrity check failed')
  },
  'tpm2-unseal': (machine, { contextFile }) => {
    const loaded = loadedAt(machine, contextFile)
    if (!loaded?.key || !isPolicyMet(machine, loaded.keyPub))
      return refuse('Esys_Unseal(0x99D) - tpm:session(1):a policy check failed')
    return { stdout: Buffer.from(loaded.key).toString('latin1') }
  },
  'tpm2-start-session': () => ({}),
  'tpm2-policy-nv-read': () => ({}),
  'tpm2-flush-session': () => ({}),
  'tpm2-nv-read': (machine) => {
    const nv = Buffer.alloc(FRESHNESS_BYTES, 0xff)
    for (const [slot, digest] of machine.slots) nv.write(digest, slot * 32, 'hex')
    return { stdout: nv.toString('latin1') }
  },
  'tpm2-create': (machine, { policyFile, publicFile, privateFile }, input = Buffer.alloc(0)) => {
    const policy = Buffer.from(fileAt(machine, policyFile ?? '')?.bytes ?? '').toString('hex')
    putFile(machine, publicFile ?? '', makeKeyPublic(policy, input))
    putFile(machine, privateFile ?? '', makeKeyPrivate(input))
    return {}
  },
  'luks-header': (machine, { headerFile }) => {
    putFile(machine, headerFile ?? '', machine.luksHeader)
    return {}
  },
} as const satisfies Record<string, Program>
