import { describe, expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { observeVerification } from '../../src/observe/verify.ts'
import { machineOf } from '../support/built-in.ts'
import { type End, type KillPoint, liveThrough, type Story } from '../support/kill.ts'

type Expected = {
  readonly atLeast: { readonly places: number; readonly killed: number }
  readonly boots: number
  readonly writes: readonly string[]
}

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
]

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
    const undisturbed = await liveThrough(story, null)
    const wanted = essence(undisturbed)
    expect(wanted).toMatchObject({
      exit: 0,
      session: null,
      explained: boots === 2 ? 'unchanged' : 'explained',
      boots,
    })
    expect(wanted.accepted).toBeDefined()
    expect(await observeVerification(makeSimulatedHost(undisturbed.machine), null)).toMatchObject([
      { ok: true },
    ])

    const places = undisturbed.killPoints
    expect(places.length).toBeGreaterThan(atLeast.places)
    for (const write of ['write /var/lib/aem-reseal/session.json', ...writes]) {
      for (const moment of ['before', 'after']) {
        expect(places.map(({ what }) => what)).toContain(`${moment} ${write}`)
      }
    }
    const killed = places.filter(isWorthKilling)
    expect(killed.length).toBeGreaterThan(atLeast.killed)
    for (const { number, what } of killed) {
      const survived = await liveThrough(story, number)
      expect({ killed: `${number} ${what}`, ...essence(survived) }).toEqual({
        killed: `${number} ${what}`,
        ...wanted,
      })
    }
  })
})
