import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBootContents } from '../../src/observe/launch/approved-boot.ts'
import { observeBootDeviceLaunch, observeOtherDeviceLaunch } from '../../src/observe/launch/launch.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { edit, editEntries, GRUB_CFG, putEntryInFront, putOnBoot } from '../support/attack.ts'
import { machineOf } from '../support/built-in.ts'

/** Entries and files of the device of this boot and of another one, on the built-in machine. */

const FAILED = makeFailure('forward-seal-failed', { what: 'the log could not be read' })

async function look(
  change: (machine: SimMachine) => void = () => undefined,
  told: (own: Host) => Partial<Host> = () => ({}),
  log?: Parameters<typeof observeBootDeviceLaunch>[3],
) {
  const machine = machineOf('two-devices')
  change(machine)
  const own = makeSimulatedHost(machine)
  const host = { ...own, ...told(own) }
  const dom0 = observeDom0(host)
  const facts = await dom0.machine()
  const read = log === undefined ? await dom0.log() : log
  const { devices } = await dom0.devices()
  const find = (label: string) => devices.find((one) => one.label === label)!
  return {
    booted: () => observeBootDeviceLaunch(host, find('aem'), facts, read),
    stick: (booted = true) =>
      observeOtherDeviceLaunch(host, booted ? find('aem') : null, find('aem.stick'), facts, read),
  }
}

