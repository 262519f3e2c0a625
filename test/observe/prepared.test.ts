/* Long: each thing that the next boot was prepared for, changed and unread. */

import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { ABSENT, seen, unknown } from '../../src/host/host.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import {
  KERNEL_RELEASE,
  SELECTED_PCRS,
  type SimMachine,
  sha256,
  TPM_ID,
} from '../../src/host/simulated/model.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { nameOnDevice, observePrepared, observePreparedness } from '../../src/observe/launch/prepared.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { edit, GRUB_CFG } from '../support/attack.ts'
import { aSession, machineOf } from '../support/built-in.ts'
import { filesOf } from '../support/two-devices.ts'

/* What the next boot was prepared for, and whether it still lies there, on a machine with an internal device and a stick. */

const SEALED = 'secret.fre.sealed2'
const OTHER = 'ab'.repeat(32)
const unreadable = unknown('input/output error')

const look = (machine: SimMachine): Dom0 => observeDom0(makeSimulatedHost(machine))

/** The stick carries what dom0's /boot does. */
function sameDevices(): SimMachine {
  const machine = machineOf('two-devices')
  for (const [path, file] of filesOf(machine, INTERNAL.uuid))
    if (!path.startsWith('/aem/')) filesOf(machine, STICK.uuid).set(path, file)
  return machine
}

async function noted(machine = machineOf('two-devices')) {
  const baseline = (await observeBaseline(look(machine), SELECTED_PCRS))!
  return { machine, baseline, session: aSession({ baseline }) }
}

async function prepared(change: Partial<Session> = {}) {
  const { machine, session } = await noted(sameDevices())
  const own = { ...session, ...change }
  return { machine, session: { ...own, prepared: await observePrepared(look(machine), own) } }
}

/** Of what was prepared there, after something was changed, or with a dom0 that answers otherwise. */
async function changesAfter(
  change: (machine: SimMachine) => void,
  told: (dom0: Dom0) => Partial<Dom0> = () => ({}),
  about: Partial<Session> = {},
) {
  const { machine, session } = await prepared(about)
  change(machine)
  const dom0 = look(machine)
  const found = await observePreparedness({ ...dom0, ...told(dom0) }, session)
  return { ...found, whats: found?.changes.map(({ what }) => what) }
}
const nothing = () => undefined
const FITS = { state: 'fits', changes: [], notCompared: [] }

