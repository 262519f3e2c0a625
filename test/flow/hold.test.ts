import { describe, expect, test } from 'vitest'
import { rehearsal } from '../../flows/rehearsal.ts'
import { resume } from '../../flows/resume.ts'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { decideGate } from '../../src/core/decide/gate.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { makeHeldNote } from '../../src/core/session/held-note.ts'
import { type FlowResult, runFlow } from '../../src/flow/runner.ts'
import type { RunOptions, Steps } from '../../src/flow/step.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { bootMachine, isSealAsked, startSeal } from '../../src/host/simulated/power.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeGate } from '../../src/observe/seal/gate.ts'
import { HOLD_DROP_IN } from '../../src/tables/paths.ts'
import type { Ui } from '../../src/ui/ui.ts'

type Story = {
  readonly answers?: Readonly<Record<string, string>>
  readonly options?: Partial<RunOptions>
  readonly predicted?: boolean
  readonly prepare?: (machine: SimMachine) => void
  readonly whileOff?: (machine: SimMachine) => void
}

/** The rehearsal flow on the built-in machine, with the real gate between its boot and AEM's seal. */
async function play(story: Story) {
  const machine = SCENARIOS[0]!.make()
  story.prepare?.(machine)
  const said: string[] = []
  const ui: Ui = {
    isDetailed: true,
    show: async ({ title, body }) => void said.push(...[title, ...body].map((line) => line.text)),
    say: (lines) => void said.push(...lines.map((line) => line.text)),
    progress: (_label, work) => work(),
    async ask(question) {
      const answer = story.answers?.[question.id] ?? question.withYes
      const choice = question.choices.find(({ value }) => value === answer)
      if (!choice) throw new Error(`no answer to ${question.message}`)
      return choice.value
    },
  }
  const store = makeMemoryStore(ui)
  const gate: string[] = []
  const askGate = async (): Promise<boolean> => {
    const { bootId, ...decision } = await observeGate(observeDom0(host), () => store.load())
    gate.push(decision.mayRun ? decision.rule : decision.reason)
    if (decision.mayRun) return true
    const at = host.now().toISOString()
    await store.saveHeldNote(makeHeldNote({ at, bootId, why: 'held', reason: decision.reason, pcrs: [] }))
    return false
  }
  const host = makeSimulatedHost(machine, askGate)
  const sealed: string[] = [digestOfToken(machine)]
  let boots = 0
  const result = await runFlow(rehearsal, rehearsal.start, stepsOf(story), {
    host,
    ui,
    store,
    options: {
      bulletin: null,
      protect: 'hold',
      restart: null,
      canAsk: true,
      dryRun: false,
      ...story.options,
    },
    session: startSession({
      id: '3f0d4a52-6f4b-4f8a-9d0e-0c1a2b3c4d5e',
      now: host.now(),
      bootId: (await observeMachine(host)).bootId,
      flow: 'rehearsal',
    }),
    async simulateRestart() {
      if (boots === 0) story.whileOff?.(machine)
      boots += 1
      bootMachine(machine)
      startSeal(machine, !isSealAsked(machine) || (await askGate()))
      sealed.push(digestOfToken(machine))
    },
  })
  /** Once more: a restart, a login, `aem-reseal resume`. */
  const again = async (): Promise<FlowResult> => {
    const session = await store.load()
    if (session === null) throw new Error('no session is open')
    bootMachine(machine)
    startSeal(machine, !isSealAsked(machine) || (await askGate()))
    const options = { bulletin: null, protect: null, restart: null, canAsk: true, dryRun: false }
    return runFlow(resume, resume.start, STEPS, { host, ui, store, options, session, simulateRestart: null })
  }
  return { machine, result, said: said.join('\n'), gate, sealed, note: await store.loadHeldNote(), again }
}

function stepsOf({ predicted }: Story): Steps {
  if (predicted !== false) return STEPS
  const message = { tone: 'info', what: 'not predicted', next: 'on' } as const
  return { ...STEPS, predict: async () => ({ outcome: 'refused', facts: {}, message }) }
}

function digestOfToken(machine: SimMachine): string {
  const bytes = machine.dom0.get(`/var/lib/tpms/${TPM_ID}/aem/secret.fre.sealed2`)?.bytes
  return Buffer.from(bytes ?? []).toString('hex')
}

function outcomeOf(result: FlowResult, step: string): string | undefined {
  return result.steps.find(({ id }) => id === step)?.outcome
}

function tamper(machine: SimMachine): void {
  const boot = bootFilesOf(machine)
  const image = boot.get(XEN_IMAGE)
  if (image) boot.set(XEN_IMAGE, { bytes: changeOneByte(image.bytes), mtimeMs: image.mtimeMs })
}

