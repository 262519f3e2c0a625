import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, PLAIN_ENTRY } from '../../src/host/simulated/model.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { observeDevices } from '../../src/observe/device/devices.ts'
import { observeChangedLines } from '../../src/observe/device/entry-lines.ts'
import { isEntryRegenerated } from '../../src/observe/device/regenerated-entry.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeNextBoot } from '../../src/observe/launch/prediction.ts'
import type { Place } from '../../src/observe/launch/vouch-evidence.ts'
import { editLines, GRUB_CFG } from '../support/attack.ts'
import { machineOf } from '../support/built-in.ts'

/** The command lines of a device's entry beside those of this boot, and beside what dom0 writes, on the built-in machine. */

const KERNEL = `/vmlinuz-${KERNEL_RELEASE}`

describe("a stick's entry", () => {
  /** @param file the lines of grub.cfg that get a word more */
  async function changed(
    file: RegExp | null,
    known: { device?: Partial<AemDevice>; booted?: Partial<AemDevice> | null } = {},
    edit: (text: string) => string = (text) => text,
  ) {
    const machine = machineOf('two-devices')
    if (file !== null) editLines(machine, STICK.uuid, file, (line) => `${line} panic=10`)
    const stick = machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
    const grub = stick.files.get(GRUB_CFG)!
    const text = edit(Buffer.from(grub.bytes).toString('latin1'))
    stick.files.set(GRUB_CFG, { ...grub, bytes: Buffer.from(text, 'latin1') })
    const host = makeSimulatedHost(machine)
    const facts = await observeMachine(host)
    const devices = await observeDevices(host, facts)
    const find = (label: string) => devices.find((one) => one.label === label)!
    const device = { ...find('aem.stick'), ...known.device }
    const booted = known.booted === null ? null : { ...find('aem'), ...known.booted }
    return observeChangedLines(observeDom0(host), device, booted, facts)
  }

  it('has the lines of this boot, but for the device that it names', async () => {
    expect(await changed(null)).toEqual([])
  })

  it.each([
    [/^\/tboot/, '/tboot.gz'],
    [/^\/xen-/, `/${XEN_IMAGE}`],
    [/^\/vmlinuz-/, KERNEL],
  ])('with another word is named with it: %s', async (file, path) => {
    expect(await changed(file)).toEqual([`${path}: + panic=10`])
  })

  it('whose initramfs has a line is named with it', async () => {
    expect(await changed(/^\/initramfs-/)).toEqual([`/initramfs-${KERNEL_RELEASE}.img: + panic=10`])
  })

  it.each<[string, Parameters<typeof changed>[1]]>([
    ['the stick has no UUID', { device: { uuid: null } }],
    ['the booted device has none', { booted: { uuid: null } }],
    ['the booted device is not known', { booted: null }],
  ])('is taken as it stands where %s, and cannot be opened or is named', async (_, known) => {
    const found = await changed(null, known)
    const words = `${KERNEL}: + aem.uuid=${STICK.uuid}, - aem.uuid=${INTERNAL.uuid}`
    expect(found).toEqual(known?.device === undefined ? [words] : [])
  })

  it('that starts no Xen has the line of its kernel compared all the same', async () => {
    const noXen = (text: string): string => {
      const line = /\/vmlinuz-[^\n]*/.exec(text)![0]
      return `menuentry 'AEM x' {\n\tslaunch\n\tmodule2\t${line} panic=10\n}\n`
    }
    expect(await changed(null, {}, noXen)).toEqual([`${KERNEL}: + panic=10`])
  })

  it.each<[string, (text: string) => string, string]>([
    [
      'a command that is none of AEM',
      (text) => text.replace(/(menuentry 'AEM [^\n]*\{\n)/g, '$1\tacpi /evil.aml\n'),
      'acpi',
    ],
    ['a module loaded before the menu', (text) => `insmod /evil.mod\n${text}`, 'insmod'],
  ])('of which it cannot be told whether it boots, for %s, is named', async (_, edit, word) => {
    expect(await changed(null, {}, edit)).toEqual([
      expect.stringMatching(new RegExp(`^which entry boots next cannot be told: .*${word}`)),
    ])
  })

  it('that boots without AEM is told as that', async () => {
    const plain = (text: string): string =>
      `${text.replaceAll('smt=off', 'smt=on')}\nset default='${PLAIN_ENTRY[0]}'\n`
    expect(await changed(null, {}, plain)).toEqual(["the entry that boots next is none of AEM's"])
  })
})

describe("what dom0's own grub2-mkconfig writes", () => {
  /** The entry that boots next, changed, and what grub2-mkconfig prints. */
  async function regenerated(
    change: (place: Place) => Partial<Place> = () => ({}),
    print: (stdout: string) => Awaited<ReturnType<Host['run']>> = (stdout) =>
      seen({ exit: 0, stdout, stderr: '' }),
  ) {
    const own = makeSimulatedHost(machineOf('clean-update'))
    const { place } = await observeNextBoot(observeDom0(own), [17, 18, 19])
    const counts = { printed: 0, opened: 0, closed: 0 }
    const host: Host = {
      ...own,
      async run(call, input) {
        const run = await own.run(call, input)
        if (call.id !== 'print-grub-config' || run.state !== 'seen') return run
        counts.printed += 1
        return print(run.value.stdout)
      },
      async openMedia(request) {
        const media = await own.openMedia(request)
        if (media.state !== 'seen') return media
        counts.opened += 1
        const close = async () => {
          counts.closed += 1
          await media.value.close()
        }
        return seen({ ...media.value, close })
      },
    }
    const answer = await isEntryRegenerated(host, { ...place, ...change(place) })
    expect(counts.closed).toBe(counts.opened)
    return { answer, counts }
  }
  const withEntry = (change: object) => (place: Place) => ({
    launch: {
      ...place.launch,
      next: { entry: { ...place.launch.next.entry!, ...change }, why: null },
    },
  })
  const entryOf = (place: Place) => place.launch.next.entry!
  const answerOf = async (...told: Parameters<typeof regenerated>) => (await regenerated(...told)).answer

  it('is the entry that boots next, file for file', async () => {
    const { answer, counts } = await regenerated()
    expect([answer, counts.printed]).toEqual([true, 1])
  })

  it.each<[string, (place: Place) => object]>([
    ['another kind', () => ({ flavour: 'trenchboot' })],
    ['another launcher', (place) => ({ launcher: { ...entryOf(place).launcher!, commandLine: 'x' } })],
    ['a module less', (place) => ({ modules: entryOf(place).modules.slice(1) })],
    [
      'a module with other words',
      (place) => ({
        modules: entryOf(place).modules.map((one) => ({ ...one, commandLine: `${one.commandLine} x` })),
      }),
    ],
    ['another SINIT', () => ({ sinit: [] })],
  ])('is not one of %s', async (_, change) => {
    expect(await answerOf((place) => withEntry(change(place))(place))).toBe(false)
  })

  it('may hold other entries beside it', async () => {
    const other = (text: string): string => {
      const [entry = ''] = /menuentry 'AEM [\s\S]*?\n[ \t]*\}\n/.exec(text) ?? []
      expect(entry).not.toBe('')
      return `${entry.replaceAll(KERNEL, '/vmlinuz-6.1.43-1.qubes.fc37.x86_64')}${text}`
    }
    expect(await answerOf(undefined, (text) => seen({ exit: 0, stdout: other(text), stderr: '' }))).toBe(true)
  })

  it('is not it where its own entry has a command that is none of AEM', async () => {
    const odd = (text: string): string => text.replace(/(menuentry 'AEM [^\n]*\{\n)/g, '$1\tacpi /evil.aml\n')
    expect(await answerOf(undefined, (text) => seen({ exit: 0, stdout: odd(text), stderr: '' }))).toBe(false)
  })

  it.each<[string, Awaited<ReturnType<Host['run']>>]>([
    ['cannot be run', ABSENT],
    ['fails', seen({ exit: 1, stdout: '', stderr: '' })],
    ['prints what GRUB does not read', seen({ exit: 0, stdout: 'if true', stderr: '' })],
  ])('is not known where it %s', async (_, run) => {
    expect(await answerOf(undefined, () => run)).toBeNull()
  })

  it('fails though it printed the entry: then it is not known', async () => {
    expect(await answerOf(undefined, (stdout) => seen({ exit: 1, stdout, stderr: '' }))).toBeNull()
  })

  it('is not known where the device cannot be opened', async () => {
    const own = makeSimulatedHost(machineOf('two-devices'))
    const { place } = await observeNextBoot(observeDom0(own), [17, 18, 19])
    const host: Host = { ...own, openMedia: async () => unknown('not a file system') }
    const { devices } = await observeDom0(own).devices()
    const device = devices.find(({ label }) => label === 'aem.stick')!
    expect(await isEntryRegenerated(host, { ...place, device })).toBeNull()
  })

  it.each<[string, (place: Place) => Partial<Place>]>([
    ['an entry of the UEFI form, which it would write to the system', withEntry({ form: 'uefi' })],
    ['no entry', (place) => ({ launch: { ...place.launch, next: { entry: null, why: 'x' } } })],
    ['no device', () => ({ device: null })],
  ])('is not asked for %s', async (_, change) => {
    const { answer, counts } = await regenerated(change)
    expect([answer, counts.printed]).toEqual([null, 0])
  })
})
