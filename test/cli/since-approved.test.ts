import { describe, expect, it } from 'vitest'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { type DeviceLedger, findLedgerDevice, putLedgerDevice } from '../../src/core/session/device-ledger.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observePackageNames } from '../../src/observe/launch/booted-state.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { ANSWERS } from '../support/answers.ts'
import {
  approvedMachine,
  goodMachine,
  INITRAMFS,
  isSecretShown,
  LEDGER,
  loadLedger,
  NEXT_XEN,
  put,
  start,
  update,
} from '../support/approved-machine.ts'
import { machineOf } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'

async function look(machine: SimMachine, verb: string) {
  const text = await runMain([verb, '--ascii'], { host: makeSimulatedHost(machine) })
  const json = await runMain([verb, '--ascii', '--json'], { host: makeSimulatedHost(machine) })
  expect(json.exit).toBe(text.exit)
  return { exit: text.exit, said: text.stdout.replaceAll(/\s+/g, ' '), json: json.json }
}

const explain = async (machine: SimMachine) => {
  const { json, ...rest } = await look(machine, 'explain')
  return { ...rest, json: ANSWERS.explain.parse(json) }
}
const status = async (machine: SimMachine) => {
  const { json, ...rest } = await look(machine, 'status')
  return { ...rest, json: ANSWERS.status.parse(json) }
}
const verify = async (machine: SimMachine) => {
  const { json, ...rest } = await look(machine, 'verify')
  return { ...rest, json: ANSWERS.verify.parse(json) }
}

/** An evil change that AEM sealed by itself; `shown`: and the secret appeared again since. */
async function attacked(name: string, change: (old: Uint8Array) => Uint8Array, shown: boolean) {
  const machine = await approvedMachine()
  put(machine, name, change)
  restartMachine(machine)
  expect(isSecretShown(machine)).toBe(false)
  if (shown) restartMachine(machine)
  expect(isSecretShown(machine)).toBe(shown)
  return machine
}

const ATTACKS = [
  [
    'Xen',
    XEN_IMAGE,
    changeOneByte,
    18,
    /the Xen image \/xen-4\.17\.4\.gz is not as xen-hypervisor \S+ installed it/,
  ],
  [
    'the initramfs',
    INITRAMFS,
    () => Buffer.from('an initramfs: evil'),
    19,
    /the initramfs \/initramfs-\S+ belongs to no package/,
  ],
] as const

describe.each([
  ['in the blind boot', false],
  ['and the secret appeared again since', true],
] as const)('without a session, after an attack that AEM sealed by itself, %s', (_when, shown) => {
  it.each(ATTACKS)('on %s: an alarm that names it', async (_what, name, change, pcr, names) => {
    const machine = await attacked(name, change, shown)
    const explained = await explain(machine)
    expect(explained.exit).toBe(4)
    expect(explained.json.verdict).toBe('unexplained')
    expect(explained.json.since).toMatch(/^2024-/)
    expect(explained.said).toMatch(names)
    expect(explained.said).toMatch(/UNEXPLAINED CHANGE: .* since the boot approved at/)
    const seen = await status(machine)
    expect(seen.exit).toBe(0)
    expect(seen.json.sinceApproved).toMatchObject({ state: 'unexplained', registers: [pcr] })
    expect(seen.json.next.command).toBe('aem-reseal explain')
    expect(seen.said).toMatch(names)
    const verified = await verify(machine)
    expect(verified.exit).toBe(1)
    expect(verified.json.find(({ device }) => device === 'aem')?.sinceApproved).toMatchObject({
      state: 'unexplained',
    })
    expect(verified.said).toMatch(/UNEXPLAINED: PCR/)
  })
})

describe('without a session, after an update without this program', () => {
  it.each([false, true])('told as that, and no alarm (secret shown again: %s)', async (shown) => {
    const machine = await approvedMachine()
    update(machine, NEXT_XEN)
    restartMachine(machine)
    if (shown) restartMachine(machine)
    expect(isSecretShown(machine)).toBe(shown)
    const explained = await explain(machine)
    expect(explained.json).toMatchObject({ verdict: 'explained' })
    expect(explained.exit).toBe(0)
    expect(explained.said).toMatch(/updated without this program, by a blind boot/)
    expect(explained.said).toMatch(/the next `aem-reseal start`, in a terminal, names what differs/)
    const seen = await status(machine)
    expect(seen.json.sinceApproved).toMatchObject({ state: 'explained', registers: [18], what: [] })
    expect(seen.said).toMatch(/updated without this program/)
    const verified = await verify(machine)
    expect(verified.exit).toBe(0)
  })
})

