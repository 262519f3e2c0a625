/* Long: one table of what each extend of the next boot rests on. */

import { describe, expect, it } from 'vitest'
import type { EventOrigin, LaunchEvent } from '../../../src/core/launch/launch-log.ts'
import type { NextModule } from '../../../src/core/launch/next-modules.ts'
import { chainOf, type PredictionContext } from '../../../src/core/launch/predict-chain.ts'
import { refuse } from '../../../src/core/launch/refusal.ts'
import type { ReplayStatus } from '../../../src/core/launch/replay.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { eventsOf } from '../../support/trenchboot-launch.ts'
import { digestsOf } from './explain-world.ts'
import { disk, entryOf, machineOf } from './launch-world.ts'
import { writeTxtStat } from './tboot-writer.ts'
import { entry, launch, parse } from './trenchboot-world.ts'

type Changes = Partial<PredictionContext> & { events?: LaunchEvent[]; defaultPolicy?: boolean | null }

const at = (pcr: number, origin: EventOrigin, content: string, type = 0x501): LaunchEvent => ({
  pcr,
  type,
  digests: digestsOf(content),
  origin,
  data: null,
})
const module = (pcr: number, moduleIndex: number, content = `m${moduleIndex}`) =>
  at(pcr, { kind: 'module', moduleIndex }, content)
const SINIT = at(17, { kind: 'platform' }, 'sinit', 0x402)
const CAPABILITIES = at(17, { kind: 'platform' }, 'capabilities', 0x40f)
const POLICY = at(17, { kind: 'policy' }, 'policy')
const MLE = at(18, { kind: 'mle' }, 'tboot')
const EVENTS = [SINIT, CAPABILITIES, POLICY, MLE, module(18, 0), module(19, 1), module(19, 2)]

const next = (content: string, changes: Partial<NextModule> = {}): NextModule => ({
  file: { role: 'module', path: `/${content}`, commandLine: '', nounzip: false, order: 1 },
  digests: digestsOf(content),
  refusal: null,
  ...changes,
})
const NEXT = ['m0', 'm1', 'm2'].map((content) => next(content))
const LOG = parseTbootLog(writeTxtStat(machineOf(disk())))
const booted = NEXT.map(({ file, digests }) => ({ ...file, digests, unchanged: true }))

function contextOf({ events = EVENTS, defaultPolicy = true, ...changes }: Changes = {}): PredictionContext {
  return {
    log: { ...LOG, events, defaultPolicy },
    bank: 'sha256',
    rule: 'whole',
    booted,
    entry: entryOf(disk()),
    bootedEntry: entryOf(disk()),
    next: NEXT,
    mleNow: null,
    xen: { booted: null, next: null },
    launcherUnchanged: true,
    sameCapabilities: null,
    sinitUnchanged: true,
    policyUnchanged: null,
    pcrsNow: {},
    ...changes,
  }
}

const CONTENTS = [
  'sinit',
  'capabilities',
  'policy',
  'tboot',
  'tboot 2',
  'm0',
  'm1',
  'm2',
  'm3',
  'm4',
  'end',
  'new',
  'caps',
]
const names = new Map(CONTENTS.map((content) => [digestsOf(content).sha256, content]))

/** What the register is extended with, or the code why that is not known. */
function chain(index: number, changes: Changes = {}, status: ReplayStatus = 'faithful') {
  const links = chainOf(contextOf(changes), index, status)
  return 'code' in links ? links.code : links.map(({ digest }) => names.get(digest) ?? digest)
}

const changed = { launcherUnchanged: false, policyUnchanged: true }
const unread = next('m4', { refusal: refuse('module-unreadable', 'w') })
const END = at(19, { kind: 'policy' }, 'end')

