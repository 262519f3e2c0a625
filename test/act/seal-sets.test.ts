import { describe, expect, it } from 'vitest'
import { exchangePlace, placeOf, readDigests, syncPlace } from '../../src/act/forward-seal/copies.ts'
import { prepareAside } from '../../src/act/forward-seal/exchange.ts'
import { makeForwardSet } from '../../src/act/forward-seal/make-set.ts'
import type { ForwardPlan } from '../../src/act/forward-seal/plan.ts'
import { Failure } from '../../src/core/failure.ts'
import { computeTpm12Composite } from '../../src/core/seal/tpm12-blob.ts'
import { digestStream } from '../../src/host/digest.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { planForStick } from '../support/stick-plan.ts'

/* The parts of a forward seal on hosts that know only what each part may ask for. */

const TPM_ID = 'ab'.repeat(20)
const DEVICE = {
  suffix: '',
  label: 'aem',
  uuid: '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11',
  slot: 0,
  present: true,
  mountPoint: '/boot',
  isReadOnly: false,
  isRemovable: false,
}
const VALUES = { 13: '13'.repeat(20), 17: '17'.repeat(20), 18: '18'.repeat(20) }
const PLAN: ForwardPlan = {
  device: DEVICE,
  tokenLabel: 'aem',
  uuid: DEVICE.uuid,
  tpmId: TPM_ID,
  tpmVersion: '1.2',
  bank: 'sha1',
  selected: [13, 17, 18],
  values: VALUES,
}
const PASSWORD = '/run/anti-evil-maid/srk-password'
const WORK = '/run/aem-reseal/1-1/work-0'

async function failureOf(work: Promise<unknown>): Promise<Failure['text']> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Failure)
  return (error as Failure).text
}

/** What tpm_sealdata writes of a binding: TPM_STORED_DATA12 with TPM_PCR_INFO_LONG (TPM Main 1.2 part 2, revision 116, 10.2, 8.3). */
function makeBlob(
  pcrs: readonly number[],
  values: Readonly<Record<number, string>>,
  named: readonly number[] = pcrs,
): string {
  const bitmap = Buffer.alloc(3)
  for (const index of named) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7))
  const selection = Buffer.concat([Buffer.from('0003', 'hex'), bitmap])
  const creation = Buffer.from('0003000000', 'hex')
  const atRelease = Buffer.from(computeTpm12Composite(pcrs, values) ?? '', 'hex')
  const head = Buffer.from('00060101', 'hex')
  const info = Buffer.concat([head, creation, selection, Buffer.alloc(20), atRelease])
  const size = Buffer.alloc(4)
  size.writeUInt32BE(info.length)
  const data = Buffer.concat([Buffer.from('00160000', 'hex'), size, info, Buffer.alloc(4)])
  return `-----ENC KEY-----\nSymmetric Key: AES-256-CBC\n${data.toString('base64')}\n-----ENC DAT-----\n`
}

/** A dom0 with TPM 1.2 that keeps the token alone, and a tpm_sealdata that binds to what the story says. */
function tpm12Host(story: {
  password: string | null
  bind?: Readonly<Record<number, string>>
  isLost?: boolean
  /** The registers that the blob names in clear. */
  selected?: readonly number[]
  /** Files of dom0 beside the token of the device. */
  plain?: readonly string[]
  /** A file of dom0 that cannot be looked at. */
  lost?: string
  answer?: Awaited<ReturnType<Host['run']>>
}) {
  const files = new Map<string, string>(story.password === null ? [] : [[PASSWORD, story.password]])
  const calls: { id: string; input: string | null }[] = []
  const plain: string[] = []
  const relayed: unknown[] = []
  const works: string[] = []
  const host = makeFakeHost({
    async relayTpm(values, work) {
      relayed.push(values)
      return work()
    },
    async makeWorkDirectory() {
      works.push('open')
      return { root: WORK, close: async () => void works.push('closed') }
    },
    async readFile(path) {
      const text = files.get(path)
      return text === undefined ? ABSENT : seen(Buffer.from(text))
    },
    async statFile(path) {
      const file = { kind: 'file', sizeBytes: 20, mtimeMs: 0, mode: 0o600 } as const
      if (path === story.lost) return unknown('I/O error')
      const there = story.plain ?? ['aem/secret.fre']
      return there.some((name) => path === `/var/lib/anti-evil-maid/${name}`) ? seen(file) : ABSENT
    },
    async run(call, input) {
      calls.push({ id: call.id, input: input ? Buffer.from(input).toString() : null })
      plain.push(call.params.plain ?? '')
      const blob = makeBlob(PLAN.selected, story.bind ?? VALUES, story.selected)
      if (!story.isLost) files.set(call.params.blob ?? '', blob)
      return story.answer ?? seen({ exit: 0, stdout: '', stderr: '' })
    },
  })
  return { host, calls, plain, relayed, works }
}

