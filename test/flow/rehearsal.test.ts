import { describe, expect, it } from 'vitest'
import { postUpdate } from '../../flows/post-update.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeExplanation } from '../../src/observe/launch/explanation.ts'
import { observeVerification } from '../../src/observe/verify/verify.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import {
  machineOf,
  outcomesOf,
  type Rehearsal,
  RUN_OPTIONS,
  rehearse,
  SESSION_ID,
} from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

const KERNEL = 'vmlinuz-6.6.36-1.qubes.fc37.x86_64'
const INITRAMFS = 'initramfs-6.6.36-1.qubes.fc37.x86_64.img'
const XEN = 'xen-4.17.4.gz'
const GRUB = 'grub2/grub.cfg'

/** Changes a file of the boot device, and leaves its time as it was. */
function change(name: string, edit: (text: string) => string): (machine: SimMachine) => void {
  return (machine) => {
    const boot = bootFilesOf(machine)
    const file = boot.get(name)
    if (!file) throw new Error(`the boot device has no ${name}`)
    const text = edit(Buffer.from(file.bytes).toString('latin1'))
    boot.set(name, { bytes: Buffer.from(text, 'latin1'), mtimeMs: file.mtimeMs })
  }
}

const append = (text: string): string => `${text}!`
const weakenKernel = (text: string): string => text.replace('rhgb quiet', 'rhgb quiet init=/bin/sh')
const weakenXen = (text: string): string => text.replace('smt=off', 'smt=on iommu=no')

const ATTACKS = [
  ['the kernel', KERNEL, append],
  ['the initramfs', INITRAMFS, append],
  ['tboot', 'tboot.gz', append],
  ["Linux's command line in grub.cfg", GRUB, weakenKernel],
  ["Xen's command line in grub.cfg", GRUB, weakenXen],
] as const

function reasonsOf({ result }: Rehearsal): readonly { code: string; what: string }[] {
  const explained = result.steps.findLast(({ id }) => id === 'explain')
  return (explained?.facts as { reasons?: { code: string; what: string }[] } | undefined)?.reasons ?? []
}

function scenario(name: string) {
  const found = SCENARIOS.find((item) => item.name === name)
  if (!found) throw new Error(`no scenario ${name}`)
  return { machine: found.make(), whileOff: found.whileOff }
}

/** The last step of each scenario; a new one needs a row here. */
const LAST: Readonly<Record<string, string>> = {
  'clean-update': 'finish: finished',
  'evil-maid': 'explain: unexplained',
  'sinit-changed': 'explain: unexplained',
  'stale-stick': 'check-refresh: kept',
  'not-aem-boot': 'check-boot: not-aem-boot',
  unmeasured: 'check-boot: unmeasured',
  'seal-failed': 'reseal: failed',
  'two-devices': 'finish: devices-left',
  'no-aem': 'detect-aem: not-installed',
}

describe('the scenarios end as their table and the contract say', () => {
  it.each(SCENARIOS.map(({ name, exit }) => [name, exit] as const))('%s: exit %i', async (name, exit) => {
    const { result } = await rehearse(scenario(name))
    expect(result.exit).toBe(exit)
    expect(LAST[name], `say in LAST above with which outcome ${name} ends`).toBeDefined()
    expect(outcomesOf(result).at(-1)).toBe(LAST[name])
  })

  it('and none is gone', () => {
    expect(SCENARIOS.map(({ name }) => name).sort()).toEqual(Object.keys(LAST).sort())
  })
})

describe('clean-update', () => {
  it('seals forward: the secret is shown at the first boot already, and the copies fit', async () => {
    const { result, host, ui } = await rehearse(scenario('clean-update'))
    const outcomes = outcomesOf(result)
    expect(outcomes.filter((text) => text.startsWith('confirm-secret'))).toEqual(['confirm-secret: shown'])
    expect(outcomes.filter((text) => text.startsWith('explain'))).toEqual(['explain: explained'])
    expect(await observeVerification(observeDom0(host), null)).toMatchObject([{ device: 'aem', ok: true }])
    // As predicted, and the secret appeared: nothing is left to accept.
    expect(ui.asked.slice(-2)).toEqual(['restart', 'secret-shown'])
    expect(outcomes).toContain('accept-change: already-sealed')
  })

  it('changes PCR 18 alone, as a new Xen does under the legacy map', async () => {
    const { result } = await rehearse(scenario('clean-update'))
    const [first] = result.steps.filter(({ id }) => id === 'explain')
    const { pcrs } = (first?.facts ?? { pcrs: [] }) as { pcrs: { index: number; change: string }[] }
    expect(pcrs.map(({ index, change: kind }) => `${index} ${kind}`)).toEqual([
      '13 none',
      '17 none',
      '18 expected',
      '19 none',
    ])
  })

  it('stops where the user declines, and reseals nothing', async () => {
    const { result } = await rehearse({
      ...scenario('clean-update'),
      answers: { protection: 'plain', 'accept-change': 'no', '*': 'yes' },
    })
    expect(result.exit).toBe(1)
    expect(outcomesOf(result).at(-1)).toBe('accept-change: declined')
  })

  it('stops with an alarm where the user did not see the secret, after a forward seal', async () => {
    const { result } = await rehearse({
      ...scenario('clean-update'),
      answers: { 'secret-shown': 'no', '*': 'yes' },
    })
    expect(result.exit).toBe(4)
    expect(outcomesOf(result).at(-1)).toBe('ask-secret: not-shown-alarm')
  })
})

