import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { computeTpm12Composite } from '../../src/core/seal/tpm12-blob.ts'
import type { HeldNote } from '../../src/core/session/held-note.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { observeSlots } from '../../src/observe/device/freshness-slots.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import type { TpmFacts } from '../../src/observe/launch/pcrs.ts'
import { observeBinding } from '../../src/observe/seal/binding.ts'
import { observePlainSecrets } from '../../src/observe/seal/plain-secrets.ts'
import { observeSealOutcome } from '../../src/observe/seal/seal-outcome.ts'
import { observeSealReadiness } from '../../src/observe/seal/seal-readiness.ts'
import {
  haveSameFiles,
  isSealed,
  lookAtToken,
  observeSealedCopy,
  type SealedCopy,
} from '../../src/observe/seal/sealed-copy.ts'
import { machineOf } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** What is read of sealed files, secrets and slots, on the built-in machine. */

const unreadable = unknown('input/output error')

function hostOf(machine: SimMachine, told: (own: Host) => Partial<Host> = () => ({})): Host {
  const own = makeSimulatedHost(machine)
  return { ...own, ...told(own) }
}

describe('the secrets that dom0 keeps in plain', () => {
  it('are named with their digests; one that cannot be read is not one that is not there', async () => {
    const kinds = async (answer: typeof ABSENT | typeof unreadable) => {
      const host = hostOf(machineOf('clean-update'), (own) => ({
        digestFile: async (path) => (path.endsWith('/secret.txt') ? answer : own.digestFile(path)),
      }))
      return observePlainSecrets(host, 'aem')
    }
    expect(await kinds(unreadable)).toMatchObject({ fre: expect.stringMatching(/^[0-9a-f]{64}$/), txt: null })
    expect(await kinds(ABSENT)).not.toHaveProperty('txt')
    expect(await kinds(ABSENT)).toHaveProperty('fre')
  })
})

