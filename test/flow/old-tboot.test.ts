import { expect, it, vi } from 'vitest'
import type { Loaded } from '../../src/host/simulated/grub/loader.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, finish, isSecretShown, put, start } from '../support/approved-machine.ts'
import { updateMicrocode } from '../support/two-devices.ts'

/* tboot before 1.9.4 hashes what follows the first word of a module's command line, so its log says nothing of that word. */

vi.mock(import('../../src/host/simulated/launch.ts'), async (importOriginal) => {
  const original = await importOriginal()
  const cut = (module: Loaded): Loaded => ({
    ...module,
    commandLine: module.commandLine.replace(/^ *[^ ]* */, ''),
  })
  return {
    ...original,
    launch: (machine, tboot, booted) => {
      original.launch(machine, tboot, { ...booted, modules: booted.modules.map(cut) })
      const named = (line: string): string => `verifying module "${line}"`
      machine.launchLog = booted.modules.reduce(
        (log, module) => log.replace(named(cut(module).commandLine), named(module.commandLine)),
        (machine.launchLog ?? '').replace('1.10.5', '1.9.3'),
      )
    },
  }
})

const changeFirstWord = (old: Uint8Array): Buffer => {
  const text = Buffer.from(old).toString()
  const changed = text.replaceAll(/(module\s+\/vmlinuz-\S+\s+)placeholder/g, '$1init=/evil')
  expect(changed).not.toBe(text)
  return Buffer.from(changed)
}

async function goThrough(change: ((old: Uint8Array) => Uint8Array) | null) {
  const machine = await approvedMachine()
  restartMachine(machine)
  updateMicrocode(machine)
  if (change !== null) put(machine, 'grub2/grub.cfg', change)
  const started = await start(machine)
  restartMachine(machine)
  const resumed = await finish(machine)
  return {
    isSealed: started.outcomes.includes('forward-seal: sealed'),
    isShown: isSecretShown(machine),
    exit: resumed.exit,
  }
}

it('another first word of the kernel line gets no forward seal, and is unexplained', async () => {
  expect(await goThrough(changeFirstWord)).toEqual({ isSealed: false, isShown: false, exit: 4 })
})

it('the word that AEM puts first gets one', async () => {
  expect(await goThrough(null)).toEqual({ isSealed: true, isShown: true, exit: 0 })
})
