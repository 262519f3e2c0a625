import { describe, expect, it } from 'vitest'
import type { CheckedFile } from '../../src/core/decide/boot-device.ts'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { INTERNAL, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeBootDevice } from '../../src/observe/device/boot-device.ts'
import { findBootedDevice, observeAllDevices } from '../../src/observe/device/devices.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { machineOf } from '../support/built-in.ts'

/** The boot files of the booted device, each compared with dom0's packages, on the built-in machine. */

const KERNEL = `vmlinuz-${KERNEL_RELEASE}`
const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`
const GRUB = 'grub2/grub.cfg'
const OTHER_UUID = 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2'

/** As TrenchBoot's 19_linux_xen_trenchboot writes it for BIOS (TrenchBoot/qubes-antievilmaid 18a0a74). */
const TRENCHBOOT = `menuentry 'AEM Qubes, with Xen hypervisor' --id aem {
	slaunch
	search --no-floppy --fs-uuid --set=root ${INTERNAL.uuid}
	multiboot2	/${XEN_IMAGE} placeholder console=none
	module2	/${KERNEL} placeholder ro aem.uuid=${INTERNAL.uuid}
	module2	/${INITRAMFS}
	slaunch_module	/SINIT.BIN
}
`

async function look(machine: SimMachine, told: (real: Host) => Partial<Host> = () => ({})) {
  const real = makeSimulatedHost(machine)
  const host: Host = { ...real, ...told(real) }
  const facts = await observeMachine(host)
  const device = findBootedDevice((await observeAllDevices(host, facts)).devices, facts.aemUuid)
  return observeBootDevice(observeDom0(host), device, facts.xen.buildId)
}

async function checkOf(role: CheckedFile['role'], machine: SimMachine, told?: (real: Host) => Partial<Host>) {
  const { checks } = await look(machine, told)
  const found = checks.filter((check) => check.role === role)
  expect(found).toHaveLength(1)
  return found[0]!
}

/** grub.cfg of the booted device, edited. */
function withGrub(edit: (text: string) => string): SimMachine {
  const machine = machineOf('clean-update')
  const file = bootFilesOf(machine).get(GRUB)!
  const text = edit(Buffer.from(file.bytes).toString('latin1'))
  bootFilesOf(machine).set(GRUB, { bytes: Buffer.from(text, 'latin1'), mtimeMs: file.mtimeMs })
  return machine
}

/** In the AEM entries alone. */
const inAemEntries = (text: string, from: RegExp, to: string) =>
  text.replace(/menuentry 'AEM [\s\S]*?\n\t*\}/g, (entry) => entry.replace(from, to))

describe('the device of an honest update', () => {
  it('is current, file by file', async () => {
    const { checks, files, isOpen } = await look(machineOf('clean-update'))
    expect(isOpen).toBe(true)
    expect(checks.map(({ role, path, state }) => `${role} ${path} ${state}`)).toEqual([
      `xen /boot/${XEN_IMAGE} current`,
      `kernel /boot/${KERNEL} current`,
      'tboot /boot/tboot.gz current',
      `initramfs /boot/${INITRAMFS} current`,
      'grub.cfg /boot/grub2/grub.cfg current',
    ])
    expect(files.map(({ path, role }) => [path.replace('/boot/', ''), role])).toEqual(
      expect.arrayContaining([
        [XEN_IMAGE, 'xen'],
        [KERNEL, 'kernel'],
        [INITRAMFS, 'initramfs'],
        ['tboot.gz', 'tboot'],
        [GRUB, 'grub.cfg'],
      ]),
    )
    expect(files.every(({ digests }) => digests !== null)).toBe(true)
    expect(checks.find(({ role }) => role === 'initramfs')?.against).toBe('its date')
    // Each is told with the digest of its own file.
    for (const { path, sha256 } of checks.filter(({ role }) => role !== 'grub.cfg'))
      expect([path, sha256]).toEqual([path, files.find((file) => file.path === path)?.digests?.sha256])
  })

  it('is not opened where it is not there, and nothing is said of it', async () => {
    const machine = machineOf('clean-update')
    for (const device of machine.devices) device.isPresent = false
    expect(await look(machine)).toMatchObject({ isOpen: false, checks: [], files: [] })
  })
})

describe('grub.cfg has an entry of this device that loads what is installed, or is not current', () => {
  it.each<[string, (text: string) => string, string]>([
    ['loads another Xen', (text) => text.replaceAll(XEN_IMAGE, 'xen-4.17.3.gz'), `with ${XEN_IMAGE}`],
    [
      'loads another kernel',
      (text) => text.replace(/vmlinuz-\S+/g, 'vmlinuz-6.1.0'),
      `with ${XEN_IMAGE} and ${KERNEL}`,
    ],
    ['names no device', (text) => text.replace(/ aem\.uuid=\S+/g, ''), `with ${XEN_IMAGE}`],
  ])('one that %s', async (_, edit, words) => {
    expect(await checkOf('grub.cfg', withGrub(edit))).toMatchObject({
      state: 'stale',
      against: `an AEM entry ${words}`,
    })
  })

  it.each([
    ['another device', `aem.uuid=${OTHER_UUID}`],
    ['another device too', `$& aem.uuid=${OTHER_UUID}`],
  ])('one that names %s is not known', async (_, to) => {
    const machine = withGrub((text) => inAemEntries(text, /aem\.uuid=[0-9a-f-]+/g, to))
    expect(await checkOf('grub.cfg', machine)).toMatchObject({
      state: 'unknown',
      against: expect.stringContaining('the kernel is told another one'),
    })
  })

  it('one that names the device in other letters, which no kernel finds, is not current', async () => {
    const machine = withGrub((text) =>
      inAemEntries(text, /aem\.uuid=[0-9a-f-]+/g, `aem.uuid=${INTERNAL.uuid.toUpperCase()}`),
    )
    expect(await checkOf('grub.cfg', machine)).toMatchObject({
      state: 'stale',
      against: `an AEM entry with ${XEN_IMAGE}`,
    })
  })

  it('one with a problem is not known, and the problem is named', async () => {
    const machine = withGrub((text) => inAemEntries(text, /\n\t*\}$/, '\n\twrite_dword 0 0\n}'))
    const { state, against } = await checkOf('grub.cfg', machine)
    expect(state).toBe('unknown')
    expect(against).toContain('write_dword')
  })

  it('one with a problem behind one that is merely old is not known either', async () => {
    const machine = withGrub((text) => {
      const old = inAemEntries(text, /xen-4\.17\.4/g, 'xen-4.17.3')
      const entry = /menuentry 'AEM [\s\S]*?\n\}/.exec(old)![0]
      return `${old}\n${entry.replace(/\n\}$/, '\n\twrite_dword 0 0\n}')}\n`
    })
    const { state, against } = await checkOf('grub.cfg', machine)
    expect([state, against]).toEqual(['unknown', expect.stringContaining('write_dword')])
  })

  it('one with a problem does no harm beside a good one', async () => {
    const machine = withGrub((text) => {
      const entry = /menuentry 'AEM [\s\S]*?\n\}/.exec(text)![0]
      return `${text}\n${entry.replace(/\n\}$/, '\n\twrite_dword 0 0\n}')}\n`
    })
    expect((await checkOf('grub.cfg', machine)).state).toBe('current')
  })

  it('one that cannot be read is not known', async () => {
    expect(
      await checkOf(
        'grub.cfg',
        withGrub((text) => `${text}\nif true`),
      ),
    ).toMatchObject({ state: 'unknown' })
  })

  it('none is current where no kernel is known either', async () => {
    const machine = withGrub((text) => text.replaceAll(XEN_IMAGE, 'xen-4.17.3.gz'))
    machine.packages = machine.packages.filter(({ name }) => name !== 'kernel')
    expect((await checkOf('grub.cfg', machine)).state).toBe('stale')
  })

  it('one of TrenchBoot loads no tboot, though its package is installed', async () => {
    const machine = withGrub(() => TRENCHBOOT)
    expect(await checkOf('grub.cfg', machine)).toMatchObject({ state: 'current' })
  })

  it('one that is there and cannot be opened is not absent', async () => {
    const told = (real: Host): Partial<Host> => ({
      readFile: async (path) => (path.endsWith('grub.cfg') ? unknown('x') : real.readFile(path)),
    })
    expect((await checkOf('grub.cfg', machineOf('clean-update'), told)).state).toBe('unknown')
  })

  it('none at all is absent', async () => {
    const machine = machineOf('clean-update')
    for (const { files } of machine.devices) files.delete(`/${GRUB}`)
    expect((await checkOf('grub.cfg', machine)).state).toBe('absent')
  })

  it('an entry of which Xen is not known says nothing', async () => {
    const machine = machineOf('clean-update')
    machine.packages = machine.packages.filter(({ name }) => name !== 'xen-hypervisor')
    expect((await checkOf('grub.cfg', machine)).state).toBe('unknown')
  })
})

describe('the initramfs', () => {
  it('that could not be hashed is not current', async () => {
    const told = (real: Host): Partial<Host> => ({
      digestFile: async (path) => (path.includes('initramfs-') ? unknown('x') : real.digestFile(path)),
    })
    expect((await checkOf('initramfs', machineOf('clean-update'), told)).state).toBe('unknown')
  })

  it('whose date is not known is not current', async () => {
    const told = (real: Host): Partial<Host> => ({
      statFile: async (path) => (path.includes('initramfs-') ? unknown('x') : real.statFile(path)),
    })
    expect((await checkOf('initramfs', machineOf('clean-update'), told)).state).toBe('unknown')
  })

  it.each(['dracut', 'microcode_ctl', 'linux-firmware', 'anti-evil-maid'])(
    'that is older than %s is stale, by its name',
    async (name) => {
      const machine = machineOf('clean-update')
      machine.packages = machine.packages.map((item) =>
        item.name === name ? { ...item, installedAtMs: machine.nowMs } : item,
      )
      expect(await checkOf('initramfs', machine)).toMatchObject({
        state: 'stale',
        against: `older than ${name}`,
      })
    },
  )

  it('that is not there is absent', async () => {
    const machine = machineOf('clean-update')
    for (const { files } of machine.devices) files.delete(`/${INITRAMFS}`)
    expect((await checkOf('initramfs', machine)).state).toBe('absent')
  })
})

describe('a package', () => {
  it.each([
    ['kernel', 'kernel'],
    ['tboot', 'tboot'],
  ] as const)('whose boot file cannot be told has a row that is not known: %s', async (name, role) => {
    const machine = machineOf('clean-update')
    machine.packages = machine.packages.map((item) =>
      item.name === name ? { ...item, files: new Map() } : item,
    )
    expect(await checkOf(role, machine)).toMatchObject({
      state: 'unknown',
      path: `/boot/(boot file of ${name})`,
    })
  })

  it('whose file was changed is named, and one whose file is not there too', async () => {
    const machine = machineOf('clean-update')
    bootFilesOf(machine).set(KERNEL, { bytes: Buffer.from('evil'), mtimeMs: 0 })
    for (const { files } of machine.devices) files.delete('/tboot.gz')
    expect(await checkOf('kernel', machine)).toMatchObject({ state: 'changed', against: 'RPM database' })
    expect((await checkOf('tboot', machine)).state).toBe('absent')
  })

  it('an older installed kernel need not be there: dom0 keeps several', async () => {
    const machine = machineOf('clean-update')
    const kernel = machine.packages.find(({ name }) => name === 'kernel')!
    const older = new Map([['/boot/vmlinuz-6.6.30-1.qubes.fc37.x86_64', 'a'.repeat(64)]])
    machine.packages.push({ ...kernel, evr: '1000:6.6.30-1.qubes.fc37', files: older })
    expect(await checkOf('kernel', machine)).toMatchObject({ path: `/boot/${KERNEL}`, state: 'current' })
  })

  it('kernel-latest counts beside kernel', async () => {
    const machine = machineOf('clean-update')
    const kernel = machine.packages.find(({ name }) => name === 'kernel')!
    const files = new Map([['/boot/vmlinuz-6.9.4-1.qubes.fc37.x86_64', 'ab'.repeat(32)]])
    machine.packages.push({ ...kernel, name: 'kernel-latest', evr: '1000:6.9.4-1.qubes.fc37', files })
    const { checks } = await look(machine)
    expect(checks.filter(({ role }) => role === 'kernel').map(({ state }) => state)).toEqual([
      'current',
      'absent',
    ])
    expect(checks.filter(({ role }) => role === 'initramfs').map(({ state }) => state)).toEqual([
      'current',
      'absent',
    ])
    expect(checks.at(-1)).toMatchObject({ role: 'grub.cfg', state: 'stale' })
  })
})

describe('the initramfs beside its packages', () => {
  const stampedAt = (mtimeMs: (installedAtMs: number) => number) => {
    const machine = machineOf('clean-update')
    const inputs = ['dracut', 'microcode_ctl', 'amd-ucode-firmware', 'linux-firmware', 'anti-evil-maid']
    const newest = Math.max(
      ...machine.packages.filter(({ name }) => inputs.includes(name)).map((item) => item.installedAtMs),
    )
    const file = bootFilesOf(machine).get(INITRAMFS)!
    bootFilesOf(machine).set(INITRAMFS, { ...file, mtimeMs: mtimeMs(newest) })
    return machine
  }

  it('is as old as they are, not older', async () => {
    expect(
      (
        await checkOf(
          'initramfs',
          stampedAt((at) => at),
        )
      ).state,
    ).toBe('current')
    expect(
      (
        await checkOf(
          'initramfs',
          stampedAt((at) => at - 1000),
        )
      ).state,
    ).toBe('stale')
  })

  it.each(['dracut', 'microcode_ctl', 'amd-ucode-firmware', 'linux-firmware', 'anti-evil-maid'])(
    'is stale where %s came after it',
    async (name) => {
      const machine = stampedAt((at) => at)
      const [some] = machine.packages
      const installedAtMs = machine.nowMs + 1000
      const rest = machine.packages.filter((item) => item.name !== name)
      machine.packages = [...rest, { ...some!, name, evr: '0:9-9', installedAtMs, files: new Map() }]
      expect(await checkOf('initramfs', machine)).toMatchObject({
        state: 'stale',
        against: expect.stringContaining(name),
      })
    },
  )

  it('is not known to be current where its date, or that of no package, is known', async () => {
    const stat = (own: Host): Partial<Host> => ({
      statFile: async (path) => {
        const found = await own.statFile(path)
        return path.endsWith(INITRAMFS) && found.state === 'seen'
          ? { state: 'seen', value: { ...found.value, mtimeMs: Number.NaN } }
          : found
      },
    })
    expect((await checkOf('initramfs', machineOf('clean-update'), stat)).state).toBe('unknown')
    const bare = machineOf('clean-update')
    bare.packages = bare.packages.filter(({ name }) => /^(xen|kernel|tboot)/.test(name))
    expect((await checkOf('initramfs', bare)).state).toBe('unknown')
  })

  it('is not looked for where the file of its kernel cannot be told', async () => {
    const machine = machineOf('clean-update')
    machine.packages = machine.packages.map((item) =>
      item.name === 'kernel' ? { ...item, files: new Map() } : item,
    )
    const { checks } = await look(machine)
    expect(checks.filter(({ role }) => role === 'initramfs')).toEqual([])
    expect(checks).toContainEqual(expect.objectContaining({ role: 'kernel', state: 'unknown' }))
  })
})

it('a device that carries more than is hashed is not current; what hides among it is checked all the same', async () => {
  const machine = machineOf('clean-update')
  const isJunk = (name: string): boolean => name.startsWith('initramfs-0.')
  for (let at = 0; at < 80; at += 1)
    bootFilesOf(machine).set(`initramfs-0.${at}.img`, { bytes: Buffer.from('junk'), mtimeMs: 0 })
  const told = (real: Host): Partial<Host> => ({
    async listDirectory(path) {
      const names = await real.listDirectory(path)
      if (names.state !== 'seen') return names
      return seen([...names.value.filter(isJunk), ...names.value.filter((name) => !isJunk(name))])
    },
  })
  const { checks } = await look(machine, told)
  expect(checks.map(({ role, state }) => [role, state])).toEqual([
    ['initramfs', 'unknown'],
    ['xen', 'current'],
    ['kernel', 'current'],
    ['tboot', 'current'],
    ['initramfs', 'current'],
    ['grub.cfg', 'current'],
  ])
  expect(checks[0]?.against).toMatch(/more left out/)
})

it('each boot file is listed once, and the device is closed again', async () => {
  const machine = machineOf('two-devices')
  const own = makeSimulatedHost(machine)
  let open = 0
  const host: Host = {
    ...own,
    async openMedia(wanted) {
      const media = await own.openMedia(wanted)
      if (media.state !== 'seen') return media
      open += 1
      const close = async () => {
        open -= 1
        await media.value.close()
      }
      return { state: 'seen', value: { root: media.value.root, close } }
    },
  }
  const dom0 = observeDom0(host)
  const { devices } = await dom0.devices()
  const { files } = await observeBootDevice(dom0, devices.find(({ label }) => label === 'aem.stick')!, null)
  const paths = files.map(({ path }) => path)
  expect([paths.length > 4, new Set(paths).size, open]).toEqual([true, paths.length, 0])
})

it('grub.cfg may lie in the directory of another GRUB', async () => {
  const machine = machineOf('clean-update')
  const file = bootFilesOf(machine).get(GRUB)!
  for (const { files } of machine.devices) files.delete(`/${GRUB}`)
  bootFilesOf(machine).set('grub/grub.cfg', file)
  const { files } = await look(machine)
  expect(files.filter(({ role }) => role === 'grub.cfg').map(({ path }) => path)).toEqual([
    '/boot/grub/grub.cfg',
  ])
})
