import { describe, expect, it } from 'vitest'
import type { Host } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { findBootedDevice, observeDevices } from '../../src/observe/device/devices.ts'
import { observeChangedLines } from '../../src/observe/device/entry-lines.ts'
import { isEntryRegenerated } from '../../src/observe/device/regenerated-entry.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeBootDeviceLaunch, observeEntries } from '../../src/observe/launch/launch.ts'
import { observeNextBoot } from '../../src/observe/launch/prediction.ts'
import { machineOf } from '../support/built-in.ts'

/** What is told of the entries of a device that has none, or is not there, on the built-in machine. */

const GRUB = 'grub2/grub.cfg'

async function deviceOf(host: Host) {
  const facts = await observeMachine(host)
  return { facts, device: findBootedDevice(await observeDevices(host, facts), facts.aemUuid)! }
}

function withGrub(text: string | null): SimMachine {
  const machine = machineOf('clean-update')
  if (text === null) for (const { files } of machine.devices) files.delete(`/${GRUB}`)
  else bootFilesOf(machine).set(GRUB, { bytes: Buffer.from(text, 'latin1'), mtimeMs: 0 })
  return machine
}

describe('a device without an entry of AEM', () => {
  const NONE = { booted: null, next: null, nextWhy: null, odd: [] }
  it.each<[string, string | null]>([
    ['no grub.cfg', null],
    ['one that GRUB itself does not read', 'if true'],
  ])('%s: has neither a booted nor a next entry, and no changed line', async (_, text) => {
    const host = makeSimulatedHost(withGrub(text))
    const { facts, device } = await deviceOf(host)
    expect(await observeEntries(host, device, facts)).toEqual(NONE)
    expect(await observeChangedLines(observeDom0(host), device, device, facts)).toEqual([])
  })

  it('an empty one: has none either, which is told as a changed line', async () => {
    const host = makeSimulatedHost(withGrub(''))
    const { facts, device } = await deviceOf(host)
    const found = await observeEntries(host, device, facts)
    expect(found).toEqual({ ...NONE, nextWhy: expect.any(String) })
    expect(await observeChangedLines(observeDom0(host), device, device, facts)).toEqual([
      `which entry boots next cannot be told: ${found.nextWhy}`,
    ])
  })

  it('is none at all where there is no device', async () => {
    const host = makeSimulatedHost(machineOf('clean-update'))
    const { facts } = await deviceOf(host)
    expect(await observeEntries(host, null, facts)).toEqual(NONE)
  })
})

describe('the files of the next boot', () => {
  const whyOf = async (host: Host, isThere: boolean) => {
    const { facts } = await deviceOf(host)
    const listed = (await observeDevices(host, facts))[0]!
    const device = isThere ? { ...listed, present: false } : null
    const { booted, next, images } = await observeBootDeviceLaunch(host, device, facts, null)
    expect([booted.entry, next.entry, images]).toEqual([null, null, {}])
    return next.why
  }

  it('are not known of a device that is out, or cannot be opened', async () => {
    const host = makeSimulatedHost(machineOf('clean-update'))
    expect(await whyOf(host, false)).toContain('is not plugged in')
    expect(await whyOf(host, true)).toContain('cannot be read')
  })
})

describe('the entry that boots next', () => {
  it('is made again by no dom0 where there is none, or no device', async () => {
    const host = makeSimulatedHost(machineOf('clean-update'))
    const { place } = await observeNextBoot(observeDom0(host), [17, 18, 19])
    expect(await isEntryRegenerated(host, place)).toBe(true)
    expect(await isEntryRegenerated(host, { ...place, device: null })).toBeNull()
    const launch = { ...place.launch, next: { entry: null, why: 'no entry' } }
    expect(await isEntryRegenerated(host, { ...place, launch })).toBeNull()
  })
})
