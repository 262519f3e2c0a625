import { describe, expect, it } from 'vitest'
import type { EventOrigin } from '../../../src/core/launch/launch-log.ts'
import {
  decideMap,
  decideOrigins,
  joinEvents,
  joinMeasurements,
  joinModules,
} from '../../../src/core/launch/tboot-measurements.ts'

const [A, B, C, D] = ['aa', 'bb', 'cc', 'dd'].map((byte) => byte.repeat(20)) as [
  string,
  string,
  string,
  string,
]
const vl = (pcr: number, sha1: string) => ({ pcr, digests: { sha1 } })
const printed = (digest: string | null, commandLine = '') => ({ commandLine, printedDigest: digest })
const POLICY: EventOrigin = { kind: 'policy' }
const OTHER: EventOrigin = { kind: 'other' }
const module = (moduleIndex: number): EventOrigin => ({ kind: 'module', moduleIndex })

describe('measurements from printed events', () => {
  const event = (pcr: number, digests: object, type = 0x501) => ({ pcr, type, digests })

  it('are those of tboot, those of a bank each put together', () => {
    const events = [
      event(17, { sha1: 'platform' }, 0x402),
      event(17, { sha1: A }),
      event(17, { sha256: 'a2' }),
      event(17, { sha1: B }),
      event(18, { sha256: 'b2' }),
      event(18, { sha1: C }),
      event(19, { sha1: D, sha256: 'd2' }),
    ]
    expect(joinMeasurements(events)).toEqual([
      { pcr: 17, digests: { sha1: A, sha256: 'a2' } },
      { pcr: 17, digests: { sha1: B } },
      { pcr: 18, digests: { sha256: 'b2', sha1: C } },
      { pcr: 19, digests: { sha1: D, sha256: 'd2' } },
    ])
  })

  it('are two where one bank is in both, whatever the others are', () => {
    const events = [event(17, { sha1: A }), event(17, { sha1: A, sha256: 'a2' })]
    expect(joinMeasurements(events)).toEqual([vl(17, A), { pcr: 17, digests: { sha1: A, sha256: 'a2' } }])
    expect(joinMeasurements([])).toEqual([])
  })
})

/* tboot 1.10.5, tboot/common/policy.c, verify_g_policy; tboot/txt/heap.c, print_os_sinit_data. */
describe('the map of registers', () => {
  const says = (bit: number) => [
    'os_sinit_data (@0xb8f3517e, 0x7c):',
    '\t capabilities: 0x2',
    `\t     pcr_map_da: ${bit}`,
  ]

  it.each([
    ['the policy in both registers', [vl(17, A), vl(18, A)], 'da'],
    ['the first module in the other register', [vl(17, A), vl(18, B)], 'legacy'],
    ['nothing there', [vl(17, A), vl(19, A)], null],
    ['two entries of one register', [vl(17, A), vl(17, A)], null],
  ])('is told by %s, whatever SINIT was asked', (_, entries, map) => {
    for (const text of [[], says(0), says(1)]) expect(decideMap(entries, text)).toBe(map)
  })

  it('is that of the policy in every bank', () => {
    const second = { pcr: 18, digests: { sha1: A, sha256: 'b2' } }
    expect(decideMap([{ pcr: 17, digests: { sha1: A, sha256: 'a2' } }, second], [])).toBe('legacy')
    expect(decideMap([vl(17, A), second], [])).toBe('legacy')
    expect(decideMap([second, { ...second, pcr: 18 }], [])).toBeNull()
  })

  it.each([
    ['no entry', []],
    ['the policy alone', [vl(17, A)]],
    ['a policy in another register', [vl(18, A), vl(18, B)]],
  ])('is what SINIT was asked where there is %s', (_, entries) => {
    expect(decideMap(entries, says(1))).toBe('da')
    expect(decideMap(entries, says(0))).toBeNull()
    expect(decideMap(entries, [])).toBeNull()
    expect(decideMap(entries, says(1).slice(0, -1))).toBeNull()
    expect(decideMap(entries, says(1).slice(1))).toBeNull()
    expect(decideMap(entries, ['\t     pcr_map_da: 1', ...says(0)])).toBeNull()
    expect(decideMap(entries, [`old ${says(1)[0]}`, ...says(1).slice(1)])).toBeNull()
  })
})