describe('a forward set on TPM 1.2', () => {
  it('is what tpm_sealdata made under the predicted registers', async () => {
    const { host, relayed, works } = tpm12Host({ password: 'srk\n' })
    const set = await makeForwardSet(host, PLAN)
    expect([...set.keys()]).toEqual(['secret.fre.sealed2'])
    expect(relayed).toEqual([VALUES])
    expect(works).toEqual(['open', 'closed'])
  })

  it('takes the SRK password by standard input, as one line', async () => {
    const { host, calls } = tpm12Host({ password: 'srk\n' })
    await makeForwardSet(host, PLAN)
    expect(calls).toEqual([{ id: 'tpm12-seal', input: 'srk\n' }])
  })

  it('is made with the well-known secret where the SRK has no password', async () => {
    const { host, calls } = tpm12Host({ password: '' })
    await makeForwardSet(host, PLAN)
    expect(calls).toEqual([{ id: 'tpm12-seal-z', input: null }])
  })

  it('is made with the well-known secret where no password is at hand', async () => {
    const { host, calls } = tpm12Host({ password: null })
    await makeForwardSet(host, PLAN)
    expect(calls).toEqual([{ id: 'tpm12-seal-z', input: null }])
  })

  it("holds the secrets of the device, and the token of the plan's own label", async () => {
    const names = ['aem/secret.fre', 'aem/secret.txt', 'aem.other/secret.fre', 'aem.other/secret.txt']
    const { host, plain } = tpm12Host({ password: '', plain: names })
    const set = await makeForwardSet(host, { ...PLAN, tokenLabel: 'aem.other' })
    expect([...set.keys()].sort()).toEqual(['secret.fre.sealed2', 'secret.txt.sealed2'])
    expect(plain.sort()).toEqual([
      '/var/lib/anti-evil-maid/aem.other/secret.fre',
      '/var/lib/anti-evil-maid/aem/secret.txt',
    ])
  })

  it('is refused where a secret of dom0 cannot be looked at: the next boot would not show it', async () => {
    const lost = '/var/lib/anti-evil-maid/aem/secret.txt'
    const { host, works } = tpm12Host({ password: '', lost })
    const { what } = await failureOf(makeForwardSet(host, PLAN))
    expect(what).toContain('secret.txt in dom0 could not be looked at')
    expect(works).toEqual(['open', 'closed'])
  })

  it('is refused where the blob names other registers than those it is bound to', async () => {
    const { host } = tpm12Host({ password: '', selected: [13, 17] })
    const { what } = await failureOf(makeForwardSet(host, PLAN))
    expect(what).toContain('was bound to other registers than the predicted ones')
  })

  it('is not begun on a machine without a TPM to relay to', async () => {
    const { host, works } = tpm12Host({ password: '' })
    const { relayTpm: _none, ...without } = host
    const { what } = await failureOf(makeForwardSet(without, PLAN))
    expect(what).toContain('this machine has no TPM to relay to')
    expect(works).toEqual([])
  })

  it('is refused where the TPM bound it to other registers', async () => {
    const { host, works } = tpm12Host({ password: '', bind: { ...VALUES, 17: '00'.repeat(20) } })
    const { what } = await failureOf(makeForwardSet(host, PLAN))
    expect(what).toContain('secret.fre was bound to other registers than the predicted ones')
    expect(works).toEqual(['open', 'closed'])
  })

  it.each([
    ['exit 1', seen({ exit: 1, stdout: '', stderr: '' })],
    ['it could not be run', ABSENT],
  ] as const)('is refused where tpm_sealdata fails: %s', async (said, answer) => {
    const { host, works } = tpm12Host({ password: '', answer })
    const { what } = await failureOf(makeForwardSet(host, PLAN))
    expect(what).toContain(`tpm_sealdata did not seal secret.fre: ${said}`)
    expect(works).toEqual(['open', 'closed'])
  })

  it('is refused where tpm_sealdata left nothing that can be read', async () => {
    const { host, works } = tpm12Host({ password: '', isLost: true })
    const { what } = await failureOf(makeForwardSet(host, PLAN))
    expect(what).toContain('secret.fre.sealed2 could not be read')
    expect(works).toEqual(['open', 'closed'])
  })

  it('is not begun where a selected register has no predicted value', async () => {
    const { host, relayed, works } = tpm12Host({ password: '' })
    const { what } = await failureOf(makeForwardSet(host, { ...PLAN, selected: [13, 17, 18, 19] }))
    expect(what).toContain('a selected register has no predicted value')
    expect([relayed, works]).toEqual([[], []])
  })
})

