/* Long: two sources of one log, with every answer that each may give. */

import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { ABSENT, type RunResult, type Seen, seen, unknown } from '../../src/host/host.ts'
import { observeLog, readLaunchLog } from '../../src/observe/launch/launch-log.ts'
import { HYPERVISOR_LOG } from '../../src/tables/paths.ts'
import { disk, machineOf } from '../core/launch/launch-world.ts'
import { writeTxtStat } from '../core/launch/tboot-writer.ts'
import { ALGORITHMS, writeAgileLog } from '../core/launch/tcg-writer.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { eventsOf, sklFile, xenFile } from '../support/trenchboot-launch.ts'

/* Which of tboot's and TrenchBoot's logs is that of this boot, by what each source answers. */

const [ADDRESS, SIZE_BYTES] = [0x7e9f5000, 0x8000]
const BANNER = '(XEN) Xen version 4.17.4 (@) (gcc (GCC) 13.2.0) debug=n 2025-04-27\n'
const NAMED = `(XEN) SLAUNCH: reserving event log (0x${ADDRESS.toString(16)} - 0x${(ADDRESS + SIZE_BYTES).toString(16)})\n`
const WRAPPED = '(XEN) EFI RAM map:\n'
const NOT_LAUNCHED = '\t TXT measured launch: FALSE\n\t secrets flag set: FALSE\nunable to find TBOOT log\n'
const NO_LOG = '\t TXT measured launch: TRUE\n\t secrets flag set: FALSE\nunable to find TBOOT log\n'
const TBOOT = writeTxtStat(machineOf(disk()))

const EVENT_LOG = (() => {
  const launch = {
    kind: 'amd-bios' as const,
    xen: xenFile('4.17.4-3'),
    xenOptions: '',
    loader: sklFile('SKL'),
    modules: [{ name: 'vmlinuz', options: '', bytes: 'kernel' }],
  }
  const log = writeAgileLog(eventsOf(launch), ALGORITHMS.slice(0, 2), 0)
  return Buffer.concat([log, Buffer.alloc(SIZE_BYTES - log.length)]).toString('latin1')
})()

const ran = (stdout: string, exit = 0): Seen<RunResult> => seen({ exit, stdout, stderr: '' })

type Answers = {
  readonly txtStat: Seen<RunResult>
  readonly dmesg: Seen<RunResult>
  readonly memory?: Seen<RunResult>
  readonly kept?: string
  /** TrenchBoot's GRUB script. */
  readonly script?: 'there' | 'absent' | 'unknown'
}

const look = ({ txtStat, dmesg, memory, kept, script = 'absent' }: Answers) =>
  observeLog(
    makeFakeHost({
      async run(call) {
        if (call.id === 'xl-dmesg') return dmesg
        if (call.id !== 'memory-read' || memory === undefined) throw new Error(`unexpected: ${call.id}`)
        expect(call.params).toEqual({ address: String(ADDRESS), sizeBytes: String(SIZE_BYTES) })
        return memory
      },
      async readFile(path) {
        if (path !== HYPERVISOR_LOG) throw new Error(`unexpected: ${path}`)
        return kept === undefined ? ABSENT : seen(Buffer.from(kept))
      },
      async statFile(path) {
        expect(path).toBe('/etc/grub.d/19_linux_xen_trenchboot')
        if (script === 'absent') return ABSENT
        return script === 'unknown'
          ? unknown('input/output error')
          : seen({ kind: 'file', sizeBytes: 1, mtimeMs: 0, mode: 0o755 })
      },
    }),
    txtStat,
  )

async function told(answers: Answers) {
  const found = await look(answers)
  expect(found).toBeInstanceOf(Failure)
  const { what, next } = (found as Failure).text
  expect(what).toMatch(/^no launch log of this boot could be read: /)
  return { why: what.slice(what.indexOf(': ') + 2), next }
}

