import { describe, expect, it } from 'vitest'
import { seal } from '../../src/host/simulated/aem.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import type { DeviceVerification } from '../../src/observe/verify/verify.ts'
import { approvedMachine, isSecretShown, NEXT_XEN, put, update } from '../support/approved-machine.ts'
import { type, typeCancel, typeJson, typeResume, typeStart } from '../support/at-terminal.ts'

/** What `verify` claims of the next boot, and what it orders where a check failed. */

const verify = (machine: SimMachine) => type(['verify'], makeSimulatedHost(machine))

async function checkOf(machine: SimMachine, id: string) {
  const { answer } = await typeJson<readonly DeviceVerification[]>(['verify'], makeSimulatedHost(machine))
  return answer[0]?.checks.find((one) => one.id === id)
}

/** The next update is installed and sealed forward. */
async function sealedForward(): Promise<SimMachine> {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await typeStart(makeSimulatedHost(machine), 'forward-seal')).exit).toBe(3)
  return machine
}

describe('a boot of another entry than that of AEM', () => {
  it('measured no LUKS headers: it denies no secret that the next AEM boot shows', async () => {
    const machine = await sealedForward()
    machine.menuChoice = PLAIN_ENTRY
    restartMachine(machine)
    expect(await checkOf(machine, 'pcr13')).toMatchObject({
      ok: null,
      detail: expect.stringContaining('this boot measured no headers'),
    })
    const { exit, said } = await verify(machine)
    expect(exit).toBe(1)
    expect(said).not.toContain('no secret would appear')
    machine.menuChoice = null
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
  })

  it('an AEM boot with a header that changed since', async () => {
    const machine = await approvedMachine()
    expect(await checkOf(machine, 'pcr13')).toMatchObject({ ok: true })
    machine.luksHeader = Buffer.from('another key slot')
    expect(await checkOf(machine, 'pcr13')).toMatchObject({ ok: false })
    expect((await verify(machine)).said).toContain('no secret would appear')
  })
})

describe('a new LUKS passphrase', () => {
  const SEAL_ORDER = /sudo anti-evil-maid-seal/

  it('orders `start` and no seal, which binds this boot', async () => {
    const machine = await approvedMachine()
    machine.luksHeader = Buffer.from('another key slot')
    const { exit, said } = await verify(machine)
    expect(exit).toBe(1)
    expect(said).not.toMatch(SEAL_ORDER)
    expect(said).toContain('If you changed a passphrase or a key slot: `aem-reseal start`')
    expect(said).toContain('If you did not: do not restart before you know who did')
    const started = await typeStart(makeSimulatedHost(machine), null, { 'accept-luks-header': 'yes' })
    expect(started.exit, started.said).toBe(3)
  })

  it('after the forward boot: `resume` and `verify` say the same, and it can be obeyed', async () => {
    const machine = await sealedForward()
    restartMachine(machine)
    machine.luksHeader = Buffer.from('another key slot')
    expect((await verify(machine)).said).toContain('`aem-reseal resume` explains first')
    const resumed = await typeResume(makeSimulatedHost(machine), { 'secret-shown': 'yes' })
    expect(resumed.exit).toBe(1)
    expect(resumed.said).not.toMatch(SEAL_ORDER)
    expect(resumed.said).toContain('`aem-reseal cancel`, then `aem-reseal start`, before you restart')
    await typeCancel(makeSimulatedHost(machine))
    const started = await typeStart(makeSimulatedHost(machine), null, { 'accept-luks-header': 'yes' })
    expect(started.exit, started.said).toBe(3)
    expect(started.asked).not.toContain('ground-go-on')
  })

  it('a copy of this boot that is damaged, with the headers as measured: the seal of before', async () => {
    const machine = await approvedMachine()
    machine.pcrs.sha256![18] = 'ab'.repeat(32)
    expect((await verify(machine)).said).toMatch(
      /if your secret appeared at this boot: .*sudo anti-evil-maid-seal/,
    )
  })
})

