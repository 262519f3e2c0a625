import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { readLaunchLog } from '../../src/observe/launch/launch-log.ts'
import { HYPERVISOR_LOG } from '../../src/tables/paths.ts'
import { disk, machineOf } from '../core/launch/launch-world.ts'
import { writeTxtStat } from '../core/launch/tboot-writer.ts'
import { ALGORITHMS, writeAgileLog } from '../core/launch/tcg-writer.ts'
import { aemDom0, type RecordedDom0 } from '../support/recorded-machine.ts'
import { eventsOf, sklFile, xenFile } from '../support/trenchboot-launch.ts'

const ADDRESS = 0x7e9f5000
const SIZE_BYTES = 0x8000
const BANNER = '(XEN) Xen version 4.17.4 (@) (gcc (GCC) 13.2.0) debug=n 2025-04-27\n'
const NAMED = `(XEN) SLAUNCH: reserving event log (0x${ADDRESS.toString(16)} - 0x${(ADDRESS + SIZE_BYTES).toString(16)})\n`
const WRAPPED = 'd8ed0000 - 0xd8f20000)\n(XEN) EFI RAM map:\n'
/** txt-stat of a machine that was not launched, as tboot-devel of 2020-04-08 has it. */
const NOT_LAUNCHED = '\t TXT measured launch: FALSE\n\t secrets flag set: FALSE\nunable to find TBOOT log\n'
const NO_LOG = '\t TXT measured launch: TRUE\n\t secrets flag set: FALSE\nunable to find TBOOT log\n'
const TBOOT = writeTxtStat(machineOf(disk()))

function eventLog(): string {
  const launch = {
    kind: 'amd-bios' as const,
    xen: xenFile('4.17.4-3'),
    xenOptions: '',
    loader: sklFile('SKL'),
    modules: [{ name: 'vmlinuz', options: '', bytes: 'kernel' }],
  }
  const algorithms = ALGORITHMS.slice(0, 2)
  const log = writeAgileLog(eventsOf(launch), algorithms, 0)
  return Buffer.concat([log, Buffer.alloc(SIZE_BYTES - log.length)]).toString('latin1')
}

const withMemory = (machine: RecordedDom0): RecordedDom0 =>
  machine.answering(
    'memory-read',
    { address: String(ADDRESS), sizeBytes: String(SIZE_BYTES) },
    { stdout: eventLog() },
  )
const txtStat = (machine: RecordedDom0, stdout: string) => machine.answering('launch-log', {}, { stdout })
const dmesg = (machine: RecordedDom0, stdout: string) => machine.answering('xl-dmesg', {}, { stdout })
const trenchBoot = () => aemDom0().withTrenchBoot()

it('a line that goes on behind TRUE does not say that this boot was launched', async () => {
  const said = async (line: string) => {
    const { log } = await look(
      txtStat(aemDom0(), `\t TXT measured launch: ${line}\nunable to find TBOOT log\n`),
    )
    return log instanceof Failure ? log.text.what : ''
  }
  expect(await said('TRUE')).toContain('was launched by TXT')
  expect(await said('TRUE?')).not.toContain('was launched by TXT')
})

async function look(machine: RecordedDom0) {
  const host = await makeRecordedHost(machine.write())
  const dom0 = observeDom0(host)
  return { log: await dom0.log(), kept: readLaunchLog(await dom0.txtStat()) }
}

describe('the launch log comes from what launched this boot', () => {
  it.each([
    ['txt-stat is not installed', trenchBoot().without('/usr/sbin/txt-stat')],
    ['txt-stat says FALSE', txtStat(trenchBoot(), NOT_LAUNCHED)],
    ['txt-stat has a log of an earlier boot with tboot', txtStat(trenchBoot(), TBOOT)],
    ['txt-stat found no log', txtStat(trenchBoot(), NO_LOG)],
    ['txt-stat fails', trenchBoot().answering('launch-log', {}, { exit: 1 })],
  ])("TrenchBoot's, where %s", async (_, machine) => {
    const { log } = await look(withMemory(dmesg(machine, BANNER + NAMED)))
    expect(log).toMatchObject({ kind: 'trenchboot', modules: [{}] })
  })

  it("tboot's, where Xen names no event log", async () => {
    const { log, kept } = await look(dmesg(txtStat(aemDom0(), TBOOT), BANNER))
    expect(log).toMatchObject({ kind: 'tboot', measured: true })
    expect(kept).toBe(TBOOT)
  })

  it('of hypervisor.log, the last boot, where xl dmesg lost its beginning', async () => {
    const stamp = (text: string) => text.replace(/^/gm, '[2025-09-25 10:00:00] ').replace(/\[[^\]]*\] $/, '')
    const earlier = `${BANNER}(XEN) SLAUNCH: reserving event log (0x1000 - 0x2000)\n`
    for (const text of [earlier + BANNER + NAMED, stamp(earlier + BANNER + NAMED)]) {
      const machine = trenchBoot().without('/usr/sbin/txt-stat').withFile(HYPERVISOR_LOG, text)
      expect((await look(withMemory(dmesg(machine, WRAPPED)))).log).toMatchObject({ kind: 'trenchboot' })
    }
  })

  it('of no line that a qube wrote', async () => {
    const machine = trenchBoot()
      .without('/usr/sbin/txt-stat')
      .withFile(HYPERVISOR_LOG, `${BANNER}(d1) ${NAMED}`)
    expect((await look(withMemory(dmesg(machine, WRAPPED)))).log).toBeInstanceOf(Failure)
  })
})

