import { describe, expect, it } from 'vitest'
import { type EarlierVersion, listDowngrades, listUnwanted } from '../../../src/core/decide/downgrades.ts'
import { parseVersions, recordVersions } from '../../../src/core/session/versions.ts'

const AT = '2024-07-17T09:00:00.000Z'
const xen = (evr: string) => [{ name: 'xen-hypervisor', evr }]
const earlier = (...evrs: readonly string[]): readonly EarlierVersion[] =>
  evrs.map((evr) => ({ name: 'xen-hypervisor', evr, source: 'recorded' }))

describe('listDowngrades', () => {
  it.each([
    ['2001:4.17.4-3.fc37', ['2001:4.17.4-4.fc37'], '2001:4.17.4-4.fc37'],
    // As text, and by the epoch's digits, these would be the other way round.
    ['2001:4.17.4-9.fc37', ['2001:4.17.4-10.fc37'], '2001:4.17.4-10.fc37'],
    ['2000:4.19.0-1.fc37', ['2001:4.17.4-1.fc37'], '2001:4.17.4-1.fc37'],
    ['2001:4.17.3-9.fc37', ['4.17.4'], '4.17.4'],
    ['2001:4.17.4-3.fc37', ['2001:4.17.4-4.fc37', '2001:4.17.4-6.fc37'], '2001:4.17.4-6.fc37'],
  ])('%s after %j', (now, before, from) => {
    expect(listDowngrades(xen(now), earlier(...before))).toEqual([{ name: 'xen-hypervisor', from, to: now }])
  })

  it.each([
    ['2001:4.17.4-4.fc37', ['2001:4.17.4-3.fc37']],
    ['2001:4.17.4-4.fc37', ['2001:4.17.4-4.fc37']],
    ['2001:4.17.4-10.fc37', ['2001:4.17.4-9.fc37']],
    ['2001:4.17.4-1.fc37', ['4.17.4']],
    ['2001:4.17.4-4.fc37', []],
  ])('%s is none after %j', (now, before) => {
    expect(listDowngrades(xen(now), earlier(...before))).toEqual([])
  })

  it('wants a downgrade only down to the version that was named', () => {
    const found = listDowngrades(xen('2001:4.17.4-2'), earlier('2001:4.17.4-4'))
    expect(listUnwanted(found, [{ name: 'xen-hypervisor', to: '2001:4.17.4-2' }])).toEqual([])
    expect(listUnwanted(found, [{ name: 'xen-hypervisor', to: '2001:4.17.4-3' }])).toEqual(found)
    expect(listUnwanted(found, [{ name: 'kernel', to: '2001:4.17.4-2' }])).toEqual(found)
  })
})

describe('the record of versions', () => {
  const known = recordVersions(null, xen('2001:4.17.4-4'), [], AT)

  it('keeps the newest, and goes down only where that is wanted', () => {
    const evrOf = (versions: typeof known) => versions.packages.map(({ evr }) => evr)
    expect(evrOf(recordVersions(known, xen('2001:4.17.4-3'), [], AT))).toEqual(['2001:4.17.4-4'])
    expect(evrOf(recordVersions(known, xen('2001:4.17.4-10'), [], AT))).toEqual(['2001:4.17.4-10'])
    const wanted = [{ name: 'xen-hypervisor' }]
    expect(evrOf(recordVersions(known, xen('2001:4.17.4-3'), wanted, AT))).toEqual(['2001:4.17.4-3'])
  })

  it('reads back, and takes nothing else', () => {
    expect(parseVersions(JSON.stringify(known))).toEqual(known)
    for (const text of [
      '',
      '{}',
      'null',
      JSON.stringify({ ...known, version: 2 }),
      JSON.stringify({ ...known, packages: {} }),
    ])
      expect(parseVersions(text)).toBeNull()
  })
})
