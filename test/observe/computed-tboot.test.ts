import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { mleHashes } from '../../src/core/launch/mle-hash.ts'
import { replayValues } from '../../src/core/launch/replay.ts'
import { parseTbootLog } from '../../src/core/launch/tboot-log.ts'
import { ABSENT, type Host, unknown } from '../../src/host/host.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBootContents } from '../../src/observe/launch/approved-boot.ts'
import { observeNextBoot, observePrediction } from '../../src/observe/launch/prediction.ts'
import { tbootWith } from '../core/launch/tboot-image.ts'
import { machineOf } from '../support/built-in.ts'

/** A tboot on the boot device whose MLE hash this program computes, on the built-in machine. */

/** What the built-in machine's log says that tboot asked SINIT for. */
const ASKED = 0x02

/** The machine's launch with the event of the capabilities (0x40f) in it, and PCR 17 as it then is. */
function withCapabilitiesEvent(machine: SimMachine): void {
  const event = [
    'TBOOT: \t\t\t Event:',
    'TBOOT: \t\t\t     PCRIndex: 17',
    'TBOOT: \t\t\t         Type: 0x40f',
    `TBOOT: \t\t\t       Digest: ${'ca '.repeat(32)}`,
    'TBOOT: \t\t\t         Data: 0 bytes',
  ]
  const before = 'TBOOT: \t mle_hash:'
  machine.launchLog = machine.launchLog!.replace(before, [...event, before].join('\n'))
  const log = parseTbootLog(machine.launchLog)
  machine.pcrs.sha256![17] = replayValues(log, 'sha256', 17).at(-1)!
}

async function predict17(tboot: Uint8Array, change: (machine: SimMachine) => void = () => undefined) {
  const machine = machineOf('clean-update')
  withCapabilitiesEvent(machine)
  change(machine)
  bootFilesOf(machine).set('tboot.gz', { bytes: tboot, mtimeMs: machine.nowMs })
  const { raw, place } = await observeNextBoot(observeDom0(makeSimulatedHost(machine)), [17, 18, 19])
  return { ...raw.pcrs.find(({ index }) => index === 17), isMleComputed: place.isMleComputed }
}

describe('PCR 17 of another tboot', () => {
  it('is predicted where it asks SINIT for what the running one asked for', async () => {
    const found = await predict17(tbootWith(ASKED))
    expect(found).toMatchObject({ code: null, isMleComputed: true })
    expect(found.predicted).toMatch(/^[0-9a-f]{64}$/)
  })

  it('is refused where it asks for other capabilities', async () => {
    expect(await predict17(tbootWith(ASKED | 0x40))).toMatchObject({
      predicted: null,
      code: 'tboot-changed',
      reason: expect.stringContaining('asks SINIT for other capabilities'),
      isMleComputed: true,
    })
  })

  it('is refused where the log does not say what the running one asked for', async () => {
    const found = await predict17(tbootWith(ASKED), (machine) => {
      machine.launchLog = machine.launchLog!.replaceAll(/.*\bcapabilities: 0x.*\n/g, '')
    })
    expect(found).toMatchObject({
      ...{ predicted: null, code: 'tboot-changed', isMleComputed: true },
      reason: expect.stringContaining('what it asks SINIT for could not be compared'),
    })
  })

  it('cannot be told from the running one where the start of this boot is not known, which is no change', async () => {
    const machine = machineOf('clean-update')
    const real = makeSimulatedHost(machine)
    const host: Host = {
      ...real,
      readFile: async (path) => (path === '/proc/stat' ? ABSENT : real.readFile(path)),
    }
    const { raw } = await observeNextBoot(observeDom0(host), [17, 18, 19])
    for (const index of [17, 18])
      expect(raw.pcrs.find((pcr) => pcr.index === index)).toMatchObject({
        predicted: null,
        reason: expect.stringContaining('could not be told'),
      })
    // The policy of PCR 18 may be tboot's own; PCR 19 is predicted all the same.
    const { outcome, prediction } = await observePrediction(observeDom0(host), [17, 18, 19])
    expect(prediction.pcrs.map(({ predicted }) => predicted !== null)).toEqual([false, false, true])
    expect(outcome).toBe('partial')
  })

  it('is refused where its hash cannot be computed', async () => {
    expect(await predict17(Buffer.from('another tboot'))).toMatchObject({
      predicted: null,
      isMleComputed: false,
    })
  })
})