describe('where there is none, the reason names the source that failed, and what helps', () => {
  const cases: [string, RecordedDom0, string[], string[], string][] = [
    [
      'the memory cannot be read',
      dmesg(txtStat(trenchBoot(), NO_LOG), BANNER + NAMED),
      ['TrenchBoot launched this boot', '0x7e9f5000 could not be read from /dev/mem'],
      [],
      'dd if=/dev/mem',
    ],
    [
      'the ring lost its beginning',
      dmesg(trenchBoot().without('/usr/sbin/txt-stat'), WRAPPED),
      ['the beginning of xl dmesg is gone'],
      ['see that the AEM entry was booted'],
      'conring_size=',
    ],
    [
      'the ring lost its beginning, and txt-stat says FALSE beside it',
      dmesg(txtStat(trenchBoot(), NOT_LAUNCHED), WRAPPED),
      ['the beginning of xl dmesg is gone', 'tboot launched nothing'],
      [],
      'conring_size=',
    ],
    [
      'the ring lost its beginning where nothing is set up for TrenchBoot: no larger ring is asked for',
      dmesg(aemDom0().without('/usr/sbin/txt-stat'), WRAPPED),
      ['txt-stat (package tboot) is not installed', 'the beginning of xl dmesg is gone'],
      ['conring_size='],
      'see that the AEM entry was booted',
    ],
    [
      'tboot kept none',
      dmesg(txtStat(aemDom0(), NO_LOG), BANNER),
      ['launched by TXT', 'tboot kept its log nowhere'],
      [],
      'logging=memory',
    ],
    [
      'tboot kept none, and the ring of a tboot machine lost its beginning',
      dmesg(txtStat(aemDom0(), NO_LOG), WRAPPED),
      ['tboot kept its log nowhere'],
      [],
      'logging=memory',
    ],
    [
      'TXT launched it, TrenchBoot is what is set up, and Xen names no event log: tboot is not to be configured',
      dmesg(txtStat(trenchBoot(), NO_LOG), BANNER),
      ['tboot kept its log nowhere'],
      ['logging=memory'],
      'see that the AEM entry was booted',
    ],
    [
      'nothing can be asked',
      aemDom0().forgetting('txt-stat', '/usr/sbin/xl'),
      ['txt-stat could not be asked', 'xl dmesg could not be read'],
      [],
      'see that the AEM entry was booted',
    ],
    [
      'the memory holds something else',
      dmesg(trenchBoot().without('/usr/sbin/txt-stat'), BANNER + NAMED).answering(
        'memory-read',
        { address: String(ADDRESS), sizeBytes: String(SIZE_BYTES) },
        { stdout: 'x'.repeat(SIZE_BYTES) },
      ),
      ['the event log is cut off or damaged'],
      [],
      'read the whole range',
    ],
  ]
  it.each(cases)('%s', async (_, machine, said, unsaid, next) => {
    const { log, kept } = await look(machine)
    expect(log).toBeInstanceOf(Failure)
    const { what, next: help } = (log as Failure).text
    for (const words of said) expect(what).toContain(words)
    for (const words of unsaid) expect(`${what} ${help}`).not.toContain(words)
    expect(help).toContain(next)
    expect(kept).toBeNull()
  })

  it('a boot that tboot did not launch is told as that, where nothing hints at TrenchBoot', async () => {
    const { log } = await look(dmesg(txtStat(aemDom0(), NOT_LAUNCHED), BANNER))
    expect(log).toMatchObject({ kind: 'tboot', measured: false })
  })
})
