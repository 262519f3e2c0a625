import { beforeEach, describe, expect, it } from 'vitest'
import { resume } from '../../../flows/resume.ts'
import { makeSimulatedHost } from '../../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import { DEFAULT_STATE_DIR } from '../../../src/tables/paths.ts'
import { ANSWERS } from '../../support/answers.ts'
import {
  approvedMachine,
  finish,
  goodMachine,
  isSecretShown,
  loadLedger,
  NEXT_XEN,
  runOn,
  start,
  update,
} from '../../support/approved-machine.ts'
import { runMain } from '../../support/io.ts'

/* An entry of a file beside grub.cfg, started once: it measures what AEM's own does, and no register tells them apart. */

const AEM_ENTRY = /menuentry 'AEM Qubes, with Xen hypervisor'[^\n]*\n[\s\S]*?\n}\n/
const ONCE = "menuentry 'AEM once' --id once {\n"

let machine: SimMachine
beforeEach(async () => {
  machine = await approvedMachine()
})

const textOf = (name: string) => Buffer.from(bootFilesOf(machine).get(name)!.bytes).toString('latin1')
const write = (name: string, text: string) =>
  bootFilesOf(machine).set(name, { bytes: Buffer.from(text, 'latin1'), mtimeMs: machine.nowMs })
const run = (...argv: string[]) => runMain([...argv, '--ascii'], { host: makeSimulatedHost(machine) })
const all = ({ stdout, stderr }: { stdout: string; stderr: string }) =>
  `${stdout}${stderr}`.replace(/\s+/g, ' ')

/** AEM's own entry with other ACPI tables before it; GRUB takes next_entry out of grubenv when it starts it. */
function bootOnce(change: (entry: string) => string = (entry) => entry): void {
  const [entry = ''] = AEM_ENTRY.exec(textOf('grub2/grub.cfg')) ?? []
  write('evil.aml', 'AML that patches the kernel')
  write(
    'grub2/custom.cfg',
    change(entry.replace(/menuentry [^\n]*\n/, ONCE).replace(/\n}\n$/, '\n\tacpi\t/evil.aml\n}\n')),
  )
  write('grub2/grubenv', '# GRUB Environment Block\nnext_entry=once\n'.padEnd(1024, '#'))
  restartMachine(machine)
  expect(machine.booted?.title).toBe('AEM once')
  expect(machine.booted?.touched).toContainEqual(['acpi', '/evil.aml'])
}

describe('after `start`', () => {
  it('is named by `resume` and `explain`, and nothing is accepted', async () => {
    update(machine, NEXT_XEN)
    expect((await start(machine)).exit).toBe(3)
    bootOnce()
    expect(isSecretShown(machine)).toBe(true)
    const resumed = await finish(machine)
    expect(resumed.exit).toBe(4)
    expect(resumed.outcomes).toContain('explain: unexplained')
    const person = await runOn(machine, resume, { 'accept-change': 'yes', 'ask-secret': 'yes' })
    expect(person.exit).toBe(4)
    expect(person.asked).not.toContain('accept-change')
    const explained = await run('explain')
    expect(explained.exit).toBe(4)
    expect(all(explained)).toContain('"AEM once" of custom.cfg: it runs "acpi"')
    expect((await run('verify')).exit).toBe(1)
  })
})

describe('a file that grub.cfg reads, after `start`', () => {
  const HARMLESS = 'set timeout=3\n'
  const begin = async () => {
    update(machine, NEXT_XEN)
    expect((await start(machine)).exit).toBe(3)
  }
  const explain = async () => {
    const resumed = await finish(machine)
    const { json } = await run('explain', '--json')
    const { reasons } = ANSWERS.explain.parse(json)
    const told = reasons.filter(({ code }) => code === 'boot-file-changed').map(({ what }) => what)
    return { exit: resumed.exit, told }
  }

  it.each(['custom.cfg', 'user.cfg'])('is named where it came: %s', async (name) => {
    await begin()
    write(`grub2/${name}`, HARMLESS)
    restartMachine(machine)
    expect(await explain()).toEqual({
      exit: 4,
      told: [
        expect.stringContaining(`/grub2/${name} (read by grub.cfg) came after the update was confirmed`),
      ],
    })
  })

  it('is named where it changed, or went', async () => {
    write('grub2/custom.cfg', HARMLESS)
    write('grub2/user.cfg', HARMLESS)
    await begin()
    write('grub2/custom.cfg', 'set timeout=4\n')
    for (const { files } of machine.devices) files.delete('/grub2/user.cfg')
    restartMachine(machine)
    expect(await explain()).toEqual({
      exit: 4,
      told: [
        expect.stringContaining('/grub2/custom.cfg (read by grub.cfg) is not the file that was confirmed'),
        expect.stringContaining('/grub2/user.cfg (read by grub.cfg) is not there any more'),
      ],
    })
  })

  it('is no alarm where it is as it was, nor in a session of a program that noted none', async () => {
    write('grub2/custom.cfg', HARMLESS)
    await begin()
    restartMachine(machine)
    expect(await explain()).toEqual({ exit: 0, told: [] })
    update(machine, `${NEXT_XEN.slice(0, -1)}6`)
    await begin()
    const path = `${DEFAULT_STATE_DIR}/session.json`
    const { bytes, ...file } = machine.dom0.get(path)!
    const session = JSON.parse(Buffer.from(bytes).toString())
    expect(session.baseline.grubFiles).toHaveLength(1)
    delete session.baseline.grubFiles
    machine.dom0.set(path, { ...file, bytes: Buffer.from(JSON.stringify(session)) })
    write('grub2/user.cfg', HARMLESS)
    restartMachine(machine)
    expect(await explain()).toEqual({ exit: 0, told: [] })
  })
})

