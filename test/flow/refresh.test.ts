import { beforeEach, describe, expect, it } from 'vitest'
import { refreshDevice } from '../../flows/devices.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { emptyDeviceLedger, findLedgerDevice } from '../../src/core/session/device-ledger.ts'
import { runFlow } from '../../src/flow/runner.ts'
import type { RunOptions } from '../../src/flow/step.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { changeOneByte, makeXenImage } from '../../src/host/simulated/boot-images.ts'
import {
  INTERNAL,
  installInitramfsInput,
  installKernel,
  installXen,
  NEW_XEN,
  STICK,
  XEN_IMAGE,
} from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDevices } from '../../src/observe/device/devices.ts'
import { observeRefresh } from '../../src/observe/device/refresh-needs.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { machineOf, outcomesOf, RUN_OPTIONS, rehearse, SESSION_ID } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

const INITRAMFS = `/initramfs-${KERNEL_RELEASE}.img`

function stickOf(machine: SimMachine) {
  return machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
}

/** What is on the stick, to compare before and after. */
function filesOf(machine: SimMachine): Record<string, string> {
  const { files } = stickOf(machine)
  return Object.fromEntries([...files].map(([path, { bytes }]) => [path, Buffer.from(bytes).toString('hex')]))
}

async function refresh(
  machine: SimMachine,
  answer: 'yes' | 'no' = 'yes',
  change: (host: Host) => Host = (host) => host,
  options: Partial<RunOptions> = {},
) {
  const host = change(makeSimulatedHost(machine))
  const ui = makeScriptedUi({ 'refresh-device': answer })
  const session = startSession({
    id: SESSION_ID,
    now: host.now(),
    bootId: 'boot',
    flow: 'refresh-device',
    device: 'aem.stick',
  })
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const result = await runFlow(refreshDevice, refreshDevice.start, STEPS, {
    host,
    ui,
    store,
    options: { ...RUN_OPTIONS, ...options },
    session,
    simulateRestart: null,
  })
  return { result, said: ui.said.join('\n'), store }
}

