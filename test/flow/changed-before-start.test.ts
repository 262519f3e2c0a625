import { describe, expect, it } from 'vitest'
import { postUpdate } from '../../flows/post-update.ts'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { makeSinit } from '../../src/host/simulated/boot-images.ts'
import { copyBootFiles } from '../../src/host/simulated/build.ts'
import { writeEnvironmentBlock } from '../../src/host/simulated/grub/environment-block.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { machineOf, outcomesOf, RUN_OPTIONS, rehearse, SESSION_ID } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

/*
 * What changed between this boot and `start`, beside the update: a default entry that is none of AEM's, the SINIT file, a
 * LUKS header. None of them is gone over in silence by the plain way.
 */

const AEM = 'AEM Qubes, with Xen hypervisor'
const [PLAIN] = PLAIN_ENTRY

function put(machine: SimMachine, path: string, content: Uint8Array | string): void {
  findDevice(machine, machine.bootDevice)!.files.set(path, {
    bytes: Buffer.from(content),
    mtimeMs: machine.nowMs,
  })
}

const defaults = (variables: readonly (readonly [string, string])[]) => (machine: SimMachine) =>
  put(machine, '/grub2/grubenv', writeEnvironmentBlock(variables))

/** `start` after an honest update of Xen; `answers` are a person's, the rest is as --yes answers. */
async function start(
  change: (machine: SimMachine) => void,
  answers: Readonly<Record<string, string>> = {},
  machine = machineOf('clean-update'),
) {
  change(machine)
  const host = makeSimulatedHost(machine)
  const ui = makeScriptedUi({ '*': 'yes', ...answers })
  const { bootId } = await observeMachine(host)
  const result = await runFlow(postUpdate, postUpdate.start, STEPS, {
    host,
    ui,
    store: makeMemoryStore(ui),
    options: RUN_OPTIONS,
    session: startSession({ id: SESSION_ID, now: host.now(), bootId, flow: 'post-update' }),
    simulateRestart: null,
  })
  const outcomes = outcomesOf(result)
  return {
    exit: result.exit,
    last: outcomes.at(-1),
    outcomes,
    asked: ui.asked,
    said: ui.said.join(' ').replaceAll(/\s+/g, ' '),
    facts: result.steps.find(({ id }) => id === 'predict')?.facts as Record<string, unknown>,
  }
}

/** Every register is predicted, and the secret is sealed to them. */
function expectForwardSeal({ exit, outcomes }: Awaited<ReturnType<typeof start>>): void {
  expect(outcomes).toContain('predict: complete')
  expect(outcomes).toContain('forward-seal: sealed')
  expect(exit).toBe(3)
}

describe('start, where the entry that boots next is none of AEM', () => {
  const without = (machine: SimMachine): void => {
    machine.launchLog = null
  }

  it.each<[string, (machine: SimMachine) => void]>([
    ['by saved_entry', defaults([['saved_entry', PLAIN]])],
    [
      'by next_entry',
      defaults([
        ['saved_entry', AEM],
        ['next_entry', PLAIN],
      ]),
    ],
    ['by custom.cfg', (machine) => put(machine, '/grub2/custom.cfg', `set default='${PLAIN}'\n`)],
    [
      'by an entry that launches measured, and names no device to the initramfs',
      (machine) =>
        put(
          machine,
          '/grub2/custom.cfg',
          `menuentry '${PLAIN} and tboot' {\n multiboot /tboot.gz\n module /xen-4.17.4.gz\n module /vmlinuz ro\n}\nset default='${PLAIN} and tboot'\n`,
        ),
    ],
    [
      'and no launch log is readable',
      (machine) => {
        without(machine)
        defaults([['saved_entry', PLAIN]])(machine)
      },
    ],
  ])('%s: stops, and names the entry', async (_, change) => {
    const { exit, last, said } = await start(change)
    expect([last, exit]).toEqual(['predict: not-aem-entry', 1])
    expect(said).toContain(`“${PLAIN}`)
    expect(said).toContain(`sudo grub2-set-default '${AEM}'`)
  })

  it.each([
    ['saved', [['saved_entry', AEM]]],
    [
      'next',
      [
        ['saved_entry', PLAIN],
        ['next_entry', AEM],
      ],
    ],
  ] as const)('the honest twin, the entry of AEM as %s: a forward seal', async (_, variables) => {
    expectForwardSeal(await start(defaults(variables)))
  })
})