describe('evil-maid', () => {
  it('names the file, and says that AEM has sealed to the change already', async () => {
    const rehearsed = await rehearse(scenario('evil-maid'))
    expect(reasonsOf(rehearsed).map(({ code }) => code)).toContain('boot-file-changed')
    expect(reasonsOf(rehearsed).some(({ what }) => what.includes(`/boot/${XEN}`))).toBe(true)
    expect(rehearsed.ui.said.join('\n')).toMatch(/UNEXPLAINED CHANGE[\s\S]*has sealed to it by itself/)
    expect(outcomesOf(rehearsed.result).some((text) => text.startsWith('reseal'))).toBe(false)
  })

  it('leaves the build id as it was, so that only the contents give it away', async () => {
    const { result } = await rehearse(scenario('evil-maid'))
    expect(outcomesOf(result)).toContain('check-boot: expected')
  })

  it('ends with 4 under any name, and a clean update under its name does not', async () => {
    const { whileOff } = scenario('evil-maid')
    const attacked = await rehearse({ machine: machineOf('clean-update'), whileOff })
    expect(attacked.result.exit).toBe(4)
    const spared = await rehearse({ machine: machineOf('evil-maid') })
    expect(spared.result.exit).toBe(0)
  })

  it('gets through only when the file is the packaged one again', async () => {
    const { machine, whileOff } = scenario('evil-maid')
    const good = bootFilesOf(machine).get(XEN)
    const { result } = await rehearse({
      machine,
      whileOff(own) {
        whileOff(own)
        if (good) bootFilesOf(own).set(XEN, good)
      },
    })
    expect(result.exit).toBe(0)
  })
})

describe('an attack on any measured file between confirmation and restart', () => {
  it.each(ATTACKS)('on %s ends unexplained, never in a reseal', async (_what, name, edit) => {
    const rehearsed = await rehearse({ machine: machineOf('clean-update'), whileOff: change(name, edit) })
    expect(rehearsed.result.exit).toBe(4)
    expect(reasonsOf(rehearsed).some(({ what }) => what.includes(`/boot/${name}`))).toBe(true)
    expect(outcomesOf(rehearsed.result).some((text) => text.startsWith('reseal'))).toBe(false)
  })

  it.each(ATTACKS)('on %s changes the registers it is measured into', async (_what, name, edit) => {
    const clean = await rehearse({ machine: machineOf('clean-update') })
    const attacked = await rehearse({ machine: machineOf('clean-update'), whileOff: change(name, edit) })
    expect(attacked.machine.pcrs.sha256).not.toEqual(clean.machine.pcrs.sha256)
  })

  it('on the LUKS header moves PCR 13, which no update touches', async () => {
    const { result } = await rehearse({
      machine: machineOf('clean-update'),
      whileOff(machine) {
        machine.luksHeader = Buffer.from('another LUKS header')
      },
    })
    expect(result.exit).toBe(4)
  })

  it('by another Xen that calls itself the new one is seen by its build', async () => {
    const old = machineOf('clean-update')
    const { makeXenImage } = await import('../../src/host/simulated/boot-images.ts')
    const { result } = await rehearse({
      machine: old,
      whileOff(machine) {
        bootFilesOf(machine).set(XEN, { bytes: makeXenImage('4.17.4-3'), mtimeMs: machine.nowMs })
      },
    })
    expect(result.exit).toBe(1)
    expect(outcomesOf(result).at(-1)).toBe('check-boot: other-xen')
  })

  it('is no alarm while the device is out, as AEM wants a stick after its seal: it is asked for', async () => {
    const { result } = await rehearse({
      machine: machineOf('clean-update'),
      afterBoot(machine) {
        for (const device of machine.devices) device.isPresent = false
        // as on TPM 1.2, where AEM's seal removes what names the device
        machine.dom0.delete('/run/anti-evil-maid/suffix')
      },
    })
    expect(result.exit).toBe(1)
    expect(outcomesOf(result).at(-1)).toBe('check-boot: device-absent')
  })

  it('where `explain` is asked all the same, its first advice is to plug the device in', async () => {
    const machine = machineOf('clean-update')
    const host = makeSimulatedHost(machine)
    const ui = makeScriptedUi({ '*': 'yes' })
    const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
    const session = startSession({ id: SESSION_ID, now: host.now(), bootId: null, flow: 'post-update' })
    const context = { host, ui, store, options: RUN_OPTIONS, session, simulateRestart: null }
    await runFlow(postUpdate, postUpdate.start, STEPS, context)
    restartMachine(machine)
    const open = (await store.load())!
    const explain = async () => observeExplanation(observeDom0(host), open, await store.loadVersions())
    expect(await explain()).toMatchObject({ verdict: 'explained', advice: [] })
    for (const device of machine.devices) device.isPresent = false
    const out = await explain()
    // Every register is as predicted: only the device is missing.
    expect(out.verdict).toBe('no-baseline')
    expect(out.advice).toEqual([expect.stringMatching(/plug in the same AEM device this boot came from/)])
  })

  it('by a downgrade of the package data cannot be explained either', async () => {
    const { result } = await rehearse({
      machine: machineOf('clean-update'),
      afterBoot(machine) {
        machine.packages = machine.packages.map((item) =>
          item.name === 'xen-hypervisor' ? { ...item, keyId: '0123456789abcdef' } : item,
        )
      },
    })
    expect(result.exit).toBe(4)
  })
})