it('a tboot that was installed since this boot began is not shown to be the one of this boot', async () => {
  const predicted = async (change: (machine: SimMachine) => void) => {
    const machine = machineOf('clean-update')
    withCapabilitiesEvent(machine)
    change(machine)
    const { raw } = await observeNextBoot(observeDom0(makeSimulatedHost(machine)), [17, 18, 19])
    return raw.pcrs.find(({ index }) => index === 17)
  }
  expect((await predicted(() => undefined))?.predicted).toMatch(/^[0-9a-f]{64}$/)
  const since = await predicted((machine) => {
    const installedAtMs = machine.nowMs + 1000
    machine.packages = machine.packages.map((item) =>
      item.name === 'tboot' ? { ...item, installedAtMs } : item,
    )
  })
  expect(since).toMatchObject({ predicted: null, code: 'tboot-changed' })
})

it('a second tboot of the same package is not the one of this boot', async () => {
  const machine = machineOf('clean-update')
  withCapabilitiesEvent(machine)
  const bytes = Buffer.from('an older tboot')
  bootFilesOf(machine).set('tboot-old.gz', { bytes, mtimeMs: 0 })
  machine.packages = machine.packages.map((item) =>
    item.name === 'tboot'
      ? { ...item, files: new Map([...item.files, ['/boot/tboot-old.gz', sha256(bytes)]]) }
      : item,
  )
  const file = bootFilesOf(machine).get('grub2/grub.cfg')!
  const text = Buffer.from(file.bytes).toString('latin1')
  const evil = text.replaceAll('multiboot\t/tboot.gz', 'multiboot\t/tboot-old.gz')
  expect(evil).not.toBe(text)
  bootFilesOf(machine).set('grub2/grub.cfg', { ...file, bytes: Buffer.from(evil, 'latin1') })
  const { raw } = await observeNextBoot(observeDom0(makeSimulatedHost(machine)), [17, 18, 19])
  expect(raw.pcrs.find(({ index }) => index === 17)).toMatchObject({ predicted: null, code: 'tboot-changed' })
})

it('a Xen that carries an MLE header too, as that of TrenchBoot does, is hashed as no tboot', async () => {
  const machine = machineOf('clean-update')
  const put = (name: string, bytes: Uint8Array): void =>
    void bootFilesOf(machine).set(name, { bytes, mtimeMs: machine.nowMs })
  put(XEN_IMAGE, tbootWith(ASKED))
  const isComputed = async (): Promise<boolean> =>
    (await observeNextBoot(observeDom0(makeSimulatedHost(machine)), [17, 18])).place.isMleComputed
  put('tboot.gz', tbootWith(ASKED))
  expect(await isComputed()).toBe(true)
  // As TrenchBoot's 19_linux_xen_trenchboot writes it for BIOS (TrenchBoot/qubes-antievilmaid 18a0a74).
  const entry = `menuentry 'AEM Qubes, with Xen hypervisor' --id aem {
	slaunch
	search --no-floppy --fs-uuid --set=root ${INTERNAL.uuid}
	multiboot2	/${XEN_IMAGE} placeholder console=none
	module2	/vmlinuz-${KERNEL_RELEASE} placeholder ro aem.uuid=${INTERNAL.uuid}
	module2	/initramfs-${KERNEL_RELEASE}.img
	slaunch_module	/SINIT.BIN
}
`
  put('grub2/grub.cfg', Buffer.from(entry))
  const { place } = await observeNextBoot(observeDom0(makeSimulatedHost(machine)), [17, 18])
  expect(place.launch.next.entry).toMatchObject({ flavour: 'trenchboot' })
  expect(place.launch.tboot).not.toBeNull()
  expect(place.isMleComputed).toBe(false)
})

it('is hashed as it is, or unpacked', async () => {
  const isComputed = async (tboot: Uint8Array) => (await predict17(tboot)).isMleComputed
  const image = tbootWith(ASKED)
  expect(await isComputed(image)).toBe(true)
  expect(await isComputed(gzipSync(image))).toBe(true)
  expect(await isComputed(gzipSync(image).subarray(0, 20))).toBe(false)
})

