import { describe, expect, it } from 'vitest'
import { observeForwardReadiness } from '../../src/act/forward-seal/plan.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { ABSENT, type Host, seen } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { SELECTED_PCRS, type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observePrediction } from '../../src/observe/launch/prediction.ts'
import { rememberSrkPassword } from '../../src/observe/seal/srk-password.ts'
import { aSession, machineOf } from '../support/built-in.ts'

/* What a forward seal asks of the TPM and its password, on the built-in machine. */

const PASSWORD = '/run/anti-evil-maid/srk-password'
const VERSION = '/sys/class/tpm/tpm0/tpm_version_major'

type Story = {
  /** What this boot cached; null: nothing. */
  readonly cached?: string | null
  readonly typed?: string
  readonly version?: '1' | '2'
  /** Answers of programs, by their id, instead of the built-in machine's. */
  readonly says?: Readonly<Record<string, { exit: number; stdout?: string; stderr?: string }>>
  readonly change?: (machine: SimMachine) => void
  /** Paths of the stick that are links, as the tree from its root names them. */
  readonly link?: string
  readonly prediction?: Session['prediction']
  readonly freeBytes?: number
  readonly files?: Readonly<Record<string, string>>
  /** Where dom0's /var/lib/tpm leads. */
  readonly tpmLink?: string
  /** The registers of a TPM 1.2, as the kernel prints them (Linux 6.1, drivers/char/tpm/tpm-sysfs.c, pcrs_show). */
  readonly pcrs?: string
}

async function look(story: Story) {
  const machine = machineOf('clean-update')
  story.change?.(machine)
  const own = makeSimulatedHost(machine)
  const calls: string[] = []
  const works = { opened: 0, closed: 0 }
  const host: Host = {
    ...own,
    async readFile(path) {
      if (path === PASSWORD && story.cached !== undefined)
        return story.cached === null ? ABSENT : seen(Buffer.from(story.cached))
      if (path === '/sys/class/tpm/tpm0/pcrs' && story.pcrs) return seen(Buffer.from(story.pcrs))
      const text = story.files?.[path]
      if (text !== undefined) return seen(Buffer.from(text))
      if (path === VERSION && story.version) return seen(Buffer.from(`${story.version}\n`))
      return own.readFile(path)
    },
    freeBytes: async (path) => (story.freeBytes === undefined ? own.freeBytes(path) : seen(story.freeBytes)),
    readLink: async (path) =>
      path === '/var/lib/tpm' && story.tpmLink ? seen(story.tpmLink) : own.readLink(path),
    async statFile(path) {
      const found = await own.statFile(path)
      return story.link !== undefined && path.endsWith(story.link) && found.state === 'seen'
        ? seen({ ...found.value, kind: 'link' as const })
        : found
    },
    async run(call, input) {
      calls.push(call.id)
      const answer = story.says?.[call.id]
      return answer ? seen({ stdout: '', stderr: '', ...answer }) : own.run(call, input)
    },
    async makeWorkDirectory() {
      const work = await own.makeWorkDirectory()
      works.opened += 1
      return {
        root: work.root,
        async close() {
          works.closed += 1
          await work.close()
        },
      }
    },
  }
  if (story.typed !== undefined) rememberSrkPassword(host, Buffer.from(story.typed))
  const session = aSession({ prediction: story.prediction ?? null })
  const { checks, plan } = await observeForwardReadiness(observeDom0(host), session, { state: 'absent' })
  const check = (id: string) => checks.find((one) => one.id === id)
  return { check, plan, calls, works }
}

const tries = (failed: number, isLocked = 0) => ({
  exit: 0,
  stdout: `  inLockout:                 ${isLocked}\nTPM2_PT_LOCKOUT_COUNTER: 0x${failed.toString(16)}\nTPM2_PT_MAX_AUTH_FAIL: 0x20\n`,
})
/** tpm-tools and systemctl on a machine whose tcsd does not run. */
const TPM12_SAYS = {
  'unit-show': { exit: 0, stdout: 'ActiveState=inactive\n' },
  'tcsd-start': { exit: 0 },
  'tcsd-stop': { exit: 0 },
  'tpm12-nv-read': { exit: 1 },
  'tpm12-unseal': { exit: 0, stdout: 'the token' },
  'tpm12-unseal-z': { exit: 0, stdout: 'the token' },
}
const count = (calls: readonly string[], id: string): number => calls.filter((one) => one === id).length

