import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { observeForwardReadiness } from '../../src/act/forward-seal/plan.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { emptyDeviceLedger, type LedgerLook } from '../../src/core/session/device-ledger.ts'
import { type Host, seen } from '../../src/host/host.ts'
import { STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { SELECTED_PCRS, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { plainSecretPath } from '../../src/observe/seal/plain-secrets.ts'
import { aSession, machineOf } from '../support/built-in.ts'

/* Which device a forward seal is for, on which TPM, and what was accepted before: on the built-in machine with a stick. */

type Story = {
  readonly session?: Partial<Session>
  readonly ledger?: LedgerLook
  readonly told?: (own: Host, machine: SimMachine) => Partial<Host>
}

async function look({ session = {}, ledger = { state: 'absent' }, told }: Story = {}) {
  const machine = machineOf('two-devices')
  const own = makeSimulatedHost(machine)
  const dom0 = observeDom0({ ...own, ...told?.(own, machine) })
  const { checks, plan } = await observeForwardReadiness(dom0, aSession(session), ledger)
  return { plan, ids: checks.map(({ id }) => id), check: (id: string) => checks.find((one) => one.id === id) }
}

/** A device ledger whose last accepted state is that of these registers. */
function accepted(registers: Readonly<Record<number, string>>, proof?: 'not-proven'): LedgerLook {
  const at = '2024-07-17T09:00:00.000Z'
  const state = { bootId: null, label: 'aem', bank: 'sha256' as const, shared: [17, 18], packages: null }
  const approved = { at, ...state, registers: { ...registers }, ...(proof ? { proof } : {}) }
  return { state: 'read', ledger: { ...emptyDeviceLedger(at), approved } }
}
const registersNow = () => machineOf('two-devices').pcrs.sha256 ?? {}

describe('the device of this boot', () => {
  it('is sealed for without asking what was approved on another one', async () => {
    const { ids } = await look({ ledger: accepted(registersNow()) })
    expect(ids).not.toContain('approved-state')
    expect(ids).not.toContain('device-known')
  })

  it('is not sealed for in a state that was accepted without a proof', async () => {
    const { check } = await look({ ledger: accepted(registersNow(), 'not-proven') })
    expect(check('approved-state')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('is not proven'),
    })
  })

  it('is, once its registers are others', async () => {
    const { ids } = await look({ ledger: accepted({ ...registersNow(), 18: 'ab'.repeat(32) }, 'not-proven') })
    expect(ids).not.toContain('approved-state')
  })
})

describe('another device', () => {
  const session = { device: 'aem.stick' }

  it('has to be known, and this boot and its own next one have to hold the approved state', async () => {
    const { check } = await look({ session })
    expect(check('device-known')).toMatchObject({ ok: true })
    expect(check('approved-state')).toMatchObject({
      ok: null,
      detail: expect.stringContaining('no state was approved yet'),
    })
  })

  it('is compared with the approved state by what is predicted for it, not by what is hoped', async () => {
    const registers = registersNow()
    const rows = SELECTED_PCRS.map((index) => ({
      index,
      bank: 'sha256',
      predicted: registers[index]!,
      vouched: true,
      components: [],
    }))
    const prediction = {
      calibrated: true,
      variant: null,
      entry: null,
      refusal: null,
      pcrs: rows,
    } as unknown as Session['prediction']
    const ledger = accepted(registers)
    expect(
      (await look({ session: { ...session, prediction }, ledger })).check('approved-state'),
    ).toMatchObject({ ok: true })
    expect((await look({ session, ledger })).check('approved-state')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('its next boot would have another PCR 13, 17, 18'),
    })
  })

  it('of another UUID than was seen before is another one', async () => {
    const at = '2024-07-17T09:00:00.000Z'
    const stick = { label: 'aem.stick', uuid: '00000000-0000-4000-8000-000000000000', verified: null }
    const devices = [{ ...stick, approved: null, knownFiles: [], forward: null, leftSince: null }]
    const { check } = await look({
      session,
      ledger: { state: 'read', ledger: { ...emptyDeviceLedger(at), devices } },
    })
    expect(check('device-known')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('another device'),
    })
    expect(STICK.uuid).not.toBe(stick.uuid)
  })
})

describe('on TPM 1.2', () => {
  const VALUE = 'a1'.repeat(20)
  const prediction = {
    ...{ calibrated: true, variant: null, entry: null, refusal: null },
    pcrs: SELECTED_PCRS.map((index) => ({ index, bank: 'sha1', predicted: VALUE, vouched: true })),
  } as const
  /** As the kernel prints the registers (Linux 6.1, drivers/char/tpm/tpm-sysfs.c, pcrs_show). */
  const PCRS = Array.from(
    { length: 24 },
    (_, at) => `PCR-${String(at).padStart(2, '0')}:${' A1'.repeat(20)}\n`,
  ).join('')
  /** The 8 slots of anti-evil-maid-lib, a sha1 each; the token lies in the third. */
  const slotsOf = (token: Uint8Array): Buffer => {
    const slots = Buffer.alloc(160, 0xff)
    createHash('sha1').update(token).digest().copy(slots, 40)
    return slots
  }
  const told =
    (version: string) =>
    (own: Host): Partial<Host> => ({
      async readFile(path) {
        if (path === '/sys/class/tpm/tpm0/tpm_version_major') return seen(Buffer.from(`${version}\n`))
        if (path === '/sys/class/tpm/tpm0/pcrs') return seen(Buffer.from(PCRS))
        if (path === '/run/anti-evil-maid/srk-password') return seen(Buffer.from('srk\n'))
        const token = path.endsWith('/slots') ? await own.readFile(plainSecretPath('aem', 'fre')) : null
        return token?.state === 'seen' ? seen(slotsOf(token.value)) : own.readFile(path)
      },
      run: async (call, input) =>
        ['unit-show', 'tcsd-start', 'tcsd-stop', 'tpm12-nv-read', 'tpm12-unseal'].includes(call.id)
          ? seen({ exit: 0, stdout: '', stderr: '' })
          : own.run(call, input),
    })

  it('the plan is of its one bank, and of the slot that holds the token', async () => {
    const { plan, check } = await look({ session: { prediction }, told: told('1') })
    expect(check('freshness')?.detail).toContain('slot 2 holds')
    expect(plan).toMatchObject({
      tpmVersion: '1.2',
      bank: 'sha1',
      tokenLabel: 'aem',
      values: Object.fromEntries(SELECTED_PCRS.map((index) => [index, VALUE])),
    })
  })
})
