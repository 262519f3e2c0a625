import { describe, expect, it } from 'vitest'
import { comparePrepared, type PreparedLook } from '../../../src/core/decide/preparedness.ts'
import type { Prepared } from '../../../src/core/session/prepared.ts'

const SEALED = [
  { label: 'aem', copy: 'dom0', name: 'key.pub', sha256: 'aa' },
  { label: 'aem', copy: 'device', name: 'key.pub', sha256: 'aa' },
  { label: 'aem.stick', copy: 'dom0', name: 'secret.fre.sealed2', sha256: 'bb' },
] as const

const PREPARED: Prepared = {
  at: '2024-07-17T09:00:00.000Z',
  bootId: 'boot-1',
  label: 'aem',
  files: [
    { name: '/xen.gz', sha256: '01' },
    { name: '/vmlinuz-1', sha256: '02' },
  ],
  entry: 'ee',
  grubConfig: 'cc',
  packages: [{ name: 'kernel', evr: '0:1-1' }],
  selectedPcrs: [13, 17, 18],
  luks: 'dd',
  sealed: [...SEALED],
}

const SAME: PreparedLook = {
  deviceOut: null,
  files: PREPARED.files,
  entry: 'ee',
  grubConfig: 'cc',
  packages: PREPARED.packages,
  selectedPcrs: [18, 17, 13],
  luks: 'dd',
  sealed: [...SEALED],
  sharers: ['aem.stick'],
}

const compare = (now: Partial<PreparedLook>, before: Partial<Prepared> = {}) =>
  comparePrepared({ ...PREPARED, ...before }, { ...SAME, ...now })

const reseal = (label: string, copy: string) =>
  SEALED.map((one) => (one.label === label && one.copy === copy ? { ...one, sha256: 'ff' } : one))