describe('the SRK password of a forward seal', () => {
  it('is the cached one, which is not tried', async () => {
    const { check, calls } = await look({ cached: 'srk\n' })
    expect(check('srk-password')).toMatchObject({ ok: true, detail: 'cached by this boot' })
    expect(calls).not.toContain('tpm2-load')
  })

  it('is none where the cached one is empty', async () => {
    const { check } = await look({ cached: '' })
    expect(check('srk-password')).toMatchObject({ ok: true, detail: 'the SRK has no password' })
  })

  it('is missing on TPM 2.0 where none is cached, and none is tried', async () => {
    const { check, calls } = await look({ cached: null })
    expect(check('srk-password')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('restart once with the AEM entry'),
    })
    expect(calls).not.toContain('tpm2-load')
  })

  it('that was typed is tried at the present sealed files', async () => {
    const { check, calls, works } = await look({ cached: null, typed: 'srk' })
    expect(check('srk-password')).toMatchObject({
      ok: true,
      detail: 'the SRK takes the password, or needs none',
    })
    expect(count(calls, 'tpm2-load')).toBe(1)
    expect(works.opened).toBeGreaterThanOrEqual(2)
    expect(works.closed).toBe(works.opened)
  })

  it('that was typed wrong is told, and leaves nothing behind', async () => {
    const stderr =
      'ERROR: Eys_Load(0x98E) - tpm:session(1):the authorization HMAC check failed and DA counter incremented\n'
    const { check, works } = await look({
      cached: null,
      typed: 'wrong',
      says: { 'tpm2-load': { exit: 1, stderr } },
    })
    expect(check('srk-password')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('the SRK password at hand is wrong'),
    })
    expect(works.closed).toBe(works.opened)
  })

  it('that was typed is not tried in lockout', async () => {
    const { check, calls } = await look({
      cached: null,
      typed: 'srk',
      says: { 'tpm2-properties': tries(32, 1) },
    })
    expect(check('srk-password')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('the TPM is in lockout after 32 wrong passwords'),
    })
    expect(check('freshness')).toMatchObject({ ok: null, detail: expect.stringContaining('in lockout') })
    expect(calls).not.toContain('tpm2-load')
  })
})

describe('on TPM 1.2', () => {
  it('the well-known secret is tried where AEM removed the cached password, and tcsd is left as it was', async () => {
    const { check, calls, works } = await look({ version: '1', cached: null, says: TPM12_SAYS })
    expect(check('srk-password')).toMatchObject({
      ok: true,
      detail: 'the SRK takes the password, or needs none',
    })
    expect(count(calls, 'tpm12-unseal-z')).toBe(1)
    expect(count(calls, 'tcsd-start')).toBe(2)
    expect(count(calls, 'tcsd-stop')).toBe(2)
    expect(works).toEqual({ opened: 2, closed: 2 })
  })

  it('nothing is tried where tcsd does not start', async () => {
    const { check, calls } = await look({
      version: '1',
      cached: null,
      says: { ...TPM12_SAYS, 'tcsd-start': { exit: 1 } },
    })
    const untold = { detail: expect.stringContaining('tcsd could not be started') }
    expect(check('srk-password')).toMatchObject({ ok: false, ...untold })
    expect(check('freshness')).toMatchObject({ ok: null, ...untold })
    expect(calls).not.toContain('tpm12-unseal-z')
  })

  it('no count of tries is asked for: it has none that a stock tool reads', async () => {
    const { check, calls } = await look({ version: '1', cached: 'srk\n', says: TPM12_SAYS })
    expect(check('tpm-tries-left')).toBeUndefined()
    expect(calls).not.toContain('tpm2-properties')
  })
})

describe('the tries that the TPM has left', () => {
  it.each([
    ['a password, and enough are left', 'srk\n', 30, { ok: true, detail: 'the next boot can unseal' }],
    [
      'a password, and the look of the next boot would be the last',
      'srk\n',
      31,
      { ok: false, detail: expect.stringContaining('has counted 31 wrong passwords and takes 32') },
    ],
    ['no password: none is counted', '', 31, { ok: true, detail: 'no SRK password, so none are counted' }],
  ] as const)('where the SRK has %s', async (_what, cached, failed, expected) => {
    const { check } = await look({ cached, says: { 'tpm2-properties': tries(failed) } })
    expect(check('tpm-tries-left')).toMatchObject(expected)
  })
})

describe('the token of a forward seal', () => {
  it('is the one in slot 0', async () => {
    const { check } = await look({})
    expect(check('freshness')).toMatchObject({ ok: true, detail: expect.stringContaining('slot 0 holds') })
  })

  it('is of no use in a slot that AEM does not read', async () => {
    const { check } = await look({
      change({ slots }) {
        slots.set(3, slots.get(0) ?? '')
        slots.delete(0)
      },
    })
    expect(check('freshness')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('the token lies in slot 3, but on TPM 2.0'),
    })
  })

  it('is lost where no slot holds it', async () => {
    const { check } = await look({ change: ({ slots }) => slots.clear() })
    expect(check('freshness')).toMatchObject({
      ok: false,
      detail: 'no slot of the TPM holds this token (another device took it): let AEM seal once first',
    })
  })
})

it('the token of which no slot can be read is not called lost', async () => {
  const { check } = await look({ version: '1', cached: 'srk\n', says: TPM12_SAYS })
  expect(check('freshness')).toEqual({
    id: 'freshness',
    ok: null,
    detail: 'the freshness token or its slots could not be read',
  })
})