describe('a forward set on TPM 2.0 of which no key was made', () => {
  it.each([
    [
      'tpm2_create fails',
      seen({ exit: 1, stdout: '', stderr: 'ERROR: out of memory\n' }),
      'ERROR: out of memory',
    ],
    [
      'it leaves no file that can be read',
      seen({ exit: 0, stdout: '', stderr: '' }),
      undefined,
      'the new key could not be read',
    ],
    ['tpm2_create is not there', ABSENT, undefined],
    ['tpm2_create gives no answer', unknown('timed out'), undefined],
  ] as const)(
    'is none where %s, and the password does not stay behind',
    async (_, answer, said, what: string = 'the TPM made no key') => {
      const machine = machineOf('two-devices')
      const own = makeSimulatedHost(machine)
      const removed: string[] = []
      const works: string[] = []
      const host: Host = {
        ...own,
        async makeWorkDirectory() {
          const work = await own.makeWorkDirectory()
          works.push(work.root)
          const close = async () => {
            works.splice(works.indexOf(work.root), 1)
            await work.close()
          }
          return { root: work.root, close }
        },
        async run(call, input) {
          if (call.id === 'tpm2-create') return answer
          return call.id === 'tpm2-load' ? seen({ exit: 0, stdout: '', stderr: '' }) : own.run(call, input)
        },
        removeFile: async (path) => {
          removed.push(path)
          await own.removeFile(path)
        },
      }
      const plan = await planForStick(host, machine)
      const text = await failureOf(makeForwardSet(host, plan))
      expect(text.what).toContain(what)
      expect(text.verbatim ?? undefined).toBe(said)
      expect(removed.some((path) => path.endsWith('/srk'))).toBe(true)
      expect(works).toEqual([])
    },
  )
})

it('a forward set on TPM 2.0 is not begun while the TPM is in lockout', async () => {
  const stdout =
    '  inLockout:                 1\nTPM2_PT_LOCKOUT_COUNTER: 0x20\nTPM2_PT_MAX_AUTH_FAIL: 0x20\n'
  // No work directory, no key: the host was not told of them.
  const host = makeFakeHost({
    randomBytes: (sizeBytes) => Buffer.alloc(sizeBytes, 1),
    readFile: async (path) => (path === PASSWORD ? seen(Buffer.of()) : ABSENT),
    run: async ({ id }) => {
      expect(id).toBe('tpm2-properties')
      return seen({ exit: 0, stdout, stderr: '' })
    },
  })
  const values = { 13: '13'.repeat(32), 17: '17'.repeat(32), 18: '18'.repeat(32) }
  const { what } = await failureOf(
    makeForwardSet(host, { ...PLAN, tpmVersion: '2.0', bank: 'sha256', values }),
  )
  expect(what).toContain('the TPM is in lockout after 32 wrong passwords')
})

