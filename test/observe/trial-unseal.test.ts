import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encryptSecret } from '../../src/core/seal/sealed-blob.ts'
import type { SealedCopy } from '../../src/observe/seal/sealed-copy.ts'
import { makeSecretTrial } from '../../src/observe/verify/trial-unseal.ts'
import { openTpm2Trial } from '../../src/observe/verify/trial-unseal-tpm2.ts'
import { openTpm12Trial } from '../../src/observe/verify/trial-unseal-tpm12.ts'
import { hostOf, KEY, type Story, TPM2, TPM12 } from './tpm-world.ts'

/** What a trial asks of a TPM, and what it makes of each answer, on hosts that know only what it may ask for. */

const DIRECTORY = '/var/lib/tpms/x/aem'
const SALT = Buffer.alloc(8, 1)
const sha = (hash: 'sha1' | 'sha256', bytes: string) => createHash(hash).update(bytes).digest('hex')
const copyOf = (names: readonly string[], pcrs: readonly number[] | null = [13, 17]): SealedCopy => ({
  directory: DIRECTORY,
  files: names.map((name) => ({ name, sha256: 'a'.repeat(64) })),
  keyPcrs: pcrs === null ? null : { bank: 'sha256', pcrs },
})

describe('a trial with TPM 2.0', () => {
  async function tryKey(story: Story = {}) {
    const made = hostOf(TPM2, { password: 'srk', ...story })
    const trial = await openTpm2Trial(made.host)
    if ('why' in trial) throw new Error(trial.why)
    const found = await trial.tryKey(DIRECTORY, [13, 17])
    return { found, trial, ...made }
  }

  it('gives the key, and leaves nothing loaded', async () => {
    const { found, calls, inputs, trial, open } = await tryKey()
    expect(found).toEqual({ state: 'unsealed', key: KEY })
    expect(calls.slice(-3)).toEqual(['tpm2-load', 'tpm2-unseal', 'flush-transient'])
    expect(inputs).toEqual(['str:srk'])
    expect(open()).toBe(1)
    await trial.close()
    expect(open()).toBe(0)
  })

  it.each<[string, Story['says'], string, string]>([
    [
      'that does not unseal',
      { 'tpm2-unseal': { exit: 1, stderr: 'ERROR: odd\n' } },
      'untried',
      'tpm2_unseal: ERROR: odd',
    ],
    ['that cannot be asked', { 'tpm2-unseal': 'unknown' }, 'untried', 'no answer'],
    ['without its tool', { 'tpm2-unseal': 'absent' }, 'untried', 'tpm2_unseal is not installed'],
    [
      'that releases too little',
      { 'tpm2-unseal': { exit: 0, stdout: 'short' } },
      'refused',
      'released 5 bytes',
    ],
    ['that does not load', { 'tpm2-load': { exit: 1 } }, 'untried', 'tpm2_load: exit 1'],
    ['that cannot be loaded', { 'tpm2-load': 'unknown' }, 'untried', 'no answer'],
    ['without the tool that loads', { 'tpm2-load': 'absent' }, 'untried', 'tpm2_load is not installed'],
  ])('is not a key of one %s', async (_, says, state, why) => {
    const { found, calls } = await tryKey({ says: says ?? {} })
    expect(found).toEqual({ state, why: expect.stringContaining(why) })
    expect(calls.at(-1)).toBe('flush-transient')
  })

  it('is not begun without a password, in lockout, or on a machine that is only looked at', async () => {
    const { found, calls } = await tryKey({ password: null })
    expect(found).toEqual({ state: 'untried', why: expect.stringContaining('this boot cached none') })
    expect(calls).not.toContain('tpm2-load')
    const whyOf = async (story: Story) => {
      const trial = await openTpm2Trial(hostOf(TPM2, story).host)
      return 'why' in trial ? trial.why : null
    }
    expect(await whyOf({ writable: false })).toContain('only looks here')
    expect(await whyOf({ says: { 'tpm2-properties': 'unknown' } })).toContain('whether it is in lockout')
  })

  it('costs one try: after a wrong password no other is made', async () => {
    const stderr = 'ERROR: Eys_Load(0x98E) - tpm:session(1):the authorization HMAC check failed\n'
    const { found, trial, calls } = await tryKey({ says: { 'tpm2-load': { exit: 1, stderr } } })
    expect(found).toMatchObject({
      state: 'untried',
      why: expect.stringContaining('password at hand is wrong'),
    })
    expect(await trial.tryKey(DIRECTORY, [17])).toEqual(found)
    expect(await trial.tryLoad(DIRECTORY)).toContain('password at hand is wrong')
    expect(calls.filter((id) => id === 'tpm2-load')).toHaveLength(1)
    expect(calls.at(-1)).toBe('flush-transient')
  })

  it('reads the slots in a session that ends, whatever fails', async () => {
    const slots = async (says: Story['says'] = {}) => {
      const { trial, calls } = await tryKey({ says: says ?? {} })
      const from = calls.length
      const read = await trial.readFreshness()
      return { read: read === null ? null : Buffer.from(read).toString(), calls: calls.slice(from) }
    }
    const all = ['tpm2-start-session', 'tpm2-policy-nv-read', 'tpm2-nv-read', 'tpm2-flush-session']
    expect(await slots()).toEqual({ read: 'slots', calls: all })
    const failed = { exit: 1, stdout: 'garbage' }
    expect(await slots({ 'tpm2-start-session': failed })).toEqual({ read: null, calls: all.slice(0, 1) })
    expect(await slots({ 'tpm2-policy-nv-read': failed })).toEqual({
      read: null,
      calls: [all[0], all[1], all[3]],
    })
    expect(await slots({ 'tpm2-nv-read': failed })).toEqual({ read: null, calls: all })
  })
})