describe('a copy of the sealed files', () => {
  const A = 'a'.repeat(64)
  const B = 'b'.repeat(64)
  const copyOf = (files: Readonly<Record<string, string | null>>): SealedCopy => ({
    directory: '/var/lib/tpms/x/aem',
    files: Object.entries(files).map(([name, sha256]) => ({ name, sha256 })),
    keyPcrs: null,
  })

  it('is sealed where the token is in it, and not known where it cannot be read', () => {
    expect(isSealed(copyOf({ 'key.pub': A, 'secret.fre.sealed2': null }))).toBe(true)
    expect(isSealed(copyOf({ 'key.pub': A, 'secret.txt.sealed2': A }))).toBe(false)
    expect(isSealed(null)).toBeNull()
  })

  it('has a token, none, or one that cannot be read', () => {
    expect(lookAtToken(copyOf({ 'key.pub': B, 'secret.fre.sealed2': A }))).toEqual({
      state: 'seen',
      sha256: A,
    })
    expect(lookAtToken(copyOf({ 'secret.fre.sealed2': null }))).toEqual({ state: 'unknown' })
    expect(lookAtToken(copyOf({ 'key.pub': A }))).toEqual({ state: 'absent' })
    expect(lookAtToken(null)).toEqual({ state: 'unknown' })
  })

  it.each([
    ['the same files, in whatever order', { x: A, y: B }, { y: B, x: A }, true],
    ['another content', { x: A, y: B }, { x: A, y: A }, false],
    ['a file more', { x: A }, { x: A, y: B }, false],
    ['a file less', { x: A, y: B }, { x: A }, false],
    ['the same one file', { x: A }, { x: A }, true],
    ['a file that cannot be read', { x: A, y: null }, { x: A, y: B }, null],
    ['a file that cannot be read on the other side', { x: A, y: B }, { x: A, y: null }, null],
    ['one that cannot be read and one that differs', { x: null, y: A }, { x: A, y: B }, false],
    ['none of them', {}, { x: A }, false],
    ['nothing of the other', { x: A }, {}, false],
    ['nothing, as it has nothing itself', {}, {}, null],
  ])('is compared with another one of %s', (_, one, other, expected) => {
    expect(haveSameFiles(copyOf(one as never), copyOf(other as never))).toBe(expected)
    expect(haveSameFiles(null, copyOf(other as never))).toBeNull()
    expect(haveSameFiles(copyOf(one as never), null)).toBeNull()
  })

  it("is read by AEM's names alone; a directory that is not there has none, one that cannot be listed is unknown", async () => {
    const look = (listing: Awaited<ReturnType<Host['listDirectory']>>) =>
      observeSealedCopy(
        hostOf(machineOf('clean-update'), () => ({ listDirectory: async () => listing })),
        '/var/lib',
        TPM_ID,
        'aem',
      )
    const names = [
      'key.pub',
      'key.pub~',
      'xkey.pub',
      'secret.fre.sealed2',
      'secret.fre.sealed2.old',
      '.secret.fre',
    ]
    expect((await look(seen(names)))?.files.map(({ name }) => name)).toEqual([
      'key.pub',
      'secret.fre.sealed2',
    ])
    expect(await look(ABSENT)).toMatchObject({ files: [], keyPcrs: null })
    expect(await look(unreadable)).toBeNull()
  })

  it('is kept in the baseline for dom0 and for each device that is plugged in', async () => {
    const kept = async (isOut: boolean) => {
      const machine = machineOf('two-devices')
      for (const device of machine.devices) if (!device.isInternal && isOut) device.isPresent = false
      const baseline = await observeBaseline(observeDom0(makeSimulatedHost(machine)), [13, 17, 18, 19])
      return new Set(baseline?.sealedFiles.map(({ label, copy }) => `${label} ${copy}`))
    }
    expect(await kept(false)).toEqual(
      new Set(['aem dom0', 'aem device', 'aem.stick dom0', 'aem.stick device']),
    )
    expect(await kept(true)).toEqual(new Set(['aem dom0', 'aem device', 'aem.stick dom0']))
  })
})

describe("the gate's note", () => {
  it('counts in the boot in which it was left, and in no other', async () => {
    const dom0 = observeDom0(makeSimulatedHost(machineOf('clean-update')))
    const { bootId } = await dom0.machine()
    const noteOf = (boot: string | null) => ({ bootId: boot, reasons: [] }) as unknown as HeldNote
    const kept = async (note: HeldNote | null) => (await observeSealOutcome(dom0, null, note)).heldNote
    expect(await kept(noteOf(bootId))).not.toBeNull()
    expect(await kept(noteOf('00000000-0000-4000-8000-000000000000'))).toBeNull()
    expect(await kept(null)).toBeNull()
  })
})

describe('the room on a device', () => {
  const spaceOf = async (told: (own: Host) => Partial<Host>) => {
    const dom0 = observeDom0(hostOf(machineOf('clean-update'), told))
    const { checks } = await observeSealReadiness(dom0, await dom0.tpm(), [13, 17, 18, 19])
    return checks.find(({ id }) => id === 'device-space')
  }

  it('is not known where the device cannot be opened, with the reason where there is one', async () => {
    expect(await spaceOf(() => ({}))).toMatchObject({ ok: true })
    expect(await spaceOf(() => ({ openMedia: async () => unreadable }))).toEqual({
      id: 'device-space',
      ok: null,
      detail: 'the device could not be looked at: input/output error',
    })
    expect(await spaceOf(() => ({ openMedia: async () => ABSENT }))).toEqual({
      id: 'device-space',
      ok: null,
      detail: 'the device could not be looked at',
    })
  })
})

it('a baseline is taken only where the device carries what is installed', async () => {
  const taken = (machine: SimMachine) =>
    observeBaseline(observeDom0(makeSimulatedHost(machine)), [17, 18, 19])
  expect(await taken(machineOf('clean-update'))).not.toBeNull()
  expect(await taken(machineOf('stale-stick'))).toBeNull()
  const out = machineOf('clean-update')
  for (const device of out.devices) device.isPresent = false
  expect(await taken(out)).toBeNull()
})