describe('the next boot extends', () => {
  it.each<[string, number, Changes, string | string[]]>([
    ['what this one did', 17, {}, ['sinit', 'capabilities', 'policy']],
    ['tboot and its first module', 18, {}, ['tboot', 'm0']],
    ['its later modules', 19, {}, ['m1', 'm2']],
    ['the file that lies there now', 19, { next: [NEXT[0]!, NEXT[1]!, next('new')] }, ['m1', 'new']],
    [
      'nothing of an event without a digest of this bank',
      19,
      { events: [...EVENTS, { ...END, digests: { sha1: 'aa' } }] },
      ['m1', 'm2'],
    ],
    [
      'a new module behind the others',
      19,
      { next: [...NEXT, next('m3')], events: [...EVENTS, END] },
      ['m1', 'm2', 'm3', 'end'],
    ],
    ['it nowhere else', 18, { next: [...NEXT, next('m3')] }, ['tboot', 'm0']],
    [
      'nobody knows what, where the new one cannot be read',
      19,
      { next: [...NEXT, next('m3'), unread] },
      'module-unreadable',
    ],
    [
      'nor where it has no digest of this bank',
      19,
      { next: [...NEXT, next('m3', { digests: {} })] },
      'module-unreadable',
    ],
    ['a module less', 19, { next: NEXT.slice(0, 2) }, ['m1']],
    [
      'nobody knows where a new one goes by a policy of its own',
      19,
      { next: [...NEXT, next('m3')], defaultPolicy: null },
      'policy-unknown',
    ],
    [
      'nor where the later ones go to two places',
      19,
      { next: [...NEXT, next('m3')], events: [...EVENTS, module(20, 3)] },
      'policy-unknown',
    ],
    [
      'nor where there are no later ones',
      18,
      { next: NEXT.slice(0, 2), booted: booted.slice(0, 1), events: [MLE, module(18, 0)] },
      'policy-unknown',
    ],
    ['the same ones by any policy', 19, { defaultPolicy: null }, ['m1', 'm2']],
    [
      'nobody knows what, where no module is',
      19,
      { events: [...EVENTS, at(19, { kind: 'other' }, 'nv')] },
      'unknown-module',
    ],
    ['nor with another SINIT', 17, { sinitUnchanged: false }, 'sinit-changed'],
    ['nor with one that nobody compared', 17, { sinitUnchanged: null }, 'sinit-unknown'],
    [
      'the same with another tboot that asks for the same',
      17,
      { ...changed, sameCapabilities: true },
      ['sinit', 'capabilities', 'policy'],
    ],
    [
      'nobody knows what, where it asks for other capabilities',
      17,
      { ...changed, sameCapabilities: false },
      'tboot-changed',
    ],
    ['nor where that could not be compared', 17, changed, 'tboot-changed'],
    [
      'the same where they are not measured',
      17,
      { ...changed, events: [SINIT, POLICY] },
      ['sinit', 'policy'],
    ],
    [
      'the same where tboot is the same',
      17,
      { sameCapabilities: false },
      ['sinit', 'capabilities', 'policy'],
    ],
    [
      'the same where nobody knows of tboot',
      17,
      { launcherUnchanged: null, policyUnchanged: true, sameCapabilities: false },
      ['sinit', 'capabilities', 'policy'],
    ],
    [
      'the same of SINIT under TrenchBoot, where GRUB asks',
      17,
      { ...changed, rule: null, events: [SINIT, CAPABILITIES] },
      ['sinit', 'capabilities'],
    ],
    [
      'a module logged as such, whatever its type',
      19,
      { ...changed, events: [at(19, { kind: 'module', moduleIndex: 1 }, 'm1', 0x40f)] },
      ['m1'],
    ],
    [
      'a policy that is known to be the same',
      17,
      { policyUnchanged: true, defaultPolicy: null },
      ['sinit', 'capabilities', 'policy'],
    ],
    ['nobody knows what by another policy', 17, { policyUnchanged: false }, 'policy-unknown'],
    ['nor by one of the TPM', 17, { defaultPolicy: null }, 'policy-unknown'],
    [
      'nor by the one of another tboot',
      17,
      { launcherUnchanged: false, sameCapabilities: true },
      'tboot-changed',
    ],
    ['nor by the one of a tboot that nobody compared', 17, { launcherUnchanged: null }, 'tboot-unknown'],
    [
      'another tboot by its own hash',
      18,
      { launcherUnchanged: false, mleNow: digestsOf('tboot 2').sha256! },
      ['tboot 2', 'm0'],
    ],
    ['nobody knows what by another tboot without one', 18, { launcherUnchanged: false }, 'tboot-changed'],
    [
      'nor by one that may hash command lines otherwise',
      18,
      { launcherUnchanged: false, mleNow: digestsOf('tboot 2').sha256!, rule: 'first-word-stripped' },
      'tboot-changed',
    ],
    ['nor by a tboot that nobody compared', 18, { launcherUnchanged: null }, 'tboot-unknown'],
  ])('%s', (_, index, changes, wanted) => {
    expect(chain(index, changes)).toEqual(wanted)
  })

  it.each<[string, number, ReplayStatus, Changes, string | string[]]>([
    ['could not be read', 19, 'unknown', {}, 'pcrs-unreadable'],
    ['is not what the log leads to', 19, 'unfaithful', {}, 'log-unfaithful'],
    ['is of SINIT, which is the same', 17, 'not-in-log', { pcrsNow: { sha256: { 17: 'aa' } } }, []],
    [
      'is of SINIT, which is another',
      17,
      'not-in-log',
      { sinitUnchanged: false, pcrsNow: { sha256: { 17: 'aa' } } },
      'sinit-changed',
    ],
    [
      'is of another policy',
      17,
      'not-in-log',
      { policyUnchanged: false, pcrsNow: { sha256: { 17: 'aa' } } },
      'policy-unknown',
    ],
    ['nobody filled', 20, 'not-in-log', { pcrsNow: { sha256: { 20: '00'.repeat(32) } } }, []],
    [
      'something else filled',
      20,
      'not-in-log',
      { pcrsNow: { sha256: { 20: 'aa'.repeat(32) } } },
      'not-measured-by-launch',
    ],
    ['the TPM does not show', 20, 'not-in-log', {}, 'pcrs-unreadable'],
  ])('a register that %s is told so', (_, index, status, changes, wanted) => {
    expect(chain(index, changes, status)).toEqual(wanted)
  })

  it('a register that held more is told, and no other', () => {
    const shortened = (index: number, changes: Changes) => {
      const links = chainOf(contextOf(changes), index, 'faithful')
      return 'code' in links ? links.code : links.map(({ isShortened }) => isShortened)
    }
    const less = { next: NEXT.slice(0, 2) }
    expect([shortened(18, less), shortened(19, less), shortened(19, {})]).toEqual([
      [false, false],
      [true],
      [false, false],
    ])
  })

  it('what differs from this boot, with its file', () => {
    const links = chainOf(contextOf({ next: [NEXT[0]!, NEXT[1]!, next('new')] }), 19, 'faithful')
    expect(links).toMatchObject([
      { component: { path: '/m1', changed: false } },
      { component: { path: '/new', changed: true } },
    ])
    const [tboot] = chainOf(contextOf(), 18, 'faithful') as { component: unknown }[]
    expect(tboot?.component).toMatchObject({ role: 'mle', path: '/tboot.gz', changed: false })
  })

  it.each([
    [false, 'asks SINIT for other capabilities'],
    [null, 'could not be compared'],
  ])('another tboot is told with its capabilities, same: %s', (sameCapabilities, why) => {
    expect(chainOf(contextOf({ ...changed, sameCapabilities }), 17, 'faithful')).toMatchObject({
      code: 'tboot-changed',
      why: expect.stringContaining(why),
    })
  })
})

