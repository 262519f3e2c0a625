import { beforeEach, describe, expect, it } from 'vitest'
import { resume } from '../../../flows/resume.ts'
import { makeSimulatedHost } from '../../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import { ANSWERS } from '../../support/answers.ts'
import {
  approvedMachine,
  finish,
  isSecretShown,
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
