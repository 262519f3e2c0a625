import { describe, expect, it } from 'vitest'
import { forwardRecordOf } from '../../src/core/seal/forward-of-session.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeForwardOutcome } from '../../src/observe/seal/forward-outcome.ts'
import { machineOf } from '../support/built-in.ts'
import { started } from '../support/started.ts'

/** What became of a forward seal at the boot that it was made for, on the built-in machine. */

async function outcomeOf(
  machine: SimMachine,
  session: Session,
): Promise<{ outcome: string; later: readonly string[] }> {
  return observeForwardOutcome(observeDom0(makeSimulatedHost(machine)), session)
}

/** `start` sealed forward, and what follows before and after the restart. */
async function story(
  before: (machine: SimMachine) => void = () => undefined,
  after: (machine: SimMachine) => void = () => undefined,
) {
  const { machine, session } = await started()
  expect(session.protection).toBe('forward-seal')
  before(machine)
  restartMachine(machine)
  after(machine)
  const { bootId } = await observeDom0(makeSimulatedHost(machine)).machine()
  return { machine, session, bootId }
}

/** The session as it is where dom0 went off in the middle of the step. */
function unfinished(session: Session): Session {
  const history = session.history.filter(({ step }) => step !== 'forward-seal')
  return { ...session, history }
}

function changeXen(machine: SimMachine): void {
  for (const { files } of machine.devices) {
    const file = files.get(`/${XEN_IMAGE}`)
    if (file) files.set(`/${XEN_IMAGE}`, { ...file, bytes: changeOneByte(file.bytes) })
  }
}

describe('a forward seal', () => {
  it('was shown where the boot is the predicted one', async () => {
    const { machine, session } = await story()
    expect(await outcomeOf(machine, session)).toMatchObject({ outcome: 'shown', later: [] })
  })

  it('was contradicted by another boot', async () => {
    const { machine, session } = await story(changeXen)
    expect((await outcomeOf(machine, session)).outcome).toBe('contradicted')
  })

  it('was overtaken by a package that came after it, which is named', async () => {
    const { machine, session } = await story((own) => {
      changeXen(own)
      own.packages = own.packages.map((item) =>
        item.name === 'dracut' ? { ...item, evr: '0:999-1.fc37', installedAtMs: own.nowMs } : item,
      )
    })
    expect(await outcomeOf(machine, session)).toMatchObject({
      outcome: 'overtaken',
      later: ['dracut 0:999-1.fc37'],
    })
  })

  it('is over once a later boot was accepted, and counts still in the accepted one', async () => {
    const { machine, session, bootId } = await story()
    const approved = { at: '2024-07-17T09:00:00.000Z', bootId, pcrs: machine.pcrs.sha256 ?? {} }
    expect((await outcomeOf(machine, { ...session, approved })).outcome).toBe('shown')
    expect(
      (await outcomeOf(machine, { ...session, approved: { ...approved, bootId: 'another' } })).outcome,
    ).toBe('none')
  })

  it('was none where another way was chosen and nothing was written; what was written counts', async () => {
    const { machine, session } = await story()
    expect((await outcomeOf(machine, { ...session, protection: 'plain', findings: {} })).outcome).toBe('none')
    expect((await outcomeOf(machine, { ...session, protection: 'plain' })).outcome).toBe('shown')
  })

  it('is not known where the journal is silent', async () => {
    const { machine, session } = await story(undefined, (own) => {
      own.journal = []
    })
    expect((await outcomeOf(machine, session)).outcome).toBe('unknown')
  })

  it('was not in force where every register is the predicted one and the TPM refused', async () => {
    const { machine, session } = await story(undefined, (own) => {
      own.journal = own.journal
        .filter((line) => !line.includes('Freshness token valid'))
        .map((line) => line.replace('Freshness token unsealed.', 'Freshness token unsealing failed!'))
    })
    expect((await outcomeOf(machine, session)).outcome).toBe('not-in-force')
  })
})

describe('a forward seal that was cut short', () => {
  const silent = (own: SimMachine): void => {
    own.journal = []
  }
  const setDevice = (machine: SimMachine, change: (path: string, bytes: Uint8Array) => Uint8Array | null) => {
    for (const device of machine.devices)
      for (const [path, file] of device.files) {
        if (!path.startsWith('/aem/tpms/')) continue
        const bytes = change(path, file.bytes)
        if (bytes === null) device.files.delete(path)
        else device.files.set(path, { ...file, bytes })
      }
  }

  it('is told by what lies on its device: the new files, others, or none that can be read', async () => {
    const { machine, session } = await started()
    silent(machine)
    const cut = unfinished(session)
    // The new files are there: only the journal could tell more.
    expect((await outcomeOf(machine, cut)).outcome).toBe('unknown')
    setDevice(machine, (path, bytes) => (path.endsWith('/key.pub') ? Buffer.from('other') : bytes))
    expect((await outcomeOf(machine, cut)).outcome).toBe('cut')
    for (const device of machine.devices) device.isPresent = false
    expect((await outcomeOf(machine, cut)).outcome).toBe('cut')
  })

  it('was not made where nothing was written, or the previous files lie there', async () => {
    const { machine, session } = await started()
    silent(machine)
    const cut = unfinished(session)
    expect((await outcomeOf(machine, { ...cut, findings: {} })).outcome).toBe('not-made')
    // Another UUID under the label is another device: what lies there says nothing.
    const record = forwardRecordOf(cut)!
    const withRecord = (change: object): Session => ({
      ...cut,
      findings: { ...cut.findings, 'forward-seal': { record: { ...record, ...change } } },
    })
    const previous = { dom0: [], device: record.next }
    expect((await outcomeOf(machine, withRecord({ next: [], previous }))).outcome).toBe('not-made')
    const uuid = '00000000-0000-4000-8000-000000000000'
    expect((await outcomeOf(machine, withRecord({ next: [], previous, uuid }))).outcome).toBe('cut')
    expect(findDevice(machine, record.uuid)).toBeDefined()
  })
})

it('a machine that was never sealed forward has no such outcome', async () => {
  const { session } = await started()
  const plain = { ...session, protection: 'plain' as const, findings: {}, baseline: null }
  expect(await outcomeOf(machineOf('clean-update'), plain)).toEqual({ outcome: 'none', later: [] })
})
