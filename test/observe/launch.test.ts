/* Long: one look at a device, and each part of it that may fail or be another one. */

import { describe, expect, it } from 'vitest'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import {
  observeBootDeviceLaunch,
  observeEntries,
  observeOtherDeviceLaunch,
} from '../../src/observe/launch/launch.ts'
import { edit, GRUB_CFG, putEntryInFront, putOnBoot } from '../support/attack.ts'
import { machineOf } from '../support/built-in.ts'
import { sklFile } from '../support/trenchboot-launch.ts'
import { configurationOf, grubOf, uefiDom0 } from '../support/uefi-dom0.ts'

/* What is told of a launch where a look at its device fails, or another device boots next. */

async function look(
  change: (machine: SimMachine) => void = () => undefined,
  told: (own: Host) => Partial<Host> = () => ({}),
) {
  const machine = machineOf('two-devices')
  change(machine)
  const own = makeSimulatedHost(machine)
  const host = { ...own, ...told(own) }
  const dom0 = observeDom0(host)
  const [facts, log, { devices }] = [await dom0.machine(), await dom0.log(), await dom0.devices()]
  const find = (label: string) => devices.find((one) => one.label === label)!
  return {
    launch: () => observeBootDeviceLaunch(host, find('aem'), facts, log),
    stick: (ofBoot: typeof log | null = log) =>
      observeOtherDeviceLaunch(host, find('aem'), find('aem.stick'), facts, ofBoot),
    entries: () => observeEntries(host, find('aem'), facts, log),
  }
}

const putOn = (machine: SimMachine, uuid: string, path: string, text: string | null, mtimeMs = 0): void => {
  const { files } = findDevice(machine, uuid)!
  if (text === null) files.delete(path)
  else files.set(path, { bytes: Buffer.from(text), mtimeMs })
}
const AEM = ['AEM Qubes, with Xen hypervisor']
const PLAIN = ['Qubes, with Xen hypervisor']

describe('a device without a grub.cfg that can be read', () => {
  it.each([
    ['none', null, /^there is no grub\.cfg on the device$/],
    ['one that GRUB itself does not read', 'if true', /\S/],
  ] as const)('has no entry, with the reason: %s', async (_what, text, why) => {
    const { launch } = await look((machine) => putOn(machine, INTERNAL.uuid, GRUB_CFG, text))
    const { booted, next, odd, isGrubRead, images, tboot } = await launch()
    expect([booted.entry, next.entry, odd, isGrubRead, images, tboot]).toEqual([
      ...[null, null, [], false, {}, null],
    ])
    expect(booted.why).toMatch(why)
    expect(next.why).toBe(booted.why)
    if (text !== null) expect(next.why).not.toContain('there is no grub.cfg')
  })
})

