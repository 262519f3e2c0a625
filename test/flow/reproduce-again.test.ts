import { describe, expect, it } from 'vitest'
import { makeReproduce } from '../../src/flow/reproduce-again.ts'
import {
  buildMachine,
  INTERNAL,
  installInitramfsInput,
  makeBootInitramfs,
} from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, sha256 } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

/* The initramfs of this boot, made again after the restart. */

it('leaves none of the images that dom0 made for it behind, where they differ', async () => {
  const machine = buildMachine([INTERNAL], INTERNAL)
  restartMachine(machine)
  const name = `initramfs-${KERNEL_RELEASE}.img`
  // Packed by another dracut, so that dom0 makes another one now.
  installInitramfsInput(machine, 'dracut', '0:059-5.fc37')
  const { bytes } = bootFilesOf(machine).get(name)!
  const ui = makeScriptedUi({ '*': 'yes' })
  const reproduce = makeReproduce(observeDom0(makeSimulatedHost(machine)), ui, true)
  const look = { kind: 'initramfs', path: `/${name}`, kernelRelease: KERNEL_RELEASE } as const
  const { result, isAccepted } = await reproduce({ ...look, sha256: sha256(bytes) })
  expect([result.state, isAccepted, ui.asked]).toEqual(['different', false, []])
  expect('fresh' in result && result.fresh).not.toBeNull()
  const left = [...machine.dom0.keys()].filter((path) => path.startsWith('/run/aem-reseal/'))
  expect(left.filter((path) => path.endsWith('.img'))).toEqual([])
})

describe('where only its kernel modules differ', () => {
  async function look(asks: boolean, answer: 'yes' | 'no') {
    const machine = buildMachine([INTERNAL], INTERNAL)
    // Made while a stick was plugged in, whose module is not loaded now.
    const loaded = machine.loadedModules
    machine.loadedModules = ['dm-crypt', 'usb-storage']
    makeBootInitramfs(machine)
    machine.loadedModules = loaded
    restartMachine(machine)
    const path = `/initramfs-${KERNEL_RELEASE}.img`
    const { bytes } = bootFilesOf(machine).get(path.slice(1))!
    const ui = makeScriptedUi({ 'accept-modules': answer })
    const reproduce = makeReproduce(observeDom0(makeSimulatedHost(machine)), ui, asks)
    const initramfs = {
      kind: 'initramfs',
      path,
      kernelRelease: KERNEL_RELEASE,
      sha256: sha256(bytes),
    } as const
    const { result, isAccepted } = await reproduce(initramfs)
    expect(result.state).toBe('same-with-modules')
    return { isAccepted, asked: ui.asked, said: ui.said }
  }

  it('a person is asked on a line of its own, and their yes alone accepts it', async () => {
    const asked = { asked: ['accept-modules'], said: [''] }
    expect(await look(true, 'yes')).toEqual({ isAccepted: true, ...asked })
    expect(await look(true, 'no')).toEqual({ isAccepted: false, ...asked })
  })

  it('nobody is asked where there is no person, and it is not accepted', async () => {
    expect(await look(false, 'yes')).toEqual({ isAccepted: false, asked: [], said: [] })
  })
})