describe('the files of an entry', () => {
  it('are read once, in both banks', async () => {
    const opened: string[] = []
    const { booted } = await look(undefined, (own) => ({
      openFile: async (path) => {
        opened.push(path)
        return own.openFile(path)
      },
    }))
    const { images } = await booted()
    expect(new Set(opened).size).toBe(opened.length)
    for (const { digests } of Object.values(images))
      expect(Object.keys(digests).sort()).toEqual(['sha1', 'sha256'])
  })

  it('are those of both entries where the next boot is without AEM', async () => {
    const { booted } = await look((machine) =>
      edit(machine, INTERNAL.uuid, GRUB_CFG, (text) => `${text}\nset default='${PLAIN_ENTRY[0]}'\n`),
    )
    const launch = await booted()
    expect([launch.booted.entry?.flavour, launch.next.entry?.flavour]).toEqual(['tboot', 'other'])
    const files = [launch.booted.entry!, launch.next.entry!].flatMap((entry) => [
      entry.launcher?.path,
      ...entry.modules.map(({ path }) => path),
    ])
    for (const path of files) expect(Object.keys(launch.images)).toContain(path)
  })

  it('are none of an entry that loads none, and nothing fails there', async () => {
    const title = 'Memory test'
    const { booted } = await look((machine) =>
      edit(
        machine,
        INTERNAL.uuid,
        GRUB_CFG,
        (text) => `${text}\nmenuentry '${title}' {\n\tchainloader +1\n}\nset default='${title}'\n`,
      ),
    )
    const launch = await booted()
    expect(launch.next.entry).toMatchObject({ titlePath: [title], launcher: null, modules: [], sinit: [] })
    expect(Object.keys(launch.images)).toContain('/tboot.gz')
    expect(launch.xen.next).toBeNull()
  })

  it('count only where they were hashed: a tboot that was not is not looked into', async () => {
    const isTboot = (path: string): boolean => path.endsWith('/tboot.gz')
    const { booted } = await look(undefined, (own) => ({
      openFile: async (path) => (isTboot(path) ? unknown('I/O error') : own.openFile(path)),
      digestFile: async (path) => (isTboot(path) ? unknown('I/O error') : own.digestFile(path)),
    }))
    expect((await booted()).tboot).toBeNull()
  })

  it.each(['xzio', 'lzopio'])('cannot be told by digests alone where grub.cfg loads %s', async (name) => {
    const { booted } = await look(
      (machine) =>
        editEntries(machine, (entry) => entry.replace('\tinsmod ext2', `\tinsmod ext2\n\tinsmod ${name}`)),
      () => ({ openFile: async () => unknown('not recorded') }),
    )
    const { images } = await booted()
    expect(images[`/vmlinuz-${KERNEL_RELEASE}`]).toMatchObject({ digests: {} })
    // What a gzip file unpacks to is recorded with it.
    expect(images[`/${XEN_IMAGE}`]).toMatchObject({ kind: 'gzip', problem: null })
    expect(images[`/${XEN_IMAGE}`]?.digests.sha256).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('the entry of this boot', () => {
  it('is not known without /proc/cmdline', async () => {
    const { booted } = await look(undefined, (own) => ({
      readFile: async (path) => (path === '/proc/cmdline' ? ABSENT : own.readFile(path)),
    }))
    expect((await booted()).booted).toEqual({ entry: null, why: '/proc/cmdline cannot be read' })
  })

  it('is the one that loads as many modules as the log has; without a log that is not asked', async () => {
    const twin = (machine: SimMachine) =>
      putEntryInFront(machine, (entry) =>
        entry.replace(
          /\n([ \t]*)module(\s+)(\/initramfs[^\n]*)/,
          '\n$1module$2$3\n$1module$2/initramfs-more.img',
        ),
      )
    const { booted } = await look(twin)
    const found = await booted()
    expect(found.next.entry?.modules).toHaveLength(4)
    expect(found.booted.entry?.modules).toHaveLength(3)
    for (const log of [null, FAILED]) {
      const { booted: without } = await look(undefined, undefined, log)
      expect((await without()).booted.entry?.modules).toHaveLength(3)
    }
  })
})

describe('the SINIT modules of another device', () => {
  const twoModules = (uuid: string, names: readonly string[]) => (machine: SimMachine) => {
    const { files } = machine.devices.find((one) => one.uuid === uuid)!
    const sinit = files.get('/SINIT.BIN')!
    files.set('/SINIT2.BIN', { bytes: Buffer.from('another SINIT'), mtimeMs: sinit.mtimeMs })
    edit(machine, uuid, GRUB_CFG, (text) =>
      text.replace(/([ \t]*)module(\s+)\/SINIT\.BIN[^\n]*\n/g, (_, indent: string, blank: string) =>
        names.map((name) => `${indent}module${blank}/${name}\n`).join(''),
      ),
    )
  }

  it('are those of this boot in whatever order', async () => {
    const { stick } = await look((machine) => {
      twoModules(INTERNAL.uuid, ['SINIT.BIN', 'SINIT2.BIN'])(machine)
      twoModules(STICK.uuid, ['SINIT2.BIN', 'SINIT.BIN'])(machine)
    })
    const { next, sinitUnchanged } = await stick()
    expect(next.entry?.sinit).toHaveLength(2)
    expect(sinitUnchanged).toBe(true)
  })

  it('cannot be compared where the device of this boot is out', async () => {
    const { stick } = await look()
    const { booted, sinitUnchanged } = await stick(false)
    expect([booted.entry, sinitUnchanged]).toEqual([null, null])
  })
})

it('of two further modules of an approved boot the one that was overwritten since is not proven', async () => {
  const machine = machineOf('clean-update')
  const names = ['/extra-a.img', '/extra-b.img']
  for (const name of names) putOnBoot(machine, name, Buffer.from(`what ${name} held`))
  const lines = names.map((name) => `\tmodule\t${name}\n`).join('')
  editEntries(machine, (entry) => entry.replace(/\t+module\s+\/SINIT/, (sinit) => `${lines}${sinit}`))
  restartMachine(machine)
  putOnBoot(machine, '/extra-b.img', Buffer.from('another one'))
  const dom0 = observeDom0(makeSimulatedHost(machine))
  const device = (await dom0.booted())!
  const { files } = await observeBootContents(dom0, device, await dom0.machine(), await dom0.tpm())
  const isProven = (path: string) => files.find((file) => file.path === path)?.isMeasured
  expect(names.map(isProven)).toEqual([true, false])
  expect(isProven(`/${XEN_IMAGE}`)).toBe(true)
})

it('each device is closed again', async () => {
  let open = 0
  let opened = 0
  const { stick } = await look(undefined, (own) => ({
    async openMedia(wanted) {
      const media = await own.openMedia(wanted)
      if (media.state !== 'seen') return media
      open += 1
      opened += 1
      const close = async () => {
        open -= 1
        await media.value.close()
      }
      return seen({ root: media.value.root, close })
    },
  }))
  await stick()
  expect([opened > 0, open]).toEqual([true, 0])
})
