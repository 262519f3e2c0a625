import { describe, expect, it } from 'vitest'
import { DEVICE_OUT_ADVICE } from '../../src/core/launch/explain-advice.ts'
import { COMMAND_LINE_RULES } from '../../src/core/launch/module-digest.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import type { Versions } from '../../src/core/session/versions.ts'
import { ABSENT, type Host, type Seen, unknown } from '../../src/host/host.ts'
import { installInitramfsInput, installXen } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeExplanation } from '../../src/observe/launch/explanation.ts'
import { observePrediction } from '../../src/observe/launch/prediction.ts'
import type { Prediction } from '../../src/observe/launch/vouch-evidence.ts'
import { machineOf } from '../support/built-in.ts'
import { started } from '../support/started.ts'

/** What `explain` is fed with after the restart, on the built-in machine. */

const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`

async function explain(
  machine: SimMachine,
  session: Session,
  versions: Seen<Versions> = ABSENT,
  told: Partial<Host> = {},
) {
  return observeExplanation(observeDom0({ ...makeSimulatedHost(machine), ...told }), session, versions)
}

const codesOf = ({ reasons }: { reasons: readonly { code: string }[] }) => reasons.map(({ code }) => code)

function append(machine: SimMachine, name: string): void {
  const file = bootFilesOf(machine).get(name)!
  bootFilesOf(machine).set(name, { ...file, bytes: Buffer.concat([file.bytes, Buffer.from('evil')]) })
}

/** The session after this boot was accepted. */
async function accepted(machine: SimMachine, session: Session): Promise<Session> {
  const { bootId } = await observeMachine(makeSimulatedHost(machine))
  const pcrs = { ...machine.pcrs.sha256 }
  return { ...session, approved: { at: '2024-07-17T09:00:00.000Z', bootId, pcrs } }
}

describe('once a boot was accepted', () => {
  it('a later one of the same registers changed nothing', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const later = await accepted(machine, session)
    restartMachine(machine)
    expect((await explain(machine, later)).verdict).toBe('unchanged')
  })

  it('a later one may change nothing at all, not even what the update may', async () => {
    const { machine, session } = await started()
    expect(session.expectation?.mayChange).toEqual([18, 19])
    restartMachine(machine)
    const later = await accepted(machine, session)
    append(machine, INITRAMFS)
    restartMachine(machine)
    const { verdict, pcrs } = await explain(machine, later)
    expect(verdict).toBe('unexplained')
    expect(
      pcrs.filter(({ change }) => change !== 'none').map(({ index, change }) => [index, change]),
    ).toEqual([[19, 'unexpected']])
  })

  it('for another packaged Xen only where it is known what was measured then', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const later = await accepted(machine, session)
    installXen(machine, '4.17.4-5', machine.nowMs)
    restartMachine(machine)
    const { pcrs, reasons } = await explain(machine, later)
    expect(pcrs.find(({ index }) => index === 18)?.change).toBe('unexpected')
    expect(codesOf({ reasons })).toContain('tboot-changed')
    expect(codesOf({ reasons })).not.toContain('pcr-not-expected')
  })

  it('one that goes back to the registers before the update is another', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const later = await accepted(machine, session)
    const before = { ...later, approved: { ...later.approved!, pcrs: session.baseline!.pcrs.sha256! } }
    restartMachine(machine)
    const { verdict, pcrs } = await explain(machine, before)
    expect(verdict).toBe('unexplained')
    expect(pcrs.find(({ index }) => index === 18)?.change).toBe('unexpected')
  })

  it('that same boot is still compared with the one before the restart', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    expect((await explain(machine, await accepted(machine, session))).verdict).toBe('explained')
  })
})

describe('a prediction that came true', () => {
  /** The initramfs was changed before the registers were predicted; the session keeps what came of it. */
  async function tampered(vouched: boolean | null) {
    const { machine, session } = await started()
    append(machine, INITRAMFS)
    const { prediction } = await observePrediction(observeDom0(makeSimulatedHost(machine)), [13, 17, 18, 19])
    restartMachine(machine)
    expect(prediction.pcrs.find(({ index }) => index === 19)?.predicted).toBe(machine.pcrs.sha256?.[19])
    const pcrs = prediction.pcrs.map((pcr) => ({ ...pcr, vouched: vouched ?? pcr.vouched }))
    const { pcrs: explained } = await explain(machine, { ...session, prediction: { ...prediction, pcrs } })
    return explained.find(({ index }) => index === 19)
  }

  it('explains nothing where nobody vouched for it', async () => {
    expect(await tampered(null)).toMatchObject({ change: 'unexpected', predicted: null })
  })

  it('would explain the register, had it been vouched for', async () => {
    expect(await tampered(true)).toMatchObject({ change: 'expected' })
  })
})

describe('a bulletin', () => {
  async function explained(bulletinPcrs: readonly number[]) {
    const { machine, session } = await started()
    restartMachine(machine)
    const expectation = { ...session.expectation!, bulletins: [103], bulletinPcrs: [...bulletinPcrs] }
    return explain(machine, { ...session, expectation })
  }

  it('is named as a cause, by its number, where its package moved a register', async () => {
    const { pcrs } = await explained([18])
    expect(pcrs.find(({ index }) => index === 18)?.causes.map(({ bulletin }) => bulletin)).toEqual([103])
  })

  it('that names a register which did not move is explained, and it does no harm', async () => {
    const { verdict, reasons } = await explained([18, 19])
    expect(verdict).toBe('explained')
    expect(reasons.filter(({ code }) => code === 'bulletin-names-more')).toEqual([
      {
        code: 'bulletin-names-more',
        what: 'the bulletin says PCR 18 and 19 change; PCR 19 did not: nothing measured into it changed, which is fine',
        next: null,
        isBlocking: false,
      },
    ])
    expect(codesOf(await explained([18]))).not.toContain('bulletin-names-more')
  })
})

describe('after the restart', () => {
  it('a boot file that was not on the device at the confirmation is named', async () => {
    const { machine, session } = await started()
    bootFilesOf(machine).set('xen-4.17.9.gz', { bytes: Buffer.from('another Xen'), mtimeMs: 0 })
    restartMachine(machine)
    const { verdict, reasons, advice } = await explain(machine, session)
    expect(verdict).toBe('unexplained')
    expect(advice).not.toContain(DEVICE_OUT_ADVICE)
    expect(reasons).toContainEqual(
      expect.objectContaining({
        code: 'boot-file-changed',
        what: expect.stringContaining('/boot/xen-4.17.9.gz'),
      }),
    )
  })

  it('command lines are hashed by the rule that was found before it, not by one that this boot suggests', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const prediction = session.prediction as unknown as Prediction
    const kept = prediction.variant!.commandLine
    const other = COMMAND_LINE_RULES.find((rule) => rule !== kept)!
    const explained = (rule: typeof kept) =>
      explain(machine, {
        ...session,
        // Without the registers that were predicted: each file is asked.
        prediction: { ...prediction, pcrs: [], variant: { ...prediction.variant!, commandLine: rule } },
      })
    expect((await explained(kept)).verdict).toBe('explained')
    expect((await explained(other)).verdict).toBe('unexplained')
  })

  it('a boot file that was there at the confirmation and is gone is named', async () => {
    const machine = machineOf('clean-update')
    bootFilesOf(machine).set('xen-4.17.2.gz', { bytes: Buffer.from('an older Xen'), mtimeMs: 0 })
    const { session } = await started(machine)
    for (const { files } of machine.devices) files.delete('/xen-4.17.2.gz')
    restartMachine(machine)
    const { verdict, reasons } = await explain(machine, session)
    expect(verdict).toBe('unexplained')
    expect(reasons).toContainEqual(
      expect.objectContaining({
        code: 'boot-file-changed',
        what: expect.stringContaining('/boot/xen-4.17.2.gz'),
      }),
    )
  })

  it('a boot file that is not the installed one is called not current', async () => {
    const { machine, session } = await started()
    append(machine, 'tboot.gz')
    restartMachine(machine)
    const { reasons } = await explain(machine, session)
    expect(reasons.map(({ what }) => what).join()).toMatch(/tboot\.gz \(tboot\) is not current/)
  })

  it('a register that cannot be read is told once, as that', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const { 19: _unread, ...sha256 } = machine.pcrs.sha256!
    machine.pcrs = { sha256 }
    const { verdict, reasons } = await explain(machine, session)
    expect(verdict).toBe('unexplained')
    expect(reasons.filter(({ what }) => what.includes('PCR 19'))).toHaveLength(1)
  })

  it('the device that is out is what to plug in first', async () => {
    const { machine, session } = await started()
    append(machine, INITRAMFS)
    restartMachine(machine)
    for (const device of machine.devices) device.isPresent = false
    const { verdict, advice } = await explain(machine, session)
    expect([verdict, advice[0]]).toEqual(['unexplained', DEVICE_OUT_ADVICE])
    expect(advice.length).toBeGreaterThan(1)
  })

  it('the device that is out is all that is missing where the registers are the predicted ones', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    for (const device of machine.devices) device.isPresent = false
    const explanation = await explain(machine, session)
    expect([explanation.verdict, codesOf(explanation)]).toEqual(['no-baseline', ['device-absent']])
    expect(explanation.pcrs.filter(({ change }) => change === 'expected')).toEqual([])
  })

  it('the device that is out is all that is missing where a register stayed that was predicted to move', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    for (const device of machine.devices) device.isPresent = false
    const prediction = session.prediction as unknown as Prediction
    const pcrs = prediction.pcrs.map((pcr) =>
      pcr.index === 17 ? { ...pcr, predicted: 'ab'.repeat(32) } : pcr,
    )
    const explanation = await explain(machine, { ...session, prediction: { ...prediction, pcrs } })
    expect(explanation.pcrs.find(({ index }) => index === 17)?.change).toBe('none')
    expect([explanation.verdict, codesOf(explanation)]).toEqual(['no-baseline', ['device-absent']])
  })

  it('the device that is out is all that is missing where nothing was predicted', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    for (const device of machine.devices) device.isPresent = false
    const explanation = await explain(machine, { ...session, prediction: null })
    expect([explanation.verdict, codesOf(explanation)]).toEqual(['no-baseline', ['device-absent']])
  })

  it('a record of versions that cannot be read explains nothing; none at all does no harm', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const unread = await explain(machine, session, unknown('permission denied'))
    expect(unread.verdict).toBe('unexplained')
    expect(codesOf(unread)).toContain('versions-unreadable')
    const recorded = await explain(machine, session, unknown('not recorded'), { kind: 'recorded' })
    expect(codesOf(recorded)).not.toContain('versions-unreadable')
    expect((await explain(machine, session)).verdict).toBe('explained')
  })

  it('a package of an unknown signer explains no change of its file', async () => {
    const { machine, session } = await started()
    machine.packages = machine.packages.map((item) =>
      item.name === 'xen-hypervisor' ? { ...item, keyId: 'feedfacefeedface' } : item,
    )
    restartMachine(machine)
    // Without a prediction the file alone is asked.
    const { pcrs, reasons } = await explain(machine, { ...session, prediction: null })
    expect(pcrs.find(({ index }) => index === 18)?.change).toBe('unexpected')
    expect(reasons).toContainEqual(
      expect.objectContaining({
        code: 'signer-unknown',
        isBlocking: true,
        what: expect.stringMatching(/xen-4\.17\.4\.gz: xen-hypervisor .*feedfacefeedface/),
      }),
    )
  })

  it('an initramfs that nothing made again explains no change of its register', async () => {
    const { machine, session } = await started()
    append(machine, INITRAMFS)
    restartMachine(machine)
    const { pcrs, reasons } = await explain(machine, { ...session, prediction: null })
    expect(pcrs.find(({ index }) => index === 19)?.change).toBe('unexpected')
    expect(reasons).toContainEqual(
      expect.objectContaining({ code: 'no-package', what: expect.stringContaining(INITRAMFS) }),
    )
  })

  it('an initramfs that dom0 made again before it explains the change of its register', async () => {
    const machine = machineOf('clean-update')
    installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
    const { session } = await started(machine)
    expect(session.findings.predict).toMatchObject({ reproductions: [{ state: 'same' }] })
    restartMachine(machine)
    const changeOf = async (own: Session) =>
      (await explain(machine, own)).pcrs.find(({ index }) => index === 19)?.change
    // Without a prediction the file alone is asked.
    const asked = { ...session, prediction: null }
    expect(await changeOf(asked)).toBe('expected')
    expect(await changeOf({ ...asked, findings: {} })).toBe('unexpected')
  })

  it.each([
    [true, 'expected'],
    [false, 'unexpected'],
  ])('LUKS headers that a person called the own: %s', async (luksHeaderAccepted, change) => {
    const { machine, session } = await started()
    machine.luksHeader = Buffer.from('a key slot more')
    restartMachine(machine)
    const predict = {
      ...(session.findings.predict as object),
      luksHeaderAccepted,
      luksHeaderValue: machine.pcrs.sha256![13],
    }
    const expectation = { ...session.expectation!, mayChange: [13, 18, 19] }
    const { pcrs } = await explain(machine, { ...session, expectation, findings: { predict } })
    expect(pcrs.find(({ index }) => index === 13)?.change).toBe(change)
  })

  it.each([
    ['linux-firmware', 'linux-firmware'],
    ['xen-hypervisor', 'xen-hypervisor'],
  ])('the package %s of an unknown signer is named, and no other', async (name, named) => {
    const { machine, session } = await started()
    machine.packages = machine.packages.map((item) =>
      item.name === name ? { ...item, keyId: 'feedfacefeedface' } : item,
    )
    restartMachine(machine)
    const expectation = { ...session.expectation!, changedPackages: ['xen-hypervisor', 'linux-firmware'] }
    const { reasons } = await explain(machine, { ...session, expectation })
    const unverified = reasons.filter(({ code }) => code === 'package-not-verified')
    expect(unverified.map(({ what }) => what.split(' ')[0])).toEqual([named])
    expect(unverified[0]?.what).toContain('feedfacefeedface')
  })

  it('a command line that is other is named, though every register is as before', async () => {
    const { machine, session } = await started()
    restartMachine(machine)
    const real = makeSimulatedHost(machine)
    const readFile: Host['readFile'] = async (path) => {
      const found = await real.readFile(path)
      if (path !== '/proc/cmdline' || found.state !== 'seen') return found
      const text = Buffer.from(found.value).toString('latin1').replace('\n', ' init=/bin/sh\n')
      return { state: 'seen', value: Buffer.from(text, 'latin1') }
    }
    const { verdict, reasons, pcrs } = await explain(machine, session, ABSENT, { readFile })
    expect(verdict).toBe('unexplained')
    expect(pcrs.every(({ change }) => change !== 'unexpected')).toBe(true)
    expect(reasons).toContainEqual(
      expect.objectContaining({
        code: 'command-line-not-expected',
        isBlocking: true,
        what: expect.stringContaining('+ init=/bin/sh'),
      }),
    )
  })
})