describe('a stale stick that dom0 boots from', () => {
  let machine: SimMachine
  beforeEach(() => {
    machine = machineOf('stale-stick')
  })

  it('is brought up to date in the wizard, sealed forward, and shows the secret at its first boot', async () => {
    const { result } = await rehearse({ machine, answers: { '*': 'yes', 'refresh-device': 'yes' } })
    const outcomes = outcomesOf(result)
    expect(outcomes.slice(3, 7)).toEqual([
      'check-boot-device: stale',
      'check-refresh: refresh',
      'refresh-device: refreshed',
      'check-boot-device: current',
    ])
    expect(outcomes).toContain('choose-protection: forward-seal')
    expect(outcomes).toContain('read-seal-outcome: unsealed')
    expect(result.exit).toBe(0)
  })

  it('gets the new Xen and nothing else, so that the rest of the next boot stays as it was measured', async () => {
    const before = filesOf(machine)
    const { result } = await refresh(machine)
    expect(outcomesOf(result)).toEqual(['check-refresh: refresh', 'refresh-device: refreshed'])
    const after = filesOf(machine)
    const changed = Object.keys(after).filter((path) => after[path] !== before[path])
    expect(changed).toEqual([`/${XEN_IMAGE}`])
    expect(Object.keys(before).filter((path) => !(path in after))).toEqual([])
    expect(after[`/${XEN_IMAGE}`]).toBe(
      Buffer.from(bootFilesOf(machine).get(XEN_IMAGE)!.bytes).toString('hex'),
    )
  })

  it.each(['no', '--yes'])(
    'stays as it is with the answer %s, and the steps by hand are named',
    async (answer) => {
      const before = filesOf(machine)
      const { result, ui } = await rehearse({
        machine,
        answers: answer === 'no' ? { '*': 'yes', 'refresh-device': 'no' } : { '*': 'yes' },
      })
      expect(outcomesOf(result).at(-1)).toBe('check-refresh: kept')
      expect(result.exit).toBe(1)
      expect(filesOf(machine)).toEqual(before)
      expect(ui.said.join(' ').replaceAll(/\s+/g, ' ')).toContain(
        'sudo anti-evil-maid-install -s SUFFIX /dev/PARTITION',
      )
    },
  )

  it('is not touched where nobody can answer, nor in a rehearsal on a real machine', async () => {
    const before = filesOf(machine)
    for (const options of [{ canAsk: false }, { dryRun: true }]) {
      const { result } = await refresh(machine, 'yes', (host) => host, options)
      expect(outcomesOf(result)).toEqual(['check-refresh: kept'])
    }
    expect(filesOf(machine)).toEqual(before)
  })

  it('is no fuller for what a copy left that was cut short: it is replaced', async () => {
    const host = (own: Host): Host => ({ ...own, freeBytes: async () => seen(3 * 1024 * 1024) })
    expect(outcomesOf((await refresh(machine, 'yes', host)).result)).toEqual(['check-refresh: blocked'])
    stickOf(machine).files.set(`/.${XEN_IMAGE}.new`, { bytes: Buffer.alloc(2 * 1024 * 1024), mtimeMs: 0 })
    expect(outcomesOf((await refresh(machine, 'yes', host)).result)).toEqual([
      'check-refresh: refresh',
      'refresh-device: refreshed',
    ])
  })

  it("is not given a file of dom0's /boot that is not the package's own", async () => {
    const image = bootFilesOf(machine).get(XEN_IMAGE)!
    bootFilesOf(machine).set(XEN_IMAGE, { ...image, bytes: changeOneByte(image.bytes) })
    const before = filesOf(machine)
    const { result, said } = await refresh(machine)
    expect(outcomesOf(result)).toEqual(['check-refresh: blocked'])
    expect(said).toMatch(/not as the package brought it: xen-4\.17\.4\.gz/)
    expect(filesOf(machine)).toEqual(before)
  })

  it('is not given a file of a package that no known key signed', async () => {
    machine.packages = machine.packages.map((item) =>
      item.name === 'xen-hypervisor' ? { ...item, keyId: 'feedfacefeedface' } : item,
    )
    const { result, said } = await refresh(machine)
    expect(outcomesOf(result)).toEqual(['check-refresh: blocked'])
    expect(said).toMatch(/xen-hypervisor [\s\S]*feedfacefeedface/)
  })

  it.each<[string, (machine: SimMachine) => void, (host: Host) => Host, RegExp]>([
    [
      'is read-only',
      (own) => {
        stickOf(own).isReadOnly = true
      },
      (host) => host,
      /read-only: flip its switch/,
    ],
    [
      'has no space',
      () => undefined,
      (host) => ({ ...host, freeBytes: async () => seen(1024 * 1024) }),
      /only 1 MiB free on aem\.stick/,
    ],
    [
      'has a link for grub2',
      () => undefined,
      (host) => ({
        ...host,
        async statFile(path) {
          const found = await host.statFile(path)
          return /^\/(?!boot).*\/grub2$/.test(path) && found.state === 'seen'
            ? seen({ ...found.value, kind: 'link' as const })
            : found
        },
      }),
      /grub2 on it is no directory/,
    ],
    [
      'is not plugged in',
      (own) => {
        stickOf(own).isPresent = false
      },
      (host) => host,
      /plug it in/,
    ],
    [
      'cannot be opened',
      () => undefined,
      (host) => ({ ...host, openMedia: async () => unknown('not a file system') }),
      /its file system could not be opened/,
    ],
  ])('is not written to where it %s', async (_what, change, wrap, why) => {
    change(machine)
    const before = filesOf(machine)
    const { result, said } = await refresh(machine, 'yes', wrap)
    expect(outcomesOf(result)).toEqual(['check-refresh: blocked'])
    expect(said).toMatch(why)
    expect(filesOf(machine)).toEqual(before)
  })

  it('is never called up to date by what was written, only by what is read again', async () => {
    const { result, said } = await refresh(machine, 'yes', (host) => ({
      ...host,
      // A stick that says yes to everything and keeps nothing.
      copyFile: async () => undefined,
    }))
    expect(outcomesOf(result).at(-1)).toBe('refresh-device: failed')
    expect(said.replaceAll(/\s+/g, ' ')).toMatch(/read again, not as they should be: .*xen-4\.17\.4\.gz/)
  })

  it('keeps its grub.cfg where the new one has no good AEM entry for it', async () => {
    const { files } = stickOf(machine)
    const other = Buffer.from(files.get('/grub2/grub.cfg')!.bytes)
      .toString()
      .replaceAll(STICK.uuid, INTERNAL.uuid)
    files.set('/grub2/grub.cfg', { bytes: Buffer.from(other), mtimeMs: 0 })
    const { result, said } = await refresh(machine, 'yes', (host) => ({
      ...host,
      async run(call, input) {
        if (call.id !== 'make-grub-config') return host.run(call, input)
        const target = `${call.params.mountPoint}/grub2/${call.params.name}`
        await host.writeFileAtomic(target, Buffer.from(other), 0o600)
        return seen({ exit: 0, stdout: '', stderr: '' })
      },
    }))
    expect(outcomesOf(result).at(-1)).toBe('refresh-device: failed')
    expect(said.replaceAll(/\s+/g, ' ')).toMatch(/new grub\.cfg has no good AEM entry/)
    expect(Object.keys(filesOf(machine)).filter((path) => path.includes('aem-reseal'))).toEqual([])
    expect(Buffer.from(files.get('/grub2/grub.cfg')!.bytes).toString()).toBe(other)
  })

  it('gets a new grub.cfg by the tool where its own has no entry for it', async () => {
    const { files } = stickOf(machine)
    const good = Buffer.from(files.get('/grub2/grub.cfg')!.bytes)
    files.set('/grub2/grub.cfg', {
      bytes: Buffer.from(good.toString().replaceAll(STICK.uuid, INTERNAL.uuid)),
      mtimeMs: 0,
    })
    const { result } = await refresh(machine)
    expect(outcomesOf(result).at(-1)).toBe('refresh-device: refreshed')
    expect(Buffer.from(files.get('/grub2/grub.cfg')!.bytes)).toEqual(good)
  })
})