it('nothing is sealed while another device is labelled as the one of this boot', async () => {
  const isUnique = async (isThere: boolean) => {
    const machine = machineOf('two-devices')
    const [own] = machine.devices
    const twin = {
      ...own!,
      uuid: '0f0f0f0f-0000-4000-8000-000000000001',
      isInternal: false,
      files: new Map(),
    }
    if (isThere) machine.devices.push(twin)
    const dom0 = observeDom0(makeSimulatedHost(machine))
    const { device, checks } = await observeSealReadiness(dom0, await dom0.tpm(), [13, 17, 18, 19])
    expect(device?.uuid).toBe(own?.uuid)
    return checks.find(({ id }) => id === 'device-unique')?.ok
  }
  expect([await isUnique(false), await isUnique(true)]).toEqual([true, false])
})

describe('what the TPM has to be ready for', () => {
  const checkOf = async (told: (own: Host) => Partial<Host>) => {
    const dom0 = observeDom0(hostOf(machineOf('clean-update'), told))
    const { checks } = await observeSealReadiness(dom0, await dom0.tpm(), [13, 17, 18, 19])
    return checks.find(({ id }) => id === 'tpm-not-locked')
  }
  /** With TPM 1.2, a password at hand, and the tools of tpm-tools. */
  const tpm12 =
    (calls: string[], told: Partial<Host> = {}) =>
    (own: Host): Partial<Host> => ({
      readFile: async (path) => {
        if (path.endsWith('/tpm_version_major')) return seen(Buffer.from('1\n'))
        return path.endsWith('/srk-password') ? seen(Buffer.from('srk\n')) : own.readFile(path)
      },
      run: async (call, input) => {
        calls.push(call.id)
        const isOfTool = call.id.startsWith('tpm12') || call.id.startsWith('tcsd') || call.id === 'unit-show'
        return isOfTool
          ? seen({ exit: call.id === 'tpm12-unseal' ? 3 : 0, stdout: '', stderr: '' })
          : own.run(call, input)
      },
      ...told,
    })

  it('is asked of a TPM 2.0, which tells its lockout', async () => {
    expect(await checkOf(() => ({}))).toMatchObject({ ok: true })
    const silent = (own: Host): Partial<Host> => ({
      run: async (call, input) => (call.id === 'tpm2-properties' ? unreadable : own.run(call, input)),
    })
    expect(await checkOf(silent)).toMatchObject({ ok: false, detail: expect.stringContaining('in lockout') })
  })

  it('is tried with a TPM 1.2, and tcsd is stopped again', async () => {
    const calls: string[] = []
    expect(await checkOf(tpm12(calls))).toMatchObject({
      ok: false,
      detail: expect.stringContaining('in lockout'),
    })
    expect(calls.filter((id) => id.startsWith('tcsd'))).toEqual(['tcsd-start', 'tcsd-stop'])
  })

  it('cannot be tried with a TPM 1.2 whose directory is not known, or without a device', async () => {
    const none = { ok: false, detail: expect.stringContaining('no sealed file to try') }
    const calls: string[] = []
    expect(await checkOf(tpm12(calls, { readLink: async () => unreadable }))).toMatchObject(none)
    const deviceless = (own: Host): Partial<Host> => {
      const told = tpm12(calls)(own)
      const readFile: Host['readFile'] = async (path) =>
        path === '/proc/cmdline' ? seen(Buffer.from('ro\n')) : told.readFile!(path)
      return { ...told, readFile }
    }
    expect(await checkOf(deviceless)).toMatchObject(none)
    expect(calls.filter((id) => id.startsWith('tpm12-unseal'))).toEqual([])
  })
})