describe('the homes of the sealed files', () => {
  it('are directories that were sealed before', async () => {
    const { check } = await look({})
    expect([check('device-sealed')?.ok, check('dom0-sealed')?.ok]).toEqual([true, true])
    for (const id of ['device-sealed', 'dom0-sealed'])
      expect(check(id)?.detail).toBe('sealed before; the old files are kept beside the new ones')
  })

  it('that were never sealed are told as that', async () => {
    const { check } = await look({ link: '/boot/aem' })
    expect(check('device-sealed')?.detail).toBe('not sealed before: let AEM seal once first')
  })

  it.each(['/boot/aem', '/boot/aem/tpms', `/boot/aem/tpms/${TPM_ID}`])(
    'on the device are none where %s is a link, which could lead anywhere',
    async (link) => {
      const { check } = await look({ link })
      expect([check('device-sealed')?.ok, check('dom0-sealed')?.ok]).toEqual([false, true])
    },
  )
})

it('the label of the device this boot came from is the one that its initrd saw', async () => {
  const labelled = async (suffix: string) =>
    (await look({ files: { '/run/anti-evil-maid/suffix': suffix } })).check('device-label')
  expect(await labelled('\n')).toMatchObject({ ok: true })
  expect(await labelled('.other\n')).toMatchObject({ ok: false, detail: expect.stringContaining('e2label') })
})

it('a full dom0 has no room for the new files', async () => {
  expect((await look({})).check('dom0-space')).toMatchObject({ ok: true })
  expect((await look({ freeBytes: 1024 })).check('dom0-space')).toMatchObject({ ok: false })
})

it('the homes on a device that is out could not be looked at, which is not "never sealed"', async () => {
  const { check } = await look({
    change({ devices }) {
      for (const device of devices) device.isPresent = false
    },
  })
  expect(check('device-sealed')).toMatchObject({
    ok: null,
    detail: 'the sealed files could not be looked at',
  })
})

describe('what a forward seal is made from', () => {
  /** What `predict` says on the built-in machine with an honest update. */
  async function predicted(change: (machine: SimMachine) => void = () => {}) {
    const machine = machineOf('clean-update')
    change(machine)
    return (await observePrediction(observeDom0(makeSimulatedHost(machine)), SELECTED_PCRS)).prediction
  }

  it('are the predicted registers, and the token of a device that the TPM expects', async () => {
    const prediction = await predicted()
    const { plan, check } = await look({ prediction })
    const values = prediction.pcrs.map(({ index, predicted }) => [index, predicted])
    expect(plan).toMatchObject({ values: Object.fromEntries(values), tpmVersion: '2.0', bank: 'sha256' })
    expect([check('prediction')?.ok, check('kernel')?.ok]).toEqual([true, true])
  })

  it('is nothing where nobody knows which TPM it is', async () => {
    const { plan, check } = await look({ prediction: await predicted(), tpmLink: 'tpms/evil' })
    expect([plan, check('prediction')?.ok]).toEqual([null, true])
  })

  it('is nothing without a prediction', async () => {
    const { plan, check } = await look({})
    expect([plan, check('prediction')?.ok]).toEqual([null, false])
  })

  it('is not for an old kernel, though every register is predicted', async () => {
    const prediction = await predicted()
    const pcrs = prediction.pcrs.map((pcr) => ({
      ...pcr,
      components: pcr.components.map((one) =>
        one.role === 'kernel'
          ? { ...one, path: '/vmlinuz-5.0.0', package: { name: 'kernel', evr: '0:5.0.0', signer: null } }
          : one,
      ),
    }))
    const { check } = await look({ prediction: { ...prediction, pcrs } })
    expect(check('kernel')).toMatchObject({ ok: false, detail: expect.stringContaining('/vmlinuz-5.0.0') })
  })

  it('are values of the bank of this TPM alone', async () => {
    const rows = (bank: 'sha1' | 'sha256', digest: string) => ({
      ...{ calibrated: true, variant: null, entry: null, refusal: null },
      pcrs: SELECTED_PCRS.map((index) => ({ index, bank, predicted: digest, vouched: true })),
    })
    const story = (prediction: ReturnType<typeof rows>) => ({
      ...({ version: '1', cached: 'srk\n', says: TPM12_SAYS, prediction } as const),
      // All registers are as they are predicted.
      pcrs: Array.from(
        { length: 24 },
        (_, at) => `PCR-${String(at).padStart(2, '0')}:${' A1'.repeat(20)}\n`,
      ).join(''),
    })
    expect((await look(story(rows('sha1', 'a1'.repeat(20))))).check('prediction')).toMatchObject({ ok: true })
    const other = await look(story(rows('sha256', 'a1'.repeat(32))))
    expect(other.check('prediction')).toMatchObject({ ok: false })
  })
})