describe('a forward set on TPM 2.0', () => {
  /** The built-in machine, whose program answers otherwise for one call, or whose files read otherwise. */
  async function makeSet(change: (own: Host) => Partial<Host> = () => ({}), more: Partial<ForwardPlan> = {}) {
    const machine = machineOf('two-devices')
    const own = makeSimulatedHost(machine)
    const writes: string[] = []
    const watched: Host = {
      ...own,
      async writeFileAtomic(path, bytes, mode) {
        writes.push(path.split('/').at(-1)!)
        await own.writeFileAtomic(path, bytes, mode)
      },
    }
    const host: Host = { ...watched, ...change(watched) }
    const set = makeForwardSet(host, { ...(await planForStick(host, machine)), ...more })
    return { set, writes, own }
  }
  const reading =
    (answers: Readonly<Record<string, Awaited<ReturnType<Host['readFile']>>>>) => (own: Host) => ({
      readFile: async (path: string) => {
        const found = Object.entries(answers).find(([end]) => path.endsWith(end))
        return found ? found[1] : own.readFile(path)
      },
    })
  const failureWith = async (...told: Parameters<typeof makeSet>) =>
    (await failureOf((await makeSet(...told)).set)).what

  it('is a key, its registers, the token and the secrets; password and policy are handed over in files', async () => {
    const { set, writes } = await makeSet()
    expect([...(await set).keys()].sort()).toEqual([
      'key.pcrs',
      'key.priv',
      'key.pub',
      'secret.fre.sealed2',
      'secret.txt.sealed2',
    ])
    expect(writes).toEqual(['policy', 'srk'])
  })

  it("has the token of the plan's own label, and the device's secrets", async () => {
    const read: string[] = []
    const { set } = await makeSet(
      (own) => ({
        readFile: async (path) => {
          if (path.includes('/secret.')) read.push(path.split('/').slice(-2).join('/'))
          return own.readFile(path)
        },
      }),
      { tokenLabel: 'aem' },
    )
    await set
    expect(read).toContain('aem/secret.fre')
    expect(read).toContain('aem.stick/secret.txt')
    expect(read).not.toContain('aem.stick/secret.fre')
    expect(read).not.toContain('aem/secret.txt')
  })

  it.each<[string, Parameters<typeof makeSet>, string]>([
    [
      'a selected register has no predicted value',
      [undefined, { values: {} }],
      'a selected register has no predicted value',
    ],
    [
      'a secret cannot be read',
      [reading({ 'secret.txt': unknown('I/O error') })],
      'secret.txt could not be read',
    ],
    ['no password is at hand', [reading({ 'srk-password': ABSENT })], 'the SRK password is not at hand'],
    ['the public part cannot be read', [reading({ '/key.pub': ABSENT })], 'the new key could not be read'],
    ['the private part cannot be read', [reading({ '/key.priv': ABSENT })], 'the new key could not be read'],
    [
      'the salt of a secret is none, and it would not decrypt',
      [(own) => ({ randomBytes: (size: number) => own.randomBytes(size === 8 ? 4 : size) })],
      'does not decrypt to itself',
    ],
    [
      'the TPM does not take the key that it made',
      [
        (own) => ({
          run: async (call, input) =>
            call.id === 'tpm2-load'
              ? seen({ exit: 1, stdout: '', stderr: 'ERROR: Esys_Load(0x902)\n' })
              : own.run(call, input),
        }),
      ],
      'the TPM does not take the key it made',
    ],
  ])('is none where %s', async (_, told, words) => {
    expect(await failureWith(...told)).toContain(words)
  })

  it('is none where the TPM bound the key to another policy', async () => {
    // The key of other values than those that were asked for.
    const machine = machineOf('two-devices')
    const other = await makeSet(undefined, { values: { ...machine.pcrs.sha256, 17: '17'.repeat(32) } })
    const keyPub = (await other.set).get('key.pub')!
    expect(await failureWith(reading({ '/key.pub': seen(keyPub) }))).toContain(
      'bound the key to another policy than the predicted one',
    )
  })
})

