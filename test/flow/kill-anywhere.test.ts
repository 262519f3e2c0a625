import { describe, expect, it } from 'vitest'
import { installXen } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeVerification } from '../../src/observe/verify/verify.ts'
import { NEXT_XEN } from '../support/approved-machine.ts'
import { machineOf } from '../support/built-in.ts'
import { type End, type KillPoint, liveThrough, type Story } from '../support/kill.ts'

type Expected = {
  readonly atLeast: { readonly places: number; readonly killed: number }
  readonly boots: number
  readonly writes: readonly string[]
}

/** The same in every run, however often it was begun. */
const SECOND_UPDATE_MS = Date.parse('2024-07-17T12:00:00Z')

const STORIES: readonly (readonly [string, Story, Expected])[] = [
  [
    'AEM seals by itself, the restart is requested',
    { make: () => machineOf('clean-update'), restart: 'now', protect: 'plain' },
    { atLeast: { places: 200, killed: 60 }, boots: 2, writes: ['run restart-now'] },
  ],
  [
    "AEM's own seal fails, and the reseal is done by us",
    {
      make: () => machineOf('clean-update'),
      restart: 'manual',
      protect: 'plain',
      whileOff: (machine: SimMachine, boot: number) => {
        machine.sealWorks = boot > 0
      },
      afterBoot: (machine: SimMachine) => {
        machine.sealWorks = true
      },
    },
    { atLeast: { places: 200, killed: 60 }, boots: 2, writes: ['run seal'] },
  ],
  [
    'the secrets are sealed forward, and appear at the first boot',
    { make: () => machineOf('clean-update'), restart: 'now', protect: 'forward-seal' },
    {
      atLeast: { places: 200, killed: 60 },
      boots: 1,
      writes: ['run restart-now', 'run exchange-directories'],
    },
  ],
  [
    'a stale stick is brought up to date first, then sealed forward',
    {
      make: () => machineOf('stale-stick'),
      restart: 'now',
      protect: 'forward-seal',
      answers: { 'refresh-device': 'yes' },
    },
    {
      atLeast: { places: 200, killed: 60 },
      boots: 1,
      writes: ['copy /boot/xen-4.17.4.gz', 'run sync-filesystem'],
    },
  ],
  [
    'a second update came, and what was prepared is taken back and made again',
    {
      make: () => machineOf('clean-update'),
      restart: 'manual',
      protect: 'forward-seal',
      answers: { 'begin-anew': 'yes' },
      beforeRestart: (machine: SimMachine) => {
        installXen(machine, NEXT_XEN, SECOND_UPDATE_MS)
        machine.nowMs = SECOND_UPDATE_MS + 3600_000
      },
    },
    { atLeast: { places: 200, killed: 60 }, boots: 1, writes: ['run exchange-directories'] },
  ],
]

/**
 * What a story without an attack never says: that what was sealed, predicted or booted was wrong. The words for a boot
 * without the secret differ by what was done.
 */
const FALSE_ALARM =
  /prediction was wrong|not what is checked|had been sealed for this state|UNEXPLAINED|could not be compared|type no passphrase|would not unseal|no longer fits/

/** What must be the same in the end: everything but ids, times, and how often a step was run. */
function essence({ exits, session, report, boots, machine }: End) {
  const { baseline, expectation, approved, protection, restart, devicesLeft, findings } = (report ?? {}) as {
    baseline?: { pcrs: unknown; bootFiles: unknown; packages: unknown; selectedPcrs: unknown }
    approved?: { pcrs: unknown }
    findings?: Record<string, { verdict?: string; devices?: unknown } | undefined>
  } & Record<string, unknown>
  return {
    exit: exits.at(-1),
    session,
    boots,
    pcrs: machine.pcrs,
    recorded: [baseline?.pcrs, baseline?.bootFiles, baseline?.packages, baseline?.selectedPcrs],
    decided: { expectation, protection, restart, devicesLeft },
    accepted: approved?.pcrs,
    explained: findings?.explain?.verdict,
    verified: findings?.verify?.devices,
  }
}

/**
 * Dying in a look is dying after the change before it: a look changes nothing, and memory is lost anyway. So every
 * change is died before and after, and of the looks every thirtieth.
 */
