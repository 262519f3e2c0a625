import { expect, it } from 'vitest'
import { makeSinit } from '../../../src/host/simulated/boot-images.ts'
import { INTERNAL } from '../../../src/host/simulated/build.ts'
import { findDevice } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import { resumeRun, startRun } from '../../support/attack.ts'
import { machineOf } from '../../support/built-in.ts'

/*
 * No digest of this boot's SINIT file is kept anywhere, and a date can be set back. Then `start` takes the file for that of
 * this boot, and what it seals to is the PCR 17 of the SINIT that ran: the TPM refuses the boot of any other.
 */

it('another SINIT with its date set back never gets the secret, and is an alarm after the boot', async () => {
  const machine = machineOf('clean-update')
  const { files } = findDevice(machine, INTERNAL.uuid)!
  const { mtimeMs } = files.get('/SINIT.BIN')!
  const present = machine.pcrs.sha256?.[17]
  files.set('/SINIT.BIN', { bytes: makeSinit('another module'), mtimeMs })
  const { exit, outcomes } = await startRun(machine)
  expect(outcomes).toContain('forward-seal: sealed')
  expect(exit).toBe(3)
  restartMachine(machine)
  expect(machine.pcrs.sha256?.[17]).not.toBe(present)
  expect(machine.journal.join('\n')).toMatch(/Freshness token unsealing failed/)
  const after = await resumeRun(machine)
  expect(after.outcomes).toContain('explain: unexplained')
  expect(after.said).toMatch(/PCR 17/)
  expect(after.exit).toBe(4)
})