describe('start, where the SINIT file changed since this boot', () => {
  it('stops, and says so', async () => {
    const { exit, last, said } = await start((machine) => put(machine, '/SINIT.BIN', makeSinit('another')))
    expect([last, exit]).toEqual(['predict: sinit-changed', 1])
    expect(said).toContain('the SINIT module on the boot device was written since this boot')
  })

  it('stops also where no launch log is readable', async () => {
    const { exit, last } = await start((machine) => {
      machine.launchLog = null
      put(machine, '/SINIT.BIN', makeSinit('another'))
    })
    expect([last, exit]).toEqual(['predict: sinit-changed', 1])
  })

  /** Booted from a stick, and refreshed since as anti-evil-maid-install does it: all files are written again. */
  const refreshedStick = (dom0: { bytes: Uint8Array; isNew?: boolean } | null, onStick?: Uint8Array) => {
    const machine = machineOf('stale-stick')
    const stick = findDevice(machine, machine.bootDevice)!
    copyBootFiles(machine, stick)
    if (onStick) put(machine, '/SINIT.BIN', onStick)
    const mtimeMs = dom0?.isNew ? machine.nowMs : machine.bootTimeMs - 1
    if (dom0) machine.dom0.set('/boot/SINIT.BIN', { bytes: dom0.bytes, mtimeMs })
    return start(() => undefined, {}, machine)
  }
  const { sinit } = machineOf('stale-stick')

  it('a stick that was refreshed from the files of dom0 is the same: a forward seal', async () => {
    expectForwardSeal(await refreshedStick({ bytes: sinit }))
  })

  it.each([
    ['with another module than that of dom0', { bytes: sinit }, makeSinit('another')],
    ['with one that came to dom0 since this boot', { bytes: sinit, isNew: true }, undefined],
    ['with one that dom0 does not have', null, undefined],
  ])('a stick that was refreshed %s: stops', async (_, dom0, onStick) => {
    const { exit, last } = await refreshedStick(dom0, onStick)
    expect([last, exit]).toEqual(['predict: sinit-changed', 1])
  })

  it('the honest twin: a forward seal, and nothing is asked', async () => {
    const run = await start(() => undefined)
    expectForwardSeal(run)
    expect(run.asked).not.toContain('accept-luks-header')
    expect(run.facts.luksHeaderAccepted).toBe(null)
  })
})

describe('start, where a LUKS header changed since this boot', () => {
  const change = (machine: SimMachine): void => {
    machine.luksHeader = Buffer.from('another passphrase')
  }

  it('asks; --yes answers no and stops', async () => {
    const { exit, last, asked, said, facts } = await start(change)
    expect(asked).toContain('accept-luks-header')
    expect([last, exit]).toEqual(['predict: luks-header-changed', 1])
    expect(said).toContain('a LUKS header was changed since this boot')
    expect(facts).toMatchObject({ luksHeaderAccepted: false })
  })

  it('asks also where nothing of the launch can be predicted', async () => {
    const { last, asked } = await start((machine) => {
      machine.launchLog = null
      change(machine)
    })
    expect(asked).toContain('accept-luks-header')
    expect(last).toBe('predict: luks-header-changed')
  })

  it('the honest twin, a passphrase that the person changed: goes on, and nothing is sealed to headers that nobody can be shown', async () => {
    const { exit, outcomes, facts, said } = await start(change, { 'accept-luks-header': 'yes' })
    expect(outcomes).toContain('predict: partial')
    expect(outcomes).toContain('choose-protection: plain')
    expect(outcomes.join()).not.toContain('forward-seal: sealed')
    expect(facts).toMatchObject({ luksHeaderAccepted: true })
    expect(said).toContain('forward-seal (not available)')
    expect(said).toContain('a LUKS header is not the one this boot measured')
    expect(exit).toBe(3)
  })

  it('asks nothing where the headers are those of this boot', async () => {
    const { asked } = await start(() => undefined)
    expect(asked).not.toContain('accept-luks-header')
  })
})

describe('after the restart, where a LUKS header was changed before start', () => {
  const OWN = Buffer.from('another passphrase')
  const story = (whileOff: (machine: SimMachine) => void, answer: 'yes' | 'no') =>
    rehearse({
      machine: Object.assign(machineOf('clean-update'), { luksHeader: OWN }),
      answers: { '*': 'yes', 'accept-luks-header': answer },
      whileOff,
    })

  it('a change that the person called their own is explained by that', async () => {
    const { result, ui } = await story(() => undefined, 'yes')
    expect(outcomesOf(result)).toContain('explain: explained')
    expect(result.exit).toBe(0)
    expect(ui.said.join(' ').replaceAll(/\s+/g, ' ')).toContain(
      'when you said, before the restart, that you changed',
    )
  })

  it('the evil twin: the header that booted is not the one that was asked about', async () => {
    const { result } = await story((machine) => {
      machine.luksHeader = Buffer.from('a key slot of somebody else')
    }, 'yes')
    expect(outcomesOf(result)).toContain('explain: unexplained')
    expect(result.exit).toBe(4)
  })
})
