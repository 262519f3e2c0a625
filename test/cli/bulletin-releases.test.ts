import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type * as z from 'zod'
import type { Host } from '../../src/host/host.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { ANSWERS } from '../support/answers.ts'
import { runMain } from '../support/io.ts'
import { type MachineOfRelease, machineOfRelease } from '../support/release-machines.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/*
 * What is expected here was read from the bulletins' lists of packages by hand: all that name the release and change
 * what is measured, newest first.
 */
const NAMING = {
  '4.1': [
    103, 102, 101, 100, 98, 97, 96, 95, 94, 93, 92, 90, 88, 86, 85, 83, 82, 81, 80, 79, 78, 77, 76, 75, 74,
    70, 69, 64, 63, 62, 61, 60, 59,
  ],
  '4.2': [115, 114, 113, 112, 110, 109, 108, 107, 106, 103, 102, 101, 100, 98, 97, 96, 95, 94, 93, 92, 90],
  '4.3': [116, 115, 114, 113, 112, 110, 109],
} as const

type Story = {
  readonly title: string
  readonly machine: MachineOfRelease
  /** Not met, with what is missing as "name wanted installed"; the first package of each printed name. */
  readonly unmet: Readonly<Record<number, readonly string[]>>
  /** Met, and dom0 has to be restarted for it. */
  readonly due: readonly number[]
  /** Met by a later bulletin, which lists the series of the kernel. */
  readonly through?: Readonly<Record<number, readonly number[]>>
  /** Not known, with what stands in the way as "name wanted installed". */
  readonly unknown?: Readonly<Record<number, readonly string[]>>
  /** Met; the packages were replaced by newer ones since the start, so what ran before cannot be told. */
  readonly perhapsDue: readonly number[]
  readonly check: { readonly verdict: string; readonly exit: number; readonly says: readonly string[] }
}

const FIRMWARE_41 = { 'linux-firmware': [['20230625-146', '2023-08-01']] } as const
const LVM_41 = { lvm2: [['2.03.09-2', '2022-04-01']], 'lvm2-libs': [['2.03.09-2', '2022-04-01']] } as const
const DRACUT_41 = { dracut: [['050-62.git20200529', '2023-12-20']] } as const

const FIRMWARE_42 = {
  'linux-firmware': [['20250708-1', '2025-07-15']],
  'amd-ucode-firmware': [['20250708-1', '2025-07-15']],
  dracut: [['059-4', '2023-12-20']],
} as const

const xenMissing = (wanted: string, installed: string): string => `xen-hypervisor ${wanted} 2001:${installed}`

