import { describe, expect, it } from 'vitest'
import { parseVersions, recordVersions, type Versions } from '../../../src/core/session/versions.ts'

const AT = '2024-07-17T09:00:00.000Z'
const LATE = '2024-07-19T09:00:00.000Z'
const XEN = { name: 'xen-hypervisor', evr: '2001:4.17.4-4.fc37', at: AT }
const KERNEL = { name: 'kernel', evr: '1000:6.6.36-1.qubes.fc37', at: AT }
const known: Versions = { format: 'aem-reseal versions', version: 1, packages: [XEN, KERNEL] }

describe('the newest confirmed versions', () => {
  const recorded = (evr: string, wanted: string[] = []) =>
    recordVersions(
      known,
      [{ name: XEN.name, evr }],
      wanted.map((name) => ({ name })),
      LATE,
    ).packages

  it.each([
    ['a newer one', '2001:4.17.4-10.fc37', []],
    ['an older one that a person wants', '2001:4.17.4-3.fc37', ['tboot', XEN.name]],
  ])('take %s', (_what, evr, wanted) => {
    expect(recorded(evr, wanted)).toEqual([{ name: XEN.name, evr, at: LATE }, KERNEL])
  })

  it.each([
    ['an older one', '2001:4.17.4-3.fc37', []],
    ['an older one where another package is to be older', '2001:4.17.4-3.fc37', ['kernel']],
    ['the same one again, and keep since when', XEN.evr, []],
  ])('do not take %s', (_what, evr, wanted) => {
    expect(recorded(evr, wanted)).toEqual([XEN, KERNEL])
  })

  it('begin with what was confirmed first, and take in a further package', () => {
    const confirmed = { name: XEN.name, evr: XEN.evr }
    expect(recordVersions(null, [confirmed], [], AT)).toEqual({ ...known, packages: [XEN] })
    const tboot = { name: 'tboot', evr: '1:1.10.5-2.fc37' }
    expect(recordVersions(known, [tboot], [], LATE).packages).toEqual([XEN, KERNEL, { ...tboot, at: LATE }])
  })
})

describe('the file of versions', () => {
  it('reads back', () => {
    expect(parseVersions(JSON.stringify(known))).toEqual(known)
  })

  it.each<[string, string]>([
    ['no JSON', '{'],
    ['null', 'null'],
    ['another format', JSON.stringify({ ...known, format: 'aem-reseal devices' })],
    ['another version', JSON.stringify({ ...known, version: 2 })],
    ['a package without a version', JSON.stringify({ ...known, packages: [{ name: 'tboot', at: AT }] })],
    ['a time that is none', JSON.stringify({ ...known, packages: [{ ...XEN, at: 'now' }] })],
  ])('is none with %s', (_what, text) => {
    expect(parseVersions(text)).toBeNull()
  })
})