describe('under TrenchBoot the next boot', () => {
  const bios = parse(eventsOf(launch('intel-bios')))
  const uefi = (kind: 'intel-uefi' | 'amd-uefi') => {
    const own = entry(launch(kind))
    return { log: parse(eventsOf(launch(kind))), rule: null, entry: own, bootedEntry: own }
  }

  it.each<[string, number, Changes, ReplayStatus, string]>([
    ['on UEFI', 17, uefi('intel-uefi'), 'faithful', 'trenchboot-mle'],
    ['from an entry for UEFI', 17, { ...uefi('intel-uefi'), log: bios }, 'faithful', 'trenchboot-mle'],
    [
      'from an entry for BIOS after UEFI',
      17,
      { ...uefi('intel-uefi'), entry: entryOf(disk()) },
      'faithful',
      'trenchboot-mle',
    ],
    [
      'on BIOS, with its boot information',
      18,
      { log: bios, rule: null },
      'faithful',
      'trenchboot-multiboot-info',
    ],
    ['by a log that does not lead there', 18, uefi('intel-uefi'), 'unfaithful', 'log-unfaithful'],
    ['with another SINIT', 18, { ...uefi('intel-uefi'), sinitUnchanged: false }, 'faithful', 'sinit-changed'],
    [
      'by a log without PCR 17, which something filled',
      17,
      { log: { ...bios, launch: null }, rule: null, pcrsNow: { sha256: { 17: 'aa'.repeat(32) } } },
      'not-in-log',
      'not-measured-by-launch',
    ],
  ])('extends nobody knows what: %s', (_, index, changes, status, code) => {
    expect(chain(index, changes, status)).toBe(code)
  })

  it.each(['intel-uefi', 'amd-uefi'] as const)('extends the same command lines: %s', (kind) => {
    const own = uefi(kind)
    const before = own.log.events.filter(({ pcr }) => pcr === 18).map(({ digests }) => digests.sha256)
    // No platform value of AMD goes there.
    expect(chain(18, { ...own, sinitUnchanged: kind === 'intel-uefi' })).toEqual(before)
  })

  it('extends nothing where UEFI measures nothing', () => {
    const pcrsNow = { sha256: { 19: '00'.repeat(32) } }
    expect(chain(19, { ...uefi('intel-uefi'), pcrsNow }, 'not-in-log')).toEqual([])
  })

  it('extends a new module behind the others, the first of which is one as any', () => {
    const events = [module(17, 0)]
    const log = { ...bios, events, defaultPolicy: null }
    const changes = { log, rule: null, booted: booted.slice(0, 1), next: NEXT.slice(0, 2) }
    expect(chain(17, changes)).toEqual(['m0', 'm1'])
  })
})