describe('the secrets of a copy, with TPM 2.0', () => {
  const sealed = (kind: string) => `${DIRECTORY}/secret.${kind}.sealed2`
  async function secretsOf(story: Story, own: SealedCopy | null, skip: string | null = null) {
    const made = hostOf(TPM2, { password: '', ...story })
    const trial = await makeSecretTrial(made.host, '2.0')
    const tried = await trial.trySecrets(own, { txt: 'b'.repeat(64) }, skip)
    await trial.close()
    expect(made.open()).toBe(0)
    return {
      ...tried,
      calls: made.calls,
      of: (kind: string) => tried.secrets.find((one) => one.kind === kind),
    }
  }
  const own = copyOf(['key.pub', 'secret.txt.sealed2', 'secret.fre.sealed2'])

  it('come out as digests, and the token in the hash of the slots', async () => {
    const files = {
      [sealed('txt')]: encryptSecret(Buffer.from('words'), KEY, SALT),
      [sealed('fre')]: encryptSecret(Buffer.from('token'), KEY, SALT),
    }
    const { of, tokenDigest, nv } = await secretsOf({ files }, own)
    expect(of('txt')).toEqual({
      ...{ kind: 'txt', plainSha256: 'b'.repeat(64), isSealed: true },
      trial: { state: 'unsealed', sha256: sha('sha256', 'words') },
    })
    expect(of('key')).toMatchObject({ isSealed: false, plainSha256: undefined })
    expect(tokenDigest).toBe(sha('sha256', 'token'))
    expect(Buffer.from(nv ?? []).toString()).toBe('slots')
  })

  it('are damaged without a salt, not known where they cannot be read', async () => {
    const { of, tokenDigest, nv } = await secretsOf({ files: { [sealed('txt')]: Buffer.from('x') } }, own)
    expect(of('txt')?.trial).toEqual({ state: 'refused', why: expect.stringContaining('damaged') })
    expect(of('fre')?.trial).toEqual({ state: 'untried', why: 'its sealed file could not be read' })
    expect([tokenDigest, nv]).toEqual([null, null])
  })

  it.each<[string, SealedCopy | null, string | null, string]>([
    ['whose files could not be listed', null, null, 'could not be read'],
    ['whose registers are not known', copyOf(['key.pub'], null), null, 'could not be read'],
    ['that must not be tried', own, 'of another boot', 'of another boot'],
  ])('are not tried of a copy %s', async (_, copy, skip, why) => {
    const { secrets, calls } = await secretsOf({}, copy, skip)
    for (const { trial, isSealed } of secrets) {
      expect(trial).toEqual({ state: 'untried', why: expect.stringContaining(why) })
      if (copy === null) expect(isSealed).toBeNull()
    }
    expect(calls).not.toContain('tpm2-load')
  })

  it('are not tried without a TPM', async () => {
    const { host } = hostOf({})
    const { secrets, tokenDigest } = await (await makeSecretTrial(host, 'none')).trySecrets(own, {}, null)
    expect(secrets.map(({ trial }) => trial)).toEqual(
      Array.from({ length: 4 }, () => ({ state: 'untried', why: 'no TPM answers' })),
    )
    expect(tokenDigest).toBeNull()
  })
})

it.each([
  ['1.2', TPM12],
  ['2.0', TPM2],
] as const)('no secret is tried on a machine that is only looked at, TPM %s', async (version, base) => {
  const { host, calls, open } = hostOf(base, { password: 'srk', writable: false })
  const trial = await makeSecretTrial(host, version)
  const { secrets, tokenDigest, nv } = await trial.trySecrets(copyOf(['secret.txt.sealed2']), {}, null)
  for (const { trial: tried } of secrets)
    expect(tried).toEqual({ state: 'untried', why: expect.stringContaining('only looks here') })
  expect(secrets.map(({ kind, isSealed }) => [kind, isSealed])).toEqual([
    ['txt', true],
    ['key', false],
    ['otp', false],
    ['fre', false],
  ])
  await trial.close()
  expect([tokenDigest, nv, calls, open()]).toEqual([null, null, [], 0])
})

