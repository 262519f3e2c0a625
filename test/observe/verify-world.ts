import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { emptyPcr, extendPcr } from '../../src/core/launch/pcr.ts'
import { encryptSecret } from '../../src/core/seal/sealed-blob.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import type { KeptOfDevices } from '../../src/observe/verify/copy-binding.ts'
import { observeVerification } from '../../src/observe/verify/verify.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { type Answer, hostOf, KEY, makeKeyPub, makeTpm12Blob, TPM2, TPM12 } from './tpm-world.ts'

/** AEM devices with the secrets that AEM sealed to this boot, in dom0 and on the device, and the TPM that releases them. */

const LUKS_UUID = '0c6a3b14-9df2-4a35-8e0a-7a1f0f9c5b21'
const HEADER = 'LUKS header'
export const SELECTED = [13, 17, 18, 19]
export const sha = (hash: 'sha1' | 'sha256', text: string) => createHash(hash).update(text).digest('hex')

type Version = '2.0' | '1.2'
const bankOf = (version: Version) => (version === '1.2' ? 'sha1' : 'sha256')
type Values = Readonly<Record<number, string>>
/** The registers of this boot; PCR 13 is what AEM's initrd makes of the LUKS header. */
export function here(version: Version = '2.0'): Values {
  const bank = bankOf(version)
  const value = (index: number) => sha(bank, `PCR ${index}`)
  const luks = extendPcr(bank, emptyPcr(bank), sha(bank, HEADER))
  return { 13: luks, 17: value(17), 18: value(18), 19: value(19) }
}

