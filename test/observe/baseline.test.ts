import { describe, expect, it } from 'vitest'
import type { Baseline } from '../../src/core/session/checkpoint.ts'
import { ABSENT, type Host, seen } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import {
  bootFilesOf,
  SELECTED_PCRS,
  type SimMachine,
  sha256,
  TPM_ID,
} from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline, observeComponents } from '../../src/observe/launch/baseline.ts'
import type { TpmFacts } from '../../src/observe/launch/pcrs.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { putOnBoot } from '../support/attack.ts'
import { machineOf } from '../support/built-in.ts'

/* What is noted of a boot before the next one, on the built-in machine. */

function dom0Of(machine: SimMachine, told: (own: Host) => Partial<Host> = () => ({})): Dom0 {
  const own = makeSimulatedHost(machine)
  return observeDom0({ ...own, ...told(own) })
}

/** The same look, with other answers of the TPM. */
function withTpm(machine: SimMachine, change: (tpm: TpmFacts) => Partial<TpmFacts>): Dom0 {
  const dom0 = dom0Of(machine)
  return {
    ...dom0,
    tpm: async () => {
      const tpm = await dom0.tpm()
      return { ...tpm, ...change(tpm) }
    },
  }
}

const tamper = (machine: SimMachine): void => {
  const file = bootFilesOf(machine).get(XEN_IMAGE)!
  bootFilesOf(machine).set(XEN_IMAGE, { ...file, bytes: changeOneByte(file.bytes) })
}

describe('a boot is noted', () => {
  it('with the registers, the lines, the files and the packages of it', async () => {
    const machine = machineOf('clean-update')
    const dom0 = dom0Of(machine)
    const { kernelCommandLine, xen, bootId, bootTime } = await dom0.machine()
    const noted = (await observeBaseline(dom0, SELECTED_PCRS))!
    expect(noted).toMatchObject({
      takenAt: new Date(machine.nowMs).toISOString(),
      ...{ bootId, bootTime, bank: 'sha256', selectedPcrs: [...SELECTED_PCRS], kernelCommandLine },
      xenCommandLine: xen.commandLine,
      runningXen: { version: xen.version, buildId: xen.buildId },
    })
    expect(noted.pcrs).toStrictEqual(machine.pcrs)
    const digestOf = (name: string) =>
      noted.bootFiles.find(({ path }) => path === `/boot/${name}`)?.digests?.sha256
    for (const name of [XEN_IMAGE, 'tboot.gz', 'grub2/grub.cfg'])
      expect(digestOf(name)).toBe(sha256(bootFilesOf(machine).get(name)!.bytes))
    const names = noted.packages.map(({ name, evr }) => `${name} ${evr}`)
    for (const wanted of ['xen-hypervisor', 'tboot', 'kernel']) {
      const { evr } = machine.packages.find(({ name }) => name === wanted)!
      expect(names).toContain(`${wanted} ${evr}`)
    }
    expect(noted.components?.map(({ role, pcr }) => [role, pcr])).toEqual(
      expect.arrayContaining([
        ['mle', 18],
        ['xen', 18],
        ['kernel', 19],
        ['initramfs', 19],
      ]),
    )
  })

  it('with what lies beside grub.cfg', async () => {
    const machine = machineOf('clean-update')
    const bytes = Buffer.from('# nothing\n')
    bootFilesOf(machine).set('grub2/custom.cfg', { bytes, mtimeMs: 0 })
    const noted = await observeBaseline(dom0Of(machine), SELECTED_PCRS)
    expect(noted?.grubFiles).toContainEqual({ path: '/boot/grub2/custom.cfg', sha256: sha256(bytes) })
  })

  it('with the registers of the banks that are there', async () => {
    const machine = machineOf('clean-update')
    const { sha1, sha256: own } = machine.pcrs
    const pcrsOf = async (pcrs: TpmFacts['pcrs']) =>
      (
        await observeBaseline(
          withTpm(machine, () => ({ pcrs })),
          SELECTED_PCRS,
        )
      )?.pcrs
    expect(await pcrsOf({ sha256: own! })).toStrictEqual({ sha256: own })
    expect(await pcrsOf({ sha1: sha1!, sha256: own! })).toStrictEqual({ sha1, sha256: own })
  })

  it('by a TPM 1.2 with its one bank', async () => {
    const sha1 = Object.fromEntries(SELECTED_PCRS.map((index) => [index, `${index}`.repeat(20)]))
    const noted = await observeBaseline(
      withTpm(machineOf('clean-update'), () => ({ version: '1.2', bank: 'sha1', pcrs: { sha1 } })),
      SELECTED_PCRS,
    )
    expect(noted?.bank).toBe('sha1')
    expect(noted?.pcrs).toStrictEqual({ sha1 })
    // The log does not lead to these.
    expect(noted?.components).toBeNull()
  })
})

