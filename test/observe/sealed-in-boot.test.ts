import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observeGate } from '../../src/observe/seal/gate.ts'
import { observeHold } from '../../src/observe/seal/hold-drop-in.ts'
import { observeSealOutcome } from '../../src/observe/seal/seal-outcome.ts'
import { observeSealedCopy, TOKEN } from '../../src/observe/seal/sealed-copy.ts'
import { observeVerification } from '../../src/observe/verify/verify.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { HOLD_DROP_IN, PROGRAM_PLACES } from '../../src/tables/paths.ts'
import { aSession, machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** Whether AEM sealed in this boot, and what its gate and `verify` make of it, on the built-in machine. */

const unreadable = unknown('input/output error')

function dom0Of(machine: SimMachine, told: (own: Host) => Partial<Host> = () => ({})) {
  const own = makeSimulatedHost(machine)
  return observeDom0({ ...own, ...told(own) })
}

describe('whether AEM sealed in this boot', () => {
  /** The session from before a restart, after which nothing was sealed by anybody. */
  async function story() {
    const machine = machineOf('clean-update')
    const baseline = await observeBaseline(dom0Of(machine), [13, 17, 18, 19])
    machine.sealWorks = false
    restartMachine(machine)
    const dom0 = dom0Of(machine)
    const { bootId } = await dom0.machine()
    const tpmId = await dom0.tpmId()
    const copy = await observeSealedCopy(dom0.host, '/var/lib', tpmId!, 'aem')
    const token = copy?.files.find(({ name }) => name === TOKEN)?.sha256 ?? ''
    return { machine, session: aSession({ baseline }), bootId, token }
  }
  const sealed = async (machine: SimMachine, session: Session | null, told?: (own: Host) => Partial<Host>) =>
    (await observeSealOutcome(dom0Of(machine, told), session)).sealedInThisBoot

  it('it did not where the token is the recorded one', async () => {
    const { machine, session } = await story()
    expect(await sealed(machine, session)).toBe(false)
    // Of another device, or of the device's own copy, nothing is said.
    const files = session.baseline!.sealedFiles
    const others = files.flatMap((file) =>
      file.name === TOKEN
        ? [
            { ...file, label: 'aem.x' },
            { ...file, copy: 'device' as const },
          ]
        : [],
    )
    const told = { ...session, baseline: { ...session.baseline!, sealedFiles: others } }
    expect(await sealed(machine, told)).toBeNull()
    expect(await sealed(machine, null)).toBeNull()
  })

  it('it did where the program itself left that token in this boot, and not in another one', async () => {
    const { machine, session, bootId, token } = await story()
    const by = (boot: string | null, left = token) =>
      ({ ...session, resealed: { bootId: boot, token: left } }) as Session
    expect(await sealed(machine, by(bootId))).toBe(true)
    expect(await sealed(machine, by('another boot'))).toBe(false)
    expect(await sealed(machine, by(bootId, 'b'.repeat(64)))).toBe(false)
  })

  it('it is not known where dom0 cannot say which TPM it is, which is not "it did not"', async () => {
    const { machine, session } = await story()
    for (const answer of [unreadable, seen('tpms/evil')])
      expect(await sealed(machine, session, () => ({ readLink: async () => answer }))).toBeNull()
  })

  it('it is not known where nothing says from which device dom0 booted, which is not "it did not"', async () => {
    const { machine, session } = await story()
    machine.menuChoice = PLAIN_ENTRY
    restartMachine(machine)
    expect(await dom0Of(machine).booted()).toBeNull()
    expect(await sealed(machine, session)).toBeNull()
  })

  it('no sealed files are in the baseline of such a dom0', async () => {
    const dom0 = dom0Of(machineOf('clean-update'), () => ({ readLink: async () => unreadable }))
    expect((await observeBaseline(dom0, [13, 17, 18, 19]))?.sealedFiles).toEqual([])
  })
})

describe('the gate', () => {
  const failure = makeFailure('forward-seal-failed', { what: 'the session is damaged' })
  const failing = (error: Error) => async (): Promise<Session | null> => {
    throw error
  }
  const silent = (machine: SimMachine): SimMachine => Object.assign(machine, { journal: [] })
  const good = (): SimMachine => {
    const machine = machineOf('clean-update')
    machine.journal = []
    restartMachine(machine)
    restartMachine(machine)
    return machine
  }

  it('needs no session where the secret was released; a fault of the program is one all the same', async () => {
    const machine = good()
    expect(machine.journal.join()).toContain('Freshness token valid')
    const answer = await observeGate(dom0Of(machine), failing(failure))
    expect(answer.bootId).not.toBeNull()
    await expect(observeGate(dom0Of(machine), failing(new TypeError('x')))).rejects.toThrow('x')
  })

  it('says nothing on a session that cannot be read where the journal is silent', async () => {
    await expect(observeGate(dom0Of(silent(good())), failing(failure))).rejects.toThrow()
    const failed = (own: Host): Partial<Host> => ({
      run: async (call, input) => {
        const answer = await own.run(call, input)
        return call.id === 'aem-journal' && answer.state === 'seen'
          ? seen({ ...answer.value, exit: 1 })
          : answer
      },
    })
    await expect(observeGate(dom0Of(good(), failed), failing(failure))).rejects.toThrow()
  })

  it('tells the boot that it was asked in, and none where that has no identity', async () => {
    const asked = (answer: Awaited<ReturnType<Host['readFile']>>) =>
      observeGate(
        dom0Of(good(), (own) => ({
          readFile: async (path) => (path.endsWith('/boot_id') ? answer : own.readFile(path)),
        })),
        async () => null,
      )
    expect((await asked(seen(Buffer.from('a\n')))).bootId).toBe('a')
    for (const answer of [seen(Buffer.from('\n')), ABSENT, unreadable])
      expect((await asked(answer)).bootId).toBeNull()
  })

  it('answers on a machine of whose TPM nothing is known', async () => {
    const noTpm = (own: Host): Partial<Host> => ({
      readFile: async (path) => (path.startsWith('/sys/class/tpm/') ? ABSENT : own.readFile(path)),
      statFile: async (path) => (path.startsWith('/sys/class/tpm/') ? unreadable : own.statFile(path)),
    })
    const known = await observeGate(dom0Of(good(), noTpm), async () => null)
    expect(known).toMatchObject({ mayRun: true, rule: 'unsealed', bootId: expect.any(String) })
    const machine = silent(good())
    expect(await observeGate(dom0Of(machine, noTpm), async () => null)).toMatchObject({ mayRun: false })
  })
})

describe('the drop-in that asks the gate', () => {
  const [first = '', second = ''] = PROGRAM_PLACES
  const hold = (
    stats: Readonly<Record<string, { kind: 'file' | 'directory'; ownerUid: number; mode: number }>>,
  ) =>
    observeHold(
      makeFakeHost({
        run: async () => unreadable,
        readFile: async (path) => (path === HOLD_DROP_IN ? ABSENT : unreadable),
        statFile: async (path) => {
          const stat = stats[path]
          if (stat !== undefined) return seen({ sizeBytes: 1, mtimeMs: 0, ...stat })
          return path === first || path === second
            ? ABSENT
            : seen({ kind: 'directory', sizeBytes: 1, mtimeMs: 0, mode: 0o755, ownerUid: 0 })
        },
      }),
    )
  const own = { kind: 'file', ownerUid: 0, mode: 0o755 } as const

  it('is told the first place of the program that only root can change', async () => {
    expect((await hold({ [first]: own, [second]: own })).program).toEqual({ path: first, why: null })
    expect((await hold({ [first]: { ...own, mode: 0o777 }, [second]: own })).program).toEqual({
      path: second,
      why: null,
    })
  })

  it('has none where others can change it: that place is named, not that there is none', async () => {
    const unsafe = (await hold({ [first]: { ...own, ownerUid: 1000 } })).program
    expect([unsafe.path, unsafe.why]).toEqual([null, expect.stringContaining(first)])
    expect(unsafe.why).not.toContain('systemd must find the program')
    expect((await hold({})).program.why).toContain('systemd must find the program')
  })

  it('is not known to be asked where systemd does not answer', async () => {
    expect(await hold({ [first]: own })).toMatchObject({
      unit: null,
      isInstalled: null,
      file: 'absent',
      fileWhy: null,
    })
  })
})

describe('a token of which no slot holds the digest', () => {
  /** The slot of the TPM holds another token, and dom0 keeps none in plain. */
  async function freshness(change: (machine: SimMachine) => void = () => undefined) {
    const machine = machineOf('clean-update')
    restartMachine(machine)
    machine.slots.set(0, '00'.repeat(32))
    machine.dom0.delete('/var/lib/anti-evil-maid/aem/secret.fre')
    change(machine)
    const [found] = await observeVerification(dom0Of(machine), null)
    return found?.checks.find(({ id }) => id === 'freshness')
  }
  const editDom0 = (change: (bytes: Uint8Array) => Uint8Array | null) => (machine: SimMachine) => {
    for (const [path, file] of machine.dom0)
      if (path.startsWith('/var/lib/tpms/') && path.endsWith('/aem/key.pcrs')) {
        const bytes = change(file.bytes)
        if (bytes === null) machine.dom0.delete(path)
        else machine.dom0.set(path, { ...file, bytes })
      }
  }

  it("was overwritten where the device's files are dom0's, and is damaged or old where they are not", async () => {
    expect(await freshness()).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^its slot was overwritten:/),
    })
    expect(await freshness(editDom0(() => Buffer.from('another')))).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^the token is not the one of dom0's copy/),
    })
  })
})
