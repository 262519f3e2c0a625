import { describe, expect, it } from 'vitest'
import { postUpdate } from '../../flows/post-update.ts'
import { resume } from '../../flows/resume.ts'
import { clearUpdateMark } from '../../src/act/clear-update-mark.ts'
import { parseUpdateMark, renderUpdateMark } from '../../src/core/mark/update-mark.ts'
import type { Host } from '../../src/host/host.ts'
import { unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { UPDATE_MARK } from '../../src/tables/paths.ts'
import { ANSWERS } from '../support/answers.ts'
import { goodMachine, INITRAMFS, runOn, update } from '../support/approved-machine.ts'
import { statusAnswerOf } from '../support/status.ts'
import { verifyNow } from '../support/verify-now.ts'

/* The update mark over an update and its boots: what `status` says of it, and when it is taken away. */

const NEW = '4.17.4-4'
const XEN = '/boot/xen-4.17.4.gz'

/** As rpm's file trigger writes it. */
async function mark(machine: SimMachine, path = XEN): Promise<void> {
  const host = makeSimulatedHost(machine)
  const { bootId } = await observeMachine(host)
  const text = renderUpdateMark([{ bootId, time: Math.floor(machine.nowMs / 1000), path }])
  await host.writeFileAtomic(UPDATE_MARK, Buffer.from(text), 0o644)
}

async function marksOf(machine: SimMachine): Promise<readonly string[] | null> {
  const bytes = await makeSimulatedHost(machine).readFile(UPDATE_MARK)
  if (bytes.state !== 'seen') return null
  return parseUpdateMark(Buffer.from(bytes.value).toString())?.map(({ path }) => path) ?? null
}

async function lookAt(machine: SimMachine, host: Host = makeSimulatedHost(machine)) {
  const { updates, notice, protection, next } = ANSWERS.status.parse(
    JSON.parse(JSON.stringify(await statusAnswerOf(host))),
  )
  return {
    updates,
    notice: notice?.code ?? null,
    command: notice?.command ?? null,
    codes: protection.reasons.map(({ code }) => code),
    state: protection.state,
    next,
  }
}

describe('status', () => {
  it('is quiet where nothing was updated', async () => {
    const look = await lookAt(goodMachine())
    expect(look).toMatchObject({ notice: null, updates: { state: 'none', files: [] }, state: 'protected' })
  })

  it('names the packages of an update in this boot, and offers start', async () => {
    const machine = goodMachine()
    update(machine, NEW)
    await mark(machine)
    const look = await lookAt(machine)
    expect(look.updates).toMatchObject({
      state: 'marked',
      files: [{ path: XEN, inThisBoot: true }],
      packages: [{ name: 'xen-hypervisor' }],
    })
    expect([look.notice, look.command, look.next.command]).toEqual([
      'start',
      'aem-reseal start',
      'aem-reseal start',
    ])
  })

  it('never says protected of an update that no Xen shows: a kernel', async () => {
    const machine = goodMachine()
    await mark(machine, '/boot/vmlinuz-6.6.40-1.qubes.fc37.x86_64')
    const look = await lookAt(machine)
    expect([look.state, look.codes, look.next.command]).toEqual([
      'at-risk',
      ['files-updated'],
      'aem-reseal start',
    ])
  })

  it('sees an initramfs that was made by hand, which no trigger does', async () => {
    const machine = goodMachine()
    const boot = bootFilesOf(machine)
    const old = boot.get(INITRAMFS)
    if (!old) throw new Error('no initramfs')
    machine.nowMs += 60_000
    boot.set(INITRAMFS, { bytes: old.bytes, mtimeMs: machine.nowMs })
    const look = await lookAt(machine)
    expect(look.updates).toMatchObject({ state: 'none', newInitramfs: [`/boot/${INITRAMFS}`] })
    expect([look.state, look.codes, look.notice]).toEqual(['at-risk', ['files-updated'], 'start'])
  })

  it('ignores a mark that others could have written, and says so', async () => {
    const machine = goodMachine()
    await mark(machine)
    const host = makeSimulatedHost(machine)
    const foreign: Host = {
      ...host,
      readFile: async (path) =>
        path === UPDATE_MARK ? unknown(`${UPDATE_MARK} belongs to user 1000`) : host.readFile(path),
    }
    const look = await lookAt(machine, foreign)
    expect(look.updates).toMatchObject({
      state: 'ignored',
      why: expect.stringContaining('user 1000'),
      files: [],
    })
    expect([look.notice, look.codes]).toEqual(['mark-ignored', []])
  })

  it('ignores one of another form', async () => {
    const machine = goodMachine()
    await makeSimulatedHost(machine).writeFileAtomic(UPDATE_MARK, Buffer.from('x\n'), 0o644)
    expect(await lookAt(machine)).toMatchObject({ notice: 'mark-ignored', updates: { state: 'ignored' } })
  })
})

describe('the mark over the boots', () => {
  it('stays in the blind boot after the update, offers resume with a session, and goes when the boot is accepted', async () => {
    const machine = goodMachine()
    update(machine, NEW)
    await mark(machine)
    const started = await runOn(machine, postUpdate, {}, { protect: 'plain', restart: 'manual' })
    expect(started.exit).toBe(3)
    expect(await lookAt(machine)).toMatchObject({ notice: null })
    restartMachine(machine)
    const after = await lookAt(machine)
    expect([after.notice, after.command]).toEqual(['resume', 'aem-reseal resume'])
    expect(after.updates?.files).toMatchObject([{ inThisBoot: false }])
    await runOn(machine, resume, {})
    expect(await marksOf(machine)).toBe(null)
  })

  it('stays after a restart without a session, until verify is well in a boot that showed the secret', async () => {
    const machine = goodMachine()
    update(machine, NEW)
    await mark(machine)
    restartMachine(machine)
    expect((await lookAt(machine)).notice).toBe('update-unconfirmed')
    // The TPM refused the secret in this boot; AEM sealed to it unseen.
    await verifyNow(machine)
    expect(await marksOf(machine)).toEqual([XEN])
    restartMachine(machine)
    await verifyNow(machine)
    expect(await marksOf(machine)).toBe(null)
    expect((await lookAt(machine)).notice).toBe(null)
  })

  it('keeps what came in the approved boot itself', async () => {
    const machine = goodMachine()
    await mark(machine)
    restartMachine(machine)
    const host = makeSimulatedHost(machine)
    const { bootId } = await observeMachine(host)
    const old = await host.readFile(UPDATE_MARK)
    const files = old.state === 'seen' ? (parseUpdateMark(Buffer.from(old.value).toString()) ?? []) : []
    const text = renderUpdateMark([...files, { bootId, time: 1, path: '/boot/tboot.gz' }])
    await host.writeFileAtomic(UPDATE_MARK, Buffer.from(text), 0o644)
    await clearUpdateMark(host, null)
    expect(await marksOf(machine)).toEqual([XEN, '/boot/tboot.gz'])
    await clearUpdateMark(host, bootId)
    expect(await marksOf(machine)).toEqual(['/boot/tboot.gz'])
  })
})