describe('an attack before the confirmation', () => {
  it.each([
    ['the kernel', KERNEL],
    ['Xen', XEN],
    ['tboot', 'tboot.gz'],
  ])('on %s, of which RPM knows the digest, is refused before the restart', async (_what, name) => {
    const machine = machineOf('clean-update')
    change(name, append)(machine)
    const { result } = await rehearse({ machine })
    expect(result.exit).toBe(1)
    expect(outcomesOf(result).some((text) => text.startsWith('restart'))).toBe(false)
  })
})

/*
 * A file that is put back after the boot leaves only the registers and the launch log to tell. Without the log these
 * runs would end well (the last test here says so): what looks at the log is what finds them.
 */
describe('an attack whose traces are removed before anybody looks', () => {
  const attacks: readonly (readonly [string, string, (machine: SimMachine) => void])[] = [
    ['Xen', XEN, scenario('evil-maid').whileOff],
    ...ATTACKS.map(([what, name, edit]) => [what, name, change(name, edit)] as const),
  ]

  function verdictsOf({ result }: Rehearsal): readonly string[] {
    return result.steps.filter(({ id }) => id === 'explain').map(({ outcome }) => outcome)
  }

  /** Puts the good file back after each boot. */
  function putBack(machine: SimMachine, name: string): (machine: SimMachine) => void {
    const good = bootFilesOf(machine).get(name)
    if (!good) throw new Error(`the boot device has no ${name}`)
    return (own) => bootFilesOf(own).set(name, good)
  }

  it.each(attacks)('on %s, once, is found in the launch log', async (_what, name, attack) => {
    const machine = machineOf('clean-update')
    const rehearsed = await rehearse({ machine, whileOff: attack, afterBoot: putBack(machine, name) })
    expect(verdictsOf(rehearsed)).toEqual(['unexplained'])
    expect(rehearsed.result.exit).toBe(4)
  })

  it.each(attacks)('on %s, at every boot, is found in the launch log', async (_what, name, attack) => {
    const machine = machineOf('clean-update')
    const rehearsed = await rehearse({ machine, beforeBoot: attack, afterBoot: putBack(machine, name) })
    expect(verdictsOf(rehearsed)).toEqual(['unexplained'])
    expect(rehearsed.result.exit).toBe(4)
  })

  it.each(attacks)(
    'on %s, where the launch log is gone too, is never blessed',
    async (_what, name, attack) => {
      const machine = machineOf('clean-update')
      const back = putBack(machine, name)
      const rehearsed = await rehearse({
        machine,
        beforeBoot: attack,
        afterBoot(own) {
          back(own)
          own.launchLog = null
        },
      })
      expect(rehearsed.result.exit).not.toBe(0)
    },
  )
})

it('leaves the simulated machine consistent: what is sealed fits what is measured', async () => {
  const { machine } = await rehearse(scenario('clean-update'))
  const [verification] = await observeVerification(observeDom0(makeSimulatedHost(machine)), '')
  expect(verification?.checks.map(({ id, ok }) => `${id} ${ok}`)).toEqual(
    ['media-current', 'selection', 'policy', 'unseal-txt', 'unseal-fre', 'freshness', 'pcr13'].map(
      (id) => `${id} true`,
    ),
  )
})