describe('a stick that dom0 did not boot from', () => {
  let machine: SimMachine
  beforeEach(() => {
    machine = machineOf('two-devices')
    machine.nowMs += 1000
    machine.bootDevice = INTERNAL.uuid
    restartMachine(machine)
    installXen(machine, `${NEW_XEN.slice(0, -1)}5`, machine.nowMs)
  })

  it('gets an initramfs that this program made, which is remembered; a second look finds nothing to do', async () => {
    installInitramfsInput(machine, 'linux-firmware', '0:20240709-1.fc37')
    const before = filesOf(machine)
    const { result, store } = await refresh(machine)
    expect(outcomesOf(result)).toEqual(['check-refresh: refresh', 'refresh-device: refreshed'])
    const after = filesOf(machine)
    expect(Object.keys(after).filter((path) => after[path] !== before[path])).toEqual([
      `/${XEN_IMAGE}`,
      INITRAMFS,
    ])
    const look = await store.loadDevices()
    const kept = look.state === 'read' ? look.ledger.devices.find(({ label }) => label === 'aem.stick') : null
    expect(kept?.knownFiles.map(({ name }) => `/${name}`)).toEqual([INITRAMFS])
    expect(outcomesOf((await refresh(machine)).result)).toEqual(['check-refresh: current'])
  })

  it('is not believed any more when somebody changed that initramfs', async () => {
    await refresh(machine)
    stickOf(machine).files.set(INITRAMFS, { bytes: Buffer.from('another'), mtimeMs: machine.nowMs })
    const { result, said } = await refresh(machine, 'no')
    expect(outcomesOf(result)).toEqual(['check-refresh: kept'])
    expect(said.replaceAll(/\s+/g, ' ')).toMatch(/nobody can say what is in the one that is there/)
  })

  it('says so where its Xen is neither the installed nor the running one', async () => {
    const { files } = stickOf(machine)
    files.set(`/${XEN_IMAGE}`, { bytes: makeXenImage('4.17.3-9'), mtimeMs: 0 })
    const { result, said } = await refresh(machine)
    expect(outcomesOf(result).at(-1)).toBe('refresh-device: refreshed')
    expect(said.replaceAll(/\s+/g, ' ')).toMatch(/of an older update, or changed by somebody/)
  })

  it('keeps its old files where dracut fails, and names what dracut said', async () => {
    const before = filesOf(machine)
    const { result, said } = await refresh(machine, 'yes', (host) => ({
      ...host,
      async run(call, input) {
        if (call.id !== 'make-initramfs') return host.run(call, input)
        return seen({ exit: 1, stdout: '', stderr: 'dracut: Cannot find module directory\n' })
      },
    }))
    expect(outcomesOf(result).at(-1)).toBe('refresh-device: failed')
    expect(said).toContain('Cannot find module directory')
    expect(filesOf(machine)).toEqual(before)
  })
})