const device = (suffix: string, uuid: string): AemDevice => ({
  suffix,
  label: `aem${suffix}`,
  uuid,
  slot: 0,
  present: true,
  mountPoint: null,
  isReadOnly: false,
  isRemovable: false,
  isForeign: false,
})
export const OWN = device('', '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11')
export const STICK = device('.stick', 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2')

export const tokenOf = (label: string): string => `token of ${label}`
const wordsOf = (label: string): string => `words of ${label}`
const sealedOnce = new Map<string, Uint8Array>()
function seal(plain: string): Uint8Array {
  const made = sealedOnce.get(plain) ?? encryptSecret(Buffer.from(plain), KEY, Buffer.alloc(8, 1))
  sealedOnce.set(plain, made)
  return made
}

export const inDom0 = (label: string) => `/var/lib/tpms/x/${label}`
export const onDevice = ({ uuid, label }: AemDevice) => `/media/${uuid}/aem/tpms/x/${label}`
export const plain = (label: string, kind: string) => `/var/lib/anti-evil-maid/${label}/secret.${kind}`

/** As AEM seals them; null: cannot be read. */
export type Files = Readonly<Record<string, Uint8Array | null>>
export function sealedFiles(label: string, values: Values, pcrs: readonly number[], version: Version): Files {
  if (version === '1.2')
    return {
      'secret.txt.sealed2': makeTpm12Blob(pcrs, values),
      'secret.fre.sealed2': makeTpm12Blob(pcrs, values),
    }
  return {
    'key.pub': makeKeyPub(pcrs, values),
    'key.priv': Buffer.from(`private of ${label}`),
    'key.pcrs': Buffer.from(`sha256:${pcrs.join(',')}`),
    'secret.txt.sealed2': seal(wordsOf(label)),
    'secret.fre.sealed2': seal(tokenOf(label)),
  }
}

export type Story = {
  readonly version?: Version
  readonly devices?: readonly AemDevice[]
  readonly aemUuid?: string | null
  readonly bootedWithAem?: boolean | null
  readonly selected?: readonly number[] | null
  /** To which each device is sealed, by its label; else to this boot. */
  readonly sealedTo?: Readonly<Record<string, Values>>
  readonly sealedPcrs?: readonly number[]
  readonly now?: Values
  /** In the place of what AEM left; null: cannot be read, 'absent': not there. */
  readonly files?: Readonly<Record<string, Uint8Array | string | null>>
  readonly unlisted?: string
  readonly says?: Readonly<Record<string, Answer>>
  /** Whose token each slot holds, by the label. */
  readonly slots?: readonly (string | null)[]
  readonly media?: typeof ABSENT | ReturnType<typeof unknown>
  readonly tpmId?: null
  readonly header?: string | null
  readonly suffix?: string
  readonly kept?: KeptOfDevices
}

export async function verify(story: Story = {}) {
  const { version = '2.0', devices = [OWN], aemUuid = OWN.uuid, slots = ['aem'] } = story
  const { selected = SELECTED, sealedPcrs = SELECTED, header = HEADER, now = here(version) } = story
  const bank = bankOf(version)
  const files = new Map<string, Uint8Array | null>()
  for (const one of devices) {
    const sealed = sealedFiles(one.label, story.sealedTo?.[one.label] ?? here(version), sealedPcrs, version)
    for (const [name, bytes] of Object.entries(sealed)) {
      files.set(`${inDom0(one.label)}/${name}`, bytes)
      files.set(`${onDevice(one)}/${name}`, bytes)
    }
    files.set(plain(one.label, 'txt'), Buffer.from(wordsOf(one.label)))
    files.set(plain(one.label, 'fre'), Buffer.from(tokenOf(one.label)))
  }
  for (const [path, bytes] of Object.entries(story.files ?? {}))
    if (bytes === 'absent') files.delete(path)
    else files.set(path, bytes === null ? null : Buffer.from(bytes))
  const size = version === '1.2' ? 20 : 32
  const nv = Buffer.alloc(8 * size, 0xff)
  slots.forEach((label, slot) => {
    if (label !== null) Buffer.from(sha(bank, tokenOf(label)), 'hex').copy(nv, slot * size)
  })
  if (version === '1.2') files.set('/run/work/slots', nv)
  const tpm = hostOf(version === '1.2' ? TPM12 : TPM2, {
    password: 'srk',
    says: {
      'luks-header': header === null ? { exit: 1 } : { exit: 0 },
      'tpm2-nv-read': { exit: 0, stdout: nv.toString('latin1') },
      ...story.says,
    },
  })
  let open = 0
  let opened = 0
  const read = (path: string) => {
    const bytes = files.get(path)
    if (bytes === undefined) return ABSENT
    return bytes === null ? unknown('input/output error') : seen(bytes)
  }
  const host: Host = makeFakeHost({
    async run(call, input) {
      const answer = await tpm.host.run(call, input)
      if (call.id !== 'tpm12-unseal' || answer.state !== 'seen' || answer.value.exit !== 0) return answer
      const [, label = '', kind] = /\/([^/]+)\/secret\.(\w+)\.sealed2$/.exec(call.argv.at(-1) ?? '') ?? []
      return seen({ exit: 0, stdout: kind === 'fre' ? tokenOf(label) : wordsOf(label), stderr: '' })
    },
    makeWorkDirectory: tpm.host.makeWorkDirectory,
    removeFile: async () => undefined,
    readFile: async (path) => (path.startsWith('/run/anti-') ? tpm.host.readFile(path) : read(path)),
    async digestFile(path) {
      const found = path.startsWith('/run/work/luks-header') ? seen(Buffer.from(header ?? '')) : read(path)
      if (found.state !== 'seen') return found
      const text = Buffer.from(found.value)
      const of = (hash: string) => createHash(hash).update(text).digest('hex')
      return seen({ sha1: of('sha1'), sha256: of('sha256'), sizeBytes: text.length })
    },
    async listDirectory(path) {
      if (!/\/tpms\/x\//.test(path)) throw new Error(`${path} was not to be listed`)
      if (path === story.unlisted) return unknown('input/output error')
      const names = [...files.keys()].flatMap((one) =>
        one.startsWith(`${path}/`) ? [one.slice(path.length + 1)] : [],
      )
      return names.length === 0 ? ABSENT : seen(names)
    },
    statFile: async (path) =>
      path.endsWith('/19_linux_xen_tboot')
        ? seen({ kind: 'file', sizeBytes: 1, mtimeMs: 0, mode: 0o755 })
        : ABSENT,
    async openMedia({ uuid }) {
      opened += 1
      if (story.media !== undefined) return story.media
      open += 1
      const close = async (): Promise<void> => {
        open -= 1
      }
      return seen({ root: `/media/${uuid}`, close })
    },
  })
  const bootedWithAem = story.bootedWithAem === undefined ? aemUuid !== null : story.bootedWithAem
  const facts = {
    machine: async () => ({
      aemUuid,
      bootedWithAem,
      kernelCommandLine: `rd.luks.uuid=luks-${LUKS_UUID} aem.uuid=${aemUuid}`,
    }),
    devices: async () => ({ devices }),
    tpm: async () => ({ version, bank, pcrs: { [bank]: now } }),
    tpmId: async () => (story.tpmId === null ? null : 'x'),
    selectedPcrs: async () => selected,
  }
  const dom0 = { ...observeDom0(host), ...facts } as unknown as Dom0
  const found = await observeVerification(dom0, story.suffix ?? null, story.kept)
  // Nothing stays mounted, and nothing of ours in /run.
  expect([open, tpm.open()]).toEqual([0, 0])
  const of = (label: string) => found.find((one) => one.device === label)
  const check = (label: string, id: string) => of(label)?.checks.find((one) => one.id === id)
  return { found, of, check, calls: tpm.calls, opened }
}
