import { describe, expect, it } from 'vitest'
import { digestImage } from '../../src/core/launch/image-digest.ts'
import type { Digests, LaunchLog } from '../../src/core/launch/launch-log.ts'
import type { CommandLineRule } from '../../src/core/launch/module-digest.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeDevices } from '../../src/observe/device/devices.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeNextBoot, observePrediction, vouchNextBoot } from '../../src/observe/launch/prediction.ts'
import { NO_EVIDENCE } from '../../src/observe/launch/vouch-evidence.ts'
import { machineOf } from '../support/built-in.ts'
import { entryWith, lookAt } from '../support/next-boot.ts'

/** What feeds the decision about the next boot, on the built-in machine with an update of Xen installed. */

const SELECTED = [13, 17, 18, 19]
const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`
const GRUB = 'grub2/grub.cfg'

const updated = (): SimMachine => machineOf('clean-update')

/** Appends to a boot file, and leaves its time as it was. */
function append(machine: SimMachine, name: string, text: string): void {
  const file = bootFilesOf(machine).get(name)!
  bootFilesOf(machine).set(name, { ...file, bytes: Buffer.concat([file.bytes, Buffer.from(text)]) })
}

function changePackage(machine: SimMachine, name: string, change: Partial<SimMachine['packages'][0]>): void {
  machine.packages = machine.packages.map((item) => (item.name === name ? { ...item, ...change } : item))
}

const predict = (machine: SimMachine) => observePrediction(observeDom0(makeSimulatedHost(machine)), SELECTED)

describe('what vouches for the next boot', () => {
  it('is the package of Xen after an honest update, and this boot for all else', async () => {
    const { outcome, unvouched, prediction } = await predict(updated())
    expect([outcome, unvouched]).toEqual(['complete', []])
    const rules = prediction.pcrs.flatMap(({ components }) =>
      components.map(({ role, vouchedBy, package: owner }) => [role, vouchedBy.rule, owner?.name ?? null]),
    )
    expect(rules).toEqual([
      // It is no image whose MLE hash this program computes.
      ['mle', 'packaged', 'tboot'],
      ['xen', 'packaged', 'xen-hypervisor'],
      ['kernel', 'unchanged', 'kernel'],
      ['initramfs', 'unchanged', null],
    ])
    expect(prediction.pcrs.every(({ vouched }) => vouched)).toBe(true)
  })

  it('is no package that an unknown key signed, though the signature is good', async () => {
    const machine = updated()
    changePackage(machine, 'xen-hypervisor', { keyId: 'feedfacefeedface' })
    const { outcome, unvouched, prediction } = await predict(machine)
    expect(outcome).toBe('unvouched')
    expect(unvouched.join()).toMatch(/xen-hypervisor .*feedfacefeedface/)
    expect(prediction.pcrs.filter(({ vouched }) => !vouched).map(({ index }) => index)).toEqual([18])
  })

  it('is nothing for an initramfs that was changed before the update was confirmed', async () => {
    const machine = updated()
    append(machine, INITRAMFS, 'evil')
    const { outcome, unvouched, looks } = await predict(machine)
    expect(outcome).toBe('unvouched')
    expect(unvouched.join()).toMatch(/initramfs-\S+: it is not the one this boot used/)
    expect(looks).toMatchObject([{ kind: 'initramfs', path: `/${INITRAMFS}` }])
  })

  it('is nothing for a Xen that was changed after its package was installed', async () => {
    const machine = updated()
    append(machine, XEN_IMAGE, 'evil')
    const { outcome, unvouched } = await predict(machine)
    expect(outcome).toBe('unvouched')
    expect(unvouched.join()).toContain('is not the file of xen-hypervisor')
  })
})

describe('a grub.cfg that GRUB itself might read otherwise', () => {
  it('predicts nothing, and is told as what it is', async () => {
    const machine = updated()
    const file = bootFilesOf(machine).get(GRUB)!
    const text = `${Buffer.from(file.bytes).toString('latin1')}\nif true`
    bootFilesOf(machine).set(GRUB, { bytes: Buffer.from(text, 'latin1'), mtimeMs: file.mtimeMs })
    const next = await observeNextBoot(observeDom0(makeSimulatedHost(machine)), SELECTED)
    expect(next.place.launch).toMatchObject({
      isGrubRead: false,
      booted: { entry: null, why: expect.stringContaining('its end') },
      next: { entry: null, why: expect.stringContaining('its end') },
    })
    const { outcome, prediction } = await predict(machine)
    expect(outcome).toBe('refused')
    expect(prediction.pcrs.slice(1).every(({ predicted }) => predicted === null)).toBe(true)
  })
})

describe('a tboot that reads otherwise than it was hashed', () => {
  const tbootWhen = async (answer: Host['readFile']) => {
    const real = makeSimulatedHost(updated())
    const readFile: Host['readFile'] = (path) =>
      path.endsWith('/tboot.gz') ? answer(path) : real.readFile(path)
    const next = await observeNextBoot(observeDom0({ ...real, readFile }), SELECTED)
    return next.place.launch.tboot
  }

  it.each<[string, Awaited<ReturnType<Host['readFile']>>]>([
    ['cannot be read', unknown('I/O error')],
    ['is gone', ABSENT],
    ['has other bytes', seen(Buffer.from('another tboot'))],
  ])('is not looked into: the second time it %s', async (_, answer) => {
    expect(await tbootWhen(async () => answer)).toBeNull()
  })

  it('is looked into where it is the same', async () => {
    const { bytes } = bootFilesOf(updated()).get('tboot.gz')!
    expect(await tbootWhen(async () => seen(bytes))).toEqual(bytes)
  })
})

describe('what was selected to be sealed to', () => {
  it('is complete without the register of LUKS headers where that one was not selected', async () => {
    const { outcome, prediction } = await observePrediction(
      observeDom0(makeSimulatedHost(updated())),
      [17, 18, 19],
    )
    expect(outcome).toBe('complete')
    expect(prediction.pcrs.map(({ index }) => index)).toEqual([17, 18, 19])
  })
})

it('a tboot that is computed to be the one of this boot need not be the one of its package', async () => {
  const { vouch, next } = await lookAt(updated())
  const image = next.place.launch.images['/tboot.gz']!
  const own = { ...image, storedDigests: { ...image.storedDigests, sha256: 'f'.repeat(64) } }
  const launch = { ...next.place.launch, images: { ...next.place.launch.images, '/tboot.gz': own } }
  const place = { ...next.place, launch, isMleComputed: true }
  const components = next.raw.pcrs.flatMap((pcr) => pcr.components)
  expect(components.find(({ role }) => role === 'mle')).toMatchObject({ changed: false })
  expect(await vouch({ place })).toMatchObject({ outcome: 'complete', unvouched: [] })
  expect((await vouch({ place: { ...place, isMleComputed: false } })).unvouched.join()).toContain(
    '/tboot.gz is not the file of tboot',
  )
})

describe('a next boot from another device', () => {
  async function launchOf(change: (stick: SimMachine['devices'][0], machine: SimMachine) => void) {
    const machine = machineOf('two-devices')
    change(machine.devices.find(({ uuid }) => uuid === STICK.uuid)!, machine)
    const host = makeSimulatedHost(machine)
    const devices = await observeDevices(host, await observeMachine(host))
    const device = devices.find(({ label }) => label === 'aem.stick')!
    return (await observeNextBoot(observeDom0(host), SELECTED, { device, known: new Map() })).place.launch
  }

  it('has the grub.cfg of that device', async () => {
    expect(await launchOf(() => undefined)).toMatchObject({ isGrubRead: true, sinitUnchanged: true })
    expect(await launchOf(({ files }) => void files.delete('/grub2/grub.cfg'))).toMatchObject({
      isGrubRead: false,
      next: { entry: null },
    })
  })

  it('has the SINIT of this boot only where that is the same here, there and since', async () => {
    expect(await launchOf(({ files }) => void files.delete('/SINIT.BIN'))).toMatchObject({
      sinitUnchanged: null,
    })
    const other = (at: number) => ({ bytes: Buffer.from('another SINIT'), mtimeMs: at })
    expect(
      await launchOf(({ files }, { nowMs }) => void files.set('/SINIT.BIN', other(nowMs))),
    ).toMatchObject({ sinitUnchanged: false })
    // Both carry the same new one: it is not the one that this boot measured.
    const both = await launchOf((_, machine) => {
      for (const { files } of machine.devices) files.set('/SINIT.BIN', other(machine.nowMs))
    })
    expect(both.sinitUnchanged).not.toBe(true)
  })
})

it('an initramfs that was not read is none that this program remembers', async () => {
  const { vouch, next } = await lookAt(updated())
  const { [`/${INITRAMFS}`]: _unread, ...images } = next.place.launch.images
  const pcrs = next.raw.pcrs.map((pcr) => ({
    ...pcr,
    components: pcr.components.map((one) => (one.role === 'initramfs' ? { ...one, changed: true } : one)),
  }))
  for (const known of [null, new Map<string, string>()]) {
    const place = { ...next.place, known, launch: { ...next.place.launch, images } }
    const { outcome, prediction } = await vouch({ raw: { ...next.raw, pcrs }, place })
    const found = prediction.pcrs.flatMap(({ components }) => components)
    expect(found.find(({ role }) => role === 'initramfs')?.vouchedBy.rule).toBeNull()
    expect(outcome).toBe('unvouched')
  }
})

describe('a register moves only for what was looked at', () => {
  it('a module that is left out is named, where a register is predicted', async () => {
    const looked = await lookAt(updated())
    const { entry, vouch, next } = looked
    const less = entryWith(looked, { modules: entry.modules.slice(0, -1) })
    const words = 'the entry loads 2 modules, this boot measured 3: one is left out'
    expect((await vouch(less)).unvouched).toContain(words)
    const pcrs = next.raw.pcrs.map((pcr) => ({ ...pcr, predicted: null }))
    expect((await vouch({ ...less, raw: { ...next.raw, pcrs } })).unvouched).not.toContain(words)
  })

  it('a register whose value would be another with unchanged components is named', async () => {
    const { vouch, next } = await lookAt(updated())
    const pcrs = next.raw.pcrs.map((pcr) => (pcr.index === 19 ? { ...pcr, predicted: '00'.repeat(32) } : pcr))
    const { outcome, unvouched } = await vouch({ raw: { ...next.raw, pcrs } })
    expect(outcome).toBe('unvouched')
    expect(unvouched).toEqual(['PCR 19 would change, and nothing that is measured into it accounts for that'])
  })

  it('and one that moves for a packaged component is not', async () => {
    const { vouch } = await lookAt(updated())
    expect((await vouch({})).unvouched).toEqual([])
  })
})

describe('a file that no predicted register speaks of', () => {
  /** PCR 18 cannot be predicted, for whatever reason: Xen stands in no predicted register. */
  async function withoutXen(machine: SimMachine) {
    const { vouch, next } = await lookAt(machine)
    const pcrs = next.raw.pcrs.map((pcr) =>
      pcr.index === 18
        ? { ...pcr, predicted: null, components: [], code: 'module-unreadable' as const }
        : pcr,
    )
    return vouch({ raw: { ...next.raw, pcrs } })
  }

  it('is still compared with its package where the log shows that it changed', async () => {
    const machine = updated()
    expect((await withoutXen(machine)).unvouched).toEqual([])
    append(machine, XEN_IMAGE, 'evil')
    expect((await withoutXen(machine)).unvouched).toEqual([
      expect.stringContaining(`/${XEN_IMAGE} is not the file of xen-hypervisor`),
    ])
  })

  it('and its command line against this boot', async () => {
    const machine = updated()
    const text = Buffer.from(bootFilesOf(machine).get(GRUB)!.bytes).toString('latin1')
    const weak = text.replaceAll('smt=off', 'smt=on')
    bootFilesOf(machine).set(GRUB, { bytes: Buffer.from(weak, 'latin1'), mtimeMs: 0 })
    const { unvouched, looks } = await withoutXen(machine)
    expect(unvouched.join()).toContain('+ smt=on, - smt=off')
    expect(looks).toContainEqual({ kind: 'grub-config' })
  })

  it('is compared in the banks that the log has, and in no other one', async () => {
    const { vouch, next, log } = await lookAt(updated())
    // This TPM has a bank that tboot did not measure modules in.
    const rows = next.raw.pcrs.map((pcr) => ({ ...pcr, predicted: null, components: [] }))
    const other = rows.map((pcr) => ({ ...pcr, bank: 'sha1' as const }))
    const modules = log.modules.map((one) => ({ ...one, digests: { sha256: one.digests.sha256! } }))
    const place = { ...next.place, log: { ...log, modules } }
    const { unvouched } = await vouch({ raw: { ...next.raw, pcrs: [...rows, ...other] }, place })
    expect(unvouched).toEqual([])
  })

  it('is not compared with what is not known where the rules of this machine are not', async () => {
    const { vouch, next } = await lookAt(updated())
    const pcrs = next.raw.pcrs.map((pcr) => ({ ...pcr, predicted: null, components: [] }))
    const { unvouched } = await vouch({ raw: { ...next.raw, calibrated: false, variant: null, pcrs } })
    expect(unvouched).toEqual([])
  })
})

describe('the command line of an image that did not change', () => {
  const EVIL = 'init=/bin/sh'

  /** The kernel's line has a word more, in the entry and in what was predicted. */
  async function withWord(kind: LaunchLog['kind'], rule: CommandLineRule = 'whole') {
    const { entry, log, vouch, next } = await lookAt(updated())
    const longer = <T extends { role: string; commandLine: string | null }>(one: T): T =>
      one.role === 'kernel' ? { ...one, commandLine: `${one.commandLine} ${EVIL}` } : one
    const pcrs = next.raw.pcrs.map((pcr) => ({ ...pcr, components: pcr.components.map(longer) }))
    const modules = entry.modules.map(longer)
    const launch = { ...next.place.launch, next: { entry: { ...entry, modules }, why: null } }
    const place = { ...next.place, launch, log: { ...log, kind } }
    const variant = { ...next.raw.variant!, commandLine: rule }
    return vouch({ raw: { ...next.raw, pcrs, variant }, place })
  }

  it('is shown by the digest where tboot hashes both together', async () => {
    // A digest of both that did not change is of the line too.
    const { prediction } = await withWord('tboot')
    const kernel = prediction.pcrs.flatMap((pcr) => pcr.components).find(({ role }) => role === 'kernel')
    expect(kernel).toMatchObject({
      commandLine: expect.stringContaining(EVIL),
      vouchedBy: { rule: 'unchanged', why: expect.stringContaining('of these bytes and this command line') },
    })
  })

  it.each([
    ['it is not measured with the image (TrenchBoot)', 'trenchboot', 'whole'],
    ['tboot leaves its first word out', 'tboot', 'first-word-stripped'],
  ] as const)('is asked apart where %s', async (_, kind, rule) => {
    const { outcome, unvouched } = await withWord(kind, rule)
    expect(outcome).toBe('unvouched')
    expect(unvouched.join()).toContain(`+ ${EVIL}`)
  })
})

async function digestsOf(bytes: Uint8Array): Promise<Digests> {
  const chunks = (async function* () {
    yield bytes
  })()
  return (await digestImage(chunks, { banks: ['sha1', 'sha256'], stored: true })).digests
}

describe('a changed image whose command line nothing else shows', () => {
  it('is that of this boot where the log holds the digest of the line and of an image of this boot', async () => {
    const machine = updated()
    const { next, log } = await lookAt(machine)
    const { entry } = next.place.launch.next
    const at = entry!.modules.findIndex(({ role }) => role === 'xen')
    // `xl info` does not answer; the image of this boot is known from an approved boot.
    const machineFacts = { ...next.place.machine, xen: { ...next.place.machine.xen, commandLine: null } }
    const place = { ...next.place, machine: machineFacts }
    const host = makeSimulatedHost(machine)
    const vouch = (remembered: readonly Digests[], own = place) =>
      vouchNextBoot(observeDom0(host), { ...next, place: own }, { ...NO_EVIDENCE, remembered })
    expect((await vouch([])).unvouched.join()).toContain('xl info could not be read')
    expect((await vouch([await digestsOf(Buffer.from('another Xen'))])).outcome).toBe('unvouched')
    const own = await digestsOf(machine.booted!.xen!.image)
    expect((await vouch([own])).unvouched).toEqual([])
    // It lies on the device still.
    const { launch } = next.place
    const kept = { ...launch.images[`/${XEN_IMAGE}`]!, digests: own }
    const beside = { ...place, launch: { ...launch, images: { ...launch.images, '/xen-4.17.3.gz': kept } } }
    expect((await vouch([], beside)).unvouched).toEqual([])
    // A log of another line.
    const modules = log.modules.map((one, index) =>
      index === at ? { ...one, digests: { sha256: '00'.repeat(32) } } : one,
    )
    const other = { ...place, log: { ...log, modules } }
    expect((await vouch([own], other)).outcome).toBe('unvouched')
  })
})