describe('a stick that is not the one that was seen before', () => {
  async function checkOf(uuid: string) {
    const host = makeSimulatedHost(machineOf('two-devices'))
    const devices = await observeDevices(host, await observeMachine(host))
    const device = devices.find(({ label }) => label === 'aem.stick')!
    const empty = emptyDeviceLedger('2024-07-17T09:00:00.000Z')
    const ledger = { ...empty, devices: [{ ...findLedgerDevice(empty, 'aem.stick'), uuid }] }
    const { checks } = await observeRefresh(observeDom0(host), device, { state: 'read', ledger })
    return checks.find(({ id }) => id === 'device-known')
  }

  it('is told apart by its UUID, whatever its label', async () => {
    expect(await checkOf(STICK.uuid)).toMatchObject({ ok: true })
    expect(await checkOf(INTERNAL.uuid)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('this is another device labelled aem.stick'),
    })
  })
})

it('a stick gets the configuration of the kernel too, which AEM looks at', async () => {
  const machine = machineOf('two-devices')
  const name = `config-${KERNEL_RELEASE}`
  const bytes = Buffer.from('CONFIG_XEN=y\n')
  bootFilesOf(machine).set(name, { bytes, mtimeMs: 0 })
  machine.packages = machine.packages.map((item) =>
    item.name === 'kernel'
      ? { ...item, files: new Map([...item.files, [`/boot/${name}`, sha256(bytes)]]) }
      : item,
  )
  const host = makeSimulatedHost(machine)
  const devices = await observeDevices(host, await observeMachine(host))
  const device = devices.find(({ label }) => label === 'aem.stick')!
  const { plan } = await observeRefresh(observeDom0(host), device, { state: 'absent' })
  expect(plan.copies.map(({ name: one, role }) => [one, role])).toContainEqual([name, 'config'])
  const { result } = await refresh(machine)
  expect(outcomesOf(result)).toEqual(['check-refresh: refresh', 'refresh-device: refreshed'])
  expect(Buffer.from(stickOf(machine).files.get(`/${name}`)!.bytes)).toEqual(bytes)
})

it('a stick whose file system cannot be opened is blocked by that', async () => {
  const real = makeSimulatedHost(machineOf('two-devices'))
  const host: Host = { ...real, openMedia: async () => unknown('not a file system') }
  const devices = await observeDevices(host, await observeMachine(host))
  const device = devices.find(({ label }) => label === 'aem.stick')!
  const { checks } = await observeRefresh(observeDom0(host), device, { state: 'absent' })
  expect(checks.find(({ id }) => id === 'device-open')).toMatchObject({ ok: false })
})

it('a stick gets no file but those that are booted', async () => {
  const machine = machineOf('two-devices')
  const other = `/boot/${XEN_IMAGE}.sig`
  machine.packages = machine.packages.map((item) =>
    item.name === 'xen-hypervisor'
      ? { ...item, files: new Map([...item.files, [other, 'a'.repeat(64)]]) }
      : item,
  )
  const host = makeSimulatedHost(machine)
  const devices = await observeDevices(host, await observeMachine(host))
  const { plan } = await observeRefresh(
    observeDom0(host),
    devices.find(({ label }) => label === 'aem.stick')!,
    {
      state: 'absent',
    },
  )
  expect(plan.copies.map(({ name }) => name)).not.toContain(`${XEN_IMAGE}.sig`)
})