const STORIES: readonly Story[] = [
  {
    title: 'Qubes 4.1, up to date with its last bulletin',
    machine: {
      release: '4.1',
      now: '2024-07-20T10:00:00Z',
      booted: '2024-07-19T08:00:00Z',
      runningXen: '4.14.6-10',
      xen: ['4.14.6-10', '2024-07-18'],
      runningKernel: '6.1.87-1.qubes',
      packages: {
        ...FIRMWARE_41,
        ...LVM_41,
        ...DRACUT_41,
        kernel: [
          ['6.1.62-1.qubes', '2023-12-01'],
          ['6.1.75-1.qubes', '2024-02-20'],
          ['6.1.87-1.qubes', '2024-05-15'],
        ],
        'kernel-latest': [['6.8.8-1.qubes', '2024-05-15']],
        'kernel-qubes-vm': [
          ['6.1.62-1.qubes', '2023-12-01'],
          ['6.1.75-1.qubes', '2024-02-20'],
          ['6.1.87-1.qubes', '2024-05-15'],
        ],
        'kernel-latest-qubes-vm': [['6.8.8-1.qubes', '2024-05-15']],
        microcode_ctl: [['2.1-57.qubes1', '2024-03-20']],
      },
    },
    unmet: {},
    due: [],
    perhapsDue: [],
    check: {
      verdict: 'met',
      exit: 0,
      says: [
        '▲ met: the packages are installed and in effect',
        'Later bulletins (QSB-116, QSB-115, QSB-114, QSB-113 and 6 more) do not name Qubes 4.1',
        'no longer supported',
        'next: nothing',
      ],
    },
  },
  {
    title: 'Qubes 4.1, up to date, its kernels kept at 5.15 and 6.3',
    machine: {
      release: '4.1',
      now: '2024-07-20T10:00:00Z',
      booted: '2024-07-19T08:00:00Z',
      runningXen: '4.14.6-10',
      xen: ['4.14.6-10', '2024-07-18'],
      runningKernel: '5.15.94-1.qubes',
      packages: {
        ...FIRMWARE_41,
        ...LVM_41,
        ...DRACUT_41,
        kernel: [
          ['5.15.89-1.qubes', '2023-02-01'],
          ['5.15.94-1.qubes', '2023-03-10'],
        ],
        'kernel-qubes-vm': [['6.1.87-1.qubes', '2024-05-15']],
        'kernel-latest-qubes-vm': [['6.3.12-1.qubes', '2023-07-20']],
        microcode_ctl: [['2.1-57.qubes1', '2024-03-20']],
      },
    },
    unmet: {},
    // 78 lists 5.10.104-2 and 5.16.13-2; 82, four months later, lists 5.15.52.
    through: { 78: [82] },
    // 6.1.43, 6.4.8, 5.15.124: 6.3 was given up a month before, but the list does not tell.
    unknown: { 92: ['kernel-latest-qubes-vm 6.4.8 1000:6.3.12-1.qubes.fc32'] },
    due: [],
    perhapsDue: [],
    check: {
      verdict: 'unknown',
      exit: 1,
      says: [
        '▲ not known whether all are met',
        'QSB-092  2023-08-08  not known: kernel-latest-qubes-vm 6.3.12-1.qubes.fc32 is of a series that it does not list; 6.4.8 would do',
        'next: install the newest kernels: `sudo qubes-dom0-update`.',
      ],
    },
  },
  {
    title: 'Qubes 4.1, last updated in February 2024, its kernels kept at 5.10',
    machine: {
      release: '4.1',
      now: '2024-07-20T10:00:00Z',
      booted: '2024-02-11T08:00:00Z',
      runningXen: '4.14.6-6',
      xen: ['4.14.6-6', '2024-02-10'],
      runningKernel: '5.10.90-1.fc32.qubes',
      packages: {
        ...FIRMWARE_41,
        ...LVM_41,
        ...DRACUT_41,
        kernel: [
          ['5.10.76-1.fc32.qubes', '2021-11-01'],
          ['5.10.90-1.fc32.qubes', '2022-01-20'],
        ],
        'kernel-qubes-vm': [['5.10.112-1.fc32.qubes', '2022-05-10']],
        microcode_ctl: [['2.1-56.qubes1', '2023-11-25']],
      },
    },
    unmet: {
      103: [xenMissing('4.14.6-10', '4.14.6-6.fc32')],
      102: [xenMissing('4.14.6-8', '4.14.6-6.fc32')],
      101: [xenMissing('4.14.6-7', '4.14.6-6.fc32'), 'microcode_ctl 2.1-57.qubes1 2:2.1-56.qubes1.fc32'],
      // 6.1.43, 6.4.8, 5.15.124: 5.10 is not named any more, the next newer series is.
      92: ['kernel-qubes-vm 5.15.124 1000:5.10.112-1.fc32.qubes'],
      // 5.15.52, 5.8.9, 5.10.128
      82: ['kernel-qubes-vm 5.10.128 1000:5.10.112-1.fc32.qubes'],
      // 5.10.104-2, 5.16.13-2: dom0's kernel is behind, that of qubes is not.
      78: ['kernel 5.10.104-2 1000:5.10.90-1.fc32.qubes'],
    },
    due: [],
    perhapsDue: [],
    check: {
      verdict: 'unmet',
      exit: 1,
      says: [
        '▲ not met: packages are missing',
        'QSB-103  2024-07-16  NOT MET: xen-hypervisor 4.14.6-10 wanted, 4.14.6-6.fc32 here',
        'QSB-078  2022-03-10  NOT MET: kernel 5.10.104-2 wanted, 5.10.90-1.fc32.qubes here',
        '`sudo qubes-dom0-update`',
        'security-testing',
      ],
    },
  },
  {
    title: 'Qubes 4.1, updated for QSB-103 and not restarted',
    machine: {
      release: '4.1',
      now: '2024-07-17T20:00:00Z',
      booted: '2024-05-20T08:00:00Z',
      runningXen: '4.14.6-8',
      xen: ['4.14.6-10', '2024-07-17'],
      runningKernel: '6.1.75-1.qubes',
      packages: {
        ...FIRMWARE_41,
        ...LVM_41,
        ...DRACUT_41,
        kernel: [
          ['6.1.62-1.qubes', '2023-12-01'],
          ['6.1.75-1.qubes', '2024-02-20'],
          ['6.1.96-1.qubes', '2024-07-17'],
        ],
        'kernel-qubes-vm': [
          ['6.1.75-1.qubes', '2024-02-20'],
          ['6.1.96-1.qubes', '2024-07-17'],
        ],
        microcode_ctl: [['2.1-57.qubes1', '2024-03-20']],
      },
    },
    unmet: {},
    due: [103],
    // All of Xen 4.14.6: which release of it ran before the update cannot be told.
    perhapsDue: [102, 101, 100, 96, 95, 94, 93],
    check: {
      verdict: 'restart-due',
      exit: 3,
      says: [
        '▲ met, but dom0 has not been restarted since',
        'QSB-103  2024-07-16  met, restart of dom0 due',
        'next: `aem-reseal start`',
      ],
    },
  },
  {
    title: 'Qubes 4.2, up to date with its last bulletin',
    machine: {
      release: '4.2',
      now: '2026-06-20T10:00:00Z',
      booted: '2026-06-19T08:00:00Z',
      runningXen: '4.17.6-6',
      xen: ['4.17.6-6', '2026-06-18'],
      runningKernel: '6.12.63-1.qubes',
      packages: {
        ...FIRMWARE_42,
        kernel: [['6.12.63-1.qubes', '2026-02-01']],
        'kernel-qubes-vm': [['6.12.63-1.qubes', '2026-02-01']],
        microcode_ctl: [['2.1.20260512-1', '2026-05-20']],
      },
    },
    unmet: {},
    due: [],
    perhapsDue: [],
    check: {
      verdict: 'met',
      exit: 0,
      says: ['▲ met: the packages are', 'Later bulletins (QSB-116) do not name Qubes 4.2', 'next: nothing'],
    },
  },
  {
    title: 'Qubes 4.2, last updated in June 2025, kernels of qubes kept at 6.1',
    machine: {
      release: '4.2',
      now: '2026-06-20T10:00:00Z',
      booted: '2025-06-12T08:00:00Z',
      runningXen: '4.17.5-7',
      xen: ['4.17.5-7', '2025-06-10'],
      runningKernel: '6.12.25-1.qubes',
      packages: {
        'linux-firmware': [['20250311-1', '2025-04-01']],
        'amd-ucode-firmware': [['20250311-1', '2025-04-01']],
        dracut: [['059-4', '2023-12-20']],
        kernel: [['6.12.25-1.qubes', '2025-06-10']],
        'kernel-qubes-vm': [['6.1.38-3.qubes', '2023-07-20']],
        microcode_ctl: [['2.1.20250512-1', '2025-06-10']],
      },
    },
    unmet: {
      115: [xenMissing('4.17.6-6', '4.17.5-7.fc37')],
      114: ['microcode_ctl 2.1.20260512 2:2.1.20250512-1.fc37'],
      113: [xenMissing('4.17.6-5', '4.17.5-7.fc37')],
      112: [xenMissing('4.17.6-4', '4.17.5-7.fc37')],
      110: [xenMissing('4.17.6-3', '4.17.5-7.fc37')],
      109: ['microcode_ctl 2.1.20250812 2:2.1.20250512-1.fc37'],
      108: [xenMissing('4.17.5-10', '4.17.5-7.fc37'), 'amd-ucode-firmware 20250708-1 0:20250311-1.fc37'],
      // 6.1.43, 6.4.8
      92: ['kernel-qubes-vm 6.1.43 1000:6.1.38-3.qubes.fc37'],
    },
    due: [],
    perhapsDue: [],
    check: {
      verdict: 'unmet',
      exit: 1,
      says: [
        'QSB-115  2026-06-09  NOT MET: xen-hypervisor 4.17.6-6 wanted, 4.17.5-7.fc37 here',
        'QSB-114  2026-05-13  NOT MET: microcode_ctl 2.1.20260512 wanted',
      ],
    },
  },
  {
    title: 'Qubes 4.2, Xen and microcode updated and not restarted',
    machine: {
      release: '4.2',
      now: '2026-06-15T20:00:00Z',
      booted: '2026-05-01T08:00:00Z',
      runningXen: '4.17.6-4',
      xen: ['4.17.6-6', '2026-06-15'],
      runningKernel: '6.12.63-1.qubes',
      packages: {
        ...FIRMWARE_42,
        kernel: [['6.12.63-1.qubes', '2026-02-01']],
        'kernel-qubes-vm': [['6.12.63-1.qubes', '2026-02-01']],
        microcode_ctl: [['2.1.20260512-1', '2026-06-15']],
      },
    },
    unmet: {},
    due: [115, 114],
    // Xen 4.17.6 of another release, or microcode that was replaced by newer.
    perhapsDue: [113, 112, 110, 109, 107, 101, 97, 93],
    check: {
      verdict: 'restart-due',
      exit: 3,
      says: [
        'QSB-115  2026-06-09  met, restart of dom0 due',
        'QSB-114  2026-05-13  met, restart of dom0 due',
      ],
    },
  },
  {
    title: 'Qubes 4.3, up to date',
    machine: {
      release: '4.3',
      now: '2026-08-05T10:00:00Z',
      booted: '2026-08-04T08:00:00Z',
      runningXen: '4.19.5-2',
      xen: ['4.19.5-2', '2026-08-03'],
      runningKernel: '6.12.83-1.qubes',
      packages: {
        kernel: [['6.12.83-1.qubes', '2026-06-01']],
        'kernel-qubes-vm': [['6.12.83-1.qubes', '2026-06-01']],
        microcode_ctl: [['2.1.20260512-1', '2026-05-20']],
        'linux-firmware': [['20260410-1', '2026-05-20']],
        'amd-ucode-firmware': [['20260410-1', '2026-05-20']],
        dracut: [['103-3', '2025-12-20']],
      },
    },
    unmet: {},
    due: [],
    perhapsDue: [],
    check: {
      verdict: 'met',
      exit: 0,
      says: ['✔ met: the packages are installed and in effect', 'ends with QSB-116', 'next: nothing'],
    },
  },
  {
    title: 'Qubes 4.3, last updated in April 2026',
    machine: {
      release: '4.3',
      now: '2026-08-05T10:00:00Z',
      booted: '2026-04-03T08:00:00Z',
      runningXen: '4.19.4-5',
      xen: ['4.19.4-5', '2026-04-02'],
      runningKernel: '6.12.63-1.qubes',
      packages: {
        kernel: [['6.12.63-1.qubes', '2026-02-01']],
        microcode_ctl: [['2.1.20250812-1', '2025-12-20']],
        dracut: [['103-3', '2025-12-20']],
      },
    },
    unmet: {
      116: [xenMissing('4.19.5-2', '4.19.4-5.fc41')],
      115: [xenMissing('4.19.4-9', '4.19.4-5.fc41')],
      114: ['microcode_ctl 2.1.20260512 2:2.1.20250812-1.fc41'],
      113: [xenMissing('4.19.4-8', '4.19.4-5.fc41')],
      112: [xenMissing('4.19.4-7', '4.19.4-5.fc41')],
    },
    due: [],
    perhapsDue: [],
    check: {
      verdict: 'unmet',
      exit: 1,
      says: [
        'QSB-116  2026-07-28  NOT MET: xen-hypervisor 4.19.5-2 wanted, 4.19.4-5.fc41 here, and 5 more packages',
      ],
    },
  },
  {
    title: 'Qubes 4.3, updated for QSB-116 and not restarted',
    machine: {
      release: '4.3',
      now: '2026-07-30T20:00:00Z',
      booted: '2026-07-20T08:00:00Z',
      runningXen: '4.19.4-9',
      xen: ['4.19.5-2', '2026-07-30'],
      runningKernel: '6.12.83-1.qubes',
      packages: {
        kernel: [['6.12.83-1.qubes', '2026-06-01']],
        microcode_ctl: [['2.1.20260512-1', '2026-05-20']],
        dracut: [['103-3', '2025-12-20']],
      },
    },
    unmet: {},
    due: [116],
    perhapsDue: [115, 113, 112, 110],
    check: {
      verdict: 'restart-due',
      exit: 3,
      says: ['▲ met, but dom0 has not been restarted since', 'QSB-116  2026-07-28  met, restart of dom0 due'],
    },
  },
]