describe('a trial with TPM 1.2', () => {
  async function open(story: Story = {}) {
    const made = hostOf(TPM12, story)
    const trial = await openTpm12Trial(made.host)
    if ('why' in trial) throw new Error(trial.why)
    return { trial, ...made }
  }

  it('uses the cached password, else the well-known secret', async () => {
    const { trial, calls, inputs } = await open({ password: 'srk\n' })
    expect(await trial.tryBlob('/x')).toEqual({ state: 'unsealed', plain: Buffer.from('plain') })
    expect([calls.at(-1), inputs]).toEqual(['tpm12-unseal', ['srk\n']])
    for (const password of [null, '']) {
      const known = await open({ password })
      expect((await known.trial.tryBlob('/x')).state).toBe('unsealed')
      expect([known.calls.at(-1), known.inputs]).toEqual(['tpm12-unseal-z', []])
    }
  })

  it('leaves tcsd as it was', async () => {
    const stopped = await open()
    await stopped.trial.close()
    expect([stopped.calls.at(-1), stopped.open()]).toEqual(['tcsd-stop', 0])
    const running = await open({
      says: { 'unit-show': { exit: 0, stdout: 'LoadState=loaded\nActiveState=active\n' } },
    })
    await running.trial.close()
    expect(running.calls.filter((id) => id.startsWith('tcsd'))).toEqual([])
    expect(running.open()).toBe(0)
  })

  it('says why where it cannot be asked', async () => {
    const { trial } = await open({ says: { 'tpm12-unseal-z': 'absent' } })
    expect(await trial.tryBlob('/x')).toEqual({ state: 'untried', why: 'tpm_unsealdata is not installed' })
    const { trial: silent } = await open({ says: { 'tpm12-unseal-z': 'unknown' } })
    expect(await silent.tryBlob('/x')).toEqual({ state: 'untried', why: 'no answer' })
  })

  it('reads the slots from the file that the tool wrote', async () => {
    const slots = async (says: Story['says'], files: Story['files']) => {
      const { trial } = await open({ says: says ?? {}, files: files ?? {} })
      return trial.readFreshness()
    }
    const files = { '/run/work/slots': Buffer.from('slots') }
    expect(await slots({}, files)).toEqual(Buffer.from('slots'))
    expect(await slots({ 'tpm12-nv-read': { exit: 1 } }, files)).toBeNull()
    expect(await slots({}, {})).toBeNull()
  })

  it('tries each sealed secret by itself, and only those that are sealed', async () => {
    const { host, calls } = hostOf(TPM12, { files: { '/run/work/slots': Buffer.from('slots') } })
    const trial = await makeSecretTrial(host, '1.2')
    const own = copyOf(['secret.txt.sealed2', 'secret.fre.sealed2'], null)
    const { secrets, tokenDigest, nv } = await trial.trySecrets(own, {}, null)
    expect(secrets.map(({ kind, trial: { state } }) => [kind, state])).toEqual([
      ['txt', 'unsealed'],
      ['key', 'untried'],
      ['otp', 'untried'],
      ['fre', 'unsealed'],
    ])
    expect(secrets[0]?.trial).toEqual({ state: 'unsealed', sha256: sha('sha256', 'plain') })
    expect([tokenDigest, nv]).toEqual([sha('sha1', 'plain'), Buffer.from('slots')])
    expect(calls.filter((id) => id === 'tpm12-unseal-z')).toHaveLength(2)
    for (const [copy, skip, why] of [
      [null, null, "the device's sealed files could not be read"],
      [null, 'not plugged in', 'not plugged in'],
      [own, 'of another boot', 'of another boot'],
    ] as const) {
      const none = await trial.trySecrets(copy, {}, skip)
      for (const one of none.secrets) expect(one.trial).toEqual({ state: 'untried', why })
      expect([none.tokenDigest, none.nv]).toEqual([null, null])
    }
    expect(calls.filter((id) => id === 'tpm12-unseal-z')).toHaveLength(2)
  })

  it('gives no secret and no token of a file that is sealed to other registers', async () => {
    // TPM_WRONGPCRVAL is 0x18.
    const { host } = hostOf(TPM12, { says: { 'tpm12-unseal-z': { exit: 24, stdout: 'garbage' } } })
    const trial = await makeSecretTrial(host, '1.2')
    const own = copyOf(['secret.txt.sealed2', 'secret.fre.sealed2'], null)
    const { secrets, tokenDigest, nv } = await trial.trySecrets(own, {}, null)
    for (const { kind, trial: tried } of secrets)
      expect(tried.state).toBe(['txt', 'fre'].includes(kind) ? 'refused' : 'untried')
    expect([tokenDigest, nv]).toEqual([null, null])
  })

  it('costs one try: after a wrong password the next secrets are not tried', async () => {
    // tpm_unsealdata 1.3.9.2 ends with the TSS error, of which the shell sees the last byte: TPM_AUTHFAIL is 1.
    const { trial, calls } = await open({ says: { 'tpm12-unseal-z': { exit: 1 } } })
    const first = await trial.tryBlob('/x')
    expect(await trial.tryBlob('/y')).toEqual(first)
    expect(calls.filter((id) => id === 'tpm12-unseal-z')).toHaveLength(1)
  })
})