it('a look at what a stick lacks leaves it closed', async () => {
  const real = makeSimulatedHost(machineOf('stale-stick'))
  let open = 0
  const host: Host = {
    ...real,
    async openMedia(wanted) {
      const media = await real.openMedia(wanted)
      if (media.state !== 'seen') return media
      open += 1
      const close = async (): Promise<void> => {
        open -= 1
      }
      return seen({ root: media.value.root, close })
    },
  }
  const devices = await observeDevices(host, await observeMachine(host))
  await observeRefresh(observeDom0(host), devices.find(({ label }) => label === 'aem.stick')!, {
    state: 'absent',
  })
  expect(open).toBe(0)
})

it.each([
  ['ro,relatime', false],
  ['rw,relatime', true],
])("dom0's own /boot that is mounted %s is written to: %s", async (options, ok) => {
  const real = makeSimulatedHost(machineOf('two-devices'))
  const mounts = Buffer.from(`/dev/nvme0n1p1 /boot ext4 ${options} 0 0\n`)
  const host: Host = {
    ...real,
    readFile: async (path) => (path === '/proc/mounts' ? seen(mounts) : real.readFile(path)),
  }
  const devices = await observeDevices(host, await observeMachine(host))
  const device = devices.find(({ mountPoint }) => mountPoint === '/boot')!
  const { checks, isBooted } = await observeRefresh(observeDom0(host), device, { state: 'absent' })
  expect(isBooted).toBe(true)
  expect(checks.find(({ id }) => id === 'device-writable')).toMatchObject({
    ok,
    detail: expect.stringContaining(ok ? 'can be written' : 'is mounted read-only'),
  })
})

it('a stick with the initramfs of an older kernel keeps that one and gets that of the new', async () => {
  const machine = machineOf('two-devices')
  installKernel(machine, '6.9.4-1.qubes.fc37.x86_64')
  const host = makeSimulatedHost(machine)
  const devices = await observeDevices(host, await observeMachine(host))
  const device = devices.find(({ label }) => label === 'aem.stick')!
  const bytes = stickOf(machine).files.get(INITRAMFS)!.bytes
  const known = { name: INITRAMFS.slice(1), sha256: sha256(bytes) }
  const empty = emptyDeviceLedger('2024-07-17T09:00:00.000Z')
  const own = { ...findLedgerDevice(empty, 'aem.stick'), uuid: STICK.uuid, knownFiles: [known] }
  const { plan } = await observeRefresh(observeDom0(host), device, {
    state: 'read',
    ledger: { ...empty, devices: [own] },
  })
  const made = { kernel: '6.9.4-1.qubes.fc37.x86_64', why: 'there is none' }
  expect(plan.initramfs).toEqual([made])
  // Without its own the older kernel does not boot.
  stickOf(machine).files.delete(INITRAMFS)
  const without = await observeRefresh(observeDom0(host), device, {
    state: 'read',
    ledger: { ...empty, devices: [own] },
  })
  const older = { kernel: KERNEL_RELEASE, why: 'there is none' }
  expect(without.plan.initramfs).toHaveLength(2)
  expect(without.plan.initramfs).toEqual(expect.arrayContaining([made, older]))
})

it.each([
  ['tboot.gz', 'tboot'],
  [`vmlinuz-${KERNEL_RELEASE}`, 'kernel'],
  [XEN_IMAGE, 'xen'],
])('a stick without %s gets it', async (name, role) => {
  const machine = machineOf('two-devices')
  stickOf(machine).files.delete(`/${name}`)
  const host = makeSimulatedHost(machine)
  const devices = await observeDevices(host, await observeMachine(host))
  const device = devices.find(({ label }) => label === 'aem.stick')!
  const { plan } = await observeRefresh(observeDom0(host), device, { state: 'absent' })
  expect(plan.copies.map((one) => [one.name, one.role])).toContainEqual([name, role])
})