type Listed = z.infer<(typeof ANSWERS)['bulletin-list']>['bulletins'][number]

/** Of the packages that one printed name stands for, the first is enough to read. */
const missingOf = ({ missing }: Listed): string[] =>
  missing
    .filter(({ name, component }) => component !== 'xen' || name === 'xen-hypervisor')
    .map(({ name, wanted, installed }) => `${name} ${wanted} ${installed}`)

describe.each(STORIES)('$title', ({ machine, unmet, due, perhapsDue, check, through = {}, unknown = {} }) => {
  const recorded = () => {
    const directory = machineOfRelease(machine).write()
    return (...argv: string[]) => runMain([...argv, '--machine', directory])
  }
  const ids = NAMING[machine.release]

  it('list --json', async () => {
    const { exit, stderr, json } = await recorded()('bulletin', 'list', '--json')
    expect([exit, stderr]).toEqual([0, ''])
    const list = ANSWERS['bulletin-list'].parse(json)
    expect([list.release, list.releaseKnown]).toEqual([machine.release, true])
    expect(list.bulletins.map(({ id }) => id)).toEqual(ids)
    expect(Object.fromEntries(list.bulletins.map((each) => [each.id, [each.met, each.restartDue]]))).toEqual(
      Object.fromEntries(
        ids.map((id) => [
          id,
          id in unmet
            ? [false, false]
            : id in unknown
              ? [null, null]
              : [true, due.includes(id) ? true : perhapsDue.includes(id) ? null : false],
        ]),
      ),
    )
    const missing = list.bulletins.filter((each) => each.missing.length > 0)
    expect(Object.fromEntries(missing.map((each) => [each.id, missingOf(each)]))).toEqual({
      ...unmet,
      ...unknown,
    })
    const met = list.bulletins.filter((each) => each.metThrough.length > 0)
    expect(Object.fromEntries(met.map((each) => [each.id, each.metThrough]))).toEqual(through)
  })

  it('list in words', async () => {
    const { exit, stdout } = await recorded()('bulletin', 'list')
    expect(exit).toBe(0)
    const rows = stdout.split('\n').filter((line) => line.startsWith('QSB-'))
    expect(rows).toHaveLength(ids.length)
    const numbersOf = (pattern: RegExp): number[] =>
      rows.filter((line) => pattern.test(line)).map((line) => Number(line.slice(4, 7)))
    const newestFirst = (numbers: readonly number[]) => numbers.toSorted((a, b) => b - a)
    expect(numbersOf(/met \(kernel by /)).toEqual(Object.keys(through).map(Number))
    expect(stdout.includes('with its fix')).toBe(Object.keys(through).length > 0)
    expect(numbersOf(/not known: /)).toEqual(Object.keys(unknown).map(Number))
    expect(numbersOf(/NOT MET/)).toEqual(newestFirst(Object.keys(unmet).map(Number)))
    expect(numbersOf(/met, restart of dom0 due$/)).toEqual(due)
    expect(numbersOf(/met, whether a restart is due is not known$/)).toEqual(perhapsDue)
  })

  it('check --json', async () => {
    const { exit, json } = await recorded()('bulletin', 'check', '--json')
    expect(exit).toBe(check.exit)
    const answer = ANSWERS['bulletin-list'].parse(json)
    expect(answer.verdict).toBe(check.verdict)
    expect(answer.bulletins.map(({ id }) => id)).toEqual(ids)
  })

  it('check in words', async () => {
    const { exit, stdout } = await recorded()('bulletin', 'check')
    expect(exit).toBe(check.exit)
    const words = stdout.replaceAll(/\s*\n\s*/g, ' ')
    for (const part of check.says) expect(words).toContain(part)
    // Nothing but what the verdict rests on is listed.
    const named = [unmet, unknown].map((each) => Object.keys(each).length).find((n) => n > 0) ?? due.length
    expect(stdout.split('\n').filter((line) => /^ {2}QSB-\d{3} {2}/.test(line))).toHaveLength(named)
  })

  it('check of each bulletin ends as it stands', async () => {
    const run = recorded()
    const open = { ...unmet, ...unknown }
    for (const id of [ids[0]!, ...Object.keys(open), ...Object.keys(through), ...due, ...perhapsDue].map(
      Number,
    )) {
      const { exit } = await run('bulletin', 'check', String(id))
      expect([id, exit]).toEqual([id, id in open ? 1 : due.includes(id) || perhapsDue.includes(id) ? 3 : 0])
    }
  })
})

describe('a package that could not be looked up', () => {
  const without = (name: string) => machineOfRelease(STORIES[0]!.machine).forgetting(` ${name}`).write()
  const unknownOf = async (directory: string): Promise<number[]> => {
    const { json } = await runMain(['bulletin', 'list', '--json', '--machine', directory])
    return ANSWERS['bulletin-list']
      .parse(json)
      .bulletins.filter(({ met }) => met === null)
      .map(({ id }) => id)
  }

  it('leaves open what it may be wanted for: another kernel tells nothing about it', async () => {
    expect(await unknownOf(without('kernel-latest'))).toEqual([92, 82, 78, 69, 64, 63])
    const check = await runMain(['bulletin', 'check', '78', '--machine', without('kernel-latest')])
    expect(check.exit).toBe(1)
    expect(check.stdout).toContain('not known: kernel-latest could not be looked up')
  })

  it('is told by another of the same source', async () => {
    expect(await unknownOf(without('xen-libs'))).toEqual([])
    expect(await unknownOf(without('xen-hypervisor'))).toContain(103)
  })
})

describe('record', () => {
  it.each(STORIES.map(({ title, machine }) => [title, machine] as const))(
    'keeps what the bulletins ask for: %s',
    async (_, facts) => {
      const directory = machineOfRelease(facts).write()
      const out = join(temporaryDirectory(), 'copy')
      const own = await makeRecordedHost(directory, null)
      const statFile: Host['statFile'] = async (path) => {
        const stat = await own.statFile(path)
        // A recorded machine made by hand has no times; the machine itself has.
        return stat.state === 'seen' ? { ...stat, value: { ...stat.value, mtimeMs: 0 } } : stat
      }
      const host = { ...own, statFile, writable: true }
      expect((await runMain(['record', '--json', '--out', out], { host })).exit).toBe(0)
      const list = async (of: string) => (await runMain(['bulletin', 'list', '--json', '--machine', of])).json
      expect(await list(out)).toEqual(await list(directory))
    },
  )
})

describe('bulletins that are not for the release', () => {
  const machine = (release: string) =>
    machineOfRelease(STORIES.find((s) => s.title.startsWith(release))!.machine)
  const check = (of: ReturnType<typeof machine>, id: string) =>
    runMain(['bulletin', 'check', id, '--machine', of.write()])

  it('ask nothing where later ones go on naming it', async () => {
    const { exit, stdout } = await check(machine('Qubes 4.3'), '103')
    expect(exit).toBe(0)
    expect(stdout).toContain('✔ nothing is asked of dom0 in this release')
  })

  it('leave it open where they name later releases only', async () => {
    const { exit, stdout } = await check(machine('Qubes 4.2'), '116')
    expect(exit).toBe(1)
    expect(stdout).toContain('▲ not known: QSB-116 names later releases than Qubes 4.2 only')
    expect(stdout).toContain('supported-releases')
  })

  it('say nothing of a release that none of them names', async () => {
    const future = machine('Qubes 4.3').withFile('/etc/qubes-release', 'Qubes release 4.4.0 (R4.4)\n')
    const directory = future.write()
    for (const id of [[], ['116']]) {
      const words = await runMain(['bulletin', 'check', ...id, '--machine', directory])
      expect(words.exit).toBe(1)
      expect(words.stdout).toMatch(
        /▲ not known: (no bulletin of|neither QSB-116 nor) the catalogue names Qubes 4\.4/,
      )
      expect(words.stdout).toContain('aem-reseal bulletin check FILE')
      const { exit, json } = await runMain(['bulletin', 'check', ...id, '--json', '--machine', directory])
      expect(exit).toBe(1)
      expect(json).toMatchObject({ release: '4.4', releaseKnown: false, verdict: 'unknown', bulletins: [] })
    }
    const list = await runMain(['bulletin', 'list', '--machine', directory])
    expect(list.exit).toBe(0)
    expect(list.stdout.replaceAll('\n', ' ')).toContain('No bulletin of the catalogue names Qubes 4.4')
  })
})