it.each([
  ['is consistent', true, 'explained'],
  ['is not, where nobody knows it', false, 'unexplained'],
])('an initramfs that this program made %s with an update', async (_what, isKnown, verdict) => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  const made = Buffer.from('an initramfs: made by this program')
  put(machine, INITRAMFS, () => made)
  const packages = [...((await observePackageNames(observeDom0(makeSimulatedHost(machine)))) ?? [])]
  const store = makeDirectoryStore(makeSimulatedHost(machine), DEFAULT_STATE_DIR)
  const ledger = await loadLedger(machine)
  await store.updateDevices((kept) => {
    const own = findLedgerDevice(kept, 'aem')
    const origin = { madeIn: null, packages }
    const knownFiles = isKnown ? [{ name: INITRAMFS, sha256: sha256(made), origin }] : []
    return putLedgerDevice(kept, { ...own, knownFiles })
  }, ledger)
  restartMachine(machine)
  expect((await explain(machine)).json.verdict).toBe(verdict)
  expect((await status(machine)).json.sinceApproved).toMatchObject({ state: verdict })
})

it('a known initramfs, where no package changed since: nothing may change, and nothing is explained', async () => {
  const machine = await approvedMachine()
  const made = Buffer.from('an initramfs: made by this program')
  put(machine, INITRAMFS, () => made)
  const store = makeDirectoryStore(makeSimulatedHost(machine), DEFAULT_STATE_DIR)
  await store.updateDevices(
    (kept) =>
      putLedgerDevice(kept, {
        ...findLedgerDevice(kept, 'aem'),
        knownFiles: [{ name: INITRAMFS, sha256: sha256(made) }],
      }),
    await loadLedger(machine),
  )
  restartMachine(machine)
  const { json, said } = await explain(machine)
  expect(json.verdict).toBe('unexplained')
  expect(said).toMatch(/PCR 19 changed, and no installed update changes it/)
})

describe('without a session', () => {
  it('in the approved state nothing is said', async () => {
    const machine = await approvedMachine()
    restartMachine(machine)
    expect(await explain(machine)).toMatchObject({ exit: 0, json: { verdict: 'unchanged' } })
    const seen = await status(machine)
    expect(seen.json.sinceApproved).toMatchObject({ state: 'same', registers: [], unseal: 'unsealed' })
    expect(seen.json.next.command).toBeNull()
    expect(seen.said).not.toMatch(/UNEXPLAINED|without this program|old copy|refused/)
    expect((await verify(machine)).exit).toBe(0)
  })

  it('in the approved state with a silent journal nothing is said of the registers either', async () => {
    const machine = await approvedMachine()
    restartMachine(machine)
    machine.journal = []
    const seen = await status(machine)
    expect(seen.json.sinceApproved).toMatchObject({ state: 'same', registers: [], unseal: null, what: [] })
    expect(seen.said).not.toMatch(/UNEXPLAINED|without this program/)
  })

  it('and without an approved state there is nothing to compare with', async () => {
    const machine = goodMachine()
    restartMachine(machine)
    expect(await explain(machine)).toMatchObject({ exit: 1, json: { verdict: 'no-baseline', since: null } })
    expect((await status(machine)).json.sinceApproved).toBeNull()
    expect((await verify(machine)).exit).toBe(0)
  })

  it('an old token in the approved state is told', async () => {
    const machine = await approvedMachine()
    machine.slots.set(0, '00'.repeat(32))
    restartMachine(machine)
    const seen = await status(machine)
    expect(seen.json.sinceApproved).toMatchObject({ state: 'same', unseal: 'wrong-token' })
    expect(seen.said).toMatch(/an old copy of the device, or a seal for another device/)
  })
})