const SEE_ENTRY = /^see that the AEM entry was booted/
const GONE = /the beginning of xl dmesg is gone/

describe("TrenchBoot's log counts where Xen names one that can be read", () => {
  const launched = { dmesg: ran(BANNER + NAMED), memory: ran(EVENT_LOG) }

  it.each([
    ['a log of tboot, which memory keeps over a warm restart', ran(TBOOT)],
    ['that tboot launched nothing', ran(NOT_LAUNCHED)],
    ['nothing', ABSENT],
  ])('whatever txt-stat says: %s', async (_, txtStat) => {
    expect(await look({ ...launched, txtStat })).toMatchObject({ kind: 'trenchboot' })
  })

  it('and a log of an earlier boot with tboot does not where it cannot be read', async () => {
    for (const memory of [ran('', 1), ran('x'.repeat(SIZE_BYTES))]) {
      const { why } = await told({ ...launched, memory, txtStat: ran(TBOOT) })
      expect(why).toMatch(/; what txt-stat prints is a log of tboot, which did not launch this boot$/)
    }
  })

  it('and not what a program printed that failed', async () => {
    const { why, next } = await told({ ...launched, memory: ran(EVENT_LOG, 1), txtStat: ABSENT })
    expect(why).toMatch(
      /^TrenchBoot launched this boot, and .* 0x7e9f5000 could not be read from \/dev\/mem; /,
    )
    expect(next).toContain(`skip=${ADDRESS} count=${SIZE_BYTES}`)
    const unread = await told({ ...launched, memory: unknown('no answer in 60 s'), txtStat: ABSENT })
    expect(unread.why).toContain('from /dev/mem: no answer in 60 s; ')
    const absent = await told({ ...launched, memory: ABSENT, txtStat: ABSENT })
    expect(absent.why).toContain('from /dev/mem; ')
  })

  it("is found by xenconsoled's log of the last boot where the ring lost its beginning", async () => {
    const earlier = `${BANNER}(XEN) SLAUNCH: reserving event log (0x1000 - 0x2000)\n`
    for (const dmesg of [ran(WRAPPED), ran(''), ran(BANNER, 1), ABSENT])
      expect(
        await look({ ...launched, dmesg, kept: earlier + BANNER + NAMED, txtStat: ABSENT }),
      ).toMatchObject({ kind: 'trenchboot' })
  })

  it('is not that of another boot where the console of this one is whole', async () => {
    const { why } = await told({ dmesg: ran(BANNER), kept: BANNER + NAMED, txtStat: ABSENT })
    expect(why).toMatch(/; xl dmesg names no event log$/)
  })
})

describe("tboot's log counts where nothing says that TrenchBoot launched this boot", () => {
  it.each([
    ['Xen names no event log', ran(BANNER)],
    ["the beginning of Xen's console is gone", ran(WRAPPED)],
    ["Xen's console cannot be read", ABSENT],
  ])('%s', async (_, dmesg) => {
    expect(await look({ txtStat: ran(TBOOT), dmesg })).toMatchObject({ kind: 'tboot', measured: true })
  })

  it('that nothing was launched counts only where no sign of TrenchBoot may be missing', async () => {
    expect(await look({ txtStat: ran(NOT_LAUNCHED), dmesg: ran(BANNER) })).toMatchObject({ measured: false })
    for (const [dmesg, words] of [
      [ran(WRAPPED), GONE],
      [ran(''), /xl dmesg could not be read/],
      [ran(BANNER, 1), /xl dmesg could not be read/],
      [unknown('no answer'), /xl dmesg could not be read/],
    ] as const) {
      const { why } = await told({ txtStat: ran(NOT_LAUNCHED), dmesg })
      expect(why).toMatch(/^txt-stat says that tboot launched nothing; /)
      expect(why).toMatch(words)
    }
  })
})

