import { describe, expect, it } from 'vitest'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { installKernel, NEW_XEN, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { goodMachine, update } from '../support/approved-machine.ts'
import { type Typed, typeResume, typeStart } from '../support/at-terminal.ts'

/* `resume` begins with the only thing that a changed boot cannot show: the person's own sentence. */

type Answer = 'yes' | 'no' | 'not-sure'

async function restarted(
  protect: 'forward-seal' | 'plain',
  whileOff: (machine: SimMachine) => void = () => undefined,
): Promise<SimMachine> {
  const machine = goodMachine()
  update(machine, NEW_XEN)
  expect((await typeStart(makeSimulatedHost(machine), protect)).exit).toBe(3)
  whileOff(machine)
  restartMachine(machine)
  return machine
}

const answer = (machine: SimMachine, secret: Answer): Promise<Typed> =>
  typeResume(makeSimulatedHost(machine), { 'secret-shown': secret })

async function outcomesOf(machine: SimMachine): Promise<readonly string[]> {
  const session = await makeDirectoryStore(makeSimulatedHost(machine), DEFAULT_STATE_DIR).load()
  return session?.history.map(({ step, outcome }) => `${step}: ${outcome}`) ?? ['closed']
}

function evilXen(machine: SimMachine): void {
  const boot = bootFilesOf(machine)
  const image = boot.get(XEN_IMAGE)
  if (image === undefined) throw new Error('the machine has no Xen')
  boot.set(XEN_IMAGE, { ...image, bytes: changeOneByte(image.bytes) })
}

describe('after a forward seal', () => {
  it('yes, as predicted: done, and nothing is accepted again', async () => {
    const machine = await restarted('forward-seal')
    const run = await answer(machine, 'yes')
    expect([run.exit, run.asked]).toEqual([0, ['secret-shown']])
    expect(run.said).toContain('nothing has to be accepted again')
    expect(await outcomesOf(machine)).toEqual(['closed'])
  })

  it('no: an alarm, exit 4, and nothing is accepted or sealed; asked again by the next resume', async () => {
    const machine = await restarted('forward-seal')
    const run = await answer(machine, 'no')
    expect([run.exit, run.asked]).toEqual([4, ['secret-shown']])
    expect(run.said).toMatch(/NO SECRET.*power off now.*do not reseal/)
    expect((await outcomesOf(machine)).at(-1)).toBe('ask-secret: not-shown-alarm')
    expect((await answer(machine, 'yes')).exit).toBe(0)
  })

  it('not sure: the change is still accepted by a person, and one more AEM boot is wanted', async () => {
    const machine = await restarted('forward-seal')
    const run = await answer(machine, 'not-sure')
    expect([run.exit, run.asked]).toEqual([3, ['secret-shown', 'accept-change']])
    expect((await outcomesOf(machine)).at(-1)).toBe('confirm-secret: next-boot')
    restartMachine(machine)
    const next = await answer(machine, 'yes')
    expect([next.exit, next.asked]).toEqual([0, ['secret-shown']])
  })

  it.each(['yes', 'not-sure', 'no'] as const)(
    'over a changed Xen, %s ends with 4 and names the file',
    async (said) => {
      const machine = await restarted('forward-seal', evilXen)
      const run = await answer(machine, said)
      expect([run.exit, run.asked]).toEqual([4, ['secret-shown']])
      expect(run.said).toContain(`the Xen image /${XEN_IMAGE.replace(/^\//, '')} is not as`)
      expect((await outcomesOf(machine)).at(-1)).toBe(
        said === 'no' ? 'ask-secret: not-shown-alarm' : 'explain: unexplained',
      )
      expect(run.said.includes("your word and AEM's journal differ")).toBe(said === 'yes')
    },
  )

  it('a boot that is explained and not as predicted is accepted by a person, whatever its journal says', async () => {
    const machine = await restarted('forward-seal', (off) => {
      off.nowMs += 3600_000
      installKernel(off, '6.6.42-1.qubes.fc37.x86_64')
      off.nowMs += 3600_000
    })
    machine.journal = machine.journal.map((text) =>
      text.replace('Freshness token unsealing failed!', 'Freshness token unsealed. Freshness token valid'),
    )
    const run = await answer(machine, 'yes')
    expect(run.said).not.toContain('nothing has to be accepted again')
    expect(run.asked).toEqual(['secret-shown', 'accept-change'])
  })

  it.each([
    ['yes', ['secret-shown']],
    ['not-sure', ['secret-shown', 'accept-change']],
  ] as const)("where AEM's journal is silent, %s is all that is known of it", async (said, asked) => {
    const machine = await restarted('forward-seal')
    machine.journal = machine.journal.filter((text) => !text.includes('Freshness token'))
    const run = await answer(machine, said)
    expect(run.asked).toEqual(asked)
    expect(run.said.includes('nothing has to be accepted again')).toBe(said === 'yes')
  })

  it("--yes takes AEM's journal and asks nothing", async () => {
    const machine = await restarted('forward-seal')
    const run = await typeResume(makeSimulatedHost(machine))
    expect(run.exit).toBe(0)
    expect(run.said).toContain("AEM's journal is taken")
  })
})

describe('without a forward seal', () => {
  it('nothing is asked of the sentence at the first boot; it is at the boot that confirms', async () => {
    const machine = await restarted('plain')
    const first = await answer(machine, 'no')
    expect([first.exit, first.asked]).toEqual([3, ['accept-change']])
    restartMachine(machine)
    const second = await answer(machine, 'yes')
    expect([second.exit, second.asked]).toEqual([0, ['secret-shown']])
  })

  it.each([
    ['no', 1, 'not-shown'],
    ['not-sure', 3, 'next-boot'],
  ] as const)('%s at the confirming boot ends with %i', async (said, exit, outcome) => {
    const machine = await restarted('plain')
    await answer(machine, 'yes')
    restartMachine(machine)
    const run = await answer(machine, said)
    expect([run.exit, run.asked]).toEqual([exit, ['secret-shown']])
    expect((await outcomesOf(machine)).at(-1)).toBe(`confirm-secret: ${outcome}`)
  })

  it('a change at the confirming boot is an alarm whatever is said', async () => {
    const machine = await restarted('plain')
    await answer(machine, 'yes')
    evilXen(machine)
    restartMachine(machine)
    expect((await answer(machine, 'no')).exit).toBe(4)
  })
})

describe('what the sentence was sealed for', () => {
  const CHECKED = 'only that boot could show it'

  it('the boot that was checked, and it shows it', async () => {
    expect((await answer(await restarted('forward-seal'), 'yes')).said).toContain(CHECKED)
  })

  it('the boot that was checked, which another one does not show', async () => {
    expect((await answer(await restarted('forward-seal', evilXen), 'no')).said).toContain(CHECKED)
  })

  it('whatever booted, where AEM sealed to another boot since', async () => {
    const machine = await restarted('forward-seal')
    evilXen(machine)
    restartMachine(machine)
    restartMachine(machine)
    const run = await answer(machine, 'yes')
    expect(run.exit).toBe(4)
    expect(run.said).not.toContain(CHECKED)
    expect(run.said).toContain('AEM may have sealed to what booted since, by itself')
  })
})
