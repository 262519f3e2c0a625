import { expect, it } from 'vitest'
import { type Host, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, isSecretShown, NEXT_XEN, start, update } from '../support/approved-machine.ts'
import { statusAnswerOf } from '../support/status.ts'

/* The LUKS headers, of which AEM's initrd made PCR 13: `status` looks whether they are those of this boot. */

const isCryptsetup = ({ argv }: { readonly argv: readonly string[] }): boolean =>
  argv[0] === '/usr/sbin/cryptsetup'

const changeHeader = (machine: SimMachine): void => {
  machine.luksHeader = Buffer.from('a header with another key slot')
}

async function look(machine: SimMachine, answer?: Host['run']) {
  const own = makeSimulatedHost(machine)
  let reads = 0
  const run: Host['run'] = async (call, input) => {
    if (isCryptsetup(call)) reads += 1
    return isCryptsetup(call) && answer !== undefined ? answer(call, input) : own.run(call, input)
  }
  const { protection, next } = await statusAnswerOf({ ...own, run })
  return {
    state: protection.state,
    codes: protection.reasons.map(({ code }) => code),
    command: next.command,
    reads,
  }
}

it('headers that this boot measured are nothing to tell, and are read once', async () => {
  const machine = await approvedMachine()
  expect(await look(machine)).toEqual({ state: 'protected', codes: [], command: null, reads: 1 })
})

it('a header that was changed since is told, with what to run before the restart that shows no secret', async () => {
  const machine = await approvedMachine()
  changeHeader(machine)
  expect(await look(machine)).toMatchObject({
    state: 'at-risk',
    codes: ['luks-header-changed'],
    command: 'aem-reseal start',
  })
  restartMachine(machine)
  expect(isSecretShown(machine)).toBe(false)
  expect((await look(machine)).codes).not.toContain('luks-header-changed')
})

it('headers that cannot be read leave it open, and the rest is told as before', async () => {
  const machine = await approvedMachine()
  expect(await look(machine, async () => unknown('input/output error'))).toMatchObject({
    state: 'unknown',
    codes: ['luks-header-unknown'],
    command: 'aem-reseal verify',
  })
})

it('no header is read where AEM does not seal to it', async () => {
  const machine = await approvedMachine()
  const text = Buffer.from('SEAL="--pcr 17 --pcr 18 --pcr 19"\n')
  machine.dom0.set('/etc/anti-evil-maid.conf', { bytes: text, mtimeMs: 0 })
  changeHeader(machine)
  const { reads, codes } = await look(machine)
  expect([reads, codes.filter((code) => code.startsWith('luks-'))]).toEqual([0, []])
})

it('no header is read in a boot without AEM, which measured none', async () => {
  const machine = await approvedMachine()
  machine.menuChoice = PLAIN_ENTRY
  restartMachine(machine)
  expect(await look(machine)).toMatchObject({ codes: ['not-aem-boot'], reads: 0 })
})

it('an open session says itself what became of the headers', async () => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await start(machine)).exit).toBe(3)
  changeHeader(machine)
  const { codes, command } = await look(machine)
  expect(codes).not.toContain('luks-header-changed')
  expect([codes[0], command]).toEqual(['preparation-outdated', 'aem-reseal cancel'])
})