describe('what the next boot was prepared for', () => {
  it('is what was noted: files by their names on the device, packages, registers, and the seals of all devices', async () => {
    const { machine, baseline, session } = await noted()
    const found = (await observePrepared(look(machine), session))!
    const names = [
      `/vmlinuz-${KERNEL_RELEASE}`,
      `/initramfs-${KERNEL_RELEASE}.img`,
      '/SINIT.BIN',
      '/tboot.gz',
    ]
    expect(found.files.map(({ name }) => name)).toEqual(expect.arrayContaining(names))
    expect(found.files.map(({ name }) => name)).not.toContain(GRUB_CFG)
    for (const { name, sha256: own } of found.files)
      expect(own).toBe(sha256(filesOf(machine, INTERNAL.uuid).get(name)!.bytes))
    expect(found).toMatchObject({
      bootId: baseline.bootId,
      label: 'aem',
      grubConfig: sha256(filesOf(machine, INTERNAL.uuid).get(GRUB_CFG)!.bytes),
      entry: expect.stringMatching(/^[0-9a-f]{64}$/),
      luks: baseline.pcrs.sha256?.[13],
      selectedPcrs: [...SELECTED_PCRS],
    })
    expect(found.packages).toContainEqual({ name: 'tboot', evr: expect.any(String) })
    const token = found.sealed.filter(({ name }) => name === SEALED)
    expect(token.map(({ label, copy }) => [label, copy])).toEqual([
      ['aem', 'device'],
      ['aem', 'dom0'],
      ['aem.stick', 'dom0'],
    ])
  })

  it('is nothing where nothing was noted, or not of which boot', async () => {
    const { machine, session, baseline } = await noted()
    expect(await observePrepared(look(machine), { ...session, baseline: null })).toBeNull()
    expect(
      await observePrepared(look(machine), { ...session, baseline: { ...baseline, bootId: null } }),
    ).toBeNull()
  })

  it('has the entry only of the grub.cfg that was noted', async () => {
    const { machine, session } = await noted()
    edit(machine, INTERNAL.uuid, GRUB_CFG, (text) => `${text}\n# since\n`)
    const found = await observePrepared(look(machine), session)
    expect(found?.entry).toBeNull()
    expect(found?.grubConfig).not.toBe(sha256(filesOf(machine, INTERNAL.uuid).get(GRUB_CFG)!.bytes))
  })

  it('has a grub.cfg in either of its places', async () => {
    const machine = machineOf('two-devices')
    const files = filesOf(machine, INTERNAL.uuid)
    const config = files.get(GRUB_CFG)!
    files.delete(GRUB_CFG)
    files.set('/grub/grub.cfg', config)
    const { session } = await noted(machine)
    expect(await observePrepared(look(machine), session)).toMatchObject({
      grubConfig: sha256(config.bytes),
      entry: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
  })

  it('has the PCR 13 that was predicted, else that of the headers, and none where AEM does not seal to it', async () => {
    const { machine, session, baseline } = await noted()
    const luksOf = async (change: Partial<Session>) =>
      (await observePrepared(look(machine), { ...session, ...change }))?.luks
    const prediction = (predicted: string | null, bank = 'sha256') =>
      ({ calibrated: true, refusal: null, pcrs: [{ index: 13, bank, predicted }] }) as never
    expect(await luksOf({ prediction: prediction(OTHER) })).toBe(OTHER)
    expect(await luksOf({ prediction: prediction(OTHER, 'sha1') })).toBe(baseline.pcrs.sha256?.[13])
    expect(await luksOf({ prediction: prediction(null) })).toBe(baseline.pcrs.sha256?.[13])
    const without = { ...baseline, selectedPcrs: [17, 18, 19] }
    expect(await luksOf({ baseline: without, prediction: prediction(OTHER) })).toBeNull()
    // Then no header is backed up either.
    const host = makeSimulatedHost(machine)
    const run: typeof host.run = async (call, input) => {
      expect(call.id).not.toBe('luks-header')
      return host.run(call, input)
    }
    const found = await observePrepared(observeDom0({ ...host, run }), { ...session, baseline: without })
    expect(found?.luks).toBeNull()
  })

  it('has no seals where it is not known which TPM they are for', async () => {
    const { machine, session } = await noted()
    const found = await observePrepared({ ...look(machine), tpmId: async () => null }, session)
    expect(found?.sealed).toEqual([])
  })
})

describe('what was prepared', () => {
  it('still fits where nothing was changed, for the device of this boot as for another one', async () => {
    expect(await changesAfter(nothing)).toMatchObject(FITS)
    const stick = await changesAfter(nothing, undefined, { device: 'aem.stick' })
    expect(stick).toMatchObject(FITS)
  })

  it('is not asked after where nothing was prepared, or dom0 was restarted', async () => {
    const { machine, session } = await prepared()
    const dom0 = look(machine)
    expect(await observePreparedness(dom0, null)).toBeNull()
    expect(await observePreparedness(dom0, { ...session, prepared: null })).toBeNull()
    expect(await observePreparedness(dom0, { ...session, baseline: null })).toBeNull()
    const earlier = { ...session, prepared: { ...session.prepared!, bootId: 'boot-before' } }
    expect(await observePreparedness(dom0, earlier)).toBeNull()
  })

  it.each<[string, (machine: SimMachine) => void, string]>([
    [
      'a boot file',
      (machine) => filesOf(machine, INTERNAL.uuid).set('/SINIT.BIN', { bytes: Buffer.from('x'), mtimeMs: 0 }),
      '/SINIT.BIN changed',
    ],
    [
      'what the entry hands to Xen',
      (machine) => edit(machine, INTERNAL.uuid, GRUB_CFG, (text) => text.replaceAll('smt=off', 'smt=on')),
      'the entry of grub.cfg that boots next is another one',
    ],
    [
      'a package',
      ({ packages }) =>
        void packages.splice(
          packages.findIndex(({ name }) => name === 'dracut'),
          1,
        ),
      'dracut 0:059-4.fc37 was removed since',
    ],
    [
      'what AEM seals to',
      ({ dom0 }) =>
        void dom0.set('/etc/anti-evil-maid.conf', {
          bytes: Buffer.from('SEAL="--pcr 17 --pcr 18 --pcr 19"\n'),
          mtimeMs: 0,
        }),
      'SEAL of /etc/anti-evil-maid.conf takes PCR 17, 18, 19, not 13, 17, 18, 19',
    ],
    [
      'a LUKS header',
      (machine) => {
        machine.luksHeader = Buffer.from('another header')
      },
      'a LUKS header changed',
    ],
    [
      "dom0's sealed files",
      ({ dom0 }) =>
        void dom0.set(`/var/lib/tpms/${TPM_ID}/aem/${SEALED}`, { bytes: Buffer.from('x'), mtimeMs: 0 }),
      "AEM's sealed files are others (dom0's copy): something sealed since",
    ],
    [
      "the device's sealed files",
      (machine) =>
        filesOf(machine, INTERNAL.uuid).set(`/aem/tpms/${TPM_ID}/aem/${SEALED}`, {
          bytes: Buffer.from('x'),
          mtimeMs: 0,
        }),
      "AEM's sealed files are others (the copy on aem): something sealed since",
    ],
    [
      'the seal of a device that shares its freshness slot',
      ({ dom0 }) =>
        void dom0.set(`/var/lib/tpms/${TPM_ID}/aem.stick/${SEALED}`, { bytes: Buffer.from('x'), mtimeMs: 0 }),
      'AEM sealed for aem.stick since, which took the freshness slot of aem',
    ],
  ])('does not fit any more where %s was changed since', async (_, change, what) => {
    const { state, whats } = await changesAfter(change)
    expect([state, whats]).toEqual(['outdated', [what]])
  })

  it('does not fit where another device than that of this boot was prepared and changed', async () => {
    const evil = (machine: SimMachine) =>
      filesOf(machine, STICK.uuid).set('/SINIT.BIN', { bytes: Buffer.from('x'), mtimeMs: 0 })
    const { whats } = await changesAfter(evil, undefined, { device: 'aem.stick' })
    expect(whats).toEqual(['/SINIT.BIN changed'])
    expect(await changesAfter(evil)).toMatchObject(FITS)
  })
})

describe('what could not be looked at is neither changed nor fine', () => {
  const devicesWith = (change: (label: string) => object | null) => (dom0: Dom0) => ({
    async devices() {
      const all = await dom0.devices()
      const devices = all.devices.flatMap((one) => {
        const changed = change(one.label)
        return changed === null ? [] : [{ ...one, ...changed }]
      })
      return { ...all, devices }
    },
  })

  it.each<[string, (dom0: Dom0) => Partial<Dom0>, Partial<Session>, string]>([
    [
      'the device of this boot is out',
      () => ({ booted: async () => null }),
      {},
      'what the AEM device of this boot carries: it is not plugged in',
    ],
    [
      'another device is known and out',
      devicesWith((label) => (label === 'aem.stick' ? { present: false } : {})),
      { device: 'aem.stick' },
      'what aem.stick carries: it is not plugged in',
    ],
    [
      'it cannot be told which one it is',
      devicesWith((label) => (label === 'aem.stick' ? { uuid: null } : {})),
      { device: 'aem.stick' },
      'what aem.stick carries: the UUID of aem.stick is not known',
    ],
    [
      'it cannot be listed',
      ({ host }) => ({
        host: {
          ...host,
          listDirectory: async (path) => (path === '/boot' ? unreadable : host.listDirectory(path)),
        },
      }),
      {},
      'what aem carries: it cannot be listed',
    ],
    [
      'its seals cannot be listed',
      ({ host }) => ({
        host: {
          ...host,
          listDirectory: async (path) =>
            path.startsWith('/boot/aem/tpms/') ? unreadable : host.listDirectory(path),
        },
      }),
      {},
      "AEM's sealed files: they could not be read",
    ],
    [
      "dom0's own of one device cannot be listed",
      ({ host }) => ({
        host: {
          ...host,
          listDirectory: async (path) =>
            path.endsWith('/aem.stick') && path.startsWith('/var/lib/tpms')
              ? unreadable
              : host.listDirectory(path),
        },
      }),
      {},
      "AEM's sealed files: they could not be read",
    ],
    [
      'the TPM is not known',
      () => ({ tpmId: async () => null }),
      {},
      "AEM's sealed files: they could not be read",
    ],
    [
      'what AEM seals to is not known',
      () => ({ selectedPcrs: async () => null }),
      {},
      'SEAL of /etc/anti-evil-maid.conf: it cannot be read',
    ],
    [
      'the LUKS headers cannot be read',
      ({ host }) => ({
        host: {
          ...host,
          run: async (call, input) => (call.id === 'luks-header' ? unreadable : host.run(call, input)),
        },
      }),
      {},
      'the LUKS headers: they could not be read',
    ],
    [
      'rpm answers nothing',
      ({ rpm }) => ({ rpm: { ...rpm, packages: async () => unreadable } }),
      {},
      'the packages: rpm did not answer',
    ],
  ])('where %s', async (_, told, about, words) => {
    const found = await changesAfter(nothing, told, about)
    expect([found.state, found.changes]).toEqual(['not-compared', []])
    expect(found.notCompared).toContain(words)
  })

  it('where another device is not known any more', async () => {
    const told = devicesWith((label) => (label === 'aem.stick' ? null : {}))
    const { state, notCompared } = await changesAfter(nothing, told, { device: 'aem.stick' })
    expect(state).not.toBe('fits')
    expect(notCompared).toContain('what the AEM device of this boot carries: it is not plugged in')
  })

  it('rpm that answers of some packages alone does not say that the others are as they were', async () => {
    const { state } = await changesAfter(nothing, ({ rpm }) => ({
      rpm: { ...rpm, packages: async (name) => (name === 'tboot' ? unreadable : rpm.packages(name)) },
    }))
    expect(state).toBe('outdated')
  })

  it('a grub.cfg that cannot be understood counts by its bytes', async () => {
    for (const config of [null, makeFailure('log-unreadable', { what: 'x', next: 'y' })]) {
      const grub = () => ({ grub: async () => config })
      expect(await changesAfter(nothing, grub)).toMatchObject(FITS)
      const { whats } = await changesAfter(
        (machine) => edit(machine, INTERNAL.uuid, GRUB_CFG, (text) => `${text}# since\n`),
        grub,
      )
      expect(whats).toEqual(['grub.cfg changed, and which of its entries boots next cannot be told'])
    }
    expect(
      await changesAfter((machine) =>
        edit(machine, INTERNAL.uuid, GRUB_CFG, (text) => `${text}# a comment is no other entry\n`),
      ),
    ).toMatchObject(FITS)
  })
})

it('of a device of somebody else nothing is looked at', async () => {
  const { machine, session } = await noted()
  const dom0 = look(machine)
  const all = await dom0.devices()
  const devices = all.devices.map((one) => (one.label === 'aem.stick' ? { ...one, isForeign: true } : one))
  const found = await observePrepared({ ...dom0, devices: async () => ({ ...all, devices }) }, session)
  expect(new Set(found?.sealed.map(({ label }) => label))).toEqual(new Set(['aem']))
})

it('a device that was mounted for the look is closed again', async () => {
  const { machine, session } = await prepared({ device: 'aem.stick' })
  const host = makeSimulatedHost(machine)
  let [opened, open] = [0, 0]
  const counting = {
    ...host,
    async openMedia(wanted: Parameters<typeof host.openMedia>[0]) {
      const media = await host.openMedia(wanted)
      if (media.state !== 'seen') return media
      opened += 1
      open += 1
      const close = async () => {
        open -= 1
        await media.value.close()
      }
      return seen({ ...media.value, close })
    },
  }
  await observePreparedness(observeDom0(counting), session)
  const listDirectory = async () => ABSENT
  await observePreparedness(observeDom0({ ...counting, listDirectory }), session)
  expect([opened > 0, open]).toEqual([true, 0])
})

it.each([
  ['/boot/xen-4.17.4.gz', '/xen-4.17.4.gz'],
  ['/boot/efi/EFI/qubes/xen.efi', '/efi/EFI/qubes/xen.efi'],
  ['/bootx/xen.gz', '/bootx/xen.gz'],
  ['/efi/boot/bootx64.efi', '/efi/boot/bootx64.efi'],
  ['/run/aem-reseal/media/b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2/boot/xen.gz', '/boot/xen.gz'],
])('%s is %s on its device', (path, name) => {
  expect(nameOnDevice(path)).toBe(name)
})