describe('what was prepared', () => {
  it('fits where nothing differs; the order of SEAL is none', () => {
    expect(compare({})).toEqual({ state: 'fits', changes: [], notCompared: [] })
  })

  it.each([
    [
      'boot-file',
      {
        files: [
          { name: '/xen.gz', sha256: '01' },
          { name: '/vmlinuz-1', sha256: '03' },
        ],
      },
      /\/vmlinuz-1 changed/,
    ],
    [
      'boot-file',
      { files: [...PREPARED.files, { name: '/vmlinuz-2', sha256: '03' }] },
      /\/vmlinuz-2 came since/,
    ],
    ['boot-file', { files: PREPARED.files.slice(1) }, /\/xen\.gz is not there any more/],
    ['boot-entry', { entry: 'ef' }, /another one/],
    [
      'package',
      { packages: [...PREPARED.packages, { name: 'kernel', evr: '0:1-2' }] },
      /kernel 0:1-2 was installed since/,
    ],
    ['package', { packages: [] }, /kernel 0:1-1 was removed since/],
    ['selection', { selectedPcrs: [17, 18] }, /takes PCR 17, 18, not 13, 17, 18/],
    ['luks-header', { luks: 'd0' }, /LUKS/],
    ['sealed-files', { sealed: reseal('aem', 'dom0') }, /dom0's copy/],
    ['sealed-files', { sealed: reseal('aem', 'device') }, /the copy on aem/],
    ['freshness-slot', { sealed: reseal('aem.stick', 'dom0') }, /sealed for aem\.stick since/],
  ] as const)('is outdated: %s', (code, now, what) => {
    const found = compare(now as Partial<PreparedLook>)
    expect(found.state).toBe('outdated')
    expect(found.changes).toEqual([{ code, what: expect.stringMatching(what) }])
  })

  it('a seal of a device with a slot of its own is nothing to it', () => {
    expect(compare({ sealed: reseal('aem.stick', 'dom0'), sharers: [] }).state).toBe('fits')
  })

  it('an update is told once, by what came', () => {
    const found = compare({ packages: [{ name: 'kernel', evr: '0:1-2' }] })
    expect(found.changes.map(({ what }) => what)).toEqual(['kernel 0:1-2 was installed since'])
  })

  it.each([
    [
      'the device',
      { deviceOut: 'what aem carries: it is not plugged in', files: [], entry: null, grubConfig: null },
    ],
    [
      'a boot file',
      {
        files: [
          { name: '/xen.gz', sha256: null },
          { name: '/vmlinuz-1', sha256: '02' },
        ],
      },
    ],
    ['grub.cfg', { entry: null, grubConfig: null }],
    ['the packages', { packages: null }],
    ['SEAL', { selectedPcrs: null }],
    ['the LUKS headers', { luks: null }],
    ['the sealed files', { sealed: null }],
  ] as const)('%s that cannot be read is neither changed nor fine', (_what, now) => {
    const found = compare(now as Partial<PreparedLook>)
    expect(found).toMatchObject({ state: 'not-compared', changes: [] })
    expect(found.notCompared).toHaveLength(1)
  })

  it('a sealed file that cannot be read is neither the same nor another, then and now', () => {
    const unread = SEALED.map((one) => ({ ...one, sha256: null }))
    for (const found of [
      compare({ sealed: unread }),
      compare({ sealed: unread }, { sealed: unread }),
      compare({}, { sealed: unread }),
    ]) {
      expect(found).toMatchObject({ state: 'not-compared', changes: [] })
      expect(found.notCompared.join()).toContain("AEM's sealed file secret.fre.sealed2 of aem")
    }
  })

  it('what differs counts before what cannot be read', () => {
    expect(compare({ luks: null, entry: 'ef' }).state).toBe('outdated')
  })

  it('where the entry could not be told, grub.cfg counts as a whole', () => {
    expect(compare({ entry: null }, { entry: null }).state).toBe('fits')
    expect(compare({ entry: null, grubConfig: 'c0' }, { entry: null }).changes).toMatchObject([
      { code: 'boot-entry' },
    ])
    expect(compare({ grubConfig: 'c0' }).state).toBe('fits')
  })

  it('LUKS headers that were not read then are not asked for now', () => {
    expect(compare({ luks: null }, { luks: null }).state).toBe('fits')
  })
})

describe('what was prepared, part by part', () => {
  it('is outdated by another package of the same version', () => {
    const found = compare({ packages: [{ name: 'kernel-latest', evr: '0:1-1' }] })
    expect(found.changes.map(({ what }) => what)).toEqual([
      'kernel-latest 0:1-1 was installed since',
      'kernel 0:1-1 was removed since',
    ])
  })

  it('is not compared by a boot file that could not be read then', () => {
    const files = PREPARED.files.map((file) => ({ ...file, sha256: null }))
    expect(compare({}, { files })).toEqual({
      state: 'not-compared',
      changes: [],
      notCompared: ['/xen.gz: it could not be read', '/vmlinuz-1: it could not be read'],
    })
  })

  it('fits by the same grub.cfg where its entry can be told only now', () => {
    expect(compare({}, { entry: null }).state).toBe('fits')
    expect(compare({}, { entry: null, grubConfig: null })).toMatchObject({
      state: 'not-compared',
      notCompared: ['grub.cfg: it could not be read'],
    })
  })

  it('is compared in the sealed files of its own device and of those that share its slot alone', () => {
    const other = { label: 'aem.other', copy: 'dom0', name: 'key.pub', sha256: null } as const
    const unread = SEALED.map((one) => ({ ...one, sha256: null }))
    expect(compare({ sealed: [...SEALED, other] }).state).toBe('fits')
    expect(compare({ sealed: [...unread, other] }).notCompared).toEqual([
      "AEM's sealed file key.pub of aem: it could not be read",
      "AEM's sealed file secret.fre.sealed2 of aem.stick: it could not be read",
    ])
  })

  it('is compared in the sealed files whatever their order', () => {
    const more = { label: 'aem', copy: 'dom0', name: 'key.priv', sha256: 'ab' } as const
    const sealed = [...SEALED, more]
    expect(compare({ sealed: [more, ...SEALED] }, { sealed }).state).toBe('fits')
  })

  it("is compared in dom0's copy alone where the device is out of reach", () => {
    const deviceOut = 'what aem carries: it is not plugged in'
    const changesOf = (copy: string) => compare({ deviceOut, sealed: reseal('aem', copy) }).changes
    expect(changesOf('device')).toEqual([])
    expect(changesOf('dom0')).toMatchObject([
      { code: 'sealed-files', what: expect.stringContaining("dom0's copy") },
    ])
  })
})
