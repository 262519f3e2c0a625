import { describe, expect, it } from 'vitest'
import type { MeasuredComponent } from '../../../src/core/launch/explain-types.ts'
import type { LaunchLog } from '../../../src/core/launch/launch-log.ts'
import { extendAll } from '../../../src/core/launch/replay.ts'
import { doesLogLead, listDifferences } from '../../../src/core/vouch/ground-differences.ts'

const digest = (byte: string): string => byte.repeat(32)

function component(
  role: MeasuredComponent['role'],
  pcr: number,
  byte: string,
  commandLine: string | null = null,
): MeasuredComponent {
  return { role, pcr, path: `/${role}`, commandLine, digests: { sha256: digest(byte) } }
}

const BOOT = [
  component('platform', 17, '01'),
  component('mle', 18, '02', 'logging=memory'),
  component('xen', 18, '03', 'smt=off'),
  component('kernel', 19, '04', 'quiet'),
  component('initramfs', 19, '05', ''),
]

describe('listDifferences', () => {
  it('finds none where the same was measured', () => {
    expect(listDifferences(BOOT, BOOT, 'sha256')).toEqual([])
  })

  it('tells other contents from another command line', () => {
    const now = BOOT.map((one) =>
      one.role === 'xen'
        ? component('xen', 18, 'aa', 'smt=off iommu=no')
        : one.role === 'initramfs'
          ? component('initramfs', 19, 'bb', '')
          : one,
    )
    expect(listDifferences(BOOT, now, 'sha256')).toEqual([
      {
        pcr: 18,
        role: 'xen',
        path: '/xen',
        kind: 'command-line',
        commandLine: { before: 'smt=off', now: 'smt=off iommu=no' },
      },
      { pcr: 19, role: 'initramfs', path: '/initramfs', kind: 'contents', commandLine: null },
    ])
  })

  it('does not claim which it was where a log has no command line', () => {
    const now = BOOT.map((one) => (one.role === 'platform' ? component('platform', 17, 'aa') : one))
    expect(listDifferences(BOOT, now, 'sha256')).toMatchObject([{ role: 'platform', kind: 'measured' }])
  })

  it.each([
    ['before', null, 'logging=memory'],
    ['now', 'logging=memory', null],
  ])('nor where one of both logs has none (%s)', (_, before, now) => {
    const [old, made] = [component('mle', 18, '02', before), component('mle', 18, 'aa', now)]
    expect(listDifferences([old], [made], 'sha256')).toEqual([
      { pcr: 18, role: 'mle', path: '/mle', kind: 'measured', commandLine: null },
    ])
  })

  it('names what was put in between, and nothing that only moved up', () => {
    const module = component('module', 18, 'cc', 'x')
    const longer = [...BOOT.slice(0, 3), module, ...BOOT.slice(3)]
    expect(listDifferences(BOOT, longer, 'sha256')).toEqual([
      { pcr: 18, role: 'module', path: '/module', kind: 'added', commandLine: null },
    ])
  })

  it('names what came, what went, and another order', () => {
    const module = component('module', 19, 'cc', 'x')
    expect(listDifferences(BOOT, [...BOOT, module], 'sha256')).toMatchObject([
      { role: 'module', kind: 'added' },
    ])
    expect(listDifferences([...BOOT, module], BOOT, 'sha256')).toMatchObject([
      { role: 'module', kind: 'removed' },
    ])
    const [first, second, third, fourth, fifth] = BOOT as [
      MeasuredComponent,
      MeasuredComponent,
      MeasuredComponent,
      MeasuredComponent,
      MeasuredComponent,
    ]
    const turned = [first, second, third, fifth, fourth]
    expect(listDifferences(BOOT, turned, 'sha256')).toMatchObject([{ kind: 'order' }])
  })
})

describe('doesLogLead', () => {
  const log: LaunchLog = {
    kind: 'tboot',
    version: null,
    measured: true,
    map: 'legacy',
    events: BOOT.map(({ pcr, digests }) => ({
      pcr,
      type: 0x501,
      digests,
      origin: { kind: 'other' },
      data: null,
    })),
    modules: [],
    defaultPolicy: true,
    platformEvents: true,
    values: { sinitHash: null, mleHash: null, policyHash: null, policyControl: null },
    startupLocality: null,
    problems: [],
  }
  const values = (pcr: number): string =>
    extendAll(
      'sha256',
      BOOT.filter((one) => one.pcr === pcr).map((one) => one.digests.sha256 ?? ''),
    )
  const registers = { 17: values(17), 18: values(18), 19: values(19) }

  it('is true of a log that gives the registers', () => {
    expect(doesLogLead(log, 'sha256', registers)).toBe(true)
  })

  it.each([17, 18, 19])('is false of one that does not give PCR %i', (index) => {
    expect(doesLogLead(log, 'sha256', { ...registers, [index]: digest('ff') })).toBe(false)
  })

  it('is false where nothing could be compared', () => {
    expect(doesLogLead(log, 'sha256', {})).toBe(false)
  })
})