const EVERY_LOOK = 30

function isWorthKilling({ isLook, number }: KillPoint): boolean {
  return !isLook || number % EVERY_LOOK === 0
}

describe.each(STORIES)('killed anywhere while %s', (_what, story, { atLeast, boots, writes }) => {
  it('ends as the undisturbed run does', { timeout: 600_000 }, async () => {
    const survivors: {
      readonly at: string
      readonly end: ReturnType<typeof essence>
      readonly said: string
    }[] = []
    const undisturbed = await liveThrough(story, isWorthKilling, ({ number, what }, survived) => {
      survivors.push({ at: `${number} ${what}`, end: essence(survived), said: survived.said })
    })
    const wanted = essence(undisturbed)
    expect(wanted).toMatchObject({
      exit: 0,
      session: null,
      explained: boots === 2 ? 'unchanged' : 'explained',
      boots,
    })
    expect(wanted.accepted).toBeDefined()
    const isOutdated = story.beforeRestart !== undefined
    const alarm = isOutdated ? new RegExp(FALSE_ALARM.source.replace('|no longer fits', '')) : FALSE_ALARM
    expect(undisturbed.said).not.toMatch(alarm)
    expect(
      await observeVerification(observeDom0(makeSimulatedHost(undisturbed.machine)), null),
    ).toMatchObject([{ ok: true }])

    const places = undisturbed.killPoints
    expect(places.length).toBeGreaterThan(atLeast.places)
    for (const write of ['write /var/lib/aem-reseal/session.json', ...writes]) {
      for (const moment of ['before', 'after']) {
        expect(places.map(({ what }) => what)).toContain(`${moment} ${write}`)
      }
    }
    expect(survivors.length).toBe(places.filter(isWorthKilling).length)
    expect(survivors.length).toBeGreaterThan(atLeast.killed)
    for (const { at, end, said } of survivors) {
      expect({ killed: at, ...end }).toEqual({ killed: at, ...wanted })
      expect(alarm.exec(said)?.[0] ?? null, at).toBeNull()
    }
  })
})

const CUT: Story = {
  make: () => machineOf('clean-update'),
  restart: 'now',
  protect: 'forward-seal',
  cutsPower: true,
}

/** New and old sealed files that lie beside those that AEM reads, in dom0 and on every device. */
function leftBeside({ dom0, devices }: SimMachine): readonly string[] {
  const paths = [dom0, ...devices.map(({ files }) => files)].flatMap((files) => [...files.keys()])
  return paths.filter((path) => path.includes('/aem-reseal_'))
}

describe('power goes anywhere while the secrets are sealed forward', () => {
  it('no boot after it is told a false alarm, and nothing half-written stays', {
    timeout: 900_000,
  }, async () => {
    const undisturbed = await liveThrough({ ...CUT, restart: 'manual' })
    expect(undisturbed).toMatchObject({ boots: 1, session: null })
    const begin = (what: string) => undisturbed.killPoints.findIndex((point) => point.what === what)
    // Until the restart; a cut later is one of the seals of AEM, which the other stories have.
    const last = undisturbed.killPoints.findLastIndex(({ what }) => what === 'after run exchange-directories')
    expect(begin('before run exchange-directories')).toBeGreaterThan(0)
    const endings = new Map<string, number>()
    const isCut = (point: KillPoint) => point.number < last + 20 && isWorthKilling(point)
    await liveThrough(CUT, isCut, ({ number, what }, survived) => {
      const at = `${number} ${what}`
      expect(FALSE_ALARM.exec(survived.said)?.[0] ?? null, at).toBeNull()
      expect(leftBeside(survived.machine), at).toEqual([])
      // Before anything was recorded nobody can say what this blind boot was: the wizard says so and stops.
      const ending = survived.report === null ? 'nothing recorded' : `${survived.exits.at(-1)}`
      endings.set(ending, (endings.get(ending) ?? 0) + 1)
      if (survived.report !== null) expect(survived.session, at).toBeNull()
    })
    expect([...endings.values()].reduce((sum, count) => sum + count)).toBeGreaterThan(60)
    expect([...endings.keys()].sort()).toEqual(['0', 'nothing recorded'])
    expect(endings.get('0')).toBeGreaterThan(40)
  })
})