describe('what a copy is bound to', () => {
  const bindingOf = async (
    told: (own: Host) => Partial<Host> = () => ({}),
    forward: Record<number, string> | null = null,
  ) => {
    const dom0 = observeDom0(hostOf(machineOf('clean-update'), told))
    const copy = await observeSealedCopy(dom0.host, '/var/lib', TPM_ID, 'aem')
    const tpm = await dom0.tpm()
    return {
      of: (pcrs: Readonly<Record<number, string>>, selected: readonly number[] | null = [13, 17, 18, 19]) =>
        observeBinding(dom0.host, copy, { ...tpm, pcrs: { sha256: pcrs } }, selected, forward),
      now: tpm.pcrs.sha256 ?? {},
    }
  }

  it('are the registers of this boot, those of a forward seal, or others', async () => {
    const { of, now } = await bindingOf()
    expect(await of(now)).toBe('present')
    expect(await of({ ...now, 18: 'ab'.repeat(32) })).toBe('other')
    const forward = await bindingOf(undefined, now)
    expect(await forward.of({ ...now, 18: 'ab'.repeat(32) })).toBe('forward')
  })

  it('is not known without the copy, its key, a register, or the selection: it is not called other', async () => {
    const unread = await bindingOf((own) => ({
      readFile: async (path) => (path.endsWith('/key.pub') ? unreadable : own.readFile(path)),
    }))
    expect(await unread.of(unread.now)).toBeNull()
    const { of, now } = await bindingOf()
    const { 18: _unread, ...rest } = now
    expect(await of(rest)).toBeNull()
    expect(await of(now, null)).toBeNull()
    const tpm = { version: '2.0', bank: 'sha256', pcrs: { sha256: now } } as TpmFacts
    expect(await observeBinding(makeFakeHost({}), null, tpm, [17], null)).toBeNull()
  })

  it('is told of a TPM 1.2 by the blob of the token', async () => {
    const [now, forward, other] = ['aa', 'bb', 'cc'].map((byte) => ({ 17: byte.repeat(20) }))
    // TPM_STORED_DATA bound to register 17 (TPM Main 1.2 part 2, sections 10.1 and 8.2).
    const blobOf = (values: Record<number, string> = {}) => {
      const bound = `0003000002${computeTpm12Composite([17], values)}${'00'.repeat(20)}`
      const data = Buffer.from(`010100000000002d${bound}`, 'hex').toString('base64')
      return seen(Buffer.from(`-----ENC KEY-----\nSymmetric Key: AES-256-CBC\n${data}\n-----ENC DAT-----\n`))
    }
    const of = (answer: Awaited<ReturnType<Host['readFile']>>) => {
      const host = makeFakeHost({
        readFile: async (path) => (path === '/copy/secret.fre.sealed2' ? answer : ABSENT),
      })
      const copy: SealedCopy = { directory: '/copy', files: [], keyPcrs: null }
      const tpm = { version: '1.2', bank: 'sha1', pcrs: { sha1: now } } as unknown as TpmFacts
      return observeBinding(host, copy, tpm, [17], forward ?? null)
    }
    expect([await of(blobOf(now)), await of(blobOf(forward)), await of(blobOf(other))]).toEqual([
      'present',
      'forward',
      'other',
    ])
    for (const unread of [ABSENT, unreadable, seen(Buffer.from('of another form'))])
      expect(await of(unread)).toBeNull()
  })
})

