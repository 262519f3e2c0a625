import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { areCopiesSame } from '../../src/observe/seal/own-copy.ts'
import { observePlainSecrets } from '../../src/observe/seal/plain-secrets.ts'
import { observeSealedCopy, observeTpmId } from '../../src/observe/seal/sealed-copy.ts'
import { makeFakeHost } from '../support/fake-host.ts'

const unreadable = unknown('input/output error')
const TPM_ID = '4b8f0c2d6a5e9137f2b4c6d8e0a1c3e5f7091b2d'
const [A, B] = ['a'.repeat(64), 'b'.repeat(64)] as const
const digest = (sha256: string) => seen({ sha1: '', sha256, sizeBytes: 1 })

describe('the TPM in use', () => {
  it.each([
    [`tpms/${TPM_ID}`, TPM_ID],
    [`/var/lib/tpms/${TPM_ID}`, TPM_ID],
    ['tpms/unknown', 'unknown'],
    [`tpms/${TPM_ID}0`, null],
    [`tpms/${TPM_ID}/aem`, null],
    [`nottpms/${TPM_ID}`, null],
    [`tpms/${TPM_ID.toUpperCase()}`, null],
    ['tpms/../../etc', null],
    ['', null],
  ])('has the directory that the link %j names: %j', async (link, id) => {
    const host = makeFakeHost({
      readLink: async (path) => {
        expect(path).toBe('/var/lib/tpm')
        return seen(link)
      },
    })
    expect(await observeTpmId(host)).toBe(id)
  })

  it('is not known without that link', async () => {
    for (const answer of [ABSENT, unreadable])
      expect(await observeTpmId(makeFakeHost({ readLink: async () => answer }))).toBeNull()
  })
})

describe('the sealed files of a device', () => {
  const DIRECTORY = `/var/lib/tpms/${TPM_ID}/aem`
  const look = (names: readonly string[], keyPcrs: Awaited<ReturnType<Host['readFile']>>) =>
    observeSealedCopy(
      makeFakeHost({
        listDirectory: async (path) => {
          expect(path).toBe(DIRECTORY)
          return seen(names)
        },
        digestFile: async (path) => (path === `${DIRECTORY}/key.priv` ? unreadable : digest(A)),
        readFile: async (path) => {
          expect(path).toBe(`${DIRECTORY}/key.pcrs`)
          return keyPcrs
        },
      }),
      '/var/lib',
      TPM_ID,
      'aem',
    )
  const ALL = [
    ...['key.pub', 'key.priv', 'key.pcrs'],
    ...['secret.txt.sealed2', 'secret.key.sealed2', 'secret.otp.sealed2', 'secret.fre.sealed2'],
  ]

  it('are those that AEM makes, with the registers of key.pcrs; one that cannot be read keeps its name', async () => {
    const strange = [
      'secret.png.sealed2',
      'secret.txt',
      'old.key.pub',
      'key.public',
      'secret.fre.sealed2x',
      'keyxpub',
    ]
    const copy = await look([...strange, ...ALL], seen(Buffer.from('sha256:13,17,18,19')))
    expect(copy).toEqual({
      directory: DIRECTORY,
      files: ALL.map((name) => ({ name, sha256: name === 'key.priv' ? null : A })),
      keyPcrs: { bank: 'sha256', pcrs: [13, 17, 18, 19] },
    })
  })

  it('name no registers where key.pcrs is not there, cannot be read, or is of another form', async () => {
    expect((await look(['key.pub'], seen(Buffer.from('sha256:17'))))?.keyPcrs).toBeNull()
    for (const answer of [ABSENT, unreadable, seen(Buffer.from('none'))])
      expect((await look(ALL, answer))?.keyPcrs).toBeNull()
  })
})

it('the secrets that dom0 keeps for a device are each looked up by its label', async () => {
  const at = (kind: string) => `/var/lib/anti-evil-maid/aem.stick/secret.${kind}`
  const host = makeFakeHost({
    digestFile: async (path) => (path === at('txt') ? digest(A) : path === at('fre') ? unreadable : ABSENT),
  })
  expect(await observePlainSecrets(host, 'aem.stick')).toEqual({ txt: A, fre: null })
})

describe("a device's own sealed files", () => {
  const DEVICE = { label: 'aem', uuid: 'u', present: true, mountPoint: null, isForeign: false } as AemDevice
  type Files = Readonly<Record<string, string>>
  async function compare(
    own: Files | null,
    inDom0: Files | null,
    told: { tpmId?: null; device?: AemDevice } = {},
  ) {
    let open = 0
    const filesAt = (path: string): Files | null | undefined =>
      path.startsWith(`/media/aem/tpms/${TPM_ID}/aem`)
        ? own
        : path.startsWith(`/var/lib/tpms/${TPM_ID}/aem`)
          ? inDom0
          : undefined
    const host = makeFakeHost({
      openMedia: async () => {
        open += 1
        const close = async (): Promise<void> => {
          open -= 1
        }
        return seen({ root: '/media', close })
      },
      listDirectory: async (path) => {
        const files = filesAt(path)
        if (files === undefined) throw new Error(path)
        return files === null ? unreadable : seen(Object.keys(files))
      },
      digestFile: async (path) => digest(filesAt(path)?.[path.split('/').at(-1) ?? ''] ?? ''),
    })
    const tpmId = async () => (told.tpmId === undefined ? TPM_ID : null)
    const dom0 = { ...observeDom0(host), tpmId } as Dom0
    const areSame = await areCopiesSame(dom0, told.device ?? DEVICE)
    expect(open).toBe(0)
    return areSame
  }

  it('are those of dom0, others, or not known', async () => {
    const files = { 'key.pub': A, 'secret.fre.sealed2': B }
    expect(await compare(files, files)).toBe(true)
    expect(await compare(files, { ...files, 'key.pub': B })).toBe(false)
    expect(await compare({ 'key.pub': A }, files)).toBe(false)
    expect(await compare({}, files)).not.toBe(true)
    expect(await compare(null, files)).toBeNull()
    expect(await compare(files, null)).toBeNull()
    expect(await compare(files, files, { tpmId: null })).toBeNull()
    expect(await compare(files, files, { device: { ...DEVICE, present: false } })).toBeNull()
    expect(await compare(files, files, { device: { ...DEVICE, isForeign: true } })).toBeNull()
  })
})