describe('hold, with the next boot predicted', () => {
  test("the honest update: the gate lets AEM's seal run by itself", async () => {
    const { result, gate, sealed, said } = await play({})
    expect(outcomeOf(result, 'install-hold')).toBe('installed')
    expect(said).toContain('Your sentence will NOT appear this once')
    expect(gate[0]).toBe('predicted')
    expect(outcomeOf(result, 'read-seal-outcome')).toBe('sealed')
    expect(sealed[1]).not.toBe(sealed[0])
    expect(gate.at(-1)).toBe('unsealed')
    expect(result.exit).toBe(0)
  })

  test('an evil maid: nothing is sealed, the alarm says so', async () => {
    const { result, gate, sealed, said } = await play({ whileOff: tamper })
    expect(gate).toEqual(['other-state'])
    expect(outcomeOf(result, 'read-seal-outcome')).toBe('held')
    expect(outcomeOf(result, 'explain')).toBe('unexplained')
    expect(result.exit).toBe(4)
    expect(sealed[1]).toBe(sealed[0])
    expect(said).not.toContain('AEM has sealed to it by itself already')
  })
})

describe('hold, with nothing predicted', () => {
  test('held, explained, accepted, sealed through the gate, verified', async () => {
    const story = await play({ predicted: false })
    const { result, gate, machine } = story
    expect(outcomeOf(result, 'read-seal-outcome')).toBe('held')
    expect(story.sealed[1]).toBe(story.sealed[0])
    expect(outcomeOf(result, 'reseal')).toBe('sealed')
    expect(gate).toEqual(['not-predicted', 'approved', 'unsealed'])
    expect(machine.dom0.has('/run/anti-evil-maid/suffix')).toBe(true)
    expect(story.note).toBeNull()
    expect(result.exit).toBe(0)
  })

  test('accepted in one boot, sealed only in the next: that boot is accepted itself', async () => {
    const breakSeal = (machine: SimMachine): void => {
      machine.sealWorks = false
    }
    const story = await play({ predicted: false, whileOff: breakSeal })
    expect(outcomeOf(story.result, 'reseal')).toBe('failed')
    story.machine.sealWorks = true
    const second = await story.again()
    expect(outcomeOf(second, 'read-seal-outcome')).toBe('held')
    expect(outcomeOf(second, 'reseal')).toBe('sealed')
    expect(story.gate).toEqual(['not-predicted', 'approved', 'not-predicted', 'approved'])
  })

  test('declined: nothing is sealed', async () => {
    const story = await play({ predicted: false, answers: { 'accept-change': 'no' } })
    expect(outcomeOf(story.result, 'accept-change')).toBe('declined')
    expect(digestOfToken(story.machine)).toBe(story.sealed[0])
    expect(story.note).not.toBeNull()
    expect(story.result.exit).toBe(1)
  })

  test('an evil maid: nothing is sealed', async () => {
    const { result, gate, sealed } = await play({ predicted: false, whileOff: tamper })
    expect(gate).toEqual(['not-predicted'])
    expect(sealed[1]).toBe(sealed[0])
    expect(result.exit).toBe(4)
  })

  test('without hold, the same evil maid gets a seal from AEM: the alarm says that', async () => {
    const { result, gate, sealed, said } = await play({
      predicted: false,
      options: { protect: 'plain' },
      whileOff: tamper,
    })
    expect(gate).toEqual([])
    expect(sealed[1]).not.toBe(sealed[0])
    expect(said).toContain('AEM has sealed to it by itself already')
    expect(result.exit).toBe(4)
  })
})

describe('the drop-in is opt-in', () => {
  const installed = (machine: SimMachine): void => {
    const bytes = Buffer.from(
      '[Service]\nExecCondition=/usr/bin/node /usr/lib/aem-reseal/aem-reseal.mjs gate\n',
    )
    machine.dom0.set(HOLD_DROP_IN, { bytes, mtimeMs: 0 })
  }

  test('--yes writes none', async () => {
    const { machine, result, said } = await play({ options: { yes: true } })
    expect(outcomeOf(result, 'choose-protection')).toBe('not-available')
    expect(said).toContain('gate install')
    expect(machine.dom0.has(HOLD_DROP_IN)).toBe(false)
  })

  test('--yes goes with hold where it is there already', async () => {
    const { result } = await play({
      prepare: installed,
      options: { yes: true, protect: null },
      predicted: false,
    })
    expect(outcomeOf(result, 'choose-protection')).toBe('hold')
  })

  test('--yes takes plain where it is not', async () => {
    const { result, machine } = await play({ options: { yes: true, protect: null }, predicted: false })
    expect(outcomeOf(result, 'choose-protection')).toBe('plain')
    expect(machine.dom0.has(HOLD_DROP_IN)).toBe(false)
  })

  test('plain is refused with words while it holds', async () => {
    const { result, said } = await play({ prepare: installed, options: { protect: 'plain' } })
    expect(outcomeOf(result, 'choose-protection')).toBe('not-available')
    expect(said.replace(/\s+/g, ' ')).toContain('gate remove')
  })

  test('hold is refused where the program is not in a place of root', async () => {
    const { result } = await play({
      prepare: (machine) => void machine.dom0.delete('/usr/lib/aem-reseal/aem-reseal.mjs'),
    })
    expect(outcomeOf(result, 'choose-protection')).toBe('not-available')
  })
})

test('the gate of an idle machine lets the seal run at every honest boot', () => {
  const idle = { bootId: 'x', selectedPcrs: null, bank: null, pcrs: {}, session: null }
  expect(decideGate({ ...idle, unseal: 'unsealed' }).mayRun).toBe(true)
})