describe('the freshness slots of all devices', () => {
  const look = async (
    change: (machine: SimMachine) => void = () => undefined,
    told?: (own: Host) => Partial<Host>,
  ) => {
    const machine = machineOf('two-devices')
    change(machine)
    const calls: string[] = []
    const host = hostOf(machine, told)
    let open = 0
    const dom0 = observeDom0({
      ...host,
      run: async (call, input) => {
        calls.push(call.id)
        return host.run(call, input)
      },
      async makeWorkDirectory() {
        const work = await host.makeWorkDirectory()
        open += 1
        const close = async (): Promise<void> => {
          open -= 1
          await work.close()
        }
        return { root: work.root, close }
      },
    })
    const { devices } = await observeSlots(dom0)
    return { devices, calls, isAsked: calls.some((id) => /^tpm2-nv/.test(id)), open }
  }
  const setSlot = (text: string) => (machine: SimMachine) =>
    void machine.dom0.set('/var/lib/anti-evil-maid/aem.stick/tpm-freshness-slot', {
      bytes: Buffer.from(text),
      mtimeMs: 0,
    })

  it('say whose token lies in a slot that two have; the TPM is asked for nothing else', async () => {
    const { devices, isAsked } = await look()
    expect(devices.map(({ label, slot, holdsToken }) => [label, slot, holdsToken])).toEqual([
      ['aem', 0, expect.any(Boolean)],
      ['aem.stick', 0, expect.any(Boolean)],
    ])
    // One slot holds one token.
    expect(devices.filter(({ holdsToken }) => holdsToken)).toHaveLength(1)
    expect(isAsked).toBe(true)
    const apart = await look(setSlot('1\n'))
    expect(apart.devices.map(({ slot, holdsToken }) => [slot, holdsToken])).toEqual([
      [0, null],
      [1, null],
    ])
    expect(apart.isAsked).toBe(false)
  })

  it('of a TPM 1.2 hold the sha1 of a token', async () => {
    const token = Buffer.from('token of aem')
    const nv = Buffer.alloc(160, 0xff)
    createHash('sha1').update(token).digest().copy(nv)
    const { devices, calls, open } = await look(undefined, (own) => ({
      readFile: async (path) => {
        if (path.endsWith('/tpm_version_major')) return seen(Buffer.from('1\n'))
        if (path.endsWith('/slots')) return seen(nv)
        if (path.endsWith('/secret.fre'))
          return seen(path.includes('/aem.stick/') ? Buffer.from('other') : token)
        return own.readFile(path)
      },
      run: async (call, input) =>
        call.id.startsWith('tpm12') || call.id.startsWith('tcsd')
          ? seen({ exit: 0, stdout: '', stderr: '' })
          : own.run(call, input),
    }))
    expect(devices.map(({ label, holdsToken }) => [label, holdsToken])).toEqual([
      ['aem', true],
      ['aem.stick', false],
    ])
    // tcsd is left as it was found, and nothing of ours in /run.
    expect([calls.at(-1), open]).toEqual(['tcsd-stop', 0])
  })

  it('are asked of a TPM 2.0 without leaving anything in /run', async () => {
    const { isAsked, open } = await look()
    expect([isAsked, open]).toEqual([true, 0])
  })

  it('of two devices that have none are not the same one', async () => {
    const { devices, isAsked } = await look((machine) => {
      for (const label of ['aem', 'aem.stick'])
        machine.dom0.delete(`/var/lib/anti-evil-maid/${label}/tpm-freshness-slot`)
    })
    expect(devices.map(({ slot, holdsToken }) => [slot, holdsToken])).toEqual([
      [null, null],
      [null, null],
    ])
    expect(isAsked).toBe(false)
  })

  it('are not known where the file says no slot, and no two devices have that one', async () => {
    for (const text of ['8\n', '-1\n', '01\n', 'x'])
      expect((await look(setSlot(text))).devices.map(({ slot, holdsToken }) => [slot, holdsToken])).toEqual([
        [0, null],
        [null, null],
      ])
  })

  it('say nothing of a token that cannot be read', async () => {
    const { devices } = await look(undefined, (own) => ({
      readFile: async (path) => (path.endsWith('/aem.stick/secret.fre') ? unreadable : own.readFile(path)),
    }))
    expect(devices.find(({ label }) => label === 'aem.stick')?.holdsToken).toBeNull()
    expect(devices.find(({ label }) => label === 'aem')?.holdsToken).toEqual(expect.any(Boolean))
  })
})
