import { describe, expect, it } from 'vitest'
import type { LaterUpdate } from '../../src/core/decide/since-start.ts'
import type { Host } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, SELECTED_PCRS } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeBootDevice } from '../../src/observe/device/boot-device.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observeBootDeviceLaunch } from '../../src/observe/launch/launch.ts'
import { compareFiles } from '../../src/observe/launch/since-start.ts'
import { machineOf } from '../support/built-in.ts'

/* Which packages are asked about the boot files: each answer of rpm takes its time. On the built-in machine. */

const NAME = `vmlinuz-${KERNEL_RELEASE}`

type Told = {
  /** What is on the device since the baseline was taken. */
  readonly added?: string
  /** The baseline is one that noted no files beside grub.cfg. */
  readonly isOlder?: boolean
}

async function compare(
  later: readonly LaterUpdate[],
  isKernelChanged: boolean,
  { added, isOlder = false }: Told = {},
) {
  const machine = machineOf('clean-update')
  restartMachine(machine)
  const noted = (await observeBaseline(observeDom0(makeSimulatedHost(machine)), SELECTED_PCRS))!
  const { grubFiles, ...rest } = noted
  const taken = isOlder ? rest : noted
  expect(grubFiles).toBeDefined()
  if (added !== undefined) bootFilesOf(machine).set(added, { bytes: Buffer.from('a loader'), mtimeMs: 0 })
  const file = bootFilesOf(machine).get(NAME)!
  if (isKernelChanged) bootFilesOf(machine).set(NAME, { ...file, bytes: Buffer.from('another kernel') })
  const own = makeSimulatedHost(machine)
  const asked: (string | undefined)[] = []
  const run: Host['run'] = async (call, input) => {
    if (call.id === 'rpm-owner') asked.push(call.params.path)
    return own.run(call, input)
  }
  const dom0 = observeDom0({ ...own, run })
  const [device, facts] = [await dom0.booted(), await dom0.machine()]
  const { files } = await observeBootDevice(dom0, device, facts.xen.buildId)
  const launch = await observeBootDeviceLaunch(dom0.host, device, facts, await dom0.log())
  asked.length = 0
  const compared = await compareFiles(dom0, taken, files, {
    ...{ launch, later, isVouched: () => false, isPredicted: true },
    kernelRelease: facts.kernelRelease,
  })
  const changed = compared.filter(({ before, now }) => before !== now)
  return { asked, changed: changed.map(({ path, accountedBy }) => [path, accountedBy]) }
}

describe('of the boot files', () => {
  const evr = '1000:6.6.36-1.qubes.fc37'
  const kernel: LaterUpdate = {
    ...{ name: 'kernel', evr, component: 'kernel', before: null, isVerified: true, fault: null },
  }

  it('none that is as it was recorded is asked about', async () => {
    expect(await compare([kernel], false)).toEqual({ asked: [], changed: [] })
  })

  it('one that changed is asked about where a package came since, and only that one', async () => {
    expect(await compare([kernel], true)).toEqual({
      asked: [`/boot/${NAME}`],
      changed: [[`/boot/${NAME}`, null]],
    })
  })

  it('none is asked about where no package came: none can account for it', async () => {
    expect(await compare([], true)).toEqual({ asked: [], changed: [[`/boot/${NAME}`, null]] })
  })
})

describe("AMD's loader that was not noted before", () => {
  const changedOf = async (added: string, isOlder: boolean) =>
    (await compare([], false, { added, isOlder })).changed

  it.each(['skl.bin', 'SKL.BIN'])('is new where the baseline would have noted it: %s', async (name) => {
    expect(await changedOf(name, false)).toEqual([[`/boot/${name}`, null]])
  })

  it.each(['skl.bin', 'SKL.BIN'])('is nothing to a baseline of an older program: %s', async (name) => {
    expect(await changedOf(name, true)).toEqual([])
  })

  it.each(['xen-4.17.9.gz', 'other_SINIT.BIN'])(
    'is the only file passed over there: %s is not',
    async (name) => {
      expect(await changedOf(name, true)).toEqual([[`/boot/${name}`, null]])
    },
  )
})
