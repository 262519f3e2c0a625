import { createHash } from 'node:crypto'
import { type Place, placeOf } from '../../src/act/forward-seal/copies.ts'
import { digestSet } from '../../src/act/forward-seal/exchange.ts'
import type { ForwardRecord } from '../../src/core/seal/forward-record.ts'
import { ABSENT, type Host, type MediaRequest, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { makeFakeHost } from './fake-host.ts'

/* A disk with both homes of a device's sealed files, in each state that a forward seal can leave them in. */

export const TPM_ID = '4b8f0c2d6a5e9137f2b4c6d8e0a1c3e5f7091b2d'
export const UUID = 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2'
export const LABEL = 'aem.stick'
const ROOT = '/run/aem-reseal/media/stick'
export const DOM0 = placeOf('dom0', '/var/lib', TPM_ID, LABEL)
export const DEVICE = placeOf('device', `${ROOT}/aem`, TPM_ID, LABEL)

export type Files = Readonly<Record<string, string>>

export const NEXT: Files = { 'key.pub': 'the new key', 'secret.fre.sealed2': 'the new token' }
/** What lay sealed before, which is not the same in both homes here. */
const OLD: Readonly<Record<Place['name'], Files>> = {
  dom0: { 'key.pub': 'the old key', 'secret.fre.sealed2': 'the token in dom0' },
  device: { 'key.pub': 'the old key', 'secret.fre.sealed2': 'the token on the device' },
}
export const OTHER: Files = { ...NEXT, 'key.pub': 'the key of a seal since' }

export const bytesOf = (files: Files) =>
  new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)] as const))
export const digestsOf = (files: Files) => [...digestSet(bytesOf(files))]

export const RECORD: ForwardRecord = {
  ...{ label: LABEL, uuid: UUID, tpmId: TPM_ID, bank: 'sha256', values: { 17: 'aa', 18: 'bb' } },
  next: digestsOf(NEXT),
  previous: { dom0: digestsOf(OLD.dom0), device: digestsOf(OLD.device) },
}

type State = 'next' | 'old' | 'other' | 'none'
/** The directory that AEM reads, and the one beside it. */
export type Home = readonly [live: State, aside: State]
export type Homes = { readonly dom0: Home; readonly device: Home }

const filesIn = (state: State, { name }: Place): Files =>
  ({ next: NEXT, old: OLD[name], other: OTHER, none: {} })[state]

export function diskOf(homes: Homes, told: (own: Host) => Partial<Host> = () => ({})) {
  const files = new Map<string, string>()
  for (const place of [DOM0, DEVICE])
    for (const [directory, state] of [
      [place.live, homes[place.name][0]],
      [place.aside, homes[place.name][1]],
    ] as const)
      for (const [name, text] of Object.entries(filesIn(state, place)))
        files.set(`${directory}/${name}`, text)
  const below = (directory: string) => [...files].filter(([path]) => path.startsWith(`${directory}/`))
  const acts: string[] = []
  const asked: MediaRequest[] = []
  const media = { open: 0 }
  const own: Partial<Host> = {
    async listDirectory(path) {
      const names = below(path).map(([file]) => file.slice(path.length + 1))
      return names.length === 0 ? ABSENT : seen(names)
    },
    async digestFile(path) {
      const text = files.get(path)
      if (text === undefined) return ABSENT
      return seen({
        sha1: '',
        sha256: createHash('sha256').update(text).digest('hex'),
        sizeBytes: text.length,
      })
    },
    async removeFile(path) {
      acts.push(`remove ${path}`)
      for (const [file] of below(path)) files.delete(file)
    },
    async makePrivateDirectory(path) {
      acts.push(`make ${path}`)
    },
    async writeFileAtomic(path, bytes, mode) {
      acts.push(`write ${path} ${mode.toString(8)}`)
      files.set(path, Buffer.from(bytes).toString())
    },
    async openMedia(request) {
      asked.push(request)
      media.open += 1
      const close = async () => {
        media.open -= 1
      }
      return seen({ root: ROOT, close })
    },
    async run({ id, params: { first, second, path } }) {
      acts.push(`${id} ${first ?? path}`)
      if (id === 'exchange-directories' && first !== undefined && second !== undefined) {
        const [here, there] = [below(first), below(second)]
        for (const [file] of [...here, ...there]) files.delete(file)
        for (const [file, text] of here) files.set(file.replace(first, second), text)
        for (const [file, text] of there) files.set(file.replace(second, first), text)
      }
      return seen({ exit: 0, stdout: '', stderr: '' })
    },
  }
  const base = makeFakeHost(own)
  const host: Host = { ...base, ...told(base) }
  const stateOf = (directory: string, place: Place): State | 'mixed' => {
    const found = JSON.stringify(
      below(directory)
        .map(([file, text]) => [file.slice(directory.length + 1), text])
        .sort(),
    )
    const states: readonly State[] = ['next', 'old', 'other', 'none']
    return (
      states.find((one) => JSON.stringify(Object.entries(filesIn(one, place)).sort()) === found) ?? 'mixed'
    )
  }
  const homesNow = () => ({
    dom0: [stateOf(DOM0.live, DOM0), stateOf(DOM0.aside, DOM0)],
    device: [stateOf(DEVICE.live, DEVICE), stateOf(DEVICE.aside, DEVICE)],
  })
  return { host, files, acts, asked, media, homesNow }
}

export const isOut = (): Partial<Host> => ({ openMedia: async () => ABSENT })
export const cannotList =
  (directory: string) =>
  (own: Host): Partial<Host> => ({
    listDirectory: async (path) => (path === directory ? unknown('I/O error') : own.listDirectory(path)),
  })

export const cannotRead =
  (path: string) =>
  (own: Host): Partial<Host> => ({
    digestFile: async (file) => (file === path ? unknown('I/O error') : own.digestFile(file)),
  })

/** What of dom0 these parts ask beside its host. */
export function dom0Of(
  host: Host,
  given: { pcrs?: Files; devices?: readonly Partial<AemDevice>[]; tpmId?: string | null } = {},
) {
  const devices = (given.devices ?? [{ label: LABEL, uuid: UUID, mountPoint: null }]) as readonly AemDevice[]
  const answers: Partial<Dom0> = {
    tpm: async () => ({ version: '2.0', bank: 'sha256', pcrs: { sha256: given.pcrs ?? {} } }),
    tpmId: async () => (given.tpmId === undefined ? TPM_ID : given.tpmId),
    machine: async () => ({ aemUuid: null }) as Awaited<ReturnType<Dom0['machine']>>,
    devices: async () => ({ devices, isComplete: true }),
  }
  return { ...observeDom0(host), ...answers }
}

export const SEALED: Homes = { dom0: ['next', 'old'], device: ['next', 'old'] }
export const BEGUN: Homes = { dom0: ['old', 'next'], device: ['old', 'next'] }