describe('after the forward boot, what a seal puts right', () => {
  const SEAL_THEN_RESUME = 'with aem plugged in run `sudo anti-evil-maid-seal`, then `aem-reseal resume`'

  async function forwardBooted(): Promise<SimMachine> {
    const machine = await sealedForward()
    restartMachine(machine)
    return machine
  }

  async function withOtherSeal(): Promise<SimMachine> {
    const machine = await forwardBooted()
    const bytes = Buffer.from('SEAL="--pcr 17 --pcr 18 --pcr 19"\n')
    machine.dom0.set('/etc/anti-evil-maid.conf', { bytes, mtimeMs: 0 })
    return machine
  }

  async function withLostCopy(): Promise<SimMachine> {
    const machine = await forwardBooted()
    loseCopy(machine)
    return machine
  }

  function loseCopy(machine: SimMachine): void {
    const files = findDevice(machine, machine.bootDevice)!.files
    for (const path of [...files.keys()]) if (path.endsWith('/secret.txt.sealed2')) files.delete(path)
  }

  it.each([
    ['another SEAL', withOtherSeal],
    ['a lost copy', withLostCopy],
  ])('%s: `resume` explains first, then both order the same seal', async (_, make) => {
    const machine = await make()
    const before = await verify(machine)
    expect(before.said).toContain('do not seal by hand before that: `aem-reseal resume` explains first')
    const resumed = await typeResume(makeSimulatedHost(machine), { 'secret-shown': 'yes' })
    expect([resumed.exit, resumed.said]).toEqual([1, expect.stringContaining(SEAL_THEN_RESUME)])
    expect((await verify(machine)).said).toContain(SEAL_THEN_RESUME)
  })

  it('the ordered seal ends the session', async () => {
    const machine = await withLostCopy()
    await typeResume(makeSimulatedHost(machine), { 'secret-shown': 'yes' })
    seal(machine)
    expect((await typeResume(makeSimulatedHost(machine), { 'secret-shown': 'yes' })).exit).toBe(0)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
  })

  it('is not sealed to in a boot that nobody explains', async () => {
    const machine = await withOtherSeal()
    put(machine, XEN_IMAGE, changeOneByte)
    restartMachine(machine)
    expect((await typeResume(makeSimulatedHost(machine), { 'secret-shown': 'no' })).exit).toBe(4)
    expect((await verify(machine)).said).not.toContain('sudo anti-evil-maid-seal')
  })

  it('is not sealed to by who did not see their sentence in a confirming boot', async () => {
    const machine = await withOtherSeal()
    await typeResume(makeSimulatedHost(machine), { 'secret-shown': 'yes' })
    restartMachine(machine)
    loseCopy(machine)
    const resumed = await typeResume(makeSimulatedHost(machine), { 'secret-shown': 'no' })
    expect(resumed.exit).toBe(1)
    for (const { said } of [resumed, await verify(machine)]) {
      expect(said).toContain('you did not see your sentence in this boot')
      expect(said).not.toContain('sudo anti-evil-maid-seal')
    }
  })
})

describe('a session that cannot be read', () => {
  const SESSION = '/var/lib/aem-reseal/session.json'
  const damage = ({ dom0 }: SimMachine) => dom0.set(SESSION, { bytes: Buffer.from('{'), mtimeMs: 0 })

  it('over a forward seal: the damage comes first, no secret is denied and no seal is ordered', async () => {
    const machine = await sealedForward()
    damage(machine)
    const { exit, said } = await verify(machine)
    expect(exit).toBe(1)
    expect(said).toMatch(/^ ?▲ the session file .* is damaged.*not everything could be checked/)
    expect(said).not.toMatch(/no secret would appear|run `sudo anti-evil-maid-seal`/)
    expect(said).toContain('seal nothing by hand')
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    const after = await verify(machine)
    expect([after.exit, after.said]).toEqual([1, expect.stringContaining('is damaged')])
    expect(after.said).not.toContain('updated without this program')
  })

  it('the evil twin, another Xen booted: that is told', async () => {
    const machine = await sealedForward()
    damage(machine)
    put(machine, XEN_IMAGE, changeOneByte)
    restartMachine(machine)
    const { exit, said } = await verify(machine)
    expect([exit, said]).toEqual([1, expect.stringContaining('UNEXPLAINED')])
    expect(said).not.toContain('run `sudo anti-evil-maid-seal`')
  })
})