describe('while no session is open', () => {
  it.each([
    ['as it is', (entry: string) => entry, 'it runs "acpi"'],
    [
      'with tboot under another name',
      (entry: string) => entry.replace('/tboot.gz', '/t.gz'),
      'it is not written as AEM writes its own',
    ],
  ])('is named by `status`, `verify`, `explain` and the next `start`: %s', async (_what, change, words) => {
    write('t.gz', textOf('tboot.gz'))
    bootOnce(change)
    const told = `"AEM once" of custom.cfg: ${words}`
    const status = await run('status', '--json')
    expect(ANSWERS.status.parse(status.json).protection).toMatchObject({ state: 'not-protected' })
    expect(JSON.stringify(status.json).replaceAll('\\"', '"')).toContain(told)
    const verify = await run('verify')
    expect(verify.exit).toBe(1)
    expect(all(verify)).toContain(told)
    const explained = await run('explain')
    expect(explained.exit).toBe(4)
    expect(all(explained)).toContain(told)
    update(machine, NEXT_XEN)
    const begun = await start(machine)
    expect(begun.exit).toBe(1)
    expect(begun.said).toContain(told)
  })

  it('is no alarm where it only says what AEM’s own says', async () => {
    const [entry = ''] = AEM_ENTRY.exec(textOf('grub2/grub.cfg')) ?? []
    write('grub2/custom.cfg', entry.replace(/menuentry [^\n]*\n/, ONCE))
    restartMachine(machine)
    const status = await run('status', '--json')
    expect(ANSWERS.status.parse(status.json).protection).toMatchObject({ state: 'protected' })
    expect((await run('verify')).exit).toBe(0)
    expect((await run('explain')).exit).toBe(0)
  })
})

describe('before any boot was approved', () => {
  beforeEach(() => {
    machine = goodMachine()
  })

  it('is named by `status`, `verify`, `explain` and the first `start`', async () => {
    bootOnce()
    expect(isSecretShown(machine)).toBe(true)
    const told = '"AEM once" of custom.cfg: it runs "acpi"'
    const status = ANSWERS.status.parse((await run('status', '--json')).json)
    expect(status.protection).toMatchObject({ state: 'not-protected' })
    expect(status.sinceApproved).toMatchObject({ at: null, state: 'unexplained', registers: [] })
    expect(status.sinceApproved?.what).toContainEqual(expect.stringContaining(told))
    expect(all(await run('status'))).toContain(`UNEXPLAINED: this boot may have come from the entry ${told}`)
    const verify = await run('verify')
    expect(verify.exit).toBe(1)
    expect(all(verify)).toContain(told)
    const explained = await run('explain')
    expect(explained.exit).toBe(4)
    expect(all(explained)).toContain(told)
    expect(all(explained)).toContain('may have come from an entry that AEM does not write')
    expect(ANSWERS.explain.parse((await run('explain', '--json')).json)).toMatchObject({
      verdict: 'unexplained',
      since: null,
      pcrs: [],
      reasons: [{ code: 'odd-entry', isBlocking: true }],
    })
    update(machine, NEXT_XEN)
    const begun = await start(machine)
    expect(begun.exit).toBe(1)
    expect(begun.said).toContain(told)
  })

  it('is no alarm where it only says what AEM’s own says', async () => {
    const [entry = ''] = AEM_ENTRY.exec(textOf('grub2/grub.cfg')) ?? []
    write('grub2/custom.cfg', entry.replace(/menuentry [^\n]*\n/, ONCE))
    restartMachine(machine)
    const status = ANSWERS.status.parse((await run('status', '--json')).json)
    expect(status).toMatchObject({ protection: { state: 'protected' }, sinceApproved: null })
    expect((await run('verify')).exit).toBe(0)
    expect((await run('explain')).exit).toBe(1)
  })
})

it('without a session, `verify` in such a boot approves nothing, and the device stays to do', async () => {
  const approvedOf = async () => (await loadLedger(machine)).devices[0]
  const before = await approvedOf()
  bootOnce()
  expect(isSecretShown(machine)).toBe(true)
  expect((await run('verify')).exit).toBe(1)
  expect(await approvedOf()).toMatchObject({
    approved: before!.approved,
    knownFiles: before!.knownFiles,
    verified: { isCurrent: false, why: 'what it booted then was not explained' },
  })
})