const PLACE = placeOf('dom0', '/var/lib', TPM_ID, 'aem')

describe('a place that cannot be written', () => {
  it.each([
    ['the program said', seen({ exit: 1, stdout: '', stderr: 'Input/output error\n' }), 'Input/output error'],
    ['kept it from running', unknown('timed out'), 'timed out'],
    ['is missing', ABSENT, 'not installed'],
  ] as const)('is told with what %s', async (_what, answer, said) => {
    const host = makeFakeHost({ run: async () => answer })
    for (const [work, what] of [
      [syncPlace, 'could not be written to its disk'],
      [exchangePlace, 'could not be switched'],
    ] as const) {
      const text = await failureOf(work(host, PLACE))
      expect(text.what).toContain(`${PLACE.live} ${what}`)
      expect(text.verbatim).toBe(said)
    }
  })
})

describe('a place', () => {
  it('that was switched is written to its disk', async () => {
    const ran: string[] = []
    const host = makeFakeHost({
      run: async ({ id }) => {
        ran.push(id)
        return seen({ exit: 0, stdout: '', stderr: '' })
      },
    })
    await exchangePlace(host, PLACE)
    expect(ran).toEqual(['exchange-directories', 'sync-filesystem'])
  })

  it('of which one file cannot be read is not known at all', async () => {
    const digest = { sha1: '', sha256: 'aa', sizeBytes: 1 }
    const digestsWith = (second: Awaited<ReturnType<Host['digestFile']>>) =>
      readDigests(
        makeFakeHost({
          listDirectory: async () => seen(['one', 'two']),
          digestFile: async (path) => (path.endsWith('/one') ? seen(digest) : second),
        }),
        PLACE.live,
      )
    expect(await digestsWith(seen({ ...digest, sha256: 'bb' }))).toEqual([
      { name: 'one', sha256: 'aa' },
      { name: 'two', sha256: 'bb' },
    ])
    expect(await digestsWith(unknown('I/O error'))).toBeNull()
    expect(await digestsWith(ABSENT)).toBeNull()
  })
})

describe('prepareAside', () => {
  const SET = new Map([['secret.fre.sealed2', Buffer.from('the new token')]])

  /** A directory of a disk; `write` is what the disk keeps of what it is given. */
  function diskHost(files: Map<string, Uint8Array>, write = (bytes: Uint8Array): Uint8Array => bytes) {
    const directories = new Set<string>()
    const own: Partial<Host> = {
      makePrivateDirectory: async (path) => void directories.add(path),
      run: async () => seen({ exit: 0, stdout: '', stderr: '' }),
      async writeFileAtomic(path, bytes) {
        if (!directories.has(path.slice(0, path.lastIndexOf('/'))))
          throw new Error(`no directory for ${path}`)
        files.set(path, write(bytes))
      },
      async removeFile(path) {
        directories.delete(path)
        for (const name of [...files.keys()])
          if (name === path || name.startsWith(`${path}/`)) files.delete(name)
      },
      listDirectory: async (path) =>
        seen([...files.keys()].filter((f) => f.startsWith(`${path}/`)).map((f) => f.slice(path.length + 1))),
      async digestFile(path) {
        const bytes = files.get(path)
        return bytes ? seen(await digestStream(oneChunk(bytes))) : ABSENT
      },
    }
    return makeFakeHost(own)
  }

  it('leaves nothing there of a seal that ended half-way', async () => {
    const files = new Map<string, Uint8Array>([[`${PLACE.aside}/key.pub`, Buffer.from('of a seal before')]])
    await prepareAside(diskHost(files), PLACE, SET)
    expect([...files.keys()]).toEqual([`${PLACE.aside}/secret.fre.sealed2`])
  })

  it('reads again what it wrote: a disk that keeps something else ends the seal', async () => {
    const host = diskHost(new Map(), (bytes) => bytes.subarray(1))
    const { what } = await failureOf(prepareAside(host, PLACE, SET))
    expect(what).toContain(`${PLACE.aside} does not hold what was written`)
  })
})

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