describe('why txt-stat gave none', () => {
  it.each([
    ['txt-stat (package tboot) is not installed', ABSENT],
    ['txt-stat could not be asked: no answer', unknown('no answer')],
    ['txt-stat ended with 1', ran(TBOOT, 1)],
    ['txt-stat printed nothing', ran('')],
  ])('%s', async (words, txtStat) => {
    const { why, next } = await told({ txtStat, dmesg: ran(BANNER) })
    expect(why).toBe(`${words}; xl dmesg names no event log`)
    expect(next).toMatch(SEE_ENTRY)
  })

  it.each([
    ['TXT measured launch: TRUE', true],
    ['\t TXT measured launch: TRUE \t', true],
    ['TXT measured launch: TRUE, once', false],
    ['no TXT measured launch: TRUE', false],
  ])('that this boot was launched is said by its own line alone: %j', async (line, isLaunched) => {
    const { why, next } = await told({
      txtStat: ran(`${line}\nunable to find TBOOT log\n`),
      dmesg: ran(BANNER),
    })
    expect(why.includes('tboot kept its log nowhere')).toBe(isLaunched)
    expect(next.includes('logging=memory')).toBe(isLaunched)
  })
})

describe('the reason that comes first, with its way on', () => {
  const NOWHERE = /^txt-stat printed no tboot log/
  const NOT_INSTALLED = /^txt-stat \(package tboot\) is not installed/
  const UNREAD = /^TrenchBoot launched this boot/
  const [tbootKeptNone, ring] = [ran(NO_LOG), ran(WRAPPED)]
  const unread = { dmesg: ran(BANNER + NAMED), memory: ran('', 1) }

  it.each<[string, Answers, RegExp, RegExp]>([
    ['a TrenchBoot launch', { ...unread, txtStat: tbootKeptNone }, UNREAD, /dd if=\/dev\/mem/],
    ['a launch by TXT', { dmesg: ring, txtStat: tbootKeptNone }, NOWHERE, /logging=memory/],
    [
      'a launch by TXT where the script may be there',
      { dmesg: ring, txtStat: tbootKeptNone, script: 'unknown' },
      NOWHERE,
      /logging=memory/,
    ],
    [
      'a launch by TXT where TrenchBoot is set up',
      { dmesg: ring, txtStat: tbootKeptNone, script: 'there' },
      GONE,
      /conring_size=/,
    ],
    [
      'no sign where TrenchBoot is set up',
      { dmesg: ring, txtStat: ABSENT, script: 'there' },
      GONE,
      /conring_size=/,
    ],
    [
      'the other one where TrenchBoot is set up and Xen names no event log',
      { dmesg: ran(BANNER), txtStat: tbootKeptNone, script: 'there' },
      /^xl dmesg names no event log/,
      SEE_ENTRY,
    ],
    ['no sign at all', { dmesg: ring, txtStat: ABSENT }, NOT_INSTALLED, SEE_ENTRY],
    [
      'no sign where the script may be there',
      { dmesg: ring, txtStat: ABSENT, script: 'unknown' },
      NOT_INSTALLED,
      SEE_ENTRY,
    ],
    [
      'no launch by TrenchBoot, which is set up',
      { dmesg: ran(BANNER), txtStat: ABSENT, script: 'there' },
      NOT_INSTALLED,
      SEE_ENTRY,
    ],
  ])('is that of %s', async (_, answers, first, help) => {
    const { why, next } = await told(answers)
    expect(why).toMatch(first.source.startsWith('^') ? first : new RegExp(`^${first.source}`))
    expect(next).toMatch(help)
  })
})

it("tboot's text is kept only where it is the log of a launch", () => {
  expect(readLaunchLog(ran(TBOOT))).toBe(TBOOT)
  for (const other of [ran(TBOOT, 1), ran(NOT_LAUNCHED), ran(NO_LOG), ran(''), ABSENT, unknown('no answer')])
    expect(readLaunchLog(other)).toBeNull()
})
