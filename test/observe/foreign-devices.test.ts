import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { STEPS } from '../../src/flow/steps.ts'
import type { Host } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { observeDevices, openDevice } from '../../src/observe/device/devices.ts'
import { observeSlots } from '../../src/observe/device/freshness-slots.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeSealReadiness } from '../../src/observe/seal/seal-readiness.ts'
import { observeVerification } from '../../src/observe/verify/verify.ts'
import { ANSWERS } from '../support/answers.ts'
import { machineOf } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import { statusAnswerOf } from '../support/status.ts'
import { stepContext } from '../support/with-look.ts'

const FOREIGN = 'eeee-0000'

/** The machine with a stick of somebody else in it, and all UUIDs that were opened. */
function withStick(label: string, change: Partial<Host> = {}) {
  const machine = machineOf('two-devices')
  const own = makeSimulatedHost(machine)
  const opened: string[] = []
  const host: Host = {
    ...own,
    async run(call, input) {
      const answer = await own.run(call, input)
      if (call.id !== 'lsblk' || answer.state !== 'seen') return answer
      const { blockdevices } = JSON.parse(answer.value.stdout) as { blockdevices: object[] }
      const evil = { ...blockdevices[0], name: '/dev/sdz', label, uuid: FOREIGN, mountpoint: null }
      const stdout = JSON.stringify({ blockdevices: [evil, ...blockdevices] })
      return { ...answer, value: { ...answer.value, stdout } }
    },
    async openMedia(media) {
      opened.push(media.uuid)
      return own.openMedia(media)
    },
    ...change,
  }
  return { host, machine, opened }
}

async function look(host: Host) {
  const verified = await observeVerification(observeDom0(host), null)
  const { json } = await runMain(['devices', '--json'], { host })
  const { devices } = z.object({ devices: ANSWERS.status.shape.aem.shape.devices }).parse(json)
  return { devices, verified, text: (await runMain(['devices'], { host })).stdout }
}

describe('a plugged-in device with an AEM label that dom0 does not know', () => {
  it('is listed and never opened', async () => {
    const { host, opened } = withStick('aem.evil')
    const { devices, verified, text } = await look(host)
    expect(opened.length).toBeGreaterThan(0)
    expect(opened).not.toContain(FOREIGN)
    expect(devices.find(({ uuid }) => uuid === FOREIGN)).toMatchObject({
      label: 'aem.evil',
      known: false,
      bootFiles: null,
      sealed: null,
      work: null,
    })
    // Nothing of it is compared with dom0's own copy: there is one answer, that it was not opened.
    expect(verified.find(({ device }) => device === 'aem.evil')).toEqual({
      device: 'aem.evil',
      booted: false,
      present: true,
      ok: null,
      checks: [{ id: 'media-current', ok: null, detail: expect.stringContaining('not opened') }],
    })
    expect(text).toMatch(/not opened[\s\S]*do not boot from it/)
  })

  it.each(['aem', 'aem.stick'])('is one too under the label %s of a device of this dom0', async (label) => {
    const { host, opened, machine } = withStick(label)
    const { devices, verified } = await look(host)
    expect(opened).not.toContain(FOREIGN)
    expect(devices.filter(({ known }) => !known).map(({ uuid }) => uuid)).toContain(FOREIGN)
    expect(verified.filter(({ device }) => device === label)).toHaveLength(label === 'aem' ? 1 : 2)
    // The device of this boot is told by its UUID.
    expect(devices.find(({ uuid }) => uuid === machine.bootDevice)).toMatchObject({ known: true })
  })

  it('has no freshness slot, and takes none from the device that has its label', async () => {
    const slotsOf = async (label: string) => {
      const { devices } = await observeSlots(observeDom0(withStick(label).host))
      return devices.map((own) => [own.label, own.slot])
    }
    const own = [
      ['aem', 0],
      ['aem.stick', 0],
    ]
    expect(await slotsOf('aem.evil')).toEqual(own)
    expect(await slotsOf('aem')).toEqual(own)
    // Of two sticks neither of which this boot came from, nobody can tell which one dom0 knows.
    expect(await slotsOf('aem.stick')).toEqual([['aem', 0]])
  })

  it('is one too as a copy of the device of this boot, with its label and its UUID', async () => {
    const machine = machineOf('two-devices')
    const own = makeSimulatedHost(machine)
    const host: Host = {
      ...own,
      async run(call, input) {
        const answer = await own.run(call, input)
        if (call.id !== 'lsblk' || answer.state !== 'seen') return answer
        const { blockdevices } = JSON.parse(answer.value.stdout) as { blockdevices: { label: string }[] }
        const copy = {
          ...blockdevices.find(({ label }) => label === 'aem'),
          name: '/dev/sdz',
          mountpoint: null,
        }
        const stdout = JSON.stringify({ blockdevices: [copy, ...blockdevices] })
        return { ...answer, value: { ...answer.value, stdout } }
      },
    }
    const devices = await observeDevices(host, { aemUuid: machine.bootDevice })
    expect(devices.filter(({ label }) => label === 'aem').map(({ isForeign }) => isForeign)).toEqual([
      true,
      false,
    ])
    const { checks } = await observeSealReadiness(observeDom0(host), await observeDom0(host).tpm(), [17])
    expect(checks.find(({ id }) => id === 'device-unique')?.ok).not.toBe(true)
  })

  it('is opened by no look where dom0’s own list cannot be read', async () => {
    const { host, opened } = withStick('aem.stick')
    await look({
      ...host,
      kind: 'real',
      listDirectory: async (path) =>
        path === '/var/lib/anti-evil-maid' ? { state: 'unknown', why: 'no' } : host.listDirectory(path),
    })
    expect(opened).not.toContain(FOREIGN)
  })

  it('is opened by nobody who asks for its files', async () => {
    const { host, opened, machine } = withStick('aem.evil')
    const devices = await observeDevices(host, { aemUuid: machine.bootDevice })
    const foreign = devices.find(({ uuid }) => uuid === FOREIGN)
    if (!foreign) throw new Error('it is not listed')
    expect(await openDevice(host, foreign)).toMatchObject({
      state: 'unknown',
      why: expect.stringContaining('not opened'),
    })
    expect(opened).toEqual([])
  })

  it('under the label of the device of this boot leaves its protection as it is', async () => {
    const { host, machine } = withStick('aem')
    const [own, beside] = [await statusAnswerOf(makeSimulatedHost(machine)), await statusAnswerOf(host)]
    expect(beside.aem.devices.filter(({ label }) => label === 'aem')).toHaveLength(2)
    expect(beside.protection).toEqual(own.protection)
  })

  it('is nothing that is left to boot from', async () => {
    const { host } = withStick('aem.evil')
    const report = await STEPS['next-device'](stepContext(host))
    expect(report.facts.devicesLeft).toEqual(['aem.stick'])
  })
})