describe('the entries of a device', () => {
  it('are told without their files, and the device is closed again', async () => {
    let open = 0
    const opened: string[] = []
    const { entries } = await look(undefined, (own) => ({
      async openMedia(wanted) {
        const media = await own.openMedia(wanted)
        if (media.state !== 'seen') return media
        open += 1
        opened.push(wanted.uuid)
        const close = async () => {
          open -= 1
          await media.value.close()
        }
        return seen({ root: media.value.root, close })
      },
      openFile: async (path) => unknown(`nobody asks for ${path}`),
    }))
    const found = await entries()
    expect([found.booted?.titlePath, found.next?.titlePath, found.odd]).toEqual([
      found.next?.titlePath,
      found.booted?.titlePath,
      [],
    ])
    expect(found.booted?.flavour).toBe('tboot')
    expect([opened.includes(INTERNAL.uuid), open]).toEqual([true, 0])
  })

  it('are the one that was booted and the one that boots next, by what each loads', async () => {
    const { entries } = await look((machine) =>
      edit(machine, INTERNAL.uuid, GRUB_CFG, (text) => `${text}\nset default='${PLAIN[0]}'\n`),
    )
    const { booted, next } = await entries()
    expect([booted?.flavour, next?.flavour, next?.titlePath]).toEqual(['tboot', 'other', PLAIN])
  })

  it('are odd where one that is none of AEM hands the kernel what this boot was handed', async () => {
    const change = (machine: SimMachine): void =>
      putEntryInFront(machine, (entry) =>
        entry
          .replace(/menuentry 'AEM /, "menuentry 'Not of ")
          .replace(/[ \t]*multiboot2?\s+\/tboot[^\n]*\n/, '')
          .replace(/module(\s+\/xen-)/, 'multiboot$1'),
      )
    const { launch, entries } = await look(change)
    const { odd = [] } = await launch()
    expect(odd).toEqual([expect.stringMatching(/^"Not of .*": /)])
    expect((await entries()).odd).toEqual(odd)
    expect(await (await look()).launch()).toMatchObject({ odd: [] })
  })
})

describe('the tboot that is looked into', () => {
  it('is that of the next boot, where it loads another one than was booted', async () => {
    const other = Buffer.from('another tboot')
    const { launch } = await look((machine) => {
      putOnBoot(machine, '/tboot-new.gz', other)
      putEntryInFront(machine, (entry) =>
        entry.replace(/'AEM /, "'AEM new ").replace('/tboot.gz', '/tboot-new.gz'),
      )
    })
    const { next, tboot, images } = await launch()
    expect(next.entry?.launcher?.path).toBe('/tboot-new.gz')
    expect(tboot === null ? null : Buffer.from(tboot)).toEqual(other)
    expect(images['/tboot-new.gz']?.storedDigests.sha256).toBe(sha256(other))
  })

  it('is none where it cannot be read a second time', async () => {
    const { launch } = await look(undefined, (own) => ({
      readFile: async (path) => (path.endsWith('/tboot.gz') ? unknown('I/O error') : own.readFile(path)),
    }))
    const { tboot, images } = await launch()
    expect([tboot, images['/tboot.gz']?.problem]).toEqual([null, null])
  })
})

describe('a next entry that names another SINIT module', () => {
  const OTHER = '/OLD_SINIT.BIN'
  const unchangedWith = async (bytes: string | Uint8Array) => {
    const { launch } = await look((machine) => {
      const { files } = findDevice(machine, INTERNAL.uuid)!
      const { mtimeMs } = files.get('/SINIT.BIN')!
      files.set(OTHER, { bytes: Buffer.from(bytes), mtimeMs })
      // With another word, so that the entry of this boot can be told.
      putEntryInFront(machine, (entry) =>
        entry
          .replace(/'AEM /, "'AEM new ")
          .replaceAll('/SINIT.BIN', OTHER)
          .replace(/(\/vmlinuz-[^\n]*)/, '$1 panic=10'),
      )
    })
    return launch()
  }

  it('is not that of this boot, though its file is as old', async () => {
    const { next, sinitUnchanged } = await unchangedWith('another module')
    expect(next.entry?.sinit.map(({ path }) => path)).toEqual([OTHER])
    expect(sinitUnchanged).toBe(false)
  })

  it('is that of this boot where it has the same bytes', async () => {
    const { files } = findDevice(machineOf('two-devices'), INTERNAL.uuid)!
    expect((await unchangedWith(files.get('/SINIT.BIN')!.bytes)).sinitUnchanged).toBe(true)
  })
})

describe('a next boot from another device', () => {
  const SINIT = '/SINIT.BIN'
  const isSinit = (path: string): boolean => path.endsWith(SINIT) && !path.startsWith('/boot/')

  it("has the other device's entry and files, and this boot's own beside them", async () => {
    const own = await (await look()).launch()
    const { stick } = await look((machine) => putOn(machine, STICK.uuid, '/tboot.gz', 'another tboot'))
    const found = await stick()
    expect(found.booted).toEqual(own.booted)
    expect(found.images).toEqual(own.images)
    expect(found.isGrubRead).toBe(true)
    expect(found.next.entry?.modules.map(({ commandLine }) => commandLine).join(' ')).toContain(STICK.uuid)
    expect(found.nextImages['/tboot.gz']?.storedDigests.sha256).toBe(sha256('another tboot'))
    expect(Buffer.from(found.tboot!).toString()).toBe('another tboot')
  })

  it('has no entry where the other device has no grub.cfg, whatever this one has', async () => {
    const { stick } = await look((machine) => putOn(machine, STICK.uuid, GRUB_CFG, null))
    const found = await stick()
    expect(found.booted.entry?.titlePath).toEqual(AEM)
    expect([found.next, found.isGrubRead, found.nextImages, found.sinitUnchanged]).toEqual([
      { entry: null, why: 'there is no grub.cfg on the device' },
      ...[false, {}, null],
    ])
  })

  describe('its SINIT module', () => {
    const unchanged = async (...args: Parameters<typeof look>) =>
      (await (await look(...args)).stick()).sinitUnchanged

    it("is the one of this boot where it has that one's bytes", async () => {
      expect(await unchanged()).toBe(true)
      expect(await unchanged((machine) => putOn(machine, STICK.uuid, SINIT, 'another'))).toBe(false)
    })

    it("is not, though it is like this device's, where that one was written since", async () => {
      const written = (machine: SimMachine): void => {
        const { files } = findDevice(machine, INTERNAL.uuid)!
        files.set(SINIT, { ...files.get(SINIT)!, mtimeMs: machine.nowMs })
      }
      expect(await unchanged(written)).toBe(false)
    })

    it('is not known where it, or the one of this boot, cannot be read', async () => {
      for (const isIt of [isSinit, (path: string) => path === `/boot${SINIT}`])
        expect(
          await unchanged(undefined, (own) => ({
            openFile: async (path) => (isIt(path) ? unknown('I/O error') : own.openFile(path)),
            digestFile: async (path) => (isIt(path) ? unknown('I/O error') : own.digestFile(path)),
          })),
        ).toBeNull()
    })

    it('is not known where no entry of TrenchBoot names one, and one lies on the other device', async () => {
      const withoutName = (isOnStick: boolean) => (machine: SimMachine) => {
        for (const { uuid, files } of machine.devices) {
          if (uuid !== STICK.uuid || !isOnStick) files.delete(SINIT)
          const grub = files.get(GRUB_CFG)!
          const text = Buffer.from(grub.bytes)
            .toString('latin1')
            .replace(
              /(menuentry 'AEM [^\n]*\{\n)([\s\S]*?\n[ \t]*\}\n)/g,
              (_, head: string, body: string) => {
                const lines = body.split('\n').filter((line) => !/tboot\.gz|SINIT\.BIN/.test(line))
                const own = lines
                  .join('\n')
                  .replace(/module(\s+\/xen)/, 'multiboot2$1')
                  .replaceAll(/module(\s)/g, 'module2$1')
                return `${head}\tslaunch\n${own}`
              },
            )
          files.set(GRUB_CFG, { ...grub, bytes: Buffer.from(text, 'latin1') })
        }
      }
      // The log of the built-in machine is one of tboot.
      const withoutLog = async (isOnStick: boolean) =>
        (await (await look(withoutName(isOnStick))).stick(null)).sinitUnchanged
      expect(await withoutLog(false)).toBe(true)
      expect(await withoutLog(true)).toBeNull()
    })

    it('is not known where this boot came from no entry that is known', async () => {
      const removed = (machine: SimMachine): void => putOn(machine, INTERNAL.uuid, GRUB_CFG, null)
      expect(await unchanged(removed)).toBeNull()
    })
  })
})

describe('a launch by AMD', () => {
  const launchOf = async (machine: ReturnType<typeof uefiDom0>) => {
    const host = await makeRecordedHost(machine.write())
    const dom0 = observeDom0(host)
    return observeBootDeviceLaunch(host, await dom0.booted(), await dom0.machine(), await dom0.log())
  }

  it('has its SKL held against what was measured, whatever the date of the file says', async () => {
    expect((await launchOf(uefiDom0())).sinitUnchanged).toBe(true)
    const other = uefiDom0().withFile('/boot/SKL.BIN', sklFile('another SKL of the tests'))
    expect((await launchOf(other)).sinitUnchanged).toBe(false)
  })

  it('is refused by what is wrong with its entry first, and then by the SKL that it lacks', async () => {
    const without = grubOf().replace(/^.*SINIT module.*\n.*slaunch_module.*\n/m, '')
    const whyOf = async (ofXen: string) => {
      const machine = uefiDom0({ configuration: `${configurationOf()}${ofXen}` })
      return (await launchOf(machine.withFile('/boot/grub2/grub.cfg', without))).next.why
    }
    expect(await whyOf('')).toContain('SKL.BIN')
    expect(await whyOf('    ucode=evil.bin\n')).toContain('sets "ucode"')
  })
})