describe('a boot file that is not the installed one', () => {
  const devices = async (machine: SimMachine) => {
    const { json, ...rest } = await look(machine, 'devices')
    const shape = ANSWERS.status.shape.aem.shape.devices
    return { ...rest, devices: shape.parse((json as { devices: unknown }).devices) }
  }

  it('is changed, and not old, where it was never approved', async () => {
    const machine = await attacked(XEN_IMAGE, changeOneByte, true)
    const seen = await devices(machine)
    expect(seen.exit).toBe(0)
    expect(seen.devices[0]?.bootFiles).toBe('stale')
    expect(seen.devices[0]?.changedFiles).toEqual([
      {
        path: `/${XEN_IMAGE}`,
        why: expect.stringContaining("neither the installed package's nor one of a boot"),
      },
    ])
    expect(seen.said).toMatch(/boot files CHANGED/)
  })

  it('is old where it is that of the approved boot', async () => {
    const machine = await approvedMachine()
    const old = bootFilesOf(machine).get(XEN_IMAGE)!
    update(machine, NEXT_XEN)
    bootFilesOf(machine).set(XEN_IMAGE, old)
    const seen = await devices(machine)
    expect(seen.devices[0]).toMatchObject({ bootFiles: 'stale', changedFiles: [] })
    expect(seen.said).toMatch(/boot files stale/)
  })

  it("is changed in dom0's own /boot where no boot was approved either, and said at login", async () => {
    const machine = goodMachine()
    put(machine, XEN_IMAGE, changeOneByte)
    const seen = await devices(machine)
    expect(seen.devices[0]).toMatchObject({ bootFiles: 'stale', changedFiles: [{ path: `/${XEN_IMAGE}` }] })
    const { json } = await status(machine)
    expect(json.notice).toMatchObject({ code: 'boot-file-changed', command: 'aem-reseal' })
  })

  it('is nothing that is known of a stick where no boot was approved: it may be old', async () => {
    const machine = machineOf('stale-stick')
    const [stick] = (await devices(machine)).devices.filter(({ bootFiles }) => bootFiles === 'stale')
    expect(stick).toMatchObject({ label: 'aem.stick', changedFiles: [] })
  })

  it('is never offered for a refresh without a word', async () => {
    const machine = await attacked(XEN_IMAGE, changeOneByte, false)
    // Whoever overwrites it overwrites the trace.
    expect((await status(machine)).json.next.command).toBe('aem-reseal explain')
  })
})

it('with a session, `explain` compares with its baseline', async () => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await start(machine)).exit).toBe(3)
  restartMachine(machine)
  const explained = await explain(machine)
  expect(explained.json).toMatchObject({ verdict: 'explained', since: null })
  expect((await status(machine)).json.sinceApproved).toBeNull()
})

describe('where the approved state does not hold all that is compared', () => {
  /** Changes the ledger as it lies on the disk. */
  function editLedger(machine: SimMachine, edit: (ledger: DeviceLedger) => void): void {
    const file = machine.dom0.get(LEDGER)!
    const ledger = JSON.parse(Buffer.from(file.bytes).toString()) as DeviceLedger
    edit(ledger)
    machine.dom0.set(LEDGER, { ...file, bytes: Buffer.from(JSON.stringify(ledger)) })
  }

  it('a command line that nobody kept is never called consistent with packages', async () => {
    const machine = await approvedMachine()
    // As `resume` leaves it where the copy was not verified after the acceptance.
    editLedger(machine, ({ devices }) => {
      for (const device of devices) device.approved = null
    })
    put(machine, 'grub2/grub.cfg', (old) =>
      Buffer.from(
        Buffer.from(old).toString('latin1').replaceAll('rhgb quiet aem', 'rhgb quiet init=/evil aem'),
      ),
    )
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(false)
    expect((await explain(machine)).exit).toBe(4)
  })

  it('a register that SEAL took in since is not known, and `start --yes` does not go on', async () => {
    const machine = await approvedMachine()
    editLedger(machine, ({ approved, devices }) => {
      delete approved?.registers['19']
      for (const device of devices) {
        delete device.approved?.registers['19']
        delete device.verified?.registers['19']
      }
    })
    put(machine, INITRAMFS, () => Buffer.from('an initramfs of somebody else'))
    restartMachine(machine)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    const explained = await explain(machine)
    expect([explained.exit, explained.json.verdict]).not.toEqual([0, 'unchanged'])
    expect(explained.json.reasons.map(({ code }) => code)).toContain('pcr-not-approved')
    expect((await status(machine)).json.sinceApproved).toMatchObject({ state: 'not-known' })
    update(machine, NEXT_XEN)
    const { outcomes, said } = await start(machine, { 'ground-go-on': 'no' })
    expect(outcomes.at(-1)).toBe('check-ground: boot-not-vouched')
    expect(said).toContain('AEM seals to PCR 19 since the state approved')
  })
})