describe('a tboot that cannot be hashed here', () => {
  async function rowOf(
    wanted: number,
    change: (machine: SimMachine) => void = () => undefined,
    told: (own: Host) => Partial<Host> = () => ({}),
    machine = machineOf('clean-update'),
    label: string | null = null,
  ) {
    withCapabilitiesEvent(machine)
    change(machine)
    const own = makeSimulatedHost(machine)
    const host = { ...own, ...told(own) }
    const dom0 = observeDom0(host)
    const { devices } = await dom0.devices()
    const device = devices.find((one) => one.label === label)
    const target = device === undefined ? null : { device, known: new Map<string, string>() }
    const { raw } = await observeNextBoot(dom0, [17, 18, 19], target)
    return raw.pcrs.find(({ index }) => index === wanted)
  }
  const CHANGED = { predicted: null, code: 'tboot-changed' }

  it('is that of this boot where its package is as old as this boot, to the second', async () => {
    const installedAt = (at: (machine: SimMachine) => number) => (machine: SimMachine) => {
      const installedAtMs = at(machine)
      machine.packages = machine.packages.map((item) =>
        item.name === 'tboot' ? { ...item, installedAtMs } : item,
      )
    }
    expect(
      (
        await rowOf(
          17,
          installedAt(({ bootTimeMs }) => bootTimeMs),
        )
      )?.code,
    ).toBeNull()
    expect(
      await rowOf(
        17,
        installedAt(({ bootTimeMs }) => bootTimeMs + 1000),
      ),
    ).toMatchObject(CHANGED)
  })

  it('is another one on another device that carries another one', async () => {
    const evil = { bytes: Buffer.from('another tboot'), mtimeMs: 0 }
    const onStick = (change: (files: Map<string, typeof evil>) => void) =>
      rowOf(
        17,
        ({ devices }) => change(devices.find(({ uuid }) => uuid === STICK.uuid)!.files as never),
        undefined,
        machineOf('two-devices'),
        'aem.stick',
      )
    expect((await onStick(() => undefined))?.code).toBeNull()
    expect(await onStick((files) => void files.set('/tboot.gz', evil))).toMatchObject(CHANGED)
  })

  it('of no package, or that cannot be read, could not be told from it, which is no change', async () => {
    const unowned = (machine: SimMachine) => {
      machine.packages = machine.packages.filter(({ name }) => name !== 'tboot')
    }
    const isTboot = (path: string): boolean => path.endsWith('/tboot.gz')
    const unread = (own: Host): Partial<Host> => ({
      openFile: async (path) => (isTboot(path) ? unknown('I/O error') : own.openFile(path)),
      digestFile: async (path) => (isTboot(path) ? unknown('I/O error') : own.digestFile(path)),
      readFile: async (path) => (isTboot(path) ? unknown('I/O error') : own.readFile(path)),
    })
    for (const look of [() => rowOf(17, unowned), () => rowOf(17, undefined, unread)])
      expect(await look()).toMatchObject({ code: null })
    // Its own policy is part of it.
    for (const look of [() => rowOf(18, unowned), () => rowOf(18, undefined, unread)])
      expect(await look()).toMatchObject({ predicted: null, code: 'tboot-unknown' })
  })
})

describe("tboot's command line in an approved boot", () => {
  /** The one that is kept, where SINIT measured a tboot with its own line, and another file may lie there now. */
  async function keptLine(file: Uint8Array, measured: Uint8Array = tbootWith(ASKED)) {
    const machine = machineOf('clean-update')
    bootFilesOf(machine).set('tboot.gz', { bytes: file, mtimeMs: machine.nowMs })
    // The image has no place for a line, so none is in its hash.
    const own = mleHashes(measured, '', ['sha256']).whole.sha256!
    const before = parseTbootLog(machine.launchLog!).events.find(({ origin }) => origin.kind === 'mle')
    const printed = (hex: string) => hex.replace(/../g, '$& ')
    machine.launchLog = machine.launchLog!.replaceAll(printed(before!.digests.sha256!), printed(own))
    const dom0 = observeDom0(makeSimulatedHost(machine))
    const device = (await dom0.booted())!
    const contents = await observeBootContents(dom0, device, await dom0.machine(), await dom0.tpm())
    return { line: contents.commandLines.mle, file: contents.files.find(({ role }) => role === 'mle') }
  }

  it('is proven where its hash is that of the log, packed or not', async () => {
    for (const file of [tbootWith(ASKED), gzipSync(tbootWith(ASKED))]) {
      const kept = await keptLine(file)
      expect(kept.line).toMatch(/logging=/)
      expect(kept.file).toMatchObject({ isMeasured: true })
    }
  })

  it('is not where another tboot was measured, or what lies there is none', async () => {
    const others = [tbootWith(ASKED | 0x40), gzipSync(tbootWith(ASKED)).subarray(0, 20), Buffer.from('none')]
    for (const file of others) {
      const kept = await keptLine(file)
      expect(kept.line).toBeNull()
      expect(kept.file).toMatchObject({ isMeasured: false })
    }
  })
})

it('the packages of an approved boot are not known where its start is not', async () => {
  const own = makeSimulatedHost(machineOf('clean-update'))
  const packagesOf = async (told: Partial<Host>) => {
    const dom0 = observeDom0({ ...own, ...told })
    const device = (await dom0.booted())!
    return (await observeBootContents(dom0, device, await dom0.machine(), await dom0.tpm())).packages
  }
  expect((await packagesOf({}))?.map(({ name }) => name)).toContain('tboot')
  const readFile: Host['readFile'] = async (path) => (path === '/proc/stat' ? ABSENT : own.readFile(path))
  expect(await packagesOf({ readFile })).toBeNull()
  const run: Host['run'] = async (call, input) =>
    call.id === 'rpm-query' ? unknown('no answer') : own.run(call, input)
  expect(await packagesOf({ run })).toBeNull()
})
