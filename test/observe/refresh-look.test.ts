import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeRefresh } from '../../src/observe/device/refresh-needs.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { machineOf } from '../support/built-in.ts'

/** What a look at a device finds that lacks something, on the built-in machine with dom0's own device and a stick. */

const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`
const MARGIN = 4 * 1024 * 1024

const stickOf = (machine: SimMachine) => machine.devices.find(({ uuid }) => uuid === STICK.uuid)!

async function look(
  change: (machine: SimMachine) => void = () => undefined,
  told: (own: Host) => Partial<Host> = () => ({}),
  label = 'aem.stick',
) {
  const machine = machineOf('two-devices')
  change(machine)
  const own = makeSimulatedHost(machine)
  const dom0 = observeDom0({ ...own, ...told(own) })
  const { devices } = await dom0.devices()
  const found = await observeRefresh(dom0, devices.find((one) => one.label === label)!, { state: 'absent' })
  const check = (id: string) => found.checks.find((one) => one.id === id)
  return { ...found, check, machine }
}

/** Gives a package files beside its own. */
const withFiles = (name: string, files: Readonly<Record<string, string>>) => (machine: SimMachine) => {
  machine.packages = machine.packages.map((item) =>
    item.name === name ? { ...item, files: new Map([...item.files, ...Object.entries(files)]) } : item,
  )
}

describe('what is copied', () => {
  it('is nothing to a stick that has it all; only its initramfs is of nobody', async () => {
    const { plan, changedLines, isBooted } = await look()
    expect(plan.copies).toEqual([])
    expect(plan.makesGrubConfig).toBe(false)
    expect([changedLines, isBooted]).toEqual([[], false])
    expect(plan.initramfs).toEqual([
      { kernel: KERNEL_RELEASE, why: 'nobody can say what is in the one that is there' },
    ])
  })

  it.each([
    ['tboot', 'tboot.gz', 'tboot'],
    ['xen-hypervisor', XEN_IMAGE, 'xen'],
    ['kernel', `vmlinuz-${KERNEL_RELEASE}`, 'kernel'],
  ])('is the file of %s where the stick has none, and an entry that may name it', async (_, name, role) => {
    const { plan } = await look((machine) => void stickOf(machine).files.delete(`/${name}`))
    expect(plan.copies.map((one) => [one.name, one.role])).toEqual([[name, role]])
    expect(plan.makesGrubConfig).toBe(true)
  })

  it('is the configuration of a kernel too, which no entry names', async () => {
    const name = `config-${KERNEL_RELEASE}`
    const { plan } = await look(withFiles('kernel', { [`/boot/${name}`]: 'a'.repeat(64) }))
    expect(plan.copies.map((one) => [one.name, one.role])).toEqual([[name, 'config']])
    expect(plan.makesGrubConfig).toBe(false)
  })

  it('is grub.cfg where the one of the stick is another, and nothing beside it', async () => {
    const { plan } = await look((machine) => {
      const { files } = stickOf(machine)
      const old = files.get('/grub2/grub.cfg')!
      files.set('/grub2/grub.cfg', { ...old, bytes: Buffer.from('# another one\n') })
    })
    expect([plan.copies, plan.makesGrubConfig]).toEqual([[], true])
  })

  it('is the file of kernel-latest too', async () => {
    const release = '6.9.2-1.qubes.fc37.x86_64'
    const { plan } = await look((machine) => {
      const kernel = machine.packages.find(({ name }) => name === 'kernel')!
      const evr = '1000:6.9.2-1.qubes.fc37'
      const files = new Map([[`/boot/vmlinuz-${release}`, 'a'.repeat(64)]])
      machine.packages = [...machine.packages, { ...kernel, name: 'kernel-latest', evr, files }]
    })
    expect(plan.copies.map((one) => one.name)).toEqual([`vmlinuz-${release}`])
    expect(plan.initramfs).toContainEqual({ kernel: release, why: 'there is none' })
  })

  it('is no file of another directory, of another name, or without a digest', async () => {
    const digest = 'a'.repeat(64)
    const { plan } = await look(
      withFiles('kernel', {
        '/boot/sub/xen-4.17.9.gz': digest,
        '/boot/sub/vmlinuz-9': digest,
        '/boot/vmlinuz-9/x': digest,
        '/boot/sub/config-9': digest,
        '/boot/config-9/x': digest,
        '/etc/xvmlinuz-9': digest,
        '/boot/vmlinuz-9': '',
      }),
    )
    expect(plan.copies.map(({ name }) => name)).toEqual([])
  })
})

describe('the room that it takes', () => {
  const sizeOf = (machine: SimMachine, name: string) => bootFilesOf(machine).get(name)!.bytes.length

  it("is that of each file, and of the stick's initramfs or dom0's, whichever is larger", async () => {
    const { plan, machine } = await look((own) => void stickOf(own).files.delete(`/${XEN_IMAGE}`))
    expect(plan.neededBytes).toBe(MARGIN + sizeOf(machine, XEN_IMAGE) + sizeOf(machine, INITRAMFS))
    const larger = await look((own) => {
      const bytes = Buffer.alloc(sizeOf(own, INITRAMFS) + 1000)
      stickOf(own).files.set(`/${INITRAMFS}`, { bytes, mtimeMs: own.nowMs })
    })
    expect(larger.plan.neededBytes).toBe(MARGIN + sizeOf(machine, INITRAMFS) + 1000)
  })

  it('is left by copies that were cut short, of the initramfs too', async () => {
    const free = (freeBytes: number) => () => ({ freeBytes: async () => seen(freeBytes) })
    const cut = (machine: SimMachine) => {
      const bytes = Buffer.alloc(1024)
      stickOf(machine).files.set(`/.${INITRAMFS}.new`, { bytes, mtimeMs: 0 })
    }
    const { neededBytes } = (await look()).plan
    const isEnough = async (freeBytes: number, change?: (machine: SimMachine) => void) => {
      const { checks } = await look(change, free(freeBytes))
      return checks.find(({ detail }) => /MiB|room|free/.test(detail))?.ok
    }
    expect(await isEnough(neededBytes)).toBe(true)
    expect(await isEnough(neededBytes - 1024)).toBe(false)
    expect(await isEnough(neededBytes - 1024, cut)).toBe(true)
  })

  it('is not known where it cannot be read, which is not "none"', async () => {
    const { checks } = await look(undefined, () => ({ freeBytes: async () => unknown('I/O error') }))
    expect(checks.filter(({ ok }) => ok === false).map(({ id }) => id)).toEqual([])
    expect(checks.some(({ id, ok }) => ok === null && /space/.test(id))).toBe(true)
  })
})

describe('the device', () => {
  it('has its own label: another one that is out has none to be taken for it', async () => {
    const twin = (isPresent: boolean) => (machine: SimMachine) => {
      const uuid = '0f0f0f0f-0000-4000-8000-000000000001'
      machine.devices.push({ ...stickOf(machine), uuid, isPresent, files: new Map(stickOf(machine).files) })
    }
    const failing = async (change?: (machine: SimMachine) => void) =>
      (await look(change)).checks.filter(({ ok }) => ok === false).map(({ id }) => id)
    expect(await failing()).toEqual([])
    expect(await failing(twin(false))).toEqual([])
    expect(await failing(twin(true))).not.toEqual([])
    expect((await look(twin(true))).check('device-unique')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('0f0f0f0f-0000-4000-8000-000000000001'),
    })
  })

  it('is written to where it is not mounted read-only; what is not known does not block it', async () => {
    const mounts = (text: Awaited<ReturnType<Host['readFile']>>) => (own: Host) => ({
      readFile: async (path: string) => (path === '/proc/mounts' ? text : own.readFile(path)),
    })
    const failing = async (text: Awaited<ReturnType<Host['readFile']>>, label: string) =>
      (await look(undefined, mounts(text), label)).checks.filter(({ ok }) => ok === false).map(({ id }) => id)
    const line = (options: string) => seen(Buffer.from(`/dev/sda1 /boot ext4 ${options} 0 0\n`))
    expect(await failing(line('rw,relatime'), 'aem')).toEqual([])
    expect(await failing(line('ro,relatime'), 'aem')).toHaveLength(1)
    expect(await failing(ABSENT, 'aem')).toEqual([])
    // A stick that is mounted nowhere.
    expect(await failing(line('ro,relatime'), 'aem.stick')).toEqual([])
  })

  it('has a directory for grub.cfg, has none, or could not be looked at', async () => {
    const grub2 = (answer: Awaited<ReturnType<Host['statFile']>>) => (own: Host) => ({
      statFile: async (path: string) => (path.endsWith('/grub2') ? answer : own.statFile(path)),
    })
    const stat = { kind: 'link', sizeBytes: 0, mtimeMs: 0, mode: 0o777 } as const
    const okWith = async (told?: (own: Host) => Partial<Host>) =>
      (await look(undefined, told)).check('grub-directory')?.ok
    expect(await okWith()).toBe(true)
    expect(await okWith(grub2(seen(stat)))).toBe(false)
    expect(await okWith(grub2(unknown('I/O error')))).toBeNull()
  })

  it('of this boot is known as that', async () => {
    const { isBooted, plan } = await look(undefined, undefined, 'aem')
    expect([isBooted, plan.initramfs]).toEqual([true, []])
    expect(INTERNAL.uuid).not.toBe(STICK.uuid)
  })
})

it('nothing is written while AEM seals or waits for a device', async () => {
  const seal = (state: string) => (own: Host) =>
    ({
      run: async (call, input) =>
        call.id === 'unit-show'
          ? seen({ exit: 0, stdout: `LoadState=loaded\nActiveState=${state}\n`, stderr: '' })
          : own.run(call, input),
    }) satisfies Partial<Host>
  expect((await look()).check('aem-not-waiting')?.ok).toBe(true)
  expect((await look(undefined, seal('activating'))).check('aem-not-waiting')?.ok).toBe(false)
})

describe('its initramfs', () => {
  it('that is older than a package it is made from is told as that', async () => {
    const { plan } = await look((machine) => {
      const { files } = stickOf(machine)
      files.set(`/${INITRAMFS}`, { ...files.get(`/${INITRAMFS}`)!, mtimeMs: 0 })
    })
    expect(plan.initramfs).toEqual([
      { kernel: KERNEL_RELEASE, why: 'it is older than a package it is made from' },
    ])
  })

  it('of an older kernel that lies there is not called missing', async () => {
    const release = '6.1.43-1.qubes.fc37.x86_64'
    const withOld = (hasInitramfs: boolean) => (machine: SimMachine) => {
      const kernel = machine.packages.find(({ name }) => name === 'kernel')!
      const files = new Map([[`/boot/vmlinuz-${release}`, 'a'.repeat(64)]])
      const old = { ...kernel, evr: '1000:6.1.43-1.qubes.fc37', files }
      machine.packages = machine.packages.flatMap((item) => (item === kernel ? [old, item] : [item]))
      const file = { bytes: Buffer.from('an older initramfs'), mtimeMs: 0 }
      if (hasInitramfs) stickOf(machine).files.set(`/initramfs-${release}.img`, file)
    }
    const whyOf = async (hasInitramfs: boolean) =>
      (await look(withOld(hasInitramfs))).plan.initramfs.find(({ kernel }) => kernel === release)?.why
    expect(await whyOf(false)).toBe('there is none')
    expect(await whyOf(true)).toBe('nobody can say what is in the one that is there')
  })
})