describe('nothing is noted', () => {
  const noted = (dom0: Dom0, selected: readonly number[] = SELECTED_PCRS) => observeBaseline(dom0, selected)

  it('of registers that cannot be read, or that are none', async () => {
    const machine = machineOf('clean-update')
    expect(await noted(dom0Of(machine))).not.toBeNull()
    expect(await noted(dom0Of(machine), [])).toBeNull()
    expect(await noted(dom0Of(machine), [...SELECTED_PCRS, 24])).toBeNull()
    expect(await noted(withTpm(machine, () => ({ pcrs: {} })))).toBeNull()
  })

  it.each([null, 'sha384', 'sm3_256'] as const)('where AEM would seal to the bank %s', async (bank) => {
    const dom0 = withTpm(machineOf('clean-update'), ({ pcrs }) => ({
      bank,
      pcrs: { ...pcrs, sha384: pcrs.sha256!, sm3_256: pcrs.sha256! },
    }))
    expect(await noted(dom0)).toBeNull()
  })

  it('where a boot file is not that of its package', async () => {
    const machine = machineOf('clean-update')
    tamper(machine)
    expect(await noted(dom0Of(machine))).toBeNull()
  })

  it('where the boot device is out', async () => {
    const machine = machineOf('clean-update')
    for (const device of machine.devices) device.isPresent = false
    expect(await noted(dom0Of(machine))).toBeNull()
  })
})

describe('what a boot measured', () => {
  async function componentsOf(change: (own: Dom0) => Partial<Dom0> = () => ({})) {
    const machine = machineOf('clean-update')
    const own = dom0Of(machine)
    const dom0 = { ...own, ...change(own) }
    return observeComponents(dom0, await dom0.booted(), await dom0.machine())
  }

  it('is known by a log that leads to its registers, with the files of its entry', async () => {
    const found = await componentsOf()
    expect(found?.map(({ role, path }) => [role, path])).toEqual(
      expect.arrayContaining([
        ['mle', '/tboot.gz'],
        ['xen', `/${XEN_IMAGE}`],
      ]),
    )
  })

  it('is not known by one that leads elsewhere, cannot be read, or of which no bank is known', async () => {
    const unread = makeFailure('forward-seal-failed', { what: 'the log could not be read' })
    const tpm = (change: (facts: TpmFacts) => Partial<TpmFacts>) => (own: Dom0) => ({
      tpm: async () => ({ ...(await own.tpm()), ...change(await own.tpm()) }),
    })
    const other = tpm(({ pcrs }) => ({ pcrs: { sha256: { ...pcrs.sha256, 18: 'ab'.repeat(32) } } }))
    for (const change of [other, tpm(() => ({ pcrs: {} })), tpm(() => ({ bank: null }))])
      expect(await componentsOf(change)).toBeNull()
    expect(await componentsOf(() => ({ log: async () => unread }))).toBeNull()
  })
})

describe('the sealed files', () => {
  /** Each file that AEM made when it sealed, as it lies there. */
  function sealedOn(machine: SimMachine): Baseline['sealedFiles'] {
    const name = /^\/(?:var\/lib|aem)\/tpms\/[0-9a-f]{40}\/([^/]+)\/((?:key|secret)\.[^/]+)$/
    const listed = (files: SimMachine['dom0'], copy: 'dom0' | 'device') =>
      [...files].flatMap(([path, { bytes }]) => {
        const [, label = '', file = ''] = name.exec(path) ?? []
        return file === '' ? [] : [{ label, name: file, copy, sha256: sha256(bytes) }]
      })
    const present = machine.devices.filter(({ isPresent }) => isPresent)
    return [...listed(machine.dom0, 'dom0'), ...present.flatMap(({ files }) => listed(files, 'device'))]
  }
  const sorted = (files: Baseline['sealedFiles']) => files.map((file) => JSON.stringify(file)).sort()

  function twoSealed(): SimMachine {
    const machine = machineOf('two-devices')
    restartMachine(machine)
    return machine
  }

  it.each([
    ['is plugged in', true],
    ['is out', false],
  ])('are those of each device in both copies, where the stick %s', async (_, isPresent) => {
    const machine = twoSealed()
    machine.devices.find(({ isInternal }) => !isInternal)!.isPresent = isPresent
    let open = 0
    const dom0 = dom0Of(machine, (own) => ({
      async openMedia(wanted) {
        const media = await own.openMedia(wanted)
        if (media.state !== 'seen') return media
        open += 1
        const close = async () => {
          open -= 1
          await media.value.close()
        }
        return seen({ root: media.value.root, close })
      },
    }))
    const noted = (await observeBaseline(dom0, SELECTED_PCRS))!
    const expected = sealedOn(machine)
    const places = new Set(expected.map(({ label, copy }) => `${label} ${copy}`))
    expect(places.size).toBe(isPresent ? 4 : 3)
    expect(sorted(noted.sealedFiles)).toEqual(sorted(expected))
    expect(open).toBe(0)
  })

  it('are none where nothing says which TPM is in use', async () => {
    const machine = twoSealed()
    putOnBoot(machine, '/aem/tpms/null/aem/secret.fre.sealed2', Buffer.from('somebody’s'))
    const dom0 = dom0Of(machine, () => ({ readLink: async () => ABSENT }))
    expect((await observeBaseline(dom0, SELECTED_PCRS))?.sealedFiles).toEqual([])
    const known = await observeBaseline(dom0Of(twoSealed()), SELECTED_PCRS)
    expect(known?.sealedFiles).not.toEqual([])
    expect(await dom0Of(twoSealed()).tpmId()).toBe(TPM_ID)
  })
})