describe('where a measurement comes from', () => {
  const modules = [printed(A), printed(B), printed(C)]

  it.each([
    ['legacy', [POLICY, module(0), module(1), module(2)]],
    ['da', [POLICY, POLICY, module(1), module(2)]],
    [null, [OTHER, OTHER, OTHER, OTHER]],
  ] as const)('is told by the map %s', (map, origins) => {
    expect(decideOrigins([vl(17, D), vl(18, A), vl(19, B), vl(19, C)], modules, map)).toEqual(origins)
  })

  it('is the order alone where no digest is printed', () => {
    const unprinted = [printed(null), printed(null)]
    expect(decideOrigins([vl(17, D), vl(18, A), vl(19, B)], unprinted, 'legacy')).toEqual([
      POLICY,
      module(0),
      module(1),
    ])
  })

  it('is the printed digest where there is one', () => {
    const some = [printed(A), printed(null), printed(C)]
    expect(decideOrigins([vl(17, D), vl(18, A), vl(19, B), vl(19, C)], some, 'legacy')).toEqual([
      POLICY,
      module(0),
      OTHER,
      module(2),
    ])
    expect(decideOrigins([vl(17, D), vl(19, C)], modules, 'legacy')).toEqual([POLICY, module(2)])
  })

  it('of modules that are alike is the next one, and else an earlier one', () => {
    const alike = [printed(A), printed(A), printed(B)]
    expect(decideOrigins([vl(17, D), vl(18, A), vl(19, A), vl(19, B), vl(19, A)], alike, 'legacy')).toEqual([
      POLICY,
      module(0),
      module(1),
      module(2),
      module(0),
    ])
  })

  it('is no module in the register of the NV entry, nor counts there', () => {
    expect(decideOrigins([vl(17, D), vl(22, A), vl(18, A), vl(19, B)], modules, 'legacy')).toEqual([
      POLICY,
      OTHER,
      module(0),
      module(1),
    ])
    expect(decideOrigins([vl(17, D), vl(22, A), vl(18, B)], [printed(null)], 'legacy')).toEqual([
      POLICY,
      OTHER,
      module(0),
    ])
  })
})

describe('all extends', () => {
  const sinit = { pcr: 17, type: 0x402, digests: { sha1: A } }
  const mle = { pcr: 18, type: 0x404, digests: { sha1: B } }

  it('are those of SINIT, then those of tboot', () => {
    const events = [sinit, mle, { pcr: 17, type: 0x501, digests: { sha1: D } }]
    expect(joinEvents(events, D, [vl(17, C), vl(18, A)], [POLICY])).toEqual([
      { ...sinit, origin: { kind: 'platform' }, data: null },
      { ...mle, origin: { kind: 'mle' }, data: null },
      { ...vl(17, C), type: 0x501, origin: POLICY, data: null },
      { ...vl(18, A), type: 0x501, origin: OTHER, data: null },
    ])
  })

  it('have the MLE hash for those of SINIT where no event of it is printed', () => {
    const wanted = { pcr: 18, type: 0x404, digests: { sha1: D }, origin: { kind: 'mle' }, data: null }
    expect(joinEvents([], D, [], [])).toEqual([wanted])
    expect(joinEvents([], null, [], [])).toEqual([])
  })
})

describe('the modules', () => {
  it('have the digests of their measurement and the printed command line', () => {
    const entries = [vl(17, D), vl(18, A), vl(19, B)]
    const origins = [POLICY, module(1), module(0)]
    expect(
      joinModules(entries, origins, [printed(C, 'xen'), printed(C, 'kernel'), printed(C, 'initramfs')]),
    ).toEqual([
      { commandLine: 'xen', digests: { sha1: B } },
      { commandLine: 'kernel', digests: { sha1: A } },
      { commandLine: 'initramfs', digests: { sha1: C } },
    ])
  })

  it('are as many as measured or printed', () => {
    expect(joinModules([vl(18, A)], [module(1)], [])).toEqual([
      { commandLine: null, digests: {} },
      { commandLine: null, digests: { sha1: A } },
    ])
    expect(joinModules([vl(17, A)], [POLICY], [])).toEqual([])
    expect(joinModules([], [], [])).toEqual([])
  })

  it('have nothing of a command line that is another extend', () => {
    const line: EventOrigin = { kind: 'command-line', moduleIndex: 0 }
    expect(joinModules([vl(18, A), vl(18, B)], [line, module(0)], [])).toEqual([
      { commandLine: null, digests: { sha1: B } },
    ])
  })
})
